package plan

import (
	"net/http"
	"slices"

	"runtimelab/lab"
)

// AAMargin is the largest relative difference of an A/A pair. ReferenceMargin is the
// largest relative difference between a ratio that the lab measures and the ratio by
// the reference servers' own clocks.
const (
	AAMargin        = 0.05
	ReferenceMargin = 0.03
)

// addControls adds the controls to the plan and returns the cells they need: an A/A pair,
// reference servers, and the native burn where numbers of CPUs are compared.
func addControls(p *lab.Plan, cells []trialSpec) (added []trialSpec) {
	both, pair := aaPair(*p, cells)
	p.Controls = append(p.Controls, pair)
	for _, c := range both {
		if !mergeInto(cells, c) {
			added = append(added, c)
		}
	}
	references := responderScenario(lab.ReferenceScenario, "a fixed piece of CPU work for each request",
		[]string{lab.LightReference, lab.HeavyReference}, 4, 1)
	p.Controls = append(p.Controls,
		lab.Control{Name: "known ratio", ExpectedRatio: lab.ReferenceRatio, Hypothesis: lab.Hypothesis{
			Scenario: references.Name, Metric: "throughput_rps", Direction: lab.Same, Margin: ReferenceMargin,
			Numerator:   lab.Arm{Variant: lab.LightReference, Phase: string(lab.Peak), Cores: 1},
			Denominator: lab.Arm{Variant: lab.HeavyReference, Phase: string(lab.Peak), Cores: 1},
		}})
	scenarios := []lab.Scenario{references}
	if counts := comparedCPUCounts(p.Hypotheses); len(counts) > 0 {
		most := counts[len(counts)-1]
		scenarios = append(scenarios, responderScenario(lab.BurnScenario, "CPU work without a runtime",
			[]string{lab.BurnVariant}, 4*most, counts...))
	}
	for _, s := range scenarios {
		p.Scenarios = append(slices.Clip(p.Scenarios), s)
		for _, v := range s.Variants {
			for _, cores := range s.Cores {
				added = append(added, trialSpec{scenario: s.Name, variant: v, cores: cores})
			}
		}
	}
	return added
}

// responderScenario returns a scenario for the lab's own responders.
func responderScenario(name, about string, variants []string, connections int, cores ...int) lab.Scenario {
	const timeout = 10 // seconds, of one request
	return lab.Scenario{
		Name: name, About: about, Cores: cores, Variants: variants,
		Requests: []lab.Request{{Method: http.MethodGet, Path: "/"}},
		Phases: []lab.Phase{
			{Name: string(lab.WarmUp), Kind: lab.WarmUp, Connections: connections, TimeoutS: timeout},
			{Name: string(lab.Peak), Kind: lab.Peak, Connections: connections, TimeoutS: timeout},
		},
	}
}

// aaPair returns an A/A control and its two cells: the first cell of the scenario that the
// shortest profile runs, in its first measured phase, and that cell's twin.
func aaPair(p lab.Plan, cells []trialSpec) (both []trialSpec, pair lab.Control) {
	profiles := lab.ProfileNames()
	rank := func(c trialSpec) int { return slices.Index(profiles, scenarioOf(p, c).Profile) }
	first := slices.MinFunc(cells, func(a, b trialSpec) int { return rank(a) - rank(b) })
	s := scenarioOf(p, first)
	measured := slices.DeleteFunc(slices.Clone(s.PhasesOf(lab.Trial{Phases: first.phases})),
		func(p lab.Phase) bool { return p.Kind.Traits().Discarded })
	arm := lab.Arm{Variant: lab.OriginalOf(first.variant), Phase: measured[0].ID(), Cores: first.cores}
	twin := arm
	twin.Variant = lab.TwinOf(arm.Variant)
	for _, a := range []lab.Arm{arm, twin} {
		both = append(both, trialSpec{
			scenario: s.Name, variant: a.Variant, cores: a.Cores, phases: orderPhases(s, []string{a.Phase}),
		})
	}
	return both, lab.Control{Name: "A/A", ExpectedRatio: 1, Hypothesis: lab.Hypothesis{
		Scenario: s.Name, Metric: headlineMetric(measured[0]), Direction: lab.Same, Margin: AAMargin,
		Numerator: arm, Denominator: twin,
	}}
}

// mergeInto adds the phases of c to the matching cell and reports whether there is one.
func mergeInto(cells []trialSpec, c trialSpec) bool {
	i := slices.IndexFunc(cells, func(other trialSpec) bool {
		return other.scenario == c.scenario && other.variant == c.variant && other.cores == c.cores
	})
	switch {
	case i < 0:
		return false
	case len(cells[i].phases) == 0 || len(c.phases) == 0:
		cells[i].phases = nil
	case !slices.Contains(cells[i].phases, c.phases[0]):
		cells[i].phases = append(slices.Clip(cells[i].phases), c.phases[0])
	}
	return true
}

// headlineMetric returns the metric that a phase is for.
func headlineMetric(p lab.Phase) string {
	traits := p.Kind.Traits()
	if p.DeadlineS > 0 && !traits.FindsCapacity() {
		return "goodput_rps"
	}
	return traits.Headline
}

// scenarioOf returns the scenario of a cell, which the plan must contain.
func scenarioOf(p lab.Plan, c trialSpec) lab.Scenario {
	i := slices.IndexFunc(p.Scenarios, func(s lab.Scenario) bool { return s.Name == c.scenario })
	return p.Scenarios[i]
}

// comparedCPUCounts returns the numbers of CPUs, ascending, that hypotheses compare with
// each other. It is empty if the arms of each hypothesis have the same number.
func comparedCPUCounts(hypotheses []lab.Hypothesis) (all []int) {
	for _, h := range hypotheses {
		var counts []int
		for _, a := range h.Arms() {
			counts = append(counts, a.Cores)
		}
		slices.Sort(counts)
		if counts = slices.Compact(counts); len(counts) > 1 {
			all = append(all, counts...)
		}
	}
	slices.Sort(all)
	return slices.Compact(all)
}
