package gate

import (
	"math"
	"slices"
	"strings"
	"testing"
	"time"

	"runtimelab/lab"
	"runtimelab/lab/account"
)

// quietSample returns a sample of one second in which the server's only thread used
// 97 % of CPU 1, the generator used 60 % of CPU 0, and there was no other work. All
// canaries are as fast as their baseline.
func quietSample() observed {
	start := time.Unix(1000, 0)
	s := observed{
		Sample: lab.Sample{
			Phase:   lab.Phase{Kind: lab.Peak},
			Subject: lab.Subject{Layout: lab.Layout{Generator: []int{0}, Server: []int{1}}},
			Canaries: lab.PhaseCanaries{
				Before: []lab.Canary{{CPU: 0, WallTime: 50 * ms}, {CPU: 1, WallTime: 50 * ms}},
				After:  []lab.Canary{{CPU: 0, WallTime: 50 * ms}, {CPU: 1, WallTime: 50 * ms}},
			},
		},
		Attack: &account.Observation{
			AttackResult: lab.AttackResult{
				Elapsed: time.Second, HitCounts: lab.HitCounts{Intended: 100, Sent: 100, Succeeded: 100},
			},
			CellReadings: account.CellReadings{
				Before:        account.Reading{At: start, CPUs: []account.CPUTime{{ID: 0}, {ID: 1}}},
				After:         account.Reading{At: start.Add(time.Second), CPUs: []account.CPUTime{{ID: 0}, {ID: 1}}},
				GeneratorCPUs: []int{0},
			},
		},
		ServerUsage: usage{Known: true},
	}
	setCPU(&s, 600*ms, 970*ms)
	return s
}

const ms = time.Millisecond

// setCPU sets the CPU times of generator and server. Their CPUs are idle for the rest
// of the second.
func setCPU(s *observed, generator, server time.Duration) {
	after := &s.Attack.After
	after.GeneratorCPU = generator
	after.Services = serverThreads(account.Thread{PID: 7, TID: 7, CPU: server})
	after.CPUs[0].Idle, after.CPUs[1].Idle = time.Second-generator, time.Second-server
}

// setPeakShare makes the phase offer a share of a peak of 500 requests per second.
func setPeakShare(s *observed, fraction float64) {
	s.Phase = lab.Phase{
		Kind: lab.Steady, PeakShare: &lab.PeakShare{Fraction: fraction, OfOwnPeak: true},
		RateRPS: 500 * fraction,
	}
	s.Attack.Intended, s.Attack.Sent = int64(500*fraction), int64(500*fraction)
}

// shareCPUs gives the server both CPUs. It uses all time that the generator leaves.
func shareCPUs(s *observed, generator time.Duration) {
	s.Layout.Server = []int{0, 1}
	after := &s.Attack.After
	after.GeneratorCPU, after.CPUs[0].Idle, after.CPUs[1].Idle = generator, 0, 0
	after.Services = serverThreads(
		account.Thread{PID: 7, TID: 7, CPU: time.Second}, account.Thread{
			PID: 8, TID: 8,
			CPU: time.Second - generator,
		})
}

// serverThreads returns the services of a reading: the server with its threads.
func serverThreads(threads ...account.Thread) []account.ServiceUsage {
	return []account.ServiceUsage{{Name: "server", Threads: threads}}
}

// addService adds a service to the second reading, with one thread that used so much CPU time.
func addService(s *observed, name string, used time.Duration) {
	s.Attack.After.Services = append(s.Attack.After.Services,
		account.ServiceUsage{Name: name, Threads: []account.Thread{{PID: 9, TID: 9, CPU: used}}})
}

// attackWith returns a copy of the sample's attack with other figures.
func attackWith(s observed, succeeded int64, generator time.Duration) *account.Observation {
	d := *s.Attack
	d.After.CPUs = slices.Clone(d.After.CPUs)
	d.Succeeded, d.Sent = succeeded, succeeded
	d.After.GeneratorCPU = generator
	return &d
}

func calls(n int64) *int64 { return &n }

var calibration = lab.Calibration{
	CeilingRPS: 1000,
	SleepCost:  5 * time.Microsecond,
	CanaryBaselines: []lab.CanaryBaseline{
		{CPU: 0, Median: 50 * ms, P99: 52 * ms},
		{CPU: 1, Median: 50 * ms, P99: 60 * ms},
	},
}

