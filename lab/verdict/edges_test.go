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

// scaleHypothesis compares two numbers of CPUs of one variant.
func scaleHypothesis(variant string) lab.Hypothesis {
	return lab.Hypothesis{
		Scenario: "scaling", Profile: "quick", Claim: "scale-1", Metric: "cpu_us_per_request", Direction: lab.Higher, Margin: 0.05,
		Numerator:   lab.Arm{Variant: variant, Phase: "peak", Cores: 1},
		Denominator: lab.Arm{Variant: variant, Phase: "peak", Cores: 2},
	}
}

func TestAClaimSaysOnceOfHowManyCPUsItSpeaks(t *testing.T) {
	plan := planOf(scaleHypothesis(n), scaleHypothesis(p))
	rows := slices.Concat(scaled("scaling", n, 1, 50), scaled("scaling", n, 2, 90), scaled("scaling", p, 1, 50),
		scaled("scaling", p, 2, 90))
	if c := claimOf(t, judgeAll(plan, rows),
		"scale-1"); c.Finding != lab.Supported || c.Reason != "2 configurations compared; 1 to 2 cores only" {
		t.Errorf("%s: %q", c.Finding, c.Reason)
	}
	// What was not compared limits nothing.
	plan.UntestedHypotheses = []lab.Hypothesis{scaleHypothesis("node/cluster")}
	plan.Hypotheses = []lab.Hypothesis{hypothesis(lab.Higher)}
	plan.Hypotheses[0].Claim = "scale-1"
	rows = append(rows, slices.Concat(each(n, 1300, 1, nil), each(p, 1000, 1, nil))...)
	if c := claimOf(t, judgeAll(plan, rows), "scale-1"); c.Finding != lab.Supported || strings.Contains(c.Reason,
		"cores only") {
		t.Errorf("%s: %q", c.Finding, c.Reason)
	}
}

func TestAClaimNeedsTheBlocksOfAllItsHypotheses(t *testing.T) {
	second := hypothesis(lab.Higher)
	second.Numerator.Variant, second.Denominator.Variant = "node/express", "python/fastapi"
	c := claimOf(t, judgeAll(planOf(hypothesis(lab.Higher), second), slices.Concat(
		each(n, 1200, 40, nil), each(p, 1000, 0, nil), each("node/express", 1150, 40, nil), each("python/fastapi",
			1000, 0, nil))), "speed-1")
	a, b := c.HypothesisVerdicts[0].BlocksNeeded, c.HypothesisVerdicts[1].BlocksNeeded
	if want := fmt.Sprintf("2 of 2 configurations undecided; about %d blocks would do",
		max(a, b)); a == b || min(a, b) == 0 || c.Reason != want {
		t.Errorf("%d and %d blocks: %q", a, b, c.Reason)
	}
}

func TestBlocksNeededMatchThePower(t *testing.T) {
	for d, power := range map[lab.Direction]float64{lab.Higher: 0.8, lab.Same: 0.9} { // of two tests either
		ratio, noise := 1.15, 40.0
		if d == lab.Same {
			ratio, noise = 1.01, 10
		}
		rows := slices.Concat(each(n, 1000*ratio, noise, nil), each(p, 1000, 0, nil))
		var logs []float64
		for _, r := range rows[:blocks] {
			rps, _ := r.Float("throughput_rps")
			logs = append(logs, math.Log(rps/1000))
		}
		m := stat.MomentsOf(logs...)
		distance := math.Abs(m.Mean + math.Log(0.95))
		want, _ := stat.PairsNeeded(distance, m.SD(), lab.Alpha, power, 200)
		if v := judge(t, hypothesis(d), rows); v.BlocksNeeded != want || want <= blocks {
			t.Errorf("%s: %d blocks, want %d: %s", d, v.BlocksNeeded, want, v.Reason)
		}
	}
}

func TestHowManyBlocksThereAre(t *testing.T) {
	five := slices.Concat(each(n, 1300, 1, nil)[:5], each(p, 1000, 1, nil)[:5])
	if v := judge(t, hypothesis(lab.Higher), five); v.Blocks != 5 || !strings.HasPrefix(v.Reason,
		"too few valid blocks (5 of 6; 6 are needed): ") {
		t.Errorf("a run that ended early: %+v", v)
	}
	seven := slices.Concat(each(n, 1300, 1, nil), each(p, 1000, 1, nil),
		[]metric.Row{trial(n, 7, 1300), trial(p, 7, 1000)})
	if v := judge(t, hypothesis(lab.Higher), seven); v.Blocks != 7 {
		t.Errorf("rows beyond the plan's blocks: %+v", v)
	}
	if v := judge(t, hypothesis(lab.Higher)); v.Ratio != nil || v.Blocks != 0 {
		t.Errorf("of nothing: %+v", v)
	}
	// Of too few blocks there is no interval, which alone could say that it is a bound.
	withFinding(five[0], censored())
	if v := judge(t, hypothesis(lab.Higher), five); v.Ratio != nil {
		t.Errorf("few blocks, one a bound: ratio %v", *v.Ratio)
	}
}

