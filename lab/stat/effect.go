package stat

import (
	"math"

	"gonum.org/v1/gonum/stat/distuv"
)

// Effect is an estimate of a mean, here of log ratios, whose error follows
// Student's t. One of unknown precision (SE is NaN) decides nothing: its interval
// is everything and its p are 1. One without error (SE is 0) is the truth: its
// interval is a point and its p are 0 or 1.
type Effect struct {
	Mean float64
	SE   float64 // standard error of the mean
	DF   float64 // degrees of freedom of SE; infinite where it is known
}

// PairedEffect is the effect that differences of pairs tell of, such as the log ratio
// of two arms in each block: Student, "The Probable Error of a Mean" (Biometrika
// 6(1), 1908). Of fewer than two its precision is unknown.
func PairedEffect(xs []float64) Effect {
	m := MomentsOf(xs...)
	if m.N == 0 {
		return Effect{Mean: math.NaN(), SE: math.NaN()}
	}
	return Effect{Mean: m.Mean, SE: m.SD() / math.Sqrt(float64(m.N)), DF: float64(m.N - 1)}
}

// Welch is a's mean less b's, of samples that share no pairs and need not vary
// alike: Welch, "The Generalization of 'Student's' Problem when Several Different
// Population Variances are Involved" (Biometrika 34(1-2), 1947). A variance
// between is added for each side: by how much a side's true mean varies from one
// sampling to the next, which its own values cannot tell.
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

// Variance is an estimate of one.
type Variance struct {
	Value float64
	DF    float64 // degrees of freedom; infinite where it is known
}

// SumVariances is that of independent estimates: Satterthwaite, "An Approximate Distribution
// of Estimates of Variance Components" (Biometrics Bulletin 2(6), 1946). Of nothing
// that varies it has the degrees of freedom of all together.
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

// Interval is what the mean lies within, but for an error alpha on each side:
// 0.025 gives a confidence interval of 95 %.
func (e Effect) Interval(alpha float64) (low, high float64) {
	if !e.hasPrecision() {
		return math.Inf(-1), math.Inf(1)
	}
	half := e.SE * tQuantile(1-alpha, e.DF)
	if e.SE == 0 {
		half = 0
	}
	return e.Mean - half, e.Mean + half
}

// PAbove is p of the one-sided t-test that the mean lies above the limit: how
// often as large a mean is seen where the true one is the limit at most.
func (e Effect) PAbove(limit float64) float64 { return e.pValue(e.Mean - limit) }

// PBelow is p of the one-sided t-test that the mean lies below the limit.
func (e Effect) PBelow(limit float64) float64 { return e.pValue(limit - e.Mean) }

// PWithin is p of two one-sided tests that the mean lies less than limit away from
// zero, on either side: Schuirmann, "A Comparison of the Two One-Sided Tests
// Procedure and the Power Approach for Assessing the Equivalence of Average
// Bioavailability" (J. Pharmacokinetics and Biopharmaceutics 15(6), 1987).
func (e Effect) PWithin(limit float64) float64 { return max(e.PAbove(-limit), e.PBelow(limit)) }

// pValue is that of a mean so far on its claim's side of a limit.
func (e Effect) pValue(beyond float64) float64 {
	switch {
	case !e.hasPrecision():
		return 1
	case e.SE == 0 && beyond > 0:
		return 0
	case e.SE == 0:
		return 1
	}
	return tSurvival(beyond/e.SE, e.DF)
}

func (e Effect) hasPrecision() bool { return e.SE >= 0 && e.DF > 0 && !math.IsNaN(e.Mean) }

// minNormalDF is the number of degrees of freedom from which Student's t is the
// normal distribution to nine digits; at more than a thousand times as many the
// library's has none left.
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
