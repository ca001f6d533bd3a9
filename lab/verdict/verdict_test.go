package verdict_test

import (
	"fmt"
	"maps"
	"math"
	"math/rand/v2"
	"reflect"
	"slices"
	"strings"
	"testing"

	"pgregory.net/rapid"

	"runtimelab/lab"
	"runtimelab/lab/metric"
	"runtimelab/lab/verdict"
)

const (
	n, p   = "node/single", "python/uvloop"
	blocks = 6
)

// wobble is noise of the log of a trial's figure that sums to nothing over six
// blocks.
var wobble = [blocks]float64{0.004, -0.006, 0.002, 0.005, -0.003, -0.002}

// trial is one row of the peak of the scenario json, on one CPU.
func trial(variant string, block int, rps float64) metric.Row {
	return metric.Row{
		"scenario": metric.Text("json"), "variant": metric.Text(variant), "phase": metric.Text("peak"), "mode": metric.Text("closed"),
		"server_cpus": metric.Int(1), "block": metric.Int(int64(block)), "attempt": metric.Int(1),
		"throughput_rps": metric.Number(rps), "cpu_us_per_request": metric.Number(1e6 / rps), "validity": metric.Text(string(lab.Valid)),
	}
}

func withFinding(r metric.Row, columns metric.Row) metric.Row {
	maps.Copy(r, columns)
	return r
}

// each has a row for each block; the noise is the variant's own.
func each(variant string, rps, noise float64, change metric.Row) (rows []metric.Row) {
	for b := range blocks {
		w := wobble[(b+len(variant))%blocks]
		rows = append(rows, withFinding(trial(variant, b+1, rps*math.Exp(noise*w)), change))
	}
	return rows
}

func censored() metric.Row {
	return metric.Row{
		"validity":        metric.Text(string(lab.Censored)),
		"validity_reason": metric.Text("generator: at its ceiling"),
	}
}

func hypothesis(d lab.Direction) lab.Hypothesis {
	return lab.Hypothesis{
		Scenario: "json", Profile: "quick", Claim: "speed-1", Metric: "throughput_rps", Direction: d, Margin: 0.05,
		Numerator: lab.Arm{Variant: n, Phase: "peak"}, Denominator: lab.Arm{Variant: p, Phase: "peak"},
	}
}

func planOf(hypotheses ...lab.Hypothesis) lab.Plan {
	return lab.Plan{Profile: lab.Profile{Name: "quick", Blocks: blocks}, Hypotheses: hypotheses}
}

func claimOf(t *testing.T, r verdict.Result, id string) lab.ClaimVerdict {
	t.Helper()
	i := slices.IndexFunc(r.Claims, func(c lab.ClaimVerdict) bool { return c.Claim.ID == id })
	if i < 0 {
		t.Fatalf("no claim %s", id)
	}
	return r.Claims[i]
}

// judgeAll are the verdicts of a run that is complete.
func judgeAll(p lab.Plan, rows []metric.Row) verdict.Result {
	return verdict.Judge(p, rows, len(p.Trials))
}

// judge is the verdict on the one hypothesis of a run.
func judge(t *testing.T, h lab.Hypothesis, rows ...[]metric.Row) lab.Verdict {
	t.Helper()
	parts := claimOf(t, judgeAll(planOf(h), slices.Concat(rows...)), h.Claim).HypothesisVerdicts
	if len(parts) != 1 {
		t.Fatalf("%d verdicts of one hypothesis", len(parts))
	}
	return parts[0]
}

// Every direction, where the ratio lies, and what of it is known.
func TestDirectionsRegionsAndBounds(t *testing.T) {
	const S, R, I = lab.Supported, lab.Refuted, lab.Inconclusive
	ratios := map[string]float64{
		"above": 1.3, "upper edge": 1 / 0.95, "inside": 1, "lower edge": 0.95,
		"below": 1 / 1.3,
	}
	regions := []string{"above", "upper edge", "inside", "lower edge", "below"}
	bounds := map[string][2]metric.Row{
		"known": {}, "or more": {censored(), nil}, "or less": {nil, censored()},
		"nothing known": {censored(), censored()},
	}
	for d, want := range map[lab.Direction]map[string][]lab.Finding{
		lab.Higher:    {"known": {S, I, R, I, R}, "or more": {S, I, I, I, I}, "or less": {I, I, I, I, R}},
		lab.Lower:     {"known": {R, I, R, I, S}, "or more": {R, I, I, I, I}, "or less": {I, I, I, I, S}},
		lab.Same:      {"known": {R, I, S, I, R}, "or more": {R, I, I, I, I}, "or less": {I, I, I, I, R}},
		lab.NotHigher: {"known": {R, I, S, S, S}, "or more": {R, I, I, I, I}, "or less": {I, I, S, S, S}},
		lab.NotLower:  {"known": {S, S, S, I, R}, "or more": {S, S, S, I, I}, "or less": {I, I, I, I, R}},
	} {
		want["nothing known"] = []lab.Finding{I, I, I, I, I}
		for bound, change := range bounds {
			for i, region := range regions {
				v := judge(t, hypothesis(d), each(n, 1000*ratios[region], 1, change[0]), each(p, 1000, 1, change[1]))
				if v.Finding != want[bound][i] {
					t.Errorf("%s, %s, %s: %s (%s), want %s", d, region, bound, v.Finding, v.Reason, want[bound][i])
				}
				if (v.High == nil) != (bound == "or more" ||
					bound == "nothing known") || (v.Low == nil) != (bound == "or less" || bound == "nothing known") {
					t.Errorf("%s, %s: interval from %v to %v", d, bound, v.Low, v.High)
				}
				if v.Finding == I && v.Reason == "" {
					t.Errorf("%s, %s, %s: inconclusive without a reason", d, region, bound)
				}
			}
		}
	}
}