func TestJudgeClassifiesSamples(t *testing.T) {
	for _, c := range []struct {
		name   string
		change func(*observed)
		want   lab.Validity
		reason string
	}{
		{"a quiet peak of a saturated server", func(*observed) {}, lab.Valid, ""},
		{
			"a quiet steady phase",
			func(s *observed) { s.Phase.Kind = lab.Steady; setCPU(s, 100*ms, 200*ms) },
			lab.Valid, "",
		},
		{
			"errors are a result",
			func(s *observed) { s.Attack.Succeeded, s.Attack.Failed = 50, 50 },
			lab.Valid, "",
		},
		{
			"shortfall of a steady phase is a result",
			func(s *observed) { s.Phase.Kind, s.Attack.Intended = lab.Steady, 900 },
			lab.Valid, "",
		},
		{
			"throttling by the container's own quota is a result",
			func(s *observed) { s.ServerUsage.After.ThrottledPeriods = 9 },
			lab.Valid, "",
		},
		{
			"a kill for memory is a result",
			func(s *observed) { s.ServerUsage.After.OOMEvents = 1 },
			lab.Valid, "",
		},
		{
			"a saturated server beside a busy generator",
			func(s *observed) { setCPU(s, 990*ms, 960*ms) },
			lab.Valid, "",
		},

		{"nothing measured", func(s *observed) { s.Attack = nil }, lab.Failed, "nothing was measured"},
		{"nothing sent", func(s *observed) { s.Attack.Sent = 0 }, lab.Failed, "no request was sent"},
		{"nothing succeeded", func(s *observed) {
			s.Attack.Succeeded, s.Attack.Errors = 0, map[string]int{"rare": 1, "often": 9}
		}, lab.Failed, "none of 100 requests succeeded: often"},
		{"the only request failed", func(s *observed) {
			s.Attack.Sent, s.Attack.Succeeded, s.Attack.Errors = 1, 0, map[string]int{"often": 1}
		}, lab.Failed, "none of 1 request succeeded: often"},
		{
			"a generator on wrong CPUs",
			func(s *observed) { s.Attack.GeneratorCPUs = []int{0, 1} },
			lab.Failed, "on CPUs 0-1 instead of 0",
		},
		{"usage unknown", func(s *observed) { s.ServerUsage.Known = false }, lab.Failed, "usage"},

		{
			"a neighbour of the generator",
			func(s *observed) { s.Attack.After.CPUs[0].Idle -= 100 * ms },
			lab.Disturbed, "other work used 10.0% of the generator's CPUs (limit 7.5%)",
		},
		{
			"a neighbour of the server",
			func(s *observed) {
				s.Attack.After.CPUs[1].Idle = 0
				s.Attack.After.Services[0].Threads[0].CPU = 900 * ms
			},
			lab.Disturbed, "other work used 10.0% of the server's CPUs (limit 7.5%)",
		},
		{
			"a CPU of the generator that was taken offline",
			func(s *observed) { s.Attack.After.CPUs = s.Attack.After.CPUs[1:] },
			lab.Disturbed, "the use of the generator's CPUs by other work is unknown: their counters",
		},
		{
			"a CPU of the server that was taken offline",
			func(s *observed) { s.Attack.After.CPUs = s.Attack.After.CPUs[:1] },
			lab.Disturbed, "the use of the server's CPUs by other work is unknown: their counters",
		},
		{
			"a server whose threads have all ended",
			func(s *observed) { s.Phase.Kind, s.Attack.After.Services = lab.Steady, nil },
			lab.Valid, "",
		},
		{
			"an overload",
			func(s *observed) { setPeakShare(s, 1.2); s.Attack.Succeeded = 500 },
			lab.Valid, "",
		},
		{
			"an overload that the server can serve",
			func(s *observed) { setPeakShare(s, 1.2); s.Attack.Succeeded = 550 },
			lab.Disturbed,
			"550 of 600 requests per second were answered, so the offered rate was not 120% of the server's " +
				"peak (limit 545)",
		},
		{
			"a rate of 100 % of the peak, all answered",
			func(s *observed) { setPeakShare(s, 1); s.Attack.Succeeded = 500 },
			lab.Valid, "",
		},
		{
			"a neighbour within the limit",
			func(s *observed) { s.Attack.After.CPUs[0].Idle -= 70 * ms },
			lab.Valid, "",
		},
		{
			"steal from an idle CPU, which the load itself can cause",
			func(s *observed) { s.Attack.After.CPUs[1].Steal = 300 * ms },
			lab.Valid, "",
		},
		{"a neighbour on a CPU outside the layout", func(s *observed) {
			s.Attack.Before.CPUs = append(s.Attack.Before.CPUs, account.CPUTime{ID: 2})
			s.Attack.After.CPUs = append(s.Attack.After.CPUs, account.CPUTime{ID: 2, Busy: time.Second})
		}, lab.Valid, ""},

		{"the sleep cost of the server", func(s *observed) {
			s.Phase.Kind = lab.Steady
			setCPU(s, 100*ms, 200*ms)
			s.Attack.After.CPUs[1].Idle -= 100 * ms
			s.Attack.After.Services[0].Threads[0].Sleeps = 10_000 // of 5 µs each
		}, lab.Valid, ""},
		{"the server's sleep cost does not count on the generator's CPU", func(s *observed) {
			s.Attack.After.CPUs[0].Idle -= 100 * ms
			s.Attack.After.Services[0].Threads[0].Sleeps = 10_000
		}, lab.Disturbed, "other work used 10.0% of the generator's CPUs"},
		{"the sleep cost of a generator that sleeps", func(s *observed) {
			setCPU(s, 100*ms, 970*ms)
			s.Attack.After.CPUs[0].Idle -= 100 * ms
			s.Attack.After.Sleeps = 10_000
		}, lab.Valid, ""},
		{"an upstream on the generator's CPU", func(s *observed) {
			s.UpstreamCalls = calls(100)
			setCPU(s, 100*ms, 970*ms)
			addService(s, "upstream", 300*ms)
			s.Attack.After.CPUs[0].Idle -= 300 * ms
		}, lab.Valid, ""},
		{"a busy upstream", func(s *observed) {
			s.Phase.Kind, s.UpstreamCalls = lab.Ladder, calls(100)
			setCPU(s, 100*ms, 300*ms)
			addService(s, "upstream", 600*ms)
			s.Attack.After.CPUs[0].Idle -= 600 * ms
		}, lab.Censored, "service upstream: it used 60% of its CPUs (limit 50%), so its own"},
		{
			"answers without a call of the upstream",
			func(s *observed) { s.UpstreamCalls = calls(99) },
			lab.Failed, "the server gave 100 answers but called its upstream only 99 times",
		},
		{
			"a ladder whose server is not saturated",
			func(s *observed) { s.Phase.Kind = lab.Ladder; setCPU(s, 100*ms, 300*ms) },
			lab.Valid, "",
		},
		{
			"a ladder whose server is saturated",
			func(s *observed) { s.Phase.Kind = lab.Ladder; setCPU(s, 950*ms, 970*ms) },
			lab.Valid, "",
		},
		{"the sleep cost on shared CPUs counts once", func(s *observed) {
			shareCPUs(s, 15*ms)
			s.Attack.After.Services[0].Threads[0].CPU -= 360 * ms // 18 % of both CPUs; 10 % are sleep cost
			s.Attack.After.Services[0].Threads[0].Sleeps, s.Attack.After.Sleeps = 20_000, 20_000
		}, lab.Disturbed, "other work used 8.0% of the generator's CPUs"},
		{"a neighbour during twice the connections", func(s *observed) {
			setCPU(s, 100*ms, 300*ms)
			s.DoubleConnections = attackWith(*s, 102, 100*ms)
			s.DoubleConnections.After.CPUs[1].Idle -= 200 * ms
		}, lab.Disturbed, "on twice the connections other work used 20.0% of the server's CPUs (limit 7.5%)"},
		{"failures on twice the connections", func(s *observed) {
			setCPU(s, 100*ms, 300*ms)
			s.DoubleConnections = attackWith(*s, 60, 100*ms)
			s.DoubleConnections.Sent, s.DoubleConnections.Failed = 120, 60
		}, lab.Censored, "unsaturated: the server was at 30% of its limit (needed: 95%), and on twice the " +
			"connections 50.0% of requests failed"},
		{
			"a generator that shares a CPU and uses little of it",
			func(s *observed) { shareCPUs(s, 15*ms) },
			lab.Valid, "",
		},
		{
			"a generator that shares a CPU and uses more",
			func(s *observed) { shareCPUs(s, 30*ms) },
			lab.Censored, "generator: it used 3.0% of a CPU that it shares with the server (limit 2%)",
		},
		{"a neighbour on shared CPUs", func(s *observed) {
			shareCPUs(s, 15*ms)
			s.Attack.After.Services[0].Threads[0].CPU -= 200 * ms
		}, lab.Disturbed, "other work used 10.0% of the generator's CPUs"},
		{"a polling generator that is not busy", func(s *observed) {
			setCPU(s, 980*ms, 300*ms)
			s.Phase.Kind, s.Attack.IdlePolling = lab.Steady, 600*ms
		}, lab.Valid, ""},
		{"interrupts that are charged to no thread", func(s *observed) {
			s.SeparateIRQTime = true
			s.Attack.After.CPUs[0].Idle -= 200 * ms
			s.Attack.After.CPUs[0].Interrupts = 195 * ms
		}, lab.Valid, ""},
		{"interrupts that are charged to threads count as foreign", func(s *observed) {
			s.Attack.After.CPUs[0].Idle -= 200 * ms
			s.Attack.After.CPUs[0].Interrupts = 195 * ms
		}, lab.Disturbed, "other work used 20.0% of the generator's CPUs"},
		{"a neighbour beside the server's sleep cost", func(s *observed) {
			setCPU(s, 100*ms, 200*ms)
			s.Attack.After.CPUs[1].Idle -= 200 * ms
			s.Attack.After.Services[0].Threads[0].Sleeps = 10_000
		}, lab.Disturbed, "other work used 15.0% of the server's CPUs"},

		{
			"a slow canary before the attack",
			func(s *observed) { s.Canaries.Before[0].WallTime = 55 * ms },
			lab.Disturbed,
			"the canary on CPU 0 took 55.0 ms before the attack (limit 54.6 ms, 5% above the 99th percentile of " +
				"its baseline)",
		},
		{
			"a slow canary after the attack",
			func(s *observed) { s.Canaries.After[1].WallTime = 64 * ms },
			lab.Disturbed, "the canary on CPU 1 took 64.0 ms after the attack",
		},
		{
			"a canary within its tolerance",
			func(s *observed) { s.Canaries.Before[0].WallTime, s.Canaries.After[1].WallTime = 54*ms, 62*ms },
			lab.Valid, "",
		},
		{"canaries that have become slow since the calibration", func(s *observed) {
			s.Canaries.Before[0].WallTime = 70 * ms
			s.Canaries.Baselines = []lab.CanaryBaseline{{CPU: 0, Median: 65 * ms, P99: 70 * ms}}
		}, lab.Valid, ""},
		{"canaries that have become fast since the calibration", func(s *observed) {
			s.Canaries.Before[0].WallTime = 50 * ms
			s.Canaries.Baselines = []lab.CanaryBaseline{{CPU: 0, Median: 40 * ms, P99: 41 * ms}}
		}, lab.Disturbed, "limit 43.0 ms"},
		{"the baseline of another CPU", func(s *observed) {
			s.Canaries.After[1].WallTime = 64 * ms
			s.Canaries.Baselines = []lab.CanaryBaseline{{CPU: 0, Median: 65 * ms, P99: 70 * ms}}
		}, lab.Disturbed, "the canary on CPU 1 took 64.0 ms after the attack (limit 63.0 ms"},
		{"a canary that the server slowed down", func(s *observed) {
			s.Canaries.After[1].WallTime, s.Canaries.ServerCPUAfter = 70*ms, 20*ms
		}, lab.Valid, ""},
		{"the server's CPU time does not count on the generator's CPU", func(s *observed) {
			s.Canaries.After[0].WallTime, s.Canaries.ServerCPUAfter = 70*ms, 20*ms
		}, lab.Disturbed, "the canary on CPU 0"},
		{"a canary that a spinning server slowed down", func(s *observed) {
			s.Canaries.Before[1].WallTime, s.Canaries.ServerCPUBefore = 120*ms, 65*ms
		}, lab.Valid, ""},
		{"the server's CPU time after the attack does not count before it", func(s *observed) {
			s.Canaries.Before[1].WallTime, s.Canaries.ServerCPUAfter = 70*ms, 20*ms
		}, lab.Disturbed, "the canary on CPU 1"},

		{"a server that had to wait for its CPU", func(s *observed) {
			setCPU(s, 600*ms, 900*ms)
			s.Attack.After.CPUs[1].Idle = 30 * ms // other work used 70
		}, lab.Valid, ""},
		{
			"the generator's ceiling",
			func(s *observed) { s.Attack.Succeeded = 900 },
			lab.Censored, "generator: 900 requests per second are 90% of its ceiling of 1000 (limit 90%)",
		},
		{"below the generator's ceiling", func(s *observed) { s.Attack.Succeeded = 899 }, lab.Valid, ""},
		{
			"a busy generator",
			func(s *observed) { setCPU(s, 950*ms, 800*ms) },
			lab.Censored, "generator: it used 95% of its CPUs (limit 90%), and the server was at 80% of its limit",
		},
		{
			"latencies of a busy generator",
			func(s *observed) { s.Phase.Kind = lab.Steady; setCPU(s, 950*ms, 970*ms) },
			lab.Censored, "generator: it used 95%",
		},

		{
			"an unsaturated server",
			func(s *observed) { setCPU(s, 100*ms, 300*ms) },
			lab.Censored, "unsaturated: the server was at 30% of its limit (needed: 95%)",
		},
		{"an unsaturated server that serves more on twice the connections", func(s *observed) {
			setCPU(s, 100*ms, 300*ms)
			s.DoubleConnections = attackWith(*s, 103, 100*ms)
		}, lab.Censored, "and twice the connections brought 3.0% more"},
		{"an unsaturated server that serves no more on twice the connections", func(s *observed) {
			setCPU(s, 100*ms, 300*ms)
			s.DoubleConnections = attackWith(*s, 102, 100*ms)
		}, lab.Valid, ""},
		{"a busy generator on twice the connections", func(s *observed) {
			setCPU(s, 800*ms, 300*ms)
			s.DoubleConnections = attackWith(*s, 102, 950*ms)
		}, lab.Censored, "generator: it used 95%"},
	} {
		t.Run(c.name, func(t *testing.T) {
			s := quietSample()
			c.change(&s)
			got := Judge(s.sample(), calibration)
			if got.Validity != c.want || !strings.Contains(got.Reason, c.reason) ||
				(c.reason == "") != (got.Reason == "") {
				t.Errorf("got %s because %q, want %s because %q", got.Validity, got.Reason, c.want, c.reason)
			}
		})
	}
}

