package cli

import (
	"errors"
	"fmt"
	"maps"
	"math/rand/v2"
	"path/filepath"
	"slices"

	"runtimelab/lab"
	"runtimelab/lab/contract"
	"runtimelab/lab/engine"
	"runtimelab/lab/image"
	"runtimelab/lab/script"
)

type contractCommand struct {
	Variants []string `arg:"" optional:"" help:"Variants to examine: node/express. Default: all, or the scenarios' variants."`
	Scenario []string `help:"Also ask what a scenario asks, as a run does before it measures. Repeatable." placeholder:"NAME"`
	Seed     uint64   `help:"Seed of the random inputs. Default: drawn and said." placeholder:"N"`
	Bases    string   `help:"What images are built on: official images, stand-ins from Debian packages, or auto." default:"auto" env:"LAB_BASES"`
	JSON     bool     `help:"Print JSON." name:"json"`
}

// contractResult is one line of what lab contract prints.
type contractResult struct {
	Variant string `json:"variant"`
	Passed  bool   `json:"passed"`
	Why     string `json:"why,omitempty"` // not passed
}

// Run checks variants against the contract and random inputs, and what scenarios ask
// of them where they are named, and measures nothing.
func (c *contractCommand) Run(a *app) error {
	bases, err := image.ParseBaseMode(c.Bases)
	if err != nil {
		return err
	}
	root, library, err := a.loadScripts()
	if err != nil {
		return err
	}
	scenarios, err := c.scenarios(library)
	if err != nil {
		return err
	}
	variants, err := c.choose(library, scenarios)
	if err != nil {
		return err
	}
	rules, err := contract.Load(filepath.Join(root, "runtimes", "contract.json"))
	if err != nil {
		return err
	}
	if c.Seed == 0 {
		c.Seed = rand.Uint64() >> 11 // a number that every JSON reader keeps exactly
	}
	return a.inSession(a.ctx, bases, func(s *session) error {
		a.messagef("random inputs: seed %d", c.Seed)
		exam := contract.NewSuite(rules, c.Seed, randomInputs, s.expected())
		refused, err := s.checkContract(a.ctx, variants, scenarios, library, exam)
		if refused == nil {
			return err
		}
		return errors.Join(err, c.print(a, variants, refused))
	})
}

// scenarios are those that were named; without a name, none.
func (c *contractCommand) scenarios(library *script.Library) ([]lab.Scenario, error) {
	if len(c.Scenario) == 0 {
		return nil, nil
	}
	return library.Select(c.Scenario...)
}

// choose is the variants that were named or that scenarios run on, by id; without
// either, all.
func (c *contractCommand) choose(
	library *script.Library, scenarios []lab.Scenario,
) (map[string]lab.Variant, error) {
	chosen := map[string]lab.Variant{}
	named := slices.Clone(c.Variants)
	for _, s := range scenarios {
		for _, id := range s.Variants {
			if len(c.Variants) == 0 {
				named = append(named, lab.OriginalOf(id))
			}
		}
	}
	for _, id := range named {
		v, err := library.Variant(id)
		if err != nil {
			return nil, err
		}
		chosen[id] = v
	}
	if len(named) > 0 {
		return chosen, nil
	}
	for _, v := range library.Variants() {
		chosen[v.ID()] = v
	}
	return chosen, library.Err()
}

// expected is what every server of the session is given alike.
func (s *session) expected() contract.ExpectedIdentity {
	return contract.ExpectedIdentity{MemoryLimit: engine.ServerMemory, Nofile: s.nofile}
}

// print tells of each variant whether it passed; one that did not is a failure.
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
		for _, r := range results {
			if r.Passed {
				fmt.Fprintf(a.Out, "%-24s passed\n", r.Variant)
			} else {
				fmt.Fprintf(a.Out, "%-24s FAILED: %s\n", r.Variant, r.Why)
			}
		}
	}
	if failed > 0 {
		return &lab.Fault{
			Code: lab.ExitFailed, Err: errors.New(plural(failed, "variant fails the contract",
				"variants fail the contract")),
			Hint: "what every application must do is in runtimes/README.md",
		}
	}
	return nil
}
