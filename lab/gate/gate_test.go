package gate

import (
	"math"
	"slices"
	"strings"
	"testing"
	"time"

	"runtimelab/lab"
)

// quiet is a sample of one second in which the server's only thread used 97 %
// of CPU 1, the generator 60 % of CPU 0, and nobody else anything. It has all
// canaries, as fast as ever.
func quiet() lab.Sample {
	began := time.Unix(1000, 0)
	s := lab.Sample{
		Phase:  lab.Phase{Kind: lab.Peak},
		Layout: lab.Layout{Generator: []int{0}, Server: []int{1}},
		Attack: &lab.AttackResult{
			Elapsed: time.Second, Intended: 100, Sent: 100, Succeeded: 100,
			GeneratorCPUs: []int{0},
			Before:        lab.Reading{At: began, CPUs: []lab.CPUTime{{ID: 0}, {ID: 1}}},
			After:         lab.Reading{At: began.Add(time.Second), CPUs: []lab.CPUTime{{ID: 0}, {ID: 1}}},
		},
		ServerUsage: lab.ServerUsage{Known: true},
		Canaries: lab.PhaseCanaries{
			Before: []lab.Canary{{CPU: 0, WallTime: 50 * ms}, {CPU: 1, WallTime: 50 * ms}},
			After:  []lab.Canary{{CPU: 0, WallTime: 50 * ms}, {CPU: 1, WallTime: 50 * ms}},
		},
	}
	use(&s, 600*ms, 970*ms)
	return s
}

const ms = time.Millisecond

// use has generator and server use so much of their CPUs, and idle the rest.
func use(s *lab.Sample, generator, server time.Duration) {
	after := &s.Attack.After
	after.GeneratorCPU, after.Threads = generator, []lab.Thread{{PID: 7, TID: 7, CPU: server}}
	after.CPUs[0].Idle, after.CPUs[1].Idle = time.Second-generator, time.Second-server
}

// overloads has it offer so much of a peak of 500 requests per second.
func overloads(s *lab.Sample, of float64) {
	s.Phase = lab.Phase{
		Kind: lab.Steady, PeakShare: &lab.PeakShare{Fraction: of, OfOwnPeak: true},
		RateRPS: 500 * of,
	}
	s.Attack.Intended, s.Attack.Sent = int64(500*of), int64(500*of)
}

// sharing gives the server both CPUs, which it uses but for what the generator
// takes.
func sharing(s *lab.Sample, generator time.Duration) {
	s.Layout.Server = []int{0, 1}
	after := &s.Attack.After
	after.GeneratorCPU, after.CPUs[0].Idle, after.CPUs[1].Idle = generator, 0, 0
	after.Threads = []lab.Thread{
		{PID: 7, TID: 7, CPU: time.Second},
		{PID: 8, TID: 8, CPU: time.Second - generator},
	}
}

// doubled is the same attack with other figures.
func doubled(s lab.Sample, succeeded int64, generator time.Duration) *lab.AttackResult {
	d := *s.Attack
	d.After.CPUs = slices.Clone(d.After.CPUs)
	d.Succeeded, d.Sent = succeeded, succeeded
	d.After.GeneratorCPU = generator
	return &d
}

var calibration = lab.Calibration{
	CeilingRPS: 1000,
	SleepCost:  5 * time.Microsecond,
	CanaryBaselines: []lab.CanaryBaseline{
		{CPU: 0, Median: 50 * ms, P99: 52 * ms},
		{CPU: 1, Median: 50 * ms, P99: 60 * ms},
	},
}

