package verdict

import (
	"math"
	"slices"

	"runtimelab/lab"
	"runtimelab/lab/stat"
)

// region is a range of the log of a ratio. Its ends are multiples of the margin; an infinite end is
// open.
type region struct{ from, to float64 }

var (
	aboveMargin  = region{1, math.Inf(1)}
	insideMargin = region{-1, 1}
	belowMargin  = region{math.Inf(-1), -1}
	notAbove     = region{math.Inf(-1), 1}
	notBelow     = region{-1, math.Inf(1)}
)

// decisions defines in which region the interval of a ratio must lie to support a hypothesis, and
// in which to refute it. An interval that lies in none of these decides nothing.
var decisions = map[lab.Direction]struct {
	supports region
	refutes  []region
}{
	lab.Higher:    {aboveMargin, []region{belowMargin, insideMargin}},
	lab.Lower:     {belowMargin, []region{aboveMargin, insideMargin}},
	lab.Same:      {insideMargin, []region{aboveMargin, belowMargin}},
	lab.NotHigher: {notAbove, []region{aboveMargin}},
	lab.NotLower:  {notBelow, []region{belowMargin}},
}

// decidingRegions returns every region that decides a hypothesis.
func decidingRegions(d lab.Direction) []region {
	decision := decisions[d]
	return append([]region{decision.supports}, decision.refutes...)
}

// margin returns a hypothesis's margin on the log scale: a margin of 0.05 covers ratios from 0.95
// to 1/0.95.
func margin(h lab.Hypothesis) float64 { return -math.Log1p(-h.Margin) }

// MarginRatios returns the ratios between which a difference does not matter to h.
func MarginRatios(h lab.Hypothesis) (low, high float64) {
	return math.Exp(-margin(h)), math.Exp(margin(h))
}

func (r region) endsBelow() bool { return !math.IsInf(r.from, 0) }
func (r region) endsAbove() bool { return !math.IsInf(r.to, 0) }

// contains reports whether an interval lies in the region, given the margin.
func (r region) contains(low, high, margin float64) bool {
	return (!r.endsBelow() || low > r.from*margin) && (!r.endsAbove() || high < r.to*margin)
}

// pValue returns the p-value for the mean lying in the region. The test is one-sided. A region with
// two ends takes the larger p-value of two tests (the two one-sided tests of equivalence:
// Schuirmann, Journal of Pharmacokinetics and Biopharmaceutics 15, 1987).
func (r region) pValue(e stat.Effect, margin float64) float64 {
	p := 0.0
	if r.endsBelow() {
		p = e.PAbove(r.from * margin)
	}
	if r.endsAbove() {
		p = max(p, e.PBelow(r.to*margin))
	}
	return p
}

// pSignFlip returns the same p-value by permutation of signs.
func (r region) pSignFlip(xs []float64, margin float64) float64 {
	p := 0.0
	if r.endsBelow() {
		p = stat.SignFlip(xs, r.from*margin)
	}
	if r.endsAbove() {
		p = max(p, stat.SignFlipBelow(xs, r.to*margin))
	}
	return p
}

// distance returns how far inside the region a mean lies; it is negative outside.
func (r region) distance(mean, margin float64) float64 {
	d := math.Inf(1)
	if r.endsBelow() {
		d = mean - r.from*margin
	}
	if r.endsAbove() {
		d = min(d, r.to*margin-mean)
	}
	return d
}

// testable reports whether the effect can show that the mean lies in the region. Bounds must not
// leave the interval open at any of the region's ends.
func (r region) testable(e stat.Effect) bool {
	return (!r.endsBelow() || !e.LowOpen) && (!r.endsAbove() || !e.HighOpen)
}

// Equivalent reports whether a hypothesis was decided by an interval inside its margin. A
// hypothesis that only excludes one side of the margin never is.
func Equivalent(v lab.Verdict) bool {
	return (v.Finding == lab.Supported || v.Finding == lab.Refuted) && v.Low != nil && v.High != nil &&
		slices.Contains(decidingRegions(v.Direction), insideMargin) &&
		insideMargin.contains(math.Log(*v.Low), math.Log(*v.High), margin(v.Hypothesis))
}
