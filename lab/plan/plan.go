// Package plan decides what a run does before it starts: the time that each profile
// spends, hypotheses and the cells that they need, trials and their order, durations,
// and CPU layouts. It is pure: the same inputs give the same plan on every machine.
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
	"runtimelab/lab/fault"
)

// Options selects what a plan contains.
type Options struct {
	Profile   lab.Profile
	Seed      uint64
	Generator lab.Generator
	Scenarios []lab.Scenario // scenarios that run
	// RunAll runs scenarios on all their variants and in all their phases, and not only
	// what a hypothesis needs.
	RunAll         bool
	OtherScenarios []lab.Scenario       // scenarios that do not run; their hypotheses are listed as untested
	Peers          map[string]lab.Peers // lab.Plan.Peers
	OwnServers     []string             // lab.Plan.OwnServers

	Claims           []lab.Claim // of all scripts, in the order of reports
	UntestableTopics []lab.UntestableTopic

	Layout       lab.Layout   // for servers on one CPU
	WiderLayouts []lab.Layout // for servers on more CPUs
}

// New returns a plan: a profile's blocks, each with one trial per cell in seeded order.
// If the profile has enough blocks to compare, the plan contains only cells that a
// hypothesis needs, and controls.
//
// A block's order depends only on the seed, its number and its cells. A trial's seed
// depends only on the run's seed, its cell and its block. So a plan with more blocks
// starts with the same trials as one with fewer.
func New(c Options) (lab.Plan, error) {
	if c.Profile.Blocks < 1 {
		return lab.Plan{}, fmt.Errorf("plan profile %q: %d blocks, need at least 1", c.Profile.Name,
			c.Profile.Blocks)
	}
	if err := validateScenarios(c.Scenarios); err != nil {
		return lab.Plan{}, err
	}
	p := lab.Plan{
		Profile: c.Profile, Seed: c.Seed, Generator: c.Generator,
		RuntimeFacts: lab.RuntimeFacts{Peers: c.Peers, OwnServers: c.OwnServers},
		Layout:       c.Layout, WiderLayouts: c.WiderLayouts,
		PlannedClaims: lab.PlannedClaims{
			Claims:           append([]lab.Claim{}, c.Claims...), // never nil: that means none were recorded
			UntestableTopics: c.UntestableTopics,
		},
	}
	p.Hypotheses, p.UntestedHypotheses = splitHypotheses(c)
	p.PlannedPromises = splitPromises(c)
	cells := selectSpecs(c, lab.Tests(p.Hypotheses, p.Promises))
	if len(cells) == 0 {
		return lab.Plan{}, &fault.Error{
			Code: fault.ExitUsage,
			Err: fmt.Errorf("plan a run: profile %s tests none of the hypotheses and promises of %s", c.Profile.Name,
				scenarioNames(c.Scenarios)),
			Hint: "use a longer profile, or name a scenario to run all of it",
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

// validateScenarios returns an error if there is no scenario, or one has no variant or
// lists one twice.
func validateScenarios(scenarios []lab.Scenario) error {
	if len(scenarios) == 0 {
		return &fault.Error{
			Code: fault.ExitUsage,
			Err:  errors.New("plan a run: there is no scenario to run"),
			Hint: "drop a .star file into scenarios/; scenarios/README.md shows how",
		}
	}
	seen := map[string]bool{}
	for _, s := range scenarios {
		if seen[s.Name] {
			return fmt.Errorf("plan a run: scenario %q is listed twice", s.Name)
		}
		seen[s.Name] = true
		if len(s.Variants) == 0 {
			return &fault.Error{
				Code: fault.ExitUsage,
				Err:  fmt.Errorf("plan a run: scenario %q has no variant", s.Name),
				Hint: "name one in variants in " + s.File,
			}
		}
		listed := map[string]bool{}
		for _, v := range s.Variants {
			if listed[v] {
				return fmt.Errorf("plan a run: scenario %q lists variant %q twice", s.Name, v)
			}
			listed[v] = true
		}
	}
	return nil
}

// blockTrials returns one block: scenarios in shuffled order, and trials shuffled within
// each. The arms of a hypothesis so run seconds apart and not minutes, in which a
// machine's speed changes by more than most effects.
func blockTrials(block int, cells []trialSpec, seed uint64) (trials []lab.Trial) {
	var scenarios []string
	byScenario := make(map[string][]lab.Trial)
	for _, c := range cells {
		trialSeed := seededSource(seed, "trial", c.scenario, c.variant, fmt.Sprint(c.cores),
			fmt.Sprint(block)).Uint64()
		if byScenario[c.scenario] == nil {
			scenarios = append(scenarios, c.scenario)
		}
		byScenario[c.scenario] = append(byScenario[c.scenario], lab.Trial{
			Scenario: c.scenario, Variant: c.variant, Cores: c.cores, Phases: c.phases,
			Block: block, Attempt: 1, Seed: trialSeed,
		})
	}
	source := seededSource(seed, "order", fmt.Sprint(block))
	shuffle(source, scenarios)
	for _, name := range scenarios {
		shuffle(source, byScenario[name])
		trials = append(trials, byScenario[name]...)
	}
	for i := range trials {
		trials[i].Position = i + 1
	}
	return trials
}

// seededSource returns an independent random source for each seed and list of words.
func seededSource(seed uint64, words ...string) *rand.ChaCha8 {
	key := binary.BigEndian.AppendUint64(nil, seed)
	for _, w := range words {
		key = binary.BigEndian.AppendUint64(key, uint64(len(w)))
		key = append(key, w...)
	}
	return rand.NewChaCha8(sha256.Sum256(key))
}

// shuffle is a Fisher-Yates shuffle. A recorded seed must give the same order after an
// upgrade of Go: ChaCha8's output is specified, but the algorithm of rand.Shuffle is not.
func shuffle[T any](source rand.Source, all []T) {
	for i := len(all) - 1; i > 0; i-- {
		j := uniformBelow(source, uint64(i+1))
		all[i], all[j] = all[j], all[i]
	}
}

// uniformBelow draws a uniform number from [0, n). It rejects draws that would bias the
// remainder towards small numbers.
func uniformBelow(source rand.Source, n uint64) uint64 {
	excess := -n % n // 2^64 mod n
	for {
		if v := source.Uint64(); v >= excess {
			return v % n
		}
	}
}
