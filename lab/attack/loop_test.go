package attack

import (
	"fmt"
	"math"
	"math/rand/v2"
	"net"
	"net/http"
	"runtime"
	"slices"
	"strings"
	"testing"
	"time"

	"runtimelab/lab"
)

func TestAnUnknownGeneratorIsAnError(t *testing.T) {
	for _, g := range []lab.Generator{"", "wrk"} {
		_, err := Run(t.Context(), attackBy(g, "http://127.0.0.1:1", lab.Peak), nil, nil)
		if err == nil || !strings.Contains(err.Error(), fmt.Sprintf("%q", g)) ||
			!strings.Contains(err.Error(), string(lab.EventLoop)) {
			t.Errorf("generator %q: error %v", g, err)
		}
	}
}

// The parts of a schedule are together a schedule of the whole rate. The gaps between Poisson arrivals
// are exponential: the test is Kolmogorov's and Smirnov's.
func TestPartsOfAScheduleAreTogetherTheSchedule(t *testing.T) {
	const rate, lasts = 1000.0, 100 * time.Second
	for _, arrivals := range []lab.Arrivals{lab.Constant, lab.Poisson} {
		for _, parts := range []int{1, 2, 3, 7} {
			a := lab.Attack{Arrivals: arrivals, Rate: constantRate(rate), Seed: 5}
			var due []time.Duration
			for part := range parts {
				s := newPartialSchedule(a, part, parts)
				for at := s.next(); at < lasts; at = s.next() {
					due = append(due, at)
				}
			}
			slices.Sort(due)
			whole := newSchedule(a)
			if arrivals == lab.Constant {
				for i, at := range due {
					if want := whole.next(); at != want {
						t.Fatalf("%d parts: hit %d is due at %v, want %v", parts, i, at, want)
					}
				}
				continue
			}
			gaps := make([]float64, len(due))
			for i := range due {
				gaps[i] = due[i].Seconds()
				if i > 0 {
					gaps[i] -= due[i-1].Seconds()
				}
			}
			if d := distanceFromExponential(gaps, rate); d > 1.95/math.Sqrt(float64(len(gaps))) { // p < 0.001
				t.Errorf("%d parts: the gaps are %.5f from exponential ones", parts, d)
			}
			if n := float64(len(due)); math.Abs(n-rate*lasts.Seconds()) > 4*math.Sqrt(n) {
				t.Errorf("%d parts: %v hits of %v a second in %v", parts, n, rate, lasts)
			}
		}
	}
}

// distanceFromExponential returns the largest difference between the distribution of the samples and the
// exponential one.
func distanceFromExponential(samples []float64, rate float64) (d float64) {
	slices.Sort(samples)
	n := float64(len(samples))
	for i, x := range samples {
		p := 1 - math.Exp(-rate*x)
		d = max(d, math.Abs(p-float64(i)/n), math.Abs(p-float64(i+1)/n))
	}
	return d
}

