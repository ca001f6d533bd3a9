// Package plan owns what a run will do before it does anything: how much time
// each profile spends, which hypotheses it tests and which cells these need,
// which trials run in which order, how long that takes, and which CPUs the two
// sides of a trial get. All of it is pure: the same inputs give the same plan on
// every machine.
package plan

import (
	"crypto/sha256"
	"encoding/binary"
	"errors"
	"fmt"
	"math/rand/v2"
	"slices"
	"strings"

	"runtimelab/lab"
)

// Options is what a run is to be about.
type Options struct {
	Profile   lab.Profile
	Seed      uint64
	Scenarios []lab.Scenario // that run
	// each on all its variants and in all its phases; else only as far as a hypothesis needs them
	RunAll         bool
	OtherScenarios []lab.Scenario // that do not run; what they would test is said

	Layout       lab.Layout   // for servers of one CPU
	WiderLayouts []lab.Layout // for servers of more
}

// New lays out a profile's blocks, each with one trial of every cell, scenario by
// scenario, in an order drawn from the seed. Where the profile has blocks enough to compare anything
// the hypotheses select the cells, and controls are added. A block's order
// depends on nothing but the seed, its number and its cells, and a trial's seed
// on nothing but the run's, its cell and its block: a plan of more blocks begins
// with the plan of fewer.
func New(c Options) (lab.Plan, error) {
	if c.Profile.Blocks < 1 {
		return lab.Plan{}, fmt.Errorf("plan profile %q: %d blocks, need at least 1", c.Profile.Name,
			c.Profile.Blocks)
	}
	if err := validateScenarios(c.Scenarios); err != nil {
		return lab.Plan{}, err
	}
	p := lab.Plan{Profile: c.Profile, Seed: c.Seed, Layout: c.Layout, WiderLayouts: c.WiderLayouts}
	p.Hypotheses, p.UntestedHypotheses = splitHypotheses(c)
	cells := selectSpecs(c, p.Hypotheses)
	if len(cells) == 0 {
		return lab.Plan{}, &lab.Fault{
			Code: lab.ExitUsage,
			Err: fmt.Errorf("plan a run: profile %s tests no hypothesis of %s", c.Profile.Name,
				scenarioNames(c.Scenarios)),
			Hint: "take a longer profile, or name a scenario to run all of it",
		}
	}
	p.Scenarios = slices.DeleteFunc(slices.Clone(c.Scenarios), func(s lab.Scenario) bool {
		return !slices.ContainsFunc(cells, func(c trialSpec) bool { return c.scenario == s.Name })
	})
	if c.Profile.CanCompare() {
		cells = append(cells, addControls(&p, cells)...)
	}
	for block := 1; block <= c.Profile.Blocks; block++ {
		p.Trials = append(p.Trials, blockTrials(block, cells, c.Seed)...)
	}
	p.Pilots = planPilots(p.Scenarios, cells, c.Seed)
	p.MaxRepeats = maxRepeats(p)
	return p, nil
}

func scenarioNames(scenarios []lab.Scenario) string {
	var all []string
	for _, s := range scenarios {
		all = append(all, s.Name)
	}
	return strings.Join(all, ", ")
}

func validateScenarios(scenarios []lab.Scenario) error {
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

// blockTrials is a block: its scenarios in shuffled order, and in each its cells. What
// a hypothesis compares thus lies seconds apart and not minutes, in which a machine's
// speed wanders further than most effects go.
func blockTrials(block int, cells []trialSpec, seed uint64) (trials []lab.Trial) {
	var scenarios []string
	of := make(map[string][]lab.Trial)
	for _, c := range cells {
		own := seededSource(seed, "trial", c.scenario, c.variant, fmt.Sprint(c.cores), fmt.Sprint(block)).Uint64()
		if of[c.scenario] == nil {
			scenarios = append(scenarios, c.scenario)
		}
		of[c.scenario] = append(of[c.scenario], lab.Trial{
			Scenario: c.scenario, Variant: c.variant, Cores: c.cores, Phases: c.phases,
			Block: block, Attempt: 1, Seed: own,
		})
	}
	source := seededSource(seed, "order", fmt.Sprint(block))
	shuffle(source, scenarios)
	for _, name := range scenarios {
		shuffle(source, of[name])
		trials = append(trials, of[name]...)
	}
	for i := range trials {
		trials[i].Position = i + 1
	}
	return trials
}

// seededSource is a random source of its own for each list of words under a seed.
func seededSource(seed uint64, words ...string) *rand.ChaCha8 {
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
func shuffle[T any](source rand.Source, all []T) {
	for i := len(all) - 1; i > 0; i-- {
		j := uniformBelow(source, uint64(i+1))
		all[i], all[j] = all[j], all[i]
	}
}

// uniformBelow draws uniformly from [0, n): draws of the incomplete last multiple of
// n are thrown away, because a plain remainder favours small numbers.
func uniformBelow(source rand.Source, n uint64) uint64 {
	short := -n % n // 2^64 mod n
	for {
		if v := source.Uint64(); v >= short {
			return v % n
		}
	}
}
