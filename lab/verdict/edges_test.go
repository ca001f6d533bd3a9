package verdict_test

import (
	"fmt"
	"math"
	"slices"
	"strings"
	"testing"

	"runtimelab/lab"
	"runtimelab/lab/metric"
	"runtimelab/lab/stat"
	"runtimelab/lab/verdict"
)

// scaleHypothesis compares a variant on 1 and on 2 CPUs.
func scaleHypothesis(variant string) lab.Hypothesis {
	return lab.Hypothesis{
		Scenario: "scaling", Profile: "quick", Claim: "scale-1",
		Metric: "cpu_us_per_request", Direction: lab.Higher, Margin: 0.05,
		Numerator:   lab.Arm{Variant: variant, Phase: "peak", Cores: 1},
		Denominator: lab.Arm{Variant: variant, Phase: "peak", Cores: 2},
	}
}

func TestAClaimNamesItsCPUCountsOnce(t *testing.T) {
	plan := planOf(scaleHypothesis(n), scaleHypothesis(p))
	rows := slices.Concat(scaled("scaling", n, 1, 50), scaled("scaling", n, 2, 90),
		scaled("scaling", p, 1, 50), scaled("scaling", p, 2, 90))
	c := claimOf(t, judgeAll(plan, rows), "scale-1")
	if c.Finding != lab.Supported || reasonOf(c) != "2 configurations compared; 1 to 2 cores only" {
		t.Errorf("%s: %q", c.Finding, reasonOf(c))
	}
	// A hypothesis that was not compared does not limit the claim.
	plan.UntestedHypotheses = []lab.Hypothesis{scaleHypothesis("node/cluster")}
	plan.Hypotheses = []lab.Hypothesis{hypothesis(lab.Higher)}
	plan.Hypotheses[0].Claim = "scale-1"
	rows = append(rows, slices.Concat(trials(n, 1300, 1, nil), trials(p, 1000, 1, nil))...)
	c = claimOf(t, judgeAll(plan, rows), "scale-1")
	if c.Finding != lab.Supported || strings.Contains(reasonOf(c), "cores only") {
		t.Errorf("%s: %q", c.Finding, reasonOf(c))
	}
}

func TestAClaimNeedsTheBlocksOfAllItsHypotheses(t *testing.T) {
	second := hypothesis(lab.Higher)
	second.Numerator.Variant, second.Denominator.Variant = "node/express", "python/fastapi"
	rows := slices.Concat(trials(n, 1200, 40, nil), trials(p, 1000, 0, nil),
		trials("node/express", 1150, 40, nil), trials("python/fastapi", 1000, 0, nil))
	c := claimOf(t, judgeAll(planOf(hypothesis(lab.Higher), second), rows), "speed-1")
	a, b := c.HypothesisVerdicts[0].BlocksNeeded, c.HypothesisVerdicts[1].BlocksNeeded
	want := fmt.Sprintf("2 of 2 configurations undecided; about %d blocks would decide", max(a, b))
	if a == b || min(a, b) == 0 || reasonOf(c) != want {
		t.Errorf("%d and %d blocks: %q, want %q", a, b, reasonOf(c), want)
	}
}

func TestBlocksNeededMatchThePower(t *testing.T) {
	// Same needs two tests to succeed, each with a power of 0.9.
	for d, power := range map[lab.Direction]float64{lab.Higher: 0.8, lab.Same: 0.9} {
		ratio, noise := 1.15, 40.0
		if d == lab.Same {
			ratio, noise = 1.01, 10
		}
		rows := slices.Concat(trials(n, 1000*ratio, noise, nil), trials(p, 1000, 0, nil))
		var logs []float64
		for _, r := range rows[:blocks] {
			rps, _ := r.Float("throughput_rps")
			logs = append(logs, math.Log(rps/1000))
		}
		m := stat.MomentsOf(logs...)
		distance := math.Abs(m.Mean + math.Log(0.95))
		want, _ := stat.PairsNeeded(distance, m.SD(), lab.Alpha, power, 200)
		if v := judge(t, hypothesis(d), rows); v.BlocksNeeded != want || want <= blocks {
			t.Errorf("%s: %d blocks, want %d: %s", d, v.BlocksNeeded, want, reasonOf(v))
		}
	}
}

