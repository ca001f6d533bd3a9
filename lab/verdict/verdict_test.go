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
	"runtimelab/lab/wording"
)

const (
	n, p   = "node/single", "python/uvloop" // the variants that most tests compare
	blocks = 6
)

// wobble is noise for the logs of a trial's figures. It sums to 0 over the blocks.
var wobble = [blocks]float64{0.004, -0.006, 0.002, 0.005, -0.003, -0.002}

// trial returns the row of a peak of the scenario json on one CPU.
func trial(variant string, block int, rps float64) metric.Row {
	return metric.Row{
		"scenario":           metric.Text("json"),
		"variant":            metric.Text(variant),
		"phase":              metric.Text("peak"),
		"mode":               metric.Text("closed"),
		"server_cpus":        metric.Int(1),
		"block":              metric.Int(int64(block)),
		"attempt":            metric.Int(1),
		"throughput_rps":     metric.Number(rps),
		"cpu_us_per_request": metric.Number(1e6 / rps),
		"validity":           metric.Text(string(lab.Valid)),
	}
}

func withColumns(r metric.Row, columns metric.Row) metric.Row {
	maps.Copy(r, columns)
	return r
}

// trials returns one row per block with noise that depends on the variant, and the columns of change.
func trials(variant string, rps, noise float64, change metric.Row) (rows []metric.Row) {
	for b := range blocks {
		w := wobble[(b+len(variant))%blocks]
		rows = append(rows, withColumns(trial(variant, b+1, rps*math.Exp(noise*w)), change))
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
	return lab.Plan{
		Profile: lab.Profile{Name: "quick", Blocks: blocks}, Hypotheses: hypotheses,
		RuntimeFacts: lab.RuntimeFacts{Peers: map[string]lab.Peers{
			"python-freethreaded": {
				Runtimes: []string{"python-gil-twin"}, Reason: "is built from source with its own flags",
			},
			"python-gil-twin": {
				Runtimes: []string{"python-freethreaded"}, Reason: "is built from source with its own flags",
			},
			"choosy": {Runtimes: []string{"node", "bun"}, Reason: "answers in half"},
		}},
	}
}

// reasonOf returns the reasons of a verdict on a hypothesis, a claim or a control as text.
func reasonOf(v any) string {
	switch v := v.(type) {
	case lab.Verdict:
		return wording.Reasons(v.Reasons...)
	case lab.ClaimVerdict:
		return wording.Claim(v)
	case lab.ControlVerdict:
		return wording.Control(v)
	}
	return "no verdict"
}

// doubtsOf returns the doubts about a run as text.
func doubtsOf(r verdict.Result) (texts []string) {
	for _, d := range r.Doubts {
		texts = append(texts, wording.Reason(d))
	}
	return texts
}

func claimOf(t *testing.T, r verdict.Result, id string) lab.ClaimVerdict {
	t.Helper()
	i := slices.IndexFunc(r.Claims, func(c lab.ClaimVerdict) bool { return c.ID == id })
	if i < 0 {
		t.Fatalf("no claim %s", id)
	}
	return r.Claims[i]
}

// judgeAll judges a complete run.
func judgeAll(p lab.Plan, rows []metric.Row) verdict.Result {
	return verdict.Judge(p, rows, len(p.Trials))
}

// judge returns the verdict on the only hypothesis of a run.
func judge(t *testing.T, h lab.Hypothesis, rows ...[]metric.Row) lab.Verdict {
	t.Helper()
	parts := claimOf(t, judgeAll(planOf(h), slices.Concat(rows...)), h.Claim).HypothesisVerdicts
	if len(parts) != 1 {
		t.Fatalf("%d verdicts of one hypothesis", len(parts))
	}
	return parts[0]
}

// Every direction, region of the ratio and kind of bound.
func TestFindingsByDirectionRegionAndBounds(t *testing.T) {
	const S, R, I = lab.Supported, lab.Refuted, lab.Inconclusive
	ratios := map[string]float64{
		"above": 1.3, "upper edge": 1 / 0.95, "inside": 1, "lower edge": 0.95, "below": 1 / 1.3,
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
				v := judge(t, hypothesis(d), trials(n, 1000*ratios[region], 1, change[0]), trials(p, 1000, 1, change[1]))
				if v.Finding != want[bound][i] {
					t.Errorf("%s, %s, %s: %s (%s), want %s", d, region, bound, v.Finding, reasonOf(v), want[bound][i])
				}
				highOpen := bound == "or more" || bound == "nothing known"
				lowOpen := bound == "or less" || bound == "nothing known"
				if (v.High == nil) != highOpen || (v.Low == nil) != lowOpen {
					t.Errorf("%s, %s: interval from %v to %v", d, bound, v.Low, v.High)
				}
				if v.Finding == I && reasonOf(v) == "" {
					t.Errorf("%s, %s, %s: inconclusive without a reason", d, region, bound)
				}
			}
		}
	}
}

