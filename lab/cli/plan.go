package cli

import (
	"fmt"
	"io"
	"math"
	"slices"
	"strings"
	"time"

	"runtimelab/lab"
	"runtimelab/lab/archive"
	"runtimelab/lab/calibrate"
	"runtimelab/lab/message"
	"runtimelab/lab/plan"
	"runtimelab/lab/record"
	"runtimelab/lab/report"
	"runtimelab/lab/stat"
	"runtimelab/lab/table"
)

type planCommand struct {
	planFlags
	JSON bool `help:"Print JSON, as in run.json but without the CPUs." name:"json"`
}

// Run prints the plan of a run with the same flags and seed. It needs no engine.
func (c *planCommand) Run(a *app) error {
	setup, err := c.resolve(a.ctx, a)
	if err != nil {
		return err
	}
	p, err := setup.newPlan(setup.scenarios, lab.Layout{})
	if err != nil {
		return err
	}
	if c.JSON {
		return a.printJSON(p)
	}
	printPlan(a.Out, p, readNoiseHistory(setup.resultsDir(), p.Generator))
	return nil
}

func printPlan(w io.Writer, p lab.Plan, history noiseHistory) {
	fmt.Fprintf(w, "profile %s: %s\n", p.Profile.Name, p.Profile.About)
	fmt.Fprintf(w, "seed %d: lab run with the same arguments and --seed %d does exactly this\n", p.Seed, p.Seed)
	fmt.Fprintf(w, "generator %s\n", p.Generator)
	fmt.Fprintf(w, "%s in %s, and at most %s of disturbed trials;\n",
		message.Count(len(p.Trials), "trial", "trials"), message.Count(p.Profile.Blocks, "block", "blocks"),
		message.Count(p.MaxRepeats, "repeat", "repeats"))
	fmt.Fprintf(w, "about %v, at worst %v, without building images and calibrating\n",
		plan.ExpectedDuration(p).Round(time.Second), plan.WorstDuration(p).Round(time.Second))
	printTests(w, p, history)
	printPilots(w, p)
	fmt.Fprintln(w, "\neach trial: a fresh server, then")
	scenarios := table.Text{Indent: "  ", Columns: []table.Column{{MinWidth: scenarioWidth}}}
	for _, s := range p.Scenarios {
		addScenario(&scenarios, p, s)
	}
	fmt.Fprint(w, scenarios.String())
	printServiceCPUs(w, p)
	fmt.Fprintln(w, "\nin this order:")
	for _, t := range p.Trials {
		fmt.Fprintf(w, "  block %2d, %2d: %s\n", t.Block, t.Position, trialText(t))
	}
}

// printServiceCPUs prints the rule that gives the services of the plan their CPUs. The CPUs themselves
// are known once the engine's machine is: the run prints them.
func printServiceCPUs(w io.Writer, p lab.Plan) {
	var names []string
	for _, s := range p.Scenarios {
		for _, name := range s.Services {
			if !slices.Contains(names, name) {
				names = append(names, name)
			}
		}
	}
	if len(names) > 0 {
		fmt.Fprintf(w, "\nCPUs: generator and lab on one, the server on others; services on their own where the "+
			"engine's\nmachine has more, else beside the generator: %s\n", strings.Join(names, ", "))
	}
}

// trialText describes a trial: "json on node/single, 2 CPUs: peak".
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

