package plan

import (
	"slices"

	"runtimelab/lab"
)

// trialSpec is what a block has one trial of.
type trialSpec struct {
	scenario, variant string
	cores             int
	phases            []string // that it measures, in the scenario's order; none: all
}

// splitHypotheses are those that a run tests, and those of all scenarios that it does
// not.
func splitHypotheses(c Options) (tested, beyond []lab.Hypothesis) {
	for _, s := range c.Scenarios {
		for _, h := range s.Hypotheses {
			h = fillCPUCounts(h, s)
			if c.Profile.CanCompare() && (c.runsAll() || profileIncludes(h.Profile, c.Profile)) && hasArms(s, h) {
				tested = append(tested, h)
			} else {
				beyond = append(beyond, h)
			}
		}
	}
	for _, s := range c.OtherScenarios {
		beyond = append(beyond, s.Hypotheses...)
	}
	return tested, beyond
}

// runsAll is what the user wants, or the profile.
func (c Options) runsAll() bool { return c.RunAll || c.Profile.RunAll }

// fillCPUCounts gives arms that do not say on how many CPUs they are the only
// number that their scenario has.
func fillCPUCounts(h lab.Hypothesis, s lab.Scenario) lab.Hypothesis {
	if len(s.Cores) != 1 {
		return h
	}
	fill := func(a lab.Arm) lab.Arm {
		if a.Cores == 0 {
			a.Cores = s.Cores[0]
		}
		return a
	}
	for _, a := range []*lab.Arm{&h.Numerator, &h.Denominator} {
		*a = fill(*a)
		if a.Over != nil {
			over := fill(*a.Over)
			a.Over = &over
		}
	}
	return h
}

// profileIncludes reports whether a profile tests what one of a name tests.
func profileIncludes(name string, p lab.Profile) bool {
	names := lab.ProfileNames()
	return slices.Index(names, name) <= slices.Index(names, p.Name)
}

// hasArms reports whether a scenario, of which this machine may not be able to do
// all, has every arm of a hypothesis.
func hasArms(s lab.Scenario, h lab.Hypothesis) bool {
	for _, a := range h.Arms() {
		phase := slices.ContainsFunc(s.Phases, func(p lab.Phase) bool { return p.ID() == a.Phase })
		if !phase || !slices.Contains(s.Variants, a.Variant) || !slices.Contains(s.Cores, a.Cores) {
			return false
		}
	}
	return true
}

// selectSpecs are the cells of a run without its controls. A scenario of which no
// hypothesis speaks runs whole.
func selectSpecs(c Options, tested []lab.Hypothesis) (cells []trialSpec) {
	for _, s := range c.Scenarios {
		whole := c.runsAll() || !c.Profile.CanCompare() || len(s.Hypotheses) == 0
		for _, v := range s.Variants {
			for _, cores := range s.Cores {
				made := trialSpec{scenario: s.Name, variant: v, cores: cores}
				needed := addPeakPhases(s, neededPhases(made, tested))
				if !whole && len(needed) == 0 {
					continue
				}
				if !whole {
					made.phases = orderPhases(s, needed)
				}
				cells = append(cells, made)
			}
		}
	}
	return cells
}

// neededPhases are the phases of a cell that hypotheses compare.
func neededPhases(c trialSpec, tested []lab.Hypothesis) (phases []string) {
	for _, h := range tested {
		for _, a := range h.Arms() {
			if h.Scenario == c.scenario && a.Variant == c.variant && a.Cores == c.cores {
				phases = append(phases, a.Phase)
			}
		}
	}
	return phases
}

// addPeakPhases adds the peaks that phases of a scenario are shares of.
func addPeakPhases(s lab.Scenario, phases []string) []string {
	all := slices.Clone(phases)
	for _, p := range s.Phases {
		if peak, ok := PeakPhaseFor(s, p); ok && slices.Contains(phases, p.ID()) {
			all = append(all, peak.ID())
		}
	}
	return all
}

// orderPhases are the measured phases of a scenario that are wanted: none, where that
// is all of them.
func orderPhases(s lab.Scenario, wanted []string) (phases []string) {
	all := true
	for _, p := range s.Phases {
		switch {
		case p.Kind == lab.WarmUp:
		case slices.Contains(wanted, p.ID()):
			phases = append(phases, p.ID())
		default:
			all = false
		}
	}
	if all {
		return nil
	}
	return phases
}
