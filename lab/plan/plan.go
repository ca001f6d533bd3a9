// Package plan owns what a run will do before it does anything: how much time
// each profile spends, which trials run in which order, how long that takes,
// and which CPUs the two sides of a trial get. All of it is pure: the same
// inputs give the same plan on every machine.
package plan

import (
	"crypto/sha256"
	"encoding/binary"
	"errors"
	"fmt"
	"math/rand/v2"
	"time"

	"runtimelab/lab"
)

// TrialOverhead is what a trial costs beside its load: a server container's
// start, the wait for its first answer, the contract's check, canaries and
// readings, the drain of each attack, and the container's end. It is an
// estimate to plan with, near the upper end of what two idle cores need (2 to
// 3.5 s).
const TrialOverhead = 3200 * time.Millisecond

// New lays out profile.Blocks blocks, each with one trial of every scenario on
// every variant of its own in an order drawn from seed. A block's order
// depends on nothing but the seed, its number and its pairs, and a trial's
// seed on nothing but the run's, its pair and its block: a plan of more blocks
// begins with the plan of fewer. All scenarios given are planned: a profile's
// bound on their number is for whoever chooses them.
//
// layout is for scenarios that give a server one CPU, wider is for those that
// give it more.
func New(profile lab.Profile, scenarios []lab.Scenario, seed uint64, layout lab.Layout, wider ...lab.Layout) (lab.Plan, error) {
	if profile.Blocks < 1 {
		return lab.Plan{}, fmt.Errorf("plan profile %q: %d blocks, need at least 1", profile.Name, profile.Blocks)
	}
	if err := check(scenarios); err != nil {
		return lab.Plan{}, err
	}
	p := lab.Plan{Profile: profile, Seed: seed, Scenarios: scenarios, Layout: layout, Wider: wider, Pilots: pilots(scenarios, seed)}
	for block := 1; block <= profile.Blocks; block++ {
		p.Trials = append(p.Trials, trialsOf(block, scenarios, seed)...)
	}
	p.Repeats = repeats(p)
	return p, nil
}

// MaxAttempts is how often a trial is tried at the most. One that something
// outside the cell disturbed is repeated at once, until the run has spent its
// repeats. The rule is fixed here, before the run: repeating by the look of
// the figures would choose them.
const MaxAttempts = 4

// repeats is how many disturbed trials a run may repeat: as many as its
// profile's limit has time for, a fifth of its trials where there is none.
func repeats(p lab.Plan) int {
	if p.Profile.Limit == 0 {
		return len(p.Trials) / 5
	}
	all, longest := durations(p)
	return int(max(p.Profile.Limit-all, 0) / longest)
}

func check(scenarios []lab.Scenario) error {
	if len(scenarios) == 0 {
		return &lab.Fault{
			Code: lab.ExitUsage,
			Err:  errors.New("plan a run: there is no scenario to run"),
			Hint: "drop a .star file into scenarios/; scenarios/README.md shows how",
		}
	}
	seen := map[string]bool{}
	for _, s := range scenarios {
		if seen[s.Name] {
			return fmt.Errorf("plan a run: scenario %q is in it twice", s.Name)
		}
		seen[s.Name] = true
		if len(s.Variants) == 0 {
			return &lab.Fault{
				Code: lab.ExitUsage,
				Err:  fmt.Errorf("plan a run: scenario %q has no variant to run on", s.Name),
				Hint: "name one under variants in " + s.File,
			}
		}
		pairs := map[string]bool{}
		for _, v := range s.Variants {
			if pairs[v] {
				return fmt.Errorf("plan a run: scenario %q has variant %q twice", s.Name, v)
			}
			pairs[v] = true
		}
	}
	return nil
}

func trialsOf(block int, scenarios []lab.Scenario, seed uint64) []lab.Trial {
	var trials []lab.Trial
	for _, s := range scenarios {
		for _, v := range s.Variants {
			for _, cores := range s.Cores {
				own := stream(seed, "trial", s.Name, v, fmt.Sprint(cores), fmt.Sprint(block)).Uint64()
				trials = append(trials, lab.Trial{Scenario: s.Name, Variant: v, Cores: cores, Block: block, Attempt: 1, Seed: own})
			}
		}
	}
	shuffle(stream(seed, "order", fmt.Sprint(block)), trials)
	for i := range trials {
		trials[i].Position = i + 1
	}
	return trials
}

// stream is a random source of its own for each list of words under a seed.
func stream(seed uint64, words ...string) *rand.ChaCha8 {
	named := binary.BigEndian.AppendUint64(nil, seed)
	for _, w := range words {
		named = binary.BigEndian.AppendUint64(named, uint64(len(w)))
		named = append(named, w...)
	}
	return rand.NewChaCha8(sha256.Sum256(named))
}

// shuffle is Fisher and Yates's. It is written out because a recorded seed
// must give the same order after an upgrade of Go: ChaCha8's output is
// specified, the algorithm of rand.Shuffle is not.
func shuffle(source rand.Source, trials []lab.Trial) {
	for i := len(trials) - 1; i > 0; i-- {
		j := below(source, uint64(i+1))
		trials[i], trials[j] = trials[j], trials[i]
	}
}

// below draws uniformly from [0, n): draws of the incomplete last multiple of
// n are thrown away, because a plain remainder favours small numbers.
func below(source rand.Source, n uint64) uint64 {
	short := -n % n // 2^64 mod n
	for {
		if v := source.Uint64(); v >= short {
			return v % n
		}
	}
}

// Duration is how long a plan takes at worst: every warm-up spends its whole
// budget, every peak is tried on twice the connections, every trial and every
// pilot costs TrialOverhead, and all repeats fall to the longest trial. Building
// images and calibrating are not in it.
func Duration(p lab.Plan) time.Duration {
	all, longest := durations(p)
	return all + time.Duration(p.Repeats)*longest
}

// durations is how long all trials take, each once, and the longest of them.
func durations(p lab.Plan) (all, longest time.Duration) {
	lasts := map[string]time.Duration{}
	for _, s := range p.Scenarios {
		lasts[s.Name] = ScenarioDuration(p.Profile, s)
	}
	for _, t := range p.Trials {
		all += lasts[t.Scenario]
		longest = max(longest, lasts[t.Scenario])
	}
	return all + time.Duration(PilotsToFind(p))*PilotDuration(p.Profile), longest
}

// PilotDuration is how long a pilot takes at worst, tried as often as it may be.
func PilotDuration(p lab.Profile) time.Duration {
	return PilotAttempts * (p.WarmUpMax + p.Peak + TrialOverhead)
}

// ScenarioDuration is how long one trial of a scenario takes at worst.
func ScenarioDuration(p lab.Profile, s lab.Scenario) time.Duration {
	lasts := TrialOverhead
	for _, phase := range s.Phases {
		lasts += PhaseDuration(p, phase.Kind)
		if phase.Kind == lab.Peak {
			lasts += Doubled(PhaseDuration(p, phase.Kind))
		}
	}
	return lasts
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
