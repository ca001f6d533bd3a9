package stat_test

import (
	"math"
	"math/rand/v2"
	"testing"

	"pgregory.net/rapid"

	"runtimelab/lab/stat"
)

func near(t *testing.T, what string, got, want, tolerance float64) {
	t.Helper()
	if !(math.Abs(got-want) <= tolerance) {
		t.Errorf("%s is %v, want %v within %v", what, got, want, tolerance)
	}
}

// Hours of sleep that two drugs gained ten people: Student, "The Probable Error of
// a Mean" (1908), as in R's data set sleep. Expected values are those that R's
// t.test prints.
var (
	dextro = []float64{0.7, -1.6, -0.2, -1.2, -0.1, 3.4, 3.7, 0.8, 0.0, 2.0}
	laevo  = []float64{1.9, 0.8, 1.1, 0.1, -0.1, 4.4, 5.5, 1.6, 4.6, 3.4}
)

func TestPairedOfStudentsSleep(t *testing.T) {
	e := stat.PairedEffect(minus(dextro, laevo)) // t = -4.0621, df = 9, p-value = 0.002833, mean -1.58
	near(t, "mean", e.Mean, -1.58, 1e-9)
	near(t, "t", e.Mean/e.SE, -4.0621, 5e-5)
	near(t, "df", e.DF, 9, 0)
	near(t, "two-sided p", 2*e.PBelow(0), 0.002833, 5e-7)
	low, high := e.Interval(0.025)
	near(t, "low", low, -2.4598858, 5e-8)
	near(t, "high", high, -0.7001142, 5e-8)
}

func TestWelchOfStudentsSleep(t *testing.T) {
	// t = -1.8608, df = 17.776, p-value = 0.07939
	e := stat.Welch(stat.MomentsOf(dextro...), stat.MomentsOf(laevo...), stat.Variance{})
	near(t, "t", e.Mean/e.SE, -1.8608, 5e-5)
	near(t, "df", e.DF, 17.776, 5e-4)
	near(t, "two-sided p", 2*e.PBelow(0), 0.07939, 5e-6)
	low, high := e.Interval(0.025)
	near(t, "low", low, -3.3654832, 5e-8)
	near(t, "high", high, 0.2054832, 5e-8)
}

func pOrOne(variance float64) stat.Variance { return stat.Variance{Value: variance, DF: math.Inf(1)} }

// A variance between runs is each side's own, and takes no degrees of freedom where
// it is known.
func TestWelchBetweenRuns(t *testing.T) {
	a, b := stat.MomentsOf(dextro...), stat.MomentsOf(laevo...)
	within, all := stat.Welch(a, b, stat.Variance{}), stat.Welch(a, b, pOrOne(0.25))
	near(t, "variance", all.SE*all.SE, within.SE*within.SE+0.5, 1e-12)
	if all.DF <= within.DF {
		t.Errorf("%v degrees of freedom, fewer than the %v of what is less known", all.DF, within.DF)
	}
	// only the known variance is left: it is normal
	normal := stat.Welch(stat.MomentsOf(1, 1), stat.MomentsOf(3, 3), pOrOne(0.5))
	near(t, "normal p", normal.PBelow(0), 0.022750131948179, 1e-9)
	low, _ := normal.Interval(0.025)
	near(t, "normal low", low, -2-1.959963984540054, 1e-9)
	// Where it is an estimate that outweighs all else its degrees of freedom are those
	// of the effect, once, though it is added for both sides.
	estimated := stat.Welch(a, b, stat.Variance{Value: 1e9, DF: 4})
	near(t, "degrees of freedom of an estimate", estimated.DF, 4, 1e-6)
}

// Worked by hand: 3 + 1 of 6 and 2 degrees of freedom: 16 / (9/6 + 1/2) = 8.
func TestSumOfVariances(t *testing.T) {
	for _, tt := range []struct {
		of   []stat.Variance
		want stat.Variance
	}{
		{[]stat.Variance{{3, 6}, {1, 2}}, stat.Variance{Value: 4, DF: 8}},
		{[]stat.Variance{{3, 6}, {0, 2}}, stat.Variance{Value: 3, DF: 6}},
		{[]stat.Variance{{3, 6}, {}}, stat.Variance{Value: 3, DF: 6}},
		{[]stat.Variance{{0, 6}, {0, 2}}, stat.Variance{Value: 0, DF: 8}},
	} {
		got := stat.SumVariances(tt.of...)
		near(t, "variance", got.Value, tt.want.Value, 1e-12)
		near(t, "degrees of freedom", got.DF, tt.want.DF, 1e-12)
	}
}