// printTests prints for each claim the time that it takes, its hypotheses with the smallest
// effect that each detects, and its promises with what they can show.
func printTests(w io.Writer, p lab.Plan, history noiseHistory) {
	if len(p.Hypotheses)+len(p.Promises) == 0 {
		fmt.Fprintln(w, "\nno hypothesis is tested")
		return
	}
	for _, g := range testedClaims(p) {
		fmt.Fprintf(w, "\n%s, tested with %s, and the smallest effect beyond the margin that each hypothesis "+
			"detects with a power of %.0f%%:\n", g.Heading("claims"),
			message.Count(p.Profile.Blocks, "block", "blocks"), 100*targetPower)
		for _, claim := range g.Claims {
			hypotheses := slices.DeleteFunc(slices.Clone(p.Hypotheses),
				func(h lab.Hypothesis) bool { return h.Claim != claim.ID })
			promises := slices.DeleteFunc(slices.Clone(p.Promises),
				func(p lab.Promise) bool { return p.Claim != claim.ID })
			fmt.Fprintf(w, "  %s: about %v\n", claim.ID,
				testsTime(p, lab.Tests(hypotheses, promises)).Round(time.Second))
			for _, h := range hypotheses {
				fmt.Fprintf(w, "    %s (margin %.4g%%)\n      %s\n", h.ID(), 100*h.Margin,
					history.detectableText(h, p.Profile.Blocks, len(p.Hypotheses)))
			}
			for _, promise := range promises {
				fmt.Fprintf(w, "    %s\n      %s\n", promise.ID(), promisePowerText(p.Profile.Blocks))
			}
		}
	}
	for _, c := range p.Controls {
		fmt.Fprintf(w, "  control, %s: %s of %s over %s is %.4g\n", c.Name, c.Hypothesis.Metric,
			c.Hypothesis.Numerator, c.Hypothesis.Denominator, c.ExpectedRatio)
	}
	if n := len(p.UntestedHypotheses); n > 0 {
		fmt.Fprintf(w, "  not tested: %s, of %s\n", message.Count(n, "hypothesis", "hypotheses"),
			strings.Join(lab.ClaimsOf(lab.Tests(p.UntestedHypotheses, nil)), ", "))
	}
	if n := len(p.UntestedPromises); n > 0 {
		fmt.Fprintf(w, "  not tested: %s, of %s\n", message.Count(n, "promise", "promises"),
			strings.Join(lab.ClaimsOf(lab.Tests(nil, p.UntestedPromises)), ", "))
	}
}

// promisePowerText describes what a promise that all of n trials keep shows, and how often n
// trials all keep one that a share of trials keeps.
func promisePowerText(n int) string {
	var chances []string
	for _, share := range keptShares {
		chances = append(chances, fmt.Sprintf("%.0f%% of trials: %.0f%%", 100*share,
			100*math.Pow(share, float64(n))))
	}
	return fmt.Sprintf("%s kept show at least %.0f%%; the chance that a promise is found kept if it is in %s",
		message.Count(n, "trial", "trials"), math.Floor(100*stat.ShareAtLeast(n, n, 1-lab.PromiseConfidence)),
		strings.Join(chances, ", "))
}

// keptShares are shares of trials that keep a promise, for which plans and simulations say
// how often it is found kept.
var keptShares = []float64{0.99, 0.95, 0.9, 0.7}

// testedClaims returns the claims that the plan tests by collection, in the order of the
// tests. The name of a collection stands also where all tested claims are of the same one,
// but others are not.
func testedClaims(p lab.Plan) (groups []lab.ClaimGroup) {
	all := lab.GroupClaims(p.Claims)
	for _, id := range lab.ClaimsOf(lab.Tests(p.Hypotheses, p.Promises)) {
		group, claim := lab.ClaimGroup{}, lab.Claim{ID: id} // a plan of an earlier lab has no claims
		if i := slices.IndexFunc(all, func(g lab.ClaimGroup) bool { return g.Has(id) }); i >= 0 {
			group.Collection = all[i].Collection
		}
		i := slices.IndexFunc(groups, func(g lab.ClaimGroup) bool { return g.Collection == group.Collection })
		if i < 0 {
			i = len(groups)
			groups = append(groups, group)
		}
		groups[i].Claims = append(groups[i].Claims, claim)
	}
	return groups
}

// testsTime returns the expected time of the trials that tests need, in all blocks together.
func testsTime(p lab.Plan, tests []lab.Test) (sum time.Duration) {
	for _, t := range p.Trials {
		if slices.ContainsFunc(tests, func(test lab.Test) bool {
			return test.Scenario == t.Scenario && slices.ContainsFunc(test.Arms,
				func(a lab.Arm) bool { return a.Variant == t.Variant && a.Cores == t.Cores })
		}) {
			sum += plan.ExpectedTrialDuration(p, t)
		}
	}
	return sum
}

