package session

import (
	"context"
	"errors"
	"slices"
	"testing"
	"time"

	"runtimelab/lab"
	"runtimelab/lab/engine"
)

// stoppedCanaries are canaries that are stopped for a time each, by CPU.
type stoppedCanaries map[int]time.Duration

func (s stoppedCanaries) RunCanaries(_ context.Context, cpus []int) (all []lab.Canary, err error) {
	for _, cpu := range cpus {
		stopped, known := s[cpu]
		if !known {
			return nil, errors.New("no such CPU")
		}
		work := 50 * time.Millisecond
		all = append(all, lab.Canary{CPU: cpu, WallTime: work + stopped, ThreadCPUTime: work, Idle: stopped})
	}
	return all, nil
}

func TestMeasureStopsReturnsTheCPUStoppedLongest(t *testing.T) {
	q := Quotas{CPUs: []int{0, 1}}
	// The second measurement replaces the first.
	for _, stopped := range []time.Duration{9 * time.Millisecond, time.Millisecond} {
		canaries := stoppedCanaries{0: stopped, 1: 5 * time.Millisecond}
		err := q.MeasureStops(t.Context(), canaries)
		if want := canaryRounds * max(stopped, 5*time.Millisecond); err != nil || q.Stopped != want {
			t.Errorf("stopped for %v, want %v; error %v", q.Stopped, want, err)
		}
	}
	if err := q.MeasureStops(t.Context(), stoppedCanaries{0: 0}); err == nil {
		t.Error("no error for a canary that failed")
	}
}

func TestQuotasAreDoubts(t *testing.T) {
	const ms = time.Millisecond
	low := []engine.Quota{{Cgroup: "/docker", CPUs: 0.75, Throttled: 3}, {Cgroup: "/", CPUs: 8}}
	for name, c := range map[string]struct {
		quotas Quotas
		doubts []string
	}{
		"none":                         {Quotas{Known: true}, nil},
		"as many as there are CPUs":    {Quotas{Above: []engine.Quota{{Cgroup: "/docker", CPUs: 2}}}, nil},
		"unreadable, and a short stop": {Quotas{Stopped: 3 * ms}, nil},
		"too low": {Quotas{Above: low, Known: true, Stopped: 90 * ms}, []string{
			"cgroup /docker may use 0.75 of 2 CPUs at a time: a trial that uses up that quota is disturbed",
		}},
		"one that cannot be read": {Quotas{Stopped: 90 * ms}, []string{
			"a CPU quota that cannot be read from here stops the engine's containers while CPUs are idle",
		}},
	} {
		c.quotas.CPUs = []int{0, 1}
		if doubts := c.quotas.Doubts(); !slices.Equal(doubts, c.doubts) {
			t.Errorf("%s: doubts %q, want %q", name, doubts, c.doubts)
		}
	}
}