// However hits are divided between recorders, the result is the same.
func TestRecordersOfSeveralLoopsAddUp(t *testing.T) {
	for _, kind := range []lab.PhaseKind{lab.Peak, lab.Steady, lab.Ladder} {
		a := attackOn("http://127.0.0.1:1", kind)
		a.Rate, a.Deadline, a.Duration, a.Connections = constantRate(1000), 20*time.Millisecond, 6*time.Second, 8
		record := func(loops int) lab.AttackResult {
			random := rand.New(rand.NewPCG(1, 2))
			all := newRecorders(a, time.Unix(1e9, 0), nil, loops)
			for _, r := range all {
				r.beginSecondsAt(0)
				if kind == lab.Ladder {
					r.countLadder(newLadderCompletions(a, 0))
				}
			}
			for i := range 5000 {
				x := exchange{
					seq: uint64(i), intended: time.Duration(i) * time.Millisecond, answered: true, status: 200,
				}
				x.sent = x.intended + time.Duration(random.IntN(1e6))
				x.end = x.sent + time.Duration(random.ExpFloat64()*1e7)
				x.firstByte = (x.sent + x.end) / 2
				if random.IntN(50) == 0 {
					x.failure = fmt.Sprint("reason ", random.IntN(3))
				}
				all[random.IntN(5000)%loops].add(&x)
			}
			got, err := finish(all)
			if err != nil {
				t.Fatal(err)
			}
			return got
		}
		want := record(1)
		for _, loops := range []int{2, 3} {
			got := record(loops)
			if got.HitCounts != want.HitCounts || got.Elapsed != want.Elapsed ||
				!got.StartedAt.Equal(want.StartedAt) || got.LadderRPS != want.LadderRPS ||
				fmt.Sprint(got.Errors) != fmt.Sprint(want.Errors) {
				t.Errorf("%s: %d loops recorded %+v, one %+v", kind, loops, got, want)
			}
			for name, pair := range map[string][2]*lab.Latency{
				"raw": {got.Raw, want.Raw}, "corrected": {got.Corrected, want.Corrected},
				"send lag": {got.SendLag, want.SendLag}, "first byte": {got.FirstByte, want.FirstByte},
				"failures": {got.Failures, want.Failures},
			} {
				if (pair[0] == nil) != (pair[1] == nil) || pair[0] != nil && string(pair[0].HDR) != string(pair[1].HDR) {
					t.Errorf("%s: the histogram %s of %d loops is another", kind, name, loops)
				}
			}
			for i, b := range got.Buckets {
				// An answer of one loop counts in the newest second of that loop.
				if w := want.Buckets[i]; b.Sent != w.Sent || math.Abs(float64(b.Succeeded-w.Succeeded)) > 20 ||
					b.P50MS != nil && math.Abs(*b.P50MS/(*w.P50MS)-1) > 0.05 || (b.P50MS == nil) != (w.P50MS == nil) {
					t.Errorf("%s: second %d of %d loops is %+v, of one %+v", kind, i, loops, b, w)
				}
			}
		}
	}
}

// A warm-up is steady when the sum of all loops is, and not when one loop is.
func TestLoopsAreSteadyTogether(t *testing.T) {
	for name, c := range map[string]struct {
		perWindow func(loop, window int) int
		steady    bool
	}{
		"each is steady": {func(int, int) int { return 50 }, true},
		"their sum is":   {func(loop, window int) int { return 50 + 40*(loop*2-1)*(window%2*2-1) }, true},
		"only one is":    {func(loop, window int) int { return 50 + 40*loop*(window%2) }, false},
	} {
		detector := newSteadinessDetector(2)
		counters := [2]hitCounter{{detector: detector}, {detector: detector}}
		steady := false
		for window := range 8 {
			for loop := range counters {
				n := c.perWindow(loop, window)
				for i := range n {
					at := time.Duration(window)*windowLength + windowLength*time.Duration(i)/time.Duration(n)
					steady = counters[loop].addHit(at) || steady
				}
			}
		}
		if steady != c.steady {
			t.Errorf("%s: steady %v", name, steady)
		}
	}
}

// A loop that is behind has not agreed yet.
func TestNoLoopIsSteadyAlone(t *testing.T) {
	detector := newSteadinessDetector(2)
	counters := [2]hitCounter{{detector: detector}, {detector: detector}}
	for loop, want := range []bool{false, true} {
		steady := false
		for i := range 600 {
			steady = counters[loop].addHit(time.Duration(i) * windowLength / 100)
		}
		if steady != want {
			t.Errorf("after %d of 2 loops: steady %v", loop+1, steady)
		}
	}
}