func TestJudge(t *testing.T) {
	for _, c := range []struct {
		name   string
		change func(*lab.Sample)
		want   lab.Validity
		reason string
	}{
		{"a quiet peak of a saturated server", func(*lab.Sample) {}, lab.Valid, ""},
		{
			"a quiet steady phase", func(s *lab.Sample) { s.Phase.Kind = lab.Steady; use(s, 100*ms, 200*ms) },
			lab.Valid, "",
		},
		{
			"errors are an outcome", func(s *lab.Sample) { s.Attack.Succeeded, s.Attack.Failed = 50, 50 }, lab.Valid,
			"",
		},
		{
			"shortfall of a steady phase is an outcome",
			func(s *lab.Sample) { s.Phase.Kind, s.Attack.Intended = lab.Steady, 900 }, lab.Valid, "",
		},
		{
			"throttling is an outcome", func(s *lab.Sample) { s.ServerUsage.After.ThrottledPeriods = 9 }, lab.Valid,
			"",
		},
		{
			"a kill for memory is an outcome", func(s *lab.Sample) { s.ServerUsage.After.OOMEvents = 1 }, lab.Valid,
			"",
		},
		{
			"a saturated server beside a busy generator", func(s *lab.Sample) { use(s, 990*ms, 960*ms) }, lab.Valid,
			"",
		},

		{"nothing measured", func(s *lab.Sample) { s.Attack = nil }, lab.Failed, "nothing was measured"},
		{"nothing sent", func(s *lab.Sample) { s.Attack.Sent = 0 }, lab.Failed, "not one request was sent"},
		{"nothing succeeded", func(s *lab.Sample) {
			s.Attack.Succeeded, s.Attack.Errors = 0, map[string]int{"rare": 1, "often": 9}
		}, lab.Failed, "not one of 100 requests succeeded: often"},
		{
			"wrong CPUs", func(s *lab.Sample) { s.Attack.GeneratorCPUs = []int{0, 1} }, lab.Failed,
			"on CPUs 0-1 instead of 0",
		},
		{"usage unknown", func(s *lab.Sample) { s.ServerUsage.Known = false }, lab.Failed, "usage"},

		{
			"a neighbour of the generator", func(s *lab.Sample) { s.Attack.After.CPUs[0].Idle -= 100 * ms },
			lab.Disturbed,
			"others took 10.0% of the generator's CPUs (limit 7.5%)",
		},
		{
			"a neighbour of the server",
			func(s *lab.Sample) { s.Attack.After.CPUs[1].Idle = 0; s.Attack.After.Threads[0].CPU = 900 * ms }, lab.Disturbed,
			"others took 10.0% of the server's CPUs (limit 7.5%)",
		},
		{
			"a CPU of the generator that was taken offline",
			func(s *lab.Sample) { s.Attack.After.CPUs = s.Attack.After.CPUs[1:] }, lab.Disturbed,
			"what others took of the generator's CPUs is not known",
		},
		{
			"a CPU of the server that was taken offline",
			func(s *lab.Sample) { s.Attack.After.CPUs = s.Attack.After.CPUs[:1] }, lab.Disturbed,
			"what others took of the server's CPUs is not known",
		},
		{
			"a server whose threads have all ended",
			func(s *lab.Sample) { s.Phase.Kind, s.Attack.After.Threads = lab.Steady, nil }, lab.Valid, "",
		},
		{
			"an overload that is one", func(s *lab.Sample) { overloads(s, 1.2); s.Attack.Succeeded = 500 }, lab.Valid,
			"",
		},
		{
			"an overload that the server copes with",
			func(s *lab.Sample) { overloads(s, 1.2); s.Attack.Succeeded = 550 }, lab.Disturbed,
			"550 of 600 requests per second were answered, which are to be 120% of the server's peak (limit 545)",
		},
		{
			"all of a peak, answered", func(s *lab.Sample) { overloads(s, 1); s.Attack.Succeeded = 500 }, lab.Valid,
			"",
		},
		{
			"a neighbour within the limit", func(s *lab.Sample) { s.Attack.After.CPUs[0].Idle -= 70 * ms }, lab.Valid,
			"",
		},
		{
			"steal from an idle CPU, which the load itself can cause",
			func(s *lab.Sample) { s.Attack.After.CPUs[1].Steal = 300 * ms }, lab.Valid, "",
		},
		{"a neighbour on a CPU that is not ours", func(s *lab.Sample) {
			s.Attack.Before.CPUs = append(s.Attack.Before.CPUs, lab.CPUTime{ID: 2})
			s.Attack.After.CPUs = append(s.Attack.After.CPUs, lab.CPUTime{ID: 2, Busy: time.Second})
		}, lab.Valid, ""},

		{"what sleeping costs", func(s *lab.Sample) {
			s.Phase.Kind = lab.Steady
			use(s, 100*ms, 200*ms)
			s.Attack.After.CPUs[1].Idle -= 100 * ms
			s.Attack.After.Threads[0].Sleeps = 10_000 // of 5 µs each
		}, lab.Valid, ""},
		{"sleeping excuses nothing on the generator's CPUs, which do not sleep", func(s *lab.Sample) {
			s.Attack.After.CPUs[0].Idle -= 100 * ms
			s.Attack.After.Threads[0].Sleeps = 10_000
		}, lab.Disturbed, "others took 10.0% of the generator's CPUs"},
		{"what a generator that sleeps pays for it", func(s *lab.Sample) {
			use(s, 100*ms, 970*ms)
			s.Attack.After.CPUs[0].Idle -= 100 * ms
			s.Attack.After.Sleeps = 10_000
		}, lab.Valid, ""},
		{"an upstream on the generator's CPU", func(s *lab.Sample) {
			s.Upstream = &lab.UpstreamUsage{Calls: 100}
			use(s, 100*ms, 970*ms)
			s.Attack.After.UpstreamCPU = 300 * ms
			s.Attack.After.CPUs[0].Idle -= 300 * ms
		}, lab.Valid, ""},
		{"an upstream that is busy itself", func(s *lab.Sample) {
			s.Phase.Kind, s.Upstream = lab.Ladder, &lab.UpstreamUsage{Calls: 100}
			use(s, 100*ms, 300*ms)
			s.Attack.After.UpstreamCPU = 600 * ms
			s.Attack.After.CPUs[0].Idle -= 600 * ms
		}, lab.Censored, "upstream: it used 60% of its CPU (limit 50%)"},
		{
			"answers without a call of the upstream",
			func(s *lab.Sample) { s.Upstream = &lab.UpstreamUsage{Calls: 99} }, lab.Failed,
			"the server gave 100 answers with only 99 calls of its upstream",
		},
		{
			"a ladder whose server has time to spare",
			func(s *lab.Sample) { s.Phase.Kind = lab.Ladder; use(s, 100*ms, 300*ms) }, lab.Valid, "",
		},
		{
			"a ladder at the end of its server",
			func(s *lab.Sample) { s.Phase.Kind = lab.Ladder; use(s, 950*ms, 970*ms) }, lab.Valid, "",
		},
		{"what sleeping costs on CPUs that both sides use, counted once", func(s *lab.Sample) {
			sharing(s, 15*ms)
			s.Attack.After.Threads[0].CPU -= 360 * ms // 18 % of both CPUs, of which sleeping excuses 10 %
			s.Attack.After.Threads[0].Sleeps, s.Attack.After.Sleeps = 20_000, 20_000
		}, lab.Disturbed, "others took 8.0% of the generator's CPUs"},
		{"others beside twice the connections", func(s *lab.Sample) {
			use(s, 100*ms, 300*ms)
			s.DoubleConnections = doubled(*s, 102, 100*ms)
			s.DoubleConnections.After.CPUs[1].Idle -= 200 * ms
		}, lab.Disturbed, "on twice the connections others took 20.0% of the server's CPUs (limit 7.5%)"},
		{"twice the connections that the server refuses", func(s *lab.Sample) {
			use(s, 100*ms, 300*ms)
			s.DoubleConnections = doubled(*s, 60, 100*ms)
			s.DoubleConnections.Sent, s.DoubleConnections.Failed = 120, 60
		}, lab.Censored, "unsaturated: the server was at 30% of its limit (needed: 95%), and on twice the " +
			"connections 50.0% of requests failed"},
		{
			"a generator that shares a CPU and uses little of it", func(s *lab.Sample) { sharing(s, 15*ms) },
			lab.Valid, "",
		},
		{
			"a generator that shares a CPU and uses more", func(s *lab.Sample) { sharing(s, 30*ms) }, lab.Censored,
			"generator: it used 3.0% of a CPU that it shares with the server (limit 2%)",
		},
		{"a neighbour on shared CPUs", func(s *lab.Sample) {
			sharing(s, 15*ms)
			s.Attack.After.Threads[0].CPU -= 200 * ms
		}, lab.Disturbed, "others took 10.0% of the generator's CPUs"},
		{"a generator that looks all the time and has time to spare", func(s *lab.Sample) {
			use(s, 980*ms, 300*ms)
			s.Phase.Kind, s.Attack.IdlePolling = lab.Steady, 600*ms
		}, lab.Valid, ""},
		{"interrupts that are charged to no thread", func(s *lab.Sample) {
			s.SeparateIRQTime = true
			s.Attack.After.CPUs[0].Idle -= 200 * ms
			s.Attack.After.CPUs[0].Interrupts = 195 * ms
		}, lab.Valid, ""},
		{"interrupts that are charged to threads excuse nothing", func(s *lab.Sample) {
			s.Attack.After.CPUs[0].Idle -= 200 * ms
			s.Attack.After.CPUs[0].Interrupts = 195 * ms
		}, lab.Disturbed, "others took 20.0% of the generator's CPUs"},
		{"more than the server's sleeping costs", func(s *lab.Sample) {
			use(s, 100*ms, 200*ms)
			s.Attack.After.CPUs[1].Idle -= 200 * ms
			s.Attack.After.Threads[0].Sleeps = 10_000
		}, lab.Disturbed, "others took 15.0% of the server's CPUs"},

		{
			"a slow canary before", func(s *lab.Sample) { s.Canaries.Before[0].WallTime = 55 * ms }, lab.Disturbed,
			"the canary on CPU 0 took 55.0 ms before the attack (limit 54.6 ms, 5% over the 99th percentile of " +
				"usual ones)",
		},
		{
			"a slow canary after", func(s *lab.Sample) { s.Canaries.After[1].WallTime = 64 * ms }, lab.Disturbed,
			"the canary on CPU 1 took 64.0 ms after the attack",
		},
		{
			"a canary within its tolerance",
			func(s *lab.Sample) { s.Canaries.Before[0].WallTime, s.Canaries.After[1].WallTime = 54*ms, 62*ms }, lab.Valid, "",
		},
		{"canaries that have become slow since the calibration", func(s *lab.Sample) {
			s.Canaries.Before[0].WallTime, s.Canaries.Baselines = 70*ms, []lab.CanaryBaseline{{
				CPU: 0, Median: 65 * ms,
				P99: 70 * ms,
			}}
		}, lab.Valid, ""},
		{"canaries that have become fast since the calibration", func(s *lab.Sample) {
			s.Canaries.Before[0].WallTime, s.Canaries.Baselines = 50*ms, []lab.CanaryBaseline{{
				CPU: 0, Median: 40 * ms,
				P99: 41 * ms,
			}}
		}, lab.Disturbed, "limit 43.0 ms"},
		{"what is usual on another CPU", func(s *lab.Sample) {
			s.Canaries.After[1].WallTime, s.Canaries.Baselines = 64*ms, []lab.CanaryBaseline{{
				CPU: 0, Median: 65 * ms,
				P99: 70 * ms,
			}}
		}, lab.Disturbed, "the canary on CPU 1 took 64.0 ms after the attack (limit 63.0 ms"},
		{"a canary slowed down by the server", func(s *lab.Sample) {
			s.Canaries.After[1].WallTime, s.Canaries.ServerCPUAfter = 70*ms, 20*ms
		}, lab.Valid, ""},
		{"the server excuses nothing on the generator's CPU", func(s *lab.Sample) {
			s.Canaries.After[0].WallTime, s.Canaries.ServerCPUAfter = 70*ms, 20*ms
		}, lab.Disturbed, "the canary on CPU 0"},
		{"a canary slowed down by a server that spins", func(s *lab.Sample) {
			s.Canaries.Before[1].WallTime, s.Canaries.ServerCPUBefore = 120*ms, 65*ms
		}, lab.Valid, ""},
		{"what the server used after excuses nothing before", func(s *lab.Sample) {
			s.Canaries.Before[1].WallTime, s.Canaries.ServerCPUAfter = 70*ms, 20*ms
		}, lab.Disturbed, "the canary on CPU 1"},

		{"a server that others kept from its CPU", func(s *lab.Sample) {
			use(s, 600*ms, 900*ms)
			s.Attack.After.CPUs[1].Idle = 30 * ms // others had 70
		}, lab.Valid, ""},
		{
			"the generator's ceiling", func(s *lab.Sample) { s.Attack.Succeeded = 900 }, lab.Censored,
			"generator: 900 requests per second are 90% of its ceiling of 1000 (limit 90%)",
		},
		{"below the generator's ceiling", func(s *lab.Sample) { s.Attack.Succeeded = 899 }, lab.Valid, ""},
		{
			"a generator without time to spare", func(s *lab.Sample) { use(s, 950*ms, 800*ms) }, lab.Censored,
			"generator: it used 95% of its CPUs (limit 90%), and the server was at 80% of its limit",
		},
		{
			"latencies of a busy generator", func(s *lab.Sample) { s.Phase.Kind = lab.Steady; use(s, 950*ms, 970*ms) },
			lab.Censored, "generator: it used 95%",
		},

		{
			"a server with time to spare", func(s *lab.Sample) { use(s, 100*ms, 300*ms) }, lab.Censored,
			"unsaturated: the server was at 30% of its limit (needed: 95%)",
		},
		{
			"that serves more on twice the connections",
			func(s *lab.Sample) {
				use(s, 100*ms, 300*ms)
				s.DoubleConnections = doubled(*s, 103,
					100*ms)
			}, lab.Censored,
			"and twice the connections brought 3.0% more",
		},
		{
			"that serves no more on twice the connections",
			func(s *lab.Sample) {
				use(s, 100*ms, 300*ms)
				s.DoubleConnections = doubled(*s, 102,
					100*ms)
			}, lab.Valid, "",
		},
		{
			"nor could, as the generator had no time left",
			func(s *lab.Sample) {
				use(s, 800*ms, 300*ms)
				s.DoubleConnections = doubled(*s, 102,
					950*ms)
			}, lab.Censored,
			"generator: it used 95%",
		},
	} {
		t.Run(c.name, func(t *testing.T) {
			s := quiet()
			c.change(&s)
			got := Judge(s, calibration)
			if got.Validity != c.want || !strings.Contains(got.Reason,
				c.reason) || (c.reason == "") != (got.Reason == "") {
				t.Errorf("got %s because %q, want %s because %q", got.Validity, got.Reason, c.want, c.reason)
			}
		})
	}
}

