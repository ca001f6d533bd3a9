package attack

import (
	"math"
	"testing"
	"time"
)

// alone serves everybody as if there were nobody else.
func alone(inside int) []float64 { return shares(inside, 1) }

// queue serves in turn: the first has all of the server.
func queue(inside int) []float64 {
	speeds := shares(inside, 0)
	speeds[0] = 1
	return speeds
}

// sharing serves all at once, each at its share.
func sharing(inside int) []float64 {
	return shares(inside, 1/float64(inside))
}

func shares(n int, each float64) []float64 {
	speeds := make([]float64, n)
	for i := range speeds {
		speeds[i] = each
	}
	return speeds
}

// simulated is a ladder of clients that come over a third of its duration, on a
// server that tells how fast it serves the requests that it has, in the order in
// which they came.
type simulated struct {
	clients        int
	need, duration time.Duration
	serve          func(inside int) []float64
	fails          func(client int) bool
	starves        func(client int) bool // is never answered
}

// rps is what the account says of it.
func (s simulated) rps() float64 {
	ended := false
	l := newLadder(s.clients, 0, s.duration/arrival, s.duration, func() { ended = true })
	accounts := make([]rounds, s.clients)
	type request struct {
		client     int
		sent, left time.Duration
	}
	var inside []request
	come := 0
	const step = 100 * time.Microsecond
	for now := time.Duration(0); now < 2*s.duration && (!ended || len(inside) > 0); now += step {
		for come < s.clients && arrivalOf(come, s.clients, s.duration/arrival) <= now {
			inside = append(inside, request{come, now, s.need})
			come++
		}
		if len(inside) == 0 {
			continue
		}
		var still, again []request
		for i, speed := range s.serve(len(inside)) {
			r := inside[i]
			if s.starves == nil || !s.starves(r.client) {
				r.left -= time.Duration(speed * float64(step))
			}
			if r.left > 0 {
				still = append(still, r)
				continue
			}
			l.ended(&accounts[r.client], r.sent, now+step, s.fails == nil || !s.fails(r.client))
			if !ended {
				again = append(again, request{r.client, now + step, s.need})
			}
		}
		inside = append(still, again...)
	}
	sum := 0.0
	for _, a := range accounts {
		sum += a.rps(l.span)
	}
	return sum
}

// Whatever limits a server, and however few rounds fit into the time, what a
// ladder is said to have served is what its clients are served for good.
func TestALadderTellsTheRateOfAllItsClients(t *testing.T) {
	const ms = time.Millisecond
	for _, c := range []struct {
		name string
		simulated
		want float64
	}{
		{"one client, many rounds", simulated{clients: 1, need: 10 * ms, duration: 1000 * ms, serve: queue}, 100},
		{"one client, a round and a half", simulated{clients: 1, need: 660 * ms, duration: 1000 * ms, serve: queue}, 1 / 0.66},
		{"clients that wait for half of the duration", simulated{clients: 60, need: 500 * ms, duration: 1000 * ms, serve: alone}, 120},
		{"clients that wait for a third and a little", simulated{clients: 60, need: 340 * ms, duration: 1000 * ms, serve: alone}, 60 / 0.34},
		{"clients that wait for most of it", simulated{clients: 60, need: 900 * ms, duration: 1000 * ms, serve: alone}, 60 / 0.9},
		{"a queue with many rounds", simulated{clients: 8, need: 5 * ms, duration: 1000 * ms, serve: queue}, 200},
		{"a queue as long as what is left of the duration", simulated{clients: 30, need: 20 * ms, duration: 1000 * ms, serve: queue}, 50},
		{"sharing with many rounds", simulated{clients: 8, need: 5 * ms, duration: 1000 * ms, serve: sharing}, 200},
		{"sharing with a round and a half", simulated{clients: 20, need: 20 * ms, duration: 1000 * ms, serve: sharing}, 50},
		{"a quarter of the clients is refused", simulated{clients: 40, need: 200 * ms, duration: 1000 * ms, serve: alone,
			fails: func(client int) bool { return client%4 == 0 }}, 150},
		{"half of the clients are never answered", simulated{clients: 40, need: 200 * ms, duration: 1000 * ms, serve: alone,
			starves: func(client int) bool { return client%2 == 0 }}, 100},
	} {
		if got := c.rps(); math.Abs(got/c.want-1) > 0.03 {
			t.Errorf("%s: %.2f per second, want %.2f", c.name, got, c.want)
		}
	}
}

// A ladder ends when everybody has had an answer after its duration.
func TestALaddersClientsStayUntilAllAreAnswered(t *testing.T) {
	ended := 0
	l := newLadder(2, 0, 300, 900, func() { ended++ })
	var a, b rounds
	l.ended(&a, 0, 899, true)
	l.ended(&a, 899, 900, true)
	l.ended(&a, 900, 950, true)
	if ended != 0 || l.over() {
		t.Errorf("ended %d times before the other was answered", ended)
	}
	l.ended(&b, 200, 960, false)
	l.ended(&b, 960, 970, true)
	if ended != 1 || !l.over() {
		t.Errorf("ended %d times when both were", ended)
	}
	// Of the second client nothing was sent while both were there, and its only
	// answer was none.
	if got := b.rps(l.span); got != 0 {
		t.Errorf("a client that was never served had %v per second", got)
	}
}
