package cli

import (
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
	p, err := chosen.plan(chosen.scenarios, lab.Layout{})
	if err != nil {
		return err
	}
	if c.JSON {
		return a.printJSON(p)
	}
	printPlan(a.Out, p)
	return nil
}

func printPlan(w io.Writer, p lab.Plan) {
	fmt.Fprintf(w, "profile %s: %s\n", p.Profile.Name, p.Profile.About)
	fmt.Fprintf(w, "seed %d: lab run --seed %d does exactly this\n", p.Seed, p.Seed)
	fmt.Fprintf(w, "%s in %s, at most %s of disturbed ones; at worst %v, without building images and calibrating\n",
		plural(len(p.Trials), "trial", "trials"), plural(p.Profile.Blocks, "block", "blocks"), plural(p.Repeats, "repeat", "repeats"),
		plan.Duration(p).Round(time.Second))
	printPilots(w, p)
	fmt.Fprintln(w, "\neach trial: a fresh server, then")
	for _, s := range p.Scenarios {
		printScenario(w, p, s)
	}
	fmt.Fprintln(w, "\nin this order:")
	for _, t := range p.Trials {
		fmt.Fprintf(w, "  block %2d, %2d: %s on %s\n", t.Block, t.Position, t.Scenario, t.Variant)
	}
}

func printPilots(w io.Writer, p lab.Plan) {
	if len(p.Pilots) == 0 {
		return
	}
	fmt.Fprintf(w, "\npilots, before the trials, for rates that are shares of a peak; %d to find, each at most %v:\n",
		plan.PilotsToFind(p), plan.PilotDuration(p.Profile).Round(time.Second))
	for _, pilot := range p.Pilots {
		found := "to be found"
		if pilot.PeakRPS > 0 {
			found = fmt.Sprintf("%.0f req/s, found before", pilot.PeakRPS)
		}
		fmt.Fprintf(w, "  %-18s %-30s %s\n", pilot.Scenario, pilot.Variant, found)
	}
}

func printScenario(w io.Writer, p lab.Plan, s lab.Scenario) {
	fmt.Fprintf(w, "  %-18s on %s\n", s.Name, strings.Join(s.Variants, ", "))
	fmt.Fprintf(w, "  %-18s   at most %v", "", plan.ScenarioDuration(p.Profile, s).Round(time.Second))
	if text := cores(s); text != "" {
		fmt.Fprintf(w, "; %s", text)
	}
	if s.Upstream {
		fmt.Fprint(w, "; with an upstream")
	}
	fmt.Fprintln(w)
	for _, ph := range s.Phases {
		fmt.Fprintf(w, "  %-18s   %v: %s\n", "", plan.PhaseDuration(p.Profile, ph.Kind), phase(ph))
		if ph.Kind == lab.Peak {
			fmt.Fprintf(w, "  %-18s   %v: %s on twice as many, where that does not saturate the server\n", "",
				plan.Doubled(plan.PhaseDuration(p.Profile, ph.Kind)), ph.Name)
		}
	}
	for _, h := range s.Hypotheses {
		fmt.Fprintf(w, "  %-18s   %s: %s of %s over %s is %s (margin %.4g%%)\n", "", h.Claim, h.Metric, h.Numerator, h.Denominator, h.Direction, 100*h.Margin)
	}
}
