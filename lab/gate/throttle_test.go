package gate

import (
	"strings"
	"testing"
	"time"

	"runtimelab/lab"
	"runtimelab/lab/account"
)

func TestJudgeFindsCPUQuotas(t *testing.T) {
	throttled := usage{Known: true}
	throttled.After.ThrottledAbove = 2
	for name, c := range map[string]struct {
		change func(*observed)
		reason string // empty: valid
	}{
		"the container's own quota": {func(s *observed) { s.ServerUsage.After.ThrottledPeriods = 9 }, ""},
		"a quota above the container": {func(s *observed) {
			s.ServerUsage.Before.ThrottledAbove, s.ServerUsage.After.ThrottledAbove = 4, 7
		}, "a CPU quota of a cgroup above the server's container throttled it in 3 periods"},
		"a quota above the container, once": {func(s *observed) {
			s.ServerUsage.Before.ThrottledAbove, s.ServerUsage.After.ThrottledAbove = 4, 5
		}, "a CPU quota of a cgroup above the server's container throttled it in 1 period ("},
		"a quota above, before the phase": {func(s *observed) {
			s.ServerUsage.Before.ThrottledAbove, s.ServerUsage.After.ThrottledAbove = 4, 4
		}, ""},
		"a quota above, on twice the connections": {func(s *observed) {
			setCPU(s, 600*ms, 500*ms)
			s.DoubleConnections, s.DoubledServer = attackWith(*s, 100, 600*ms), throttled
		}, "on twice the connections a CPU quota of a cgroup above"},
		"a quota above, at a missed rate of a search": {func(s *observed) {
			*s = searchSample(1000, searchStep{OfferedRPS: 1030, Server: throttled})
		}, "at 1030/s a CPU quota of a cgroup above"},

		"a polling generator that was stopped": {
			func(s *observed) { s.Attack.IdlePolling = 300 * ms },
			"the generator, which never sleeps, was stopped for 40.0% of its CPUs' time",
		},
		"a generator that sleeps": {func(s *observed) { s.Attack.IdlePolling = 0 }, ""},
		"a polling generator that ran": {func(s *observed) {
			setCPU(s, 970*ms, 970*ms)
			s.Attack.IdlePolling = 300 * ms
		}, ""},

		"a stopped canary": {func(s *observed) {
			s.Canaries.After[1] = lab.Canary{CPU: 1, WallTime: 110 * ms, ThreadCPUTime: 52 * ms, Idle: 50 * ms}
		}, "the canary on CPU 1 was stopped for 50 ms after the attack while"},
		"a stopped canary with a baseline of stopped canaries": {func(s *observed) {
			s.Canaries.Before[0] = lab.Canary{CPU: 0, WallTime: 110 * ms, ThreadCPUTime: 52 * ms, Idle: 60 * ms}
			s.Canaries.Baselines = []lab.CanaryBaseline{{CPU: 0, Median: 110 * ms, P99: 115 * ms}}
		}, "the canary on CPU 0 was stopped for 58 ms before the attack"},
		"a canary that waited for a busy CPU": {func(s *observed) {
			s.Canaries.After[1] = lab.Canary{CPU: 1, WallTime: 60 * ms, ThreadCPUTime: 30 * ms}
		}, ""},
		"a CPU that was idle after its canary": {func(s *observed) {
			s.Canaries.After[1] = lab.Canary{CPU: 1, WallTime: 52 * ms, ThreadCPUTime: 52 * ms, Idle: 30 * ms}
		}, ""},
	} {
		s := quietSample()
		c.change(&s)
		g := Judge(s.sample(), calibration)
		if c.reason == "" && g.Validity != lab.Valid {
			t.Errorf("%s: %s because %q", name, g.Validity, g.Reason)
		}
		if c.reason != "" && (g.Validity != lab.Disturbed || !strings.HasPrefix(g.Reason, c.reason)) {
			t.Errorf("%s: %s because %q, want %q", name, g.Validity, g.Reason, c.reason)
		}
	}
}

// The usage of the server during the doubled attack counts, and not that of the attack before it.
func TestJudgeUsesTheServerUsageOfTheDoubledAttack(t *testing.T) {
	s := quietSample()
	setCPU(&s, 600*ms, 500*ms)
	start := s.Attack.Before.At
	usageOf := func(used time.Duration) usage {
		after := account.Usage{At: start.Add(time.Second), CPU: used}
		return usage{account.UsageReadings{Before: account.Usage{At: start}, After: after}, true}
	}
	s.ServerUsage = usageOf(500 * ms)
	s.DoubleConnections, s.DoubledServer = attackWith(s, 100, 600*ms), usageOf(980*ms)
	s.DoubleConnections.After.CPUs[1].Idle = 20 * ms // children that ended used the rest
	if g := Judge(s.sample(), calibration); g.Validity != lab.Valid {
		t.Errorf("%s because %q", g.Validity, g.Reason)
	}
}
