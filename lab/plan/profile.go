package plan

import (
	"fmt"
	"slices"
	"time"

	"runtimelab/lab"
)

// In the order of lab.ProfileNames. The times below are for two cores. Quick has
// the six blocks that a paired test needs at the least (two-sided sign-flip: p can
// reach 1/32), and with the scenarios that ship for it ends within 15 minutes.
var profiles = []lab.Profile{
	{
		Name:      "smoke",
		About:     "one short block: shows that everything works, compares nothing",
		Blocks:    1,
		WarmUpMax: 2500 * time.Millisecond,
		Peak:      3 * time.Second,
		Steady:    3 * time.Second,
		Limit:     70 * time.Second,
	},
	{
		Name:      "quick",
		About:     "six short blocks: large differences, within 15 minutes",
		Blocks:    6,
		WarmUpMax: 3 * time.Second,
		Peak:      5 * time.Second,
		Steady:    8 * time.Second,
		Limit:     14*time.Minute + 30*time.Second,
	},
	{
		Name:      "standard",
		About:     "ten blocks: differences worth quoting",
		Blocks:    10,
		WarmUpMax: 10 * time.Second,
		Peak:      10 * time.Second,
		Steady:    20 * time.Second,
	},
	{
		Name:      "full",
		About:     "twenty long blocks: small differences and long tails",
		Blocks:    20,
		WarmUpMax: 15 * time.Second,
		Peak:      20 * time.Second,
		Steady:    50 * time.Second,
	},
}

// Profiles are all profiles, the shortest first.
func Profiles() []lab.Profile { return slices.Clone(profiles) }

// Unasked is the scenarios that a profile runs without being asked to.
func Unasked(profile string, scenarios []lab.Scenario) (chosen []lab.Scenario) {
	names := lab.ProfileNames()
	for _, s := range scenarios {
		if slices.Index(names, s.Profile) <= slices.Index(names, profile) {
			chosen = append(chosen, s)
		}
	}
	return chosen
}

// ProfileNamed is the profile of a name; an unknown name is a *lab.Fault.
func ProfileNamed(name string) (lab.Profile, error) {
	var names []string
	for _, p := range profiles {
		if p.Name == name {
			return p, nil
		}
		names = append(names, p.Name)
	}
	return lab.Profile{}, &lab.Fault{
		Code: lab.ExitUsage,
		Err:  fmt.Errorf("unknown profile %q", name),
		Hint: lab.Suggest(name, names),
	}
}
