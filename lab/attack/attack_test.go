package attack

import (
	"context"
	"errors"
	"net/http"
	"net/http/httptest"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"runtimelab/lab"
)

func answering(t *testing.T, h http.HandlerFunc) string {
	t.Helper()
	server := httptest.NewServer(h)
	t.Cleanup(server.Close)
	return server.URL
}

func attackOn(url string, kind lab.PhaseKind) lab.Attack {
	return lab.Attack{
		Name:    "test",
		BaseURL: url,
		Kind:    kind,
		Targets: []lab.Target{{
			Request: lab.Request{Method: "GET", Path: "/json"},
			Status:  200,
			Body:    []byte("hello"),
		}},
		Connections: 4,
		Duration:    300 * time.Millisecond,
		Timeout:     5 * time.Second,
		Seed:        1,
	}
}

// at is a constant rate for longer than any test.
func at(rps float64) []lab.Stage {
	return []lab.Stage{{FromRPS: rps, ToRPS: rps, Duration: time.Hour}}
}

func hello(w http.ResponseWriter, _ *http.Request) { _, _ = w.Write([]byte("hello")) }

func TestPeakCountsEveryHitTheServerAnswered(t *testing.T) {
	var served atomic.Int64
	url := answering(t, func(w http.ResponseWriter, r *http.Request) {
		served.Add(1)
		hello(w, r)
	})
	got, err := Run(t.Context(), attackOn(url, lab.Peak), nil, nil)
	if err != nil {
		t.Fatal(err)
	}
	if got.Sent != served.Load() || got.Succeeded != got.Sent || got.Failed != 0 {
		t.Errorf("sent %d, succeeded %d, failed %d; the server answered %d", got.Sent, got.Succeeded, got.Failed,
			served.Load())
	}
	if got.Intended != got.Sent || got.Corrected != nil || got.SendLag != nil {
		t.Error("a closed loop has no schedule: intended must equal sent, and nothing be corrected")
	}
	if got.Raw == nil || got.Raw.Count != got.Sent {
		t.Errorf("raw latencies %+v of %d hits", got.Raw, got.Sent)
	}
	if got.BytesIn != 5*got.Sent {
		t.Errorf("%d bytes in for %d answers of 5 bytes", got.BytesIn, got.Sent)
	}
}

func TestClosedLoopKeepsToItsConnections(t *testing.T) {
	var open, most atomic.Int64
	url := answering(t, func(w http.ResponseWriter, r *http.Request) {
		now := open.Add(1)
		for m := most.Load(); now > m && !most.CompareAndSwap(m, now); m = most.Load() {
		}
		time.Sleep(time.Millisecond)
		open.Add(-1)
		hello(w, r)
	})
	if _, err := Run(t.Context(), attackOn(url, lab.Peak), nil, nil); err != nil {
		t.Fatal(err)
	}
	if most.Load() != 4 {
		t.Errorf("%d requests at once on 4 connections", most.Load())
	}
}

func TestSteadySendsWhatItsScheduleCallsFor(t *testing.T) {
	for _, arrivals := range []lab.Arrivals{lab.Poisson, lab.Constant} {
		t.Run(string(arrivals), func(t *testing.T) {
			a := attackOn(answering(t, hello), lab.Steady)
			// The last hits are due long before the end: a machine that stalls
			// then must not count as a shortfall.
			a.Rate = []lab.Stage{{FromRPS: 500, ToRPS: 500, Duration: 300 * time.Millisecond}, {Duration: time.Second}}
			a.Arrivals, a.Duration = arrivals, 800*time.Millisecond
			got, err := Run(t.Context(), a, nil, nil)
			if err != nil {
				t.Fatal(err)
			}
			want := countHits(newSchedule(a), a.Duration)
			if got.Intended != want || got.Sent != want || got.Succeeded != want {
				t.Errorf("intended %d, sent %d, succeeded %d; the schedule has %d", got.Intended, got.Sent, got.Succeeded,
					want)
			}
			for name, l := range map[string]*lab.Latency{
				"raw": got.Raw, "corrected": got.Corrected,
				"send lag": got.SendLag,
			} {
				if l == nil || l.Count != want || len(l.HDR) == 0 {
					t.Errorf("%s: %+v of %d hits", name, l, want)
				}
			}
		})
	}
}