func TestOneBoundAmongValuesIsEnough(t *testing.T) {
	rows := each(n, 1300, 1, nil)
	withFinding(rows[3], censored())
	if v := judge(t, hypothesis(lab.Higher), rows,
		each(p, 1000, 1, nil)); v.High != nil || v.Low == nil || v.Finding != lab.Supported {
		t.Errorf("%s, interval from %v to %v", v.Finding, v.Low, v.High)
	}
	rows = each(p, 1000, 1, nil)
	withFinding(rows[0], censored())
	one := each(n, 1300, 1, nil)
	withFinding(one[5], censored())
	if v := judge(t, hypothesis(lab.Higher), one, rows); v.Ratio != nil || !strings.Contains(v.Reason,
		"bounds") {
		t.Errorf("a bound on either side, in different blocks: %+v", v)
	}
}

// What a bound of throughput says of cost per request nobody knows.
func TestOnlyThroughputOfCensoredRowsCounts(t *testing.T) {
	h := hypothesis(lab.Lower)
	h.Metric = "cpu_us_per_request"
	if v := judge(t, h, each(n, 1300, 1, censored()), each(p, 1000, 1, nil)); v.Blocks != 0 ||
		v.Finding != lab.Inconclusive || !strings.Contains(v.Reason, "node/single peak is censored in 6") {
		t.Errorf("%+v", v)
	}
}

func TestTheTruthTableOfClaims(t *testing.T) {
	const S, R, I, N = lab.Supported, lab.Refuted, lab.Inconclusive, lab.NotEvaluated
	for _, tt := range []struct {
		want  lab.Finding
		parts []lab.Finding
	}{
		{N, nil},
		{N, []lab.Finding{N}},
		{S, []lab.Finding{S}},
		{S, []lab.Finding{S, N}},
		{R, []lab.Finding{R}},
		{R, []lab.Finding{R, N}},
		{I, []lab.Finding{I}},
		{I, []lab.Finding{I, N}},
		{I, []lab.Finding{S, I}},
		{I, []lab.Finding{S, I, N}},
		{I, []lab.Finding{R, I}},
		{I, []lab.Finding{R, I, N}},
		{lab.Depends, []lab.Finding{S, R}},
		{lab.Depends, []lab.Finding{S, R, N}},
		{lab.Depends, []lab.Finding{S, R, I}},
		{lab.Depends, []lab.Finding{S, R, I, N}},
	} {
		rapid.Check(t, func(t *rapid.T) {
			parts := append(rapid.Permutation(tt.parts).Draw(t, "order"),
				rapid.SliceOfN(rapid.SampledFrom(append(tt.parts, N)), 0, 3).Draw(t, "again")...)
			if got := verdict.CombineFindings(parts...); got != tt.want {
				t.Errorf("%q: %s, want %s", parts, got, tt.want)
			}
		})
	}
}

