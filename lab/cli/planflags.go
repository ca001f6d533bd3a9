package cli

import (
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"path/filepath"
	"slices"

	"runtimelab/lab"
	"runtimelab/lab/archive"
	"runtimelab/lab/fault"
	"runtimelab/lab/plan"
	"runtimelab/lab/record"
	"runtimelab/lab/script"
)

// planFlags are the flags that select a plan; commands that plan embed it.
type planFlags struct {
	Scenarios []string          `arg:"" optional:"" help:"${scenarios_help}"`
	Profile   string            `help:"${profile_help}" env:"PROFILE" placeholder:"NAME"`
	Blocks    int               `help:"${blocks_help}" placeholder:"N"`
	All       bool              `help:"${all_help}"`
	Seed      uint64            `help:"${seed_help}" placeholder:"N"`
	Parameter map[string]string `short:"p" help:"${parameter_help}" placeholder:"NAME=VALUE" mapsep:"none"`
	Like      string            `help:"${like_help}" placeholder:"RUN"`
	Generator string            `help:"${generator_help}" env:"LAB_GENERATOR" placeholder:"NAME"`
}

const defaultProfile = "quick"

// runSetup holds what the flags of a run select: scripts, scenarios, and an earlier run
// or its plan.
type runSetup struct {
	sources     script.Sources
	library     *script.Library
	profile     lab.Profile
	scenarios   []lab.Scenario
	runAll      bool // run scenarios completely, also without hypotheses
	seed        uint64
	generator   lab.Generator
	earlierPlan *lab.Plan // of the run to repeat or resume
	resumedRun  *record.StoredRun
}

func (c *runSetup) resultsDir() string { return filepath.Join(c.sources.Checkout, "results") }

// isEmpty reports whether no flag is set. The profile does not count, because it may come
// from the environment; nor does the generator, which checkGeneratorOf checks.
func (c planFlags) isEmpty() bool {
	return len(c.Scenarios) == 0 && !c.All && c.Seed == 0 && c.Blocks == 0 && len(c.Parameter) == 0 &&
		c.Like == ""
}

// newPlan returns the earlier plan on new layouts, or plans scenarios, which are some or
// all of the selected ones.
func (c *runSetup) newPlan(
	scenarios []lab.Scenario, layout lab.Layout, wider ...lab.Layout,
) (lab.Plan, error) {
	if c.earlierPlan != nil {
		p := *c.earlierPlan
		p.Layout, p.WiderLayouts = layout, wider
		return p, nil
	}
	return plan.New(plan.Options{
		Profile:        c.profile,
		Seed:           c.seed,
		Generator:      c.generator,
		Scenarios:      scenarios,
		RunAll:         c.runAll,
		OtherScenarios: c.otherScenarios(),
		Peers:          c.library.Peers(),
		OwnServers:     c.library.OwnServers(),
		Layout:         layout,
		WiderLayouts:   wider,

		Claims:           c.library.Claims,
		UntestableTopics: c.library.UntestableTopics,
	})
}

// otherScenarios returns the scenarios that are not selected.
func (c *runSetup) otherScenarios() []lab.Scenario {
	return slices.DeleteFunc(slices.Clone(c.library.Scenarios), func(s lab.Scenario) bool {
		return slices.ContainsFunc(c.scenarios, func(o lab.Scenario) bool { return o.Name == s.Name })
	})
}

// resolve loads what the flags select. A mistake in any script is an error, also in one
// that is not selected.
func (c planFlags) resolve(ctx context.Context, a *app) (*runSetup, error) {
	others := c
	others.Like = ""
	if c.Like != "" && !others.isEmpty() {
		return nil, &fault.Error{
			Code: fault.ExitUsage,
			Err: errors.New("--like repeats the plan of a run: it cannot be combined with scenarios, " +
				"--all, --seed, --blocks or -p"),
			Hint: "remove these, or --like",
		}
	}
	sources, err := a.sources(scriptPaths(c.Scenarios)...)
	if err != nil {
		return nil, err
	}
	out := &runSetup{sources: sources, seed: c.Seed}
	if c.Profile == "" {
		c.Profile = defaultProfile
	}
	if out.profile, err = plan.ProfileByName(c.Profile); err != nil {
		return nil, err
	}
	if a.adjustProfile != nil {
		a.adjustProfile(&out.profile)
	}
	if out.generator, err = parseGenerator(c.Generator); err != nil {
		return nil, err
	}
	if err := c.applyBlocks(&out.profile); err != nil {
		return nil, err
	}
	if c.Like != "" {
		if err := out.repeatRun(ctx, c.Like); err != nil {
			return nil, err
		}
		return out, checkGeneratorOf(*out.earlierPlan, c.Generator)
	}
	if err := out.loadLibrary(ctx, script.ParameterValues{}); err != nil {
		return nil, err
	}
	if err := out.selectScenarios(c); err != nil {
		return nil, err
	}
	if out.seed == 0 {
		out.seed = randomSeed()
	}
	if len(c.Parameter) == 0 {
		return out, nil
	}
	// Scripts declare their parameters, so they are evaluated twice.
	values := script.ParameterValues{Scenarios: scenarioNames(out.scenarios), Values: c.Parameter}
	if err := values.CheckNames(out.scenarios); err != nil {
		return nil, err
	}
	if err := out.loadLibrary(ctx, values); err != nil {
		return nil, err
	}
	out.scenarios, err = out.library.Select(values.Scenarios...)
	return out, err
}

