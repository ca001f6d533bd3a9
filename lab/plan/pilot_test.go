package plan_test

import (
	"math"
	"slices"
	"strings"
	"testing"
	"time"

	"runtimelab/lab"
	"runtimelab/lab/plan"
)

func shared(of float64, own bool) lab.Phase {
	return lab.Phase{
		Name: "steady", Kind: lab.Steady, Connections: 128,
		PeakShare: &lab.PeakShare{Fraction: of, OfOwnPeak: own},
	}
}

// One pilot for each variant of a scenario that needs one, however many of its
// phases do; it takes part in how long the run lasts until it has been found.
func TestPilotsArePlannedOnce(t *testing.T) {
	scenarios := three()
	scenarios[1].Phases = append(scenarios[1].Phases, shared(0.5, false), shared(0.8, true))
	p := planned(t, lab.Profile{Name: "standard", Blocks: 2, PeakDuration: time.Second}, scenarios, 7)
	if len(p.Pilots) != 2 || p.Pilots[0].Scenario != "json" || p.Pilots[0].Variant != "node/single" ||
		p.Pilots[1].Variant != "python/uvloop" {
		t.Fatalf("pilots %+v", p.Pilots)
	}
	if p.Pilots[0].Seed == p.Pilots[1].Seed {
		t.Error("two pilots have one seed")
	}
	before := plan.WorstDuration(p)
	p.Pilots[0].PeakRPS = 100
	if plan.PendingPilots(p) != 1 {
		t.Errorf("%d pilots are to be found, one being known", plan.PendingPilots(p))
	}
	if saved := before - plan.WorstDuration(p); saved != plan.WorstPilotDuration(p.Profile) {
		t.Errorf("a pilot that is known saves %v", saved)
	}
}

// A share of each variant's own peak is of the one that its trial finds, where there
// is a peak before it; whatever a run leaves out of a scenario, that stays.
func TestATrialFindsThePeakThatItsRatesAreSharesOf(t *testing.T) {
	peak, warmup := lab.Phase{Name: "peak", Kind: lab.Peak, Connections: 64}, lab.Phase{
		Name: "warmup",
		Kind: lab.WarmUp,
	}
	own, slowest := shared(1.2, true), shared(0.5, false)
	own.Name, slowest.Name = "steady-120%", "steady-50%"
	for _, c := range []struct {
		name   string
		phases []lab.Phase
		of     string // of the peak that the last one is a share of
	}{
		{"a peak before it", []lab.Phase{warmup, peak, own}, "peak"},
		{"a peak after it", []lab.Phase{warmup, own, peak, own}, ""},
		{"no peak", []lab.Phase{warmup, own}, ""},
		{"a share of the slowest variant's", []lab.Phase{warmup, peak, slowest}, ""},
	} {
		s := scenario("json", "node/single")
		s.Phases = c.phases
		last := c.phases[len(c.phases)-1]
		if got, ok := plan.PeakPhaseFor(s, last); got.ID() != c.of || ok != (c.of != "") {
			t.Errorf("%s: %q, %v", c.name, got.ID(), ok)
		}
		piloted := len(planned(t, lab.Profile{Name: "full", Blocks: 1, RunAll: true}, []lab.Scenario{s}, 7).Pilots)
		if (piloted > 0) != (c.of == "") {
			t.Errorf("%s: %d pilots", c.name, piloted)
		}
	}
	s := scenario("json", "node/single")
	s.Cores, s.Profile = []int{1}, "quick"
	s.Phases = []lab.Phase{warmup, peak, slowest, own}
	arm := lab.Arm{Variant: "node/single", Phase: "steady-120%", Cores: 1}
	s.Hypotheses = []lab.Hypothesis{{
		Scenario: "json", Claim: "scale-3", Metric: "throughput_rps",
		Numerator: arm, Denominator: arm, Profile: "quick",
	}}
	p := planned(t, lab.Profile{Name: "quick", Blocks: lab.MinBlocks}, []lab.Scenario{s}, 7)
	i := slices.IndexFunc(p.Trials, func(t lab.Trial) bool { return t.Scenario == "json" })
	if got := p.Trials[i].Phases; !slices.Equal(got, []string{"peak", "steady-120%"}) || len(p.Pilots) > 0 {
		t.Errorf("a trial measures %v, after %d pilots", got, len(p.Pilots))
	}
	if got := plan.ApplyShare(own, 70123); got.RateRPS != 84100 {
		t.Errorf("%v requests a second", got.RateRPS)
	}
}