// From rows to claims: four hypotheses of one claim, each with its own outcome.
func TestClaimsSayWhatTheyDependOn(t *testing.T) {
	second := hypothesis(lab.Higher)
	second.Numerator.Variant, second.Denominator.Variant = "node/express", "python/fastapi"
	third := second
	third.Numerator.Variant = "node/fastify"
	beyond := hypothesis(lab.Higher)
	beyond.Scenario, beyond.Profile = "echo", "standard"
	plan := planOf(hypothesis(lab.Higher), second)
	plan.UntestedHypotheses = []lab.Hypothesis{beyond}
	rows := slices.Concat(each(n, 1300, 1, nil), each(p, 1000, 1, nil), each("node/express", 1000, 1, nil),
		each("python/fastapi", 1000, 1, nil))

	c := claimOf(t, judgeAll(plan, rows), "speed-1")
	if c.Finding != lab.Depends || !strings.Contains(c.Reason,
		"supported by json: throughput_rps of node/single peak") ||
		!strings.Contains(c.Reason, "refuted by json: throughput_rps of node/express") ||
		!strings.Contains(c.Reason, "not compared: echo: ") || !strings.Contains(c.Reason,
		"not evaluated at quick; standard tests it") {
		t.Errorf("%s: %s", c.Finding, c.Reason)
	}

	plan.Hypotheses[1] = third // of which nothing was measured
	c = claimOf(t, judgeAll(plan, rows), "speed-1")
	if c.Finding != lab.Inconclusive || !strings.Contains(c.Reason,
		"1 of 2 configurations undecided: too few valid blocks (0 of 6; 6 are needed): node/fastify peak has no "+
			"valid trial in 6") {
		t.Errorf("%s: %s", c.Finding, c.Reason)
	}
}

func TestWhatIsNotEvaluatedSaysWhy(t *testing.T) {
	other, longer := hypothesis(lab.Higher), hypothesis(lab.Higher)
	longer.Profile = "full"
	other.Claim, longer.Claim = "arch-1", "arch-2"
	plan := planOf()
	plan.UntestedHypotheses = []lab.Hypothesis{other, longer}
	r := judgeAll(plan, nil)
	if len(r.Claims) != len(lab.Claims()) {
		t.Fatalf("%d claims", len(r.Claims))
	}
	for id, want := range map[string]string{
		"arch-1":  "not part of this run",
		"arch-2":  "not evaluated at quick; full tests it",
		"arch-3":  "no scenario has a hypothesis about it",
		"scale-2": "needs replicas behind a load balancer, which the lab cannot start yet",
	} {
		if c := claimOf(t, r, id); c.Finding != lab.NotEvaluated || c.Reason != want {
			t.Errorf("%s: %s: %q, want %q", id, c.Finding, c.Reason, want)
		}
	}
	smoke := planOf(hypothesis(lab.Higher))
	smoke.Profile = lab.Profile{Name: "smoke", Blocks: 1}
	if c := claimOf(t, judgeAll(smoke, slices.Concat(each(n, 1300, 1, nil), each(p, 1000, 1, nil))),
		"speed-1"); c.Finding != lab.NotEvaluated || c.Reason != "smoke compares nothing" {
		t.Errorf("smoke: %s: %s", c.Finding, c.Reason)
	}
}

func TestWhichRowsCount(t *testing.T) {
	invalid := func(v lab.Validity, attempt int64, rps float64) metric.Row {
		return metric.Row{
			"validity": metric.Text(string(v)), "attempt": metric.Int(attempt),
			"throughput_rps": metric.Number(rps),
		}
	}
	rows := each(n, 1300, 0, nil)
	rows = append(rows,
		withFinding(trial(n, 1, 0), invalid(lab.Valid, 2, 2600)),  // the later attempt counts,
		withFinding(trial(n, 2, 0), invalid(lab.Disturbed, 2, 9)), // unless it is not valid,
		withFinding(trial(n, 3, 0), invalid(lab.Failed, 2, 9)),
		// or another phase's,
		withFinding(trial(n, 4, 0), metric.Row{"phase": metric.Text("steady"), "throughput_rps": metric.Number(9)}),
		withFinding(trial(n, 5, 0),
			metric.Row{"scenario": metric.Text("echo"), "throughput_rps": metric.Number(9)}),
	)
	want := 1.3 * math.Pow(2, 1.0/6)
	if v := judge(t, hypothesis(lab.Higher), rows,
		each(p, 1000, 0, nil)); v.Blocks != 6 || math.Abs(*v.Ratio-want) > 1e-9 {
		t.Errorf("ratio %v of %d blocks, want %v of 6", *v.Ratio, v.Blocks, want)
	}
	withFinding(rows[5], invalid(lab.Disturbed, 1, 1300))
	if v := judge(t, hypothesis(lab.Higher), rows, each(p, 1000, 0, nil)); v.Finding != lab.Inconclusive ||
		v.Reason != "too few valid blocks (5 of 6; 6 are needed): node/single peak has no valid trial in 1" ||
		v.Low != nil || v.Ratio == nil {
		t.Errorf("%+v", v)
	}
	withFinding(rows[5], invalid(lab.Valid, 1, 0))
	if v := judge(t, hypothesis(lab.Higher), rows, each(p, 1000, 0, nil)); !strings.Contains(v.Reason,
		"has a throughput_rps of 0, which has no ratio in 1") {
		t.Errorf("%s", v.Reason)
	}
}