func TestEstimateSleepCost(t *testing.T) {
	s := quiet()
	use(&s, 600*ms, 400*ms)
	s.Attack.After.CPUs[1].Idle -= 30 * ms
	s.Attack.After.Threads[0].Sleeps = 10_000
	if got := EstimateSleepCost(s).Round(time.Nanosecond * 10); got != 3*time.Microsecond {
		t.Errorf("got %v, want 3 µs", got)
	}
	s.Attack.After.Threads[0].Sleeps = 0
	if got := EstimateSleepCost(s); got != 0 {
		t.Errorf("got %v of a sample without sleep", got)
	}
}

func TestDetectSeparateIRQTime(t *testing.T) {
	sample := func(interrupts, nobodys time.Duration) lab.Sample {
		s := quiet()
		s.Attack.After.CPUs[0].Idle -= nobodys
		s.Attack.After.CPUs[0].Interrupts = interrupts
		return s
	}
	for _, c := range []struct {
		name  string
		quiet []lab.Sample
		want  bool
	}{
		{"charged to threads", []lab.Sample{sample(230*ms, 10*ms)}, false},
		{"apart", []lab.Sample{sample(230*ms, 200*ms), sample(230*ms, 240*ms)}, true},
		{"a neighbour in one of the samples", []lab.Sample{sample(230*ms, 200*ms), sample(230*ms, 10*ms)}, false},
		{"a neighbour and no interrupts", []lab.Sample{sample(20*ms, 200*ms)}, false},
		{"nothing known", nil, false},
	} {
		if got := DetectSeparateIRQTime(c.quiet...); got != c.want {
			t.Errorf("%s: apart %v", c.name, got)
		}
	}
}

