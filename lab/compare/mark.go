package compare

import (
	"math"

	"runtimelab/lab"
	"runtimelab/lab/metric"
	"runtimelab/lab/stat"
)

// lineTest holds what a line's tests need, before Holm's procedures adjust them.
type lineTest struct {
	effect stat.Effect
	limit  float64 // the threshold on the effect's scale
	// whether an effect above zero, or below, can be found: bounds and failures exclude a side
	testableAbove, testableBelow bool
	tooFew                       bool
	noValue                      bool // a side has no value
}

func (p pair) newTest(threshold float64) lineTest {
	old, new := p.old.momentsOn(p.scale()), p.new.momentsOn(p.scale())
	t := lineTest{
		limit: p.limit(threshold), testableAbove: true, testableBelow: true,
		tooFew: min(old.N, new.N) < lab.MinBlocks, noValue: min(old.N, new.N) == 0,
	}
	if p.identical() {
		t.effect, t.tooFew = stat.Effect{DF: math.Inf(1)}, false
		return t
	}
	t.effect = stat.Welch(new, old, p.between.estimate())
	t.testableAbove, t.testableBelow = p.testable()
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

// pDifferent returns p of the test that there is an effect, on the more likely of the
// testable sides.
func (t lineTest) pDifferent() float64 {
	p := 1.0
	if t.testableAbove {
		p = min(p, t.effect.PAbove(0))
	}
	if t.testableBelow {
		p = min(p, t.effect.PBelow(0))
	}
	return p
}

// pEquivalent returns p of the test that the effect is too small to matter.
func (t lineTest) pEquivalent() float64 {
	if !t.testableAbove || !t.testableBelow {
		return 1
	}
	return t.effect.PWithin(t.limit)
}

// markLines decides all lines together: one Holm procedure for differences, one for
// equivalence. A line that certainly differs must not make others easier to call
// equivalent.
func markLines(lines []Line, tests []lineTest) {
	var difference, equivalence []float64
	var judged []int
	for i, t := range tests {
		lines[i].Mark = TooFewTrials
		if !t.noValue && lines[i].Bound != BothBounds {
			lines[i].Effect = lines[i].Scale.display(t.effect.Mean)
		}
		switch {
		case t.tooFew:
		case !t.testableAbove && !t.testableBelow:
			lines[i].Mark = Undecided
		default:
			judged = append(judged, i)
			difference, equivalence = append(difference, t.pDifferent()), append(equivalence, t.pEquivalent())
		}
	}
	different, equivalent := newHolmFamily(difference), newHolmFamily(equivalence)
	for j, i := range judged {
		lines[i].decide(tests[i], different.test(j), equivalent.test(j))
	}
}

// holmFamily holds the tests of one question after Holm's procedure.
type holmFamily struct{ ps, levels []float64 }

func newHolmFamily(ps []float64) holmFamily {
	return holmFamily{stat.Holm(ps), stat.HolmLevels(ps, lab.Alpha)}
}

func (f holmFamily) test(i int) adjustedTest { return adjustedTest{f.ps[i], f.levels[i]} }

// adjustedTest is one test of a family.
type adjustedTest struct {
	p float64 // adjusted
	// level at which Holm tested it: an interval with that error on each side agrees with the test
	level float64
}

// decide marks a line by its intervals and keeps the interval of the question that decided
// it. An undecided line keeps the wider one, which both questions left undecided.
func (l *Line) decide(t lineTest, different, equivalent adjustedTest) {
	above, below := Better, Worse
	if l.Better == metric.Lower {
		above, below = below, above
	}
	low, high := t.interval(different.level)
	from, to := t.interval(equivalent.level)
	switch {
	case from > -t.limit && to < t.limit:
		l.setMark(Equivalent, t, equivalent)
	case low > 0 && t.effect.Mean > t.limit:
		l.setMark(above, t, different)
	case high < 0 && t.effect.Mean < -t.limit:
		l.setMark(below, t, different)
	default:
		l.setMark(Undecided, t, adjustedTest{different.p, min(different.level, equivalent.level)})
	}
}

// setMark sets the mark of a line, and the level, p and interval that it follows from.
func (l *Line) setMark(m Mark, t lineTest, by adjustedTest) {
	low, high := t.interval(by.level)
	l.Mark, l.Level, l.PHolm = m, by.level, &by.p
	l.Low, l.High = l.displayEnd(low), l.displayEnd(high)
}

// interval returns the interval of the effect, infinite on a side that is not testable.
func (t lineTest) interval(level float64) (low, high float64) {
	low, high = t.effect.Interval(level)
	if !t.testableAbove {
		low = math.Inf(-1)
	}
	if !t.testableBelow {
		high = math.Inf(1)
	}
	return low, high
}

// displayEnd returns one end of the line's interval as people read it, nil if it is
// infinite. display alone would turn minus infinity on a log scale into the ratio 0.
func (l *Line) displayEnd(x float64) *float64 {
	if math.IsInf(x, 0) {
		return nil
	}
	return l.Scale.display(x)
}
