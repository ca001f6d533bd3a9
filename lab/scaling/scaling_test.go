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
)

// row is one that counts: the peak of a variant in a scenario.
func row(scenario, variant string, cores, block int, rps float64) metric.Row {
	return metric.Row{
		"scenario": metric.Text(scenario), "variant": metric.Text(variant), "phase": metric.Text("peak"),
		"server_cpus": metric.Int(int64(cores)), "block": metric.Int(int64(block)), "attempt": metric.Int(1),
		"throughput_rps": metric.Number(rps), "validity": metric.Text(string(lab.Valid)),
	}
}

// with is the row with other values in some columns.
func with(r metric.Row, changes metric.Row) metric.Row {
	for name, v := range changes {
		r[name] = v
	}
	return r
}

func judged(v lab.Validity) metric.Row { return metric.Row{"validity": metric.Text(string(v))} }

// shown writes an estimate with three decimals and "-" for what is not known.
func shown(e Estimate) string {
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
	if got := shown(e); got != want {
		t.Errorf("%s is %s instead of %s", what, got, want)
	}
}

// only is the single curve of rows.
func only(t *testing.T, rows []metric.Row) Curve {
	t.Helper()
	curves := Curves(rows)
	if len(curves) != 1 {
		t.Fatalf("%d curves: %+v", len(curves), curves)
	}
	return curves[0]
}

// What slows a whole block falls out of its ratios, and so does what the
// machine's second CPU is worth in it.
func TestRatiosAreOfTheSameBlock(t *testing.T) {
	var rows []metric.Row
	for block := 1; block <= 6; block++ {
		slow, second := 1/float64(block), 2-0.1*float64(block)
		rows = append(rows,
			row("scaling", "node/cluster", 1, block, 100*slow), row("scaling", "node/cluster", 2, block,
				100*slow*second*0.9),
			row(lab.BurnScenario, lab.BurnVariant, 1, block, 40*slow), row(lab.BurnScenario, lab.BurnVariant, 2, block,
				40*slow*second))
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
	expect(t, "the speed-up over itself", one.SpeedUp, "1.000 [1.000, 1.000] of 6")
	expect(t, "what it gains beside the burn", two.RelativeToBurn, "0.900 [0.900, 0.900] of 6")
	if *two.SpeedUp.Low >= *two.SpeedUp.Value || *two.BurnSpeedUp.Low >= *two.BurnSpeedUp.Value {
		t.Errorf("no error in what varies: %s and the burn's %s", shown(two.SpeedUp), shown(two.BurnSpeedUp))
	}
	if got, want := *two.Efficiency.High, *two.SpeedUp.High/2; got != want {
		t.Errorf("efficiency up to %v, half the speed-up is %v", got, want)
	}
	if burn := curves[0].Points[1]; burn.BurnSpeedUp.Value != nil ||
		shown(burn.SpeedUp) != shown(two.BurnSpeedUp) {
		t.Errorf("the burn itself has %s, others are shown %s", shown(burn.SpeedUp), shown(two.BurnSpeedUp))
	}
}

// By hand: the logs 0.5 ± 0.1 of four blocks have the standard deviation
// 0.11547, and Student's t of 97.5 % and 3 degrees of freedom is 3.18245.
// TestEfficiencyAboveOneIsDoubted has a doubt only where the whole interval lies
// above 1.
func TestEfficiencyAboveOneIsDoubted(t *testing.T) {
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
		doubts := only(t, rows).Doubts
		if found := strings.Contains(strings.Join(doubts, ";"),
			"efficiency on 2 CPUs is above 1"); found != c.want {
			t.Errorf("%s: doubts %q", c.name, doubts)
		}
	}
}

func TestIntervalsUseStudentsT(t *testing.T) {
	var rows []metric.Row
	for block, log := range []float64{0.4, 0.6, 0.6, 0.4} {
		rows = append(rows, row("s", "a/b", 2, block+1, 10), row("s", "a/b", 6, block+1, 10*math.Exp(log)))
	}
	half := 3.18245 * 0.11547 / 2
	six := only(t, rows).Points[1]
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
				rows = append(rows, with(row("s", "a/b", 1, block, 10), judged(c.one)),
					with(row("s", "a/b", 2, block, 20), judged(c.two)))
			}
			if c.speedUp == "" {
				if curves := Curves(rows); len(curves) > 0 {
					t.Errorf("a curve of one number of cores: %+v", curves)
				}
				return
			}
			points := only(t, rows).Points
			expect(t, "what is 1 whatever it is a bound of", points[0].SpeedUp, "1.000 [1.000, 1.000] of 6")
			expect(t, "the speed-up", points[1].SpeedUp, c.speedUp)
			expect(t, "the throughput", points[1].Throughput, c.throughput)
		})
	}
}