// The 99th percentile of a normal distribution is found from few, whatever the
// smaller half of them has been through.
func TestEstimateCanaryBaseline(t *testing.T) {
	var took []time.Duration
	for i := range 40 {
		z := math.Sqrt2 * math.Erfinv(2*(float64(i)+0.5)/40-1)
		took = append(took, 50*ms+time.Duration(z*float64(2*ms)))
	}
	quiet := EstimateCanaryBaseline(3, took)
	if quiet.CPU != 3 || quiet.N != 40 || quiet.Median.Round(ms/10) != 50*ms ||
		math.Abs(float64(quiet.P99-54653*time.Microsecond)) > float64(ms)/5 {
		t.Errorf("of normal canaries: %+v", quiet)
	}
	for i := range 10 {
		took[4*i] = time.Second
	}
	if hindered := EstimateCanaryBaseline(3, took); hindered.Median > 51*ms || hindered.P99 > 59*ms {
		t.Errorf("with a quarter of them disturbed: %+v", hindered)
	}
}

func TestWithoutCalibrationNeitherCanaryNorCeilingIsJudged(t *testing.T) {
	s := quiet()
	s.Canaries.Before[0].WallTime = time.Hour
	s.Attack.Succeeded = 1e9
	if got := Judge(s, lab.Calibration{}); got.Validity != lab.Valid {
		t.Errorf("got %s because %q", got.Validity, got.Reason)
	}
}

