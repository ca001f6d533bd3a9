package plan

import (
	"slices"

	"runtimelab/lab"
)

// trialSpec is what a block runs once: scenario, variant, CPUs and phases.
type trialSpec struct {
	scenario, variant string
	cores             int
	phases            []string // measured phases in the scenario's order; empty: all
}

// splitHypotheses returns the hypotheses that a run tests, and all others.
func splitHypotheses(c Options) (tested, untested []lab.Hypothesis) {
	for _, s := range c.Scenarios {
		for _, h := range s.Hypotheses {
			h = fillCPUCounts(h, s)
			if c.tests(s, h.Profile, h.Arms()) {
				tested = append(tested, h)
			} else {
				untested = append(untested, h)
			}
		}
	}
	for _, s := range c.OtherScenarios {
		untested = append(untested, s.Hypotheses...)
	}
	return tested, untested
}

// splitPromises returns the promises that a run tests, and all others.
func splitPromises(c Options) (out lab.PlannedPromises) {
	for _, s := range c.Scenarios {
		for _, p := range s.Promises {
			if c.tests(s, p.Profile, p.Arms()) {
				out.Promises = append(out.Promises, p)
			} else {
				out.UntestedPromises = append(out.UntestedPromises, p)
			}
		}
	}
	for _, s := range c.OtherScenarios {
		out.UntestedPromises = append(out.UntestedPromises, s.Promises...)
	}
	return out
}

// tests reports whether a run tests what needs these arms of a scenario, from a profile on.
func (c Options) tests(s lab.Scenario, profile string, arms []lab.Arm) bool {
	return c.Profile.CanCompare() && (c.runsAll() || profileIncludes(profile, c.Profile)) && hasArms(s, arms)
}

// runsAll reports whether to run every variant and phase, by the user's choice or the
// profile's.
func (c Options) runsAll() bool { return c.RunAll || c.Profile.RunAll }

// fillCPUCounts sets the number of CPUs of arms that leave it out, if their scenario has
// only one.
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

// profileIncludes reports whether profile p also tests what the named profile tests.
func profileIncludes(name string, p lab.Profile) bool {
	names := lab.ProfileNames()
	return slices.Index(names, name) <= slices.Index(names, p.Name)
}

// hasArms reports whether a scenario has all of these arms. FitToMachine may have dropped
// some.
func hasArms(s lab.Scenario, arms []lab.Arm) bool {
	for _, a := range arms {
		phase := slices.ContainsFunc(s.Phases, func(p lab.Phase) bool { return p.ID() == a.Phase })
		if !phase || !slices.Contains(s.Variants, a.Variant) || !slices.Contains(s.Cores, a.Cores) {
			return false
		}
	}
	return true
}

// selectSpecs returns the cells of a run without its controls. A scenario that tests
// nothing runs in full.
func selectSpecs(c Options, tested []lab.Test) (cells []trialSpec) {
	for _, s := range c.Scenarios {
		runWhole := c.runsAll() || !c.Profile.CanCompare() || len(s.Hypotheses)+len(s.Promises) == 0
		for _, v := range s.Variants {
			for _, cores := range s.Cores {
				spec := trialSpec{scenario: s.Name, variant: v, cores: cores}
				needed := addPeakPhases(s, neededPhases(spec, tested))
				if !runWhole && len(needed) == 0 {
					continue
				}
				if !runWhole {
					spec.phases = orderPhases(s, needed)
				}
				cells = append(cells, spec)
			}
		}
	}
	return cells
}

// neededPhases returns the phases of a cell that tests need.
func neededPhases(c trialSpec, tested []lab.Test) (phases []string) {
	for _, t := range tested {
		for _, a := range t.Arms {
			if t.Scenario == c.scenario && a.Variant == c.variant && a.Cores == c.cores {
				phases = append(phases, a.Phase)
			}
		}
	}
	return phases
}

// addPeakPhases adds the peaks that the rates of the phases are shares of.
func addPeakPhases(s lab.Scenario, phases []string) []string {
	all := slices.Clone(phases)
	for _, p := range s.Phases {
		if peak, ok := PeakPhaseFor(s, p); ok && slices.Contains(phases, p.ID()) {
			all = append(all, peak.ID())
		}
	}
	return all
}

// orderPhases returns the wanted phases in the scenario's order, or nil if they are all of
// its measured phases.
func orderPhases(s lab.Scenario, wanted []string) (phases []string) {
	all := true
	for _, p := range s.Phases {
		switch {
		case p.Kind.Traits().Discarded:
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
