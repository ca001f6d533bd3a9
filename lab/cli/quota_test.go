package cli

import (
	"context"
	"errors"
	"slices"
	"strings"
	"testing"
	"time"

	"runtimelab/lab"
	"runtimelab/lab/engine"
	"runtimelab/lab/host"
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
	cpus := []lab.CPU{{ID: 0}, {ID: 1}}
	canaries := stoppedCanaries{0: time.Millisecond, 1: 5 * time.Millisecond}
	got, err := measureStops(t.Context(), canaries, cpus)
	if err != nil || got != canaryRounds*5*time.Millisecond {
		t.Errorf("%v, %v", got, err)
	}
	if _, err := measureStops(t.Context(), stoppedCanaries{0: 0}, cpus); err == nil {
		t.Error("no error for a canary that failed")
	}
}

func TestQuotasAreReported(t *testing.T) {
	const ms = time.Millisecond
	low := []engine.Quota{{Cgroup: "/docker", CPUs: 0.75, Throttled: 3}, {Cgroup: "/", CPUs: 8}}
	for name, c := range map[string]struct {
		quotas    []engine.Quota
		known     bool
		stopped   time.Duration
		measuring string
		status    host.Status
		details   []string
		doubts    []string
	}{
		"none": {known: true, status: host.OK, details: []string{"none above", "was not stopped"}},
		"as many as there are CPUs": {
			quotas: []engine.Quota{{Cgroup: "/docker", CPUs: 2}}, known: true, status: host.OK,
			details: []string{"none above"},
		},
		"too low": {
			quotas: low, known: true, stopped: 90 * ms, status: host.Warn,
			details: []string{"cgroup /docker may use 0.75 of 2 CPUs", "stopped in 3 periods", "stopped for 90 ms"},
			doubts: []string{
				"cgroup /docker may use 0.75 of 2 CPUs at a time: a trial that uses up that quota is disturbed",
			},
		},
		"one that cannot be read": {
			stopped: 90 * ms, status: host.Warn,
			details: []string{"cannot be read from here", "stopped for 90 ms"},
			doubts: []string{
				"a CPU quota that cannot be read from here stops the engine's containers while CPUs are idle",
			},
		},
		"unreadable, and a short stop": {
			stopped: 3 * ms, status: host.OK, details: []string{"cannot be read from here", "was not stopped"},
		},
		"another run is measuring": {
			known: true, measuring: "run x", status: host.OK, details: []string{"not tested", "run x"},
		},
	} {
		got := quotaCheck(c.quotas, c.known, 2, c.stopped, c.measuring)
		if got.Status != c.status || (got.Fix != "") != (c.status == host.Warn) {
			t.Errorf("%s: %+v", name, got)
		}
		for _, detail := range c.details {
			if !strings.Contains(got.Detail, detail) {
				t.Errorf("%s: %q does not contain %q", name, got.Detail, detail)
			}
		}
		if doubts := quotaDoubts(c.quotas, 2, c.stopped); !slices.Equal(doubts, c.doubts) {
			t.Errorf("%s: doubts %q, want %q", name, doubts, c.doubts)
		}
	}
}