func TestEstimateSleepCostDividesForeignTimeBySleeps(t *testing.T) {
	s := quietSample()
	setCPU(&s, 600*ms, 400*ms)
	s.Attack.After.CPUs[1].Idle -= 30 * ms
	s.Attack.After.Services[0].Threads[0].Sleeps = 10_000
	if got := EstimateSleepCost(*s.sample().Measured).Round(time.Nanosecond * 10); got != 3*time.Microsecond {
		t.Errorf("got %v, want 3 µs", got)
	}
	s.Attack.After.Services[0].Threads[0].Sleeps = 0
	if got := EstimateSleepCost(*s.sample().Measured); got != 0 {
		t.Errorf("got %v of a sample without sleep", got)
	}
}

func TestDetectSeparateIRQTimeNeedsInterruptsThatAppearAsForeign(t *testing.T) {
	window := func(interrupts, foreign time.Duration) lab.Window {
		s := quietSample()
		s.Attack.After.CPUs[0].Idle -= foreign
		s.Attack.After.CPUs[0].Interrupts = interrupts
		return *s.sample().Measured
	}
	for _, c := range []struct {
		name  string
		quiet []lab.Window
		want  bool
	}{
		{"charged to threads", []lab.Window{window(230*ms, 10*ms)}, false},
		{"charged to no thread", []lab.Window{window(230*ms, 200*ms), window(230*ms, 240*ms)}, true},
		{"a neighbour in one of the samples", []lab.Window{window(230*ms, 200*ms), window(230*ms, 10*ms)}, false},
		{"a neighbour and no interrupts", []lab.Window{window(20*ms, 200*ms)}, false},
		{"no sample", nil, false},
	} {
		if got := DetectSeparateIRQTime(c.quiet...); got != c.want {
			t.Errorf("%s: got %v", c.name, got)
		}
	}
}