// scaled are rows of a variant on so many CPUs.
func scaled(scenario, variant string, cpus int64, rps float64) []metric.Row {
	return each(variant, rps, 1, metric.Row{"scenario": metric.Text(scenario), "server_cpus": metric.Int(cpus)})
}

func TestScalingRatiosAreDividedByTheBurn(t *testing.T) {
	h := lab.Hypothesis{
		Scenario: "scaling", Profile: "standard", Claim: "scale-1", Metric: "throughput_rps", Direction: lab.NotLower, Margin: 0.3,
		Numerator:   lab.Arm{Variant: "node/cluster", Phase: "peak", Cores: 2},
		Denominator: lab.Arm{Variant: "node/cluster", Phase: "peak", Cores: 1},
	}
	rows := slices.Concat(scaled("scaling", "node/cluster", 1, 50), scaled("scaling", "node/cluster", 2, 90))
	burn := slices.Concat(scaled(lab.BurnScenario, lab.BurnVariant, 1, 200),
		scaled(lab.BurnScenario, lab.BurnVariant, 2, 360))
	v := judge(t, h, rows, burn)
	if v.Finding != lab.Supported || math.Abs(*v.Ratio-1) > 1e-9 || v.Reason != "1 to 2 cores only" {
		t.Errorf("as much as the burn: %s, %v, %q", v.Finding, *v.Ratio, v.Reason)
	}
	withFinding(burn[7], metric.Row{"validity": metric.Text(string(lab.Disturbed))})
	if v := judge(t, h, rows, burn); v.Blocks != 5 || !strings.Contains(v.Reason,
		"the native burn on 2 CPUs has no valid trial in 1") {
		t.Errorf("a block without its burn: %d blocks, %q", v.Blocks, v.Reason)
	}

	// A speed-up over a speed-up on the same CPUs: the burn cancels, and is not missed.
	of := func(variant string) lab.Arm {
		return lab.Arm{
			Variant: variant, Phase: "peak", Cores: 2,
			Over: &lab.Arm{Variant: variant, Phase: "peak", Cores: 1},
		}
	}
	h.Claim, h.Direction, h.Numerator, h.Denominator = "scale-4", lab.Higher, of("node/cluster"), of("python-freethreaded/threads")
	rows = append(rows, slices.Concat(scaled("scaling", "python-freethreaded/threads", 1, 10),
		scaled("scaling", "python-freethreaded/threads", 2, 10))...)
	if v := judge(t, h,
		rows); v.Finding != lab.Supported || math.Abs(*v.Ratio-1.8) > 1e-9 || v.Reason != "1 to 2 cores only" {
		t.Errorf("a speed-up over a speed-up: %s, %v, %q", v.Finding, *v.Ratio, v.Reason)
	}

	// What a request costs more CPUs do not divide.
	h.Claim, h.Metric, h.Numerator, h.Denominator = "scale-1", "cpu_us_per_request", *h.Numerator.Over, lab.Arm{Variant: "node/cluster", Phase: "peak", Cores: 2}
	if v := judge(t, h, rows); v.Blocks != 6 || math.Abs(*v.Ratio-1.8) > 1e-9 {
		t.Errorf("cost: %+v", v)
	}
}

func TestSourceBuiltRuntimesCompareOnlyWithTheirTwin(t *testing.T) {
	const free, twin = "python-freethreaded/threads", "python-gil-twin/threads"
	rows := slices.Concat(each(free, 1300, 1, nil), each(twin, 1000, 1, nil), each(n, 1000, 1, nil))
	over := func(variant, by string) lab.Arm {
		return lab.Arm{Variant: variant, Phase: "peak", Over: &lab.Arm{Variant: by, Phase: "peak"}}
	}
	arm := func(variant string) lab.Arm { return lab.Arm{Variant: variant, Phase: "peak"} }
	for name, tt := range map[string]struct {
		numerator, denominator lab.Arm
		refused                bool
	}{
		"its twin":           {arm(free), arm(twin), false},
		"node":               {arm(free), arm(n), true},
		"node first":         {arm(n), arm(free), true},
		"the twin with node": {arm(n), arm(twin), true},
		"speed-ups":          {over(free, free), over(n, n), false},
		"no speed-up":        {over(free, n), over(n, n), true},
		"others":             {arm(n), arm(n), false},
	} {
		h := hypothesis(lab.Higher)
		h.Numerator, h.Denominator = tt.numerator, tt.denominator
		if v := judge(t, h, rows); strings.Contains(v.Reason,
			"is built as no other runtime is") != tt.refused || tt.refused && v.Finding != lab.Inconclusive {
			t.Errorf("%s: %s: %s", name, v.Finding, v.Reason)
		}
	}
}