func TestOneBoundMakesTheRatioABound(t *testing.T) {
	rows := trials(n, 1300, 1, nil)
	withColumns(rows[3], censored())
	v := judge(t, hypothesis(lab.Higher), rows, trials(p, 1000, 1, nil))
	if v.High != nil || v.Low == nil || v.Finding != lab.Supported {
		t.Errorf("%s, interval from %v to %v", v.Finding, v.Low, v.High)
	}
	rows = trials(p, 1000, 1, nil)
	withColumns(rows[0], censored())
	one := trials(n, 1300, 1, nil)
	withColumns(one[5], censored())
	v = judge(t, hypothesis(lab.Higher), one, rows)
	if v.Ratio != nil || !strings.Contains(reasonOf(v), "bounds") {
		t.Errorf("a bound of each arm, in different blocks: %+v", v)
	}
}

// A bound of throughput implies nothing about the cost per request.
func TestOnlyThroughputOfCensoredRowsCounts(t *testing.T) {
	h := hypothesis(lab.Lower)
	h.Metric = "cpu_us_per_request"
	if v := judge(t, h, trials(n, 1300, 1, censored()), trials(p, 1000, 1, nil)); v.Blocks != 0 ||
		v.Finding != lab.Inconclusive || !strings.Contains(reasonOf(v), "node/single peak is censored in 6") {
		t.Errorf("%+v", v)
	}
}

