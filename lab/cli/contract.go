package cli

import (
	"context"
	"errors"
	"fmt"
	"io"
	"maps"
	"slices"
	"time"

	"runtimelab/lab"
	"runtimelab/lab/contract"
	"runtimelab/lab/expect"
	"runtimelab/lab/experiment"
	"runtimelab/lab/fault"
	"runtimelab/lab/image"
	"runtimelab/lab/message"
	"runtimelab/lab/script"
	"runtimelab/lab/session"
	"runtimelab/lab/table"
	"runtimelab/lab/workload"
)

type contractCommand struct {
	Variants []string `arg:"" optional:"" help:"${contract_variants_help}"`
	Scenario []string `help:"${contract_scenario_help}" placeholder:"NAME"`
	Seed     uint64   `help:"Seed of the random inputs. Default: random, and printed." placeholder:"N"`
	Bases    string   `help:"${bases_help}" default:"auto" env:"LAB_BASES"`
	JSON     bool     `help:"Print JSON." name:"json"`
}

// contractResult is one variant in the output of lab contract.
type contractResult struct {
	Variant string `json:"variant"`
	Passed  bool   `json:"passed"`
	Why     string `json:"why,omitempty"` // why it did not pass
}

// Run checks the variants against the contract and random inputs, and against the
// requests of the scenarios that --scenario names.
func (c *contractCommand) Run(a *app) error {
	bases, err := image.ParseBaseMode(c.Bases)
	if err != nil {
		return err
	}
	_, library, err := a.loadScripts(scriptPaths(c.Scenario)...)
	if err != nil {
		return err
	}
	scenarios, err := c.selectScenarios(library)
	if err != nil {
		return err
	}
	variants, err := c.selectVariants(library, scenarios)
	if err != nil {
		return err
	}
	if err := requireWorkloads(library.Workloads); err != nil {
		return err
	}
	if c.Seed == 0 {
		c.Seed = randomSeed()
	}
	return session.Run(a.ctx, a.sessionOptions(bases), func(s *session.Session) error {
		a.messagef("random inputs: seed %d", c.Seed)
		suite := contract.NewSuite(library.Workloads, c.Seed, s.ExpectedIdentity())
		refused, err := a.checkContract(a.ctx, s, variants, scenarios, library, suite)
		if refused == nil {
			return err
		}
		return errors.Join(err, c.print(a, variants, refused, scenarios))
	})
}

// requireWorkloads returns an error if a checkout has no workloads, or those that it has cannot be
// used.
func requireWorkloads(set *workload.Set) error {
	if set.ByName(workload.Application) != nil {
		return nil
	}
	return &fault.Error{
		Code: fault.ExitUsage,
		Err:  fmt.Errorf("the checkout has no workload %s in %s", workload.Application, workload.Dir),
		Hint: "run lab check",
	}
}

// selectScenarios returns the scenarios that --scenario names; none without the flag.
func (c *contractCommand) selectScenarios(library *script.Library) ([]lab.Scenario, error) {
	if len(c.Scenario) == 0 {
		return nil, nil
	}
	return library.Select(c.Scenario...)
}

// selectVariants returns variants by id: those that the arguments name, or those of
// scenarios, or all.
func (c *contractCommand) selectVariants(
	library *script.Library, scenarios []lab.Scenario,
) (map[string]lab.Variant, error) {
	selected := map[string]lab.Variant{}
	ids := slices.Clone(c.Variants)
	for _, s := range scenarios {
		for _, id := range s.Variants {
			if len(c.Variants) == 0 {
				ids = append(ids, lab.OriginalOf(id))
			}
		}
	}
	for _, id := range ids {
		v, err := library.Variant(id)
		if err != nil {
			return nil, err
		}
		selected[id] = v
	}
	if len(ids) > 0 {
		return selected, nil
	}
	for _, v := range library.Variants() {
		selected[v.ID()] = v
	}
	return selected, library.Err()
}

// recheckDelay is the time before the requests of a scenario are repeated, to find
// answers that change. A clock that shows whole seconds has changed by then.
const recheckDelay = 1100 * time.Millisecond

