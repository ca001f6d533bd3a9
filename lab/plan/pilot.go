package plan

import (
	"fmt"
	"math"
	"slices"

	"runtimelab/lab"
)

// planPilots is one for every cell with a rate that is a share of a peak which its own
// trials do not find: of the slowest variant's, for all that run.
func planPilots(scenarios []lab.Scenario, cells []trialSpec, seed uint64) (all []lab.Pilot) {
	for _, s := range scenarios {
		for _, c := range cells {
			if c.scenario != s.Name || !needsPilot(s, s.PhasesOf(lab.Trial{Phases: c.phases})) {
				continue
			}
			own := seededSource(seed, "pilot", s.Name, c.variant, fmt.Sprint(c.cores)).Uint64()
			all = append(all, lab.Pilot{Scenario: s.Name, Variant: c.variant, Cores: c.cores, Seed: own})
		}
	}
	return all
}

func needsPilot(s lab.Scenario, phases []lab.Phase) bool {
	return slices.ContainsFunc(phases, func(p lab.Phase) bool {
		_, own := PeakPhaseFor(s, p)
		return p.PeakShare != nil && !own
	})
}

// PeakPhaseFor is the phase in which a trial finds the peak that a rate of it is a share
// of: the scenario's first peak, where a share of each variant's own comes after
// it. A machine's speed changes in the course of a run, and a fifth more than a
// peak that was found half an hour before may be less than all.
func PeakPhaseFor(s lab.Scenario, phase lab.Phase) (lab.Phase, bool) {
	if phase.PeakShare == nil || !phase.PeakShare.OfOwnPeak {
		return lab.Phase{}, false
	}
	for _, p := range s.Phases {
		switch {
		case p.ID() == phase.ID():
			return lab.Phase{}, false
		case p.Kind == lab.Peak:
			return p, true
		}
	}
	return lab.Phase{}, false
}

// PendingPilots is how many pilots a run of the plan carries out.
func PendingPilots(p lab.Plan) (n int) {
	for _, pilot := range p.Pilots {
		if pilot.PeakRPS == 0 {
			n++
		}
	}
	return n
}

// PilotPhase is what a pilot measures: a closed loop on as many connections as
// the scenario's own peak, or else on those of the phase that needs the rate.
func PilotPhase(s lab.Scenario) lab.Phase {
	i := slices.IndexFunc(s.Phases, func(p lab.Phase) bool { return p.Kind == lab.Peak })
	if i < 0 {
		i = slices.IndexFunc(s.Phases, func(p lab.Phase) bool { return p.PeakShare != nil })
	}
	p := s.Phases[i]
	return lab.Phase{
		Name: p.Name, Kind: lab.Peak, Requests: p.Requests,
		Connections: p.Connections, TimeoutS: p.TimeoutS, ConnectionPerRequest: p.ConnectionPerRequest,
	}
}

// PilotAttempts is how often a pilot is tried at the most: a second time where
// something outside the cell disturbed the first.
const PilotAttempts = 2

// ResolveRate is a phase with the rate that a plan gives it in a trial. A rate that is a
// share, and not of the trial's PeakPhaseFor, follows from what the plan's pilots found;
// the error says why it does not.
func ResolveRate(p lab.Plan, t lab.Trial, phase lab.Phase) (lab.Phase, error) {
	if phase.PeakShare == nil {
		return phase, nil
	}
	peak := math.Inf(1)
	for _, pilot := range p.Pilots {
		if pilot.Scenario != t.Scenario {
			continue
		}
		own := pilot.Variant == t.Variant && pilot.Cores == t.Cores
		if own && pilot.PeakRPS == 0 {
			return phase, fmt.Errorf("the rate of %s is not known: its pilot failed: %s", phase.Name, pilot.Problem)
		}
		// One that failed serves nobody, and is not the slowest that serves.
		if pilot.PeakRPS > 0 && (own || !phase.PeakShare.OfOwnPeak) {
			peak = min(peak, pilot.PeakRPS)
		}
	}
	if math.IsInf(peak, 1) {
		return phase, fmt.Errorf("the rate of %s is not known: the plan has no pilot for %s", phase.Name, t.Variant)
	}
	return ApplyShare(phase, peak), nil
}

// ApplyShare is a phase with the rate that is its share of a peak.
func ApplyShare(phase lab.Phase, peakRPS float64) lab.Phase {
	phase.RateRPS = roundTo3Digits(phase.PeakShare.Fraction * peakRPS)
	return phase
}

// roundTo3Digits keeps three digits, which a pilot does not have more of.
func roundTo3Digits(rps float64) float64 {
	scale := math.Pow(10, 2-math.Floor(math.Log10(rps)))
	return math.Round(rps*scale) / scale
}