// Hits on a loop allocate nothing, whatever the answers are judged by.
func TestALoopAllocatesNothingForAHit(t *testing.T) {
	const body = `{"id":7,"at":"12:00:01"}`
	byMembers := &lab.Expectation{JSON: []byte(`{"id":7}`), Header: map[string]string{"x-version": "2"}}
	for name, change := range map[string]func(a *lab.Attack){
		"exact":      func(*lab.Attack) {},
		"by members": func(a *lab.Attack) { a.Targets[0].Request.Answer = byMembers },
		"another":    func(a *lab.Attack) { a.Targets[0].Body = []byte(`{"id":8}`) },
		"connection per request": func(a *lab.Attack) {
			a.ConnectionPerRequest = true
		},
	} {
		a := attackBy(lab.EventLoop, rawServer(t, fmt.Sprintf(
			"HTTP/1.1 200 OK\r\nX-Version: 2\r\nContent-Length: %d\r\n\r\n%s", len(body), body)), lab.Steady)
		a.Connections, a.Targets[0].Body, a.Rate = 1, []byte(body), constantRate(1000)
		change(&a)
		h := loopOn(t, a)
		send := func() {
			h.allowed++
			h.sending = true
			h.loop.SetTimer(&h.timers.send, 0)
			if err := h.loop.Run(); err != nil {
				t.Fatal(err)
			}
			if c := h.clients[0]; !c.hit.answered || (c.hit.failure != "") != (name == "another") {
				t.Fatalf("%s: %+v", name, c.hit)
			}
		}
		limit := 0.1 // what the test's own goroutines may allocate
		if a.ConnectionPerRequest {
			limit += 8 // of the server's goroutine, which accepts
		}
		send()
		const hits = 1000
		var before, after runtime.MemStats
		runtime.ReadMemStats(&before) // testing.AllocsPerRun would leave the server no CPU beside the loop
		for range hits {
			send()
		}
		runtime.ReadMemStats(&after)
		if allocated := float64(after.Mallocs-before.Mallocs) / hits; allocated > limit {
			t.Errorf("%s: %.2f allocations for a hit, want none", name, allocated)
		}
	}
}

// rawServer answers each read with the same bytes, and allocates nothing for it.
func rawServer(t *testing.T, answer string) (url string) {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = l.Close() })
	bytes := []byte(answer)
	go func() {
		for {
			c, err := l.Accept()
			if err != nil {
				return
			}
			go func() {
				defer c.Close()
				request := make([]byte, 1024)
				for {
					if _, err := c.Read(request); err != nil {
						return
					}
					if _, err := c.Write(bytes); err != nil {
						return
					}
				}
			}()
		}
	}()
	return "http://" + l.Addr().String()
}

// Where the server is slower than the rate, hits wait without loss: each is sent in its turn as soon as a
// connection is free, and its latency counts from when it was due.
func TestDueHitsWaitForAConnectionInTheirOrder(t *testing.T) {
	a := attackBy(lab.EventLoop, startServer(t, func(w http.ResponseWriter, r *http.Request) {
		time.Sleep(5 * time.Millisecond)
		hello(w, r)
	}), lab.Steady)
	a.Connections, a.Arrivals, a.Duration, a.KeepHits = 1, lab.Constant, 300*time.Millisecond, true
	a.Rate = []lab.Stage{{FromRPS: 1000, ToRPS: 1000, Duration: 20 * time.Millisecond}, {Duration: time.Second}}
	a.SleepWhenIdle = true
	var spool strings.Builder
	got, err := Run(t.Context(), a, &spool, nil)
	if err != nil {
		t.Fatal(err)
	}
	if got.Intended != 20 || got.Sent != 20 || got.Succeeded != 20 {
		t.Errorf("%d of %d were sent, %d succeeded", got.Sent, got.Intended, got.Succeeded)
	}
	var hits []lab.Hit
	if err := ReadHits(strings.NewReader(spool.String()), func(chunk []lab.Hit) error {
		hits = append(hits, chunk...)
		return nil
	}); err != nil {
		t.Fatal(err)
	}
	for i, h := range hits {
		if h.Seq != uint64(i) || i > 0 && h.SentAt.Before(hits[i-1].SentAt) {
			t.Errorf("hit %d has number %d and was sent at %v", i, h.Seq, h.SentAt)
		}
	}
	// 20 hits of 5 ms one after another, due within 20 ms.
	if got.Corrected.MaxMS < 80 || got.Raw.MaxMS > got.Corrected.MaxMS {
		t.Errorf("corrected latencies to %.1f ms, raw ones to %.1f", got.Corrected.MaxMS, got.Raw.MaxMS)
	}
}

