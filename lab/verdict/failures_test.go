package verdict_test

import (
	"slices"
	"strings"
	"testing"

	"runtimelab/lab"
	"runtimelab/lab/metric"
)

// failed returns the columns of a trial in which a share of the requests failed.
func failed(share float64) metric.Row { return metric.Row{"error_ratio": metric.Number(share)} }

// If an arm fails, its true figure is the measured one or worse. A measured win decides nothing,
// and a measured loss stands: the figures are bounds. A claim that the arm is better is also
// refuted by equal figures, since the arm may only be worse.
func TestAFailingArmMayLoseAndNeverWins(t *testing.T) {
	const S, R, I = lab.Supported, lab.Refuted, lab.Inconclusive
	ratios := []float64{1.3, 1, 1 / 1.3} // of throughput: the numerator wins, is equal, loses
	for _, c := range []struct {
		direction   lab.Direction
		numerator   [3]lab.Finding // findings if this arm fails
		denominator [3]lab.Finding
	}{
		{lab.Higher, [3]lab.Finding{I, R, R}, [3]lab.Finding{S, I, I}},
		{lab.Lower, [3]lab.Finding{I, I, S}, [3]lab.Finding{R, R, I}},
		{lab.Same, [3]lab.Finding{I, I, R}, [3]lab.Finding{R, I, I}},
		{lab.NotHigher, [3]lab.Finding{I, S, S}, [3]lab.Finding{R, I, I}},
		{lab.NotLower, [3]lab.Finding{I, I, R}, [3]lab.Finding{S, S, I}},
	} {
		for i, ratio := range ratios {
			for name, arms := range map[string]struct {
				n, p metric.Row
				want lab.Finding
			}{
				"numerator":   {failed(0.032), failed(0), c.numerator[i]},
				"denominator": {failed(0), failed(0.032), c.denominator[i]},
				"both":        {failed(0.032), failed(0.032), I},
			} {
				h := hypothesis(c.direction)
				v := judge(t, h, trials(n, 1000*ratio, 1, arms.n), trials(p, 1000, 1, arms.p))
				if v.Finding != arms.want || !strings.Contains(reasonOf(v), "3.2 % of requests failed") {
					t.Errorf("%s, ratio %.2f, the %s fails: %s (%s), want %s",
						c.direction, ratio, name, v.Finding, reasonOf(v), arms.want)
				}
				// CPU per request is the reciprocal: the opposite hypothesis on it must get the same finding.
				h.Metric, h.Direction = "cpu_us_per_request", opposite[c.direction]
				v = judge(t, h, trials(n, 1000*ratio, 1, arms.n), trials(p, 1000, 1, arms.p))
				if v.Finding != arms.want {
					t.Errorf("%s, CPU ratio %.2f, the %s fails: %s (%s), want %s",
						h.Direction, 1/ratio, name, v.Finding, reasonOf(v), arms.want)
				}
			}
		}
	}
}

var opposite = map[lab.Direction]lab.Direction{
	lab.Higher: lab.Lower, lab.Lower: lab.Higher, lab.Same: lab.Same,
	lab.NotHigher: lab.NotLower, lab.NotLower: lab.NotHigher,
}

// Each trial counts by itself: it has the same weight in a verdict and may distort the tail by any
// factor.
func TestHowManyFailuresATrialTolerates(t *testing.T) {
	share := func(columns ...float64) []metric.Row {
		rows := trials(n, 1300, 1, nil)
		for i, x := range columns {
			withColumns(rows[i], failed(x))
		}
		return rows
	}
	for name, c := range map[string]struct {
		rows   []metric.Row
		metric string
		want   lab.Finding
		reason string
	}{
		"none":              {share(0, 0, 0, 0, 0, 0), "throughput_rps", lab.Supported, ""},
		"one in a thousand": {share(.001, .001, .001, .001, .001, .001), "throughput_rps", lab.Supported, ""},
		"more in one trial": {
			share(0, 0, .0011), "throughput_rps", lab.Inconclusive,
			"0.11 % of requests failed (node/single peak, block 3; more than 0.1 % in 1 of 6 blocks): no finding " +
				"may favour it",
		},
		"the worst is named": {
			share(.02, .5, .0011), "throughput_rps", lab.Inconclusive,
			"50 % of requests failed (node/single peak, block 2; more than 0.1 % in 3 of 6 blocks)",
		},
		"a higher quantile tolerates less": {
			share(.0002), "latency_p999_ms", lab.Inconclusive,
			"0.02 % of requests failed (node/single peak, block 1; more than 0.01 % in 1 of 6 blocks)",
		},
		"the maximum tolerates none": {
			share(.0002), "latency_max_ms", lab.Inconclusive,
			"0.02 % of requests failed (node/single peak, block 1; more than 0 % in 1 of 6 blocks)",
		},
	} {
		h := hypothesis(lab.Higher)
		h.Metric = c.metric
		rows := slices.Concat(c.rows, trials(p, 1000, 1, nil))
		if strings.HasPrefix(c.metric, "latency") { // lower is better
			h.Direction = lab.Lower
			for _, r := range rows {
				rps, _ := r.Float("throughput_rps")
				r[c.metric] = metric.Number(1000 / rps)
			}
		}
		v := judge(t, h, rows)
		if v.Finding != c.want || !strings.Contains(reasonOf(v), c.reason) || c.reason == "" && reasonOf(v) != "" {
			t.Errorf("%s: %s (%s), want %s (%s)", name, v.Finding, reasonOf(v), c.want, c.reason)
		}
	}
}

