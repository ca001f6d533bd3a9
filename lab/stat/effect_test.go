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

// Hours of sleep that ten people gained by two drugs: Student, "The Probable Error of a Mean"
// (1908), as in R's data set sleep. Expected values are those that R's t.test prints.
var (
	dextro = []float64{0.7, -1.6, -0.2, -1.2, -0.1, 3.4, 3.7, 0.8, 0.0, 2.0}
	laevo  = []float64{1.9, 0.8, 1.1, 0.1, -0.1, 4.4, 5.5, 1.6, 4.6, 3.4}
)

func TestPairedEffectMatchesROnStudentsSleepData(t *testing.T) {
	e := stat.PairedEffect(differences(dextro, laevo)) // t = -4.0621, df = 9, p-value = 0.002833, mean -1.58
	near(t, "mean", e.Mean, -1.58, 1e-9)
	near(t, "t", e.Mean/e.SE, -4.0621, 5e-5)
	near(t, "df", e.DF, 9, 0)
	near(t, "two-sided p", 2*e.PBelow(0), 0.002833, 5e-7)
	low, high := e.Interval(0.025)
	near(t, "low", low, -2.4598858, 5e-8)
	near(t, "high", high, -0.7001142, 5e-8)
}

func TestWelchMatchesROnStudentsSleepData(t *testing.T) {
	// t = -1.8608, df = 17.776, p-value = 0.07939
	e := stat.Welch(stat.MomentsOf(dextro...), stat.MomentsOf(laevo...), stat.Variance{})
	near(t, "t", e.Mean/e.SE, -1.8608, 5e-5)
	near(t, "df", e.DF, 17.776, 5e-4)
	near(t, "two-sided p", 2*e.PBelow(0), 0.07939, 5e-6)
	low, high := e.Interval(0.025)
	near(t, "low", low, -3.3654832, 5e-8)
	near(t, "high", high, 0.2054832, 5e-8)
}

func knownVariance(variance float64) stat.Variance {
	return stat.Variance{Value: variance, DF: math.Inf(1)}
}

// The variance between runs is added for each side. A known one does not lower the degrees of
// freedom.
func TestWelchAddsTheVarianceBetweenRuns(t *testing.T) {
	a, b := stat.MomentsOf(dextro...), stat.MomentsOf(laevo...)
	within, all := stat.Welch(a, b, stat.Variance{}), stat.Welch(a, b, knownVariance(0.25))
	near(t, "variance", all.SE*all.SE, within.SE*within.SE+0.5, 1e-12)
	if all.DF <= within.DF {
		t.Errorf("%v degrees of freedom, want more than the %v without the known variance", all.DF, within.DF)
	}
	// with the known variance alone the distribution is normal
	normal := stat.Welch(stat.MomentsOf(1, 1), stat.MomentsOf(3, 3), knownVariance(0.5))
	near(t, "normal p", normal.PBelow(0), 0.022750131948179, 1e-9)
	low, _ := normal.Interval(0.025)
	near(t, "normal low", low, -2-1.959963984540054, 1e-9)
	// An estimate that outweighs the rest determines the degrees of freedom. They count once,
	// although it is added for both sides.
	estimated := stat.Welch(a, b, stat.Variance{Value: 1e9, DF: 4})
	near(t, "degrees of freedom of an estimate", estimated.DF, 4, 1e-6)
}

// By hand: 3 + 1 with 6 and 2 degrees of freedom have 16 / (9/6 + 1/2) = 8.
func TestSumVariancesHasSatterthwaitesDegreesOfFreedom(t *testing.T) {
	for _, tt := range []struct {
		estimates []stat.Variance
		want      stat.Variance
	}{
		{[]stat.Variance{{3, 6}, {1, 2}}, stat.Variance{Value: 4, DF: 8}},
		{[]stat.Variance{{3, 6}, {0, 2}}, stat.Variance{Value: 3, DF: 6}},
		{[]stat.Variance{{3, 6}, {}}, stat.Variance{Value: 3, DF: 6}},
		{[]stat.Variance{{0, 6}, {0, 2}}, stat.Variance{Value: 0, DF: 8}},
	} {
		got := stat.SumVariances(tt.estimates...)
		near(t, "variance", got.Value, tt.want.Value, 1e-12)
		near(t, "degrees of freedom", got.DF, tt.want.DF, 1e-12)
	}
}

// Upper percentage points from textbook tables of Student's t.
func TestIntervalsUseStudentsT(t *testing.T) {
	for _, tt := range []struct {
		tail, df, want float64
	}{
		{0.025, 1, 12.706},
		{0.025, 2, 4.303},
		{0.025, 5, 2.571},
		{0.025, 9, 2.262},
		{0.025, 19, 2.093},
		{0.025, 30, 2.042},
		{0.025, 120, 1.980},
		{0.05, 1, 6.314},
		{0.05, 5, 2.015},
		{0.05, 10, 1.812},
		{0.005, 5, 4.032},
		{0.005, 20, 2.845},
		{0.025, 1e15, 1.960},
		{0.0005, 5, 6.869},
		{0.0005, 10, 4.587},
	} {
		e := stat.Effect{SE: 1, DF: tt.df}
		_, high := e.Interval(tt.tail)
		near(t, "quantile", high, tt.want, 5e-4)
		near(t, "tail beyond it", e.PBelow(high), tt.tail, 1e-9)
	}
}

