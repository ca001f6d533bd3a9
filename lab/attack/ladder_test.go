package attack

import (
	"math"
	"math/rand/v2"
	"slices"
	"testing"
	"time"

	"runtimelab/lab"
)

const ms = time.Millisecond

// discipline returns how fast a server works on each of its requests, in the order of the list. 1
// is a whole worker.
type discipline func(requests int) []float64

// parallel serves every request as if it were the only one.
func parallel(requests int) []float64 { return speeds(requests, requests, 1) }

// sharing divides one worker among all requests.
func sharing(requests int) []float64 { return speeds(requests, requests, 1/float64(requests)) }

// queue has workers that serve one request each, from the front of the list.
func queue(workers int) discipline {
	return func(requests int) []float64 { return speeds(requests, workers, 1) }
}

// speeds returns n speeds: each for the first served requests, 0 for the others.
func speeds(n, served int, each float64) []float64 {
	out := make([]float64, n)
	for i := range min(n, served) {
		out[i] = each
	}
	return out
}

// server is a simulated server for the requests of a ladder.
type server struct {
	clients        int
	need, duration time.Duration
	serve          discipline
	random         bool                  // a free worker takes any waiting request, not the oldest
	batches        int                   // workers that take all waiting requests at once, instead of serve
	fails          func(client int) bool // whether the client is refused
	starves        func(client int) bool // whether the client is never answered
}

type request struct {
	client     int
	sent, left time.Duration
}

// rps returns the throughput that a ladder on the server reports.
func (s server) rps(seed uint64) float64 {
	rampUp := s.duration / arrivalDivisor
	lastArrival := arrivalTime(s.clients-1, s.clients, rampUp)
	ended := false
	ladder := newLadder(s.clients, s.duration, func() { ended = true })
	rate := newCompletions(0, lastArrival, s.duration, 2*s.duration)
	gotLast := make([]bool, s.clients)
	random := rand.New(rand.NewPCG(seed, 0))
	need := func() time.Duration { return time.Duration(float64(s.need) * (1 + 0.05*random.NormFloat64())) }

	var waiting []request
	batches := make([][]request, s.batches)
	arrived := 0
	const step = 100 * time.Microsecond
	for now := time.Duration(0); now < 2*s.duration && (!ended || len(waiting) > 0); now += step {
		for arrived < s.clients && arrivalTime(arrived, s.clients, rampUp) <= now {
			waiting = append(waiting, request{arrived, now, need()})
			arrived++
		}
		var served []request
		if s.batches > 0 {
			waiting, served = workBatches(random, waiting, batches, step)
		} else {
			waiting, served = s.work(random, waiting, step)
		}
		for _, r := range served {
			rate.add(r.sent, now+step, s.fails == nil || !s.fails(r.client))
			ladder.answered(&gotLast[r.client], now+step)
			if !ended {
				waiting = append(waiting, request{r.client, now + step, need()})
			}
		}
		if ended && s.batches > 0 {
			break
		}
	}
	return rate.rps()
}

// work serves for one step. It returns the requests that still wait and those that were served.
func (s server) work(random *rand.Rand, all []request, step time.Duration) (waiting, served []request) {
	speed := s.serve(len(all))
	free := 0
	for i, r := range all {
		if s.starves == nil || !s.starves(r.client) {
			r.left -= time.Duration(speed[i] * float64(step))
		}
		switch {
		case r.left > 0:
			waiting = append(waiting, r)
		default:
			served = append(served, r)
			if speed[i] == 1 {
				free++
			}
		}
	}
	if s.random && free > 0 && len(waiting) > 1 { // random is for one worker
		i := random.IntN(len(waiting))
		waiting[0], waiting[i] = waiting[i], waiting[0]
	}
	return waiting, served
}

// workBatches makes each worker serve its batch in turn and take all waiting requests when its
// batch is empty, like an event loop that accepts until no connection waits.
func workBatches(
	random *rand.Rand, all []request, batches [][]request, step time.Duration,
) (waiting, served []request) {
	waiting = all
	for _, i := range random.Perm(len(batches)) {
		if len(batches[i]) == 0 {
			batches[i], waiting = waiting, nil
		}
		if len(batches[i]) == 0 {
			continue
		}
		first := &batches[i][0]
		if first.left -= step; first.left <= 0 {
			served = append(served, *first)
			batches[i] = slices.Clone(batches[i][1:])
		}
	}
	return waiting, served
}

