package report_test

import (
	"encoding/json"
	"math"
	"slices"
	"strings"
	"testing"
	"unicode/utf8"

	"runtimelab/lab"
	"runtimelab/lab/metric"
	"runtimelab/lab/report"
)

// noiseFactors are the deviations of six trials, in the logarithm of a figure.
var noiseFactors = [6]float64{0.004, -0.006, 0.002, 0.005, -0.003, -0.002}

// sixRows returns valid rows of one metric in six blocks, around value, with noise times
// noiseFactors.
func sixRows(
	scenario, variant, phase string, cpus int64, name string, value, noise float64,
) (rows []metric.Row) {
	for b := range int64(6) {
		deviation := noise * noiseFactors[(int(b)+len(variant)+len(phase))%6]
		r := row(variant, b+1, lab.Peak, lab.Valid, map[string]float64{name: value * math.Exp(deviation)})
		r["scenario"] = metric.Text(scenario)
		inPhase(r, phase)
		r["server_cpus"], r["attempt"] = metric.Int(cpus), metric.Int(1)
		rows = append(rows, r)
	}
	return rows
}

// throughput returns sixRows of throughput_rps, with little noise.
func throughput(scenario, variant, phase string, cpus int64, rps float64) []metric.Row {
	return sixRows(scenario, variant, phase, cpus, "throughput_rps", rps, 1)
}

func arm(variant, phase string) lab.Arm { return lab.Arm{Variant: variant, Phase: phase, Cores: 1} }

func hypothesis(claim, scenario, name string, d lab.Direction, a, b lab.Arm) lab.Hypothesis {
	return lab.Hypothesis{
		Scenario: scenario, Profile: "quick", Claim: claim, Metric: name, Direction: d,
		Margin: 0.05, Numerator: a, Denominator: b,
	}
}