// Two one-sided tests on summary statistics: Lakens, "Equivalence Tests" (Social Psychological
// and Personality Science 8(4), 2017), on the replication by Moery and Calin-Jageman (2016)
// with bounds of ±0.384 points: t(182) = -2.69, p = 0.004, as in the documentation of R's
// TOSTER.
func TestPWithinMatchesLakens(t *testing.T) {
	const bound = 0.384
	organic := summary(89, 5.22, 0.83)
	control := summary(95, 5.25, 0.95)
	pooled := math.Sqrt((organic.M2 + control.M2) / 182)
	e := stat.Effect{Mean: control.Mean - organic.Mean, SE: pooled * math.Sqrt(1/95.0+1/89.0), DF: 182}
	near(t, "t of the nearer bound", (e.Mean-bound)/e.SE, -2.69, 0.01)
	near(t, "p", e.PWithin(bound), 0.004, 5e-4)
	welch := stat.Welch(control, organic, stat.Variance{})
	near(t, "p without equal variances", welch.PWithin(bound), 0.004, 5e-4)
	if p := e.PWithin(0.1); p < 0.05 {
		t.Errorf("a difference of 0.03 with a standard error of 0.13 is found to be within 0.1 (p %v)", p)
	}
	if p := e.PAbove(0); p < 0.05 {
		t.Errorf("it is found to differ from 0 (p %v)", p)
	}
}

func summary(n int, mean, sd float64) stat.Moments {
	return stat.Moments{N: n, Mean: mean, M2: sd * sd * float64(n-1)}
}

func TestEffectsWithoutSpreadAreUnknownOrExact(t *testing.T) {
	one, two := stat.MomentsOf(1), stat.MomentsOf(2, 3)
	for _, e := range []stat.Effect{ // one value: unknown precision
		stat.PairedEffect(nil), stat.PairedEffect([]float64{3}),
		stat.Welch(one, two, stat.Variance{}), stat.Welch(stat.Moments{}, two, knownVariance(1)),
	} {
		low, high := e.Interval(0.025)
		if !math.IsInf(low, -1) || !math.IsInf(high, 1) ||
			e.PAbove(-99) != 1 || e.PBelow(99) != 1 || e.PWithin(99) != 1 {
			t.Errorf("%+v decides: %v to %v, p %v, %v, %v", e, low, high, e.PAbove(-99), e.PBelow(99), e.PWithin(99))
		}
	}
	for _, e := range []stat.Effect{ // equal values: an exact mean
		stat.PairedEffect([]float64{3, 3, 3}),
		stat.Welch(stat.MomentsOf(4, 4), stat.MomentsOf(1, 1), stat.Variance{}),
	} {
		low, high := e.Interval(0.025)
		if low != 3 || high != 3 || e.PAbove(2) != 0 || e.PBelow(2) != 1 || e.PAbove(3) != 1 || e.PBelow(3) != 1 ||
			e.PWithin(4) != 0 || e.PWithin(2) != 1 {
			t.Errorf("%+v has an interval: %v to %v", e, low, high)
		}
	}
}

func TestAnOpenSideDecidesNothing(t *testing.T) {
	closed := stat.Effect{Mean: 1, SE: 0.1, DF: 5}
	low, high := closed.Interval(0.025)
	for _, open := range []struct{ low, high bool }{{true, false}, {false, true}, {true, true}} {
		e := closed
		e.LowOpen, e.HighOpen = open.low, open.high
		l, h := e.Interval(0.025)
		if math.IsInf(l, -1) != open.low || !open.low && l != low ||
			math.IsInf(h, 1) != open.high || !open.high && h != high {
			t.Errorf("%+v: interval from %v to %v", e, l, h)
		}
		if p := e.PAbove(0); (p == 1) != open.low || !open.low && p != closed.PAbove(0) {
			t.Errorf("%+v: p above 0 is %v", e, p)
		}
		if p := e.PBelow(2); (p == 1) != open.high || !open.high && p != closed.PBelow(2) {
			t.Errorf("%+v: p below 2 is %v", e, p)
		}
		if p := e.PWithin(2); p != 1 {
			t.Errorf("%+v: p within 2 is %v", e, p)
		}
	}
	exact := stat.Effect{Mean: 1, DF: 5, LowOpen: true}
	if l, h := exact.Interval(0.025); !math.IsInf(l, -1) || h != 1 || exact.PAbove(0) != 1 {
		t.Errorf("an exact mean that is a bound: %v to %v, p %v", l, h, exact.PAbove(0))
	}
}

