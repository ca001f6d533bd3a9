package plan

import (
	"fmt"
	"math"
	"slices"

	"runtimelab/lab"
)

// planPilots returns a pilot for every cell with a rate that is a share of a peak, if the
// cell's trials do not measure that peak themselves. A share of the slowest variant's
// peak needs a pilot for every variant.
func planPilots(scenarios []lab.Scenario, cells []trialSpec, seed uint64) (all []lab.Pilot) {
	for _, s := range scenarios {
		for _, c := range cells {
			if c.scenario != s.Name || !needsPilot(s, s.PhasesOf(lab.Trial{Phases: c.phases})) {
				continue
			}
			pilotSeed := seededSource(seed, "pilot", s.Name, c.variant, fmt.Sprint(c.cores)).Uint64()
			all = append(all, lab.Pilot{Scenario: s.Name, Variant: c.variant, Cores: c.cores, Seed: pilotSeed})
		}
	}
	return all
}

// needsPilot reports whether a phase's rate is a share of a peak that its trial does not
// measure.
func needsPilot(s lab.Scenario, phases []lab.Phase) bool {
	return slices.ContainsFunc(phases, func(p lab.Phase) bool {
		_, inTrial := PeakPhaseFor(s, p)
		return p.PeakShare != nil && !inTrial
	})
}

// PeakPhaseFor returns the phase of the same trial whose peak the rate of phase is a share
// of: the scenario's first peak, if phase follows it and its share is of each variant's
// own peak. A machine's speed changes during a run, so a peak of the same trial is
// better than a pilot's.
func PeakPhaseFor(s lab.Scenario, phase lab.Phase) (lab.Phase, bool) {
	if phase.PeakShare == nil || !phase.PeakShare.OfOwnPeak {
		return lab.Phase{}, false
	}
	for _, p := range s.Phases {
		switch {
		case p.ID() == phase.ID():
			return lab.Phase{}, false
		case p.Kind.Traits().FindsPeak:
			return p, true
		}
	}
	return lab.Phase{}, false
}

// PendingPilots returns how many pilots a run of the plan must run.
func PendingPilots(p lab.Plan) (n int) {
	for _, pilot := range p.Pilots {
		if pilot.PeakRPS == 0 {
			n++
		}
	}
	return n
}

// PilotPhase returns the phase that a pilot measures: a closed loop on the connections of
// the scenario's peak, or else of the first phase whose rate is a share.
func PilotPhase(s lab.Scenario) lab.Phase {
	i := slices.IndexFunc(s.Phases, func(p lab.Phase) bool { return p.Kind.Traits().FindsPeak })
	if i < 0 {
		i = slices.IndexFunc(s.Phases, func(p lab.Phase) bool { return p.PeakShare != nil })
	}
	p := s.Phases[i]
	return lab.Phase{
		Name: p.Name, Kind: lab.Peak, Requests: p.Requests,
		Connections: p.Connections, TimeoutS: p.TimeoutS, ConnectionPerRequest: p.ConnectionPerRequest,
	}
}

// PilotAttempts is the largest number of attempts of a pilot. Only a disturbed attempt is
// repeated.
const PilotAttempts = 2

// ResolveRate returns phase with its rate in trial t. If the rate is a share of a peak, it
// comes from the plan's pilots; the error says why there is none. Use ApplyShare for a
// share of the trial's PeakPhaseFor.
func ResolveRate(p lab.Plan, t lab.Trial, phase lab.Phase) (lab.Phase, error) {
	if phase.PeakShare == nil {
		return phase, nil
	}
	peak := math.Inf(1)
	for _, pilot := range p.Pilots {
		if pilot.Scenario != t.Scenario {
			continue
		}
		isOwn := pilot.Variant == t.Variant && pilot.Cores == t.Cores
		if isOwn && pilot.PeakRPS == 0 {
			return phase, fmt.Errorf("the rate of %s is unknown: its pilot failed: %s", phase.Name, pilot.Problem)
		}
		// A failed pilot is not the slowest variant.
		if pilot.PeakRPS > 0 && (isOwn || !phase.PeakShare.OfOwnPeak) {
			peak = min(peak, pilot.PeakRPS)
		}
	}
	if math.IsInf(peak, 1) {
		return phase, fmt.Errorf("the rate of %s is unknown: the plan has no pilot for %s", phase.Name, t.Variant)
	}
	return ApplyShare(phase, peak), nil
}

// ApplyShare returns phase with its share of peakRPS as its rate.
func ApplyShare(phase lab.Phase, peakRPS float64) lab.Phase {
	phase.RateRPS = roundTo3Digits(phase.PeakShare.Fraction * peakRPS)
	return phase
}

// roundTo3Digits rounds to three significant digits: a pilot is not more exact.
func roundTo3Digits(rps float64) float64 {
	scale := math.Pow(10, 2-math.Floor(math.Log10(rps)))
	return math.Round(rps*scale) / scale
}