func TestCombineFindings(t *testing.T) {
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

// Four hypotheses of one claim, each with its own outcome.
func TestAClaimNamesTheHypothesesItDependsOn(t *testing.T) {
	second := hypothesis(lab.Higher)
	second.Numerator.Variant, second.Denominator.Variant = "node/express", "python/fastapi"
	third := second
	third.Numerator.Variant = "node/fastify"
	beyond := hypothesis(lab.Higher)
	beyond.Scenario, beyond.Profile = "echo", "standard"
	plan := planOf(hypothesis(lab.Higher), second)
	plan.UntestedHypotheses = []lab.Hypothesis{beyond}
	rows := slices.Concat(trials(n, 1300, 1, nil), trials(p, 1000, 1, nil), trials("node/express", 1000, 1, nil),
		trials("python/fastapi", 1000, 1, nil))

	c := claimOf(t, judgeAll(plan, rows), "speed-1")
	if c.Finding != lab.Depends {
		t.Errorf("%s: %s", c.Finding, reasonOf(c))
	}
	for _, part := range []string{
		"supported by json: throughput_rps of node/single peak",
		"refuted by json: throughput_rps of node/express",
		"not compared: echo: ",
		"not evaluated at quick; standard tests it",
	} {
		if !strings.Contains(reasonOf(c), part) {
			t.Errorf("%s: the reason does not contain %q: %s", c.Finding, part, reasonOf(c))
		}
	}

	plan.Hypotheses[1] = third // has no rows
	c = claimOf(t, judgeAll(plan, rows), "speed-1")
	const undecided = "1 of 2 configurations undecided: too few valid blocks (0 of 6; 6 are needed): " +
		"node/fastify peak has no valid trial in 6"
	if c.Finding != lab.Inconclusive || !strings.Contains(reasonOf(c), undecided) {
		t.Errorf("%s: %s", c.Finding, reasonOf(c))
	}
}

func TestANotEvaluatedClaimHasAReason(t *testing.T) {
	other, longer := hypothesis(lab.Higher), hypothesis(lab.Higher)
	longer.Profile = "full"
	other.Claim, longer.Claim = "arch-1", "arch-2"
	plan := planOf()
	plan.UntestedHypotheses = []lab.Hypothesis{other, longer}
	plan.Claims = []lab.Claim{
		{ID: "arch-1"},
		{ID: "arch-2"},
		{ID: "arch-3"},
		{ID: "scale-2", Lacks: "needs replicas behind a load balancer, which the lab cannot start yet"},
	}
	r := judgeAll(plan, nil)
	if len(r.Claims) != len(plan.Claims) {
		t.Fatalf("%d claims", len(r.Claims))
	}
	for id, want := range map[string]string{
		"arch-1":  "not part of this run",
		"arch-2":  "not evaluated at quick; full tests it",
		"arch-3":  "no scenario has a hypothesis about it",
		"scale-2": "needs replicas behind a load balancer, which the lab cannot start yet",
	} {
		if c := claimOf(t, r, id); c.Finding != lab.NotEvaluated || reasonOf(c) != want {
			t.Errorf("%s: %s: %q, want %q", id, c.Finding, reasonOf(c), want)
		}
	}
	smoke := planOf(hypothesis(lab.Higher))
	smoke.Profile = lab.Profile{Name: "smoke", Blocks: 1}
	c := claimOf(t, judgeAll(smoke, slices.Concat(trials(n, 1300, 1, nil), trials(p, 1000, 1, nil))), "speed-1")
	if c.Finding != lab.NotEvaluated || reasonOf(c) != "smoke compares nothing" {
		t.Errorf("smoke: %s: %s", c.Finding, reasonOf(c))
	}
}

func TestTheLastValidAttemptOfAPhaseCounts(t *testing.T) {
	attempt := func(v lab.Validity, number int64, rps float64) metric.Row {
		return metric.Row{
			"validity": metric.Text(string(v)), "attempt": metric.Int(number),
			"throughput_rps": metric.Number(rps),
		}
	}
	rows := trials(n, 1300, 0, nil)
	rows = append(rows,
		withColumns(trial(n, 1, 0), attempt(lab.Valid, 2, 2600)), // counts instead of the first attempt
		// None of these counts.
		withColumns(trial(n, 2, 0), attempt(lab.Disturbed, 2, 9)),
		withColumns(trial(n, 3, 0), attempt(lab.Failed, 2, 9)),
		withColumns(trial(n, 4, 9), metric.Row{"phase": metric.Text("steady")}),
		withColumns(trial(n, 5, 9), metric.Row{"scenario": metric.Text("echo")}),
	)
	want := 1.3 * math.Pow(2, 1.0/6)
	v := judge(t, hypothesis(lab.Higher), rows, trials(p, 1000, 0, nil))
	if v.Blocks != 6 || math.Abs(*v.Ratio-want) > 1e-9 {
		t.Errorf("ratio %v of %d blocks, want %v of 6", *v.Ratio, v.Blocks, want)
	}
	withColumns(rows[5], attempt(lab.Disturbed, 1, 1300))
	v = judge(t, hypothesis(lab.Higher), rows, trials(p, 1000, 0, nil))
	if v.Finding != lab.Inconclusive || v.Low != nil || v.Ratio == nil ||
		reasonOf(v) != "too few valid blocks (5 of 6; 6 are needed): node/single peak has no valid trial in 1" {
		t.Errorf("%+v", v)
	}
	withColumns(rows[5], attempt(lab.Valid, 1, 0))
	v = judge(t, hypothesis(lab.Higher), rows, trials(p, 1000, 0, nil))
	if !strings.Contains(reasonOf(v), "has a throughput_rps of 0, which has no ratio in 1") {
		t.Errorf("%s", reasonOf(v))
	}
}

// scaled returns rows of a variant on so many CPUs.
func scaled(scenario, variant string, cpus int64, rps float64) []metric.Row {
	return trials(variant, rps, 1, metric.Row{
		"scenario": metric.Text(scenario), "server_cpus": metric.Int(cpus),
	})
}

func TestScalingRatiosAreDividedByTheBurn(t *testing.T) {
	h := lab.Hypothesis{
		Scenario: "scaling", Profile: "standard", Claim: "scale-1",
		Metric: "throughput_rps", Direction: lab.NotLower, Margin: 0.3,
		Numerator:   lab.Arm{Variant: "node/cluster", Phase: "peak", Cores: 2},
		Denominator: lab.Arm{Variant: "node/cluster", Phase: "peak", Cores: 1},
	}
	rows := slices.Concat(scaled("scaling", "node/cluster", 1, 50), scaled("scaling", "node/cluster", 2, 90))
	burn := slices.Concat(scaled(lab.BurnScenario, lab.BurnVariant, 1, 200),
		scaled(lab.BurnScenario, lab.BurnVariant, 2, 360))
	v := judge(t, h, rows, burn)
	if v.Finding != lab.Supported || math.Abs(*v.Ratio-1) > 1e-9 || reasonOf(v) != "1 to 2 cores only" {
		t.Errorf("the same speed-up as the burn: %s, %v, %q", v.Finding, *v.Ratio, reasonOf(v))
	}
	withColumns(burn[7], metric.Row{"validity": metric.Text(string(lab.Disturbed))})
	v = judge(t, h, rows, burn)
	if v.Blocks != 5 || !strings.Contains(reasonOf(v), "the native burn on 2 CPUs has no valid trial in 1") {
		t.Errorf("a block without its burn: %d blocks, %q", v.Blocks, reasonOf(v))
	}

	// For a ratio of speed-ups on the same CPUs the burn cancels and is not needed.
	speedUp := func(variant string) lab.Arm {
		return lab.Arm{
			Variant: variant, Phase: "peak", Cores: 2,
			Over: &lab.Arm{Variant: variant, Phase: "peak", Cores: 1},
		}
	}
	h.Claim, h.Direction = "scale-4", lab.Higher
	h.Numerator, h.Denominator = speedUp("node/cluster"), speedUp("python-freethreaded/threads")
	rows = append(rows, slices.Concat(scaled("scaling", "python-freethreaded/threads", 1, 10),
		scaled("scaling", "python-freethreaded/threads", 2, 10))...)
	v = judge(t, h, rows)
	if v.Finding != lab.Supported || math.Abs(*v.Ratio-1.8) > 1e-9 || reasonOf(v) != "1 to 2 cores only" {
		t.Errorf("a ratio of speed-ups: %s, %v, %q", v.Finding, *v.Ratio, reasonOf(v))
	}

	// The cost of a request does not depend on the number of CPUs, so the burn does not divide it.
	h.Claim, h.Metric = "scale-1", "cpu_us_per_request"
	h.Numerator, h.Denominator = *h.Numerator.Over, lab.Arm{Variant: "node/cluster", Phase: "peak", Cores: 2}
	if v := judge(t, h, rows); v.Blocks != 6 || math.Abs(*v.Ratio-1.8) > 1e-9 {
		t.Errorf("cost: %+v", v)
	}
}

func TestRuntimesCompareOnlyWithTheirPeers(t *testing.T) {
	const (
		free, twin, choosy = "python-freethreaded/threads", "python-gil-twin/threads", "choosy/a"
		freeReason         = "python-freethreaded is built from source with its own flags: compare it with " +
			"python-gil-twin only, or with others by speed-up"
		twinReason = "python-gil-twin is built from source with its own flags: compare it with " +
			"python-freethreaded only, or with others by speed-up"
		choosyReason = "choosy answers in half: compare it with node, bun only, or with others by speed-up"
	)
	rows := slices.Concat(trials(free, 1300, 1, nil), trials(twin, 1000, 1, nil), trials(n, 1000, 1, nil),
		trials(choosy, 1000, 1, nil), trials("choosy/b", 1000, 1, nil), trials(p, 1000, 1, nil))
	over := func(variant, by string) lab.Arm {
		return lab.Arm{Variant: variant, Phase: "peak", Over: &lab.Arm{Variant: by, Phase: "peak"}}
	}
	arm := func(variant string) lab.Arm { return lab.Arm{Variant: variant, Phase: "peak"} }
	for name, tt := range map[string]struct {
		numerator, denominator lab.Arm
		refused                string // the reason; empty: the arms are compared
	}{
		"its twin":           {arm(free), arm(twin), ""},
		"node":               {arm(free), arm(n), freeReason},
		"node first":         {arm(n), arm(free), freeReason},
		"the twin with node": {arm(n), arm(twin), twinReason},
		"speed-ups":          {over(free, free), over(n, n), ""},
		"no speed-up":        {over(free, n), over(n, n), freeReason},
		"others":             {arm(n), arm(n), ""},
		"one of two peers":   {arm(choosy), arm(n), ""},
		"itself":             {arm(choosy), arm("choosy/b"), ""},
		"another":            {arm(p), arm(choosy), choosyReason},
		"peers of others":    {arm(choosy), arm(free), choosyReason},
	} {
		h := hypothesis(lab.Higher)
		h.Numerator, h.Denominator = tt.numerator, tt.denominator
		v := judge(t, h, rows)
		compared := v.Ratio != nil && v.Low != nil
		if compared != (tt.refused == "") ||
			tt.refused != "" && (reasonOf(v) != tt.refused || v.Finding != lab.Inconclusive) {
			t.Errorf("%s: %s: %s", name, v.Finding, reasonOf(v))
		}
	}
}

// With many hypotheses intervals get wider, and the findings agree with Holm's p-values.
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
				t.Errorf("%s: together [%v, %v] p %v, alone [%v, %v] p %v",
					v.Direction, *v.Low, *v.High, *v.PHolm, *alone.Low, *alone.High, *alone.PHolm)
			}
			isContested := len(v.Doubts) > 0
			if (*v.PHolm < lab.Alpha) != (v.Finding == lab.Supported || isContested &&
				v.Doubts[0].Subject == string(lab.Supported)) {
				t.Errorf("%s: p %v is %s (%s)", v.Direction, *v.PHolm, v.Finding, reasonOf(v))
			}
			if inside := *v.Low > 0.95 && *v.High < 1/0.95; inside != (*v.PEquivalence < lab.Alpha) {
				t.Errorf("%s: [%v, %v] with p of equivalence %v", v.Direction, *v.Low, *v.High, *v.PEquivalence)
			}
		}
	}
}

