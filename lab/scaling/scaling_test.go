package scaling

import (
	"fmt"
	"math"
	"math/rand/v2"
	"reflect"
	"strings"
	"testing"

	"pgregory.net/rapid"

	"runtimelab/lab"
	"runtimelab/lab/metric"
	"runtimelab/lab/stat"
	"runtimelab/lab/wording"
)

// row returns a valid row: the peak of a variant in a scenario.
func row(scenario, variant string, cores, block int, rps float64) metric.Row {
	return metric.Row{
		"scenario": metric.Text(scenario), "variant": metric.Text(variant), "phase": metric.Text("peak"),
		"phase_kind":  metric.Text("peak"),
		"server_cpus": metric.Int(int64(cores)), "block": metric.Int(int64(block)), "attempt": metric.Int(1),
		"throughput_rps": metric.Number(rps), "validity": metric.Text(string(lab.Valid)),
	}
}

// with changes columns of a row, and returns it.
func with(r metric.Row, changes metric.Row) metric.Row {
	for name, v := range changes {
		r[name] = v
	}
	return r
}

func validity(v lab.Validity) metric.Row { return metric.Row{"validity": metric.Text(string(v))} }

// formatted writes an estimate with three decimals, and "-" for nil.
func formatted(e Estimate) string {
	text := func(x *float64) string {
		if x == nil {
			return "-"
		}
		return fmt.Sprintf("%.3f", *x)
	}
	return fmt.Sprintf("%s%s [%s, %s] of %d", e.Bound, text(e.Value), text(e.Low), text(e.High), e.Blocks)
}

func expect(t *testing.T, what string, e Estimate, want string) {
	t.Helper()
	if got := formatted(e); got != want {
		t.Errorf("%s is %s, want %s", what, got, want)
	}
}

// singleCurve returns the only curve of rows.
func singleCurve(t *testing.T, rows []metric.Row) Curve {
	t.Helper()
	curves := Curves(rows)
	if len(curves) != 1 {
		t.Fatalf("%d curves: %+v", len(curves), curves)
	}
	return curves[0]
}

// In each block the machine is slower by another factor, and its second CPU adds another
// share. Neither may be in the ratios.
func TestRatiosAreTakenWithinABlock(t *testing.T) {
	var rows []metric.Row
	for block := 1; block <= 6; block++ {
		slow, second := 1/float64(block), 2-0.1*float64(block)
		rows = append(rows,
			row("scaling", "node/cluster", 1, block, 100*slow),
			row("scaling", "node/cluster", 2, block, 100*slow*second*0.9),
			row(lab.BurnScenario, lab.BurnVariant, 1, block, 40*slow),
			row(lab.BurnScenario, lab.BurnVariant, 2, block, 40*slow*second))
	}
	curves := Curves(rows)
	if len(curves) != 2 || curves[0].Scenario != lab.BurnScenario || curves[1].Variant != "node/cluster" {
		t.Fatalf("curves %+v", curves)
	}
	c := curves[1]
	if len(c.Points) != 2 || c.Points[0].Cores != 1 || c.Points[1].Cores != 2 || c.Metric != "throughput_rps" {
		t.Fatalf("points %+v", c.Points)
	}
	one, two := c.Points[0], c.Points[1]
	expect(t, "the speed-up on the fewest CPUs", one.SpeedUp, "1.000 [1.000, 1.000] of 6")
	expect(t, "the speed-up relative to the burn", two.RelativeToBurn, "0.900 [0.900, 0.900] of 6")
	if *two.SpeedUp.Low >= *two.SpeedUp.Value || *two.BurnSpeedUp.Low >= *two.BurnSpeedUp.Value {
		t.Errorf("the speed-up varies, but has no interval: %s, and the burn %s",
			formatted(two.SpeedUp), formatted(two.BurnSpeedUp))
	}
	if got, want := *two.Efficiency.High, *two.SpeedUp.High/2; got != want {
		t.Errorf("the efficiency is %v at most, want half the speed-up, %v", got, want)
	}
	if burn := curves[0].Points[1]; burn.BurnSpeedUp.Value != nil ||
		formatted(burn.SpeedUp) != formatted(two.BurnSpeedUp) {
		t.Errorf("the burn's speed-up is %s, but %s in other curves",
			formatted(burn.SpeedUp), formatted(two.BurnSpeedUp))
	}
}

