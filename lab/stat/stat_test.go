package stat_test

import (
	"math"
	"slices"
	"testing"

	"runtimelab/lab/stat"
)

func TestMedianAndRange(t *testing.T) {
	tests := []struct {
		xs                      []float64
		median, lowest, highest float64
	}{
		{[]float64{7}, 7, 7, 7},
		{[]float64{9, 1}, 5, 1, 9},
		{[]float64{3, 1, 2}, 2, 1, 3},
		{[]float64{4, -1, 100, 2}, 3, -1, 100},
		{[]float64{math.MaxFloat64, math.MaxFloat64}, math.MaxFloat64, math.MaxFloat64, math.MaxFloat64},
		{nil, math.NaN(), math.NaN(), math.NaN()},
	}
	same := func(a, b float64) bool { return a == b || math.IsNaN(a) && math.IsNaN(b) }
	for _, tt := range tests {
		given := slices.Clone(tt.xs)
		lowest, highest := stat.Range(tt.xs)
		if m := stat.Median(tt.xs); !same(m, tt.median) || !same(lowest, tt.lowest) || !same(highest, tt.highest) {
			t.Errorf("%v: got median %v, range %v to %v, want %v, %v to %v",
				tt.xs, m, lowest, highest, tt.median, tt.lowest, tt.highest)
		}
		if !slices.Equal(tt.xs, given) {
			t.Errorf("the order of %v was changed to %v", given, tt.xs)
		}
	}
}

// Expected values are those of R 4: quantile(x, p, type = 7).
func TestQuantileMatchesR(t *testing.T) {
	xs := []float64{9, 1, 4, 7, 2}
	for p, want := range map[float64]float64{0: 1, 0.25: 2, 0.5: 4, 0.6: 5.2, 0.9: 8.2, 1: 9} {
		if got := stat.Quantile(xs, p); math.Abs(got-want) > 1e-12 {
			t.Errorf("quantile %v is %v, want %v", p, got, want)
		}
	}
	if !math.IsNaN(stat.Quantile(nil, 0.5)) {
		t.Error("a quantile of no values is a number")
	}
}

func TestCV(t *testing.T) {
	// Mean 5, sample standard deviation sqrt(32/7).
	got, want := stat.CV([]float64{2, 4, 4, 4, 5, 5, 7, 9}), math.Sqrt(32.0/7)/5
	if math.Abs(got-want) > 1e-12 {
		t.Errorf("got %v, want %v", got, want)
	}
	if !math.IsNaN(stat.CV([]float64{1})) {
		t.Error("the variation of one value is a number")
	}
}