// Five blocks of six lie on one side: the t-test of these skewed values finds what permutation does
// not.
func TestPermutationMustConfirmAFinding(t *testing.T) {
	var rows []metric.Row
	// the last value lies just within the margin of 0.0513
	for b, log := range []float64{0.30, 0.30, 0.30, 0.30, 0.30, 0.0512} {
		rows = append(rows, trial(n, b+1, 1000*math.Exp(log)), trial(p, b+1, 1000))
	}
	v := judge(t, hypothesis(lab.Higher), rows)
	if v.Finding != lab.Inconclusive || v.PSignFlip == nil || *v.PSignFlip != 2.0/64 ||
		!strings.Contains(reasonOf(v), "supported by t-test, but not by permutation of signs") {
		t.Fatalf("%s: %s (%v)", v.Finding, reasonOf(v), v.PSignFlip)
	}
	doubts := doubtsOf(judgeAll(planOf(hypothesis(lab.Higher)), rows))
	if !slices.ContainsFunc(doubts, func(d string) bool { return strings.Contains(d, "permutation") }) {
		t.Errorf("no doubt reports it: %q", doubts)
	}
}

func TestBlocksNeededGrowsNearTheMargin(t *testing.T) {
	judgeRatio := func(ratio, noise float64) lab.Verdict {
		return judge(t, hypothesis(lab.Higher), trials(n, 1000*ratio, noise, nil), trials(p, 1000, 0, nil))
	}
	far, near := judgeRatio(1.2, 40), judgeRatio(1.15, 40)
	if far.Finding != lab.Inconclusive || far.BlocksNeeded <= blocks || near.BlocksNeeded <= far.BlocksNeeded ||
		near.BlocksNeeded > 200 {
		t.Errorf("%d blocks for 1.2, %d for 1.15: %s", far.BlocksNeeded, near.BlocksNeeded, reasonOf(near))
	}
	want := fmt.Sprintf("about %d blocks would decide", near.BlocksNeeded)
	if !strings.Contains(reasonOf(near), want) {
		t.Errorf("%q does not say %q", reasonOf(near), want)
	}
	edge := judgeRatio(1/0.95, 40)
	if edge.BlocksNeeded != 0 || !strings.Contains(reasonOf(edge), "the ratio lies at the margin's edge") {
		t.Errorf("at the edge: %d, %q", edge.BlocksNeeded, reasonOf(edge))
	}
	judgeNoise := func(d lab.Direction) lab.Verdict {
		return judge(t, hypothesis(d), trials(n, 1000, 100, nil), trials(p, 1000, 0, nil))
	}
	for _, d := range []lab.Direction{lab.Same, lab.Higher} { // in the middle of the margin
		if v := judgeNoise(d); v.BlocksNeeded != 0 ||
			reasonOf(v) != "the blocks vary too much: more than 200 would be needed" {
			t.Errorf("%s: %d, %q", d, v.BlocksNeeded, reasonOf(v))
		}
	}
	bound := judge(t, hypothesis(lab.Higher), trials(n, 1000, 1, censored()), trials(p, 1000, 1, nil))
	if bound.BlocksNeeded != 0 || !strings.Contains(reasonOf(bound), "more blocks would not help") {
		t.Errorf("a bound: %d, %q", bound.BlocksNeeded, reasonOf(bound))
	}
}