// A doubt needs an interval that lies above 1 as a whole.
func TestEfficiencyAboveOneIsADoubt(t *testing.T) {
	for _, c := range []struct {
		name  string
		gains []float64 // speed-up on two CPUs, by block
		want  bool
	}{
		{"above", []float64{2.06, 2.08, 2.07, 2.09, 2.06, 2.07}, true},
		{"around", []float64{1.96, 2.10, 2.07, 1.95, 2.06, 2.04}, false},
		{"below", []float64{1.90, 1.91, 1.92, 1.90, 1.91, 1.90}, false},
		{"one block", []float64{2.10}, false},
	} {
		var rows []metric.Row
		for i, gain := range c.gains {
			rows = append(rows, row("scaling", "python/processes", 1, i+1, 10),
				row("scaling", "python/processes", 2, i+1, 10*gain))
		}
		doubts := wording.Reasons(singleCurve(t, rows).Doubts...)
		if found := strings.Contains(doubts, "efficiency on 2 CPUs is above 1"); found != c.want {
			t.Errorf("%s: doubts %+v", c.name, doubts)
		}
	}
}

// By hand: the logs 0.5 ± 0.1 of four blocks have the standard deviation 0.11547, and
// Student's t for 97.5 % and 3 degrees of freedom is 3.18245.
func TestIntervalsUseStudentsT(t *testing.T) {
	var rows []metric.Row
	for block, log := range []float64{0.4, 0.6, 0.6, 0.4} {
		rows = append(rows, row("s", "a/b", 2, block+1, 10), row("s", "a/b", 6, block+1, 10*math.Exp(log)))
	}
	half := 3.18245 * 0.11547 / 2
	six := singleCurve(t, rows).Points[1]
	expect(t, "the speed-up", six.SpeedUp,
		fmt.Sprintf("%.3f [%.3f, %.3f] of 4", math.Exp(0.5), math.Exp(0.5-half), math.Exp(0.5+half)))
	expect(t, "the efficiency", six.Efficiency,
		fmt.Sprintf("%.3f [%.3f, %.3f] of 4", math.Exp(0.5)/3, math.Exp(0.5-half)/3, math.Exp(0.5+half)/3))
	expect(t, "the throughput", six.Throughput,
		fmt.Sprintf("%.3f [%.3f, %.3f] of 4", 10*math.Exp(0.5), 10*math.Exp(0.5-half), 10*math.Exp(0.5+half)))
}

func TestBoundsStayBounds(t *testing.T) {
	const valid, censored = lab.Valid, lab.Censored
	cases := map[string]struct {
		one, two            lab.Validity
		speedUp, throughput string
	}{
		"neither":        {valid, valid, "2.000 [2.000, 2.000] of 6", "20.000 [20.000, 20.000] of 6"},
		"the numerator":  {valid, censored, ">=2.000 [2.000, -] of 6", ">=20.000 [20.000, -] of 6"},
		"the divisor":    {censored, valid, "<=2.000 [-, 2.000] of 6", "20.000 [20.000, 20.000] of 6"},
		"both: unknown":  {censored, censored, "- [-, -] of 6", ">=20.000 [20.000, -] of 6"},
		"only disturbed": {valid, lab.Disturbed, "", ""},
		"only failed":    {lab.Failed, valid, "", ""},
	}
	for name, c := range cases {
		t.Run(name, func(t *testing.T) {
			var rows []metric.Row
			for block := 1; block <= 6; block++ {
				rows = append(rows,
					with(row("s", "a/b", 1, block, 10), validity(c.one)),
					with(row("s", "a/b", 2, block, 20), validity(c.two)))
			}
			if c.speedUp == "" {
				if curves := Curves(rows); len(curves) > 0 {
					t.Errorf("rows on one number of CPUs have curves: %+v", curves)
				}
				return
			}
			points := singleCurve(t, rows).Points
			expect(t, "the speed-up on the fewest CPUs", points[0].SpeedUp, "1.000 [1.000, 1.000] of 6")
			expect(t, "the speed-up", points[1].SpeedUp, c.speedUp)
			expect(t, "the throughput", points[1].Throughput, c.throughput)
		})
	}
}

