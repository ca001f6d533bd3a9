package stat

import "math"

// Moments are the number, the mean and the spread of values that are not kept.
// They are updated one value at a time without cancellation: Welford, "Note on a
// Method for Calculating Corrected Sums of Squares and Products" (Technometrics
// 4(3), 1962).
type Moments struct {
	N    int
	Mean float64
	M2   float64 // sum of squared distances from the mean
}

// MomentsOf are the moments of xs.
func MomentsOf(xs ...float64) Moments {
	var m Moments
	for _, x := range xs {
		m.Add(x)
	}
	return m
}

// Add takes one more value in.
func (m *Moments) Add(x float64) {
	m.N++
	away := x - m.Mean
	m.Mean += away / float64(m.N)
	m.M2 += away * (x - m.Mean)
}

// SD is the sample standard deviation, NaN of fewer than two values.
func (m Moments) SD() float64 { return math.Sqrt(m.variance()) }

// VarianceOfMean is the variance of the mean of values, as they tell it.
func (m Moments) VarianceOfMean() Variance {
	return Variance{m.variance() / float64(m.N), float64(m.N - 1)}
}

func (m Moments) variance() float64 {
	if m.N < 2 {
		return math.NaN()
	}
	return m.M2 / float64(m.N-1)
}