// Upper percentage points as any textbook's table of Student's t gives them.
func TestStudentsT(t *testing.T) {
	for _, tt := range []struct {
		tail, df, want float64
	}{
		{0.025, 1, 12.706},
		{0.025, 2, 4.303},
		{0.025, 5, 2.571},
		{0.025, 9, 2.262},
		{0.025, 19, 2.093},
		{
			0.025, 30,
			2.042,
		},
		{0.025, 120, 1.980},
		{0.05, 1, 6.314},
		{0.05, 5, 2.015},
		{0.05, 10, 1.812},
		{0.005, 5, 4.032},
		{0.005, 20, 2.845},
		{
			0.025, 1e15,
			1.960,
		},
		{0.0005, 5, 6.869},
		{0.0005, 10, 4.587},
	} {
		e := stat.Effect{SE: 1, DF: tt.df}
		_, high := e.Interval(tt.tail)
		near(t, "quantile", high, tt.want, 5e-4)
		near(t, "tail beyond it", e.PBelow(high), tt.tail, 1e-9)
	}
}

// TOST of summary statistics: Lakens, "Equivalence Tests" (Social Psychological and
// Personality Science 8(4), 2017), on the replication by Moery and Calin-Jageman
// (2016) with bounds of 0.384 points to either side: t(182) = -2.69, p = 0.004,
// also in the documentation of R's TOSTER.
func TestWithinOfLakens(t *testing.T) {
	const bound = 0.384
	organic := summary(89, 5.22, 0.83)
	control := summary(95, 5.25, 0.95)
	pooled := math.Sqrt((organic.M2 + control.M2) / 182)
	e := stat.Effect{Mean: control.Mean - organic.Mean, SE: pooled * math.Sqrt(1/95.0+1/89.0), DF: 182}
	near(t, "t of the nearer bound", (e.Mean-bound)/e.SE, -2.69, 0.01)
	near(t, "p", e.PWithin(bound), 0.004, 5e-4)
	near(t, "p without equal variances", stat.Welch(control, organic, stat.Variance{}).PWithin(bound), 0.004,
		5e-4)
	if p := e.PWithin(0.1); p < 0.05 {
		t.Errorf("a difference of 0.03 with a standard error of 0.13 is found to lie within 0.1 (p %v)", p)
	}
	if p := e.PAbove(0); p < 0.05 {
		t.Errorf("and to differ from 0 (p %v)", p)
	}
}

func summary(n int, mean, sd float64) stat.Moments {
	return stat.Moments{N: n, Mean: mean, M2: sd * sd * float64(n-1)}
}

// Nothing is known of one value, and everything of values that do not vary.
func TestEffectsWithoutSpread(t *testing.T) {
	for _, e := range []stat.Effect{
		stat.PairedEffect(nil), stat.PairedEffect([]float64{3}), stat.Welch(stat.MomentsOf(1), stat.MomentsOf(2, 3),
			stat.Variance{}), stat.Welch(stat.Moments{}, stat.MomentsOf(2, 3), pOrOne(1)),
	} {
		low, high := e.Interval(0.025)
		if !math.IsInf(low, -1) || !math.IsInf(high,
			1) || e.PAbove(-99) != 1 || e.PBelow(99) != 1 || e.PWithin(99) != 1 {
			t.Errorf("%+v decides: %v to %v, p %v, %v, %v", e, low, high, e.PAbove(-99), e.PBelow(99), e.PWithin(99))
		}
	}
	for _, e := range []stat.Effect{
		stat.PairedEffect([]float64{3, 3, 3}),
		stat.Welch(stat.MomentsOf(4, 4), stat.MomentsOf(1, 1), stat.Variance{}),
	} {
		low, high := e.Interval(0.025)
		if low != 3 || high != 3 || e.PAbove(2) != 0 || e.PBelow(2) != 1 || e.PAbove(3) != 1 || e.PBelow(3) != 1 ||
			e.PWithin(4) != 0 || e.PWithin(2) != 1 {
			t.Errorf("%+v is no point: %v to %v", e, low, high)
		}
	}
}

func TestMoments(t *testing.T) {
	// far from zero, where squares cancel
	m := stat.MomentsOf(1e9+2, 1e9+4, 1e9+4, 1e9+4, 1e9+5, 1e9+5, 1e9+7, 1e9+9)
	near(t, "mean", m.Mean, 1e9+5, 0)
	near(t, "deviation", m.SD(), math.Sqrt(32.0/7), 1e-7)
	if one := stat.MomentsOf(1); !math.IsNaN(one.SD()) {
		t.Errorf("one value deviates by %v", one.SD())
	}
}

func values(t *rapid.T) []float64 {
	return rapid.SliceOfN(rapid.Float64Range(0.01, 1e6), 2, 14).Draw(t, "values")
}

// Values of b beside those of a.
func beside(t *rapid.T, a []float64) []float64 {
	return rapid.SliceOfN(rapid.Float64Range(0.01, 1e6), len(a), len(a)).Draw(t, "beside")
}

func logRatios(a, b []float64, unit float64) []float64 {
	xs := make([]float64, len(a))
	for i := range xs {
		xs[i] = math.Log(a[i] * unit / (b[i] * unit))
	}
	return xs
}