func TestNeedsDoubleConnections(t *testing.T) {
	for name, c := range map[string]struct {
		change func(*lab.Sample)
		want   bool
	}{
		"a saturated server":          {func(*lab.Sample) {}, false},
		"a server with time to spare": {func(s *lab.Sample) { use(s, 100*ms, 300*ms) }, true},
		"tried already": {func(s *lab.Sample) {
			use(s, 100*ms,
				300*ms)
			s.DoubleConnections = doubled(*s, 102, 0)
		}, false},
		"an open loop": {
			func(s *lab.Sample) { use(s, 100*ms, 300*ms); s.Phase.Kind = lab.Steady },
			false,
		},
		"at the generator's limit": {func(s *lab.Sample) { use(s, 950*ms, 300*ms) }, false},
		"disturbed": {func(s *lab.Sample) {
			use(s, 100*ms,
				300*ms)
			s.Attack.After.CPUs[0].Idle -= 200 * ms
		}, false},
		"failed": {
			func(s *lab.Sample) { use(s, 100*ms, 300*ms); s.Attack.Succeeded = 0 },
			false,
		},
	} {
		s := quiet()
		c.change(&s)
		if got := NeedsDoubleConnections(s, calibration); got != c.want {
			t.Errorf("%s: undecided %v", name, got)
		}
	}
}

