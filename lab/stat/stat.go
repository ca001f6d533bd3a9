// Package stat implements the lab's statistics: estimates and tests of effects, multiple
// testing, power, simulation, and the fit of the Universal Scalability Law. It knows numbers,
// not runs.
package stat

import (
	"math"
	"slices"
)

// Median returns the median of xs, NaN without values. For an even number of values it is the
// mean of the two middle ones. It does not change xs.
func Median(xs []float64) float64 {
	if len(xs) == 0 {
		return math.NaN()
	}
	sorted := slices.Sorted(slices.Values(xs))
	middle := len(sorted) / 2
	if len(sorted)%2 == 1 {
		return sorted[middle]
	}
	return sorted[middle-1] + (sorted[middle]-sorted[middle-1])/2
}

// Range returns the smallest and the largest of xs, NaN without values.
func Range(xs []float64) (lowest, highest float64) {
	if len(xs) == 0 {
		return math.NaN(), math.NaN()
	}
	return slices.Min(xs), slices.Max(xs)
}

// Quantile returns the p-quantile of xs, p from 0 to 1, by linear interpolation between order
// statistics: type 7 of Hyndman and Fan, "Sample Quantiles in Statistical Packages" (The
// American Statistician 50(4), 1996). It is NaN without values.
func Quantile(xs []float64, p float64) float64 {
	if len(xs) == 0 {
		return math.NaN()
	}
	sorted := slices.Sorted(slices.Values(xs))
	position := p * float64(len(sorted)-1)
	below := int(math.Floor(position))
	if below >= len(sorted)-1 {
		return sorted[len(sorted)-1]
	}
	return sorted[below] + (position-float64(below))*(sorted[below+1]-sorted[below])
}

// CV returns the coefficient of variation of xs: sample standard deviation over mean. It is
// NaN for fewer than two values.
func CV(xs []float64) float64 {
	m := MomentsOf(xs...)
	return m.SD() / m.Mean
}