// randomSeed returns a random seed below 2^53, which every JSON reader keeps exactly.
func randomSeed() uint64 { return rand.Uint64() >> 11 }

// maxBlocks bounds --blocks; ten thousand blocks would take weeks.
const maxBlocks = 10_000

// applyBlocks sets the number of blocks of a profile, and removes its time limit.
func (c planFlags) applyBlocks(p *lab.Profile) error {
	switch {
	case c.Blocks == 0:
		return nil
	case c.Blocks < 1 || c.Blocks > maxBlocks:
		return &fault.Error{
			Code: fault.ExitUsage, Err: fmt.Errorf("--blocks is %d, want 1 to %d", c.Blocks, maxBlocks),
			Hint: fmt.Sprintf("verdicts need at least %d", lab.MinBlocks),
		}
	}
	p.Blocks, p.TimeLimit = c.Blocks, 0
	return nil
}

// loadLibrary evaluates all scripts with the values of parameters. A mistake in any
// script is an error.
func (c *runSetup) loadLibrary(ctx context.Context, values script.ParameterValues) (err error) {
	if c.library, err = c.sources.Load(ctx, values); err != nil {
		return err
	}
	return c.library.Err()
}

// selectScenarios selects the scenarios that flags name, or those that the profile runs
// by default. It is an error if there are none.
func (c *runSetup) selectScenarios(flags planFlags) (err error) {
	if c.scenarios, err = c.library.Select(flags.Scenarios...); err != nil {
		return err
	}
	c.runAll = len(flags.Scenarios) > 0 || flags.All
	if !c.runAll {
		c.scenarios = plan.DefaultScenarios(c.profile.Name, c.scenarios)
	}
	if len(c.scenarios) == 0 {
		return &fault.Error{
			Code: fault.ExitUsage, Err: fmt.Errorf("profile %s runs no scenario by default", c.profile.Name),
			Hint: "name scenarios, add --all, or write a scenario: lab new scenario NAME",
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

// repeatRun uses the plan of an earlier run, given by its id or folder.
func (c *runSetup) repeatRun(ctx context.Context, run string) error {
	earlier, err := c.readRun(run)
	if err != nil {
		return err
	}
	return c.usePlanOf(ctx, earlier)
}

// readRun reads an earlier run, given by its id under results/ or its folder.
func (c *runSetup) readRun(run string) (*record.StoredRun, error) {
	dir, err := archive.Resolve(c.resultsDir(), run)
	if err != nil {
		return nil, err
	}
	return record.Read(dir)
}

// usePlanOf loads the scripts of an earlier run and uses its plan. It is an error if the
// scripts of the run's scenarios have changed, because the same names would mean another
// plan.
func (c *runSetup) usePlanOf(ctx context.Context, earlier *record.StoredRun) (err error) {
	if err := c.addSourcesOf(earlier.Info); err != nil {
		return err
	}
	if err := c.loadLibrary(ctx, script.ParameterValues{}); err != nil {
		return err
	}
	p := withClaims(earlier.Info.Plan, c.library)
	if p.Scenarios, err = c.unchangedScenarios(earlier.Info); err != nil {
		return err
	}
	c.scenarios, c.profile, c.seed, c.earlierPlan = p.Scenarios, p.Profile, p.Seed, &p
	c.generator = p.Generator
	return nil
}

// resumeSetup returns the setup that continues an earlier run, given by its id or folder.
func resumeSetup(a *app, run string) (*runSetup, error) {
	sources, err := a.sources()
	if err != nil {
		return nil, err
	}
	out := &runSetup{sources: sources}
	if out.resumedRun, err = out.readRun(run); err != nil {
		return nil, err
	}
	if err := record.CheckResumable(out.resumedRun.Info); err != nil {
		return nil, err
	}
	return out, out.usePlanOf(a.ctx, out.resumedRun)
}

// withClaims returns the plan of a run, with the claims of a library if the run is of a
// lab that did not record its claims.
func withClaims(p lab.Plan, library *script.Library) lab.Plan {
	if p.Claims == nil {
		p.Claims, p.UntestableTopics = library.Claims, library.UntestableTopics
	}
	return p
}

// unchangedScenarios returns the scenarios of an earlier run, with the variants and the
// values of parameters that they had then. It is an error if a script has changed.
func (c *runSetup) unchangedScenarios(earlier record.Info) ([]lab.Scenario, error) {
	for _, s := range earlier.Plan.Scenarios {
		if s.File == "" {
			continue // a control comes from no script
		}
		now, err := c.library.Select(s.Name)
		if err != nil {
			return nil, err
		}
		if now[0].SHA256 != s.SHA256 {
			return nil, &fault.Error{
				Code: fault.ExitUsage, Err: fmt.Errorf("%s has changed since run %s", s.File, earlier.RunID),
				Hint: "restore the script, or start a new run",
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