// searched is a search that tried these rates and confirmed one; 0: none.
func searched(confirmed float64, missed ...lab.SearchStep) lab.Sample {
	s := quiet()
	s.Phase = lab.Phase{Kind: lab.Capacity, RateRPS: confirmed}
	use(&s, 950*ms, 300*ms) // a generator that is busy while a rate is kept
	s.Search = &lab.Search{Steps: missed}
	if confirmed > 0 {
		s.Search.Steps = append(s.Search.Steps,
			lab.SearchStep{Stage: lab.Confirmation, OfferedRPS: confirmed, SLOMet: true, Attack: s.Attack})
	}
	for i, step := range missed {
		if step.Attack == nil {
			s.Search.Steps[i].Attack = s.Attack
		}
	}
	return s
}

func TestJudgeACapacity(t *testing.T) {
	crowd := *quiet().Attack
	crowd.After.CPUs = []lab.CPUTime{{ID: 0, Idle: 400 * ms}, {ID: 1, Idle: 500 * ms}}
	crowd.After.Threads = []lab.Thread{{PID: 7, TID: 7, CPU: 300 * ms}}
	silent := *quiet().Attack
	silent.Succeeded = 0
	for _, c := range []struct {
		name   string
		of     lab.Sample
		want   lab.Validity
		reason string
	}{
		{
			"the next rate is too high",
			searched(1000, lab.SearchStep{OfferedRPS: 2000}, lab.SearchStep{OfferedRPS: 1030}), lab.Valid, "",
		},
		{
			"the next rate is the generator's miss",
			searched(1000, lab.SearchStep{OfferedRPS: 1030, InstrumentLimit: "generator: it used 95%"}),
			lab.Censored, "generator: it used 95%, at 1030/s",
		},
		{"a miss of the generator's far above one of the server's", searched(1000,
			lab.SearchStep{
				OfferedRPS:      2000,
				InstrumentLimit: "generator: it used 95%",
			}, lab.SearchStep{OfferedRPS: 1030}), lab.Valid, ""},
		{"nothing was too high", searched(1000), lab.Censored, "search: it ended before it found"},
		{
			"the next rate is far above", searched(1000, lab.SearchStep{OfferedRPS: 1200}), lab.Censored,
			"between 1000/s, which was kept, and 1200/s",
		},
		{
			"the next rate was kept and not confirmed",
			searched(1000, lab.SearchStep{OfferedRPS: 1050, SLOMet: true}, lab.SearchStep{OfferedRPS: 1200}),
			lab.Censored, "between 1000/s, which was kept, and 1200/s",
		},
		{
			"no rate was confirmed",
			searched(0, lab.SearchStep{OfferedRPS: 1000, InstrumentLimit: "generator: it used 95%"}), lab.Valid, "",
		},
		{
			"others took part in a miss", searched(1000, lab.SearchStep{OfferedRPS: 1030, Attack: &crowd}),
			lab.Disturbed, "at 1030/s others took 20.0% of the server's CPUs",
		},
		{"others took part in a rate that was kept", searched(1000, lab.SearchStep{OfferedRPS: 1030},
			lab.SearchStep{OfferedRPS: 990, SLOMet: true, Attack: &crowd}), lab.Valid, ""},
	} {
		t.Run(c.name, func(t *testing.T) {
			if g := Judge(c.of, calibration); g.Validity != c.want || !strings.Contains(g.Reason, c.reason) {
				t.Errorf("%s because %q, want %s because %q", g.Validity, g.Reason, c.want, c.reason)
			}
		})
	}
	slow := searched(1000, lab.SearchStep{OfferedRPS: 1030})
	slow.Canaries.After[1].WallTime = 70 * ms
	if g := Judge(slow, calibration); g.Validity != lab.Disturbed {
		t.Errorf("a slow canary: %s because %q", g.Validity, g.Reason)
	}
	// At one rate there was no answer at all, at another there were.
	last := searched(0, lab.SearchStep{OfferedRPS: 1000})
	last.Attack = &silent
	if g := Judge(last, calibration); g.Validity != lab.Valid {
		t.Errorf("a step without an answer, after others: %s because %q", g.Validity, g.Reason)
	}
	last.Search.Steps[0].Attack = &silent
	if g := Judge(last, calibration); g.Validity != lab.Failed {
		t.Errorf("not one answer to any step: %s because %q", g.Validity, g.Reason)
	}
}

