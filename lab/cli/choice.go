package cli

import (
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"path/filepath"
	"slices"

	"runtimelab/lab"
	"runtimelab/lab/plan"
	"runtimelab/lab/record"
	"runtimelab/lab/script"
)

// choice is what a user chooses of a plan. Commands that plan embed it.
type choice struct {
	Scenarios []string          `arg:"" optional:"" help:"Scenarios to run, all of each. Default: of those that the profile runs unasked, what a hypothesis needs."`
	Profile   string            `help:"How much time to spend: smoke, quick, standard or full. Default: quick." env:"PROFILE" placeholder:"NAME"`
	Blocks    int               `help:"Measure so many blocks instead of the profile's: as many as a verdict says that it needs." placeholder:"N"`
	All       bool              `help:"Run all of every scenario, also what is meant for longer profiles."`
	Seed      uint64            `help:"Seed of the order of trials, of arrivals and of random inputs. Default: drawn and recorded." placeholder:"N"`
	Parameter map[string]string `short:"p" help:"Give a parameter of a scenario another value than its script: -p rate=200." placeholder:"NAME=VALUE" mapsep:"none"`
	Like      string            `help:"Repeat the plan of an earlier run exactly: its id under results/, or its folder." placeholder:"RUN"`
}

const defaultProfile = "quick"

// chosen is a choice with all that it names.
type chosen struct {
	checkout  string // the folder that holds runtimes/, scenarios/ and results/
	library   *script.Library
	profile   lab.Profile
	scenarios []lab.Scenario
	whole     bool // all of each, because it was named
	seed      uint64
	earlier   *lab.Plan // of the run that is repeated or resumed
	resumed   *record.Recorded
}

func (c *chosen) resultsDir() string { return filepath.Join(c.checkout, "results") }

// empty reports whether nothing was chosen; the profile alone, which the environment
// may name, is nothing.
func (c choice) empty() bool {
	return len(c.Scenarios) == 0 && !c.All && c.Seed == 0 && c.Blocks == 0 && len(c.Parameter) == 0 && c.Like == ""
}

// plan is what a run of the choice does, in scenarios of it.
func (c *chosen) plan(scenarios []lab.Scenario, layout lab.Layout, wider ...lab.Layout) (lab.Plan, error) {
	if c.earlier != nil {
		p := *c.earlier
		p.Layout, p.Wider = layout, wider
		return p, nil
	}
	return plan.New(plan.Choice{
		Profile: c.profile, Seed: c.seed, Scenarios: scenarios, Whole: c.whole, Others: c.others(), Layout: layout, Wider: wider,
	})
}

// others are the scenarios that were not chosen.
func (c *chosen) others() []lab.Scenario {
	return slices.DeleteFunc(slices.Clone(c.library.Scenarios), func(s lab.Scenario) bool {
		return slices.ContainsFunc(c.scenarios, func(o lab.Scenario) bool { return o.Name == s.Name })
	})
}

// resolve looks up what was chosen. A script with a mistake anywhere is a fault:
// nothing is planned beside it.
func (c choice) resolve(ctx context.Context, a *app) (*chosen, error) {
	beside := c
	beside.Like = ""
	if c.Like != "" && !beside.empty() {
		return nil, &lab.Fault{
			Code: lab.ExitUsage, Err: errors.New("--like repeats a run's own plan, and takes no scenarios, --all, --seed, --blocks or -p beside it"),
			Hint: "Leave them out, or leave out --like.",
		}
	}
	root, err := a.folder()
	if err != nil {
		return nil, err
	}
	out := &chosen{checkout: root, seed: c.Seed}
	if c.Profile == "" {
		c.Profile = defaultProfile
	}
	if out.profile, err = plan.ProfileNamed(c.Profile); err != nil {
		return nil, err
	}
	if err := c.lengthen(&out.profile); err != nil {
		return nil, err
	}
	if err := out.load(ctx, script.Given{}); err != nil {
		return nil, err
	}
	if c.Like != "" {
		return out, out.repeat(c.Like)
	}
	if err := out.choose(c); err != nil {
		return nil, err
	}
	if out.seed == 0 {
		out.seed = rand.Uint64() >> 11 // a number that every JSON reader keeps exactly
	}
	if len(c.Parameter) == 0 {
		return out, nil
	}
	// Which parameters there are is known once the scripts have been evaluated.
	given := script.Given{Scenarios: names(out.scenarios), Values: c.Parameter}
	if err := given.Check(out.scenarios); err != nil {
		return nil, err
	}
	if err := out.load(ctx, given); err != nil {
		return nil, err
	}
	out.scenarios, err = out.library.Select(given.Scenarios...)
	return out, err
}

