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
	TrialOverhead = 800 * time.Millisecond
	Warm          = 2500 * time.Millisecond
)

// repeatShare is how many of its trials a run may repeat. Only what the server
// cannot cause has a trial repeated: once, at the end of its block, as long as
// there are repeats left. The rule is fixed here, before the run: repeating by
// the look of the figures would choose them.
const repeatShare = 0.2

// repeats is a run's repeats: the share of its trials, less where the profile's
// limit has no time for them.
func repeats(p lab.Plan) int {
	share := int(math.Ceil(repeatShare * float64(len(p.Trials))))
	if p.Profile.Limit == 0 {
		return share
	}
	all, longest := durations(p, expected)
	return min(share, int(max(p.Profile.Limit-all, 0)/longest))
}

// Duration is how long a plan takes at worst: every warm-up spends its whole
// budget, every peak is tried on twice the connections, and all repeats fall to
// the longest trial. Building images and calibrating are not in it.
func Duration(p lab.Plan) time.Duration {
	all, longest := durations(p, worst)
	return all + time.Duration(p.Repeats)*longest
}

// Expected is how long a plan takes as a rule: without repeats, and with warm-ups
// that end when throughput is steady.
func Expected(p lab.Plan) time.Duration {
	all, _ := durations(p, expected)
	return all
}

// durations is how long all trials and pilots take, each once, and the longest
// trial, by how long a phase takes.
func durations(p lab.Plan, phase func(lab.Profile, lab.Phase) time.Duration) (all, longest time.Duration) {
	scenarios := map[string]lab.Scenario{}
	for _, s := range p.Scenarios {
		scenarios[s.Name] = s
	}
	for _, t := range p.Trials {
		lasts := trialDuration(p.Profile, scenarios[t.Scenario].PhasesOf(t), phase)
		all += lasts
		longest = max(longest, lasts)
	}
	return all + time.Duration(PilotsToFind(p))*PilotDuration(p.Profile), longest
}

func trialDuration(p lab.Profile, phases []lab.Phase, lasts func(lab.Profile, lab.Phase) time.Duration) time.Duration {
	sum := TrialOverhead
	for _, phase := range phases {
		sum += lasts(p, phase)
	}
	return sum
}

func worst(p lab.Profile, phase lab.Phase) time.Duration {
	lasts := PhaseDuration(p, phase.Kind)
	switch phase.Kind {
	case lab.Peak:
		lasts += Doubled(lasts)
	case lab.Ladder:
		lasts *= 2 // its clients stay until each has been answered, for as long again
	}
	return lasts
}

func expected(p lab.Profile, phase lab.Phase) time.Duration {
	lasts := PhaseDuration(p, phase.Kind)
	switch {
	case phase.Kind == lab.WarmUp:
		return min(lasts, Warm)
	case phase.Kind == lab.Ladder && phase.Connections > 1: // one client never stays for long
		return lasts + lasts/2
	}
	return lasts
}

// TrialDuration is how long a trial of a plan takes as a rule.
func TrialDuration(p lab.Plan, t lab.Trial) time.Duration {
	for _, s := range p.Scenarios {
		if s.Name == t.Scenario {
			return trialDuration(p.Profile, s.PhasesOf(t), expected)
		}
	}
	return 0
}

// PilotDuration is how long a pilot takes at worst, tried as often as it may be.
func PilotDuration(p lab.Profile) time.Duration {
	return PilotAttempts * (p.WarmUpMax + p.Peak + TrialOverhead)
}

// ScenarioDuration is how long one trial of a whole scenario takes at worst.
func ScenarioDuration(p lab.Profile, s lab.Scenario) time.Duration {
	return trialDuration(p, s.Phases, worst)
}

// Doubled is how long a peak that did not saturate the server is tried on twice
// the connections, by how long the peak lasts.
func Doubled(peak time.Duration) time.Duration { return peak / 2 }

// PhaseDuration is how long a profile lets a phase of a kind last; a warm-up and
// a search may end before.
func PhaseDuration(p lab.Profile, kind lab.PhaseKind) time.Duration {
	switch kind {
	case lab.WarmUp:
		return p.WarmUpMax
	case lab.Peak, lab.Ladder:
		return p.Peak
	case lab.Steady, lab.Ramp:
		return p.Steady
	case lab.Steps:
		return p.Steady / 2
	case lab.Capacity:
		return searchDuration(p)
	default:
		return 0
	}
}