// controls returns the two controls of a run: twins, and reference servers.
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

// references returns rows of the reference servers. measured is the ratio of their throughputs,
// byClock the ratio of their service times.
func references(measured, byClock float64) []metric.Row {
	rows := func(variant string, rps, serviceMS float64) []metric.Row {
		out := trials(variant, rps, 0.2, metric.Row{"scenario": metric.Text(lab.ReferenceScenario)})
		for i, r := range out {
			r["service_mean_ms"] = metric.Number(serviceMS * math.Exp(0.1*wobble[i]))
		}
		return out
	}
	return slices.Concat(rows(lab.LightReference, 200*measured, 5), rows(lab.HeavyReference, 200, 5*byClock))
}

// bounds makes rows censored.
func bounds(rows []metric.Row) []metric.Row {
	for _, r := range rows {
		withColumns(r, censored())
	}
	return rows
}

func TestControls(t *testing.T) {
	plan := planOf(hypothesis(lab.Higher))
	plan.Controls = controls()
	beyond := hypothesis(lab.Higher)
	beyond.Claim, beyond.Profile = "arch-1", "full"
	plan.UntestedHypotheses = []lab.Hypothesis{beyond}
	claims := slices.Concat(trials(n, 1300, 1, nil), trials(p, 1000, 1, nil))
	twin := func(rps, noise float64) []metric.Row { return trials(lab.TwinOf(n), rps, noise, nil) }
	for name, tt := range map[string]struct {
		rows      []metric.Row
		aa, known bool
		reason    string
	}{
		"right": {
			slices.Concat(twin(1300, 1), references(1.1, 1.1)),
			true, true, "which covers 1.10",
		},
		"twins differ": {
			slices.Concat(twin(1000, 1), references(1.1, 1.1)),
			false, true, "was 1.300 [",
		},
		"twins differ a little, certainly": {
			slices.Concat(twin(1330, 1), references(1.1, 1.1)),
			false, true, "",
		},
		"twins vary and differ": { // p 0.02
			slices.Concat(twin(1300/1.35, 50), references(1.1, 1.1)),
			false, true, "",
		},
		"twins vary": {
			slices.Concat(twin(1200, 40), references(1.1, 1.1)),
			true, true, "",
		},
		"twins are bounds": {
			slices.Concat(bounds(twin(1300, 1)), references(1.1, 1.1)),
			true, true, "",
		},
		"no twin": {
			references(1.1, 1.1),
			false, true, "not judged: too few valid blocks (0 of 6; 2 are needed)",
		},
		"measured ratio is not 1.10": {
			slices.Concat(twin(1300, 1), references(1.2, 1.1)),
			true, false, "does not cover 1.10",
		},
		"real ratio is not 1.10": {
			slices.Concat(twin(1300, 1), references(1.2, 1.2)),
			true, true, "does not cover 1.10",
		},
		"a small, certain error": {
			slices.Concat(twin(1300, 1), references(1.09, 1.1)),
			true, true, "-0.9 % [",
		},
		"references are bounds": {
			slices.Concat(twin(1300, 1), bounds(references(1.1, 1.1))),
			true, false, "not judged: too few valid blocks (0 of 6; 2 are needed): " +
				"lab/reference peak is censored in 6",
		},
		"references without service times": {
			slices.Concat(twin(1300, 1), references(1.1, math.NaN())),
			true, false, "has no service_mean_ms in 6",
		},
	} {
		r := judgeAll(plan, slices.Concat(claims, tt.rows))
		if len(r.Controls) != 2 {
			t.Fatalf("%s: %d controls", name, len(r.Controls))
		}
		both := reasonOf(r.Controls[0]) + " | " + reasonOf(r.Controls[1])
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
			strings.Contains(reasonOf(v), "a control failed") == passed {
			t.Errorf("%s: %s: %s", name, c.Finding, reasonOf(c))
		}
		if c := claimOf(t, r, "arch-1"); c.Finding != lab.NotEvaluated {
			t.Errorf("%s: a claim that was not evaluated is %s", name, c.Finding)
		}
	}
}

