package scaling

import (
	"maps"
	"math"
	"slices"

	"runtimelab/lab"
	"runtimelab/lab/metric"
	"runtimelab/lab/stat"
)

// Estimate holds the geometric mean over blocks and its 95 % interval. An unknown end is nil: a
// bound leaves one open, a single block both. Value is nil, too, without blocks, or if blocks
// are bounds of different kinds.
type Estimate struct {
	Blocks int          `json:"blocks"`
	Value  *float64     `json:"value"`
	Low    *float64     `json:"low"`
	High   *float64     `json:"high"`
	Bound  metric.Bound `json:"bound,omitempty"`
}

func newEstimate(byBlock map[int64]boundedValue) Estimate {
	e := Estimate{Blocks: len(byBlock)}
	var logs []float64
	for _, block := range slices.Sorted(maps.Keys(byBlock)) {
		value := byBlock[block]
		e.Bound = e.Bound.Times(value.bound)
		logs = append(logs, value.log)
	}
	if e.Bound == metric.Open {
		return Estimate{Blocks: e.Blocks}
	}
	effect := stat.PairedEffect(logs)
	effect.LowOpen, effect.HighOpen = e.Bound.OpensLow(), e.Bound.OpensHigh()
	low, high := effect.Interval(lab.Alpha)
	e.Value = finiteOrNil(math.Exp(effect.Mean))
	e.Low, e.High = finiteOrNil(math.Exp(low)), finiteOrNil(math.Exp(high))
	if math.IsInf(low, -1) {
		e.Low = nil
	}
	return e
}

// scaledBy returns the estimate multiplied by factor.
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
	bound metric.Bound
}

func exactValue(x float64) boundedValue { return boundedValue{log: math.Log(x)} }

// dividedBy returns v/o. Its bound is unknown if the two bounds work against each other, such
// as in the quotient of two unsaturated servers.
func (v boundedValue) dividedBy(o boundedValue) boundedValue {
	return boundedValue{v.log - o.log, v.bound.Times(o.bound.Inverse())}
}

// ratiosByBlock divides a by b in each block that has both. Unknown ratios stay in: dropping
// them would select blocks.
func ratiosByBlock(a, b map[int64]boundedValue) map[int64]boundedValue {
	ratios := map[int64]boundedValue{}
	for block, numerator := range a {
		if denominator, both := b[block]; both {
			ratios[block] = numerator.dividedBy(denominator)
		}
	}
	return ratios
}
