package cli

import (
	"encoding/json"
	"fmt"
	"io"
	"strings"
	"time"

	"runtimelab/lab"
	"runtimelab/lab/plan"
)

type planCommand struct {
	choice
	JSON bool `help:"Print JSON, as run.json will have it but for the CPUs." name:"json"`
}

// Run prints what a run of the same choice and seed does, and starts nothing.
func (c *planCommand) Run(a *app) error {
	chosen, err := c.resolve(a.ctx, a)
	if err != nil {
		return err
	}
	p, err := plan.New(chosen.profile, chosen.scenarios, chosen.seed, lab.Layout{})
	if err != nil {
		return err
	}
	if c.JSON {
		encoder := json.NewEncoder(a.Out)
		encoder.SetIndent("", "  ")
		encoder.SetEscapeHTML(false)
		if err := encoder.Encode(p); err != nil {
			return fmt.Errorf("writing the plan: %w", err)
		}
		return nil
	}
	printPlan(a.Out, p)
	return nil
}

func printPlan(w io.Writer, p lab.Plan) {
	fmt.Fprintf(w, "profile %s: %s\n", p.Profile.Name, p.Profile.About)
	fmt.Fprintf(w, "seed %d: lab run --seed %d does exactly this\n", p.Seed, p.Seed)
	fmt.Fprintf(w, "%d trials in %d blocks, at most %d repeats of disturbed ones; at worst %v, without building images and calibrating\n",
		len(p.Trials), p.Profile.Blocks, p.Repeats, plan.Duration(p).Round(time.Second))
	fmt.Fprintln(w, "\neach trial: a fresh server, then")
	for _, s := range p.Scenarios {
		fmt.Fprintf(w, "  %-12s on %s\n", s.Name, strings.Join(s.Variants, ", "))
		for i, phase := range s.Phases {
			fmt.Fprintf(w, "  %-12s   %v: %s\n", "", plan.PhaseDuration(p.Profile, phase.Kind), phases(s.Phases[i:i+1]))
		}
	}
	fmt.Fprintln(w, "\nin this order:")
	for _, t := range p.Trials {
		fmt.Fprintf(w, "  block %2d, %2d: %s on %s\n", t.Block, t.Position, t.Scenario, t.Variant)
	}
}