// printPilots prints the pilots of a plan, with the peaks that are known.
func printPilots(w io.Writer, p lab.Plan) {
	if len(p.Pilots) == 0 {
		return
	}
	fmt.Fprintf(w,
		"\npilots, before the trials, for rates that are shares of a peak; %d to measure, each at most %v:\n",
		plan.PendingPilots(p), plan.WorstPilotDuration(p.Profile).Round(time.Second))
	t := table.Text{
		Indent: "  ", Columns: []table.Column{{MinWidth: scenarioWidth}, {MinWidth: variantWidth}},
	}
	for _, pilot := range p.Pilots {
		peak := "to be measured"
		if pilot.PeakRPS > 0 {
			peak = fmt.Sprintf("%.0f req/s, measured before", pilot.PeakRPS)
		}
		t.Row(pilot.Scenario, pilot.Variant, peak)
	}
	fmt.Fprint(w, t.String())
}

// addScenario adds the phases of a scenario with their durations to a table.
func addScenario(t *table.Text, p lab.Plan, s lab.Scenario) {
	t.Row(s.Name, "on "+strings.Join(s.Variants, ", "))
	for _, v := range s.LeftOut {
		t.Row("", "  left out: "+v.String())
	}
	limits := fmt.Sprintf("  at most %v", plan.WorstScenarioDuration(p.Profile, s).Round(time.Second))
	if text := cpusText(s); text != "" {
		limits += "; " + text
	}
	if text := servicesText(s); text != "" {
		limits += "; " + text
	}
	t.Row("", limits)
	for _, ph := range s.Phases {
		lasts := plan.PhaseDuration(p.Profile, ph.Kind)
		t.Row("", fmt.Sprintf("  %v: %s", lasts, phaseText(ph)))
		if doubled := plan.DoubleConnectionsDuration(ph.Kind, lasts); doubled > 0 {
			t.Row("", fmt.Sprintf("  %v: %s on twice as many, if the first peak does not saturate the server",
				doubled, ph.Name))
		}
	}
}

// targetPower is the probability with which a detectable effect is found: Cohen's
// convention ("Statistical Power Analysis for the Behavioral Sciences", 1988).
const targetPower = 0.8

// noiseHistory holds earlier measurements of how much the log ratios of hypotheses vary
// between blocks on this host.
type noiseHistory struct {
	runs []*record.StoredRun // earlier runs, newest first
	// Standard deviation of the log ratio of two trials of one reference server; 0: unknown.
	bestSD float64
}

// readNoiseHistory reads the runs of a results folder and the newest full calibration, both of one
// generator.
func readNoiseHistory(results string, generator lab.Generator) (h noiseHistory) {
	h.runs = slices.DeleteFunc(archive.NewestRuns(results),
		func(r *record.StoredRun) bool { return r.Info.Plan.Generator != generator })
	store, err := calibrate.UserStore()
	if err != nil {
		return h // without a folder for calibrations there is no calibration
	}
	if c, ok := store.NewestFull(generator); ok {
		h.bestSD = math.Sqrt2 * c.TrialCV
	}
	return h
}

// detectableText describes the smallest effect that one of several hypotheses detects in
// a number of blocks. It uses the variation of its log ratios in the newest run that has
// enough blocks, or that of a reference server.
func (s noiseHistory) detectableText(h lab.Hypothesis, blocks, hypotheses int) string {
	percent := func(sd float64) string {
		alpha := lab.Alpha / float64(hypotheses)
		effect := 100 * (math.Exp(stat.DetectableEffect(blocks, sd, alpha, targetPower)) - 1)
		return report.FormatDigits(effect) + "%"
	}
	if noise, ok := archive.NoiseOf(h, s.runs); ok {
		return fmt.Sprintf("detects %s or more: the ratio varied by %s%% between the %d blocks of %s",
			percent(noise.SD), report.FormatDigits(100*noise.SD), noise.Blocks, noise.RunID)
	}
	if s.bestSD == 0 {
		return "detectable effect unknown: no run in results/ compares these, and this host is not calibrated"
	}
	return fmt.Sprintf("detects %s at best: no run in results/ compares these, and two trials of a "+
		"reference server vary by %s%% here", percent(s.bestSD), report.FormatDigits(100*s.bestSD))
}
