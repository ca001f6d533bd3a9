package gate

import (
	"strings"
	"testing"
	"time"

	"runtimelab/lab"
	"runtimelab/lab/account"
)

// addIdleCPU adds a CPU of the machine that is idle but for so much time.
func addIdleCPU(s *observed, id int, used time.Duration) {
	s.Attack.Before.CPUs = append(s.Attack.Before.CPUs, account.CPUTime{ID: id})
	s.Attack.After.CPUs = append(s.Attack.After.CPUs, account.CPUTime{ID: id, Idle: time.Second - used})
}

// A service beside the server that may have been the limit makes the row a bound, by its role.
func TestJudgeFindsServicesThatWereTheLimit(t *testing.T) {
	beside := func(role lab.Role, name string, cpus ...int) account.ServiceReadings {
		return account.ServiceReadings{Role: role, Name: name, CPUs: cpus}
	}
	throttled := beside(lab.RoleDatabase, "postgres", 2, 3)
	throttled.Usage = &account.UsageReadings{After: account.Usage{ThrottledPeriods: 2}}
	throttledAbove := throttled
	throttledAbove.Usage = &account.UsageReadings{After: account.Usage{ThrottledAbove: 1}}
	for name, c := range map[string]struct {
		change func(*observed)
		want   lab.Validity
		reason string
	}{
		"a database with CPUs of its own": {func(s *observed) {
			s.Beside = []account.ServiceReadings{beside(lab.RoleDatabase, "postgres", 2, 3)}
			addService(s, "postgres", 900*ms)
			addIdleCPU(s, 2, 900*ms)
			addIdleCPU(s, 3, 0)
		}, lab.Valid, ""},
		"a database that used half of its CPUs": {func(s *observed) {
			s.Beside = []account.ServiceReadings{beside(lab.RoleDatabase, "postgres", 2)}
			addService(s, "postgres", 500*ms)
			addIdleCPU(s, 2, 500*ms)
		}, lab.Censored, "service postgres: it used 50% of its CPUs (limit 50%), so its own queueing"},
		"a database with a busy thread": {func(s *observed) {
			s.Beside = []account.ServiceReadings{beside(lab.RoleDatabase, "postgres", 2, 3)}
			addService(s, "postgres", 960*ms)
			addIdleCPU(s, 2, 960*ms)
			addIdleCPU(s, 3, 0)
		}, lab.Censored, "service postgres: its busiest thread used 96% of a CPU (limit 95%)"},
		"two services on one CPU": {func(s *observed) {
			s.Beside = []account.ServiceReadings{
				beside(lab.RoleBroker, "broker", 2), beside(lab.RoleBalancer, "balancer", 2),
			}
			addService(s, "broker", 200*ms)
			addService(s, "balancer", 400*ms)
			addIdleCPU(s, 2, 600*ms)
		}, lab.Censored, "service broker: it and the services that share its CPUs used 60% of them (limit 50%)"},
		"a database with a quota": {func(s *observed) {
			s.Beside = []account.ServiceReadings{throttled}
			addService(s, "postgres", 100*ms)
			addIdleCPU(s, 2, 100*ms)
			addIdleCPU(s, 3, 0)
		}, lab.Censored, "service postgres: the CPU quota of its container throttled it in 2 periods (limit 0)"},
		"a database with a quota above it": {func(s *observed) {
			s.Beside = []account.ServiceReadings{throttledAbove}
			addService(s, "postgres", 100*ms)
			addIdleCPU(s, 2, 100*ms)
			addIdleCPU(s, 3, 0)
		}, lab.Disturbed, "a CPU quota of a cgroup above the container of the service postgres throttled it"},
		"other work on a database's CPU": {func(s *observed) {
			s.Beside = []account.ServiceReadings{beside(lab.RoleDatabase, "postgres", 2)}
			addService(s, "postgres", 100*ms)
			addIdleCPU(s, 2, 200*ms)
		}, lab.Disturbed, "other work used 10.0% of the database's CPUs (limit 7.5%)"},
		"a generator that shares its CPU with the server and with services": {func(s *observed) {
			shareCPUs(s, 15*ms)
			s.Beside = []account.ServiceReadings{
				beside(lab.RoleDatabase, "postgres", 0), beside(lab.RoleBroker, "broker", 0),
			}
			addService(s, "postgres", 3*ms)
			addService(s, "broker", 4*ms)
			s.Attack.After.Services[0].Threads[1].CPU -= 7 * ms
		}, lab.Censored, "generator: it used 2.2% of a CPU that it shares with the server (limit 2%)"},
		"a generator beside services": {func(s *observed) {
			s.Phase.Kind = lab.Steady
			setCPU(s, 500*ms, 300*ms)
			s.Beside = []account.ServiceReadings{
				beside(lab.RoleDatabase, "postgres", 0), beside(lab.RoleBroker, "broker", 0),
			}
			addService(s, "postgres", 210*ms)
			addService(s, "broker", 210*ms)
			s.Attack.After.CPUs[0].Idle -= 420 * ms
		}, lab.Censored, "generator: it used 92% of its CPUs (limit 90%)"},
		"processes that belong to no service": {func(s *observed) {
			addService(s, account.NoService, 80*ms)
		}, lab.Failed, "processes of the cell used 8.0% of a CPU (limit 7.5%), and nothing tells which service"},
		"little of processes that belong to no service": {func(s *observed) {
			addService(s, account.NoService, 70*ms)
		}, lab.Valid, ""},
	} {
		s := quietSample()
		c.change(&s)
		g := Judge(s.sample(), calibration)
		if g.Validity != c.want || !strings.HasPrefix(g.Reason, c.reason) || (c.reason == "") != (g.Reason == "") {
			t.Errorf("%s: %s because %q, want %s because %q", name, g.Validity, g.Reason, c.want, c.reason)
		}
	}
}

// A service that was the limit at a rate that missed the SLO makes the capacity a bound.
func TestAServiceIsTheLimitOfASearch(t *testing.T) {
	s := quietSample()
	s.Phase.Kind = lab.Capacity
	s.Beside = []account.ServiceReadings{{Role: lab.RoleDatabase, Name: "postgres", CPUs: []int{2}}}
	addService(&s, "postgres", 700*ms)
	addIdleCPU(&s, 2, 700*ms)
	got := InstrumentLimit(*s.sample().Measured, calibration)
	if !strings.HasPrefix(got, "service postgres: it used 70%") {
		t.Errorf("the limit is %q", got)
	}
}