// Each connection is used as often as any other, although one would do.
func TestFreeConnectionsAreUsedInTurn(t *testing.T) {
	used := make(chan string, 1000)
	a := attackBy(lab.EventLoop, startServer(t, func(w http.ResponseWriter, r *http.Request) {
		used <- r.RemoteAddr
		hello(w, r)
	}), lab.Steady)
	a.Arrivals, a.Duration = lab.Constant, 700*time.Millisecond
	a.Rate = []lab.Stage{{FromRPS: 200, ToRPS: 200, Duration: 400 * time.Millisecond}, {Duration: time.Second}}
	a.SleepWhenIdle = true
	if _, err := Run(t.Context(), a, nil, nil); err != nil {
		t.Fatal(err)
	}
	times := map[string]int{}
	for range len(used) {
		times[<-used]++
	}
	for address, n := range times {
		if len(times) != 4 || n < 15 || n > 25 { // an answer that is late changes the order
			t.Errorf("%d of 4 connections were used, %s for %d of 80 requests", len(times), address, n)
		}
	}
}

// A server that refuses connections must not keep a loop from its end.
func TestRefusedConnectionsDoNotKeepALoopFromItsEnd(t *testing.T) {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	url := "http://" + l.Addr().String()
	if err := l.Close(); err != nil {
		t.Fatal(err)
	}
	reasons := map[lab.Generator]string{}
	withEachGenerator(t, func(t *testing.T, g lab.Generator) {
		a := attackBy(g, url, lab.Peak)
		a.Duration = 100 * time.Millisecond
		got, err := Run(t.Context(), a, nil, nil)
		if err != nil || got.Sent == 0 || got.Failed != got.Sent || len(got.Errors) != 1 {
			t.Fatalf("%d of %d failed: %v, error %v", got.Failed, got.Sent, got.Errors, err)
		}
		for reason := range got.Errors {
			reasons[g] = reason
		}
	})
	if reasons[lab.EventLoop] != reasons[lab.Vegeta] || reasons[lab.EventLoop] == "" {
		t.Errorf("the generators word the reason differently: %q", reasons)
	}
}

// The end of a connection that comes while it is idle is not told again. The next hit must find it, also
// where the server only stops sending and would never reset the connection.
func TestAHitFindsTheEndThatCameWhileItsConnectionWasIdle(t *testing.T) {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	ended := make(chan error, 10)
	go func() {
		for {
			c, err := l.Accept()
			if err != nil {
				return
			}
			defer c.Close() // when the test ends
			request := make([]byte, 1024)
			_, _ = c.Read(request)
			_, _ = c.Write([]byte("HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\nhello"))
			ended <- c.(*net.TCPConn).CloseWrite()
		}
	}()
	h := hitterOn(t, lab.EventLoop, "http://"+l.Addr().String(), "hello", nil)
	if _, err := hit(t, h); err != nil {
		t.Fatal(err)
	}
	if err := <-ended; err != nil {
		t.Fatal(err)
	}
	if _, err := hit(t, h); !strings.Contains(fmt.Sprint(err), errClosedBeforeAnswer.Error()) {
		t.Errorf("error %v, want %v", err, errClosedBeforeAnswer)
	}
	if _, err := hit(t, h); err != nil {
		t.Errorf("the hit after it: %v", err)
	}
}
