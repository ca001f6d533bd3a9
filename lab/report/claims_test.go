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

// wobble is noise of the log of a trial's figure.
var wobble = [6]float64{0.004, -0.006, 0.002, 0.005, -0.003, -0.002}

// measured are six rows of one metric.
func measured(scenario, variant, phase string, cpus int64, name string, value,
	noise float64,
) (rows []metric.Row) {
	for b := range int64(6) {
		r := row(variant, b+1, lab.Peak, lab.Valid,
			map[string]float64{name: value * math.Exp(noise*wobble[(int(b)+len(variant)+len(phase))%6])})
		r["scenario"], r["phase"], r["server_cpus"], r["attempt"] = metric.Text(scenario), metric.Text(phase), metric.Int(cpus), metric.Int(1)
		rows = append(rows, r)
	}
	return rows
}

func arm(variant, phase string) lab.Arm { return lab.Arm{Variant: variant, Phase: phase, Cores: 1} }

func claims(claim, scenario, name string, d lab.Direction, a, b lab.Arm) lab.Hypothesis {
	return lab.Hypothesis{
		Scenario: scenario, Profile: "quick", Claim: claim, Metric: name, Direction: d,
		Margin: 0.05, Numerator: a, Denominator: b,
	}
}

// telling is a run in which every verdict, and every way of saying one, occurs.
func telling() (lab.Plan, []metric.Row) {
	const n, p = "node/single", "python/uvloop"
	on := func(a lab.Arm, cpus int) lab.Arm { a.Cores = cpus; return a }
	up := func(variant string) lab.Arm {
		a, over := on(arm(variant, "peak"), 2), arm(variant, "peak")
		a.Over = &over
		return a
	}
	longer := claims("speed-1", "json", "latency_p99_ms", lab.Lower, arm(n, "steady"), arm(p, "steady"))
	longer.Profile = "standard"
	patient := claims("scale-3", "overload", "goodput_rps", lab.NotLower, arm(n, "steady-120%"),
		arm(n, "steady-100%"))
	patient.Profile = "full"
	speedUp := claims("scale-1", "scaling", "throughput_rps", lab.NotLower, on(arm("node/cluster", "peak"), 2),
		arm("node/cluster", "peak"))
	speedUp.Margin = 0.3
	plan := lab.Plan{
		Profile: lab.Profile{Name: "quick", Blocks: 6},
		Hypotheses: []lab.Hypothesis{
			claims("speed-1", "json", "throughput_rps", lab.Higher, arm(n, "peak"), arm(p, "peak")),
			claims("speed-1", "json", "throughput_rps", lab.Higher, arm("node/express", "peak"),
				arm("python/fastapi", "peak")),
			claims("arch-2", "parallel", "throughput_rps", lab.Higher, on(arm("node/worker-threads",
				"ladder-integers-2"), 2), on(arm("node/worker-threads", "ladder-integers-1"), 2)),
			claims("arch-3", "compute-integers", "cpu_us_per_request", lab.Higher, arm(p, "ladder"), arm(n, "ladder")),
			claims("arch-3", "compute-text", "cpu_us_per_request", lab.Higher, arm(p, "ladder"), arm(n, "ladder")),
			claims("arch-4", "parallel", "throughput_rps", lab.NotHigher,
				on(arm("python/threads", "ladder-integers-2"), 2), on(arm("python/threads", "ladder-integers-1"), 2)),
			claims("speed-3", "callbacks", "throughput_rps", lab.Higher, arm(n, "peak-chained"),
				arm(p, "peak-chained")),
			speedUp,
			claims("scale-4", "scaling", "throughput_rps", lab.Higher, up("node/cluster"), up("python/threads")),
		},
		UntestedHypotheses: []lab.Hypothesis{longer, patient},
		Controls: []lab.Control{
			{
				Name: "A/A", ExpectedRatio: 1,
				Hypothesis: claims("", "json", "throughput_rps", lab.Same, arm(n, "peak"), arm(lab.TwinOf(n), "peak")),
			},
			{Name: "known ratio", ExpectedRatio: lab.ReferenceRatio, Hypothesis: claims("", lab.ReferenceScenario,
				"throughput_rps", lab.Same, arm(lab.LightReference, "peak"), arm(lab.HeavyReference, "peak"))},
		},
	}
	bounded := measured("callbacks", n, "peak-chained", 1, "throughput_rps", 2000, 1)
	for _, r := range bounded {
		r["validity"], r["validity_reason"] = metric.Text("censored"), metric.Text("generator: at 97 % of its "+
			"ceiling")
	}
	rows := slices.Concat(
		measured("json", n, "peak", 1, "throughput_rps", 65000, 1), measured("json", lab.TwinOf(n), "peak", 1,
			"throughput_rps", 65000, 1),
		measured("json", p, "peak", 1, "throughput_rps", 45000, 1),
		measured("json", "node/express", "peak", 1, "throughput_rps", 10000, 1), measured("json", "python/fastapi",
			"peak", 1, "throughput_rps", 10000, 1),
		measured("parallel", "node/worker-threads", "ladder-integers-1", 2, "throughput_rps", 20,
			1), measured("parallel", "node/worker-threads", "ladder-integers-2", 2, "throughput_rps", 39, 1),
		measured("parallel", "python/threads", "ladder-integers-1", 2, "throughput_rps", 2, 1), measured("parallel",
			"python/threads", "ladder-integers-2", 2, "throughput_rps", 1.7, 1),
		measured("compute-integers", n, "ladder", 1, "cpu_us_per_request", 900, 1), measured("compute-integers", p,
			"ladder", 1, "cpu_us_per_request", 30000, 1),
		measured("compute-text", n, "ladder", 1, "cpu_us_per_request", 1000, 1), measured("compute-text", p,
			"ladder", 1, "cpu_us_per_request", 1200, 40),
		bounded, measured("callbacks", p, "peak-chained", 1, "throughput_rps", 300, 1),
		measured("scaling", "node/cluster", "peak", 1, "throughput_rps", 50, 1), measured("scaling", "node/cluster",
			"peak", 2, "throughput_rps", 90, 1),
		measured("scaling", "python/threads", "peak", 1, "throughput_rps", 3, 1), measured("scaling",
			"python/threads", "peak", 2, "throughput_rps", 3, 1),
		measured(lab.BurnScenario, lab.BurnVariant, "peak", 1, "throughput_rps", 200, 1), measured(lab.BurnScenario,
			lab.BurnVariant, "peak", 2, "throughput_rps", 390, 1),
		measured(lab.ReferenceScenario, lab.LightReference, "peak", 1, "throughput_rps", 220,
			1), measured(lab.ReferenceScenario, lab.HeavyReference, "peak", 1, "throughput_rps", 200, 1),
	)
	for _, r := range rows {
		if rps, ok := r.Float("throughput_rps"); ok && r.Text("scenario") == lab.ReferenceScenario {
			r["service_mean_ms"] = metric.Number(1000 / rps)
		}
	}
	return plan, rows
}