// fullRun returns a run with every verdict, and every form of a sentence about one.
func fullRun() (lab.Plan, []metric.Row) {
	const n, p = "node/single", "python/uvloop"
	on := func(a lab.Arm, cpus int) lab.Arm { a.Cores = cpus; return a }
	up := func(variant string) lab.Arm {
		a, over := on(arm(variant, "peak"), 2), arm(variant, "peak")
		a.Over = &over
		return a
	}
	needsStandard := hypothesis("speed-1", "json", "latency_p99_ms", lab.Lower,
		arm(n, "steady"), arm(p, "steady"))
	needsStandard.Profile = "standard"
	needsFull := hypothesis("scale-3", "overload", "goodput_rps", lab.NotLower, arm(n, "steady-120%"),
		arm(n, "steady-100%"))
	needsFull.Profile = "full"
	speedUp := hypothesis("scale-1", "scaling", "throughput_rps", lab.NotLower,
		on(arm("node/cluster", "peak"), 2), arm("node/cluster", "peak"))
	speedUp.Margin = 0.3
	plan := lab.Plan{
		Profile: lab.Profile{Name: "quick", Blocks: 6},
		Hypotheses: []lab.Hypothesis{
			hypothesis("speed-1", "json", "throughput_rps", lab.Higher, arm(n, "peak"), arm(p, "peak")),
			hypothesis("speed-1", "json", "throughput_rps", lab.Higher, arm("node/express", "peak"),
				arm("python/fastapi", "peak")),
			hypothesis("arch-2", "parallel", "throughput_rps", lab.Higher,
				on(arm("node/worker-threads", "ladder-integers-2"), 2),
				on(arm("node/worker-threads", "ladder-integers-1"), 2)),
			hypothesis("arch-3", "compute-integers", "cpu_us_per_request", lab.Higher,
				arm(p, "ladder"), arm(n, "ladder")),
			hypothesis("arch-3", "compute-text", "cpu_us_per_request", lab.Higher,
				arm(p, "ladder"), arm(n, "ladder")),
			hypothesis("arch-4", "parallel", "throughput_rps", lab.NotHigher,
				on(arm("python/threads", "ladder-integers-2"), 2), on(arm("python/threads", "ladder-integers-1"), 2)),
			hypothesis("speed-3", "callbacks", "throughput_rps", lab.Higher, arm(n, "peak-chained"),
				arm(p, "peak-chained")),
			speedUp,
			hypothesis("scale-4", "scaling", "throughput_rps", lab.Higher, up("node/cluster"), up("python/threads")),
		},
		UntestedHypotheses: []lab.Hypothesis{needsStandard, needsFull},
		Controls: []lab.Control{
			{
				Name: "A/A", ExpectedRatio: 1,
				Hypothesis: hypothesis("", "json", "throughput_rps", lab.Same,
					arm(n, "peak"), arm(lab.TwinOf(n), "peak")),
			},
			{
				Name: "known ratio", ExpectedRatio: lab.ReferenceRatio,
				Hypothesis: hypothesis("", lab.ReferenceScenario, "throughput_rps", lab.Same,
					arm(lab.LightReference, "peak"), arm(lab.HeavyReference, "peak")),
			},
		},
	}
	bounds := censored(throughput("callbacks", n, "peak-chained", 1, 2000))
	for _, r := range bounds {
		withReason(r, "generator: at 97 % of its ceiling")
	}
	rows := slices.Concat(
		throughput("json", n, "peak", 1, 65000),
		throughput("json", lab.TwinOf(n), "peak", 1, 65000),
		throughput("json", p, "peak", 1, 45000),
		throughput("json", "node/express", "peak", 1, 10000),
		throughput("json", "python/fastapi", "peak", 1, 10000),
		throughput("parallel", "node/worker-threads", "ladder-integers-1", 2, 20),
		throughput("parallel", "node/worker-threads", "ladder-integers-2", 2, 39),
		throughput("parallel", "python/threads", "ladder-integers-1", 2, 2),
		throughput("parallel", "python/threads", "ladder-integers-2", 2, 1.7),
		sixRows("compute-integers", n, "ladder", 1, "cpu_us_per_request", 900, 1),
		sixRows("compute-integers", p, "ladder", 1, "cpu_us_per_request", 30000, 1),
		sixRows("compute-text", n, "ladder", 1, "cpu_us_per_request", 1000, 1),
		sixRows("compute-text", p, "ladder", 1, "cpu_us_per_request", 1200, 40),
		bounds,
		throughput("callbacks", p, "peak-chained", 1, 300),
		throughput("scaling", "node/cluster", "peak", 1, 50),
		throughput("scaling", "node/cluster", "peak", 2, 90),
		throughput("scaling", "python/threads", "peak", 1, 3),
		throughput("scaling", "python/threads", "peak", 2, 3),
		throughput(lab.BurnScenario, lab.BurnVariant, "peak", 1, 200),
		throughput(lab.BurnScenario, lab.BurnVariant, "peak", 2, 390),
		throughput(lab.ReferenceScenario, lab.LightReference, "peak", 1, 220),
		throughput(lab.ReferenceScenario, lab.HeavyReference, "peak", 1, 200),
	)
	for _, r := range rows {
		if rps, ok := r.Float("throughput_rps"); ok && r.Text("scenario") == lab.ReferenceScenario {
			r["service_mean_ms"] = metric.Number(1000 / rps)
		}
	}
	return withClaims(plan), rows
}

func TestClaimsGolden(t *testing.T) {
	plan, rows := fullRun()
	r := reportOf(plan, rows)
	golden(t, "claims.txt", r.FullText())
	golden(t, "claims.md", r.Markdown())

	for _, row := range rows {
		if row.Text("variant") == lab.TwinOf("node/single") {
			rps, _ := row.Float("throughput_rps")
			row["throughput_rps"] = metric.Number(0.8 * rps)
		}
	}
	r = reportOf(plan, rows)
	golden(t, "control-failed.txt", r.FullText())
	for line := range strings.Lines(r.FullText()) {
		if n := utf8.RuneCountInString(strings.TrimSuffix(line, "\n")); n > 100 {
			t.Errorf("%d characters: %q", n, line)
		}
	}
}