// checkContract checks variants against the contract, and against the requests of
// scenarios. It returns the reasons of those that fail, by variant id. A mistake of a
// scenario is an error, beside which the reasons are returned too.
func (a *app) checkContract(
	ctx context.Context, s *session.Session, variants map[string]lab.Variant, scenarios []lab.Scenario,
	library *script.Library, checker experiment.ContractChecker,
) (map[string]string, error) {
	services, err := library.ServicesOf(slices.Collect(maps.Values(variants)), scenarios)
	if err != nil {
		return nil, err
	}
	images, err := s.EnsureImages(ctx, library.RuntimesOf(func(v lab.Variant) bool {
		_, wanted := variants[v.ID()]
		return wanted
	}), services)
	if err != nil {
		return nil, err
	}
	observer := newProgress(a.Err, lab.Plan{}, nil, func(string) {})
	defer observer.Close()
	e := &experiment.Experiment{
		Variants: variants, Images: images.Images, ImageErrors: images.Errors, Services: images.Services,
		Plan:  requestPlan(scenarios, variants),
		Cells: s.Cells(), Checker: checker, Observer: observer, RecheckDelay: recheckDelay,
	}
	e.Plan.Layout = s.Layout
	refused, scenarioErr := e.CheckContract(ctx)
	if refused == nil {
		return nil, scenarioErr
	}
	refused, err = e.CheckIdentities(ctx)
	return refused, errors.Join(scenarioErr, err)
}

// requestPlan returns a plan with one trial for each scenario and each of its variants
// that is in variants. Checking it sends the requests of the scenarios.
func requestPlan(scenarios []lab.Scenario, variants map[string]lab.Variant) lab.Plan {
	p := lab.Plan{Scenarios: scenarios}
	for _, s := range scenarios {
		for _, id := range s.Variants {
			if _, wanted := variants[lab.OriginalOf(id)]; wanted {
				p.Trials = append(p.Trials, lab.Trial{Scenario: s.Name, Variant: id})
			}
		}
	}
	return p
}

// print prints for each variant whether it passed, and what scenarios expect. It returns an
// error if a variant did not pass; refused has the reasons by variant id.
func (c *contractCommand) print(
	a *app, variants map[string]lab.Variant, refused map[string]string, scenarios []lab.Scenario,
) error {
	results := []contractResult{}
	failed := 0
	for _, id := range slices.Sorted(maps.Keys(variants)) {
		r := contractResult{Variant: id, Passed: refused[id] == "", Why: refused[id]}
		if !r.Passed {
			failed++
		}
		results = append(results, r)
	}
	if c.JSON {
		if err := a.printJSON(results); err != nil {
			return err
		}
	} else {
		t := table.Text{Columns: []table.Column{{MinWidth: 23}}}
		for _, r := range results {
			if r.Passed {
				t.Row(r.Variant, "passed")
			} else {
				t.Row(r.Variant, "FAILED: "+r.Why)
			}
		}
		fmt.Fprint(a.Out, t.String())
		for _, s := range scenarios {
			printExpectations(a.Out, s)
		}
	}
	if failed > 0 {
		return &fault.Error{
			Code: fault.ExitFailed,
			Err:  errors.New(message.Count(failed, "variant fails the contract", "variants fail the contract")),
			Hint: "runtimes/README.md describes what every application must do",
		}
	}
	return nil
}

// printExpectations prints which answers to the requests of a scenario are a success: one
// line for each call of the script, with the first request that it made.
func printExpectations(w io.Writer, s lab.Scenario) {
	fmt.Fprintf(w, "%s expects\n", s.Name)
	requests := s.AllRequests()
	made := map[lab.Place]int{}
	for _, r := range requests {
		made[r.At]++
	}
	for _, r := range requests {
		n := made[r.At]
		if n == 0 {
			continue // printed with the first request of its call
		}
		made[r.At] = 0
		more := ""
		if n > 1 {
			more = fmt.Sprintf(" (the first of %d requests)", n)
		}
		fmt.Fprintf(w, "  %s: %s %s%s: %s\n", r.At.In(s.File), r.Method, message.Excerpt([]byte(r.Path), 0), more,
			expect.Describe(r))
	}
}
