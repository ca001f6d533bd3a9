package compare

import (
	"math"

	"runtimelab/lab"
	"runtimelab/lab/metric"
	"runtimelab/lab/stat"
)

// lineTest holds what a line's tests need, before Holm's procedures adjust them.
type lineTest struct {
	effect  stat.Effect // open on the sides that bounds and failures exclude
	limit   float64     // the threshold on the effect's scale
	tooFew  bool
	noValue bool // a side has no value
}

func (p pair) newTest(threshold float64) lineTest {
	old, new := p.old.momentsOn(p.scale()), p.new.momentsOn(p.scale())
	t := lineTest{
		limit:  p.limit(threshold),
		tooFew: min(old.N, new.N) < lab.MinBlocks, noValue: min(old.N, new.N) == 0,
	}
	if p.identical() {
		t.effect, t.tooFew = stat.Effect{DF: math.Inf(1)}, false
		return t
	}
	t.effect = stat.Welch(new, old, p.between.estimate())
	t.effect.LowOpen, t.effect.HighOpen = p.bound().OpensLow(), p.bound().OpensHigh()
	return t
}

// limit returns the smallest effect that matters. If values are compared by difference
// only because one of them is zero, it is the threshold's share of the larger mean.
func (p pair) limit(threshold float64) float64 {
	m := p.old.metric
	switch {
	case p.scale() == RatioScale:
		return -math.Log1p(-threshold)
	case m.Unit == "ratio":
		return RatioThreshold
	case m.Kind == metric.Integer:
		return CountThreshold
	}
	return max(threshold*math.Max(math.Abs(p.old.moments.Mean), math.Abs(p.new.moments.Mean)),
		math.SmallestNonzeroFloat64)
}

// pDifferent returns p of the test that there is an effect, on the more likely side.
func (t lineTest) pDifferent() float64 { return min(t.effect.PAbove(0), t.effect.PBelow(0)) }

// pEquivalent returns p of the test that the effect is too small to matter.
func (t lineTest) pEquivalent() float64 { return t.effect.PWithin(t.limit) }

// markLines decides all lines together: one Holm procedure for differences, one for
// equivalence. A line that certainly differs must not make others easier to call
// equivalent.
func markLines(lines []Line, tests []lineTest) {
	var difference, equivalence []float64
	var judged []int
	for i, t := range tests {
		lines[i].Mark = TooFewTrials
		if !t.noValue && lines[i].Bound != metric.Open {
			lines[i].Effect = lines[i].Scale.display(t.effect.Mean)
		}
		switch {
		case t.tooFew:
		case lines[i].Bound == metric.Open:
			lines[i].Mark = Undecided
		default:
			judged = append(judged, i)
			difference, equivalence = append(difference, t.pDifferent()), append(equivalence, t.pEquivalent())
		}
	}
	different, equivalent := stat.Holm(difference, lab.Alpha), stat.Holm(equivalence, lab.Alpha)
	for j, i := range judged {
		lines[i].decide(tests[i], different[j], equivalent[j])
	}
}

// decide marks a line by its intervals and keeps the interval of the question that decided
// it. An undecided line keeps the wider one, which both questions left undecided.
func (l *Line) decide(t lineTest, different, equivalent stat.AdjustedTest) {
	above, below := Better, Worse
	if l.Better == metric.Lower {
		above, below = below, above
	}
	low, high := t.effect.Interval(different.Level)
	from, to := t.effect.Interval(equivalent.Level)
	switch {
	case from > -t.limit && to < t.limit:
		l.setMark(Equivalent, t, equivalent)
	case low > 0 && t.effect.Mean > t.limit:
		l.setMark(above, t, different)
	case high < 0 && t.effect.Mean < -t.limit:
		l.setMark(below, t, different)
	default:
		different.Level = min(different.Level, equivalent.Level)
		l.setMark(Undecided, t, different)
	}
}

// setMark sets the mark of a line, and the level, p and interval that it follows from.
func (l *Line) setMark(m Mark, t lineTest, by stat.AdjustedTest) {
	low, high := t.effect.Interval(by.Level)
	l.Mark, l.Level, l.PHolm = m, by.Level, &by.P
	l.Low, l.High = l.displayEnd(low), l.displayEnd(high)
}

// displayEnd returns one end of the line's interval as people read it, nil if it is
// infinite. display alone would turn minus infinity on a log scale into the ratio 0.
func (l *Line) displayEnd(x float64) *float64 {
	if math.IsInf(x, 0) {
		return nil
	}
	return l.Scale.display(x)
}