// A few canaries give the 99th percentile of a normal distribution, even if something
// disturbed up to half of them.
func TestEstimateCanaryBaselineIsRobust(t *testing.T) {
	var took []time.Duration
	for i := range 40 {
		z := math.Sqrt2 * math.Erfinv(2*(float64(i)+0.5)/40-1)
		took = append(took, 50*ms+time.Duration(z*float64(2*ms)))
	}
	undisturbed := EstimateCanaryBaseline(3, took)
	if undisturbed.CPU != 3 || undisturbed.N != 40 || undisturbed.Median.Round(ms/10) != 50*ms ||
		math.Abs(float64(undisturbed.P99-54653*time.Microsecond)) > float64(ms)/5 {
		t.Errorf("of normal canaries: %+v", undisturbed)
	}
	for i := range 10 {
		took[4*i] = time.Second
	}
	if b := EstimateCanaryBaseline(3, took); b.Median > 51*ms || b.P99 > 59*ms {
		t.Errorf("with a quarter of them disturbed: %+v", b)
	}
}

func TestJudgeWithoutCalibrationIgnoresCanariesAndCeiling(t *testing.T) {
	s := quietSample()
	s.Canaries.Before[0].WallTime = time.Hour
	s.Attack.Succeeded = 1e9
	if got := Judge(s.sample(), lab.Calibration{}); got.Validity != lab.Valid {
		t.Errorf("got %s because %q", got.Validity, got.Reason)
	}
}