func TestBlocksAreCountedFromTheRows(t *testing.T) {
	five := slices.Concat(trials(n, 1300, 1, nil)[:5], trials(p, 1000, 1, nil)[:5])
	const tooFew = "too few valid blocks (5 of 6; 6 are needed): "
	if v := judge(t, hypothesis(lab.Higher), five); v.Blocks != 5 || !strings.HasPrefix(reasonOf(v), tooFew) {
		t.Errorf("a run that ended early: %+v", v)
	}
	seven := slices.Concat(trials(n, 1300, 1, nil), trials(p, 1000, 1, nil),
		[]metric.Row{trial(n, 7, 1300), trial(p, 7, 1000)})
	if v := judge(t, hypothesis(lab.Higher), seven); v.Blocks != 7 {
		t.Errorf("rows beyond the plan's blocks: %+v", v)
	}
	if v := judge(t, hypothesis(lab.Higher)); v.Ratio != nil || v.Blocks != 0 {
		t.Errorf("no rows: %+v", v)
	}
	// Without an interval, a reader could not tell that the ratio is a bound.
	withColumns(five[0], censored())
	if v := judge(t, hypothesis(lab.Higher), five); v.Ratio != nil {
		t.Errorf("few blocks, one of them a bound: ratio %v, want none", *v.Ratio)
	}
}

func TestOnlyThroughputHasBounds(t *testing.T) {
	h := hypothesis(lab.Lower)
	h.Metric = "error_ratio" // in the group of throughput, but a censored row is not a bound of it
	failing := func(share float64, change metric.Row) []metric.Row {
		rows := trials(n, 1000, 1, change)
		for _, r := range rows {
			r["error_ratio"] = metric.Number(share)
		}
		return rows
	}
	other := failing(0.2, nil)
	for _, r := range other {
		r["variant"] = metric.Text(p)
	}
	v := judge(t, h, failing(0.1, censored()), other)
	if v.Blocks != 0 || !strings.Contains(reasonOf(v), "is censored in 6") {
		t.Errorf("%+v", v)
	}
}

// The t-tests of both sides find the ratio inside the margin, but one block of six lies outside.
func TestPermutationMustConfirmEquivalence(t *testing.T) {
	for _, sign := range []float64{1, -1} {
		var rows []metric.Row
		for b, log := range []float64{0, 0, 0, 0, 0, 0.06} {
			rows = append(rows, trial(n, b+1, 1000*math.Exp(sign*log)), trial(p, b+1, 1000))
		}
		v := judge(t, hypothesis(lab.Same), rows)
		if v.Finding != lab.Inconclusive || *v.PSignFlip != 2.0/64 ||
			!strings.Contains(reasonOf(v), "not by permutation") {
			t.Errorf("%s: %s (%v)", v.Finding, reasonOf(v), *v.PSignFlip)
		}
	}
}

func TestEquivalentMeansDecidedWithinTheMargin(t *testing.T) {
	for name, c := range map[string]struct {
		direction lab.Direction
		ratio     float64
		change    metric.Row
		want      bool
	}{
		"supported":       {lab.Same, 1.01, nil, true},
		"refuted":         {lab.Higher, 1.01, nil, true},
		"beyond":          {lab.Higher, 1.3, nil, false},
		"not as high":     {lab.NotHigher, 0.7, nil, false},
		"no higher":       {lab.NotHigher, 1.01, nil, false},
		"no lower":        {lab.NotLower, 1.01, nil, false},
		"a bound":         {lab.NotLower, 1.2, censored(), false},
		"nothing decided": {lab.Same, 1 / 0.95, nil, false},
	} {
		v := judge(t, hypothesis(c.direction), trials(n, 1000*c.ratio, 1, c.change), trials(p, 1000, 1, nil))
		if got := verdict.Equivalent(v); got != c.want {
			t.Errorf("%s: %v of %+v", name, got, v)
		}
	}
	inside := judge(t, hypothesis(lab.Same), trials(n, 1000, 1, nil), trials(p, 1000, 1, nil))
	inside.Finding = lab.Inconclusive // as after a failed control
	if verdict.Equivalent(inside) {
		t.Error("an inconclusive verdict is equivalent")
	}
}

