package plan

import (
	"slices"

	"runtimelab/lab"
)

// cell is what a block has one trial of.
type cell struct {
	scenario, variant string
	cores             int
	phases            []string // that it measures, in the scenario's order; none: all
}

// hypotheses are those that a run tests, and those of all scenarios that it does
// not.
func hypotheses(c Choice) (tested, beyond []lab.Hypothesis) {
	for _, s := range c.Scenarios {
		for _, h := range s.Hypotheses {
			h = onOneNumber(h, s)
			if c.Profile.Compares() && (c.whole() || within(h.Profile, c.Profile)) && has(s, h) {
				tested = append(tested, h)
			} else {
				beyond = append(beyond, h)
			}
		}
	}
	for _, s := range c.Others {
		beyond = append(beyond, s.Hypotheses...)
	}
	return tested, beyond
}

// whole is what the user wants, or the profile.
func (c Choice) whole() bool { return c.Whole || c.Profile.Whole }

// onOneNumber gives arms that do not say on how many CPUs they are the only
// number that their scenario has.
func onOneNumber(h lab.Hypothesis, s lab.Scenario) lab.Hypothesis {
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

// within reports whether a profile tests what one of a name tests.
func within(name string, p lab.Profile) bool {
	names := lab.ProfileNames()
	return slices.Index(names, name) <= slices.Index(names, p.Name)
}

// has reports whether a scenario, of which this machine may not be able to do
// all, has every arm of a hypothesis.
func has(s lab.Scenario, h lab.Hypothesis) bool {
	for _, a := range h.Arms() {
		phase := slices.ContainsFunc(s.Phases, func(p lab.Phase) bool { return p.ID() == a.Phase })
		if !phase || !slices.Contains(s.Variants, a.Variant) || !slices.Contains(s.Cores, a.Cores) {
			return false
		}
	}
	return true
}

// selected are the cells of a run without its controls. A scenario of which no
// hypothesis speaks runs whole.
func selected(c Choice, tested []lab.Hypothesis) (cells []cell) {
	for _, s := range c.Scenarios {
		whole := c.whole() || !c.Profile.Compares() || len(s.Hypotheses) == 0
		for _, v := range s.Variants {
			for _, cores := range s.Cores {
				made := cell{scenario: s.Name, variant: v, cores: cores}
				needed := withPeaks(s, needs(made, tested))
				if !whole && len(needed) == 0 {
					continue
				}
				if !whole {
					made.phases = inOrder(s, needed)
				}
				cells = append(cells, made)
			}
		}
	}
	return cells
}

// needs are the phases of a cell that hypotheses compare.
func needs(c cell, tested []lab.Hypothesis) (phases []string) {
	for _, h := range tested {
		for _, a := range h.Arms() {
			if h.Scenario == c.scenario && a.Variant == c.variant && a.Cores == c.cores {
				phases = append(phases, a.Phase)
			}
		}
	}
	return phases
}

// withPeaks adds the peaks that phases of a scenario are shares of.
func withPeaks(s lab.Scenario, phases []string) []string {
	all := slices.Clone(phases)
	for _, p := range s.Phases {
		if peak, ok := OwnPeak(s, p); ok && slices.Contains(phases, p.ID()) {
			all = append(all, peak.ID())
		}
	}
	return all
}

// inOrder are the measured phases of a scenario that are wanted: none, where that
// is all of them.
func inOrder(s lab.Scenario, wanted []string) (phases []string) {
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
