package plan

import (
	"fmt"
	"slices"
	"time"

	"runtimelab/lab"
	"runtimelab/lab/fault"
	"runtimelab/lab/message"
)

// profiles are in the order of lab.ProfileNames. Their times are for two cores.
//
// Quick has one block more than lab.MinBlocks, so that one may be lost. With seven
// blocks a permutation of signs can be significant although one block contradicts, and
// intervals of bimodal trials are no longer too wide (lab simulate).
//
// With the shipped scenarios quick ends within 15 minutes, including the calibration of
// a new machine, and standard within an hour. The limits leave time to start and end.
var profiles = []lab.Profile{
	{
		Name:           "smoke",
		About:          "one short block: shows that everything works, compares nothing",
		Blocks:         1,
		WarmUpMax:      2500 * time.Millisecond,
		PeakDuration:   3 * time.Second,
		SteadyDuration: 3 * time.Second,
		TimeLimit:      70 * time.Second,
	},
	{
		Name:           "quick",
		About:          "seven short blocks: large differences, within 15 minutes",
		Blocks:         7,
		WarmUpMax:      3500 * time.Millisecond,
		PeakDuration:   2800 * time.Millisecond,
		SteadyDuration: 5 * time.Second,
		TimeLimit:      14*time.Minute + 30*time.Second,
	},
	{
		Name:           "standard",
		About:          "ten blocks: differences worth quoting",
		Blocks:         10,
		WarmUpMax:      5 * time.Second,
		PeakDuration:   3500 * time.Millisecond,
		SteadyDuration: 6 * time.Second,
		TimeLimit:      58 * time.Minute,
	},
	{
		Name:           "full",
		About:          "twenty long blocks of everything: small differences and long tails, hours",
		Blocks:         20,
		RunAll:         true,
		WarmUpMax:      10 * time.Second,
		PeakDuration:   10 * time.Second,
		SteadyDuration: 20 * time.Second,
	},
}

// Profiles returns all profiles, the shortest first.
func Profiles() []lab.Profile { return slices.Clone(profiles) }

// DefaultScenarios returns the scenarios that a profile runs when none are named.
func DefaultScenarios(profile string, scenarios []lab.Scenario) (chosen []lab.Scenario) {
	names := lab.ProfileNames()
	for _, s := range scenarios {
		if slices.Index(names, s.Profile) <= slices.Index(names, profile) {
			chosen = append(chosen, s)
		}
	}
	return chosen
}

// ProfileByName returns the profile with a name. An unknown name is a *fault.Error.
func ProfileByName(name string) (lab.Profile, error) {
	var names []string
	for _, p := range profiles {
		if p.Name == name {
			return p, nil
		}
		names = append(names, p.Name)
	}
	return lab.Profile{}, &fault.Error{
		Code: fault.ExitUsage,
		Err:  fmt.Errorf("unknown profile %q", name),
		Hint: message.Suggest(name, names),
	}
}