// A bound in one block makes the mean a bound. Bounds of both kinds make it unknown.
func TestBoundsOfSeveralBlocksAreCombined(t *testing.T) {
	rows := func(second metric.Row) (all []metric.Row) {
		for block := 1; block <= 6; block++ {
			all = append(all, row("s", "a/b", 1, block, 10), row("s", "a/b", 2, block, 20))
		}
		with(all[1], validity(lab.Censored))
		with(all[2], second)
		return all
	}
	speedUp := func(rows []metric.Row) Estimate { return singleCurve(t, rows).Points[1].SpeedUp }
	expect(t, "the speed-up with one bound", speedUp(rows(nil)), ">=2.000 [2.000, -] of 6")
	both := rows(nil)
	with(both[0], validity(lab.Censored)) // in this block the other row is a bound, too
	expect(t, "the speed-up with both bounds in one block", speedUp(both), "- [-, -] of 6")
	expect(t, "the speed-up with bounds in two blocks", speedUp(rows(validity(lab.Censored))), "- [-, -] of 6")
}

func TestOneBlockHasNoInterval(t *testing.T) {
	two := singleCurve(t, []metric.Row{row("s", "a/b", 1, 1, 10), row("s", "a/b", 2, 1, 19)}).Points[1]
	expect(t, "the speed-up", two.SpeedUp, "1.900 [-, -] of 1")
	expect(t, "the speed-up of the burn, which has no rows", two.BurnSpeedUp, "- [-, -] of 0")
}

func TestTheLastUsableAttemptCounts(t *testing.T) {
	attempt := func(n int64, v lab.Validity, rps float64) metric.Row {
		return with(row("s", "a/b", 2, 1, rps),
			metric.Row{"attempt": metric.Int(n), "validity": metric.Text(string(v))})
	}
	for name, onTwo := range map[string][]metric.Row{
		"the first attempt is disturbed":  {attempt(1, lab.Disturbed, 11), attempt(2, lab.Valid, 20)},
		"the second attempt is disturbed": {attempt(1, lab.Valid, 20), attempt(2, lab.Disturbed, 11)},
		"both are valid":                  {attempt(2, lab.Valid, 20), attempt(1, lab.Valid, 11)},
	} {
		rows := append(onTwo, row("s", "a/b", 1, 1, 10))
		expect(t, "the speed-up if "+name, singleCurve(t, rows).Points[1].SpeedUp, "2.000 [-, -] of 1")
	}
}

// A capacity grows with CPUs; the rate of an open loop is given.
func TestCurvesAreOfPhasesThatSaturate(t *testing.T) {
	var rows []metric.Row
	for phase, connections := range map[string]int64{
		"capacity-p99": 1, "steady": 64, "peak": 1, "ladder-7": 7, "ladder-8": 8,
	} {
		kind, _, _ := strings.Cut(phase, "-")
		for cores := 1; cores <= 2; cores++ {
			rows = append(rows, with(row("s", "a/b", cores, 1, 1000), metric.Row{
				"phase":        metric.Text(phase),
				"phase_kind":   metric.Text(kind),
				"capacity_rps": metric.Number(300 * float64(cores)),
				"connections":  metric.Int(connections),
			}))
		}
	}
	curves := Curves(rows)
	if len(curves) != 3 || curves[0].Phase != "capacity-p99" || curves[1].Phase != "ladder-8" ||
		curves[2].Phase != "peak" {
		t.Fatalf("curves %+v", curves)
	}
	if curves[0].Metric != "capacity_rps" || curves[0].CoresNote() != "1 to 2 cores only" {
		t.Errorf("the curve is of %s, %s", curves[0].Metric, curves[0].CoresNote())
	}
	expect(t, "the capacity's speed-up", curves[0].Points[1].SpeedUp, "2.000 [-, -] of 1")
	expect(t, "the ladder's", curves[1].Points[1].SpeedUp, "1.000 [-, -] of 1")
	expect(t, "the peak's", curves[2].Points[1].SpeedUp, "1.000 [-, -] of 1")
}

// rowsByLaw returns rows that follow the law on each number of cores, with log-normal noise.
func rowsByLaw(law stat.USL, counts []int, blocks int, noise float64, draws *rand.Rand) (rows []metric.Row) {
	for block := 1; block <= blocks; block++ {
		for _, n := range counts {
			rows = append(rows, row("s", "a/b", n, block, law.At(float64(n))*math.Exp(noise*draws.NormFloat64())))
		}
	}
	return rows
}

func covers(e Estimate, truth float64) bool {
	return e.Low != nil && *e.Low <= truth && (e.High == nil || truth <= *e.High)
}

