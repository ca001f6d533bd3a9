package cli

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"math/rand/v2"
	"path/filepath"
	"slices"

	"runtimelab/lab"
	"runtimelab/lab/contract"
	"runtimelab/lab/engine"
	"runtimelab/lab/experiment"
	"runtimelab/lab/image"
	"runtimelab/lab/script"
)

type contractCommand struct {
	Variants []string `arg:"" optional:"" help:"Variants to examine: node/express. Default: all."`
	Seed     uint64   `help:"Seed of the random inputs. Default: drawn and said." placeholder:"N"`
	Bases    string   `help:"What images are built on: official images, stand-ins from Debian packages, or auto." default:"auto" env:"LAB_BASES"`
	JSON     bool     `help:"Print JSON." name:"json"`
}

// examined is one line of what lab contract prints.
type examined struct {
	Variant string `json:"variant"`
	Passed  bool   `json:"passed"`
	Why     string `json:"why,omitempty"` // not passed
}

// Run puts the contract and random inputs to variants, and measures nothing.
func (c *contractCommand) Run(a *app) error {
	bases, err := image.ParseMode(c.Bases)
	if err != nil {
		return err
	}
	root, library, err := a.scripts()
	if err != nil {
		return err
	}
	variants, err := c.choose(library)
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
		a.say("random inputs: seed %d", c.Seed)
		refused, err := s.examine(a.ctx, variants, library, contract.NewExam(rules, c.Seed, randomInputs, s.expected()))
		if err != nil {
			return err
		}
		return c.print(a, variants, refused)
	})
}

// choose is the variants that were named, by id.
func (c *contractCommand) choose(library *script.Library) (map[string]lab.Variant, error) {
	chosen := map[string]lab.Variant{}
	for _, id := range c.Variants {
		v, err := library.Variant(id)
		if err != nil {
			return nil, err
		}
		chosen[id] = v
	}
	if len(c.Variants) > 0 {
		return chosen, nil
	}
	for _, v := range library.Variants() {
		chosen[v.ID()] = v
	}
	return chosen, library.Err()
}

// expected is what every server of the session is given alike.
func (s *session) expected() contract.Expected {
	return contract.Expected{MemoryLimit: engine.ServerMemory, Nofile: s.nofile}
}

// examine says why variants fail an examination, by their ids.
func (s *session) examine(ctx context.Context, variants map[string]lab.Variant, library *script.Library, exam experiment.Examiner) (map[string]string, error) {
	images, missing, err := s.images(ctx, library.RuntimesOf(func(v lab.Variant) bool {
		_, wanted := variants[v.ID()]
		return wanted
	}))
	if err != nil {
		return nil, err
	}
	watched := newProgress(s.app.Err, lab.Plan{}, nil, func(string) {})
	defer watched.Close()
	e := &experiment.Experiment{
		Plan:     lab.Plan{Layout: s.layout},
		Variants: variants, Images: images, Missing: missing,
		Cells: s.cells(), Examiner: exam, Observer: watched,
	}
	return e.Examine(ctx)
}

// print tells of each variant whether it passed; one that did not is a failure.
func (c *contractCommand) print(a *app, variants map[string]lab.Variant, refused map[string]string) error {
	results := []examined{}
	failed := 0
	for _, id := range slices.Sorted(maps.Keys(variants)) {
		r := examined{Variant: id, Passed: refused[id] == "", Why: refused[id]}
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
			Code: lab.ExitFailed, Err: errors.New(plural(failed, "variant fails the contract", "variants fail the contract")),
			Hint: "what every application must do is in runtimes/README.md",
		}
	}
	return nil
}
