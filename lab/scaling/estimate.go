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

	// open is of what bounds leave no side to. It is no estimate's: there is none of it.
	open Bound = "?"
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

func estimate(byBlock map[int64]quantity) Estimate {
	e := Estimate{Blocks: len(byBlock)}
	var logs []float64
	for _, block := range slices.Sorted(maps.Keys(byBlock)) {
		q := byBlock[block]
		e.Bound = e.Bound.and(q.bound)
		logs = append(logs, q.log)
	}
	if e.Bound == open {
		return Estimate{Blocks: e.Blocks}
	}
	effect := stat.Paired(logs)
	low, high := effect.Interval(lab.Alpha)
	e.Value, e.Low, e.High = finite(math.Exp(effect.Mean)), finite(math.Exp(low)), finite(math.Exp(high))
	if math.IsInf(low, -1) || e.Bound == AtMost {
		e.Low = nil
	}
	if e.Bound == AtLeast {
		e.High = nil
	}
	return e
}

// times is the estimate in other units.
func (e Estimate) times(factor float64) Estimate {
	for _, end := range []**float64{&e.Value, &e.Low, &e.High} {
		if *end != nil {
			scaled := **end * factor
			*end = &scaled
		}
	}
	return e
}

func finite(x float64) *float64 {
	if math.IsNaN(x) || math.IsInf(x, 0) {
		return nil
	}
	return &x
}

// quantity is a positive number, or a bound of one.
type quantity struct {
	log   float64
	bound Bound
}

func exactly(x float64) quantity { return quantity{log: math.Log(x)} }

// over is q/p. It is open where bounds of the two go against one another: how large
// a quotient of two unsaturated servers is nobody knows.
func (q quantity) over(p quantity) quantity {
	return quantity{q.log - p.log, q.bound.and(p.bound.inverse())}
}

// quotients are those of the blocks that have both. What is open stays among them:
// the mean of the others would be one of chosen blocks.
func quotients(a, b map[int64]quantity) map[int64]quantity {
	all := map[int64]quantity{}
	for block, q := range a {
		if p, both := b[block]; both {
			all[block] = q.over(p)
		}
	}
	return all
}

// and is the bound of a product: open where its factors are bounds of different
// kinds.
func (b Bound) and(o Bound) Bound {
	switch {
	case b == Exact || b == o:
		return o
	case o == Exact:
		return b
	}
	return open
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
