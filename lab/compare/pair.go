package compare

import (
	"math"

	"runtimelab/lab"
	"runtimelab/lab/metric"
	"runtimelab/lab/stat"
)

// pair holds the values of both sides of a line.
type pair struct {
	old, new *tally
	sameRun  bool         // both sides are the same run
	between  LineVariance // on the scale of the line

	oldFailed, newFailed float64 // share of requests in the worst trial
}

// scale returns how the sides are compared: by difference if any value is zero.
func (p pair) scale() Scale {
	if p.old.zeros()+p.new.zeros() > 0 {
		return DifferenceScale
	}
	return naturalScale(p.old.metric)
}

// naturalScale returns how values of a metric are compared if all of them are above zero.
// Counts and ratios are mostly zero, so they are always compared by difference.
func naturalScale(m metric.Metric) Scale {
	if m.Unit == "ratio" || m.Kind == metric.Integer {
		return DifferenceScale
	}
	return RatioScale
}

// identical reports whether both sides are the same trials. Such sides are equal without
// a test, however few trials they have.
func (p pair) identical() bool {
	return p.sameRun && p.old.moments == p.new.moments && p.old.logs == p.new.logs &&
		p.old.bounds == p.new.bounds
}

// line returns the line without its effect and mark, which markLines sets.
func (p pair) line(k Key, oldBlocks, newBlocks int) Line {
	m := p.old.metric
	l := Line{Key: k, Metric: m.Name, Unit: m.Unit, Better: m.Better, Scale: p.scale()}
	l.BetweenRuns, l.Bound = p.between, p.bound()
	l.Old = newValue(p.old.momentsOn(l.Scale), p.between, l.Scale)
	l.New = newValue(p.new.momentsOn(l.Scale), p.between, l.Scale)
	l.Old.Blocks, l.New.Blocks = oldBlocks, newBlocks
	l.Old.LowerBound, l.New.LowerBound = p.old.bounds > 0, p.new.bounds > 0
	l.Old.Failed, l.New.Failed, l.Failing = p.oldFailed, p.newFailed, p.failingSides()
	for _, v := range []*Value{&l.Old, &l.New} {
		if v.LowerBound {
			v.Low, v.High = nil, nil // a bound has no interval
		}
	}
	return l
}

// newValue returns the mean of one side. Its 95 % interval is not adjusted for the number
// of lines.
func newValue(m stat.Moments, between LineVariance, scale Scale) Value {
	v := Value{Trials: m.N}
	if m.N == 0 {
		return v
	}
	v.Mean = scale.display(m.Mean)
	if m.N >= lab.MinBlocks {
		variance := stat.SumVariances(m.VarianceOfMean(), between.estimate())
		low, high := stat.Effect{Mean: m.Mean, SE: math.Sqrt(variance.Value), DF: variance.DF}.Interval(lab.Alpha)
		v.Low, v.High = scale.display(low), scale.display(high)
	}
	return v
}

// display converts a number from the scale of tests, logs for ratios, to the one that
// people read. It returns nil for an infinite or unknown number.
func (s Scale) display(x float64) *float64 {
	if s == RatioScale {
		x = math.Exp(x)
	}
	if math.IsNaN(x) || math.IsInf(x, 0) {
		return nil
	}
	return &x
}