// A server that stalls must be charged for the hits that had to wait for it,
// also when these were sent late because every connection was busy.
func TestCorrectedLatencyShowsAStallThatRawHides(t *testing.T) {
	var n atomic.Int64
	a := attackOn(answering(t, func(w http.ResponseWriter, r *http.Request) {
		if n.Add(1) == 10 {
			time.Sleep(500 * time.Millisecond)
		}
		hello(w, r)
	}), lab.Steady)
	a.Connections, a.Rate, a.Arrivals, a.Duration = 1, at(200), lab.Constant, time.Second
	got, err := Run(t.Context(), a, nil, nil)
	if err != nil {
		t.Fatal(err)
	}
	// 200 hits, of which about 100 fell due during the stall: the corrected
	// median of those waits is a quarter of a second, the raw one nothing.
	if *got.Corrected.P90MS < 10*(*got.Raw.P90MS) {
		t.Errorf("corrected p90 %.2f ms, raw p90 %.2f ms", *got.Corrected.P90MS, *got.Raw.P90MS)
	}
	if got.SendLag.MaxMS < 100 {
		t.Errorf("largest send lag %.2f ms during a stall of 500 ms on the only connection", got.SendLag.MaxMS)
	}
}

func TestShortfallIsCounted(t *testing.T) {
	a := attackOn(answering(t, func(w http.ResponseWriter, r *http.Request) {
		time.Sleep(20 * time.Millisecond)
		hello(w, r)
	}), lab.Steady)
	a.Connections, a.Rate = 1, at(1000)
	got, err := Run(t.Context(), a, nil, nil)
	if err != nil {
		t.Fatal(err)
	}
	if got.Sent >= got.Intended/2 || got.Intended < 200 {
		t.Errorf("sent %d of %d intended to a server that manages 50 a second", got.Sent, got.Intended)
	}
}

// Over-offered load ends with its duration: what a busy server kept from being
// sent is not sent afterwards.
func TestNothingIsSentAfterTheDuration(t *testing.T) {
	for _, kind := range []lab.PhaseKind{lab.Steady, lab.Peak} {
		a := attackOn(answering(t, func(w http.ResponseWriter, r *http.Request) {
			time.Sleep(time.Second)
			hello(w, r)
		}), kind)
		a.Connections, a.Rate, a.Duration = 1, at(1000), 100*time.Millisecond
		got, err := Run(t.Context(), a, nil, nil)
		if err != nil {
			t.Fatal(err)
		}
		if got.Sent != 1 {
			t.Errorf("%s: %d requests were sent by one worker that was busy until the end", kind, got.Sent)
		}
	}
}

func TestFirstByteComesBeforeTheLast(t *testing.T) {
	got, err := Run(t.Context(), attackOn(answering(t, func(w http.ResponseWriter, _ *http.Request) {
		w.Header().Set("Content-Length", "5")
		_, _ = w.Write([]byte("hel"))
		_ = http.NewResponseController(w).Flush()
		time.Sleep(50 * time.Millisecond)
		_, _ = w.Write([]byte("lo"))
	}), lab.Peak), nil, nil)
	if err != nil {
		t.Fatal(err)
	}
	if got.Succeeded == 0 || got.FirstByte.Count != got.Sent || got.FirstByte.MeanMS >= got.Raw.MeanMS-25 {
		t.Errorf("first byte after %.2f ms, last after %.2f ms, of %d hits", got.FirstByte.MeanMS, got.Raw.MeanMS,
			got.Sent)
	}
}

