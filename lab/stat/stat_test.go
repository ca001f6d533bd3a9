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
			t.Errorf("%v: got median %v, range %v to %v, want %v, %v to %v", tt.xs, m, lowest, highest, tt.median, tt.lowest, tt.highest)
		}
		if !slices.Equal(tt.xs, given) {
			t.Errorf("the order of %v was changed to %v", given, tt.xs)
		}
	}
}
