package gate

import (
	"strings"
	"testing"
	"time"

	"runtimelab/lab"
)

func TestAQuotaAboveTheContainerDisturbs(t *testing.T) {
	parked := lab.ServerUsage{Known: true, After: lab.Usage{ThrottledAbove: 2}}
	for name, c := range map[string]struct {
		change func(*lab.Sample)
		reason string // empty: valid
	}{
		"its own": {func(s *lab.Sample) { s.ServerUsage.After.ThrottledPeriods = 9 }, ""},
		"above it": {func(s *lab.Sample) {
			s.ServerUsage.Before.ThrottledAbove, s.ServerUsage.After.ThrottledAbove = 4, 7
		}, "a CPU quota of a cgroup above the server's container stopped it in 3 periods"},
		"above it, before the phase": {func(s *lab.Sample) {
			s.ServerUsage.Before.ThrottledAbove, s.ServerUsage.After.ThrottledAbove = 4, 4
		}, ""},
		"above it, on twice the connections": {func(s *lab.Sample) {
			use(s, 600*ms, 500*ms)
			s.DoubleConnections, s.DoubledServer = doubled(*s, 100, 600*ms), parked
		}, "on twice the connections a CPU quota of a cgroup above"},
		"above it, at a rate of a search that was missed": {func(s *lab.Sample) {
			*s = searched(1000, lab.SearchStep{OfferedRPS: 1030, Server: parked})
		}, "at 1030/s a CPU quota of a cgroup above"},

		"a generator that polls, and was stopped": {
			func(s *lab.Sample) { s.Attack.IdlePolling = 300 * ms },
			"the generator, which never sleeps, was stopped for 40.0% of its CPUs' time",
		},
		"a generator that sleeps": {func(s *lab.Sample) { s.Attack.IdlePolling = 0 }, ""},
		"a generator that polls": {func(s *lab.Sample) {
			use(s, 970*ms, 970*ms)
			s.Attack.IdlePolling = 300 * ms
		}, ""},

		"a canary that was stopped": {func(s *lab.Sample) {
			s.Canaries.After[1] = lab.Canary{CPU: 1, WallTime: 110 * ms, ThreadCPUTime: 52 * ms, Idle: 50 * ms}
		}, "the canary on CPU 1 was stopped for 50 ms after the attack while"},
		"a canary that was stopped where all are, and none seems slow": {func(s *lab.Sample) {
			s.Canaries.Before[0] = lab.Canary{CPU: 0, WallTime: 110 * ms, ThreadCPUTime: 52 * ms, Idle: 60 * ms}
			s.Canaries.Baselines = []lab.CanaryBaseline{{CPU: 0, Median: 110 * ms, P99: 115 * ms}}
		}, "the canary on CPU 0 was stopped for 58 ms before the attack"},
		"a canary beside others": {func(s *lab.Sample) {
			s.Canaries.After[1] = lab.Canary{CPU: 1, WallTime: 60 * ms, ThreadCPUTime: 30 * ms}
		}, ""},
		"a CPU that fell asleep after its canary": {func(s *lab.Sample) {
			s.Canaries.After[1] = lab.Canary{CPU: 1, WallTime: 52 * ms, ThreadCPUTime: 52 * ms, Idle: 30 * ms}
		}, ""},
	} {
		s := quiet()
		c.change(&s)
		g := Judge(s, calibration)
		if c.reason == "" && g.Validity != lab.Valid {
			t.Errorf("%s: %s because %q", name, g.Validity, g.Reason)
		}
		if c.reason != "" && (g.Validity != lab.Disturbed || !strings.HasPrefix(g.Reason, c.reason)) {
			t.Errorf("%s: %s because %q, want %q", name, g.Validity, g.Reason, c.reason)
		}
	}
}

// Doubling is judged by the account of the doubled attack, and not of the one before it.
func TestTwiceTheConnectionsHaveTheirOwnAccount(t *testing.T) {
	s := quiet()
	use(&s, 600*ms, 500*ms)
	at := s.Attack.Before.At
	account := func(used time.Duration) lab.ServerUsage {
		after := lab.Usage{At: at.Add(time.Second), CPU: used}
		return lab.ServerUsage{Known: true, Before: lab.Usage{At: at}, After: after}
	}
	s.ServerUsage = account(500 * ms)
	s.DoubleConnections, s.DoubledServer = doubled(s, 100, 600*ms), account(980*ms)
	s.DoubleConnections.After.CPUs[1].Idle = 20 * ms // children that ended used the rest
	if g := Judge(s, calibration); g.Validity != lab.Valid {
		t.Errorf("%s because %q", g.Validity, g.Reason)
	}
}
