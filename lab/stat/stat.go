// Package stat owns the statistics of the lab. It imports nothing of ours and
// knows nothing of what its numbers mean.
package stat

import (
	"math"
	"slices"
)

// Median is the middle of xs, the mean of the two middle ones where their
// number is even, NaN of nothing. It leaves xs as it is.
func Median(xs []float64) float64 {
	if len(xs) == 0 {
		return math.NaN()
	}
	s := slices.Sorted(slices.Values(xs))
	mid := len(s) / 2
	if len(s)%2 == 1 {
		return s[mid]
	}
	return s[mid-1] + (s[mid]-s[mid-1])/2
}

// Range is the smallest and the largest of xs, NaN of nothing: a spread that
// assumes no distribution.
func Range(xs []float64) (lowest, highest float64) {
	if len(xs) == 0 {
		return math.NaN(), math.NaN()
	}
	return slices.Min(xs), slices.Max(xs)
}

// Quantile is the p-quantile of xs, 0 to 1, by linear interpolation between
// order statistics: type 7 of Hyndman and Fan, "Sample Quantiles in Statistical
// Packages" (The American Statistician 50(4), 1996). NaN of nothing.
func Quantile(xs []float64, p float64) float64 {
	if len(xs) == 0 {
		return math.NaN()
	}
	s := slices.Sorted(slices.Values(xs))
	at := p * float64(len(s)-1)
	below := int(math.Floor(at))
	if below >= len(s)-1 {
		return s[len(s)-1]
	}
	return s[below] + (at-float64(below))*(s[below+1]-s[below])
}

// CV is the coefficient of variation of xs: their sample standard deviation out
// of their mean. NaN of fewer than two.
func CV(xs []float64) float64 {
	m := MomentsOf(xs...)
	return m.SD() / m.Mean
}
