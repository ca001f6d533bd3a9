package plan

import (
	"net/http"
	"slices"

	"runtimelab/lab"
)

// AAMargin is how far the two of an A/A pair may be apart, and ReferenceMargin
// how far the lab's reading of a known ratio from what the reference servers say
// by their own clocks.
const (
	AAMargin        = 0.05
	ReferenceMargin = 0.03
)

// addControls adds to a plan what must come out as it is known to, and returns
// the cells that it takes: a variant beside its twin, reference servers, and
// CPU work without a runtime where numbers of CPUs are compared.
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

// responderScenario is a scenario of the lab's own servers.
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

// aaPair are the first cell of the scenario that the shortest profile runs, in the
// first phase that it measures, and its twin, and what the two must show.
func aaPair(p lab.Plan, cells []trialSpec) (both []trialSpec, pair lab.Control) {
	profiles := lab.ProfileNames()
	rank := func(c trialSpec) int { return slices.Index(profiles, scenarioOf(p, c).Profile) }
	first := slices.MinFunc(cells, func(a, b trialSpec) int { return rank(a) - rank(b) })
	s := scenarioOf(p, first)
	measured := slices.DeleteFunc(slices.Clone(s.PhasesOf(lab.Trial{Phases: first.phases})),
		func(p lab.Phase) bool { return p.Kind == lab.WarmUp })
	arm := lab.Arm{Variant: lab.OriginalOf(first.variant), Phase: measured[0].ID(), Cores: first.cores}
	again := arm
	again.Variant = lab.TwinOf(arm.Variant)
	for _, a := range []lab.Arm{arm, again} {
		both = append(both,
			trialSpec{scenario: s.Name, variant: a.Variant, cores: a.Cores, phases: orderPhases(s, []string{a.Phase})})
	}
	return both, lab.Control{Name: "A/A", ExpectedRatio: 1, Hypothesis: lab.Hypothesis{
		Scenario: s.Name, Metric: headlineMetric(measured[0]), Direction: lab.Same, Margin: AAMargin, Numerator: arm, Denominator: again,
	}}
}

// mergeInto adds the phases of a cell to its like among cells, and reports whether
// there is one.
func mergeInto(cells []trialSpec, c trialSpec) bool {
	i := slices.IndexFunc(cells, func(had trialSpec) bool {
		return had.scenario == c.scenario && had.variant == c.variant && had.cores == c.cores
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

// headlineMetric is the metric that a phase is for.
func headlineMetric(p lab.Phase) string {
	switch {
	case p.Kind == lab.Capacity:
		return "capacity_rps"
	case p.DeadlineS > 0:
		return "goodput_rps"
	case p.Kind.IsOpenLoop():
		return "latency_p50_ms"
	}
	return "throughput_rps"
}

func scenarioOf(p lab.Plan, c trialSpec) lab.Scenario {
	i := slices.IndexFunc(p.Scenarios, func(s lab.Scenario) bool { return s.Name == c.scenario })
	return p.Scenarios[i]
}

// comparedCPUCounts are the numbers of CPUs, ascending, that hypotheses compare with one
// another; none where each keeps to one.
func comparedCPUCounts(hypotheses []lab.Hypothesis) (all []int) {
	for _, h := range hypotheses {
		var own []int
		for _, a := range h.Arms() {
			own = append(own, a.Cores)
		}
		slices.Sort(own)
		if own = slices.Compact(own); len(own) > 1 {
			all = append(all, own...)
		}
	}
	slices.Sort(all)
	return slices.Compact(all)
}