func TestClaimsGolden(t *testing.T) {
	plan, rows := telling()
	r := reportOf(plan, rows)
	golden(t, "claims.txt", r.Text())
	golden(t, "claims.md", r.Markdown())

	for _, row := range rows {
		if row.Text("variant") == lab.TwinOf("node/single") {
			rps, _ := row.Float("throughput_rps")
			row["throughput_rps"] = metric.Number(0.8 * rps)
		}
	}
	r = reportOf(plan, rows)
	golden(t, "control-failed.txt", r.Text())
	for line := range strings.Lines(r.Text()) {
		if n := utf8.RuneCountInString(strings.TrimSuffix(line, "\n")); n > 100 {
			t.Errorf("%d characters: %q", n, line)
		}
	}
}

// What only controls are made of, and twins, is no result.
func TestControlsAreNoFigures(t *testing.T) {
	_, rows := telling()
	for _, s := range report.Summarise(rows).Sections {
		if s.Scenario == lab.ReferenceScenario || s.Scenario == lab.BurnScenario {
			t.Errorf("a section of %s", s.Scenario)
		}
		for _, l := range s.Lines {
			if strings.Contains(l.Variant, "~") {
				t.Errorf("a line of %s", l.Variant)
			}
		}
	}
}

func TestSectionsOfSeveralNumbersOfCPUs(t *testing.T) {
	s := report.Summarise(slices.Concat(
		measured("scaling", "a", "peak", 2, "throughput_rps", 90, 0), measured("scaling", "a", "peak", 1,
			"throughput_rps", 50, 0),
		measured("json", "a", "peak", 2, "throughput_rps", 7, 0)))
	if len(s.Sections) != 3 || s.Sections[0].CPUs != 1 || s.Sections[0].Lines[0].Served.Median != 50 ||
		s.Sections[1].CPUs != 2 || s.Sections[1].Lines[0].Served.Median != 90 || s.Sections[2].CPUs != 0 {
		t.Errorf("%+v", s.Sections)
	}
}