// Many hypotheses: intervals get wider, and what they say agrees with Holm's p.
func TestIntervalsAgreeWithHolm(t *testing.T) {
	noise := rand.New(rand.NewPCG(5, 5))
	for range 50 {
		var hypotheses []lab.Hypothesis
		var rows []metric.Row
		for i := range 8 {
			h := hypothesis(lab.Directions()[noise.IntN(5)])
			h.Numerator.Variant, h.Denominator.Variant = fmt.Sprintf("node/%d", i), fmt.Sprintf("python/%d", i)
			hypotheses = append(hypotheses, h)
			ratio := math.Exp(0.1 * noise.NormFloat64())
			for b := 1; b <= blocks; b++ {
				rows = append(rows, trial(h.Numerator.Variant, b, 1000*ratio*math.Exp(0.03*noise.NormFloat64())),
					trial(h.Denominator.Variant, b, 1000))
			}
		}
		together := claimOf(t, judgeAll(planOf(hypotheses...), rows), "speed-1")
		for i, v := range together.HypothesisVerdicts {
			alone := claimOf(t, judgeAll(planOf(hypotheses[i]), rows), "speed-1").HypothesisVerdicts[0]
			if *v.Low > *alone.Low || *v.High < *alone.High || *v.PHolm < *alone.PHolm {
				t.Errorf("%s: together [%v, %v] p %v, alone [%v, %v] p %v", v.Direction, *v.Low, *v.High, *v.PHolm,
					*alone.Low, *alone.High, *alone.PHolm)
			}
			second := len(v.Doubts) > 0
			if (*v.PHolm < lab.Alpha) != (v.Finding == lab.Supported || second &&
				strings.HasPrefix(v.Doubts[0], "supported")) {
				t.Errorf("%s: p %v is %s (%s)", v.Direction, *v.PHolm, v.Finding, v.Reason)
			}
			if held := *v.Low > 0.95 && *v.High < 1/0.95; held != (*v.PEquivalence < lab.Alpha) {
				t.Errorf("%s: [%v, %v] with p of equivalence %v", v.Direction, *v.Low, *v.High, *v.PEquivalence)
			}
		}
	}
}

// Five blocks of six on one side: the t-test of skewed values finds what
// permutation does not.
func TestTheSecondOpinion(t *testing.T) {
	var rows []metric.Row
	// the last lies just within the margin of 0.0513
	for b, log := range []float64{0.30, 0.30, 0.30, 0.30, 0.30, 0.0512} {
		rows = append(rows, trial(n, b+1, 1000*math.Exp(log)), trial(p, b+1, 1000))
	}
	v := judge(t, hypothesis(lab.Higher), rows)
	if v.Finding != lab.Inconclusive || v.PSignFlip == nil || *v.PSignFlip != 2.0/64 ||
		!strings.Contains(v.Reason, "supported by t-test, but not by permutation of signs") {
		t.Fatalf("%s: %s (%v)", v.Finding, v.Reason, v.PSignFlip)
	}
	if r := judgeAll(planOf(hypothesis(lab.Higher)), rows); !slices.ContainsFunc(r.Doubts,
		func(d string) bool { return strings.Contains(d, "permutation") }) {
		t.Errorf("no doubt tells of it: %q", r.Doubts)
	}
}

func TestHowManyBlocksWouldDo(t *testing.T) {
	of := func(ratio, noise float64) lab.Verdict {
		return judge(t, hypothesis(lab.Higher), each(n, 1000*ratio, noise, nil), each(p, 1000, 0, nil))
	}
	far, near := of(1.2, 40), of(1.15, 40)
	if far.Finding != lab.Inconclusive || far.BlocksNeeded <= blocks || near.BlocksNeeded <= far.BlocksNeeded ||
		near.BlocksNeeded > 200 {
		t.Errorf("%d blocks for 1.2, %d for 1.15: %s", far.BlocksNeeded, near.BlocksNeeded, near.Reason)
	}
	if want := fmt.Sprintf("about %d blocks would do", near.BlocksNeeded); !strings.Contains(near.Reason, want) {
		t.Errorf("%q does not say %q", near.Reason, want)
	}
	if edge := of(1/0.95, 40); edge.BlocksNeeded != 0 || !strings.Contains(edge.Reason, "margin's edge") {
		t.Errorf("at the edge: %d, %q", edge.BlocksNeeded, edge.Reason)
	}
	wild := func(d lab.Direction) lab.Verdict {
		return judge(t, hypothesis(d), each(n, 1000, 100, nil), each(p, 1000, 0, nil))
	}
	for _, d := range []lab.Direction{lab.Same, lab.Higher} { // in the middle of the margin
		if v := wild(d); v.BlocksNeeded != 0 ||
			v.Reason != "the blocks vary too much: more than 200 would be needed" {
			t.Errorf("%s: %d, %q", d, v.BlocksNeeded, v.Reason)
		}
	}
	if bound := judge(t, hypothesis(lab.Higher), each(n, 1000, 1, censored()), each(p, 1000, 1,
		nil)); bound.BlocksNeeded != 0 || !strings.Contains(bound.Reason, "more blocks would not help") {
		t.Errorf("a bound: %d, %q", bound.BlocksNeeded, bound.Reason)
	}
}