func TestAControlNeedsTwoBlocks(t *testing.T) {
	plan := planOf()
	plan.Controls = controls()
	for k, judged := range map[int]bool{1: false, 2: true} {
		var rows []metric.Row
		for _, r := range slices.Concat(trials(n, 1300, 1, nil), trials(lab.TwinOf(n), 1300, 1, nil),
			references(1.1, 1.1)) {
			if block, _ := r.Int("block"); block <= int64(k) {
				rows = append(rows, r)
			}
		}
		plan.Profile.Blocks = k
		for _, c := range judgeAll(plan, rows).Controls {
			if !judged && reasonOf(c) != "not judged: too few valid blocks (1 of 1; 2 are needed)" {
				t.Errorf("%s with one block: %q", c.Name, reasonOf(c))
			}
			if strings.Contains(reasonOf(c), "not judged") == judged {
				t.Errorf("%s with %d blocks: %s", c.Name, k, reasonOf(c))
			}
		}
	}
}

func TestADoubtNamesTheCellsWithMostOccurrences(t *testing.T) {
	var rows []metric.Row
	for i := range 6 {
		rows = append(rows, trials(fmt.Sprintf("node/%d", i), 1000, 1,
			metric.Row{"drift_ratio": metric.Number(0.2), "warmup_end": metric.Text("steady")})[:i+1]...)
	}
	// Rows without a value do not count.
	unknown := metric.Row{"workers": metric.Int(2), "connections": metric.Int(64)}
	rows = append(rows, trials("node/unknown", 1000, 1, unknown)...)
	plan := planOf(hypothesis(lab.Higher))
	plan.Controls = controls()
	want := []string{"throughput changed by more than 5 % from the first half to the second in 21 of 21 " +
		"closed phases: json node/5 peak (6), json node/4 peak (5), json node/3 peak (4), json node/2 peak (3), " +
		"2 more"}
	if got := doubtsOf(judgeAll(plan, rows)); !slices.Equal(got, want) {
		t.Errorf("got %q", got)
	}
	rows[0]["warmup_end"] = metric.Text("budget")
	got := doubtsOf(judgeAll(plan, rows))
	if len(got) != 2 || !strings.HasPrefix(got[0], "1 of 21 trials began before throughput was steady") {
		t.Errorf("got %q", got)
	}
	if got := doubtsOf(judgeAll(planOf(), nil)); len(got) > 0 {
		t.Errorf("doubts about a run that compares nothing: %q", got)
	}
}

func TestArmValuesLeaveBoundsAndInvalidTrialsOut(t *testing.T) {
	a, b := trials(n, 1300, 0, nil), trials(p, 1000, 0, nil)
	withColumns(a[0], censored())
	withColumns(b[1], censored())
	withColumns(a[2], metric.Row{"validity": metric.Text(string(lab.Failed))})
	withColumns(b[3], metric.Row{"validity": metric.Text(string(lab.Disturbed))})
	both := verdict.ArmValues(hypothesis(lab.Same), slices.Concat(b, a))
	if !slices.Equal(both.A, []float64{1300, 1300}) || !slices.Equal(both.B, []float64{1000, 1000}) {
		t.Errorf("%+v", both)
	}
	h := hypothesis(lab.Same)
	h.Metric = "beauty"
	if both := verdict.ArmValues(h, slices.Concat(a, b)); both.A != nil {
		t.Errorf("an unknown metric: %+v", both)
	}
}