func TestNeedsDoubleConnectionsOnlyForUnsaturatedPeaks(t *testing.T) {
	for name, c := range map[string]struct {
		change func(*observed)
		want   bool
	}{
		"a saturated server":    {func(*observed) {}, false},
		"an unsaturated server": {func(s *observed) { setCPU(s, 100*ms, 300*ms) }, true},
		"already tried": {func(s *observed) {
			setCPU(s, 100*ms, 300*ms)
			s.DoubleConnections = attackWith(*s, 102, 0)
		}, false},
		"an open loop":     {func(s *observed) { setCPU(s, 100*ms, 300*ms); s.Phase.Kind = lab.Steady }, false},
		"a busy generator": {func(s *observed) { setCPU(s, 950*ms, 300*ms) }, false},
		"a disturbed peak": {func(s *observed) {
			setCPU(s, 100*ms, 300*ms)
			s.Attack.After.CPUs[0].Idle -= 200 * ms
		}, false},
		"a failed peak": {func(s *observed) { setCPU(s, 100*ms, 300*ms); s.Attack.Succeeded = 0 }, false},
	} {
		s := quietSample()
		c.change(&s)
		if got := NeedsDoubleConnections(s.sample(), calibration); got != c.want {
			t.Errorf("%s: got %v", name, got)
		}
	}
}