func minus(a, b []float64) []float64 {
	xs := make([]float64, len(a))
	for i := range xs {
		xs[i] = a[i] - b[i]
	}
	return xs
}

func closeTo(a, b float64) bool { return a == b || math.Abs(a-b) <= 1e-9*(1+math.Abs(a)+math.Abs(b)) }

// Swapping the arms inverts the ratio, mirrors its interval, and says of below what
// it said of above.
func TestSwappedArms(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		a := values(t)
		b := beside(t, a)
		limit := rapid.Float64Range(-2, 2).Draw(t, "limit")
		xs, swapped := logRatios(a, b, 1), logRatios(b, a, 1)
		there, back := stat.PairedEffect(xs), stat.PairedEffect(swapped)
		low, high := there.Interval(0.025)
		low2, high2 := back.Interval(0.025)
		if !closeTo(math.Exp(there.Mean), 1/math.Exp(back.Mean)) || !closeTo(low, -high2) || !closeTo(high, -low2) {
			t.Errorf("ratio %v in %v to %v, swapped %v in %v to %v", there.Mean, low, high, back.Mean, low2, high2)
		}
		if !closeTo(there.PAbove(limit), back.PBelow(-limit)) || !closeTo(there.PWithin(limit),
			back.PWithin(limit)) {
			t.Errorf("above %v, but swapped below %v; within %v and %v", there.PAbove(limit), back.PBelow(-limit),
				there.PWithin(limit), back.PWithin(limit))
		}
		e, f := stat.Welch(stat.MomentsOf(a...), stat.MomentsOf(b...),
			pOrOne(0.1)), stat.Welch(stat.MomentsOf(b...), stat.MomentsOf(a...), pOrOne(0.1))
		if !closeTo(e.Mean, -f.Mean) || !closeTo(e.SE, f.SE) || !closeTo(e.DF, f.DF) {
			t.Errorf("unpaired %+v, swapped %+v", e, f)
		}
	})
}

// Requests per second or per minute: the ratio, its interval and its p are the same.
func TestScaledUnits(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		a := values(t)
		b := beside(t, a)
		unit := rapid.Float64Range(1e-3, 1e3).Draw(t, "unit")
		xs, scaled := logRatios(a, b, 1), logRatios(a, b, unit)
		e, f := stat.PairedEffect(xs), stat.PairedEffect(scaled)
		low, high := e.Interval(0.025)
		low2, high2 := f.Interval(0.025)
		if !closeTo(e.Mean, f.Mean) || !closeTo(low, low2) || !closeTo(high, high2) {
			t.Errorf("%+v becomes %+v", e, f)
		}
	})
}

// The order of blocks, and of trials, changes nothing.
func TestShuffledRows(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		a := values(t)
		b := beside(t, a)
		seed := rapid.Uint64().Draw(t, "seed")
		xs := logRatios(a, b, 1)
		e, p := stat.PairedEffect(xs), stat.SignFlip(xs, 0.1)
		w := stat.Welch(stat.MomentsOf(a...), stat.MomentsOf(b...), stat.Variance{})
		shuffle(xs, seed)
		shuffle(b, seed)
		if f := stat.PairedEffect(xs); !closeTo(e.Mean, f.Mean) || !closeTo(e.SE, f.SE) {
			t.Errorf("%+v becomes %+v", e, f)
		}
		if q := stat.SignFlip(xs, 0.1); q != p {
			t.Errorf("p by signs was %v, is %v", p, q)
		}
		if f := stat.Welch(stat.MomentsOf(a...), stat.MomentsOf(b...), stat.Variance{}); !closeTo(w.Mean,
			f.Mean) || !closeTo(w.SE, f.SE) {
			t.Errorf("unpaired %+v becomes %+v", w, f)
		}
	})
}

func shuffle(xs []float64, seed uint64) {
	rand.New(rand.NewPCG(seed, 0)).Shuffle(len(xs), func(i, j int) { xs[i], xs[j] = xs[j], xs[i] })
}

// An interval holds just the limits that neither one-sided test excludes.
func TestIntervalsAgreeWithTests(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		e := stat.PairedEffect(rapid.SliceOfN(rapid.Float64Range(-1, 1), 2, 20).Draw(t, "log ratios"))
		limit := rapid.Float64Range(-2, 2).Draw(t, "limit")
		alpha := rapid.Float64Range(0.0001, 0.2).Draw(t, "alpha")
		low, high := e.Interval(alpha)
		if math.Abs(limit-low) < 1e-9 || math.Abs(limit-high) < 1e-9 {
			return
		}
		if (low > limit) != (e.PAbove(limit) <= alpha) || (high < limit) != (e.PBelow(limit) <= alpha) {
			t.Errorf("%v to %v beside %v, but p %v above and %v below at %v", low, high, limit, e.PAbove(limit),
				e.PBelow(limit), alpha)
		}
	})
}