// mostBlocks is more than anybody has the time for.
const mostBlocks = 10_000

// lengthen gives a profile the blocks that the user wants, and with them all the
// time that they take.
func (c choice) lengthen(p *lab.Profile) error {
	switch {
	case c.Blocks == 0:
		return nil
	case c.Blocks < 1 || c.Blocks > mostBlocks:
		return &lab.Fault{
			Code: lab.ExitUsage, Err: fmt.Errorf("--blocks is %d, want 1 to %d", c.Blocks, mostBlocks),
			Hint: fmt.Sprintf("%d are the fewest by which anything is compared", lab.FewestBlocks),
		}
	}
	p.Blocks, p.Limit = c.Blocks, 0
	return nil
}

func (c *chosen) load(ctx context.Context, given script.Given) (err error) {
	if c.library, err = script.Load(ctx, c.checkout, given); err != nil {
		return err
	}
	return c.library.Err()
}

// choose is the scenarios that were named, or those that the profile runs
// unasked.
func (c *chosen) choose(by choice) (err error) {
	if c.scenarios, err = c.library.Select(by.Scenarios...); err != nil {
		return err
	}
	c.whole = len(by.Scenarios) > 0 || by.All
	if !c.whole {
		c.scenarios = plan.Unasked(c.profile.Name, c.scenarios)
	}
	if len(c.scenarios) == 0 {
		return &lab.Fault{
			Code: lab.ExitUsage, Err: fmt.Errorf("there is no scenario that profile %s runs unasked", c.profile.Name),
			Hint: "Name scenarios, add --all, or put one into scenarios/: lab new scenario NAME writes one.",
		}
	}
	return nil
}

func names(scenarios []lab.Scenario) (all []string) {
	for _, s := range scenarios {
		all = append(all, s.Name)
	}
	return all
}

// repeat takes the plan of an earlier run, whose scripts must not have changed:
// under the same names they would be another plan.
func (c *chosen) repeat(run string) error {
	earlier, err := c.read(run)
	if err != nil {
		return err
	}
	return c.follow(earlier)
}

func (c *chosen) read(run string) (*record.Recorded, error) {
	dir, err := record.Resolve(c.resultsDir(), run)
	if err != nil {
		return nil, err
	}
	return record.Read(dir)
}

func (c *chosen) follow(earlier *record.Recorded) (err error) {
	p := earlier.Info.Plan
	if p.Scenarios, err = c.unchanged(earlier.Info); err != nil {
		return err
	}
	c.scenarios, c.profile, c.seed, c.earlier = p.Scenarios, p.Profile, p.Seed, &p
	return nil
}

// unchanged is the scenarios of an earlier run, whose scripts must be what they
// were. What a script left open, such as all variants or a parameter, is as it
// was then.
func (c *chosen) unchanged(earlier record.Info) ([]lab.Scenario, error) {
	for _, s := range earlier.Plan.Scenarios {
		if s.File == "" {
			continue // a control
		}
		now, err := c.library.Select(s.Name)
		if err != nil {
			return nil, err
		}
		if now[0].SHA256 != s.SHA256 {
			return nil, &lab.Fault{
				Code: lab.ExitUsage, Err: fmt.Errorf("%s is not what it was in run %s", s.File, earlier.RunID),
				Hint: "Its plan cannot be followed. Restore the script, or begin another run.",
			}
		}
		for _, id := range s.Variants {
			if _, err := c.library.Variant(lab.OriginalOf(id)); err != nil {
				return nil, err
			}
		}
	}
	return earlier.Plan.Scenarios, nil
}