// searchSample returns the sample of a search that missed some rates and confirmed
// one; 0: none.
func searchSample(confirmed float64, missed ...searchStep) observed {
	s := quietSample()
	s.Phase = lab.Phase{Kind: lab.Capacity, RateRPS: confirmed}
	setCPU(&s, 950*ms, 300*ms) // a generator that is busy at a rate that met the SLO
	s.Steps = append([]searchStep{}, missed...)
	for i, step := range s.Steps {
		if step.Attack == nil {
			s.Steps[i].Attack = s.Attack
		}
	}
	if confirmed > 0 {
		s.Steps = append(s.Steps,
			searchStep{Stage: lab.Confirmation, OfferedRPS: confirmed, SLOMet: true, Attack: s.Attack})
	}
	return s
}

func TestJudgeClassifiesCapacities(t *testing.T) {
	crowded := *quietSample().Attack
	crowded.After.CPUs = []account.CPUTime{{ID: 0, Idle: 400 * ms}, {ID: 1, Idle: 500 * ms}}
	crowded.After.Services = serverThreads(account.Thread{PID: 7, TID: 7, CPU: 300 * ms})
	unanswered := *quietSample().Attack
	unanswered.Succeeded = 0
	for _, c := range []struct {
		name   string
		sample observed
		want   lab.Validity
		reason string
	}{
		{
			"the next rate is too high",
			searchSample(1000, searchStep{OfferedRPS: 2000}, searchStep{OfferedRPS: 1030}), lab.Valid, "",
		},
		{
			"the next rate was missed because of the generator",
			searchSample(1000, searchStep{OfferedRPS: 1030, InstrumentLimit: "generator: it used 95%"}),
			lab.Censored, "generator: it used 95%, at 1030/s",
		},
		{
			"the generator was the limit far above the next rate",
			searchSample(1000,
				searchStep{OfferedRPS: 2000, InstrumentLimit: "generator: it used 95%"},
				searchStep{OfferedRPS: 1030}),
			lab.Valid, "",
		},
		{"no rate was too high", searchSample(1000), lab.Censored, "search: it ended before it reached"},
		{
			"the next rate is far above",
			searchSample(1000, searchStep{OfferedRPS: 1200}),
			lab.Censored, "between 1000/s (kept) and 1200/s (missed)",
		},
		{
			"the next rate was kept and not confirmed",
			searchSample(1000, searchStep{OfferedRPS: 1050, SLOMet: true}, searchStep{OfferedRPS: 1200}),
			lab.Censored, "between 1000/s (kept) and 1200/s (missed)",
		},
		{
			"no rate was confirmed",
			searchSample(0, searchStep{OfferedRPS: 1000, InstrumentLimit: "generator: it used 95%"}),
			lab.Valid, "",
		},
		{
			"a neighbour at a missed rate",
			searchSample(1000, searchStep{OfferedRPS: 1030, Attack: &crowded}),
			lab.Disturbed, "at 1030/s other work used 20.0% of the server's CPUs",
		},
		{
			"a neighbour at a rate that met the SLO",
			searchSample(1000, searchStep{OfferedRPS: 1030},
				searchStep{OfferedRPS: 990, SLOMet: true, Attack: &crowded}),
			lab.Valid, "",
		},
	} {
		t.Run(c.name, func(t *testing.T) {
			if g := Judge(c.sample.sample(), calibration); g.Validity != c.want || !strings.Contains(g.Reason,
				c.reason) {
				t.Errorf("%s because %q, want %s because %q", g.Validity, g.Reason, c.want, c.reason)
			}
		})
	}
	slow := searchSample(1000, searchStep{OfferedRPS: 1030})
	slow.Canaries.After[1].WallTime = 70 * ms
	if g := Judge(slow.sample(), calibration); g.Validity != lab.Disturbed {
		t.Errorf("a slow canary: %s because %q", g.Validity, g.Reason)
	}
	// No answer at the last rate, but answers at another.
	last := searchSample(0, searchStep{OfferedRPS: 1000})
	last.Attack = &unanswered
	if g := Judge(last.sample(), calibration); g.Validity != lab.Valid {
		t.Errorf("a step without an answer after one with answers: %s because %q", g.Validity, g.Reason)
	}
	last.Steps[0].Attack = &unanswered
	if g := Judge(last.sample(), calibration); g.Validity != lab.Failed {
		t.Errorf("no step with an answer: %s because %q", g.Validity, g.Reason)
	}
}