func TestARateFollowsFromThePilots(t *testing.T) {
	p := lab.Plan{Pilots: []lab.Pilot{
		{Scenario: "json", Variant: "a", Cores: 1, PeakRPS: 70123},
		{
			Scenario: "json", Variant: "b", Cores: 1,
			PeakRPS: 41987,
		},
		{Scenario: "json", Variant: "c", Cores: 1, Problem: "it crashed"},
		{
			Scenario: "echo", Variant: "a",
			Cores: 1, PeakRPS: 10,
		},
	}}
	for _, c := range []struct {
		variant string
		phase   lab.Phase
		rate    float64
	}{
		{"a", shared(0.5, false), 21000}, // half of 41 987, in three digits
		{"b", shared(0.5, false), 21000},
		{"a", shared(0.8, true), 56100},
		{"b", shared(0.8, true), 33600},
		{"a", lab.Phase{Kind: lab.Steady, RateRPS: 5}, 5},
	} {
		got, err := plan.ResolveRate(p, lab.Trial{Scenario: "json", Variant: c.variant, Cores: 1}, c.phase)
		if err != nil || got.RateRPS != c.rate {
			t.Errorf("%s at %+v: %v requests a second, %v; want %v", c.variant, c.phase.PeakShare, got.RateRPS, err,
				c.rate)
		}
	}
	for variant, want := range map[string]string{"c": "it crashed", "d": "no pilot"} {
		if _, err := plan.ResolveRate(p, lab.Trial{Scenario: "json", Variant: variant, Cores: 1},
			shared(0.5, true)); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%s: %v does not say %q", variant, err, want)
		}
	}
}

func TestAPilotLoadsAsItsScenarioDoes(t *testing.T) {
	s := scenario("json", "node/single")
	s.Phases = []lab.Phase{
		{Name: "warmup", Kind: lab.WarmUp, Connections: 1},
		{Name: "steady", Kind: lab.Steady, RateRPS: 5, Connections: 2},
		shared(0.5, false),
	}
	if p := plan.PilotPhase(s); p.Kind != lab.Peak || p.Connections != 128 || p.PeakShare != nil {
		t.Errorf("pilot %+v: it takes the connections of the phase that needs it", p)
	}
	s.Phases = append(s.Phases,
		lab.Phase{Name: "peak", Kind: lab.Peak, Connections: 64, ConnectionPerRequest: true, TimeoutS: 3})
	if p := plan.PilotPhase(s); p.Connections != 64 || !p.ConnectionPerRequest || p.TimeoutS != 3 {
		t.Errorf("pilot %+v: it is the scenario's own peak", p)
	}
}

// What a machine cannot do is left out and said, never done by halves.
func TestFitLeavesOutWhatTheMachineCannotDo(t *testing.T) {
	wide := scenario("wide", "node/cluster")
	wide.Cores = []int{4}
	ladder := scenario("ladder", "node/single")
	ladder.Upstream = true
	ladder.Phases = []lab.Phase{
		{Name: "warmup", Kind: lab.WarmUp, Connections: 8},
		{Name: "ladder-1000", Kind: lab.Ladder, Connections: 1000},
		{
			Name: "ladder-10000", Kind: lab.Ladder,
			Connections: 10000,
		},
	}
	all := append(three(), wide, ladder)
	fitting, left := plan.FitToMachine(all, 2, 20000)
	if len(fitting) != 4 || len(fitting[3].Phases) != 2 || len(all[4].Phases) != 3 {
		t.Errorf("fitting %+v", fitting)
	}
	if len(left) != 2 || !strings.Contains(left[0],
		"wide with 4 CPUs for its servers is left out: this machine has 2") ||
		!strings.Contains(left[1],
			"ladder-10000 of ladder is left out: its servers need about 20200 open files, and this engine grants "+
				"20000") {
		t.Errorf("left out: %q", left)
	}
	if fitting, left = plan.FitToMachine(all, 4, 65536); len(fitting) != 5 || len(left) != 0 {
		t.Errorf("on a machine that can do all: %d scenarios, %q", len(fitting), left)
	}
	if fitting, _ = plan.FitToMachine([]lab.Scenario{ladder}, 4, 1000); len(fitting) != 0 {
		t.Errorf("a scenario of which only the warm-up is left runs: %+v", fitting)
	}
}