func TestACapacityIsTheHeadlineOfItsSection(t *testing.T) {
	search := row("a", 1, "capacity", lab.Valid,
		map[string]float64{"capacity_rps": 800, "throughput_rps": 799, "offered_rps": 800, "latency_p99_ms": 9})
	r := reportOf(lab.Plan{}, []metric.Row{peak("a", 1, lab.Valid, 1000), steady("a", 1, lab.Valid, 1), search})
	s := r.Figures.Sections
	if len(s) != 2 || s[0].ClosedPhase != "peak" || s[0].OpenPhase != "steady" ||
		s[1].Lines[0].Served.Median != 800 || s[1].Lines[0].P99MS.Median != 9 {
		t.Errorf("%+v", s)
	}
	if want := "json: highest rate offered that kept the SLO (capacity), p50 and p99 at it"; !strings.Contains(r.Text(), want) {
		t.Errorf("%q is not in\n%s", want, r.Text())
	}
}

func TestWhyNoClaimWasTested(t *testing.T) {
	plan, rows := telling()
	beyond := plan
	beyond.UntestedHypotheses, beyond.Hypotheses = plan.Hypotheses, nil
	smoke := plan
	smoke.Profile.Name, smoke.Profile.Blocks, smoke.Controls = "smoke", 1, nil
	for want, p := range map[string]lab.Plan{
		"No claim was tested: the plan of this run has no hypotheses.":  {},
		"No claim was tested: this run tests none of their hypotheses.": beyond,
		"No claim was tested: smoke compares nothing.":                  smoke,
	} {
		r := reportOf(p, rows)
		for form, text := range map[string]string{"text": r.Text(), "Markdown": r.Markdown()} {
			if !strings.Contains(text, want) || strings.Contains(text, "Claims:") || !strings.Contains(text, "65000") {
				t.Errorf("%s: %q is not in\n%s", form, want, text)
			}
		}
	}
}

func TestData(t *testing.T) {
	plan, rows := telling()
	text, err := json.Marshal(reportOf(plan, rows).Data())
	if err != nil {
		t.Fatal(err)
	}
	var got struct {
		Controls []struct{ Passed bool }
		Claims   []struct {
			ID, Verdict string
			Hypotheses  []struct {
				Ratio, CI95High *float64 `json:"-"`
				Verdict, Words  string
			}
		}
		Figures []struct{ Variants []map[string]any }
	}
	if err := json.Unmarshal(text, &got); err != nil {
		t.Fatal(err)
	}
	if len(got.Controls) != 2 || !got.Controls[0].Passed || len(got.Claims) != len(lab.Claims()) ||
		len(got.Figures) == 0 || len(got.Figures[0].Variants) == 0 {
		t.Errorf("%s", text)
	}
	c := got.Claims[4]
	if c.ID != "speed-1" || c.Verdict != "depends" || len(c.Hypotheses) != 3 ||
		!strings.HasPrefix(c.Hypotheses[0].Words, "json peak: node/single served 1.44x [1.4") ||
		c.Hypotheses[2].Verdict != "not evaluated" || c.Hypotheses[2].Words != "" {
		t.Errorf("%+v", c)
	}
	if _, err := json.Marshal(reportOf(lab.Plan{}, nil).Data()); err != nil {
		t.Errorf("of nothing: %v", err)
	}
}

