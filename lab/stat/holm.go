package stat

import (
	"cmp"
	"math"
	"slices"
)

// Holm adjusts the p of several tests, in their order, so that those at or below
// an alpha hold together: the chance of any false one among them is at most
// alpha, however the tests depend on one another. Holm, "A Simple Sequentially
// Rejective Multiple Test Procedure" (Scandinavian J. Statistics 6(2), 1979). A p
// that is NaN counts as 1.
func Holm(ps []float64) []float64 {
	adjusted := make([]float64, len(ps))
	largest := 0.0
	for step, i := range orderByP(ps) {
		largest = max(largest, min(1, pOrOne(ps[i])*float64(len(ps)-step)))
		adjusted[i] = largest
	}
	return adjusted
}

// HolmLevels are the one-sided levels that Holm tests each p at: a p is at or
// below its level just where its adjusted p is at or below alpha. An interval
// with that error on each side agrees with the test's outcome: Serlin,
// "Confidence Intervals and the Scientific Method: A Case for Holm on the Range"
// (J. Experimental Education 61(4), 1993). Tests after the first that fails are at
// that one's level. What the tests decide holds jointly; that every interval
// covers its truth at once does not follow, for which all would have to be as
// wide as the widest.
func HolmLevels(ps []float64, alpha float64) []float64 {
	levels := make([]float64, len(ps))
	tests := len(ps) // that are still to be decided, this one included
	for _, i := range orderByP(ps) {
		levels[i] = alpha / float64(tests)
		if pOrOne(ps[i])*float64(tests) <= alpha {
			tests--
		}
	}
	return levels
}

// orderByP are the indexes of ps from the smallest p to the largest.
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
