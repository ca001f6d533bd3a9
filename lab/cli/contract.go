package cli

import (
	"errors"
	"fmt"
	"maps"
	"path/filepath"
	"slices"

	"runtimelab/lab"
	"runtimelab/lab/contract"
	"runtimelab/lab/engine"
	"runtimelab/lab/fault"
	"runtimelab/lab/image"
	"runtimelab/lab/message"
	"runtimelab/lab/script"
	"runtimelab/lab/table"
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
	root, library, err := a.loadScripts()
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
	rules, err := contract.Load(filepath.Join(root, "runtimes", "contract.json"))
	if err != nil {
		return err
	}
	if c.Seed == 0 {
		c.Seed = randomSeed()
	}
	return a.inSession(a.ctx, bases, func(s *session) error {
		a.messagef("random inputs: seed %d", c.Seed)
		suite := contract.NewSuite(rules, c.Seed, randomInputs, s.expectedIdentity())
		refused, err := s.checkContract(a.ctx, variants, scenarios, library, suite)
		if refused == nil {
			return err
		}
		return errors.Join(err, c.print(a, variants, refused))
	})
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

// expectedIdentity returns the limits that every server of the session gets, and must
// report in its identity.
func (s *session) expectedIdentity() contract.ExpectedIdentity {
	return contract.ExpectedIdentity{MemoryLimit: engine.ServerMemory, Nofile: s.nofile}
}

// print prints for each variant whether it passed. It returns an error if one did not;
// refused has the reasons by variant id.
func (c *contractCommand) print(a *app, variants map[string]lab.Variant, refused map[string]string) error {
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
