package plan_test

import (
	"fmt"
	"slices"
	"strings"
	"testing"

	"runtimelab/lab"
	"runtimelab/lab/plan"
)

// arms is what a hypothesis of throughput compares.
func arms(profile string, numerator, denominator lab.Arm) lab.Hypothesis {
	return lab.Hypothesis{
		Scenario: "json", Profile: profile, Claim: "speed-1", Metric: "throughput_rps", Direction: lab.Higher, Margin: 0.05,
		Numerator: numerator, Denominator: denominator,
	}
}

// hypothetical is a scenario of three variants and two phases on one CPU and two,
// with a hypothesis for quick and one for standard.
func hypothetical() lab.Scenario {
	s := scenario("json", "node/single", "node/cluster", "python/uvloop")
	s.Cores, s.Profile = []int{1, 2}, "quick"
	over := lab.Arm{Variant: "node/cluster", Phase: "peak", Cores: 1}
	s.Hypotheses = []lab.Hypothesis{
		arms("quick", lab.Arm{Variant: "node/single", Phase: "peak", Cores: 1},
			lab.Arm{Variant: "python/uvloop", Phase: "peak", Cores: 1}),
		arms("standard", lab.Arm{Variant: "node/cluster", Phase: "peak", Cores: 2, Over: &over},
			lab.Arm{Variant: "node/single", Phase: "steady", Cores: 1}),
	}
	return s
}

func block(p lab.Plan) (all []string) {
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
	twin := "json node/single~twin 1 peak"
	burns := []string{"native-burn lab/burn 1 ", "native-burn lab/burn 2 "}
	for name, c := range map[string]struct {
		choice plan.Options
		want   []string
	}{
		"quick": {
			plan.Options{Profile: profile(t, "quick")},
			append([]string{"json node/single 1 peak", "json python/uvloop 1 peak", twin}, references...),
		},
		"standard": {plan.Options{Profile: profile(t, "standard")}, slices.Concat([]string{
			"json node/single 1 ", "json python/uvloop 1 peak", "json node/cluster 1 peak", "json node/cluster 2 peak", twin,
		}, burns, references)},
		"named": {plan.Options{Profile: profile(t, "quick"), RunAll: true}, slices.Concat([]string{
			"json node/cluster 1 ", "json node/cluster 2 ", "json node/single 1 ", "json node/single 2 ", "json python/uvloop 1 ", "json python/uvloop 2 ", twin,
		}, burns, references)},
		"smoke": {plan.Options{Profile: profile(t, "smoke")}, []string{
			"json node/cluster 1 ", "json node/cluster 2 ", "json node/single 1 ", "json node/single 2 ", "json python/uvloop 1 ", "json python/uvloop 2 ",
		}},
	} {
		c.choice.Scenarios = []lab.Scenario{hypothetical()}
		p, err := plan.New(c.choice)
		if err != nil {
			t.Fatal(err)
		}
		slices.Sort(c.want)
		if got := block(p); !slices.Equal(got, c.want) {
			t.Errorf("%s: a block of\n%s\nwant\n%s", name, strings.Join(got, "\n"), strings.Join(c.want, "\n"))
		}
		if len(p.Hypotheses)+len(p.UntestedHypotheses) != 2 {
			t.Errorf("%s: %d hypotheses are tested and %d beyond, of two", name, len(p.Hypotheses),
				len(p.UntestedHypotheses))
		}
	}
}

// A scenario of which no hypothesis speaks is somebody's own, and runs whole.
func TestAScenarioWithoutHypothesesRunsWhole(t *testing.T) {
	own := scenario("own", "node/single", "python/uvloop")
	own.Profile = "quick"
	other := hypothetical()
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
	if got := block(p); !slices.Equal(got, want) {
		t.Errorf("a block of %q, want %q", got, want)
	}
	if len(p.UntestedHypotheses) != 2 {
		t.Errorf("%d hypotheses of a scenario that does not run, want 2", len(p.UntestedHypotheses))
	}
}

// A hypothesis of what this machine cannot do is not tested, and nothing is run
// for it.
func TestAHypothesisThatCannotRunIsUntested(t *testing.T) {
	for name, cut := range map[string]func(s *lab.Scenario){
		"its CPUs":    func(s *lab.Scenario) { s.Cores = []int{1} },
		"its phase":   func(s *lab.Scenario) { s.Phases = s.Phases[:2] },
		"its variant": func(s *lab.Scenario) { s.Variants = []string{"node/single", "python/uvloop"} },
	} {
		s := hypothetical()
		cut(&s)
		p := planned(t, profile(t, "standard"), []lab.Scenario{s}, 1)
		if len(p.Hypotheses) != 1 || len(p.UntestedHypotheses) != 1 ||
			p.UntestedHypotheses[0].Profile != "standard" {
			t.Errorf("without %s: tested %v, beyond %v", name, p.Hypotheses, p.UntestedHypotheses)
		}
		s.Hypotheses = s.Hypotheses[1:]
		if _, err := plan.New(plan.Options{
			Profile:   profile(t, "standard"),
			Scenarios: []lab.Scenario{s},
		}); lab.ExitCode(err) != lab.ExitUsage {
			t.Errorf("without %s, a run of nothing: %v", name, err)
		}
	}
}

// Arms that do not say so are on the one number of CPUs that there is.
func TestArmsAreOnTheirScenariosCPUs(t *testing.T) {
	s := hypothetical()
	s.Cores = []int{2}
	s.Hypotheses = s.Hypotheses[:1]
	s.Hypotheses[0].Numerator.Cores, s.Hypotheses[0].Denominator.Cores = 0, 0
	p := planned(t, profile(t, "quick"), []lab.Scenario{s}, 1)
	if len(p.Hypotheses) != 1 || p.Hypotheses[0].Numerator.Cores != 2 {
		t.Errorf("%+v", p.Hypotheses)
	}
	if s.Hypotheses[0].Numerator.Cores != 0 {
		t.Error("the scenario itself was changed")
	}
}

func TestControls(t *testing.T) {
	p := planned(t, profile(t, "quick"), []lab.Scenario{hypothetical()}, 1)
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
	// The scenario of the shortest profile has the pair.
	shorter := scenario("a-longer-name", "python/uvloop")
	shorter.Profile = "smoke"
	shorter.Phases = []lab.Phase{{Kind: lab.WarmUp}, {Name: "steady", Kind: lab.Steady, RateRPS: 5}}
	p = planned(t, profile(t, "quick"), []lab.Scenario{hypothetical(), shorter}, 1)
	if h := p.Controls[0].Hypothesis; h.Scenario != shorter.Name || h.Metric != "latency_p50_ms" {
		t.Errorf("A/A: %+v", h)
	}
}

// A twin that a script has of its own is not run twice.
func TestATwinInTheScriptServesAsControl(t *testing.T) {
	s := hypothetical()
	s.Variants = append(s.Variants, "node/single~twin")
	s.Hypotheses = []lab.Hypothesis{
		arms("quick", lab.Arm{Variant: "node/single", Phase: "steady", Cores: 1},
			lab.Arm{Variant: "node/single~twin", Phase: "steady", Cores: 1}),
	}
	p := planned(t, profile(t, "quick"), []lab.Scenario{s}, 1)
	want := append([]string{"json node/single 1 steady", "json node/single~twin 1 steady"}, references...)
	if got := block(p); !slices.Equal(got, want) {
		t.Errorf("a block of %q, want %q", got, want)
	}
}