// The reported throughput must be what the clients get in the long run, whatever limits the server,
// in whatever order it serves, and however few rounds fit into the duration.
func TestLadderRate(t *testing.T) {
	for _, c := range []struct {
		name string
		server
		want float64
	}{
		{"one client, many rounds", server{clients: 1, need: 10 * ms, duration: 1000 * ms, serve: queue(1)}, 100},
		{
			"one client, a round and a half",
			server{clients: 1, need: 660 * ms, duration: 1000 * ms, serve: queue(1)},
			1 / 0.66,
		},
		{
			"waiting, half of the duration",
			server{clients: 60, need: 500 * ms, duration: 1000 * ms, serve: parallel},
			120,
		},
		{"waiting, a third", server{clients: 60, need: 340 * ms, duration: 1000 * ms, serve: parallel}, 60 / 0.34},
		{
			"waiting, most of it",
			server{clients: 60, need: 900 * ms, duration: 1000 * ms, serve: parallel},
			60 / 0.9,
		},
		{"a queue, many rounds", server{clients: 8, need: 5 * ms, duration: 1000 * ms, serve: queue(1)}, 200},
		{"a queue, one round", server{clients: 30, need: 20 * ms, duration: 1000 * ms, serve: queue(1)}, 50},
		{"a queue of two workers", server{clients: 32, need: 40 * ms, duration: 1500 * ms, serve: queue(2)}, 50},
		{"sharing, many rounds", server{clients: 8, need: 5 * ms, duration: 1000 * ms, serve: sharing}, 200},
		{
			"sharing, a round and a half",
			server{clients: 20, need: 20 * ms, duration: 1000 * ms, serve: sharing},
			50,
		},
		{"a queue in random order", server{
			clients: 32, need: 20 * ms, duration: 1500 * ms, serve: queue(1), random: true,
		}, 50},
		{
			"two workers that accept in batches",
			server{clients: 32, need: 20 * ms, duration: 1500 * ms, batches: 2},
			100,
		},
		{"two workers that accept in batches, few rounds", server{
			clients: 32, need: 50 * ms, duration: 1500 * ms, batches: 2,
		}, 40},
		{"a quarter of the clients is refused", server{
			clients: 40, need: 200 * ms, duration: 1000 * ms, serve: parallel,
			fails: func(client int) bool { return client%4 == 0 },
		}, 150},
		{"half of the clients are never answered", server{
			clients: 40, need: 200 * ms, duration: 1000 * ms, serve: parallel,
			starves: func(client int) bool { return client%2 == 0 },
		}, 100},
	} {
		// Service times vary by 5 %: the mean over some seeds is compared.
		const seeds = 8
		sum := 0.0
		for seed := range uint64(seeds) {
			sum += c.rps(seed) / seeds
		}
		if math.Abs(sum/c.want-1) > 0.02 {
			t.Errorf("%s: %.2f per second, want %.2f", c.name, sum, c.want)
		}
	}
}

func TestLadderEndsWhenEveryClientHasItsLastAnswer(t *testing.T) {
	stopped := 0
	l := newLadder(2, 900, func() { stopped++ })
	var a, b bool
	for _, end := range []time.Duration{899, 900, 950} {
		l.answered(&a, end)
	}
	if stopped != 0 || l.isOver() {
		t.Errorf("stopped %d times before the second client had its last answer", stopped)
	}
	l.answered(&b, 960)
	l.answered(&b, 970)
	if stopped != 1 || !l.isOver() {
		t.Errorf("stopped %d times after both clients had their last answer", stopped)
	}
}

func TestLadderWithoutAnswersHasNoRate(t *testing.T) {
	c := newCompletions(0, 300, 900, 1800)
	c.add(100, 1000, false)
	c.add(200, 5000, false)
	if got := c.rps(); got != 0 || c.lastAnswer != c.sendingEnd {
		t.Errorf("%v per second, the last answer at %d", got, c.lastAnswer)
	}
}

// The attack on twice the connections is another attack: a peak itself ends with its duration.
func TestOnlyTheClientsOfALadderWaitAfterTheDuration(t *testing.T) {
	for _, kind := range lab.PhaseKinds() {
		want := time.Second
		if kind.Kind == lab.Ladder {
			want = 2 * time.Second
		}
		if got := maxSendTime(lab.Attack{Kind: kind.Kind, Duration: time.Second}); got != want {
			t.Errorf("an attack of kind %s and 1 s may send for %v, want %v", kind.Kind, got, want)
		}
	}
}