func TestAKnownRatioIsJudgedByThePlansMargin(t *testing.T) {
	for margin, passes := range map[float64]bool{0.03: false, 0.06: true} {
		plan := planOf()
		plan.Controls = controls()[1:]
		plan.Controls[0].Hypothesis.Margin = margin
		if c := judgeAll(plan, references(1.15, 1.1)).Controls[0]; c.Passed != passes {
			t.Errorf("4.5 %% off with a margin of %.0f %%: passed %v: %s", 100*margin, c.Passed, reasonOf(c))
		}
	}
}

func TestLogRatioSDLeavesBoundsOut(t *testing.T) {
	a, b := trials(n, 1300, 1, nil), trials(p, 1000, 0, nil)
	var logs []float64
	for _, r := range a[2:] {
		rps, _ := r.Float("throughput_rps")
		logs = append(logs, math.Log(rps/1000))
	}
	withColumns(a[0], censored())
	withColumns(a[0], metric.Row{"throughput_rps": metric.Number(9)})
	withColumns(b[1], censored())
	sd, k := verdict.LogRatioSD(hypothesis(lab.Higher), slices.Concat(a, b))
	if want := stat.MomentsOf(logs...).SD(); k != 4 || math.Abs(sd-want) > 1e-12 {
		t.Errorf("%v of %d blocks, want %v of 4", sd, k, want)
	}
	h := hypothesis(lab.Higher)
	h.Metric = "beauty"
	if _, k := verdict.LogRatioSD(h, slices.Concat(a, b)); k != 0 {
		t.Errorf("an unknown metric: %d blocks", k)
	}
}

// Looking after each block and stopping when the result looks good is wrong more often than the
// level says. There is no verdict before the end.
func TestAnIncompleteRunDecidesNothing(t *testing.T) {
	plan := planOf(hypothesis(lab.Higher), scaleHypothesis(p))
	plan.Controls = controls()
	beyond := hypothesis(lab.Higher)
	beyond.Claim, beyond.Profile = "arch-1", "full"
	plan.UntestedHypotheses = []lab.Hypothesis{beyond}
	plan.Trials = make([]lab.Trial, 20)
	rows := slices.Concat(
		trials(n, 1300, 1, nil), trials(p, 1000, 1, nil), trials(lab.TwinOf(n), 1300, 1, nil), references(1.1, 1.1),
		scaled("scaling", p, 1, 50), scaled("scaling", p, 2, 90),
	)
	for _, r := range rows {
		r["run_id"] = metric.Text("20261124T090000Z-beef")
	}

	r := verdict.Judge(plan, rows, 19)
	const why = "the run is not complete (19 of 20 trials); lab run --resume 20261124T090000Z-beef finishes it"
	c := claimOf(t, r, "speed-1")
	if r.Complete() || !r.ControlsPassed() ||
		c.Finding != lab.Inconclusive || !strings.HasSuffix(reasonOf(c), why) {
		t.Errorf("%s: %q", c.Finding, reasonOf(c))
	}
	v := c.HypothesisVerdicts[0]
	if v.Finding != lab.Inconclusive || reasonOf(v) != why || v.BlocksNeeded != 0 ||
		v.Ratio == nil || v.Low == nil {
		t.Errorf("%+v", v)
	}
	if v := claimOf(t, r, "scale-1").HypothesisVerdicts[0]; reasonOf(v) != why+"; 1 to 2 cores only" {
		t.Errorf("%q", reasonOf(v))
	}
	if c := claimOf(t, r, "arch-1"); c.Finding != lab.NotEvaluated {
		t.Errorf("a hypothesis that the run does not test is %s", c.Finding)
	}

	// The result of the last trial does not matter, only that it was tried.
	if c := claimOf(t, verdict.Judge(plan, rows, 20), "speed-1"); c.Finding != lab.Supported {
		t.Errorf("complete: %s: %s", c.Finding, reasonOf(c))
	}
	v = claimOf(t, verdict.Judge(plan, nil, 0), "speed-1").HypothesisVerdicts[0]
	if !strings.HasSuffix(reasonOf(v), "(0 of 20 trials); lab run --resume RUN finishes it") {
		t.Errorf("no trial measured: %q", reasonOf(v))
	}

	// A control without data fails, which is reported only at the end.
	failing := slices.Concat(trials(n, 1300, 1, nil), trials(p, 1000, 1, nil))
	v = claimOf(t, verdict.Judge(plan, failing, 12), "speed-1").HypothesisVerdicts[0]
	if !strings.Contains(reasonOf(v), "not complete") {
		t.Errorf("without its controls: %q", reasonOf(v))
	}
}

