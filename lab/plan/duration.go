package plan

import (
	"math"
	"time"

	"runtimelab/lab"
)

// TrialOverhead is what a trial costs beside its load: a server container's
// start, the wait for its first answer, canaries and readings, the drain of each
// attack, and the container's end. Warm is when a warm-up that gets steady mostly
// ends. Both are estimates to plan with, of two idle cores and an engine on the same
// machine: over its API a reading takes a second.
const (
	TrialOverhead  = 800 * time.Millisecond
	ExpectedWarmUp = 2500 * time.Millisecond
)

// repeatShare is how many of its trials a run may repeat. Only what the server
// cannot cause has a trial repeated: once, at the end of its block, as long as
// there are repeats left. The rule is fixed here, before the run: repeating by
// the look of the figures would choose them.
const repeatShare = 0.2

// maxRepeats is a run's repeats: the share of its trials, less where the profile's
// limit has no time for them.
func maxRepeats(p lab.Plan) int {
	share := int(math.Ceil(repeatShare * float64(len(p.Trials))))
	if p.Profile.TimeLimit == 0 {
		return share
	}
	all, longest := sumDurations(p, expectedPhaseDuration)
	return min(share, int(max(p.Profile.TimeLimit-all, 0)/longest))
}

// WorstDuration is how long a plan takes at worst: every warm-up spends its whole
// budget, every peak is tried on twice the connections, and all repeats fall to
// the longest trial. Building images and calibrating are not in it.
func WorstDuration(p lab.Plan) time.Duration {
	all, longest := sumDurations(p, worstPhaseDuration)
	return all + time.Duration(p.MaxRepeats)*longest
}

// ExpectedDuration is how long a plan takes as a rule: without repeats, and with warm-ups
// that end when throughput is steady.
func ExpectedDuration(p lab.Plan) time.Duration {
	all, _ := sumDurations(p, expectedPhaseDuration)
	return all
}

// sumDurations is how long all trials and pilots take, each once, and the longest
// trial, by how long a phase takes.
func sumDurations(p lab.Plan, phase func(lab.Profile, lab.Phase) time.Duration) (all, longest time.Duration) {
	scenarios := map[string]lab.Scenario{}
	for _, s := range p.Scenarios {
		scenarios[s.Name] = s
	}
	for _, t := range p.Trials {
		lasts := trialDuration(p.Profile, scenarios[t.Scenario].PhasesOf(t), phase)
		all += lasts
		longest = max(longest, lasts)
	}
	return all + time.Duration(PendingPilots(p))*WorstPilotDuration(p.Profile), longest
}

func trialDuration(p lab.Profile, phases []lab.Phase,
	lasts func(lab.Profile, lab.Phase) time.Duration,
) time.Duration {
	sum := TrialOverhead
	for _, phase := range phases {
		sum += lasts(p, phase)
	}
	return sum
}

func worstPhaseDuration(p lab.Profile, phase lab.Phase) time.Duration {
	lasts := PhaseDuration(p, phase.Kind)
	switch phase.Kind {
	case lab.Peak:
		lasts += DoubleConnectionsDuration(lasts)
	case lab.Ladder:
		lasts *= 2 // its clients stay until each has been answered, for as long again
	}
	return lasts
}

func expectedPhaseDuration(p lab.Profile, phase lab.Phase) time.Duration {
	lasts := PhaseDuration(p, phase.Kind)
	switch {
	case phase.Kind == lab.WarmUp:
		return min(lasts, ExpectedWarmUp)
	case phase.Kind == lab.Ladder && phase.Connections > 1: // one client never stays for long
		return lasts + lasts/2
	}
	return lasts
}

// ExpectedTrialDuration is how long a trial of a plan takes as a rule.
func ExpectedTrialDuration(p lab.Plan, t lab.Trial) time.Duration {
	for _, s := range p.Scenarios {
		if s.Name == t.Scenario {
			return trialDuration(p.Profile, s.PhasesOf(t), expectedPhaseDuration)
		}
	}
	return 0
}

// WorstPilotDuration is how long a pilot takes at worst, tried as often as it may be.
func WorstPilotDuration(p lab.Profile) time.Duration {
	return PilotAttempts * (p.WarmUpMax + p.PeakDuration + TrialOverhead)
}

// WorstScenarioDuration is how long one trial of a whole scenario takes at worst.
func WorstScenarioDuration(p lab.Profile, s lab.Scenario) time.Duration {
	return trialDuration(p, s.Phases, worstPhaseDuration)
}

// DoubleConnectionsDuration is how long a peak that did not saturate the server is tried on twice
// the connections, by how long the peak lasts.
func DoubleConnectionsDuration(peak time.Duration) time.Duration { return peak / 2 }

// PhaseDuration is how long a profile lets a phase of a kind last; a warm-up and
// a search may end before.
func PhaseDuration(p lab.Profile, kind lab.PhaseKind) time.Duration {
	switch kind {
	case lab.WarmUp:
		return p.WarmUpMax
	case lab.Peak, lab.Ladder:
		return p.PeakDuration
	case lab.Steady, lab.Ramp:
		return p.SteadyDuration
	case lab.Steps:
		return p.SteadyDuration / 2
	case lab.Capacity:
		return searchDuration(p)
	default:
		return 0
	}
}