func TestInstrumentLimitNamesABusyGenerator(t *testing.T) {
	s := searchSample(0, searchStep{OfferedRPS: 1000})
	if l := InstrumentLimit(*s.sample().Measured, calibration); !strings.Contains(l, "generator: it used 95%") {
		t.Errorf("a generator at 95%% of its CPU: %q", l)
	}
	setCPU(&s, 300*ms, 990*ms)
	if l := InstrumentLimit(*s.sample().Measured, calibration); l != "" {
		t.Errorf("a generator at 30%% of its CPU: %q", l)
	}
}

func TestJudgeCallsATrialDisturbedIfTheClockWasSet(t *testing.T) {
	for _, step := range []time.Duration{0, MaxClockStep, -MaxClockStep, MaxClockStep + ms, -2 * time.Second} {
		s := quietSample()
		s.Attack.After.ClockStep = step
		want := lab.Valid
		if step.Abs() > MaxClockStep {
			want = lab.Disturbed
		}
		g := Judge(s.sample(), calibration)
		if g.Validity != want || (want == lab.Disturbed) != strings.Contains(g.Reason, "clock was set") {
			t.Errorf("set by %v: %+v, want %s", step, g, want)
		}
	}
}

func TestMostFrequentErrorIsTheReason(t *testing.T) {
	for want, reasons := range map[string]map[string]int{
		"refused":            {"refused": 3, "closed": 2, "timeout": 1},
		"closed":             {"refused": 2, "closed": 2, "timeout": 1}, // on a tie the first by name
		"no reason recorded": nil,
	} {
		for range 10 { // maps are in no order
			if got := mostFrequent(reasons); got != want {
				t.Fatalf("%v: %q, want %q", reasons, got, want)
			}
		}
	}
}