// Failures are compared, however much both arms fail.
func TestErrorRatiosAreCompared(t *testing.T) {
	h := hypothesis(lab.Lower)
	h.Metric = "error_ratio"
	a, b := trials(n, 1000, 1, nil), trials(p, 1000, 1, nil)
	for i := range a {
		withColumns(a[i], failed(.1+.001*wobble[i]))
		withColumns(b[i], failed(.2+.002*wobble[i]))
	}
	if v := judge(t, h, a, b); v.Finding != lab.Supported {
		t.Errorf("%s (%s)", v.Finding, reasonOf(v))
	}
}

// A server that fails with one worker makes its speed-up look better, so the speed-up must not win.
// One that fails with two workers is slower for it, and may lose.
func TestFailingPartsOfARatioOfRatios(t *testing.T) {
	const c, q = "node/cluster", "python/threads"
	two := func(v string) lab.Arm {
		return lab.Arm{Variant: v, Phase: "ladder-2", Over: &lab.Arm{Variant: v, Phase: "ladder-1"}}
	}
	h := hypothesis(lab.Higher)
	h.Numerator, h.Denominator = two(c), two(q)
	for name, tt := range map[string]struct {
		gain           float64 // speed-up of the numerator
		c2, c1, q2, q1 float64 // shares of failed requests
		want           lab.Finding
	}{
		"none":              {2, 0, 0, 0, 0, lab.Supported},
		"numerator, base":   {2, 0, .05, 0, 0, lab.Inconclusive},
		"numerator":         {2, .05, 0, 0, 0, lab.Inconclusive},
		"denominator":       {2, 0, 0, .05, 0, lab.Supported},
		"denominator, base": {2, 0, 0, 0, .05, lab.Supported},
		"both bases":        {2, 0, .05, 0, .05, lab.Inconclusive},
		"losing numerator":  {0.7, .05, 0, 0, 0, lab.Refuted},
		"losing, base":      {0.7, 0, .05, 0, 0, lab.Refuted},
		"winner's base":     {0.7, 0, 0, 0, .05, lab.Inconclusive},
	} {
		phase := func(name string, fails float64) metric.Row {
			return metric.Row{"phase": metric.Text(name), "error_ratio": metric.Number(fails)}
		}
		v := judge(t, h,
			trials(c, 1000*tt.gain, 1, phase("ladder-2", tt.c2)), trials(c, 1000, .5, phase("ladder-1", tt.c1)),
			trials(q, 1000, 1, phase("ladder-2", tt.q2)), trials(q, 1000, .5, phase("ladder-1", tt.q1)))
		if v.Finding != tt.want ||
			tt.want != lab.Supported && !strings.Contains(reasonOf(v), "5 % of requests failed") {
			t.Errorf("%s: %s (%s), want %s", name, v.Finding, reasonOf(v), tt.want)
		}
	}
}

// If a variant is compared with itself and its baseline fails, there is nothing to compare with.
func TestABaselineThatFailsDecidesNothing(t *testing.T) {
	h := hypothesis(lab.NotLower)
	h.Numerator = lab.Arm{Variant: n, Phase: "steady-120%"}
	h.Denominator = lab.Arm{Variant: n, Phase: "steady-100%"}
	phase := func(name string, fails float64) metric.Row {
		return metric.Row{"phase": metric.Text(name), "error_ratio": metric.Number(fails)}
	}
	for name, tt := range map[string]struct {
		ratio, over, base float64
		want              lab.Finding
	}{
		"sound":            {1, 0, 0, lab.Supported},
		"baseline fails":   {1, 0, .1, lab.Inconclusive},
		"and is far above": {0.5, 0, .1, lab.Inconclusive},
		"overload fails":   {1, .1, 0, lab.Inconclusive},
		"and collapses":    {0.5, .1, 0, lab.Refuted},
	} {
		v := judge(t, h, trials(n, 1000*tt.ratio, 1, phase("steady-120%", tt.over)),
			trials(n, 1000, .5, phase("steady-100%", tt.base)))
		if v.Finding != tt.want {
			t.Errorf("%s: %s (%s), want %s", name, v.Finding, reasonOf(v), tt.want)
		}
	}
}

