package attack

import (
	"context"
	"errors"
	"net/http"
	"slices"
	"sync"
	"testing"
	"time"

	"runtimelab/lab"
)

// The clients of a ladder arrive evenly over a third of its duration. Each then sends as soon as it
// has its answer.
func TestLadderClientsArriveOneAfterAnother(t *testing.T) {
	withEachGenerator(t, testLadderClientsArriveOneAfterAnother)
}

func testLadderClientsArriveOneAfterAnother(t *testing.T, g lab.Generator) {
	const clients = 20
	var mu sync.Mutex
	seen := map[string]time.Time{} // the first request of each connection
	early := 0                     // requests before the last client's first
	url := startServer(t, func(w http.ResponseWriter, r *http.Request) {
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
	a := attackBy(g, url, lab.Ladder)
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
	// Each may be late on a busy machine, the first one too.
	if took := first[clients-1].Sub(first[0]); took < 200*time.Millisecond {
		t.Errorf("all clients arrived within %v, want a third of %v", took, a.Duration)
	}
	// Clients that have arrived do not wait for the others.
	if early <= clients {
		t.Errorf("%d requests before all %d clients had arrived", early, clients)
	}
	if got.ClientRampUp != 285*time.Millisecond {
		t.Errorf("ClientRampUp is %v, want 285ms", got.ClientRampUp)
	}
	// By Little's law, throughput times latency is the number of clients, however slow the machine is.
	if busy := got.LadderRPS * got.Raw.MeanMS / 1000; busy > 1.1*clients || busy < clients/2 {
		t.Errorf("%.1f requests per second of %.2f ms each keep %.1f clients busy, want %d",
			got.LadderRPS, got.Raw.MeanMS, busy, clients)
	}
}

func TestALadderCanBeInterruptedWhileClientsArrive(t *testing.T) {
	withEachGenerator(t, testALadderCanBeInterruptedWhileClientsArrive)
}

func testALadderCanBeInterruptedWhileClientsArrive(t *testing.T, g lab.Generator) {
	url := startServer(t, hello)
	a := attackBy(g, url, lab.Ladder)
	a.Connections, a.Duration = 3, time.Hour
	for _, a.SleepWhenIdle = range []bool{true, false} {
		ctx, cancel := context.WithTimeout(t.Context(), 100*time.Millisecond)
		if _, err := Run(ctx, a, nil, nil); !errors.Is(err, context.DeadlineExceeded) {
			t.Errorf("error %v", err)
		}
		cancel()
	}
}
