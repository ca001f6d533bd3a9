package plan_test

import (
	"fmt"
	"slices"
	"strings"
	"testing"

	"runtimelab/lab"
	"runtimelab/lab/fault"
	"runtimelab/lab/plan"
)

// throughputHypothesis returns a hypothesis about the throughput of two arms.
func throughputHypothesis(profile string, numerator, denominator lab.Arm) lab.Hypothesis {
	return lab.Hypothesis{
		Scenario: "json", Profile: profile, Claim: "speed-1", Metric: "throughput_rps",
		Direction: lab.Higher, Margin: 0.05, Numerator: numerator, Denominator: denominator,
	}
}

// scenarioWithHypotheses returns a scenario of three variants and two measured phases on
// one and two CPUs, with a hypothesis for quick and one for standard.
func scenarioWithHypotheses() lab.Scenario {
	s := scenario("json", "node/single", "node/cluster", "python/uvloop")
	s.Cores, s.Profile = []int{1, 2}, "quick"
	over := lab.Arm{Variant: "node/cluster", Phase: "peak", Cores: 1}
	s.Hypotheses = []lab.Hypothesis{
		throughputHypothesis("quick", lab.Arm{Variant: "node/single", Phase: "peak", Cores: 1},
			lab.Arm{Variant: "python/uvloop", Phase: "peak", Cores: 1}),
		throughputHypothesis("standard", lab.Arm{Variant: "node/cluster", Phase: "peak", Cores: 2, Over: &over},
			lab.Arm{Variant: "node/single", Phase: "steady", Cores: 1}),
	}
	return s
}

// firstBlock returns the trials of block 1, sorted, as "scenario variant CPUs phases".
func firstBlock(p lab.Plan) (all []string) {
	for _, t := range p.Trials {
		if t.Block == 1 {
			all = append(all, fmt.Sprint(t.Scenario, " ", t.Variant, " ", t.Cores, " ", strings.Join(t.Phases, "+")))
		}
	}
	slices.Sort(all)
	return all
}

var references = []string{"reference lab/reference 1 ", "reference lab/reference-110 1 "}

func TestHypothesesSelectTheCells(t *testing.T) {
	everyCell := []string{
		"json node/cluster 1 ", "json node/cluster 2 ",
		"json node/single 1 ", "json node/single 2 ",
		"json python/uvloop 1 ", "json python/uvloop 2 ",
	}
	twin := "json node/single~twin 1 peak"
	burns := []string{"native-burn lab/burn 1 ", "native-burn lab/burn 2 "}
	for name, c := range map[string]struct {
		options plan.Options
		want    []string
	}{
		"quick": {
			plan.Options{Profile: profile(t, "quick")},
			append([]string{"json node/single 1 peak", "json python/uvloop 1 peak", twin}, references...),
		},
		"standard": {
			plan.Options{Profile: profile(t, "standard")},
			slices.Concat([]string{
				"json node/single 1 ", "json python/uvloop 1 peak",
				"json node/cluster 1 peak", "json node/cluster 2 peak", twin,
			}, burns, references),
		},
		"named": {
			plan.Options{Profile: profile(t, "quick"), RunAll: true},
			slices.Concat(everyCell, []string{twin}, burns, references),
		},
		"smoke": {plan.Options{Profile: profile(t, "smoke")}, everyCell},
	} {
		c.options.Scenarios = []lab.Scenario{scenarioWithHypotheses()}
		p, err := plan.New(c.options)
		if err != nil {
			t.Fatal(err)
		}
		slices.Sort(c.want)
		if got := firstBlock(p); !slices.Equal(got, c.want) {
			t.Errorf("%s: the first block is\n%s\nwant\n%s", name, strings.Join(got, "\n"), strings.Join(c.want, "\n"))
		}
		if len(p.Hypotheses)+len(p.UntestedHypotheses) != 2 {
			t.Errorf("%s: %d of two hypotheses are tested and %d are not", name, len(p.Hypotheses),
				len(p.UntestedHypotheses))
		}
	}
}

// A scenario without hypotheses is a user's.
func TestAScenarioWithoutHypothesesRunsInFull(t *testing.T) {
	own := scenario("own", "node/single", "python/uvloop")
	own.Profile = "quick"
	other := scenarioWithHypotheses()
	other.Name = "other"
	p, err := plan.New(plan.Options{
		Profile: profile(t, "quick"), Scenarios: []lab.Scenario{own},
		OtherScenarios: []lab.Scenario{other},
	})
	if err != nil {
		t.Fatal(err)
	}
	want := append([]string{"own node/single 1 ", "own node/single~twin 1 ", "own python/uvloop 1 "},
		references...)
	want[1] += "peak" // the twin is there for one phase
	slices.Sort(want)
	if got := firstBlock(p); !slices.Equal(got, want) {
		t.Errorf("the first block is %q, want %q", got, want)
	}
	if len(p.UntestedHypotheses) != 2 {
		t.Errorf("%d hypotheses of a scenario that does not run, want 2", len(p.UntestedHypotheses))
	}
}