// The lab's own servers never fail; if they do, the measurement is wrong. A server under test may
// fail without an error of the instrument, but the control must report it.
func TestAControlReportsFailedRequests(t *testing.T) {
	known := lab.Control{Name: "known ratio", ExpectedRatio: 2, Hypothesis: lab.Hypothesis{
		Scenario: lab.ReferenceScenario, Metric: "throughput_rps", Direction: lab.Same, Margin: 0.03,
		Numerator:   lab.Arm{Variant: lab.LightReference, Phase: "peak"},
		Denominator: lab.Arm{Variant: lab.HeavyReference, Phase: "peak"},
	}}
	twins := lab.Control{Name: "A/A", ExpectedRatio: 1, Hypothesis: hypothesis(lab.Same)}
	twins.Hypothesis.Denominator.Variant = lab.TwinOf(n)
	reference := func(fails, rps float64) metric.Row {
		return metric.Row{
			"scenario":        metric.Text(lab.ReferenceScenario),
			"service_mean_ms": metric.Number(1000 / rps), "error_ratio": metric.Number(fails),
		}
	}
	for name, tt := range map[string]struct {
		light, heavy, variant, twin float64 // shares of failed requests
		passed                      [2]bool
		reason                      string
	}{
		"sound":               {passed: [2]bool{true, true}},
		"the light reference": {light: .002, passed: [2]bool{false, true}, reason: "0.2 % of requests failed"},
		"the heavy reference": {heavy: .002, passed: [2]bool{false, true}, reason: "0.2 % of requests failed"},
		"its twin":            {twin: .002, passed: [2]bool{true, true}, reason: "0.2 % of requests failed"},
		"the variant":         {variant: .002, passed: [2]bool{true, true}, reason: "0.2 % of requests failed"},
	} {
		plan := planOf()
		plan.Controls = []lab.Control{known, twins}
		r := judgeAll(plan, slices.Concat(
			trials(lab.LightReference, 200, 1, reference(tt.light, 200)),
			trials(lab.HeavyReference, 100, .9, reference(tt.heavy, 100)),
			trials(n, 1000, 1, failed(tt.variant)), trials(lab.TwinOf(n), 1000, .9, failed(tt.twin))))
		var reasons []string
		for i, c := range r.Controls {
			if c.Passed != tt.passed[i] {
				t.Errorf("%s: %s passed: %v (%s)", name, c.Name, c.Passed, reasonOf(c))
			}
			reasons = append(reasons, reasonOf(c))
		}
		all := strings.Join(reasons, "\n")
		if !strings.Contains(all, tt.reason) || tt.reason == "" && strings.Contains(all, "failed") {
			t.Errorf("%s: %s", name, all)
		}
	}
}

// Failed requests are a doubt even without a claim.
func TestFailuresAreADoubt(t *testing.T) {
	rows := slices.Concat(trials(n, 1000, 1, failed(.5)), trials(p, 1000, 1, failed(.0005)))
	doubts := doubtsOf(judgeAll(planOf(), rows))
	want := "in 6 of 12 phases more than 0.1 % of requests failed, at worst 50 %: json node/single peak (6); " +
		"no finding favours them"
	if !slices.Contains(doubts, want) {
		t.Errorf("%q, want %s", doubts, want)
	}
	for _, r := range rows {
		withColumns(r, metric.Row{"schema_version": metric.Int(4)})
	}
	want = "in 12 of 12 phases latencies include those of failed requests, because this run has schema 4: " +
		"json node/single peak (6), json python/uvloop peak (6)"
	if doubts := doubtsOf(judgeAll(planOf(), rows)); !slices.Contains(doubts, want) {
		t.Errorf("%q, want %s", doubts, want)
	}
	rows = slices.Concat(trials(n, 1000, 1, nil), trials(p, 1000, 1, failed(0)))
	for _, r := range rows {
		withColumns(r, metric.Row{"schema_version": metric.Int(4)})
	}
	if doubts := doubtsOf(judgeAll(planOf(), rows)); len(doubts) > 0 {
		t.Errorf("doubts although nothing failed: %q", doubts)
	}
}

// A speed-up is divided by that of the burn, which must not fail.
func TestABurnThatFailsDecidesNothing(t *testing.T) {
	h := hypothesis(lab.NotLower)
	h.Numerator = lab.Arm{Variant: n, Phase: "peak", Cores: 2}
	h.Denominator = lab.Arm{Variant: n, Phase: "peak", Cores: 1}
	on := func(cpus int64, scenario string, fails float64) metric.Row {
		return metric.Row{
			"server_cpus": metric.Int(cpus), "scenario": metric.Text(scenario),
			"error_ratio": metric.Number(fails),
		}
	}
	for fails, want := range map[float64]lab.Finding{0: lab.Supported, .01: lab.Inconclusive} {
		v := judge(t, h, trials(n, 2000, 1, on(2, "json", 0)), trials(n, 1000, .5, on(1, "json", 0)),
			trials(lab.BurnVariant, 200, .3, on(2, lab.BurnScenario, 0)),
			trials(lab.BurnVariant, 100, .2, on(1, lab.BurnScenario, fails)))
		const reason = "1 % of requests failed (the native burn on 1 CPU"
		if v.Finding != want || fails > 0 && !strings.Contains(reasonOf(v), reason) {
			t.Errorf("a share of %v fails: %s (%s), want %s", fails, v.Finding, reasonOf(v), want)
		}
	}
}
