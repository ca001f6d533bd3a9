package verdict

import (
	"math"
	"slices"

	"runtimelab/lab"
	"runtimelab/lab/stat"
)

// region is a range of the log of a ratio, its ends in margins. It holds what
// lies between them; an infinite end is none.
type region struct{ from, to float64 }

var (
	aboveMargin  = region{1, math.Inf(1)}
	insideMargin = region{-1, 1}
	belowMargin  = region{math.Inf(-1), -1}
	notAbove     = region{math.Inf(-1), 1}
	notBelow     = region{-1, math.Inf(1)}
)

// decisions say where the interval of a ratio must lie for a hypothesis to be
// supported, and where to be refuted. An interval that lies in none of these
// decides nothing.
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

// decidingRegions is every region that decides a hypothesis.
func decidingRegions(d lab.Direction) []region {
	decision := decisions[d]
	return append([]region{decision.supports}, decision.refutes...)
}

// margin is a hypothesis's margin on the log scale: 0.05 stands for ratios from
// 0.95 to 1/0.95.
func margin(h lab.Hypothesis) float64 { return -math.Log1p(-h.Margin) }

// MarginRatios are the ratios between which a difference does not matter to a hypothesis.
func MarginRatios(h lab.Hypothesis) (low, high float64) {
	return math.Exp(-margin(h)), math.Exp(margin(h))
}

func (r region) endsBelow() bool { return !math.IsInf(r.from, 0) }
func (r region) endsAbove() bool { return !math.IsInf(r.to, 0) }

// contains reports whether an interval lies in the region, at a margin.
func (r region) contains(low, high, margin float64) bool {
	return (!r.endsBelow() || low > r.from*margin) && (!r.endsAbove() || high < r.to*margin)
}

// p is of the test that the mean lies in the region: one-sided, and the larger of
// two where it has two ends (the two one-sided tests of equivalence: Schuirmann,
// Journal of Pharmacokinetics and Biopharmaceutics 15, 1987).
func (r region) p(e estimate, margin float64) float64 {
	p := 0.0
	if r.endsBelow() {
		p = e.above(r.from * margin)
	}
	if r.endsAbove() {
		p = max(p, e.below(r.to*margin))
	}
	return p
}

// signFlip is the same by permutation of signs.
func (r region) signFlip(xs []float64, margin float64) float64 {
	p := 0.0
	if r.endsBelow() {
		p = stat.SignFlip(xs, r.from*margin)
	}
	if r.endsAbove() {
		p = max(p, stat.SignFlip(negated(xs), -r.to*margin))
	}
	return p
}

// distance is how far inside the region a mean lies: less than 0 outside.
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

// testable reports whether enough is known to find a mean in the region: at none
// of its ends may bounds leave the interval open.
func (r region) testable(e estimate) bool {
	return (!r.endsBelow() || !e.lowOpen) && (!r.endsAbove() || !e.highOpen)
}

func negated(xs []float64) []float64 {
	out := make([]float64, len(xs))
	for i, x := range xs {
		out[i] = -x
	}
	return out
}

// estimate is what is known of a mean log ratio. Where some of its values are
// bounds it is one: on the side that they leave open nothing is known of it.
type estimate struct {
	stat.Effect
	lowOpen, highOpen bool
}

func (e estimate) interval(alpha float64) (low, high float64) {
	low, high = e.Interval(alpha)
	if e.lowOpen {
		low = math.Inf(-1)
	}
	if e.highOpen {
		high = math.Inf(1)
	}
	return low, high
}

func (e estimate) above(limit float64) float64 {
	if e.lowOpen {
		return 1
	}
	return e.PAbove(limit)
}

func (e estimate) below(limit float64) float64 {
	if e.highOpen {
		return 1
	}
	return e.PBelow(limit)
}

// Equivalent reports whether a hypothesis was decided by an interval that lies
// within its margin. What was only asked not to lie on one side of it was not.
func Equivalent(v lab.Verdict) bool {
	return (v.Finding == lab.Supported || v.Finding == lab.Refuted) && v.Low != nil && v.High != nil &&
		slices.Contains(decidingRegions(v.Direction), insideMargin) &&
		insideMargin.contains(math.Log(*v.Low), math.Log(*v.High), margin(v.Hypothesis))
}