func TestAHypothesisThatCannotRunIsUntestedAndAddsNoTrials(t *testing.T) {
	for name, cut := range map[string]func(s *lab.Scenario){
		"its CPUs":    func(s *lab.Scenario) { s.Cores = []int{1} },
		"its phase":   func(s *lab.Scenario) { s.Phases = s.Phases[:2] },
		"its variant": func(s *lab.Scenario) { s.Variants = []string{"node/single", "python/uvloop"} },
	} {
		s := scenarioWithHypotheses()
		cut(&s)
		p := newPlan(t, profile(t, "standard"), []lab.Scenario{s}, 1)
		if len(p.Hypotheses) != 1 || len(p.UntestedHypotheses) != 1 ||
			p.UntestedHypotheses[0].Profile != "standard" {
			t.Errorf("without %s: tested %v, untested %v", name, p.Hypotheses, p.UntestedHypotheses)
		}
		s.Hypotheses = s.Hypotheses[1:]
		if _, err := plan.New(plan.Options{
			Profile:   profile(t, "standard"),
			Scenarios: []lab.Scenario{s},
		}); fault.ExitCode(err) != fault.ExitUsage {
			t.Errorf("without %s: a plan without hypotheses gives %v", name, err)
		}
	}
}

func TestArmsTakeTheOnlyCPUCountOfTheirScenario(t *testing.T) {
	s := scenarioWithHypotheses()
	s.Cores = []int{2}
	s.Hypotheses = s.Hypotheses[:1]
	s.Hypotheses[0].Numerator.Cores, s.Hypotheses[0].Denominator.Cores = 0, 0
	p := newPlan(t, profile(t, "quick"), []lab.Scenario{s}, 1)
	if len(p.Hypotheses) != 1 || p.Hypotheses[0].Numerator.Cores != 2 {
		t.Errorf("%+v", p.Hypotheses)
	}
	if s.Hypotheses[0].Numerator.Cores != 0 {
		t.Error("the scenario itself was changed")
	}
}

func TestAPlanThatComparesHasControls(t *testing.T) {
	p := newPlan(t, profile(t, "quick"), []lab.Scenario{scenarioWithHypotheses()}, 1)
	if len(p.Controls) != 2 {
		t.Fatalf("%d controls", len(p.Controls))
	}
	aa, known := p.Controls[0], p.Controls[1]
	if aa.ExpectedRatio != 1 || aa.Hypothesis.Numerator.Variant != "node/single" ||
		aa.Hypothesis.Denominator.Variant != "node/single~twin" ||
		aa.Hypothesis.Metric != "throughput_rps" || aa.Hypothesis.Margin != plan.AAMargin {
		t.Errorf("A/A: %+v", aa)
	}
	if known.ExpectedRatio != 1.10 || known.Hypothesis.Scenario != lab.ReferenceScenario ||
		known.Hypothesis.Numerator.Variant != lab.LightReference {
		t.Errorf("known ratio: %+v", known)
	}
	for _, s := range p.Scenarios {
		if s.Name == lab.ReferenceScenario && (len(s.Requests) != 1 || len(s.Phases) != 2 ||
			s.Phases[1].Connections != 4) {
			t.Errorf("%+v", s)
		}
	}
	// The A/A pair belongs to the scenario of the shortest profile.
	shorter := scenario("a-longer-name", "python/uvloop")
	shorter.Profile = "smoke"
	shorter.Phases = []lab.Phase{{Kind: lab.WarmUp}, {Name: "steady", Kind: lab.Steady, RateRPS: 5}}
	p = newPlan(t, profile(t, "quick"), []lab.Scenario{scenarioWithHypotheses(), shorter}, 1)
	if h := p.Controls[0].Hypothesis; h.Scenario != shorter.Name || h.Metric != "latency_p50_ms" {
		t.Errorf("A/A: %+v", h)
	}
}

// The plan must not run the twin twice.
func TestATwinInTheScriptServesAsControl(t *testing.T) {
	s := scenarioWithHypotheses()
	s.Variants = append(s.Variants, "node/single~twin")
	s.Hypotheses = []lab.Hypothesis{
		throughputHypothesis("quick", lab.Arm{Variant: "node/single", Phase: "steady", Cores: 1},
			lab.Arm{Variant: "node/single~twin", Phase: "steady", Cores: 1}),
	}
	p := newPlan(t, profile(t, "quick"), []lab.Scenario{s}, 1)
	want := append([]string{"json node/single 1 steady", "json node/single~twin 1 steady"}, references...)
	if got := firstBlock(p); !slices.Equal(got, want) {
		t.Errorf("the first block is %q, want %q", got, want)
	}
}