// controls are a run's two: twins, and reference servers.
func controls() []lab.Control {
	twins := hypothesis(lab.Same)
	twins.Claim, twins.Denominator.Variant = "", lab.TwinOf(n)
	reference := twins
	reference.Scenario, reference.Margin = lab.ReferenceScenario, 0.03
	reference.Numerator.Variant, reference.Denominator.Variant = lab.LightReference, lab.HeavyReference
	return []lab.Control{
		{Name: "A/A", Hypothesis: twins, ExpectedRatio: 1},
		{Name: "known ratio", Hypothesis: reference, ExpectedRatio: lab.ReferenceRatio},
	}
}

func references(read, own float64) []metric.Row {
	of := func(variant string, rps, serviceMS float64) []metric.Row {
		rows := each(variant, rps, 0.2, metric.Row{"scenario": metric.Text(lab.ReferenceScenario)})
		for i, r := range rows {
			r["service_mean_ms"] = metric.Number(serviceMS * math.Exp(0.1*wobble[i]))
		}
		return rows
	}
	return slices.Concat(of(lab.LightReference, 200*read, 5), of(lab.HeavyReference, 200, 5*own))
}

func bounds(rows []metric.Row) []metric.Row {
	for _, r := range rows {
		withFinding(r, censored())
	}
	return rows
}

func TestControls(t *testing.T) {
	plan := planOf(hypothesis(lab.Higher))
	plan.Controls = controls()
	beyond := hypothesis(lab.Higher)
	beyond.Claim, beyond.Profile = "arch-1", "full"
	plan.UntestedHypotheses = []lab.Hypothesis{beyond}
	claims := slices.Concat(each(n, 1300, 1, nil), each(p, 1000, 1, nil))
	for name, tt := range map[string]struct {
		rows      []metric.Row
		aa, known bool
		reason    string
	}{
		"right": {
			slices.Concat(each(lab.TwinOf(n), 1300, 1, nil), references(1.1, 1.1)), true,
			true, "which covers 1.10",
		},
		"twins that differ much": {
			slices.Concat(each(lab.TwinOf(n), 1000, 1, nil), references(1.1, 1.1)), false,
			true, "was 1.300 [",
		},
		"twins, surely a little": {
			slices.Concat(each(lab.TwinOf(n), 1330, 1, nil), references(1.1, 1.1)), false,
			true, "",
		},
		// p 0.02
		"twins that vary, and do": {
			slices.Concat(each(lab.TwinOf(n), 1300/1.35, 50, nil), references(1.1, 1.1)),
			false, true, "",
		},
		"twins that vary": {
			slices.Concat(each(lab.TwinOf(n), 1200, 40, nil), references(1.1, 1.1)), true,
			true, "",
		},
		"twins that are bounds": {
			slices.Concat(each(lab.TwinOf(n), 1300, 1, censored()), references(1.1, 1.1)),
			true, true, "",
		},
		"no twin": {
			references(1.1, 1.1), false, true,
			"could not be judged: too few valid blocks (0 of 6; 2 are needed)",
		},
		"read is not 1.10": {
			slices.Concat(each(lab.TwinOf(n), 1300, 1, nil), references(1.2, 1.1)), true,
			false, "does not cover 1.10",
		},
		"the machine's is not": {
			slices.Concat(each(lab.TwinOf(n), 1300, 1, nil), references(1.2, 1.2)), true,
			true, "does not cover 1.10",
		},
		"read small, surely off": {
			slices.Concat(each(lab.TwinOf(n), 1300, 1, nil), references(1.09, 1.1)), true,
			true, "-0.9 % [",
		},
		"references, bounds": {
			slices.Concat(each(lab.TwinOf(n), 1300, 1, nil), bounds(references(1.1, 1.1))),
			true, false, "could not be judged: too few valid blocks (0 of 6; 2 are needed): lab/reference peak is " +
				"censored in 6",
		},
		"references without time": {
			slices.Concat(each(lab.TwinOf(n), 1300, 1, nil), references(1.1, math.NaN())),
			true, false, "has no service_mean_ms in 6",
		},
	} {
		r := judgeAll(plan, slices.Concat(claims, tt.rows))
		if len(r.Controls) != 2 {
			t.Fatalf("%s: %d controls", name, len(r.Controls))
		}
		both := r.Controls[0].Reason + " | " + r.Controls[1].Reason
		if r.Controls[0].Passed != tt.aa || r.Controls[1].Passed != tt.known || !strings.Contains(both, tt.reason) {
			t.Errorf("%s: A/A %v, known ratio %v: %s", name, r.Controls[0].Passed, r.Controls[1].Passed, both)
		}
		want, passed := lab.Inconclusive, tt.aa && tt.known
		if passed {
			want = lab.Supported
		}
		c := claimOf(t, r, "speed-1")
		v := c.HypothesisVerdicts[0]
		if c.Finding != want || r.ControlsPassed() != passed || v.Ratio == nil || v.Low == nil ||
			strings.Contains(v.Reason, "a control failed") == passed {
			t.Errorf("%s: %s: %s", name, c.Finding, c.Reason)
		}
		if c := claimOf(t, r, "arch-1"); c.Finding != lab.NotEvaluated {
			t.Errorf("%s: what was not evaluated is %s", name, c.Finding)
		}
	}
}