func TestOnlyThroughputHasBounds(t *testing.T) {
	h := hypothesis(lab.Lower)
	h.Metric = "error_ratio" // stands among throughputs, and is one of no bound
	failing := func(share float64, change metric.Row) []metric.Row {
		rows := each(n, 1000, 1, change)
		for _, r := range rows {
			r["error_ratio"] = metric.Number(share)
		}
		return rows
	}
	other := failing(0.2, nil)
	for _, r := range other {
		r["variant"] = metric.Text(p)
	}
	if v := judge(t, h, failing(0.1, censored()), other); v.Blocks != 0 || !strings.Contains(v.Reason,
		"is censored in 6") {
		t.Errorf("%+v", v)
	}
}

// Within the margin by t-tests of both sides; but one block of six lies beyond it.
func TestTheSecondOpinionOfBothSides(t *testing.T) {
	for _, sign := range []float64{1, -1} {
		var rows []metric.Row
		for b, log := range []float64{0, 0, 0, 0, 0, 0.06} {
			rows = append(rows, trial(n, b+1, 1000*math.Exp(sign*log)), trial(p, b+1, 1000))
		}
		if v := judge(t, hypothesis(lab.Same), rows); v.Finding != lab.Inconclusive || *v.PSignFlip != 2.0/64 ||
			!strings.Contains(v.Reason, "not by permutation") {
			t.Errorf("%s: %s (%v)", v.Finding, v.Reason, *v.PSignFlip)
		}
	}
}

func TestEquivalentIsWhatWasDecidedWithinTheMargin(t *testing.T) {
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
		v := judge(t, hypothesis(c.direction), each(n, 1000*c.ratio, 1, c.change), each(p, 1000, 1, nil))
		if got := verdict.Equivalent(v); got != c.want {
			t.Errorf("%s: %v of %+v", name, got, v)
		}
	}
	inside := judge(t, hypothesis(lab.Same), each(n, 1000, 1, nil), each(p, 1000, 1, nil))
	inside.Finding = lab.Inconclusive // as where a control has failed
	if verdict.Equivalent(inside) {
		t.Error("what is inconclusive is equivalent")
	}
}

func TestTwoBlocksJudgeAControl(t *testing.T) {
	plan := planOf()
	plan.Controls = controls()
	for k, judged := range map[int]bool{1: false, 2: true} {
		var rows []metric.Row
		for _, r := range slices.Concat(each(n, 1300, 1, nil), each(lab.TwinOf(n), 1300, 1, nil),
			references(1.1, 1.1)) {
			if block, _ := r.Int("block"); block <= int64(k) {
				rows = append(rows, r)
			}
		}
		plan.Profile.Blocks = k
		for _, c := range judgeAll(plan, rows).Controls {
			if !judged && c.Reason != "could not be judged: too few valid blocks (1 of 1; 2 are needed)" {
				t.Errorf("%s in one block: %q", c.Name, c.Reason)
			}
			if strings.Contains(c.Reason, "could not be judged") == judged {
				t.Errorf("%s in %d blocks: %s", c.Name, k, c.Reason)
			}
		}
	}
}

func TestDoubtsNameWhereItWasSeenMost(t *testing.T) {
	var rows []metric.Row
	for i := range 6 {
		rows = append(rows, each(fmt.Sprintf("node/%d", i), 1000, 1,
			metric.Row{"drift_ratio": metric.Number(0.2), "warmup_end": metric.Text("steady")})[:i+1]...)
	}
	// Rows that do not say are none of which it is known.
	rows = append(rows,
		each("node/silent", 1000, 1, metric.Row{"workers": metric.Int(2), "connections": metric.Int(64)})...)
	plan := planOf(hypothesis(lab.Higher))
	plan.Controls = controls()
	want := []string{"21 of 21 closed phases drifted by more than 5 % from their first half to their second: " +
		"json node/5 peak (6), json node/4 peak (5), json node/3 peak (4), json node/2 peak (3), 2 more"}
	if got := judgeAll(plan, rows).Doubts; !slices.Equal(got, want) {
		t.Errorf("got %q", got)
	}
	rows[0]["warmup_end"] = metric.Text("budget")
	if got := judgeAll(plan, rows).Doubts; len(got) != 2 || !strings.HasPrefix(got[0], "1 of 21 trials began") {
		t.Errorf("got %q", got)
	}
	if got := judgeAll(planOf(), nil).Doubts; len(got) > 0 {
		t.Errorf("a run that compares nothing, and has no control: %q", got)
	}
}

func TestArmsAreTheValuesThatCount(t *testing.T) {
	a, b := each(n, 1300, 0, nil), each(p, 1000, 0, nil)
	withFinding(a[0], censored())
	withFinding(b[1], censored())
	withFinding(a[2], metric.Row{"validity": metric.Text(string(lab.Failed))})
	withFinding(b[3], metric.Row{"validity": metric.Text(string(lab.Disturbed))})
	both := verdict.ArmValues(hypothesis(lab.Same), slices.Concat(b, a))
	if !slices.Equal(both.A, []float64{1300, 1300}) || !slices.Equal(both.B, []float64{1000, 1000}) {
		t.Errorf("%+v", both)
	}
	h := hypothesis(lab.Same)
	h.Metric = "beauty"
	if both := verdict.ArmValues(h, slices.Concat(a, b)); both.A != nil {
		t.Errorf("of no metric: %+v", both)
	}
}