// One block's bound makes a bound of the mean; bounds on both sides leave nothing.
func TestBoundsOfBlocksTogether(t *testing.T) {
	rows := func(second metric.Row) (all []metric.Row) {
		for block := 1; block <= 6; block++ {
			all = append(all, row("s", "a/b", 1, block, 10), row("s", "a/b", 2, block, 20))
		}
		with(all[1], judged(lab.Censored))
		with(all[2], second)
		return all
	}
	expect(t, "the speed-up with one bound", only(t, rows(nil)).Points[1].SpeedUp, ">=2.000 [2.000, -] of 6")
	both := rows(nil)
	with(both[0], judged(lab.Censored)) // of the block whose other end is one
	expect(t, "the speed-up with both ends of a block", only(t, both).Points[1].SpeedUp, "- [-, -] of 6")
	expect(t, "the speed-up with two", only(t, rows(judged(lab.Censored))).Points[1].SpeedUp, "- [-, -] of 6")
}

func TestOneBlockHasNoInterval(t *testing.T) {
	two := only(t, []metric.Row{row("s", "a/b", 1, 1, 10), row("s", "a/b", 2, 1, 19)}).Points[1]
	expect(t, "the speed-up", two.SpeedUp, "1.900 [-, -] of 1")
	expect(t, "the burn's, of which there is none", two.BurnSpeedUp, "- [-, -] of 0")
}

func TestTheLastAttemptThatCountsIsTaken(t *testing.T) {
	attempt := func(n int64, v lab.Validity, rps float64) metric.Row {
		return with(row("s", "a/b", 2, 1, rps),
			metric.Row{"attempt": metric.Int(n), "validity": metric.Text(string(v))})
	}
	for name, c := range map[string]struct {
		two  []metric.Row
		want string
	}{
		"repeated": {
			[]metric.Row{attempt(1, lab.Disturbed, 11), attempt(2, lab.Valid, 20)},
			"2.000 [-, -] of 1",
		},
		"repeated in vain": {
			[]metric.Row{attempt(1, lab.Valid, 20), attempt(2, lab.Disturbed, 11)},
			"2.000 [-, -] of 1",
		},
		"both valid": {
			[]metric.Row{attempt(2, lab.Valid, 20), attempt(1, lab.Valid, 11)},
			"2.000 [-, -] of 1",
		},
	} {
		rows := append(c.two, row("s", "a/b", 1, 1, 10))
		expect(t, "the speed-up of what was "+name, only(t, rows).Points[1].SpeedUp, c.want)
	}
}

// A capacity grows with cores; what an open loop is offered does not.
func TestCurvesAreOfPhasesThatSaturate(t *testing.T) {
	var rows []metric.Row
	for phase, connections := range map[string]int64{
		"capacity-p99": 1, "steady": 64, "peak": 1, "ladder-7": 7,
		"ladder-8": 8,
	} {
		for cores := 1; cores <= 2; cores++ {
			rows = append(rows, with(row("s", "a/b", cores, 1, 1000), metric.Row{
				"phase": metric.Text(phase), "capacity_rps": metric.Number(300 * float64(cores)), "connections": metric.Int(connections),
			}))
		}
	}
	curves := Curves(rows)
	if len(curves) != 3 || curves[0].Phase != "capacity-p99" || curves[1].Phase != "ladder-8" ||
		curves[2].Phase != "peak" {
		t.Fatalf("curves %+v", curves)
	}
	if curves[0].Metric != "capacity_rps" || curves[0].CoresNote() != "1 to 2 cores only" {
		t.Errorf("of %s, %s", curves[0].Metric, curves[0].CoresNote())
	}
	expect(t, "the capacity's speed-up", curves[0].Points[1].SpeedUp, "2.000 [-, -] of 1")
	expect(t, "the ladder's", curves[1].Points[1].SpeedUp, "1.000 [-, -] of 1")
	expect(t, "the peak's", curves[2].Points[1].SpeedUp, "1.000 [-, -] of 1")
}