// The two that the whole pipeline must get right, here from rows.
func TestASlowServerIsFoundAndEqualOnesAreNot(t *testing.T) {
	slowed := hypothesis(lab.Higher)
	if v := judge(t, slowed, each(n, 1000, 2, nil), each(p, 900, 2, nil)); v.Finding != lab.Supported {
		t.Errorf("slowed by a tenth: %s: %s", v.Finding, v.Reason)
	}
	imagined := hypothesis(lab.Higher)
	imagined.Denominator.Variant = lab.TwinOf(n)
	if v := judge(t, imagined, each(n, 1000, 2, nil),
		each(lab.TwinOf(n), 1000, 2, nil)); v.Finding != lab.Refuted {
		t.Errorf("faster than its twin: %s: %s", v.Finding, v.Reason)
	}
}

func TestASlowerBlockIsADoubt(t *testing.T) {
	for _, c := range []struct {
		slow float64 // canaries of the last block, in milliseconds, where others take 50
		want string
	}{
		{57, ""},
		{58, "the machine's pace changed: canaries took at least 50.0 ms in block 1, and 58.0 in block 6"},
	} {
		var rows []metric.Row
		for block := 1; block <= 6; block++ {
			ms := 50.0
			if block == 6 {
				ms = c.slow
			}
			rows = append(rows, withFinding(trial(n, block, 1000), metric.Row{"canary_max_ms": metric.Number(ms)}),
				// the server was in its way
				withFinding(trial(p, block, 1000), metric.Row{"canary_max_ms": metric.Number(130)}))
		}
		plan := planOf(hypothesis(lab.Higher))
		plan.Controls = controls()
		if got := strings.Join(judgeAll(plan, rows).Doubts, "\n"); !strings.HasPrefix(got,
			c.want) || c.want == "" && got != "" {
			t.Errorf("at %v ms: %q, want %q", c.slow, got, c.want)
		}
	}
}

func TestDoubts(t *testing.T) {
	rows := slices.Concat(each(n, 1300, 1,
		metric.Row{"warmup_end": metric.Text("steady"), "drift_ratio": metric.Number(0.01)}),
		each(p, 1000, 1, metric.Row{"warmup_end": metric.Text("steady"), "drift_ratio": metric.Number(-0.02)}))
	plan := planOf(hypothesis(lab.Higher))
	plan.Controls = controls()
	if got := judgeAll(plan, rows).Doubts; len(got) > 0 {
		t.Errorf("doubts of what is steady: %q", got)
	}
	rows[2]["warmup_end"] = metric.Text("budget")
	rows = append(rows, withFinding(trial(n, 3, 5), metric.Row{
		"phase": metric.Text("steady"),
		"mode":  metric.Text("open"), "drift_ratio": metric.Number(0.5), "warmup_end": metric.Text("budget"),
	}))
	rows[8]["drift_ratio"], rows[9]["drift_ratio"], rows[1]["drift_ratio"] = metric.Number(-0.06), metric.Number(0.07), metric.Number(0.08)
	plan.Pilots = []lab.Pilot{
		{Scenario: "json", Variant: "node/single", PeakRPS: 9},
		{Scenario: "json", Variant: "python/uvloop", PeakRPS: 9, Doubt: "others took 10.0% of the server's CPUs"},
	}
	want := []string{
		"the peak of python/uvloop on json, from which rates follow, may be none: others took 10.0% of the " +
			"server's CPUs",
		"1 of 12 trials began before their throughput was steady, their warm-up ended by its budget: json " +
			"node/single (1)",
		"3 of 12 closed phases drifted by more than 5 % from their first half to their second: json " +
			"python/uvloop peak (2), json node/single peak (1)",
	}
	if got := judgeAll(plan, rows).Doubts; !slices.Equal(got, want) {
		t.Errorf("got %q", got)
	}
	for i, busiest := range []float64{0.5, 0.76, 0.74} { // of the two that rows have
		rows[i]["workers"], rows[i]["connections"], rows[i]["busiest_process_ratio"] = metric.Int(2), metric.Int(64), metric.Number(busiest)
	}
	// for one client
	rows[3]["workers"], rows[3]["connections"], rows[3]["busiest_process_ratio"] = metric.Int(2), metric.Int(1), metric.Number(1)
	want = append(want,
		"in 1 of 3 closed phases on servers of several processes, one did more than 1.5 times its share of the "+
			"work (busiest_process_ratio): json node/single peak (1)")
	if got := judgeAll(plan, rows).Doubts; !slices.Equal(got, want) {
		t.Errorf("got %q", got)
	}
	plan.Controls, plan.Pilots = nil, nil
	if got := judgeAll(plan, rows).Doubts; len(got) != 4 || !strings.Contains(got[0], "no control") {
		t.Errorf("without controls: %q", got)
	}
}

