package scaling

import (
	"maps"
	"math"
	"slices"

	"runtimelab/lab"
	"runtimelab/lab/stat"
)

// Bound says on which side of its figure the truth lies.
type Bound string

const (
	Exact   Bound = ""
	AtLeast Bound = ">="
	AtMost  Bound = "<="

	// unknownBound is of what bounds leave no side to. It is no estimate's: there is none of it.
	unknownBound Bound = "?"
)

// Estimate is the geometric mean over blocks, and its interval of 95 %. What is
// not known is nil: an end that a bound leaves open, or both of a single block;
// and all, where there is no block, or bounds of the blocks contradict one another.
type Estimate struct {
	Blocks int      `json:"blocks"`
	Value  *float64 `json:"value"`
	Low    *float64 `json:"low"`
	High   *float64 `json:"high"`
	Bound  Bound    `json:"bound,omitempty"`
}

func newEstimate(byBlock map[int64]boundedValue) Estimate {
	e := Estimate{Blocks: len(byBlock)}
	var logs []float64
	for _, block := range slices.Sorted(maps.Keys(byBlock)) {
		q := byBlock[block]
		e.Bound = e.Bound.combine(q.bound)
		logs = append(logs, q.log)
	}
	if e.Bound == unknownBound {
		return Estimate{Blocks: e.Blocks}
	}
	effect := stat.PairedEffect(logs)
	low, high := effect.Interval(lab.Alpha)
	e.Value, e.Low, e.High = finiteOrNil(math.Exp(effect.Mean)), finiteOrNil(math.Exp(low)), finiteOrNil(math.Exp(high))
	if math.IsInf(low, -1) || e.Bound == AtMost {
		e.Low = nil
	}
	if e.Bound == AtLeast {
		e.High = nil
	}
	return e
}

// scaledBy is the estimate in other units.
func (e Estimate) scaledBy(factor float64) Estimate {
	for _, end := range []**float64{&e.Value, &e.Low, &e.High} {
		if *end != nil {
			scaled := **end * factor
			*end = &scaled
		}
	}
	return e
}

func finiteOrNil(x float64) *float64 {
	if math.IsNaN(x) || math.IsInf(x, 0) {
		return nil
	}
	return &x
}

// boundedValue is a positive number, or a bound of one.
type boundedValue struct {
	log   float64
	bound Bound
}

func exactValue(x float64) boundedValue { return boundedValue{log: math.Log(x)} }

// dividedBy is q/p. It is open where bounds of the two go against one another: how large
// a quotient of two unsaturated servers is nobody knows.
func (q boundedValue) dividedBy(p boundedValue) boundedValue {
	return boundedValue{q.log - p.log, q.bound.combine(p.bound.inverse())}
}

// ratiosByBlock are those of the blocks that have both. What is open stays among them:
// the mean of the others would be one of chosen blocks.
func ratiosByBlock(a, b map[int64]boundedValue) map[int64]boundedValue {
	all := map[int64]boundedValue{}
	for block, q := range a {
		if p, both := b[block]; both {
			all[block] = q.dividedBy(p)
		}
	}
	return all
}

// combine is the bound of a product: open where its factors are bounds of different
// kinds.
func (b Bound) combine(o Bound) Bound {
	switch {
	case b == Exact || b == o:
		return o
	case o == Exact:
		return b
	}
	return unknownBound
}

// inverse is the bound of the reciprocal.
func (b Bound) inverse() Bound {
	switch b {
	case AtLeast:
		return AtMost
	case AtMost:
		return AtLeast
	}
	return b
}