func TestASlowServerIsFoundAndATwinIsNot(t *testing.T) {
	slowed := hypothesis(lab.Higher)
	if v := judge(t, slowed, trials(n, 1000, 2, nil), trials(p, 900, 2, nil)); v.Finding != lab.Supported {
		t.Errorf("slowed by a tenth: %s: %s", v.Finding, reasonOf(v))
	}
	equal := hypothesis(lab.Higher)
	equal.Denominator.Variant = lab.TwinOf(n)
	v := judge(t, equal, trials(n, 1000, 2, nil), trials(lab.TwinOf(n), 1000, 2, nil))
	if v.Finding != lab.Refuted {
		t.Errorf("faster than its twin: %s: %s", v.Finding, reasonOf(v))
	}
}

func TestASlowerMachineInOneBlockIsADoubt(t *testing.T) {
	for _, c := range []struct {
		slow float64 // canaries of the last block in milliseconds; those of the others take 50
		want string
	}{
		{57, ""},
		{58, "the machine's speed changed: the fastest canaries took 50.0 ms in block 1 and 58.0 ms in block 6."},
	} {
		var rows []metric.Row
		for block := 1; block <= 6; block++ {
			ms := 50.0
			if block == 6 {
				ms = c.slow
			}
			rows = append(rows, withColumns(trial(n, block, 1000), metric.Row{"canary_max_ms": metric.Number(ms)}),
				// the server slowed this canary
				withColumns(trial(p, block, 1000), metric.Row{"canary_max_ms": metric.Number(130)}))
		}
		plan := planOf(hypothesis(lab.Higher))
		plan.Controls = controls()
		got := strings.Join(doubtsOf(judgeAll(plan, rows)), "\n")
		if !strings.HasPrefix(got, c.want) || c.want == "" && got != "" {
			t.Errorf("at %v ms: %q, want %q", c.slow, got, c.want)
		}
	}
}

