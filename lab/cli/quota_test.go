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

// sung are canaries that were stopped for so long each, by CPU.
type sung map[int]time.Duration

func (s sung) RunCanaries(_ context.Context, cpus []int) (all []lab.Canary, err error) {
	for _, cpu := range cpus {
		stopped, there := s[cpu]
		if !there {
			return nil, errors.New("no such CPU")
		}
		work := 50 * time.Millisecond
		all = append(all, lab.Canary{CPU: cpu, WallTime: work + stopped, ThreadCPUTime: work, Idle: stopped})
	}
	return all, nil
}

func TestQuotaStopsCanariesInARow(t *testing.T) {
	cpus := []lab.CPU{{ID: 0}, {ID: 1}}
	got, err := stoppedInARow(t.Context(), sung{0: time.Millisecond, 1: 5 * time.Millisecond}, cpus)
	if err != nil || got != canariesInARow*5*time.Millisecond {
		t.Errorf("%v, %v", got, err)
	}
	if _, err := stoppedInARow(t.Context(), sung{0: 0}, cpus); err == nil {
		t.Error("a canary that failed is no error")
	}
}

func TestQuotasAreSaid(t *testing.T) {
	const ms = time.Millisecond
	low := []engine.Quota{{Cgroup: "/docker", CPUs: 0.75, Throttled: 3}, {Cgroup: "/", CPUs: 8}}
	for name, c := range map[string]struct {
		quotas  []engine.Quota
		known   bool
		stopped time.Duration
		busy    string
		status  host.Status
		says    []string
		doubts  []string
	}{
		"none": {known: true, status: host.OK, says: []string{"none above", "was not stopped"}},
		"as many as there are CPUs": {
			quotas: []engine.Quota{{Cgroup: "/docker", CPUs: 2}}, known: true, status: host.OK,
			says: []string{"none above"},
		},
		"too low": {
			quotas: low, known: true, stopped: 90 * ms, status: host.Warn,
			says: []string{"cgroup /docker may use 0.75 of 2 CPUs", "stopped in 3 periods", "stopped for 90 ms"},
			doubts: []string{
				"cgroup /docker may use 0.75 of 2 CPUs at a time: a trial that uses up that quota is disturbed",
			},
		},
		"one that cannot be read": {
			stopped: 90 * ms, status: host.Warn, says: []string{"cannot be read from here", "stopped for 90 ms"},
			doubts: []string{
				"a CPU quota that cannot be read from here stops the engine's containers " +
					"while CPUs have nothing to do",
			},
		},
		"nothing to be seen": {
			stopped: 3 * ms, status: host.OK, says: []string{"cannot be read from here", "was not stopped"},
		},
		"somebody else measures": {
			known: true, busy: "run x", status: host.OK, says: []string{"not tried", "run x"},
		},
	} {
		got := quotaCheck(c.quotas, c.known, 2, c.stopped, c.busy)
		if got.Status != c.status || (got.Fix != "") != (c.status == host.Warn) {
			t.Errorf("%s: %+v", name, got)
		}
		for _, words := range c.says {
			if !strings.Contains(got.Detail, words) {
				t.Errorf("%s: %q does not say %q", name, got.Detail, words)
			}
		}
		if doubts := quotaDoubts(c.quotas, 2, c.stopped); !slices.Equal(doubts, c.doubts) {
			t.Errorf("%s: doubts %q, want %q", name, doubts, c.doubts)
		}
	}
}