func TestWiderLayouts(t *testing.T) {
	two := lab.Topology{CPUs: []lab.CPU{cpu(0, 0, 1024), cpu(1, 0, 1024)}}
	four := lab.Topology{CPUs: []lab.CPU{
		cpu(0, 0, 1024, 2), cpu(1, 0, 1024, 3), cpu(2, 0, 1024, 0),
		cpu(3, 0, 1024, 1),
	}}
	for _, c := range []struct {
		name     string
		topology lab.Topology
		cores    int
		server   []int
		shared   bool
		doubt    string
	}{
		{"all that there are", two, 2, []int{0, 1}, true, "the generator runs on one of them"},
		{
			"the other thread before the generator's own", four, 2,
			[]int{1, 3},
			false,
			"CPU 3 of the server is a hardware thread",
		},
		{"all four", four, 4, []int{0, 1, 2, 3}, true, "given all 4 CPUs"},
	} {
		narrow, err := plan.NewLayout(c.topology)
		if err != nil {
			t.Fatal(err)
		}
		got, err := plan.WidenLayout(c.topology, narrow, c.cores)
		if err != nil {
			t.Fatal(err)
		}
		if !slices.Equal(got.Server, c.server) || !slices.Equal(got.Generator,
			narrow.Generator) || got.SharesCPUs() != c.shared {
			t.Errorf("%s: %+v", c.name, got)
		}
		if !strings.Contains(strings.Join(got.Doubts, "; "), c.doubt) {
			t.Errorf("%s: doubts %q", c.name, got.Doubts)
		}
	}
	narrow, _ := plan.NewLayout(two)
	if _, err := plan.WidenLayout(two, narrow, 3); err == nil {
		t.Error("three CPUs of two")
	}
	a, b, c := scenario("a", "v"), scenario("b", "v"), scenario("c", "v")
	a.Cores, b.Cores = []int{2}, []int{1, 2}
	wider, err := plan.WiderLayouts(two, narrow, []lab.Scenario{a, b, c})
	if err != nil || len(wider) != 1 {
		t.Fatalf("%+v, %v", wider, err)
	}
	p := lab.Plan{Layout: narrow, WiderLayouts: wider}
	for _, cores := range []int{1, 2} {
		if l, err := plan.LayoutFor(p, cores); err != nil || len(l.Server) != cores {
			t.Errorf("%d: %+v, %v", cores, l, err)
		}
	}
	if _, err := plan.LayoutFor(p, 3); err == nil {
		t.Error("a layout that the plan does not have")
	}
}

// Every phase of a scenario is in what it takes, and so are the doubling of a peak
// and the clients of a ladder who stay until all are answered.
func TestHowLongAScenarioTakes(t *testing.T) {
	p := lab.Profile{WarmUpMax: time.Second, PeakDuration: 10 * time.Second, SteadyDuration: 100 * time.Second}
	for kind, want := range map[lab.PhaseKind]time.Duration{
		lab.WarmUp: time.Second, lab.Peak: 15 * time.Second, lab.Ladder: 20 * time.Second,
		lab.Steady: 100 * time.Second, lab.Ramp: 100 * time.Second, lab.Steps: 50 * time.Second,
	} {
		s := lab.Scenario{Phases: []lab.Phase{{Kind: kind}}}
		if got := plan.WorstScenarioDuration(p, s) - plan.TrialOverhead; math.Abs(float64(got-want)) > 1 {
			t.Errorf("%s takes %v, want %v", kind, got, want)
		}
	}
}

// As a rule the clients of a ladder stay for half as long again; one alone stays for
// its last answer.
func TestHowLongALadderTakesAsARule(t *testing.T) {
	p := lab.Plan{Profile: lab.Profile{PeakDuration: 10 * time.Second}}
	for clients, want := range map[int]time.Duration{1: 10 * time.Second, 2: 15 * time.Second} {
		p.Scenarios = []lab.Scenario{{
			Name:   "wait",
			Phases: []lab.Phase{{Name: "ladder", Kind: lab.Ladder, Connections: clients}},
		}}
		if got := plan.ExpectedTrialDuration(p, lab.Trial{Scenario: "wait"}) - plan.TrialOverhead; got != want {
			t.Errorf("%d clients take %v, want %v", clients, got, want)
		}
	}
}