func TestDoubts(t *testing.T) {
	steady := func(drift float64) metric.Row {
		return metric.Row{"warmup_end": metric.Text("steady"), "drift_ratio": metric.Number(drift)}
	}
	rows := slices.Concat(trials(n, 1300, 1, steady(0.01)), trials(p, 1000, 1, steady(-0.02)))
	plan := planOf(hypothesis(lab.Higher))
	plan.Controls = controls()
	if got := doubtsOf(judgeAll(plan, rows)); len(got) > 0 {
		t.Errorf("doubts about steady rows: %q", got)
	}
	rows[2]["warmup_end"] = metric.Text("budget")
	rows = append(rows, withColumns(trial(n, 3, 5), metric.Row{
		"phase": metric.Text("steady"),
		"mode":  metric.Text("open"), "drift_ratio": metric.Number(0.5), "warmup_end": metric.Text("budget"),
	}))
	rows[1]["drift_ratio"] = metric.Number(0.08)
	rows[8]["drift_ratio"] = metric.Number(-0.06)
	rows[9]["drift_ratio"] = metric.Number(0.07)
	plan.Pilots = []lab.Pilot{
		{Scenario: "json", Variant: "node/single", PeakRPS: 9},
		{Scenario: "json", Variant: "python/uvloop", PeakRPS: 9, Doubt: "others took 10.0% of the server's CPUs"},
	}
	want := []string{
		"the peak of python/uvloop on json, on which rates depend, is doubtful: others took 10.0% of the " +
			"server's CPUs",
		"1 of 12 trials began before throughput was steady (their warm-up used up its budget): json " +
			"node/single (1)",
		"throughput changed by more than 5 % from the first half to the second in 3 of 12 closed phases: " +
			"json python/uvloop peak (2), json node/single peak (1)",
	}
	if got := doubtsOf(judgeAll(plan, rows)); !slices.Equal(got, want) {
		t.Errorf("got %q", got)
	}
	twoWorkers := func(r metric.Row, connections int64, busiest float64) {
		r["workers"], r["connections"] = metric.Int(2), metric.Int(connections)
		r["busiest_process_ratio"] = metric.Number(busiest)
	}
	for i, busiest := range []float64{0.5, 0.76, 0.74} {
		twoWorkers(rows[i], 64, busiest)
	}
	twoWorkers(rows[3], 1, 1) // one client cannot keep two workers busy
	want = append(want, "one of several server processes did more than 1.5 times its share of the work "+
		"(busiest_process_ratio) in 1 of 3 closed phases: json node/single peak (1)")
	if got := doubtsOf(judgeAll(plan, rows)); !slices.Equal(got, want) {
		t.Errorf("got %q", got)
	}
	plan.Controls, plan.Pilots = nil, nil
	if got := doubtsOf(judgeAll(plan, rows)); len(got) != 4 || !strings.Contains(got[0], "no control") {
		t.Errorf("without controls: %q", got)
	}
}

// drawRows draws the rows of two arms with noise, bounds and gaps.
func drawRows(t *rapid.T) []metric.Row {
	var rows []metric.Row
	noise := rapid.Float64Range(-0.2, 0.2)
	kinds := rapid.SampledFrom([]lab.Validity{
		lab.Valid, lab.Valid, lab.Valid, lab.Valid, lab.Valid, lab.Valid, lab.Censored, lab.Disturbed,
	})
	for b := 1; b <= 10; b++ {
		for _, variant := range []string{n, p} {
			rows = append(rows, withColumns(trial(variant, b, 1000*math.Exp(noise.Draw(t, "noise"))),
				metric.Row{"validity": metric.Text(string(kinds.Draw(t, "validity")))}))
		}
	}
	return rows
}

