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

// planFlags is what a user chooses of a plan. Commands that plan embed it.
type planFlags struct {
	Scenarios []string          `arg:"" optional:"" help:"Scenarios to run, all of each. Default: of those that the profile runs unasked, what a hypothesis needs."`
	Profile   string            `help:"How much time to spend: smoke, quick, standard or full. Default: quick." env:"PROFILE" placeholder:"NAME"`
	Blocks    int               `help:"Measure so many blocks instead of the profile's: as many as a verdict says that it needs." placeholder:"N"`
	All       bool              `help:"Run all of every scenario, also what is meant for longer profiles."`
	Seed      uint64            `help:"Seed of the order of trials, of arrivals and of random inputs. Default: drawn and recorded." placeholder:"N"`
	Parameter map[string]string `short:"p" help:"Give a parameter of a scenario another value than its script: -p rate=200." placeholder:"NAME=VALUE" mapsep:"none"`
	Like      string            `help:"Repeat the plan of an earlier run exactly: its id under results/, or its folder." placeholder:"RUN"`
}

const defaultProfile = "quick"

// runSetup is a choice with all that it names.
type runSetup struct {
	checkout    string // the folder that holds runtimes/, scenarios/ and results/
	library     *script.Library
	profile     lab.Profile
	scenarios   []lab.Scenario
	runAll      bool // all of each, because it was named
	seed        uint64
	earlierPlan *lab.Plan // of the run that is repeated or resumed
	resumedRun  *record.StoredRun
}

func (c *runSetup) resultsDir() string { return filepath.Join(c.checkout, "results") }

// isEmpty reports whether nothing was chosen; the profile alone, which the environment
// may name, is nothing.
func (c planFlags) isEmpty() bool {
	return len(c.Scenarios) == 0 && !c.All && c.Seed == 0 && c.Blocks == 0 && len(c.Parameter) == 0 &&
		c.Like == ""
}

// plan is what a run of the choice does, in scenarios of it.
func (c *runSetup) plan(scenarios []lab.Scenario, layout lab.Layout, wider ...lab.Layout) (lab.Plan, error) {
	if c.earlierPlan != nil {
		p := *c.earlierPlan
		p.Layout, p.WiderLayouts = layout, wider
		return p, nil
	}
	return plan.New(plan.Options{
		Profile: c.profile, Seed: c.seed, Scenarios: scenarios, RunAll: c.runAll, OtherScenarios: c.otherScenarios(), Layout: layout, WiderLayouts: wider,
	})
}

// otherScenarios are the scenarios that were not chosen.
func (c *runSetup) otherScenarios() []lab.Scenario {
	return slices.DeleteFunc(slices.Clone(c.library.Scenarios), func(s lab.Scenario) bool {
		return slices.ContainsFunc(c.scenarios, func(o lab.Scenario) bool { return o.Name == s.Name })
	})
}

// resolve looks up what was chosen. A script with a mistake anywhere is a fault:
// nothing is planned beside it.
func (c planFlags) resolve(ctx context.Context, a *app) (*runSetup, error) {
	beside := c
	beside.Like = ""
	if c.Like != "" && !beside.isEmpty() {
		return nil, &lab.Fault{
			Code: lab.ExitUsage, Err: errors.New("--like repeats a run's own plan, and takes no scenarios, --all, " +
				"--seed, --blocks or -p beside it"),
			Hint: "Leave them out, or leave out --like.",
		}
	}
	root, err := a.rootDir()
	if err != nil {
		return nil, err
	}
	out := &runSetup{checkout: root, seed: c.Seed}
	if c.Profile == "" {
		c.Profile = defaultProfile
	}
	if out.profile, err = plan.ProfileByName(c.Profile); err != nil {
		return nil, err
	}
	if err := c.applyBlocks(&out.profile); err != nil {
		return nil, err
	}
	if err := out.load(ctx, script.ParameterValues{}); err != nil {
		return nil, err
	}
	if c.Like != "" {
		return out, out.repeatRun(c.Like)
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
	given := script.ParameterValues{Scenarios: scenarioNames(out.scenarios), Values: c.Parameter}
	if err := given.CheckNames(out.scenarios); err != nil {
		return nil, err
	}
	if err := out.load(ctx, given); err != nil {
		return nil, err
	}
	out.scenarios, err = out.library.Select(given.Scenarios...)
	return out, err
}

// maxBlocks is more than anybody has the time for.
const maxBlocks = 10_000

// applyBlocks gives a profile the blocks that the user wants, and with them all the
// time that they take.
func (c planFlags) applyBlocks(p *lab.Profile) error {
	switch {
	case c.Blocks == 0:
		return nil
	case c.Blocks < 1 || c.Blocks > maxBlocks:
		return &lab.Fault{
			Code: lab.ExitUsage, Err: fmt.Errorf("--blocks is %d, want 1 to %d", c.Blocks, maxBlocks),
			Hint: fmt.Sprintf("%d are the fewest by which anything is compared", lab.MinBlocks),
		}
	}
	p.Blocks, p.TimeLimit = c.Blocks, 0
	return nil
}

func (c *runSetup) load(ctx context.Context, given script.ParameterValues) (err error) {
	if c.library, err = script.Load(ctx, c.checkout, given); err != nil {
		return err
	}
	return c.library.Err()
}

// choose is the scenarios that were named, or those that the profile runs
// unasked.
func (c *runSetup) choose(by planFlags) (err error) {
	if c.scenarios, err = c.library.Select(by.Scenarios...); err != nil {
		return err
	}
	c.runAll = len(by.Scenarios) > 0 || by.All
	if !c.runAll {
		c.scenarios = plan.DefaultScenarios(c.profile.Name, c.scenarios)
	}
	if len(c.scenarios) == 0 {
		return &lab.Fault{
			Code: lab.ExitUsage, Err: fmt.Errorf("there is no scenario that profile %s runs unasked", c.profile.Name),
			Hint: "Name scenarios, add --all, or put one into scenarios/: lab new scenario NAME writes one.",
		}
	}
	return nil
}

func scenarioNames(scenarios []lab.Scenario) (all []string) {
	for _, s := range scenarios {
		all = append(all, s.Name)
	}
	return all
}

// repeatRun takes the plan of an earlier run, whose scripts must not have changed:
// under the same names they would be another plan.
func (c *runSetup) repeatRun(run string) error {
	earlier, err := c.read(run)
	if err != nil {
		return err
	}
	return c.usePlanOf(earlier)
}

func (c *runSetup) read(run string) (*record.StoredRun, error) {
	dir, err := record.ResolveRun(c.resultsDir(), run)
	if err != nil {
		return nil, err
	}
	return record.Read(dir)
}

func (c *runSetup) usePlanOf(earlier *record.StoredRun) (err error) {
	p := earlier.Info.Plan
	if p.Scenarios, err = c.unchangedScenarios(earlier.Info); err != nil {
		return err
	}
	c.scenarios, c.profile, c.seed, c.earlierPlan = p.Scenarios, p.Profile, p.Seed, &p
	return nil
}

// unchangedScenarios is the scenarios of an earlier run, whose scripts must be what they
// were. What a script left open, such as all variants or a parameter, is as it
// was then.
func (c *runSetup) unchangedScenarios(earlier record.Info) ([]lab.Scenario, error) {
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
