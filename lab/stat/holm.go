package stat

import (
	"cmp"
	"math"
	"slices"
)

// AdjustedTest is one of several tests after Holm's procedure.
type AdjustedTest struct {
	P float64 // adjusted
	// Level is the one-sided level at which Holm tests the p: the p is at most its level exactly
	// if P is at most alpha. An interval with that error on each side agrees with the test.
	Level float64

	undecided int // tests without a smaller p, this one included
}

// Holm adjusts the p-values of several tests that decide at alpha, in the order of ps. If all
// tests with an adjusted p of at most alpha are accepted, the chance of any false one among
// them is at most alpha, however the tests depend on each other: Holm, "A Simple Sequentially
// Rejective Multiple Test Procedure" (Scandinavian J. Statistics 6(2), 1979). NaN counts as 1.
//
// Tests after the first that fails have the level of that one: Serlin, "Confidence Intervals
// and the Scientific Method: A Case for Holm on the Range" (J. Experimental Education 61(4),
// 1993). The decisions hold jointly, but the intervals are not simultaneous: for that, all
// would have to be as wide as the widest.
func Holm(ps []float64, alpha float64) []AdjustedTest {
	tests := make([]AdjustedTest, len(ps))
	largest, undecided, remaining := 0.0, len(ps), len(ps)
	order := orderByP(ps)
	for step, i := range order {
		p := pOrOne(ps[i])
		if step > 0 && p > pOrOne(ps[order[step-1]]) {
			undecided = len(ps) - step
		}
		largest = max(largest, min(1, p*float64(len(ps)-step)))
		tests[i] = AdjustedTest{P: largest, Level: alpha / float64(remaining), undecided: undecided}
		if p*float64(remaining) <= alpha {
			remaining--
		}
	}
	return tests
}

// Adjust adjusts another p of the same test, which is not smaller than the one that the
// procedure ordered it by. Holm tests it at alpha divided by the number of tests that are not
// decided before.
func (t AdjustedTest) Adjust(p float64) float64 { return min(1, max(t.P, p*float64(t.undecided))) }

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