func TestInstrumentLimit(t *testing.T) {
	s := searched(0, lab.SearchStep{OfferedRPS: 1000})
	if l := InstrumentLimit(s, calibration); !strings.Contains(l, "generator: it used 95%") {
		t.Errorf("a generator at 95%% of its CPU: %q", l)
	}
	use(&s, 300*ms, 990*ms)
	if l := InstrumentLimit(s, calibration); l != "" {
		t.Errorf("a generator at 30%% of its CPU: %q", l)
	}
}

func TestAClockThatIsSetDisturbs(t *testing.T) {
	for _, step := range []time.Duration{0, MaxClockStep, -MaxClockStep, MaxClockStep + ms, -2 * time.Second} {
		s := quiet()
		s.Attack.After.ClockStep = step
		want := lab.Valid
		if step.Abs() > MaxClockStep {
			want = lab.Disturbed
		}
		if g := Judge(s, calibration); g.Validity != want || (want == lab.Disturbed) != strings.Contains(g.Reason,
			"clock was set") {
			t.Errorf("set by %v: %+v, want %s", step, g, want)
		}
	}
}

func TestTheCommonestErrorIsTheReason(t *testing.T) {
	for want, reasons := range map[string]map[string]int{
		"refused":            {"refused": 3, "closed": 2, "timeout": 1},
		"closed":             {"refused": 2, "closed": 2, "timeout": 1}, // of equals the first by name
		"no reason recorded": nil,
	} {
		for range 10 { // maps are in no order
			if got := mostFrequent(reasons); got != want {
				t.Fatalf("%v: %q, want %q", reasons, got, want)
			}
		}
	}
}