// drawn is a run of two arms with noise, bounds and gaps.
func drawn(t *rapid.T) []metric.Row {
	var rows []metric.Row
	noise := rapid.Float64Range(-0.2, 0.2)
	kinds := rapid.SampledFrom([]lab.Validity{
		lab.Valid, lab.Valid, lab.Valid, lab.Valid, lab.Valid, lab.Valid,
		lab.Censored, lab.Disturbed,
	})
	for b := 1; b <= 10; b++ {
		for _, variant := range []string{n, p} {
			rows = append(rows, withFinding(trial(variant, b, 1000*math.Exp(noise.Draw(t, "noise"))),
				metric.Row{"validity": metric.Text(string(kinds.Draw(t, "validity")))}))
		}
	}
	return rows
}

var mirrored = map[lab.Direction]lab.Direction{
	lab.Higher: lab.Lower, lab.Lower: lab.Higher, lab.Same: lab.Same, lab.NotHigher: lab.NotLower, lab.NotLower: lab.NotHigher,
}

func close(a, b *float64) bool {
	return (a == nil) == (b == nil) && (a == nil || math.Abs(*a-*b) <= 1e-9*math.Abs(*a))
}

func inverse(a *float64) *float64 {
	if a == nil {
		return nil
	}
	x := 1 / *a
	return &x
}

func TestSwappingTheArmsInvertsTheRatio(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		rows, h := drawn(t), hypothesis(rapid.SampledFrom(lab.Directions()).Draw(t, "direction"))
		back := h
		back.Numerator, back.Denominator, back.Direction = h.Denominator, h.Numerator, mirrored[h.Direction]
		a, b := judgeAll(planOf(h), rows).Claims[4].HypothesisVerdicts[0], judgeAll(planOf(back),
			rows).Claims[4].HypothesisVerdicts[0]
		if a.Finding != b.Finding || a.BlocksNeeded != b.BlocksNeeded || !close(a.Ratio,
			inverse(b.Ratio)) || !close(a.Low, inverse(b.High)) || !close(a.High, inverse(b.Low)) {
			t.Errorf("%+v\nswapped: %+v", a, b)
		}
	})
}

func TestUnitsChangeNothing(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		rows, h := drawn(t), hypothesis(rapid.SampledFrom(lab.Directions()).Draw(t, "direction"))
		a := judgeAll(planOf(h), rows).Claims[4].HypothesisVerdicts[0]
		unit := rapid.Float64Range(1e-6, 1e6).Draw(t, "unit")
		for _, r := range rows {
			rps, _ := r.Float("throughput_rps")
			r["throughput_rps"] = metric.Number(unit * rps)
		}
		b := judgeAll(planOf(h), rows).Claims[4].HypothesisVerdicts[0]
		if a.Finding != b.Finding || !close(a.Ratio, b.Ratio) || !close(a.Low, b.Low) || !close(a.High, b.High) {
			t.Errorf("%+v\nin other units: %+v", a, b)
		}
	})
}

func TestTheOrderOfRowsChangesNothing(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		rows := drawn(t)
		rows = append(rows,
			withFinding(trial(n, 1, 2000), metric.Row{"attempt": metric.Int(2), "warmup_end": metric.Text("budget")}))
		plan := planOf(hypothesis(lab.Higher), hypothesis(lab.Same))
		plan.Controls = controls()
		want := judgeAll(plan, rows)
		if got := judgeAll(plan, rapid.Permutation(rows).Draw(t, "order")); !reflect.DeepEqual(got, want) {
			t.Errorf("got %+v\nwant %+v", got, want)
		}
	})
}
