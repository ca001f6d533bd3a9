package stat

import (
	"math"

	"gonum.org/v1/gonum/stat/distuv"
)

// Effect is an estimate of a mean, here of log ratios, whose error follows Student's t. If SE
// is NaN the precision is unknown: the interval is unbounded and every p is 1. If SE is 0 the
// mean is exact: the interval is a point and every p is 0 or 1.
type Effect struct {
	Mean float64
	SE   float64 // standard error of the mean
	DF   float64 // degrees of freedom of SE; infinite if SE is known
	// LowOpen and HighOpen say that the true mean may lie anywhere below the estimate, or above
	// it, because some values are bounds: the interval is infinite on that side.
	LowOpen, HighOpen bool
}

// PairedEffect estimates the mean of paired differences, such as the log ratios of two arms
// by block: Student, "The Probable Error of a Mean" (Biometrika 6(1), 1908). With fewer than
// two values the precision is unknown.
func PairedEffect(xs []float64) Effect {
	m := MomentsOf(xs...)
	if m.N == 0 {
		return Effect{Mean: math.NaN(), SE: math.NaN()}
	}
	return Effect{Mean: m.Mean, SE: m.SD() / math.Sqrt(float64(m.N)), DF: float64(m.N - 1)}
}

// Welch estimates mean(a) - mean(b) of independent samples with unequal variances: Welch,
// "The Generalization of 'Student's' Problem when Several Different Population Variances are
// Involved" (Biometrika 34(1-2), 1947). The variance between is added once for each side: it
// says how much a side's true mean varies from run to run, which its own values cannot show.
func Welch(a, b Moments, between Variance) Effect {
	e := Effect{Mean: a.Mean - b.Mean, SE: math.NaN()}
	if a.N < 2 || b.N < 2 {
		if a.N == 0 || b.N == 0 {
			e.Mean = math.NaN()
		}
		return e
	}
	sum := SumVariances(a.VarianceOfMean(), b.VarianceOfMean(), Variance{2 * between.Value, between.DF})
	e.SE, e.DF = math.Sqrt(sum.Value), sum.DF
	return e
}

// Variance is an estimated variance.
type Variance struct {
	Value float64
	DF    float64 // degrees of freedom; infinite if the variance is known
}

// SumVariances returns the sum of independent estimates, with the degrees of freedom of
// Satterthwaite, "An Approximate Distribution of Estimates of Variance Components"
// (Biometrics Bulletin 2(6), 1946). A sum of zero has those of all estimates together.
func SumVariances(estimates ...Variance) Variance {
	sum, squares, degrees := 0.0, 0.0, 0.0
	for _, v := range estimates {
		sum += v.Value
		degrees += v.DF
		if v.Value > 0 {
			squares += v.Value * v.Value / v.DF
		}
	}
	if sum == 0 {
		return Variance{0, degrees}
	}
	return Variance{sum, sum * sum / squares}
}

// Interval returns the confidence interval of the mean with error alpha on each side; 0.025
// gives 95 %.
func (e Effect) Interval(alpha float64) (low, high float64) {
	if !e.hasPrecision() {
		return math.Inf(-1), math.Inf(1)
	}
	half := e.SE * tQuantile(1-alpha, e.DF)
	if e.SE == 0 {
		half = 0
	}
	low, high = e.Mean-half, e.Mean+half
	if e.LowOpen {
		low = math.Inf(-1)
	}
	if e.HighOpen {
		high = math.Inf(1)
	}
	return low, high
}

// PAbove returns p of the one-sided t-test that the mean is above the limit: the chance of so
// large an estimate if the true mean is the limit. It is 1 if the low side is open.
func (e Effect) PAbove(limit float64) float64 { return e.pValue(e.Mean-limit, e.LowOpen) }

// PBelow returns p of the one-sided t-test that the mean is below the limit. It is 1 if the
// high side is open.
func (e Effect) PBelow(limit float64) float64 { return e.pValue(limit-e.Mean, e.HighOpen) }

// PWithin returns p of two one-sided tests that the mean is within ±limit: Schuirmann, "A
// Comparison of the Two One-Sided Tests Procedure and the Power Approach for Assessing the
// Equivalence of Average Bioavailability" (J. Pharmacokinetics and Biopharmaceutics 15(6),
// 1987).
func (e Effect) PWithin(limit float64) float64 { return max(e.PAbove(-limit), e.PBelow(limit)) }

// pValue returns p of a mean that lies the given distance beyond its limit. open says that the
// true mean may lie anywhere on the other side of it.
func (e Effect) pValue(beyond float64, open bool) float64 {
	switch {
	case open || !e.hasPrecision():
		return 1
	case e.SE == 0 && beyond > 0:
		return 0
	case e.SE == 0:
		return 1
	}
	return tSurvival(beyond/e.SE, e.DF)
}

func (e Effect) hasPrecision() bool { return e.SE >= 0 && e.DF > 0 && !math.IsNaN(e.Mean) }

// minNormalDF is the number of degrees of freedom from which Student's t equals the normal
// distribution to nine digits. The library's t loses all digits at a thousand times as many.
const minNormalDF = 1e9

func tSurvival(x, df float64) float64 {
	if df > minNormalDF {
		return distuv.UnitNormal.Survival(x)
	}
	return distuv.StudentsT{Sigma: 1, Nu: df}.Survival(x)
}

func tQuantile(p, df float64) float64 {
	if df > minNormalDF {
		return distuv.UnitNormal.Quantile(p)
	}
	return distuv.StudentsT{Sigma: 1, Nu: df}.Quantile(p)
}