func TestWrongAnswersAreFailuresWithAReason(t *testing.T) {
	for _, c := range []struct {
		name, reason string
		handler      http.HandlerFunc
	}{
		{
			"other body", "body differs",
			func(w http.ResponseWriter, _ *http.Request) { _, _ = w.Write([]byte("hellO")) },
		},
		{
			"other status", "status 503 instead of 200",
			func(w http.ResponseWriter, _ *http.Request) { w.WriteHeader(503) },
		},
		{
			"redirect", "status 302 instead of 200",
			func(w http.ResponseWriter, r *http.Request) { http.Redirect(w, r, "/x", http.StatusFound) },
		},
		{
			"no answer", "closed the connection",
			func(http.ResponseWriter, *http.Request) { panic(http.ErrAbortHandler) },
		},
	} {
		t.Run(c.name, func(t *testing.T) {
			got, err := Run(t.Context(), attackOn(answering(t, c.handler), lab.Peak), nil, nil)
			if err != nil {
				t.Fatal(err)
			}
			if got.Failed == 0 || got.Failed != got.Sent {
				t.Errorf("%d of %d hits failed", got.Failed, got.Sent)
			}
			for reason := range got.Errors {
				if !strings.Contains(reason, c.reason) {
					t.Errorf("reason %q, want one with %q", reason, c.reason)
				}
			}
		})
	}
}

func TestWarmUpSaysHowItEnded(t *testing.T) {
	a := attackOn(answering(t, hello), lab.WarmUp)
	a.Duration = 50 * time.Millisecond // too short for four windows
	got, err := Run(t.Context(), a, nil, nil)
	if err != nil {
		t.Fatal(err)
	}
	if got.WarmUpEnd != "budget" {
		t.Errorf("a warm-up that had no time ended by %q", got.WarmUpEnd)
	}
}

func TestSteadiness(t *testing.T) {
	feed := func(perWindow ...int) (after int) {
		var s steadinessDetector
		for w, n := range perWindow {
			for i := range n {
				at := time.Duration(w)*windowLength + time.Duration(i)*windowLength/time.Duration(n)
				if s.addHit(at) {
					return w
				}
			}
		}
		return -1
	}
	if got := feed(100, 100, 100, 100, 100); got != 4 {
		t.Errorf("steady from the start: noticed in window %d, want 4", got)
	}
	if got := feed(10, 50, 80, 100, 100, 100, 98, 100); got != 7 {
		t.Errorf("steady from the fourth window: noticed in window %d, want 7", got)
	}
	if got := feed(100, 120, 100, 120, 100, 120); got != -1 {
		t.Errorf("never steady: noticed in window %d", got)
	}
	if got := feed(4, 5, 4, 4, 5); got != 4 {
		t.Errorf("as steady as so few hits can be: noticed in window %d, want 4", got)
	}
	if got := feed(4, 8, 4, 8, 4, 8); got != -1 {
		t.Errorf("few hits, and never steady: noticed in window %d", got)
	}
	if got := feed(1, 1, 2, 1, 1, 1, 1); got != -1 {
		t.Errorf("hardly any hits: steady in window %d", got)
	}
}

func TestRunRefusesNonsense(t *testing.T) {
	for name, spoil := range map[string]func(*lab.Attack){
		"targets":     func(a *lab.Attack) { a.Targets = nil },
		"connections": func(a *lab.Attack) { a.Connections = 0 },
		"duration":    func(a *lab.Attack) { a.Duration = 0 },
		"timeout":     func(a *lab.Attack) { a.Timeout = 0 },
		"rate":        func(a *lab.Attack) { a.Kind, a.Rate = lab.Steady, nil },
	} {
		a := attackOn("http://127.0.0.1:1", lab.Peak)
		spoil(&a)
		if _, err := Run(t.Context(), a, nil, nil); err == nil || !strings.Contains(err.Error(), name) {
			t.Errorf("%s: error %v does not name it", name, err)
		}
	}
}

func TestRunEndsWithItsContext(t *testing.T) {
	a := attackOn(answering(t, hello), lab.Peak)
	a.Duration = time.Hour
	ctx, cancel := context.WithTimeout(t.Context(), 100*time.Millisecond)
	defer cancel()
	if _, err := Run(ctx, a, nil, nil); err == nil {
		t.Error("an attack of an hour ended at once without an error")
	}
}