func TestControlsAndTwinsHaveNoFigures(t *testing.T) {
	_, rows := fullRun()
	for _, s := range reportOf(lab.Plan{}, rows).Figures {
		if s.Scenario == lab.ReferenceScenario || s.Scenario == lab.BurnScenario {
			t.Errorf("%s has a section", s.Scenario)
		}
		for _, l := range s.Lines {
			if strings.Contains(l.Variant, "~") {
				t.Errorf("%s has a line", l.Variant)
			}
		}
	}
}

func TestEachNumberOfCPUsHasASection(t *testing.T) {
	s := reportOf(lab.Plan{}, slices.Concat(
		sixRows("scaling", "a", "peak", 2, "throughput_rps", 90, 0),
		sixRows("scaling", "a", "peak", 1, "throughput_rps", 50, 0),
		sixRows("json", "a", "peak", 2, "throughput_rps", 7, 0))).Figures
	if len(s) != 3 || s[0].CPUs != 1 || s[0].Lines[0].Served.Median != 50 ||
		s[1].CPUs != 2 || s[1].Lines[0].Served.Median != 90 || s[2].CPUs != 0 {
		t.Errorf("%+v", s)
	}
}

func TestASearchHasASectionRankedByCapacity(t *testing.T) {
	search := row("a", 1, "capacity", lab.Valid,
		map[string]float64{"capacity_rps": 800, "throughput_rps": 799, "offered_rps": 800, "latency_p99_ms": 9})
	r := reportOf(lab.Plan{}, []metric.Row{peak("a", 1, lab.Valid, 1000), steady("a", 1, lab.Valid, 1), search})
	s := r.Figures
	if len(s) != 2 || s[0].ClosedPhase != "peak" || s[0].OpenPhase != "steady" ||
		s[1].Lines[0].Served.Median != 800 || s[1].Lines[0].P99MS.Median != 9 {
		t.Errorf("%+v", s)
	}
	want := "json: highest offered rate that kept the SLO (capacity), p50 and p99 at that rate"
	if !strings.Contains(r.FullText(), want) {
		t.Errorf("%q is not in\n%s", want, r.FullText())
	}
}

func TestReportSaysWhyNoClaimWasTested(t *testing.T) {
	plan, rows := fullRun()
	untested := plan
	untested.UntestedHypotheses, untested.Hypotheses = plan.Hypotheses, nil
	smoke := plan
	smoke.Profile.Name, smoke.Profile.Blocks, smoke.Controls = "smoke", 1, nil
	for want, p := range map[string]lab.Plan{
		"No claim was tested: the plan of this run has no hypotheses.":       {},
		"No claim was tested: this run tests none of the plan's hypotheses.": untested,
		"No claim was tested: smoke compares nothing.":                       smoke,
	} {
		r := reportOf(p, rows)
		for form, text := range map[string]string{"text": r.FullText(), "Markdown": r.Markdown()} {
			if !strings.Contains(text, want) || strings.Contains(text, "Claims:") || !strings.Contains(text, "65000") {
				t.Errorf("%s: %q is not in\n%s", form, want, text)
			}
		}
	}
}

