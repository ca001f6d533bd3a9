package stat

import "math"

// Moments accumulates count, mean and variance without keeping the values, by a method
// without cancellation: Welford, "Note on a Method for Calculating Corrected Sums of Squares
// and Products" (Technometrics 4(3), 1962).
type Moments struct {
	N    int
	Mean float64
	M2   float64 // sum of squared deviations from the mean
}

// MomentsOf returns the moments of xs.
func MomentsOf(xs ...float64) Moments {
	var m Moments
	for _, x := range xs {
		m.Add(x)
	}
	return m
}

// Add adds a value.
func (m *Moments) Add(x float64) {
	m.N++
	deviation := x - m.Mean
	m.Mean += deviation / float64(m.N)
	m.M2 += deviation * (x - m.Mean)
}

// SD returns the sample standard deviation, NaN for fewer than two values.
func (m Moments) SD() float64 { return math.Sqrt(m.variance()) }

// VarianceOfMean returns the estimated variance of the mean.
func (m Moments) VarianceOfMean() Variance {
	return Variance{m.variance() / float64(m.N), float64(m.N - 1)}
}

func (m Moments) variance() float64 {
	if m.N < 2 {
		return math.NaN()
	}
	return m.M2 / float64(m.N-1)
}
