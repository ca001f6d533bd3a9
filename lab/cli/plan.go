package cli

import (
	"fmt"
	"io"
	"path/filepath"
	"slices"
	"strings"
	"time"

	"runtimelab/lab"
	"runtimelab/lab/plan"
)

type planCommand struct {
	planFlags
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
	printPlan(a.Out, p, readNoiseHistory(filepath.Join(chosen.checkout, "results")))
	return nil
}

func printPlan(w io.Writer, p lab.Plan, seen noiseHistory) {
	fmt.Fprintf(w, "profile %s: %s\n", p.Profile.Name, p.Profile.About)
	fmt.Fprintf(w, "seed %d: lab run --seed %d does exactly this\n", p.Seed, p.Seed)
	fmt.Fprintf(w,
		"%s in %s, at most %s of disturbed ones;\nabout %v, at worst %v, without building images and calibrating\n",
		plural(len(p.Trials), "trial", "trials"), plural(p.Profile.Blocks, "block", "blocks"), plural(p.MaxRepeats,
			"repeat", "repeats"),
		plan.ExpectedDuration(p).Round(time.Second), plan.WorstDuration(p).Round(time.Second))
	printHypotheses(w, p, seen)
	printPilots(w, p)
	fmt.Fprintln(w, "\neach trial: a fresh server, then")
	for _, s := range p.Scenarios {
		printScenario(w, p, s)
	}
	fmt.Fprintln(w, "\nin this order:")
	for _, t := range p.Trials {
		fmt.Fprintf(w, "  block %2d, %2d: %s\n", t.Block, t.Position, trialText(t))
	}
}

// trialText is a trial in a few words: "json on node/single: peak".
func trialText(t lab.Trial) string {
	text := t.Scenario + " on " + t.Variant
	if t.Cores > 1 {
		text += fmt.Sprintf(", %d CPUs", t.Cores)
	}
	if len(t.Phases) > 0 {
		text += ": " + strings.Join(t.Phases, ", ")
	}
	return text
}

// printHypotheses says of each claim how many blocks it has, the smallest effect
// that they find, and what it takes of the run's time.
func printHypotheses(w io.Writer, p lab.Plan, seen noiseHistory) {
	if len(p.Hypotheses) == 0 {
		fmt.Fprintln(w, "\nno hypothesis is tested")
		return
	}
	fmt.Fprintf(w,
		"\nclaims, each hypothesis by %s; the effect beyond its margin that they find with a power of %.0f%%:\n",
		plural(p.Profile.Blocks, "block", "blocks"), 100*targetPower)
	for _, claim := range claimsOf(p.Hypotheses) {
		own := slices.DeleteFunc(slices.Clone(p.Hypotheses),
			func(h lab.Hypothesis) bool { return h.Claim != claim })
		fmt.Fprintf(w, "  %s: about %v\n", claim, hypothesesTime(p, own).Round(time.Second))
		for _, h := range own {
			fmt.Fprintf(w, "    %s (margin %.4g%%)\n      %s\n", h.ID(), 100*h.Margin,
				seen.detectable(h, p.Profile.Blocks, len(p.Hypotheses)))
		}
	}
	for _, c := range p.Controls {
		fmt.Fprintf(w, "  control, %s: %s of %s over %s is %.4g\n", c.Name, c.Hypothesis.Metric,
			c.Hypothesis.Numerator, c.Hypothesis.Denominator, c.ExpectedRatio)
	}
	if n := len(p.UntestedHypotheses); n > 0 {
		fmt.Fprintf(w, "  not tested: %s, of %s\n", plural(n, "hypothesis", "hypotheses"),
			strings.Join(claimsOf(p.UntestedHypotheses), ", "))
	}
}

// hypothesesTime is the time of the trials that hypotheses compare, all blocks together.
func hypothesesTime(p lab.Plan, hypotheses []lab.Hypothesis) (sum time.Duration) {
	for _, t := range p.Trials {
		if slices.ContainsFunc(hypotheses, func(h lab.Hypothesis) bool {
			return h.Scenario == t.Scenario && slices.ContainsFunc(h.Arms(),
				func(a lab.Arm) bool { return a.Variant == t.Variant && a.Cores == t.Cores })
		}) {
			sum += plan.ExpectedTrialDuration(p, t)
		}
	}
	return sum
}

func printPilots(w io.Writer, p lab.Plan) {
	if len(p.Pilots) == 0 {
		return
	}
	fmt.Fprintf(w,
		"\npilots, before the trials, for rates that are shares of a peak; %d to find, each at most %v:\n",
		plan.PendingPilots(p), plan.WorstPilotDuration(p.Profile).Round(time.Second))
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
	fmt.Fprintf(w, "  %-18s   at most %v", "", plan.WorstScenarioDuration(p.Profile, s).Round(time.Second))
	if text := cpusText(s); text != "" {
		fmt.Fprintf(w, "; %s", text)
	}
	if s.Upstream {
		fmt.Fprint(w, "; with an upstream")
	}
	fmt.Fprintln(w)
	for _, ph := range s.Phases {
		fmt.Fprintf(w, "  %-18s   %v: %s\n", "", plan.PhaseDuration(p.Profile, ph.Kind), phaseText(ph))
		if ph.Kind == lab.Peak {
			fmt.Fprintf(w, "  %-18s   %v: %s on twice as many, where that does not saturate the server\n", "",
				plan.DoubleConnectionsDuration(plan.PhaseDuration(p.Profile, ph.Kind)), ph.Name)
		}
	}
}