// Claims of several collections have headings of their own; the intervals are those of all.
func TestClaimsOfSeveralCollectionsHaveHeadings(t *testing.T) {
	plan, rows := fullRun()
	mine := hypothesis("mine", "json", "throughput_rps", lab.Higher,
		arm("node/single", "peak"), arm("node/express", "peak"))
	plan.Hypotheses = append(slices.Clone(plan.Hypotheses), mine)
	plan.Claims = slices.Clone(plan.Claims)
	for i := range plan.Claims {
		plan.Claims[i].Collection = "the article"
	}
	plan.Claims = append(plan.Claims,
		lab.Claim{ID: "mine", Statement: "Mine is faster.", Collection: "your own"},
		lab.Claim{ID: "later", Statement: "It is smaller.", Lacks: "needs a scale", Collection: "your own"})
	plan.UntestableTopics = []lab.UntestableTopic{
		{Topic: "community", Reason: "people", Collection: "the article"},
		{Topic: "taste", Reason: "nobody knows", Collection: "your own"},
	}
	r := reportOf(plan, rows)
	text := strings.Join(strings.Fields(r.FullText()), " ")
	at := 0
	for _, want := range []string{
		"Claims of the article: 6 of 15 decided. Intervals: 95 %, by Holm's procedure over 10 hypotheses",
		"speed-1 depends", "Claims of your own: 1 of 2 decided mine supported Mine is faster.",
		"Not evaluated of the article", "no load can test: community (people)",
		"Not evaluated of your own later: needs a scale no load can test: taste (nobody knows)",
	} {
		found := strings.Index(text[at:], want)
		if found < 0 {
			t.Fatalf("%q does not follow in\n%s", want, r.FullText())
		}
		at += found
	}
	if c := r.Claims[15]; c.ID != "mine" || c.Collection != "your own" {
		t.Errorf("%+v", c)
	}

	// A run that tests only one's own claims begins with them.
	plan.Hypotheses = []lab.Hypothesis{mine}
	text = reportOf(plan, rows).FullText()
	const heading = "\nClaims of your own: 1 of 2 decided. Intervals: 95 %, by Holm's procedure over 1 h"
	if strings.Contains(text, "Claims of the article") || !strings.Contains(text, heading) {
		t.Errorf("a run of one's own claims:\n%s", text)
	}
}

func TestData(t *testing.T) {
	plan, rows := fullRun()
	text, err := json.Marshal(reportOf(plan, rows))
	if err != nil {
		t.Fatal(err)
	}
	var got struct {
		Controls []struct{ Passed bool }
		Claims   []struct {
			ID, Verdict string
			Hypotheses  []struct {
				Ratio       *float64
				Low         *float64 `json:"ci95_low"`
				Verdict     string
				Reasons     []struct{ Kind string }
				BlockRatios []struct{ Ratio float64 } `json:"block_ratios"`
			}
		}
		Figures []struct{ Variants []map[string]any }
	}
	if err := json.Unmarshal(text, &got); err != nil {
		t.Fatal(err)
	}
	if len(got.Controls) != 2 || !got.Controls[0].Passed || len(got.Claims) != len(plan.Claims) ||
		len(got.Figures) == 0 || len(got.Figures[0].Variants) == 0 {
		t.Errorf("%s", text)
	}
	c := got.Claims[4]
	if c.ID != "speed-1" || c.Verdict != "depends" || len(c.Hypotheses) != 3 ||
		math.Abs(*c.Hypotheses[0].Ratio-1.444) > 0.001 || math.Abs(*c.Hypotheses[0].Low-1.43) > 0.005 ||
		len(c.Hypotheses[0].BlockRatios) != 6 || c.Hypotheses[2].Verdict != "not evaluated" ||
		c.Hypotheses[2].Reasons[0].Kind != "tested-by-longer-profile" {
		t.Errorf("%+v", c)
	}
	if _, err := json.Marshal(reportOf(lab.Plan{}, nil)); err != nil {
		t.Errorf("a run without rows: %v", err)
	}
}

// A metric without a phrase appears under its name.
func TestEveryMetricGivesASentence(t *testing.T) {
	for _, m := range metric.Table() {
		if m.Better == metric.Neither || m.Kind == metric.String {
			continue
		}
		plan := lab.Plan{Profile: lab.Profile{Name: "quick", Blocks: 6}, Hypotheses: []lab.Hypothesis{
			hypothesis("speed-1", "json", m.Name, lab.Lower, arm("a/b", "peak"), arm("c/d", "peak")),
		}}
		r := reportOf(plan, slices.Concat(
			sixRows("json", "a/b", "peak", 1, m.Name, 1, 1),
			sixRows("json", "c/d", "peak", 1, m.Name, 2, 1)))
		sentence := report.Sentence(r.Claims[0].HypothesisVerdicts[0])
		if !strings.HasPrefix(sentence, "json peak: a/b ") || !strings.Contains(sentence, " 0.50x [0.50, 0.50] ") ||
			!strings.HasSuffix(sentence, " c/d (6 blocks)") {
			t.Errorf("%s: %s", m.Name, sentence)
		}
	}
}

