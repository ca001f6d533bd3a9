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

// shareOfPeak returns a phase whose rate is a share of the variant's own peak, or of the
// slowest variant's.
func shareOfPeak(share float64, ofOwnPeak bool) lab.Phase {
	return lab.Phase{
		Name: "steady", Kind: lab.Steady, Connections: 128,
		PeakShare: &lab.PeakShare{Fraction: share, OfOwnPeak: ofOwnPeak},
	}
}

// A variant needs one pilot, however many phases use it. WorstDuration includes a pilot
// until its peak is known.
func TestPilotsArePlannedOnce(t *testing.T) {
	scenarios := threeScenarios()
	scenarios[1].Phases = append(scenarios[1].Phases, shareOfPeak(0.5, false), shareOfPeak(0.8, true))
	p := newPlan(t, lab.Profile{Name: "standard", Blocks: 2, PeakDuration: time.Second}, scenarios, 7)
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
		t.Errorf("%d pilots are pending, want 1: the other peak is known", plan.PendingPilots(p))
	}
	if saved := before - plan.WorstDuration(p); saved != plan.WorstPilotDuration(p.Profile) {
		t.Errorf("a known peak shortens the run by %v", saved)
	}
}

// A run may leave out phases of a scenario, but not the peak that a rate is a share of.
func TestATrialMeasuresThePeakThatItsRatesAreSharesOf(t *testing.T) {
	peak := lab.Phase{Name: "peak", Kind: lab.Peak, Connections: 64}
	warmup := lab.Phase{Name: "warmup", Kind: lab.WarmUp}
	own, slowest := shareOfPeak(1.2, true), shareOfPeak(0.5, false)
	own.Name, slowest.Name = "steady-120%", "steady-50%"
	for _, c := range []struct {
		name      string
		phases    []lab.Phase
		peakPhase string // the last phase is a share of its peak; empty: of a pilot's
	}{
		{"a peak before it", []lab.Phase{warmup, peak, own}, "peak"},
		{"a peak after it", []lab.Phase{warmup, own, peak, own}, ""},
		{"no peak", []lab.Phase{warmup, own}, ""},
		{"a share of the slowest variant's", []lab.Phase{warmup, peak, slowest}, ""},
	} {
		s := scenario("json", "node/single")
		s.Phases = c.phases
		last := c.phases[len(c.phases)-1]
		if got, ok := plan.PeakPhaseFor(s, last); got.ID() != c.peakPhase || ok != (c.peakPhase != "") {
			t.Errorf("%s: %q, %v", c.name, got.ID(), ok)
		}
		pilots := newPlan(t, lab.Profile{Name: "full", Blocks: 1, RunAll: true}, []lab.Scenario{s}, 7).Pilots
		if (len(pilots) > 0) != (c.peakPhase == "") {
			t.Errorf("%s: %d pilots", c.name, len(pilots))
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
	p := newPlan(t, lab.Profile{Name: "quick", Blocks: lab.MinBlocks}, []lab.Scenario{s}, 7)
	i := slices.IndexFunc(p.Trials, func(t lab.Trial) bool { return t.Scenario == "json" })
	if got := p.Trials[i].Phases; !slices.Equal(got, []string{"peak", "steady-120%"}) || len(p.Pilots) > 0 {
		t.Errorf("a trial measures %v, after %d pilots", got, len(p.Pilots))
	}
	if got := plan.ApplyShare(own, 70123); got.RateRPS != 84100 {
		t.Errorf("%v requests a second", got.RateRPS)
	}
}

func TestARateIsItsShareOfAPilotsPeak(t *testing.T) {
	p := lab.Plan{Pilots: []lab.Pilot{
		{Scenario: "json", Variant: "a", Cores: 1, PeakRPS: 70123},
		{Scenario: "json", Variant: "b", Cores: 1, PeakRPS: 41987},
		{Scenario: "json", Variant: "c", Cores: 1, Problem: "it crashed"},
		{Scenario: "echo", Variant: "a", Cores: 1, PeakRPS: 10},
	}}
	for _, c := range []struct {
		variant string
		phase   lab.Phase
		rate    float64
	}{
		{"a", shareOfPeak(0.5, false), 21000}, // half of 41 987, rounded to three digits
		{"b", shareOfPeak(0.5, false), 21000},
		{"a", shareOfPeak(0.8, true), 56100},
		{"b", shareOfPeak(0.8, true), 33600},
		{"a", lab.Phase{Kind: lab.Steady, RateRPS: 5}, 5},
	} {
		got, err := plan.ResolveRate(p, lab.Trial{Scenario: "json", Variant: c.variant, Cores: 1}, c.phase)
		if err != nil || got.RateRPS != c.rate {
			t.Errorf("%s at %+v: %v requests a second, %v; want %v", c.variant, c.phase.PeakShare, got.RateRPS, err,
				c.rate)
		}
	}
	for variant, want := range map[string]string{"c": "it crashed", "d": "no pilot"} {
		trial := lab.Trial{Scenario: "json", Variant: variant, Cores: 1}
		_, err := plan.ResolveRate(p, trial, shareOfPeak(0.5, true))
		if err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%s: %v does not say %q", variant, err, want)
		}
	}
}

func TestAPilotUsesTheConnectionsOfItsScenario(t *testing.T) {
	s := scenario("json", "node/single")
	s.Phases = []lab.Phase{
		{Name: "warmup", Kind: lab.WarmUp, Connections: 1},
		{Name: "steady", Kind: lab.Steady, RateRPS: 5, Connections: 2},
		shareOfPeak(0.5, false),
	}
	if p := plan.PilotPhase(s); p.Kind != lab.Peak || p.Connections != 128 || p.PeakShare != nil {
		t.Errorf("pilot %+v, want the connections of the phase that needs it", p)
	}
	s.Phases = append(s.Phases,
		lab.Phase{Name: "peak", Kind: lab.Peak, Connections: 64, ConnectionPerRequest: true, TimeoutS: 3})
	if p := plan.PilotPhase(s); p.Connections != 64 || !p.ConnectionPerRequest || p.TimeoutS != 3 {
		t.Errorf("pilot %+v, want the scenario's own peak", p)
	}
}

func TestFitToMachineDropsWhatTheMachineCannotDoAndSaysSo(t *testing.T) {
	wide := scenario("wide", "node/cluster")
	wide.Cores = []int{4}
	ladder := scenario("ladder", "node/single")
	ladder.Services = []string{lab.UpstreamName}
	ladder.Phases = []lab.Phase{
		{Name: "warmup", Kind: lab.WarmUp, Connections: 8},
		{Name: "ladder-1000", Kind: lab.Ladder, Connections: 1000},
		{Name: "ladder-10000", Kind: lab.Ladder, Connections: 10000},
	}
	all := append(threeScenarios(), wide, ladder)
	fitting, omitted := plan.FitToMachine(all, 2, 20000)
	if len(fitting) != 4 || len(fitting[3].Phases) != 2 || len(all[4].Phases) != 3 {
		t.Errorf("fitting %+v", fitting)
	}
	if !slices.Equal(omitted, []string{
		"wide with 4 CPUs for its servers is left out: this machine has 2",
		"ladder-10000 of ladder is left out: its servers need about 20200 open files, and this engine grants 20000",
	}) {
		t.Errorf("left out: %q", omitted)
	}
	if fitting, omitted = plan.FitToMachine(all, 4, 65536); len(fitting) != 5 || len(omitted) != 0 {
		t.Errorf("on a machine that can run all: %d scenarios, %q", len(fitting), omitted)
	}
	if fitting, _ = plan.FitToMachine([]lab.Scenario{ladder}, 4, 1000); len(fitting) != 0 {
		t.Errorf("a scenario with only its warm-up runs: %+v", fitting)
	}
}

func TestWideLayoutsShareTheGeneratorsCPULast(t *testing.T) {
	two := lab.Topology{CPUs: []lab.CPU{cpu(0, 0, 1024), cpu(1, 0, 1024)}}
	four := lab.Topology{CPUs: []lab.CPU{
		cpu(0, 0, 1024, 2), cpu(1, 0, 1024, 3), cpu(2, 0, 1024, 0), cpu(3, 0, 1024, 1),
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
			"the other thread of the server's core before the generator's core",
			four, 2,
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
		if !slices.Equal(got.Server, c.server) || !slices.Equal(got.Generator, narrow.Generator) ||
			got.SharesCPUs() != c.shared {
			t.Errorf("%s: %+v", c.name, got)
		}
		if !strings.Contains(strings.Join(got.Doubts, "; "), c.doubt) {
			t.Errorf("%s: doubts %q", c.name, got.Doubts)
		}
	}
	narrow, _ := plan.NewLayout(two)
	if _, err := plan.WidenLayout(two, narrow, 3); err == nil {
		t.Error("WidenLayout gave three CPUs of two")
	}
	a, b, c := scenario("a", "v"), scenario("b", "v"), scenario("c", "v")
	a.Cores, b.Cores = []int{2}, []int{1, 2}
	wider, err := plan.WiderLayouts(two, narrow, []lab.Scenario{a, b, c})
	if err != nil || len(wider) != 1 {
		t.Fatalf("%+v, %v", wider, err)
	}
	p := lab.Plan{Layout: narrow, WiderLayouts: wider}
	for _, cores := range []int{1, 2} {
		if l, err := plan.LayoutFor(p, nil, "a", cores); err != nil || len(l.Server) != cores {
			t.Errorf("%d: %+v, %v", cores, l, err)
		}
	}
	if _, err := plan.LayoutFor(p, nil, "a", 3); err == nil {
		t.Error("LayoutFor returned a layout that the plan does not have")
	}
}

// A peak may be repeated on twice the connections, and a ladder's clients wait for their
// last answers.
func TestWorstScenarioDurationIncludesEveryPhase(t *testing.T) {
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

// The clients of a ladder usually wait half as long again for their last answers; a
// single client has its answer soon.
func TestExpectedDurationOfALadder(t *testing.T) {
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