func TestMomentsDoNotCancel(t *testing.T) {
	// far from zero, where the difference of squares has no digits left
	m := stat.MomentsOf(1e9+2, 1e9+4, 1e9+4, 1e9+4, 1e9+5, 1e9+5, 1e9+7, 1e9+9)
	near(t, "mean", m.Mean, 1e9+5, 0)
	near(t, "deviation", m.SD(), math.Sqrt(32.0/7), 1e-7)
	if one := stat.MomentsOf(1); !math.IsNaN(one.SD()) {
		t.Errorf("one value has a standard deviation of %v", one.SD())
	}
}

func values(t *rapid.T) []float64 {
	return rapid.SliceOfN(rapid.Float64Range(0.01, 1e6), 2, 14).Draw(t, "values")
}

// pairedWith draws as many values as a has.
func pairedWith(t *rapid.T, a []float64) []float64 {
	return rapid.SliceOfN(rapid.Float64Range(0.01, 1e6), len(a), len(a)).Draw(t, "paired values")
}

func logRatios(a, b []float64, unit float64) []float64 {
	xs := make([]float64, len(a))
	for i := range xs {
		xs[i] = math.Log(a[i] * unit / (b[i] * unit))
	}
	return xs
}

func differences(a, b []float64) []float64 {
	xs := make([]float64, len(a))
	for i := range xs {
		xs[i] = a[i] - b[i]
	}
	return xs
}

func closeTo(a, b float64) bool { return a == b || math.Abs(a-b) <= 1e-9*(1+math.Abs(a)+math.Abs(b)) }

// Swapping the arms inverts the ratio, mirrors its interval, and swaps above and below.
func TestSwappingTheArmsInvertsTheEffect(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		a := values(t)
		b := pairedWith(t, a)
		limit := rapid.Float64Range(-2, 2).Draw(t, "limit")
		e, swapped := stat.PairedEffect(logRatios(a, b, 1)), stat.PairedEffect(logRatios(b, a, 1))
		low, high := e.Interval(0.025)
		low2, high2 := swapped.Interval(0.025)
		if !closeTo(math.Exp(e.Mean), 1/math.Exp(swapped.Mean)) || !closeTo(low, -high2) || !closeTo(high, -low2) {
			t.Errorf("ratio %v in %v to %v, swapped %v in %v to %v", e.Mean, low, high, swapped.Mean, low2, high2)
		}
		if !closeTo(e.PAbove(limit), swapped.PBelow(-limit)) || !closeTo(e.PWithin(limit), swapped.PWithin(limit)) {
			t.Errorf("above %v, but swapped below %v; within %v and %v", e.PAbove(limit), swapped.PBelow(-limit),
				e.PWithin(limit), swapped.PWithin(limit))
		}
		between := knownVariance(0.1)
		f := stat.Welch(stat.MomentsOf(a...), stat.MomentsOf(b...), between)
		g := stat.Welch(stat.MomentsOf(b...), stat.MomentsOf(a...), between)
		if !closeTo(f.Mean, -g.Mean) || !closeTo(f.SE, g.SE) || !closeTo(f.DF, g.DF) {
			t.Errorf("unpaired %+v, swapped %+v", f, g)
		}
	})
}

// Requests per second or per minute have the same ratio and interval.
func TestUnitsDoNotChangeTheEffect(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		a := values(t)
		b := pairedWith(t, a)
		unit := rapid.Float64Range(1e-3, 1e3).Draw(t, "unit")
		e, scaled := stat.PairedEffect(logRatios(a, b, 1)), stat.PairedEffect(logRatios(a, b, unit))
		low, high := e.Interval(0.025)
		low2, high2 := scaled.Interval(0.025)
		if !closeTo(e.Mean, scaled.Mean) || !closeTo(low, low2) || !closeTo(high, high2) {
			t.Errorf("%+v becomes %+v", e, scaled)
		}
	})
}

func TestTheOrderOfBlocksDoesNotChangeTheEffect(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		a := values(t)
		b := pairedWith(t, a)
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
			t.Errorf("p of the sign-flip test was %v, is %v", p, q)
		}
		f := stat.Welch(stat.MomentsOf(a...), stat.MomentsOf(b...), stat.Variance{})
		if !closeTo(w.Mean, f.Mean) || !closeTo(w.SE, f.SE) {
			t.Errorf("unpaired %+v becomes %+v", w, f)
		}
	})
}

func shuffle(xs []float64, seed uint64) {
	rand.New(rand.NewPCG(seed, 0)).Shuffle(len(xs), func(i, j int) { xs[i], xs[j] = xs[j], xs[i] })
}

// An interval holds exactly the limits that neither one-sided test excludes.
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
			t.Errorf("interval %v to %v, limit %v, but p is %v above and %v below at level %v", low, high, limit,
				e.PAbove(limit), e.PBelow(limit), alpha)
		}
	})
}
