package attack

import (
	"context"
	"net/http"
	"net/http/httptest"
	"runtime"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"runtimelab/lab"
)

// startServer starts a server that answers by h and returns its URL.
func startServer(t *testing.T, h http.HandlerFunc) string {
	t.Helper()
	server := httptest.NewServer(h)
	t.Cleanup(server.Close)
	return server.URL
}

// withEachGenerator runs a test for each generator: they must behave alike.
func withEachGenerator(t *testing.T, test func(t *testing.T, g lab.Generator)) {
	for _, g := range []lab.Generator{lab.Vegeta, lab.EventLoop} {
		t.Run(string(g), func(t *testing.T) { test(t, g) })
	}
}

// attackBy is attackOn with a generator.
func attackBy(g lab.Generator, url string, kind lab.PhaseKind) lab.Attack {
	a := attackOn(url, kind)
	a.Generator = g
	return a
}

// attackOn returns a short attack on url that expects the answer of hello.
func attackOn(url string, kind lab.PhaseKind) lab.Attack {
	return lab.Attack{
		Name:      "test",
		BaseURL:   url,
		Kind:      kind,
		Generator: lab.Vegeta,
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

// constantRate returns a constant rate for longer than any test.
func constantRate(rps float64) []lab.Stage {
	return []lab.Stage{{FromRPS: rps, ToRPS: rps, Duration: time.Hour}}
}

func hello(w http.ResponseWriter, _ *http.Request) { _, _ = w.Write([]byte("hello")) }

func TestPeakCountsEveryHitTheServerAnswered(t *testing.T) {
	withEachGenerator(t, testPeakCountsEveryHitTheServerAnswered)
}

func testPeakCountsEveryHitTheServerAnswered(t *testing.T, g lab.Generator) {
	var served atomic.Int64
	url := startServer(t, func(w http.ResponseWriter, r *http.Request) {
		served.Add(1)
		hello(w, r)
	})
	got, err := Run(t.Context(), attackBy(g, url, lab.Peak), nil, nil)
	if err != nil {
		t.Fatal(err)
	}
	if got.Sent != served.Load() || got.Succeeded != got.Sent || got.Failed != 0 {
		t.Errorf("sent %d, succeeded %d, failed %d; the server answered %d",
			got.Sent, got.Succeeded, got.Failed, served.Load())
	}
	if got.Intended != got.Sent || got.Corrected != nil || got.SendLag != nil {
		t.Error("a closed loop has no schedule: it must report intended = sent, and no corrected latencies")
	}
	if got.Raw == nil || got.Raw.Count != got.Sent {
		t.Errorf("raw latencies %+v of %d hits", got.Raw, got.Sent)
	}
	if got.BytesIn != 5*got.Sent {
		t.Errorf("%d bytes in for %d answers of 5 bytes", got.BytesIn, got.Sent)
	}
}

func TestClosedLoopUsesItsConnectionsOnly(t *testing.T) {
	withEachGenerator(t, testClosedLoopUsesItsConnectionsOnly)
}

func testClosedLoopUsesItsConnectionsOnly(t *testing.T, g lab.Generator) {
	var open, maxOpen atomic.Int64
	url := startServer(t, func(w http.ResponseWriter, r *http.Request) {
		now := open.Add(1)
		for m := maxOpen.Load(); now > m && !maxOpen.CompareAndSwap(m, now); m = maxOpen.Load() {
		}
		time.Sleep(time.Millisecond)
		open.Add(-1)
		hello(w, r)
	})
	if _, err := Run(t.Context(), attackBy(g, url, lab.Peak), nil, nil); err != nil {
		t.Fatal(err)
	}
	if maxOpen.Load() != 4 {
		t.Errorf("at most %d requests at once on 4 connections", maxOpen.Load())
	}
}

func TestSteadySendsWhatItsScheduleCallsFor(t *testing.T) {
	withEachGenerator(t, testSteadySendsWhatItsScheduleCallsFor)
}

func testSteadySendsWhatItsScheduleCallsFor(t *testing.T, g lab.Generator) {
	for _, arrivals := range []lab.Arrivals{lab.Poisson, lab.Constant} {
		t.Run(string(arrivals), func(t *testing.T) {
			a := attackBy(g, startServer(t, hello), lab.Steady)
			// The last hits are due long before the end: a machine that stalls
			// then must not count as a shortfall.
			a.Rate = []lab.Stage{{FromRPS: 500, ToRPS: 500, Duration: 300 * time.Millisecond}, {Duration: time.Second}}
			a.Arrivals, a.Duration = arrivals, 800*time.Millisecond
			a.SleepWhenIdle = true // loops that poll would leave the test's server no CPU on a busy machine
			got, err := Run(t.Context(), a, nil, nil)
			if err != nil {
				t.Fatal(err)
			}
			want := countHits(newSchedule(a), a.Duration)
			if loops := runtime.GOMAXPROCS(0); g == lab.EventLoop {
				want = 0
				for i := range loops {
					want += countHits(newPartialSchedule(a, i, loops), a.Duration)
				}
			}
			if got.Intended != want || got.Sent != want || got.Succeeded != want {
				t.Errorf("intended %d, sent %d, succeeded %d; the schedule has %d",
					got.Intended, got.Sent, got.Succeeded, want)
			}
			for name, l := range map[string]*lab.Latency{
				"raw": got.Raw, "corrected": got.Corrected, "send lag": got.SendLag,
			} {
				if l == nil || l.Count != want || len(l.HDR) == 0 {
					t.Errorf("%s: %+v of %d hits", name, l, want)
				}
			}
		})
	}
}

// A stalled server must be charged for the hits that had to wait for it, even if they were sent
// late because every connection was busy.
func TestCorrectedLatencyShowsAStallThatRawHides(t *testing.T) {
	withEachGenerator(t, testCorrectedLatencyShowsAStallThatRawHides)
}

func testCorrectedLatencyShowsAStallThatRawHides(t *testing.T, g lab.Generator) {
	var n atomic.Int64
	a := attackBy(g, startServer(t, func(w http.ResponseWriter, r *http.Request) {
		if n.Add(1) == 10 {
			time.Sleep(500 * time.Millisecond)
		}
		hello(w, r)
	}), lab.Steady)
	a.Connections, a.Rate, a.Arrivals, a.Duration = 1, constantRate(200), lab.Constant, time.Second
	got, err := Run(t.Context(), a, nil, nil)
	if err != nil {
		t.Fatal(err)
	}
	// About 100 of the 200 hits fall due during the stall: the corrected median of those is a quarter
	// of a second, the raw one almost nothing.
	if *got.Corrected.P90MS < 10*(*got.Raw.P90MS) {
		t.Errorf("corrected p90 %.2f ms, raw p90 %.2f ms", *got.Corrected.P90MS, *got.Raw.P90MS)
	}
	if got.SendLag.MaxMS < 100 {
		t.Errorf("largest send lag %.2f ms during a stall of 500 ms on the only connection", got.SendLag.MaxMS)
	}
}

func TestShortfallIsCounted(t *testing.T) { withEachGenerator(t, testShortfallIsCounted) }

func testShortfallIsCounted(t *testing.T, g lab.Generator) {
	a := attackBy(g, startServer(t, func(w http.ResponseWriter, r *http.Request) {
		time.Sleep(20 * time.Millisecond)
		hello(w, r)
	}), lab.Steady)
	a.Connections, a.Rate = 1, constantRate(1000)
	got, err := Run(t.Context(), a, nil, nil)
	if err != nil {
		t.Fatal(err)
	}
	if got.Sent >= got.Intended/2 || got.Intended < 200 {
		t.Errorf("sent %d of %d intended to a server that manages 50 a second", got.Sent, got.Intended)
	}
}

// Hits that a busy server kept from being sent are not sent after the duration.
func TestNothingIsSentAfterTheDuration(t *testing.T) {
	withEachGenerator(t, testNothingIsSentAfterTheDuration)
}

func testNothingIsSentAfterTheDuration(t *testing.T, g lab.Generator) {
	for _, kind := range []lab.PhaseKind{lab.Steady, lab.Peak} {
		a := attackBy(g, startServer(t, func(w http.ResponseWriter, r *http.Request) {
			time.Sleep(time.Second)
			hello(w, r)
		}), kind)
		a.Connections, a.Rate, a.Duration = 1, constantRate(1000), 100*time.Millisecond
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
	withEachGenerator(t, testFirstByteComesBeforeTheLast)
}

func testFirstByteComesBeforeTheLast(t *testing.T, g lab.Generator) {
	got, err := Run(t.Context(), attackBy(g, startServer(t, func(w http.ResponseWriter, _ *http.Request) {
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
		t.Errorf("first byte after %.2f ms, last after %.2f ms, of %d hits",
			got.FirstByte.MeanMS, got.Raw.MeanMS, got.Sent)
	}
}

func TestWrongAnswersAreFailuresWithAReason(t *testing.T) {
	withEachGenerator(t, testWrongAnswersAreFailuresWithAReason)
}

func testWrongAnswersAreFailuresWithAReason(t *testing.T, g lab.Generator) {
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
			got, err := Run(t.Context(), attackBy(g, startServer(t, c.handler), lab.Peak), nil, nil)
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

func TestWarmUpReportsHowItEnded(t *testing.T) { withEachGenerator(t, testWarmUpReportsHowItEnded) }

func testWarmUpReportsHowItEnded(t *testing.T, g lab.Generator) {
	a := attackBy(g, startServer(t, hello), lab.WarmUp)
	a.Duration = 50 * time.Millisecond // too short for four windows
	got, err := Run(t.Context(), a, nil, nil)
	if err != nil {
		t.Fatal(err)
	}
	if got.WarmUpEnd != "budget" {
		t.Errorf("a warm-up that was too short ended by %q, want budget", got.WarmUpEnd)
	}
}

func TestSteadinessDetector(t *testing.T) {
	steadyAt := func(perWindow ...int) (window int) {
		s := hitCounter{detector: newSteadinessDetector(1)}
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
	if got := steadyAt(100, 100, 100, 100, 100); got != 4 {
		t.Errorf("steady from the start: detected in window %d, want 4", got)
	}
	if got := steadyAt(10, 50, 80, 100, 100, 100, 98, 100); got != 7 {
		t.Errorf("steady from the fourth window: detected in window %d, want 7", got)
	}
	if got := steadyAt(100, 120, 100, 120, 100, 120); got != -1 {
		t.Errorf("never steady: detected in window %d", got)
	}
	if got := steadyAt(4, 5, 4, 4, 5); got != 4 {
		t.Errorf("as steady as so few hits can be: detected in window %d, want 4", got)
	}
	if got := steadyAt(4, 8, 4, 8, 4, 8); got != -1 {
		t.Errorf("few hits, and never steady: detected in window %d", got)
	}
	if got := steadyAt(1, 1, 2, 1, 1, 1, 1); got != -1 {
		t.Errorf("too few hits to say: detected in window %d", got)
	}
}

func TestRunRefusesInvalidAttacks(t *testing.T) {
	for name, change := range map[string]func(*lab.Attack){
		"targets":     func(a *lab.Attack) { a.Targets = nil },
		"connections": func(a *lab.Attack) { a.Connections = 0 },
		"duration":    func(a *lab.Attack) { a.Duration = 0 },
		"timeout":     func(a *lab.Attack) { a.Timeout = 0 },
		"rate":        func(a *lab.Attack) { a.Kind, a.Rate = lab.Steady, nil },
	} {
		a := attackOn("http://127.0.0.1:1", lab.Peak)
		change(&a)
		if _, err := Run(t.Context(), a, nil, nil); err == nil || !strings.Contains(err.Error(), name) {
			t.Errorf("invalid %s: error %v does not name it", name, err)
		}
	}
}

func TestRunEndsWithItsContext(t *testing.T) { withEachGenerator(t, testRunEndsWithItsContext) }

func testRunEndsWithItsContext(t *testing.T, g lab.Generator) {
	a := attackBy(g, startServer(t, hello), lab.Peak)
	a.Duration = time.Hour
	ctx, cancel := context.WithTimeout(t.Context(), 100*time.Millisecond)
	defer cancel()
	if _, err := Run(ctx, a, nil, nil); err == nil {
		t.Error("an attack ended by its context returned no error")
	}
}

func TestBucketsAddUp(t *testing.T) { withEachGenerator(t, testBucketsAddUp) }

func testBucketsAddUp(t *testing.T, g lab.Generator) {
	a := attackBy(g, startServer(t, hello), lab.Steady)
	a.Rate, a.Duration = constantRate(200), 1500*time.Millisecond
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
		t.Errorf("%d buckets with %d sent and %d succeeded; the attack has %d and %d",
			len(got.Buckets), sent, good, got.Sent, got.Succeeded)
	}
}

// An invalid status must not count as a success.
func TestAnAnswerOfStatusZeroIsAFailure(t *testing.T) {
	withEachGenerator(t, testAnAnswerOfStatusZeroIsAFailure)
}

func testAnAnswerOfStatusZeroIsAFailure(t *testing.T, g lab.Generator) {
	url, _ := scripted(t, "HTTP/1.1 000 none\r\nContent-Length: 5\r\n\r\nhello")
	got, err := Run(t.Context(), attackBy(g, url, lab.Peak), nil, nil)
	if err != nil {
		t.Fatal(err)
	}
	if got.Succeeded > 0 || got.Failed == 0 || got.Errors["status 0 instead of 200"] == 0 {
		t.Errorf("%d succeeded, %d failed: %v", got.Succeeded, got.Failed, got.Errors)
	}
}