// lawful are rows of so many blocks on each number of cores, that vary by noise.
func lawful(law stat.USL, counts []int, blocks int, noise float64, draws *rand.Rand) (rows []metric.Row) {
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

func TestTheLawIsFitted(t *testing.T) {
	law := stat.USL{Lambda: 50, Sigma: 0.05, Kappa: 0.002}
	c := only(t, lawful(law, []int{1, 2, 4, 8, 16}, 6, 0.01, rand.New(rand.NewPCG(1, 2))))
	if c.Fit == nil {
		t.Fatal(c.NoFitReason)
	}
	for name, is := range map[string]struct {
		e     Estimate
		truth float64
	}{"λ": {c.Fit.Lambda, law.Lambda}, "σ": {c.Fit.Sigma, law.Sigma}, "κ": {
		c.Fit.Kappa,
		law.Kappa,
	}, "the peak": {c.Fit.Peak, law.Peak()}} {
		if !covers(is.e, is.truth) || math.Abs(*is.e.Value/is.truth-1) > 0.2 || is.e.Blocks != 6 {
			t.Errorf("%s is %s, in truth %v", name, shown(is.e), is.truth)
		}
	}
	if len(c.Fit.Doubts) != 1 || !strings.Contains(c.Fit.Doubts[0], "beyond the 16 cores") {
		t.Errorf("a peak at %s of 16 cores: doubts %q", shown(c.Fit.Peak), c.Fit.Doubts)
	}
}

// Where cores cost one another nothing there is no number of them beyond which
// more bring less.
func TestALinearCurveHasNoPeak(t *testing.T) {
	c := only(t, lawful(stat.USL{Lambda: 50}, []int{1, 2, 4, 8}, 6, 0, rand.New(rand.NewPCG(1, 2))))
	if c.Fit == nil || c.Fit.Peak.Value != nil || c.Fit.Peak.High != nil {
		t.Errorf("fit %+v, %s", c.Fit, c.NoFitReason)
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
	for name, c := range map[string]struct {
		counts []int
		blocks int
		change func([]metric.Row)
		why    string
	}{
		"a small machine": {
			[]int{1, 2},
			6, nil,
			"a fit needs four core counts; this has 2 (1 to 2 cores only)",
		},
		"three core counts": {
			[]int{2, 4, 8},
			6, nil,
			"a fit needs four core counts; this has 3 (2 to 8 cores only)",
		},
		"more workers": {
			four, 6, everyRow(metric.Row{"workers": metric.Int(4)}),
			"no fit: workers 4 on server_cpus 1 (block 1)",
		},
		"a quota": {
			four, 6, everyRow(metric.Row{"throttled_periods": metric.Int(3)}),
			"no fit: throttled_periods 3 on server_cpus 1 (block 1)",
		},
		"failures": {
			four, 6, everyRow(metric.Row{"error_ratio": metric.Number(0.032)}),
			"no fit: 3.2 % of requests failed on server_cpus 1 (block 1)",
		},
		"few failures": {four, 6, everyRow(metric.Row{"error_ratio": metric.Number(0.001)}), ""},
		"bounds": {
			four, 6, everyRow(judged(lab.Censored)),
			"a fit needs four core counts of which 6 blocks are no bounds; this has 0",
		},
		"one that is a bound": {
			four, 6, func(rows []metric.Row) { with(rows[3], judged(lab.Censored)) },
			"this has 3",
		},
		"too few blocks": {four, 5, nil, "this has 0"},
		"blocks with holes": {
			four, 7,
			func(rows []metric.Row) {
				with(rows[0], judged(lab.Failed))
				with(rows[5],
					judged(lab.Failed))
			}, "too few valid blocks for a fit (5; 6 are needed)",
		},
		"a worker for each": {four, 6, everyRow(metric.Row{"workers": metric.Int(1)}), ""},
		"five, one of bounds": {
			[]int{1, 2, 4, 8, 16},
			6,
			func(rows []metric.Row) { with(rows[4], judged(lab.Censored)) }, "",
		},
		"a block without cost": {four, 7, func(rows []metric.Row) { with(rows[0], judged(lab.Disturbed)) }, ""},
	} {
		t.Run(name, func(t *testing.T) {
			rows := lawful(law, c.counts, c.blocks, 0.01, rand.New(rand.NewPCG(1, 2)))
			if c.change != nil {
				c.change(rows)
			}
			got := only(t, rows)
			if (got.Fit == nil) != (c.why != "") || !strings.Contains(got.NoFitReason, c.why) {
				t.Errorf("fit %+v because %q, want %q", got.Fit, got.NoFitReason, c.why)
			}
			if left := len(c.counts) == 5; left && (len(got.Fit.Doubts) != 2 ||
				!strings.Contains(got.Fit.Doubts[0], "leaves out 16 cores")) {
				t.Errorf("doubts %q", got.Fit.Doubts)
			}
		})
	}
}

// Requests that failed are a doubt about a curve, also those of the burn beside it.
func TestFailuresAreADoubt(t *testing.T) {
	for name, at := range map[string]string{
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
			if c.Variant == "a/b" && (len(c.Doubts) != 1 || !strings.Contains(c.Doubts[0], at)) {
				t.Errorf("%s fails: doubts %q, want %s", name, c.Doubts, at)
			}
		}
	}
}

// A block takes part in a fit with all of its figures or not at all.
func TestBlocksWithABoundAreLeftOut(t *testing.T) {
	rows := lawful(stat.USL{Lambda: 50, Sigma: 0.05}, []int{1, 2, 4, 8}, 8, 0.01, rand.New(rand.NewPCG(1, 2)))
	with(rows[0], judged(lab.Censored))
	with(rows[5], judged(lab.Disturbed))
	c := only(t, rows)
	if c.Fit == nil || c.Fit.Sigma.Blocks != 6 || len(c.Points) != 4 || c.Points[0].Throughput.Bound != AtLeast {
		t.Errorf("%+v with the fit %+v", c, c.Fit)
	}
}

// Neither the order of rows nor the unit of throughput is in what is found.
func TestOrderAndUnitsChangeNothing(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		var rows, faster []metric.Row
		factor := rapid.Float64Range(0.001, 1000).Draw(t, "factor")
		for block := range rapid.IntRange(1, 8).Draw(t, "blocks") {
			for _, cores := range []int{1, 2, 3} {
				for _, variant := range []string{lab.BurnVariant, "a/b"} {
					scenario := map[string]string{lab.BurnVariant: lab.BurnScenario, "a/b": "s"}[variant]
					rps := rapid.Float64Range(1, 1000).Draw(t, "rps")
					validity := judged(rapid.SampledFrom([]lab.Validity{
						lab.Valid, lab.Valid, lab.Censored,
						lab.Failed,
					}).Draw(t, "validity"))
					rows = append(rows, with(row(scenario, variant, cores, block+1, rps), validity))
					faster = append(faster, with(row(scenario, variant, cores, block+1, rps*factor), validity))
				}
			}
		}
		want := Curves(rows)
		if got := Curves(rapid.Permutation(rows).Draw(t, "order")); !reflect.DeepEqual(got, want) {
			t.Errorf("in another order %+v instead of %+v", got, want)
		}
		for i, c := range Curves(faster) {
			for j, p := range c.Points {
				for name, pair := range map[string][2]Estimate{
					"speed-up": {p.SpeedUp, want[i].Points[j].SpeedUp}, "relative": {
						p.RelativeToBurn,
						want[i].Points[j].RelativeToBurn,
					},
					"throughput": {p.Throughput, want[i].Points[j].Throughput.scaledBy(factor)},
				} {
					if !alike(pair[0], pair[1]) {
						t.Errorf("in other units the %s is %s instead of %s", name, shown(pair[0]), shown(pair[1]))
					}
				}
			}
		}
	})
}

func alike(a, b Estimate) bool {
	same := func(x, y *float64) bool {
		return (x == nil) == (y == nil) && (x == nil || math.Abs(*x-*y) <= 1e-9*math.Abs(*y))
	}
	return a.Blocks == b.Blocks && a.Bound == b.Bound && same(a.Value, b.Value) && same(a.Low,
		b.Low) && same(a.High, b.High)
}
