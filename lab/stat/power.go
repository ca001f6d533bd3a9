package stat

import (
	"math"
	"sort"

	"gonum.org/v1/gonum/stat/distuv"
)

// DetectableEffect returns the smallest effect beyond the limit that a paired one-sided t-test
// at level alpha finds with the given power. The n differences, such as log ratios by block,
// have standard deviation sd. It is infinite for fewer than two differences.
func DetectableEffect(n int, sd, alpha, power float64) float64 {
	if n < 2 {
		return math.Inf(1)
	}
	// Power grows with the noncentrality, so bisect.
	low, high := 0.0, 1.0
	for pairedPower(n, high, alpha) < power {
		low, high = high, 2*high
	}
	for range 60 {
		if mid := (low + high) / 2; pairedPower(n, mid, alpha) < power {
			low = mid
		} else {
			high = mid
		}
	}
	return high * sd / math.Sqrt(float64(n))
}

// PairsNeeded returns the number of differences that a paired one-sided t-test at level alpha
// needs to find, with the given power, a mean that lies distance beyond its limit. ok is false
// if that is more than most.
func PairsNeeded(distance, sd, alpha, power float64, most int) (n int, ok bool) {
	if !(distance > 0) || most < 2 {
		return 0, false
	}
	enough := func(n int) bool {
		return sd == 0 || pairedPower(n, distance/sd*math.Sqrt(float64(n)), alpha) >= power
	}
	if n = 2 + sort.Search(most-1, func(i int) bool { return enough(2 + i) }); n > most {
		return 0, false
	}
	return n, true
}

// pairedPower returns the power of a one-sided t-test of n differences. The noncentrality is
// the distance of the effect from the limit in standard errors.
//
// The test statistic follows the noncentral t, (Z + noncentrality) / S, with Z normal and S^2
// chi-squared over its degrees of freedom. The chance that it exceeds its critical value is
// integrated over S to about nine digits: Owen, "A Survey of Properties and Applications of
// the Noncentral t-Distribution" (Technometrics 10(3), 1968).
func pairedPower(n int, noncentrality, alpha float64) float64 {
	df := float64(n - 1)
	critical := tQuantile(1-alpha, df)
	logGamma, _ := math.Lgamma(df / 2)
	density := func(s float64) float64 { // of S, a scaled chi distribution
		return math.Exp(math.Ln2*(1-df/2) + df/2*math.Log(df) - logGamma + (df-1)*math.Log(s) - df*s*s/2)
	}
	exceeds := func(s float64) float64 {
		if s == 0 {
			s = math.SmallestNonzeroFloat64 // the density of one degree of freedom is finite there
		}
		return density(s) * distuv.UnitNormal.CDF(noncentrality-critical*s)
	}
	const steps = 2000
	spread := 9 / math.Sqrt(2*df) // S has mean 1 and standard deviation 1/sqrt(2 df), about
	low, high := max(0, 1-spread), 1+spread
	width := (high - low) / steps
	sum := exceeds(low) + exceeds(high) // Simpson's rule
	for i := 1; i < steps; i++ {
		sum += float64(2+2*(i%2)) * exceeds(low+float64(i)*width)
	}
	return min(1, sum*width/3)
}
