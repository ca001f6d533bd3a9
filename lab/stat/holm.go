package stat

import (
	"cmp"
	"math"
	"slices"
)

// Holm returns the adjusted p-values of several tests, in the order of ps. If all tests with
// an adjusted p of at most alpha are accepted, the chance of any false one among them is at
// most alpha, however the tests depend on each other: Holm, "A Simple Sequentially Rejective
// Multiple Test Procedure" (Scandinavian J. Statistics 6(2), 1979). NaN counts as 1.
func Holm(ps []float64) []float64 {
	adjusted := make([]float64, len(ps))
	largest := 0.0
	for step, i := range orderByP(ps) {
		largest = max(largest, min(1, pOrOne(ps[i])*float64(len(ps)-step)))
		adjusted[i] = largest
	}
	return adjusted
}

// HolmLevels returns the one-sided level at which Holm tests each p: a p is at most its level
// exactly if its adjusted p is at most alpha. An interval with that error on each side agrees
// with the test: Serlin, "Confidence Intervals and the Scientific Method: A Case for Holm on
// the Range" (J. Experimental Education 61(4), 1993). Tests after the first that fails have
// the level of that one. The decisions hold jointly, but the intervals are not simultaneous:
// for that, all would have to be as wide as the widest.
func HolmLevels(ps []float64, alpha float64) []float64 {
	levels := make([]float64, len(ps))
	tests := len(ps) // undecided ones, this one included
	for _, i := range orderByP(ps) {
		levels[i] = alpha / float64(tests)
		if pOrOne(ps[i])*float64(tests) <= alpha {
			tests--
		}
	}
	return levels
}

// orderByP returns the indexes of ps from the smallest p to the largest.
func orderByP(ps []float64) []int {
	order := make([]int, len(ps))
	for i := range order {
		order[i] = i
	}
	slices.SortStableFunc(order, func(i, j int) int { return cmp.Compare(pOrOne(ps[i]), pOrOne(ps[j])) })
	return order
}

func pOrOne(p float64) float64 {
	if math.IsNaN(p) {
		return 1
	}
	return p
}