func TestScaling(t *testing.T) {
	var rows []metric.Row
	for _, cores := range []int64{1, 2, 4, 8} {
		n := float64(cores)
		rows = append(rows, throughput("scaling", "node/cluster", "peak", cores, 100*n/(1+0.05*(n-1)))...)
		rows = append(rows, throughput(lab.BurnScenario, lab.BurnVariant, "peak", cores, 100*n)...)
	}
	r := reportOf(lab.Plan{}, rows)
	if len(r.Scaling) != 1 {
		t.Fatalf("%d curves", len(r.Scaling))
	}
	text := strings.Join(strings.Fields(r.FullText()), " ")
	for _, want := range []string{
		"scaling node/cluster peak: 1.90x [1.90, 1.90] on 2 CPUs (6 blocks), efficiency 0.95 [0.95, 0.95], a " +
			"native burn 2.00x [2.00, 2.00] (6 blocks); 3.48x",
		"Universal Scalability Law: contention 0.0", "1 to 8 cores only",
	} {
		if !strings.Contains(text, want) {
			t.Errorf("%q is not in\n%s", want, r.FullText())
		}
	}
}

// censored makes the rows lower bounds.
func censored(rows []metric.Row) []metric.Row {
	for _, r := range rows {
		r["validity"] = metric.Text("censored")
	}
	return rows
}

// A printed bound must be true.
func TestBoundsAreRoundedTowardsTheirOpenSide(t *testing.T) {
	on := func(cpus int64, rps float64) []metric.Row {
		return sixRows("scaling", "a/b", "peak", cpus, "throughput_rps", rps, 0)
	}
	for want, rows := range map[string][]metric.Row{
		">= 1.99x [1.99, open] on 2 CPUs (6 blocks), efficiency >= 0.99 [0.99, open]": slices.Concat(
			on(1, 1000), censored(on(2, 1999))),
		"<= 2.01x [open, 2.01] on 2 CPUs (6 blocks), efficiency <= 1.01 [open, 1.01]": slices.Concat(
			censored(on(1, 1000)), on(2, 2001)),
		// The logarithms of 3 and 6 are not exact.
		">= 2.00x [2.00, open] on 2 CPUs (6 blocks), efficiency >= 1.00 [1.00, open]": slices.Concat(
			on(1, 3), censored(on(2, 6))),
		// One block of six is a bound at both ends: the other five are not a random selection.
		"unknown on 2 CPUs (6 blocks; bounds only, no figure), efficiency unknown": slices.Concat(
			censored(on(1, 3)[:1]), on(1, 3)[1:], censored(on(2, 6)[:1]), on(2, 6)[1:]),
	} {
		text := strings.Join(strings.Fields(reportOf(lab.Plan{}, rows).FullText()), " ")
		if !strings.Contains(text, want) {
			t.Errorf("%q is not in\n%s", want, text)
		}
	}
}