// Every metric that a hypothesis can be about is said in words, or by its name.
func TestEveryMetricHasAPhrase(t *testing.T) {
	for _, m := range metric.Table() {
		if m.Better == metric.Neither || m.Kind == metric.String {
			continue
		}
		plan := lab.Plan{Profile: lab.Profile{Name: "quick", Blocks: 6}, Hypotheses: []lab.Hypothesis{
			claims("speed-1", "json", m.Name, lab.Lower, arm("a/b", "peak"), arm("c/d", "peak")),
		}}
		r := reportOf(plan, slices.Concat(measured("json", "a/b", "peak", 1, m.Name, 1, 1),
			measured("json", "c/d", "peak", 1, m.Name, 2, 1)))
		words := r.Data().Claims[4].Hypotheses[0].Sentence
		if !strings.HasPrefix(words, "json peak: a/b ") || !strings.Contains(words,
			" 0.50x [0.50, 0.50] ") || !strings.HasSuffix(words, " c/d (6 blocks)") {
			t.Errorf("%s: %s", m.Name, words)
		}
	}
}

func TestScaling(t *testing.T) {
	var rows []metric.Row
	for _, cores := range []int64{1, 2, 4, 8} {
		n := float64(cores)
		rows = append(rows,
			measured("scaling", "node/cluster", "peak", cores, "throughput_rps", 100*n/(1+0.05*(n-1)), 1)...)
		rows = append(rows,
			measured(lab.BurnScenario, lab.BurnVariant, "peak", cores, "throughput_rps", 100*n, 1)...)
	}
	r := reportOf(lab.Plan{}, rows)
	if len(r.Curves) != 1 {
		t.Fatalf("%d curves", len(r.Curves))
	}
	text := strings.Join(strings.Fields(r.Text()), " ")
	for _, want := range []string{
		"scaling node/cluster peak: 1.90x [1.90, 1.90] on 2 CPUs (6 blocks), efficiency 0.95 [0.95, 0.95], a " +
			"native burn 2.00x [2.00, 2.00] (6 blocks); 3.48x",
		"Universal Scalability Law: contention 0.0", "1 to 8 cores only",
	} {
		if !strings.Contains(text, want) {
			t.Errorf("%q is not in\n%s", want, r.Text())
		}
	}
}

func bound(rows []metric.Row) []metric.Row {
	for _, r := range rows {
		r["validity"] = metric.Text("censored")
	}
	return rows
}

// A bound never says more than was seen.
func TestABoundIsRoundedToItsOpenSide(t *testing.T) {
	on := func(cpus int64, rps float64) []metric.Row {
		return measured("scaling", "a/b", "peak", cpus, "throughput_rps", rps, 0)
	}
	for want, rows := range map[string][]metric.Row{
		">= 1.99x [1.99, open] on 2 CPUs (6 blocks), efficiency >= 0.99 [0.99, open]": slices.Concat(on(1, 1000),
			bound(on(2, 1999))),
		"<= 2.01x [open, 2.01] on 2 CPUs (6 blocks), efficiency <= 1.01 [open, 1.01]": slices.Concat(bound(on(1,
			1000)), on(2, 2001)),
		// whose logs are no round numbers
		">= 2.00x [2.00, open] on 2 CPUs (6 blocks), efficiency >= 1.00 [1.00, open]": slices.Concat(on(1, 3),
			bound(on(2, 6))),
		// One block of six is a bound at both ends: the other five were not chosen by chance.
		"unknown on 2 CPUs (6 blocks; bounds leave it open), efficiency unknown": slices.Concat(bound(on(1, 3)[:1]),
			on(1, 3)[1:], bound(on(2, 6)[:1]), on(2, 6)[1:]),
	} {
		if text := strings.Join(strings.Fields(reportOf(lab.Plan{}, rows).Text()), " "); !strings.Contains(text,
			want) {
			t.Errorf("%q is not in\n%s", want, text)
		}
	}
}