// almostEqual reports whether two figures are equal but for rounding, or both absent.
func almostEqual(a, b *float64) bool {
	return (a == nil) == (b == nil) && (a == nil || math.Abs(*a-*b) <= 1e-9*math.Abs(*a))
}

func inverse(a *float64) *float64 {
	if a == nil {
		return nil
	}
	x := 1 / *a
	return &x
}

// judgeDrawn returns the verdict on the only hypothesis of a run, which is on speed-1.
func judgeDrawn(h lab.Hypothesis, rows []metric.Row) lab.Verdict {
	return judgeAll(planOf(h), rows).Claims[0].HypothesisVerdicts[0]
}

func TestSwappingTheArmsInvertsTheRatio(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		rows, h := drawRows(t), hypothesis(rapid.SampledFrom(lab.Directions()).Draw(t, "direction"))
		back := h
		back.Numerator, back.Denominator, back.Direction = h.Denominator, h.Numerator, opposite[h.Direction]
		a, b := judgeDrawn(h, rows), judgeDrawn(back, rows)
		if a.Finding != b.Finding || a.BlocksNeeded != b.BlocksNeeded ||
			!almostEqual(a.Ratio, inverse(b.Ratio)) ||
			!almostEqual(a.Low, inverse(b.High)) || !almostEqual(a.High, inverse(b.Low)) {
			t.Errorf("%+v\nswapped: %+v", a, b)
		}
	})
}

func TestUnitsChangeNothing(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		rows, h := drawRows(t), hypothesis(rapid.SampledFrom(lab.Directions()).Draw(t, "direction"))
		a := judgeDrawn(h, rows)
		unit := rapid.Float64Range(1e-6, 1e6).Draw(t, "unit")
		for _, r := range rows {
			rps, _ := r.Float("throughput_rps")
			r["throughput_rps"] = metric.Number(unit * rps)
		}
		b := judgeDrawn(h, rows)
		if a.Finding != b.Finding || !almostEqual(a.Ratio, b.Ratio) ||
			!almostEqual(a.Low, b.Low) || !almostEqual(a.High, b.High) {
			t.Errorf("%+v\nin other units: %+v", a, b)
		}
	})
}

func TestTheOrderOfRowsChangesNothing(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		rows := drawRows(t)
		rows = append(rows,
			withColumns(trial(n, 1, 2000), metric.Row{"attempt": metric.Int(2), "warmup_end": metric.Text("budget")}))
		plan := planOf(hypothesis(lab.Higher), hypothesis(lab.Same))
		plan.Controls = controls()
		want := judgeAll(plan, rows)
		if got := judgeAll(plan, rapid.Permutation(rows).Draw(t, "order")); !reflect.DeepEqual(got, want) {
			t.Errorf("got %+v\nwant %+v", got, want)
		}
	})
}

// A verdict has the ratio of each block, which of them are bounds, and the level of its interval:
// Holm's procedure tests the smaller p value of two hypotheses at half of Alpha.
func TestVerdictsHaveTheirBlocksAndTheLevelOfTheirInterval(t *testing.T) {
	rows := slices.Concat(trials(n, 2000, 0.01, nil), trials(p, 1000, 0.01, nil))
	withColumns(rows[2], censored())
	v := judge(t, hypothesis(lab.Higher), rows)
	if len(v.BlockRatios) != 6 || math.Abs(v.Confidence-0.95) > 1e-9 {
		t.Fatalf("%d ratios at a level of %v", len(v.BlockRatios), v.Confidence)
	}
	logs := 0.0
	for i, b := range v.BlockRatios {
		logs += math.Log(b.Ratio)
		if want := map[bool]string{true: string(metric.AtLeast)}[i == 2]; b.Block != i+1 || b.Bound != want {
			t.Errorf("block %d: %+v, want bound %q", i+1, b, want)
		}
	}
	if math.Abs(math.Exp(logs/6)-*v.Ratio) > 1e-9 {
		t.Errorf("the ratio %v is not the mean of %+v", *v.Ratio, v.BlockRatios)
	}
	strong, weak := hypothesis(lab.Higher), hypothesis(lab.Lower)
	levels := map[string]bool{}
	for _, c := range judgeAll(planOf(strong, weak), rows).Claims {
		for _, v := range c.HypothesisVerdicts {
			levels[fmt.Sprintf("%.3f", v.Confidence)] = true
		}
	}
	if !levels["0.975"] || !levels["0.950"] {
		t.Errorf("the levels of two hypotheses are %v, want 0.975 and 0.950", levels)
	}
}