// The golden report does not contain these sentences.
func TestSentencesOfOtherResults(t *testing.T) {
	fast := func(rps float64) []metric.Row { return throughput("json", "a/b", "peak", 1, rps) }
	slow := func() []metric.Row { return throughput("json", "c/d", "peak", 1, 1) }
	undecidable := "the figures are bounds that leave open where the ratio lies: more blocks would not help"
	for _, tt := range []struct {
		d    lab.Direction
		rows []metric.Row
		want string
	}{
		{
			lab.NotLower, slices.Concat(fast(2), slow()),
			"json peak: a/b served 2.00x [2.00, 2.00] the requests of c/d (6 blocks; not below 0.95)",
		},
		{
			lab.NotHigher, slices.Concat(fast(1.02), slow()),
			"json peak: a/b served 1.02x [1.02, 1.02] the requests of c/d (6 blocks; not above 1.05)",
		},
		{
			lab.Same, slices.Concat(fast(1.02), slow()),
			"json peak: a/b and c/d were equivalent: 1.02x [1.02, 1.02] the requests (6 blocks; within 0.95 to 1.05)",
		},
		{
			lab.Higher, slices.Concat(fast(2)[:3], slow()),
			"json peak: a/b served 2.00x the requests of c/d (3 blocks; too few valid blocks (3 of 6; 6 are " +
				"needed): a/b peak has no valid trial in 3)",
		},
		{
			lab.Higher, slow(),
			"json peak: a/b and c/d: no ratio of throughput_rps (0 blocks; too few valid blocks (0 of 6; 6 are " +
				"needed): a/b peak has no valid trial in 6)",
		},
		{
			lab.Lower, slices.Concat(fast(2.001), censored(slow())),
			"json peak: a/b served at most 2.01x [open, 2.01] the requests of c/d (6 blocks; " + undecidable + ")",
		},
		{
			lab.Higher, slices.Concat(censored(fast(1.999)), slow()),
			"json peak: a/b served at least 1.99x [1.99, open] the requests of c/d (6 blocks)",
		},
		{
			lab.Lower, slices.Concat(fast(2), censored(slow())),
			"json peak: a/b served at most 2.00x [open, 2.00] the requests of c/d (6 blocks; " + undecidable + ")",
		},
	} {
		plan := lab.Plan{
			Profile: lab.Profile{Name: "quick", Blocks: 6},
			Hypotheses: []lab.Hypothesis{
				hypothesis("speed-1", "json", "throughput_rps", tt.d, arm("a/b", "peak"), arm("c/d", "peak")),
			},
		}
		if got := report.Sentence(reportOf(plan, tt.rows).Claims[0].HypothesisVerdicts[0]); got != tt.want {
			t.Errorf("got  %s\nwant %s", got, tt.want)
		}
	}
}

// Threads under one lock lose throughput with every CPU.
func TestPeakIsOnOneCPUIfMoreDoNotHelp(t *testing.T) {
	var rows []metric.Row
	for cores, rps := range map[int64]float64{1: 3.48, 2: 3.44, 4: 3.30, 8: 3.20} {
		rows = append(rows, sixRows("scaling", "python/threads", "peak", cores, "throughput_rps", rps, 0.1)...)
	}
	text := strings.Join(strings.Fields(reportOf(lab.Plan{}, rows).FullText()), " ")
	want := "most throughput on 1.00 [1.00, 1.00] CPU: more CPUs do not help; 1 to 8 cores only"
	if !strings.Contains(text, want) {
		t.Errorf("%q is not in\n%s", want, text)
	}
}

func TestReportOfAnIncompleteRunSaysSo(t *testing.T) {
	plan, rows := fullRun()
	plan.Trials = make([]lab.Trial, 200)
	r := report.New(plan, rows, 126)
	const (
		title = "126 of 126 trials valid, 126 of 200 planned"
		why   = "the run is not complete (126 of 200 trials); lab run --resume 20261123T231501Z-ab12 finishes it"
	)
	for form, text := range map[string]string{"text": r.FullText(), "Markdown": r.Markdown()} {
		text = strings.Join(strings.Fields(text), " ")
		for _, want := range []string{title, why, "Claims: 0 of 15 decided", "served 1.44x"} {
			if !strings.Contains(text, want) {
				t.Errorf("%s: %q is not in\n%s", form, want, text)
			}
		}
	}
	if r.Measured != 126 || r.Planned != 200 || r.Claims[4].Finding != lab.Inconclusive ||
		r.Claims[4].HypothesisVerdicts[0].Reasons[0].Kind != lab.RunIncomplete {
		t.Errorf("%d of %d: %+v", r.Measured, r.Planned, r.Claims[4])
	}
	text := reportOf(plan, rows).FullText()
	if strings.Contains(text, "planned") || !strings.Contains(text, "Claims: 6 of 15 decided") {
		t.Errorf("a complete run:\n%s", text)
	}
}