// The plan says how far a reading may be off, and it is judged by that.
func TestAKnownRatioIsJudgedByThePlansMargin(t *testing.T) {
	for margin, passes := range map[float64]bool{0.03: false, 0.06: true} {
		plan := planOf()
		plan.Controls = controls()[1:]
		plan.Controls[0].Hypothesis.Margin = margin
		if c := judgeAll(plan, references(1.15, 1.1)).Controls[0]; c.Passed != passes {
			t.Errorf("read 4.5 %% off where %.0f %% may be: passed %v: %s", 100*margin, c.Passed, c.Reason)
		}
	}
}

// What a run teaches of the noise are ratios, and no bounds of one.
func TestLogRatioSDLeavesBoundsOut(t *testing.T) {
	a, b := each(n, 1300, 1, nil), each(p, 1000, 0, nil)
	var logs []float64
	for _, r := range a[2:] {
		rps, _ := r.Float("throughput_rps")
		logs = append(logs, math.Log(rps/1000))
	}
	withFinding(a[0], censored())
	withFinding(a[0], metric.Row{"throughput_rps": metric.Number(9)})
	withFinding(b[1], censored())
	sd, k := verdict.LogRatioSD(hypothesis(lab.Higher), slices.Concat(a, b))
	if want := stat.MomentsOf(logs...).SD(); k != 4 || math.Abs(sd-want) > 1e-12 {
		t.Errorf("%v of %d blocks, want %v of 4", sd, k, want)
	}
	h := hypothesis(lab.Higher)
	h.Metric = "beauty"
	if _, k := verdict.LogRatioSD(h, slices.Concat(a, b)); k != 0 {
		t.Errorf("of no metric: %d blocks", k)
	}
}

// Whoever looks after each block and stops where he likes what he sees is more often
// wrong than the level says: before the end there is no verdict.
func TestARunThatIsNotCompleteDecidesNothing(t *testing.T) {
	plan := planOf(hypothesis(lab.Higher), scaleHypothesis(p))
	plan.Controls = controls()
	beyond := hypothesis(lab.Higher)
	beyond.Claim, beyond.Profile = "arch-1", "full"
	plan.UntestedHypotheses = []lab.Hypothesis{beyond}
	plan.Trials = make([]lab.Trial, 20)
	rows := slices.Concat(each(n, 1300, 1, nil), each(p, 1000, 1, nil), each(lab.TwinOf(n), 1300, 1, nil),
		references(1.1, 1.1),
		scaled("scaling", p, 1, 50), scaled("scaling", p, 2, 90))
	for _, r := range rows {
		r["run_id"] = metric.Text("20261124T090000Z-beef")
	}

	r := verdict.Judge(plan, rows, 19)
	const why = "the run is not complete (19 of 20 trials); lab run --resume 20261124T090000Z-beef finishes it"
	c := claimOf(t, r, "speed-1")
	if v := c.HypothesisVerdicts[0]; r.Complete() || !r.ControlsPassed() || c.Finding != lab.Inconclusive ||
		!strings.HasSuffix(c.Reason, why) ||
		v.Finding != lab.Inconclusive || v.Reason != why || v.BlocksNeeded != 0 || v.Ratio == nil || v.Low == nil {
		t.Errorf("%s: %q: %+v", c.Finding, c.Reason, c.HypothesisVerdicts)
	}
	if v := claimOf(t, r, "scale-1").HypothesisVerdicts[0]; v.Reason != why+"; 1 to 2 cores only" {
		t.Errorf("%q", v.Reason)
	}
	if c := claimOf(t, r, "arch-1"); c.Finding != lab.NotEvaluated {
		t.Errorf("what the run does not test is %s", c.Finding)
	}

	// What came of the last one does not matter: it was planned, and tried.
	if c := claimOf(t, verdict.Judge(plan, rows, 20), "speed-1"); c.Finding != lab.Supported {
		t.Errorf("complete: %s: %s", c.Finding, c.Reason)
	}
	if c := claimOf(t, verdict.Judge(plan, nil, 0),
		"speed-1"); !strings.HasSuffix(c.HypothesisVerdicts[0].Reason, "(0 of 20 trials); lab run --resume RUN "+
		"finishes it") {
		t.Errorf("of nothing: %s", c.HypothesisVerdicts[0].Reason)
	}

	// Whether a control has failed is seen at the end, too.
	failing := slices.Concat(each(n, 1300, 1, nil), each(p, 1000, 1, nil))
	if v := claimOf(t, verdict.Judge(plan, failing, 12),
		"speed-1").HypothesisVerdicts[0]; !strings.Contains(v.Reason, "not complete") {
		t.Errorf("without its controls: %q", v.Reason)
	}
}
