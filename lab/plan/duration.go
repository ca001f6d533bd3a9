package plan

import (
	"math"
	"slices"
	"time"

	"runtimelab/lab"
)

// TrialOverhead is the time of a trial besides its load: starting and removing containers,
// the first answer, canaries, readings and the drain of attacks. ExpectedWarmUp is when
// a warm-up usually becomes steady. Both are estimates for two idle cores and a local
// engine; over its API a reading takes a second.
const (
	TrialOverhead  = 800 * time.Millisecond
	ExpectedWarmUp = 2500 * time.Millisecond
)

// repeatShare is the share of its trials that a run may repeat. Only disturbed trials are
// repeated, once, at the end of their block. The rule is fixed before the run: to
// repeat a trial because of its figures would select figures.
const repeatShare = 0.2

// maxRepeats returns the number of trials that a run may repeat: repeatShare of them, or
// fewer if the profile's time limit has no time for them.
func maxRepeats(p lab.Plan) int {
	share := int(math.Ceil(repeatShare * float64(len(p.Trials))))
	if p.Profile.TimeLimit == 0 {
		return share
	}
	all, longest := sumDurations(p, expectedPhaseDuration)
	return min(share, int(max(p.Profile.TimeLimit-all, 0)/longest))
}

// WorstDuration returns the longest duration of a plan: every warm-up takes its whole time,
// every peak is repeated on twice the connections, and all repeats are of the longest
// trial. It does not include building images and calibrating.
func WorstDuration(p lab.Plan) time.Duration {
	all, longest := sumDurations(p, worstPhaseDuration)
	return all + time.Duration(p.MaxRepeats)*longest
}

// ExpectedDuration returns the usual duration of a plan: no repeats, warm-ups that become
// steady.
func ExpectedDuration(p lab.Plan) time.Duration {
	all, _ := sumDurations(p, expectedPhaseDuration)
	return all
}

// ExpectedAttackDuration returns the usual duration of the attacks in the trials of a plan
// that have not ended. The keys of ended are the trials that have.
func ExpectedAttackDuration(p lab.Plan, ended map[lab.TrialID]bool) time.Duration {
	p.Trials = slices.DeleteFunc(slices.Clone(p.Trials), func(t lab.Trial) bool {
		_, hasEnded := ended[t.ID()]
		return hasEnded
	})
	return ExpectedDuration(p) - time.Duration(len(p.Trials))*TrialOverhead
}

// sumDurations returns the duration of all trials and pilots, each once, and that of the
// longest trial. phaseDuration returns the duration of a phase.
func sumDurations(p lab.Plan, phaseDuration func(lab.Profile, lab.Phase) time.Duration) (
	all, longest time.Duration,
) {
	scenarios := map[string]lab.Scenario{}
	for _, s := range p.Scenarios {
		scenarios[s.Name] = s
	}
	for _, t := range p.Trials {
		lasts := trialDuration(p.Profile, scenarios[t.Scenario].PhasesOf(t), phaseDuration)
		all += lasts
		longest = max(longest, lasts)
	}
	return all + time.Duration(PendingPilots(p))*WorstPilotDuration(p.Profile), longest
}

// trialDuration returns the duration of a trial with the given phases.
func trialDuration(
	p lab.Profile, phases []lab.Phase, phaseDuration func(lab.Profile, lab.Phase) time.Duration,
) time.Duration {
	sum := TrialOverhead
	for _, phase := range phases {
		sum += phaseDuration(p, phase)
	}
	return sum
}

// worstPhaseDuration returns the longest duration of a phase.
func worstPhaseDuration(p lab.Profile, phase lab.Phase) time.Duration {
	lasts, extra := PhaseDuration(p, phase.Kind), phase.Kind.Traits().Extra
	return lasts + share(extra.Doubled, lasts) + share(extra.Wait, lasts)
}

// expectedPhaseDuration returns the usual duration of a phase.
func expectedPhaseDuration(p lab.Profile, phase lab.Phase) time.Duration {
	lasts, traits := PhaseDuration(p, phase.Kind), phase.Kind.Traits()
	switch {
	case traits.Pacing == lab.ClosedUntilSteady:
		return min(lasts, ExpectedWarmUp)
	case phase.Connections > 1: // a single client has its answer soon
		return lasts + share(traits.Extra.UsualWait, lasts)
	}
	return lasts
}

// share returns a fraction of a duration.
func share(fraction float64, lasts time.Duration) time.Duration {
	return time.Duration(fraction * float64(lasts))
}

// ExpectedTrialDuration returns the usual duration of a trial, 0 if the plan does not have
// its scenario.
func ExpectedTrialDuration(p lab.Plan, t lab.Trial) time.Duration {
	for _, s := range p.Scenarios {
		if s.Name == t.Scenario {
			return trialDuration(p.Profile, s.PhasesOf(t), expectedPhaseDuration)
		}
	}
	return 0
}

// WorstPilotDuration returns the longest duration of a pilot, with all its attempts.
func WorstPilotDuration(p lab.Profile) time.Duration {
	return PilotAttempts * (p.WarmUpMax + p.PeakDuration + TrialOverhead)
}

// WorstScenarioDuration returns the longest duration of one trial of a whole scenario.
func WorstScenarioDuration(p lab.Profile, s lab.Scenario) time.Duration {
	return trialDuration(p, s.Phases, worstPhaseDuration)
}

// DoubleConnectionsDuration returns how long a phase that did not saturate the server is
// repeated on twice the connections; lasts is the duration of the phase. It is 0 for a kind
// that is never repeated so.
func DoubleConnectionsDuration(kind lab.PhaseKind, lasts time.Duration) time.Duration {
	return share(kind.Traits().Extra.Doubled, lasts)
}

// PhaseDuration returns the duration of a phase of the given kind. A warm-up or a search
// may end earlier.
func PhaseDuration(p lab.Profile, kind lab.PhaseKind) time.Duration {
	traits := kind.Traits()
	switch {
	case traits.FindsCapacity():
		return searchDuration(p)
	case traits.Duration == nil: // no such kind
		return 0
	}
	return traits.Duration(p)
}
