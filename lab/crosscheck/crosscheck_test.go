package crosscheck_test

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	vegeta "github.com/tsenart/vegeta/v12/lib"

	"runtimelab/lab"
	"runtimelab/lab/crosscheck"
)

// answers returns the target of a server that the test starts, and the attack on it.
func attackOn(t *testing.T, handler http.HandlerFunc) lab.Attack {
	t.Helper()
	server := httptest.NewServer(handler)
	t.Cleanup(server.Close)
	return lab.Attack{
		Name: "check", BaseURL: server.URL, Kind: lab.Steady, Arrivals: lab.Constant, Connections: 4,
		Rate:     []lab.Stage{{FromRPS: 500, ToRPS: 500, Duration: 100 * time.Millisecond}},
		Duration: 100 * time.Millisecond, Timeout: 5 * time.Second,
		Targets: []lab.Target{{
			Request: lab.Request{Method: http.MethodPost, Path: "/x?y=1", Body: []byte("ping")},
			Status:  http.StatusOK, Body: []byte("pong"),
		}},
	}
}

func TestRunSendsTheTargetAtTheRate(t *testing.T) {
	var others atomic.Int64
	a := attackOn(t, func(w http.ResponseWriter, r *http.Request) {
		body := make([]byte, 8)
		n, _ := r.Body.Read(body)
		if r.Method != http.MethodPost || r.URL.String() != "/x?y=1" || string(body[:n]) != "ping" {
			others.Add(1)
		}
		fmt.Fprint(w, "pong")
	})
	r, err := crosscheck.Run(t.Context(), a)
	if err != nil {
		t.Fatal(err)
	}
	// 500 a second for a tenth of a second are 50, the first of them at once.
	if r.Succeeded < 45 || r.Succeeded > 51 || r.Failed != 0 || others.Load() != 0 || r.MedianLatency <= 0 {
		t.Errorf("%+v, %d requests differ from the target's", r, others.Load())
	}
}

func TestRunKeepsAllConnectionsOfAClosedLoopBusy(t *testing.T) {
	var now, most atomic.Int64
	a := attackOn(t, func(w http.ResponseWriter, _ *http.Request) {
		n := now.Add(1)
		defer now.Add(-1)
		for m := most.Load(); n > m && !most.CompareAndSwap(m, n); m = most.Load() {
		}
		time.Sleep(5 * time.Millisecond)
		fmt.Fprint(w, "pong")
	})
	a.Kind, a.Rate = lab.Peak, nil
	r, err := crosscheck.Run(t.Context(), a)
	if err != nil || r.Failed > 0 || r.ThroughputRPS <= 0 {
		t.Fatalf("%+v, %v", r, err)
	}
	if most.Load() != int64(a.Connections) {
		t.Errorf("%d requests were under way at once, want %d", most.Load(), a.Connections)
	}
}

func TestRunCountsAnswersThatAreNotTheTargets(t *testing.T) {
	for want, handler := range map[string]http.HandlerFunc{
		"the body is not the expected one": func(w http.ResponseWriter,
			_ *http.Request,
		) {
			fmt.Fprint(w, "ping")
		},
		"status 201 instead of 200": func(w http.ResponseWriter, _ *http.Request) { w.WriteHeader(201) },
		"EOF": func(http.ResponseWriter,
			*http.Request,
		) {
			panic(http.ErrAbortHandler)
		},
	} {
		r, err := crosscheck.Run(t.Context(), attackOn(t, handler))
		if err != nil || r.Succeeded != 0 || r.Failed == 0 || !strings.Contains(r.FirstError, want) {
			t.Errorf("%s: %+v, %v", want, r, err)
		}
	}
}

func TestRunRefusesWhatItCannotSend(t *testing.T) {
	for name, change := range map[string]func(*lab.Attack){
		"Poisson":       func(a *lab.Attack) { a.Arrivals = lab.Poisson },
		"a ramp":        func(a *lab.Attack) { a.Rate[0].ToRPS = 600 },
		"two targets":   func(a *lab.Attack) { a.Targets = append(a.Targets, a.Targets[0]) },
		"too high rate": func(a *lab.Attack) { a.Rate[0].FromRPS, a.Rate[0].ToRPS = 20_000, 20_000 },
		"a ladder":      func(a *lab.Attack) { a.Kind = lab.Ladder },
	} {
		a := attackOn(t, func(http.ResponseWriter, *http.Request) {})
		change(&a)
		if r, err := crosscheck.Run(t.Context(), a); err == nil {
			t.Errorf("%s: %+v", name, r)
		}
	}
}

func TestRunEndsWithItsContext(t *testing.T) {
	ctx, cancel := context.WithCancelCause(t.Context())
	why := errors.New("the lab ended")
	a := attackOn(t, func(w http.ResponseWriter, _ *http.Request) {
		cancel(why)
		fmt.Fprint(w, "pong")
	})
	a.Duration = time.Hour
	if _, err := crosscheck.Run(ctx, a); !errors.Is(err, why) {
		t.Errorf("error %v", err)
	}
}

// Vegeta's own summary interpolates its percentiles; these are exact.
func TestReadSortsTheLatenciesOfSuccesses(t *testing.T) {
	target := lab.Target{Status: 200, Body: []byte("pong")}
	began := time.Unix(1000, 0)
	result := func(at, latency time.Duration, body string) *vegeta.Result {
		return &vegeta.Result{Code: 200, Timestamp: began.Add(at), Latency: latency, Body: []byte(body)}
	}
	got := crosscheck.Read([]*vegeta.Result{
		result(30, 40, "pong"), result(0, 20, "pong"), result(10, 1000, "pong"), result(20, 30, "pong"),
		result(40, 1, "other"),
	}, target)
	if got.MedianLatency != 35 || got.Succeeded != 4 || got.Failed != 1 {
		t.Errorf("%+v", got)
	}
	if want := 4 / 1010e-9; got.ThroughputRPS < 0.999*want || got.ThroughputRPS > 1.001*want {
		t.Errorf("throughput %v, want %v", got.ThroughputRPS, want)
	}
}