func TestTheFitFindsTheLaw(t *testing.T) {
	law := stat.USL{Lambda: 50, Sigma: 0.05, Kappa: 0.002}
	c := singleCurve(t, rowsByLaw(law, []int{1, 2, 4, 8, 16}, 6, 0.01, rand.New(rand.NewPCG(1, 2))))
	if c.Fit == nil {
		t.Fatal(wording.NoFit(c.NoFit))
	}
	for name, fitted := range map[string]struct {
		estimate Estimate
		truth    float64
	}{
		"λ": {c.Fit.Lambda, law.Lambda}, "σ": {c.Fit.Sigma, law.Sigma}, "κ": {c.Fit.Kappa, law.Kappa},
		"the peak": {c.Fit.Peak, law.Peak()},
	} {
		e := fitted.estimate
		if !covers(e, fitted.truth) || math.Abs(*e.Value/fitted.truth-1) > 0.2 || e.Blocks != 6 {
			t.Errorf("%s is %s, want %v", name, formatted(e), fitted.truth)
		}
	}
	if len(c.Fit.Doubts) != 1 || !strings.Contains(wording.Reason(c.Fit.Doubts[0]), "beyond the 16 cores") {
		t.Errorf("a peak at %s of 16 cores: doubts %+v", formatted(c.Fit.Peak), c.Fit.Doubts)
	}
}

// Without contention and coherency, throughput never falls.
func TestALinearCurveHasNoPeak(t *testing.T) {
	c := singleCurve(t, rowsByLaw(stat.USL{Lambda: 50}, []int{1, 2, 4, 8}, 6, 0, rand.New(rand.NewPCG(1, 2))))
	if c.Fit == nil || c.Fit.Peak.Value != nil || c.Fit.Peak.High != nil {
		t.Errorf("fit %+v, %s", c.Fit, wording.NoFit(c.NoFit))
	}
}

func TestFitsAreRefused(t *testing.T) {
	law := stat.USL{Lambda: 50, Sigma: 0.05, Kappa: 0.002}
	four := []int{1, 2, 4, 8}
	everyRow := func(change metric.Row) func([]metric.Row) {
		return func(rows []metric.Row) {
			for _, r := range rows {
				with(r, change)
			}
		}
	}
	rowIs := func(i int, v lab.Validity) func([]metric.Row) {
		return func(rows []metric.Row) { with(rows[i], validity(v)) }
	}
	for name, c := range map[string]struct {
		counts []int
		blocks int
		change func([]metric.Row)
		reason string // empty: there is a fit
	}{
		"two core counts": {[]int{1, 2}, 6, nil, "a fit needs four core counts; this has 2 (1 to 2 cores only)"},
		"three core counts": {
			[]int{2, 4, 8}, 6, nil, "a fit needs four core counts; this has 3 (2 to 8 cores only)",
		},
		"more workers than CPUs": {
			four, 6, everyRow(metric.Row{"workers": metric.Int(4)}),
			"no fit: workers 4 on server_cpus 1 (block 1)",
		},
		"a worker for each CPU": {four, 6, everyRow(metric.Row{"workers": metric.Int(1)}), ""},
		"a quota": {
			four, 6, everyRow(metric.Row{"throttled_periods": metric.Int(3)}),
			"no fit: throttled_periods 3 on server_cpus 1 (block 1)",
		},
		"failures": {
			four, 6, everyRow(metric.Row{"error_ratio": metric.Number(0.032)}),
			"no fit: 3.2 % of requests failed on server_cpus 1 (block 1)",
		},
		"tolerable failures": {four, 6, everyRow(metric.Row{"error_ratio": metric.Number(0.001)}), ""},
		"only bounds": {
			four, 6, everyRow(validity(lab.Censored)),
			"a fit needs four core counts with at least 6 exact blocks each; this has 0",
		},
		"one bound in six blocks": {four, 6, rowIs(3, lab.Censored), "this has 3"},
		"five blocks":             {four, 5, nil, "this has 0"},
		"two incomplete blocks of seven": {
			four, 7,
			func(rows []metric.Row) {
				with(rows[0], validity(lab.Failed))
				with(rows[5], validity(lab.Failed))
			},
			"a fit needs 6 blocks that are valid on all core counts; this has 5",
		},
		"one incomplete block of seven":     {four, 7, rowIs(0, lab.Disturbed), ""},
		"five core counts, one with bounds": {[]int{1, 2, 4, 8, 16}, 6, rowIs(4, lab.Censored), ""},
	} {
		t.Run(name, func(t *testing.T) {
			rows := rowsByLaw(law, c.counts, c.blocks, 0.01, rand.New(rand.NewPCG(1, 2)))
			if c.change != nil {
				c.change(rows)
			}
			got := singleCurve(t, rows)
			if (got.Fit == nil) != (c.reason != "") || !strings.Contains(wording.NoFit(got.NoFit), c.reason) {
				t.Errorf("fit %+v because %q, want %q", got.Fit, wording.NoFit(got.NoFit), c.reason)
			}
			if len(c.counts) == 5 &&
				(len(got.Fit.Doubts) != 2 ||
					!strings.Contains(wording.Reason(got.Fit.Doubts[0]), "leaves out 16 cores")) {
				t.Errorf("doubts %+v", got.Fit.Doubts)
			}
		})
	}
}