// The generators' errors and limits differ, and a run has one of them.
func TestHypothesesNeverPairRowsOfDifferentGenerators(t *testing.T) {
	vegeta, loop := metric.Row{"generator": metric.Text("vegeta")}, metric.Row{"generator": metric.Text("loop")}
	fast, slow := trials(n, 130, 1, vegeta), trials(p, 100, 1, vegeta)
	if v := judge(t, hypothesis(lab.Higher), fast, slow); v.Finding != lab.Supported || v.Blocks != blocks {
		t.Fatalf("one generator: %s, %d blocks", v.Finding, v.Blocks)
	}
	withColumns(slow[2], loop)
	v := judge(t, hypothesis(lab.Higher), fast, slow)
	if v.Finding != lab.Inconclusive || v.Blocks != blocks-1 ||
		!strings.Contains(reasonOf(v), p+" peak is measured by another generator in 1") {
		t.Errorf("%s, %d blocks: %s", v.Finding, v.Blocks, reasonOf(v))
	}
	if both := verdict.ArmValues(hypothesis(lab.Higher), slices.Concat(fast, slow)); len(both.A) != blocks-1 {
		t.Errorf("%d pairs of values", len(both.A))
	}
	withColumns(fast[2], loop)
	if v := judge(t, hypothesis(lab.Higher), fast, slow); v.Blocks != blocks {
		t.Errorf("both of block 3 by the other generator: %d blocks", v.Blocks)
	}
}

func TestACrossCheckIsAControl(t *testing.T) {
	rows := slices.Concat(trials(n, 130, 1, nil), trials(p, 100, 1, nil))
	plan := planOf(hypothesis(lab.Higher))
	passed := lab.CrossCheck{
		By: lab.PlainVegeta, Quantity: lab.LatencyCheck, ServiceMS: 5, Rounds: 5, Passed: true,
		Difference: lab.Deviation{Value: 0.002, Low: -0.001, High: 0.005}, Limit: 0.01,
	}
	r := verdict.Judge(plan, rows, len(plan.Trials), passed, passed)
	if c := r.Controls; len(c) != 1 || !c[0].Passed || !c[0].Judged || !r.ControlsPassed() ||
		!strings.Contains(reasonOf(c[0]), "against net/http, the largest of 2 differences") {
		t.Fatalf("controls %+v", c)
	}
	if got := claimOf(t, r, "speed-1"); got.Finding != lab.Supported {
		t.Errorf("a control that passed leaves the claim %s", got.Finding)
	}
	failed := passed
	failed.Passed, failed.Quantity = false, lab.ThroughputCheck
	failed.Difference = lab.Deviation{Value: 0.02, Low: 0.017, High: 0.023}
	r = verdict.Judge(plan, rows, len(plan.Trials), passed, failed)
	const want = "against net/http, throughput of the reference server of 5 ms: " +
		"+2.0 % [+1.7, +2.3] in 5 rounds, 1.0 % allowed"
	if c := r.Controls; len(c) != 1 || c[0].Passed || r.ControlsPassed() || reasonOf(c[0]) != want {
		t.Errorf("controls %+v: %s", c, reasonOf(c[0]))
	}
	if got := claimOf(t, r, "speed-1"); got.Finding != lab.Inconclusive ||
		!strings.Contains(reasonOf(got.HypothesisVerdicts[0]), lab.CrossCheckControl) {
		t.Errorf("a control that failed leaves the claim %s: %s", got.Finding, reasonOf(got.HypothesisVerdicts[0]))
	}
}
