package stat

import (
	"math"
	"sort"

	"gonum.org/v1/gonum/stat/distuv"
)

// DetectableEffect is the smallest mean beyond its limit that a paired one-sided t-test
// of n differences finds with that power, where these have that standard
// deviation: with log ratios, the smallest effect beyond a margin. Infinite for
// fewer than two.
func DetectableEffect(n int, sd, alpha, power float64) float64 {
	if n < 2 {
		return math.Inf(1)
	}
	// Power grows with the noncentrality: halve the interval that holds it.
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

// PairsNeeded is the number of differences that a paired one-sided t-test needs to
// find, with that power, a mean that lies distance beyond its limit. It is not ok
// where more than most would be needed.
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

// pairedPower is how often a one-sided t-test of n differences finds an effect of
// that noncentrality: its distance from the limit in standard errors. The test
// statistic follows the noncentral t: (Z + noncentrality) / S with Z normal and
// S^2 chi-squared over its degrees of freedom; the chance that it exceeds its
// critical value is integrated over S (Owen, "A Survey of Properties and
// Applications of the Noncentral t-Distribution", Technometrics 10(3), 1968), to
// about nine digits.
func pairedPower(n int, noncentrality, alpha float64) float64 {
	df := float64(n - 1)
	critical := tQuantile(1-alpha, df)
	logGamma, _ := math.Lgamma(df / 2)
	density := func(s float64) float64 { // of S: a chi distribution, scaled
		return math.Exp(math.Ln2*(1-df/2) + df/2*math.Log(df) - logGamma + (df-1)*math.Log(s) - df*s*s/2)
	}
	exceeds := func(s float64) float64 {
		if s == 0 {
			s = math.SmallestNonzeroFloat64 // the density of one degree of freedom is finite there
		}
		return density(s) * distuv.UnitNormal.CDF(noncentrality-critical*s)
	}
	const steps = 2000
	spread := 9 / math.Sqrt(2*df) // S lies around 1 with a deviation of 1/sqrt(2 df)
	low, high := max(0, 1-spread), 1+spread
	width := (high - low) / steps
	sum := exceeds(low) + exceeds(high) // Simpson's rule
	for i := 1; i < steps; i++ {
		sum += float64(2+2*(i%2)) * exceeds(low+float64(i)*width)
	}
	return min(1, sum*width/3)
}