func TestBucketsAddUp(t *testing.T) {
	a := attackOn(answering(t, hello), lab.Steady)
	a.Rate, a.Duration = at(200), 1500*time.Millisecond
	got, err := Run(t.Context(), a, nil, nil)
	if err != nil {
		t.Fatal(err)
	}
	var sent, good int64
	for i, b := range got.Buckets {
		if b.Second != i {
			t.Errorf("bucket %d is of second %d", i, b.Second)
		}
		sent += b.Sent
		good += b.Succeeded
	}
	if len(got.Buckets) < 2 || sent != got.Sent || good != got.Succeeded {
		t.Errorf("%d buckets with %d sent and %d succeeded, in all %d and %d", len(got.Buckets), sent, good,
			got.Sent, got.Succeeded)
	}
}

// A status that is none must not pass for a hit without a fault.
func TestAnAnswerOfStatusZeroIsNoSuccess(t *testing.T) {
	url, _ := scripted(t, "HTTP/1.1 000 none\r\nContent-Length: 5\r\n\r\nhello")
	got, err := Run(t.Context(), attackOn(url, lab.Peak), nil, nil)
	if err != nil {
		t.Fatal(err)
	}
	if got.Succeeded > 0 || got.Failed == 0 || got.Errors["status 0 instead of 200"] == 0 {
		t.Errorf("%d succeeded, %d failed: %v", got.Succeeded, got.Failed, got.Errors)
	}
}

// The clients of a ladder come evenly over a third of its time, and then each
// sends when it has its answer.
func TestALaddersClientsComeOneAfterAnother(t *testing.T) {
	const clients = 20
	var mu sync.Mutex
	seen := map[string]time.Time{} // the first request of each connection
	early := 0                     // requests of before the last one's
	url := answering(t, func(w http.ResponseWriter, r *http.Request) {
		mu.Lock()
		if len(seen) < clients {
			early++
		}
		if _, again := seen[r.RemoteAddr]; !again {
			seen[r.RemoteAddr] = time.Now()
		}
		mu.Unlock()
		time.Sleep(10 * time.Millisecond)
		hello(w, r)
	})
	a := attackOn(url, lab.Ladder)
	a.Connections, a.Duration, a.SleepWhenIdle = clients, 900*time.Millisecond, true
	got, err := Run(t.Context(), a, nil, nil)
	if err != nil {
		t.Fatal(err)
	}
	mu.Lock()
	defer mu.Unlock()
	var first []time.Time
	for _, at := range seen {
		first = append(first, at)
	}
	slices.SortFunc(first, time.Time.Compare)
	if len(first) != clients || got.Sent < 2*clients || got.Failed > 0 {
		t.Fatalf("%d clients sent %d, of which %d failed", len(first), got.Sent, got.Failed)
	}
	// Each may be late, on a busy machine, the first one too.
	if took := first[clients-1].Sub(first[0]); took < 200*time.Millisecond {
		t.Errorf("all came within %v, want a third of %v", took, a.Duration)
	}
	// Those who have come do not wait for the others.
	if early <= clients {
		t.Errorf("%d requests until all %d clients had come", early, clients)
	}
	if got.ClientRampUp != 285*time.Millisecond {
		t.Errorf("all have come after %v", got.ClientRampUp)
	}
	// By Little's law so many clients are served as often as they are answered one
	// after another, however slow the machine is.
	if rounds := got.LadderRPS * got.Raw.MeanMS / 1000; rounds > 1.1*clients || rounds < clients/2 {
		t.Errorf("%.1f per second at %.2f ms each is %.1f clients, want %d", got.LadderRPS, got.Raw.MeanMS, rounds,
			clients)
	}
}

// A ladder ends when it is told to, also while its clients come.
func TestALadderIsInterruptedWhileClientsCome(t *testing.T) {
	url := answering(t, hello)
	a := attackOn(url, lab.Ladder)
	a.Connections, a.Duration = 3, time.Hour
	for _, a.SleepWhenIdle = range []bool{true, false} {
		ctx, cancel := context.WithTimeout(t.Context(), 100*time.Millisecond)
		if _, err := Run(ctx, a, nil, nil); !errors.Is(err, context.DeadlineExceeded) {
			t.Errorf("error %v", err)
		}
		cancel()
	}
}