// Failed requests are a doubt about a curve, and so are those of the burn.
func TestFailuresAreADoubt(t *testing.T) {
	for name, want := range map[string]string{
		"a/b":           "3.2 % of requests failed on server_cpus 1 (block 1)",
		lab.BurnVariant: "of the native burn: 3.2 % of requests failed",
	} {
		var rows []metric.Row
		for _, cores := range []int{1, 2} {
			rows = append(rows, row("s", "a/b", cores, 1, 100*float64(cores)),
				row(lab.BurnScenario, lab.BurnVariant, cores, 1, 50*float64(cores)))
		}
		for _, r := range rows {
			if r.Text("variant") == name {
				with(r, metric.Row{"error_ratio": metric.Number(0.032)})
			}
		}
		for _, c := range Curves(rows) {
			if c.Variant == "a/b" && (len(c.Doubts) != 1 || !strings.Contains(wording.Reason(c.Doubts[0]), want)) {
				t.Errorf("%s fails: doubts %+v, want %s", name, c.Doubts, want)
			}
		}
	}
}

// A fit uses all values of a block or none.
func TestTheFitLeavesOutBlocksWithABound(t *testing.T) {
	rows := rowsByLaw(stat.USL{Lambda: 50, Sigma: 0.05}, []int{1, 2, 4, 8}, 8, 0.01, rand.New(rand.NewPCG(1, 2)))
	with(rows[0], validity(lab.Censored))
	with(rows[5], validity(lab.Disturbed))
	c := singleCurve(t, rows)
	if c.Fit == nil || c.Fit.Sigma.Blocks != 6 || len(c.Points) != 4 ||
		c.Points[0].Throughput.Bound != metric.AtLeast {
		t.Errorf("%+v with the fit %+v", c, c.Fit)
	}
}

func TestOrderAndUnitsChangeNothing(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		var rows, faster []metric.Row
		factor := rapid.Float64Range(0.001, 1000).Draw(t, "factor")
		for block := range rapid.IntRange(1, 8).Draw(t, "blocks") {
			for _, cores := range []int{1, 2, 3} {
				for _, variant := range []string{lab.BurnVariant, "a/b"} {
					scenario := map[string]string{lab.BurnVariant: lab.BurnScenario, "a/b": "s"}[variant]
					rps := rapid.Float64Range(1, 1000).Draw(t, "rps")
					v := validity(rapid.SampledFrom([]lab.Validity{
						lab.Valid, lab.Valid, lab.Censored, lab.Failed,
					}).Draw(t, "validity"))
					rows = append(rows, with(row(scenario, variant, cores, block+1, rps), v))
					faster = append(faster, with(row(scenario, variant, cores, block+1, rps*factor), v))
				}
			}
		}
		want := Curves(rows)
		if got := Curves(rapid.Permutation(rows).Draw(t, "order")); !reflect.DeepEqual(got, want) {
			t.Errorf("in another order: %+v, want %+v", got, want)
		}
		for i, c := range Curves(faster) {
			for j, p := range c.Points {
				want := want[i].Points[j]
				for name, pair := range map[string][2]Estimate{
					"speed-up":   {p.SpeedUp, want.SpeedUp},
					"relative":   {p.RelativeToBurn, want.RelativeToBurn},
					"throughput": {p.Throughput, want.Throughput.scaledBy(factor)},
				} {
					if !nearlyEqual(pair[0], pair[1]) {
						t.Errorf("in other units the %s is %s, want %s", name, formatted(pair[0]), formatted(pair[1]))
					}
				}
			}
		}
	})
}

func nearlyEqual(a, b Estimate) bool {
	same := func(x, y *float64) bool {
		return (x == nil) == (y == nil) && (x == nil || math.Abs(*x-*y) <= 1e-9*math.Abs(*y))
	}
	return a.Blocks == b.Blocks && a.Bound == b.Bound &&
		same(a.Value, b.Value) && same(a.Low, b.Low) && same(a.High, b.High)
}