// What the golden report has no occasion to say.
func TestRegionNotes(t *testing.T) {
	fast, slow := measured("json", "a/b", "peak", 1, "throughput_rps", 2, 1), measured("json", "c/d", "peak", 1,
		"throughput_rps", 1, 1)
	for _, tt := range []struct {
		d    lab.Direction
		rows []metric.Row
		want string
	}{
		{
			lab.NotLower, slices.Concat(fast, slow),
			"json peak: a/b served 2.00x [2.00, 2.00] the requests of c/d (6 blocks; not below 0.95)",
		},
		{
			lab.NotHigher, slices.Concat(measured("json", "a/b", "peak", 1, "throughput_rps", 1.02, 1), slow),
			"json peak: a/b served 1.02x [1.02, 1.02] the requests of c/d (6 blocks; not above 1.05)",
		},
		{
			lab.Same, slices.Concat(measured("json", "a/b", "peak", 1, "throughput_rps", 1.02, 1), slow),
			"json peak: a/b and c/d were equivalent: 1.02x [1.02, 1.02] the requests (6 blocks; within 0.95 to 1.05)",
		},
		{
			lab.Higher, slices.Concat(fast[:3], slow),
			"json peak: a/b served 2.00x the requests of c/d (3 blocks; too few valid blocks (3 of 6; 6 are " +
				"needed): a/b peak has no valid trial in 3)",
		},
		{
			lab.Higher, slow,
			"json peak: a/b and c/d: no ratio of throughput_rps (0 blocks; too few valid blocks (0 of 6; 6 are " +
				"needed): a/b peak has no valid trial in 6)",
		},
		{
			lab.Lower,
			slices.Concat(measured("json", "a/b", "peak", 1, "throughput_rps", 2.001, 1),
				bound(measured("json", "c/d", "peak", 1, "throughput_rps", 1,
					1))), "json peak: a/b served at most 2.01x [open, 2.01] the requests of c/d (6 blocks; the figures are " +
				"bounds that leave open where the ratio lies: more blocks would not help)",
		},
		{
			lab.Higher, slices.Concat(bound(measured("json", "a/b", "peak", 1, "throughput_rps", 1.999, 1)), slow),
			"json peak: a/b served at least 1.99x [1.99, open] the requests of c/d (6 blocks)",
		},
		{
			lab.Lower, slices.Concat(fast, bound(measured("json", "c/d", "peak", 1, "throughput_rps", 1, 1))),
			"json peak: a/b served at most 2.00x [open, 2.00] the requests of c/d (6 blocks; the figures are bounds " +
				"that leave open where the ratio lies: more blocks would not help)",
		},
	} {
		plan := lab.Plan{
			Profile: lab.Profile{Name: "quick", Blocks: 6},
			Hypotheses: []lab.Hypothesis{claims("speed-1", "json", "throughput_rps", tt.d, arm("a/b", "peak"),
				arm("c/d", "peak"))},
		}
		if got := reportOf(plan, tt.rows).Data().Claims[4].Hypotheses[0].Sentence; got != tt.want {
			t.Errorf("got  %s\nwant %s", got, tt.want)
		}
	}
}

// Threads that take turns under a lock.
func TestWhereMoreCPUsNeverGainThePeakIsOnOne(t *testing.T) {
	var rows []metric.Row
	for cores, rps := range map[int64]float64{1: 3.48, 2: 3.44, 4: 3.30, 8: 3.20} {
		rows = append(rows, measured("scaling", "python/threads", "peak", cores, "throughput_rps", rps, 0.1)...)
	}
	text := strings.Join(strings.Fields(reportOf(lab.Plan{}, rows).Text()), " ")
	if want := "most throughput on 1.00 [1.00, 1.00] CPU: more do not gain; 1 to 8 cores only"; !strings.Contains(text, want) {
		t.Errorf("%q is not in\n%s", want, text)
	}
}

func TestARunThatIsNotCompleteSaysSo(t *testing.T) {
	plan, rows := telling()
	plan.Trials = make([]lab.Trial, 200)
	r := report.New(plan, rows, 126)
	const title, why = "126 of 126 trials valid, 126 of 200 planned", "the run is not complete (126 of 200 " +
		"trials); lab run --resume 20261123T231501Z-ab12 finishes it"
	for form, text := range map[string]string{"text": r.Text(), "Markdown": r.Markdown()} {
		text = strings.Join(strings.Fields(text), " ")
		if !strings.Contains(text, title) || !strings.Contains(text,
			"Claims: 0 of 15 decided") || !strings.Contains(text, why) || !strings.Contains(text, "served 1.44x") {
			t.Errorf("%s:\n%s", form, text)
		}
	}
	d := r.Data()
	if d.Measured != 126 || d.Planned != 200 || d.Claims[4].Verdict != lab.Inconclusive ||
		!strings.Contains(d.Claims[4].Reason, why) {
		t.Errorf("%d of %d: %+v", d.Measured, d.Planned, d.Claims[4])
	}
	if text := reportOf(plan, rows).Text(); strings.Contains(text, "planned") || !strings.Contains(text,
		"Claims: 6 of 15 decided") {
		t.Errorf("complete:\n%s", text)
	}
}
