package compare

import (
	"fmt"
	"math"
	"slices"

	"runtimelab/lab"
	"runtimelab/lab/metric"
	"runtimelab/lab/stat"
)

// Comparison is what one run is against another.
type Comparison struct {
	Old Side `json:"old"`
	New Side `json:"new"`
	// a ratio from 1-t to 1/(1-t) makes no difference in practice
	Threshold float64      `json:"threshold"`
	Ignored   []Difference `json:"ignored,omitempty"` // that was to be ignored, and is there
	// throughput of the reference servers, new/old; null where none are shared
	ReferenceRatio *float64          `json:"reference_ratio"`
	BetweenRuns    ReferenceVariance `json:"between_runs"` // of reference servers
	Lines          []Line            `json:"lines"`
	OnlyOld        []Key             `json:"only_old"`
	OnlyNew        []Key             `json:"only_new"`
	Notes          []string          `json:"notes"` // what a reader must know that weakens nothing
	Doubts         []string          `json:"doubts"`

	oneRun bool // both sides are known to be of one run
}

// Side is one of the two runs.
type Side struct {
	Label  string `json:"label"`
	RunID  string `json:"run_id"`
	HostID string `json:"host_id"`
	Rows   int    `json:"rows"`
}

// Line is one metric of a key in both runs.
type Line struct {
	Key
	Metric string        `json:"metric"`
	Unit   string        `json:"unit"`
	Better metric.Better `json:"better"`
	Old    Value         `json:"old"`
	New    Value         `json:"new"`
	Scale  Scale         `json:"by"`
	Effect *float64      `json:"effect"` // new over old, or new less old; null where there is none
	Low    *float64      `json:"low"`    // its interval, at Level; null where it is open or unknown
	High   *float64      `json:"high"`
	Bound  EffectBound   `json:"bound,omitempty"` // what the effect bounds

	Failing string `json:"failing,omitempty"` // sides that fail too much to be favoured: old, new or both

	BetweenRuns LineVariance `json:"between_runs"` // added for each side

	Level float64 `json:"level,omitempty"` // error on each side of its interval
	// of the family that decided the line, of difference where none did, adjusted over all lines
	PHolm *float64 `json:"p_holm"`
	Mark  Mark     `json:"mark"`
}

// Value is one side of a line.
type Value struct {
	Trials     int      `json:"trials"` // that have a value that counts
	Blocks     int      `json:"of"`     // blocks that were measured
	Mean       *float64 `json:"mean"`   // geometric, or arithmetic where lines are compared by difference
	Low        *float64 `json:"low"`    // its interval of 95 %, the variance between runs included
	High       *float64 `json:"high"`
	LowerBound bool     `json:"bound,omitempty"` // the truth is the mean or more
	Failed     float64  `json:"failed"`          // share of the requests, in the worst trial
}

// Scale is how the sides of a line are compared.
type Scale string

const (
	RatioScale      Scale = "ratio"
	DifferenceScale Scale = "difference" // zeros have no ratio
)

// EffectBound is what an effect says of the true one where values are bounds.
type EffectBound string

const (
	AtLeast    EffectBound = ">="
	AtMost     EffectBound = "<="
	BothBounds EffectBound = "open" // nothing: both sides are bounds
)

// Mark is what a line says.
type Mark string

const (
	Equivalent   Mark = "equivalent" // the interval lies within the threshold
	Better       Mark = "better"     // it excludes no effect, and the effect is beyond the threshold
	Worse        Mark = "worse"
	Undecided    Mark = "undecided"
	TooFewTrials Mark = "too few" // trials on a side
)

const (
	// DefaultThreshold is the difference below which nobody cares.
	DefaultThreshold = 0.05

	// RatioThreshold is that of metrics which are ratios themselves, such as
	// error_ratio: one in a thousand requests.
	RatioThreshold = 0.001

	// CountThreshold is that of counts, such as oom_events: one in ten trials.
	CountThreshold = 0.1
)

// Compare compares two runs. What differs between them, Check has let pass. Others
// are runs that may tell how much such runs differ where they should not.
func Compare(old, new *Run, threshold float64, others ...*Run) Comparison {
	c := Comparison{
		Old: newSide(old), New: newSide(new), Threshold: threshold, Ignored: Differences(old, new),
		Lines: []Line{}, OnlyOld: unmatchedKeys(old, new), OnlyNew: unmatchedKeys(new,
			old), Notes: []string{}, Doubts: []string{},
		oneRun: sameRun(old, new),
	}
	apart := referenceLogRatio(old, new)
	if apart != nil {
		ratio := math.Exp(*apart)
		c.ReferenceRatio = &ratio
	}
	c.BetweenRuns = referenceVariance(old, new, apart)
	c.Doubts = append(c.Doubts, doubts(old, new, apart)...)
	h := historyOf(old, new, others, c.BetweenRuns)
	notes, mixed := schemas(h.keys, old, new)
	c.Notes = append(c.Notes, notes...)
	c.Doubts = append(append(c.Doubts, mixed...), failedDoubts(h.keys, old, new)...)
	var tests []lineTest
	for _, k := range h.keys {
		a, b := old.groupOf(k, new), new.groupOf(k, old)
		lines := 0
		for i := range a.tallies {
			p := pair{
				old: &a.tallies[i], new: b.tally(a.tallies[i].metric.Name), sameRun: c.oneRun,
				oldFailed: a.failed, newFailed: b.failed,
			}
			if p.old.moments.N+p.new.moments.N == 0 {
				continue
			}
			lines++
			p.between = h.varianceOf(k, p)
			c.Lines = append(c.Lines, p.line(k, old.blocks(k), new.blocks(k)))
			tests = append(tests, p.newTest(threshold))
		}
		if lines == 0 && k.Phase != "" && len(a.tallies) > 0 {
			c.Doubts = append(c.Doubts,
				fmt.Sprintf("%s: no valid trial on either side, of %d and %d", k, old.blocks(k), new.blocks(k)))
		}
	}
	markLines(c.Lines, tests)
	_, unknown := c.varianceTerms()
	c.Doubts = append(c.Doubts, unknown...)
	return c
}

func newSide(r *Run) Side { return Side{Label: r.Label, RunID: r.ID(), HostID: r.Host(), Rows: r.Rows} }

// sharedKeys are the keys of a sort that both runs have measured, in the order of
// reports.
func sharedKeys(old, new *Run, wanted func(Key) bool) []Key {
	var keys []Key
	for _, k := range old.keys() {
		if wanted(k) && new.groupOf(k, old) != nil {
			keys = append(keys, k)
		}
	}
	for _, k := range new.keys() {
		if wanted(k) && old.groups[k] == nil && old.groupOf(k, new) != nil {
			keys = append(keys, k)
		}
	}
	slices.SortFunc(keys, Key.compare)
	return keys
}

// groupOf is the group of a key. Where trials failed before their first phase, a
// phase that only the other run has rows of is one of no values, not none.
func (r *Run) groupOf(k Key, other *Run) *group {
	if g := r.groups[k]; g != nil {
		return g
	}
	whole, like := r.groups[k.trial()], other.groups[k]
	if whole == nil || whole.earlyFailures == 0 || like == nil {
		return nil
	}
	g := &group{wholeTrial: whole}
	for _, t := range like.tallies {
		g.tallies = append(g.tallies, tally{metric: t.metric})
	}
	return g
}

// unmatchedKeys are the keys that the other run lacks: trials as a whole, where it has none
// of their phases.
func unmatchedKeys(r, other *Run) []Key {
	keys := []Key{}
	for _, k := range r.keys() {
		whole := k.trial()
		if !k.isControl() && other.groupOf(k, r) == nil && (k == whole || other.groups[whole] != nil) {
			keys = append(keys, k)
		}
	}
	return keys
}

// blocks is how many a run measured of a key's trials.
func (r *Run) blocks(k Key) int { return r.groups[k.trial()].blocks }

func (g *group) tally(name string) *tally {
	for i := range g.tallies {
		if g.tallies[i].metric.Name == name {
			return &g.tallies[i]
		}
	}
	return nil
}

// doubts are what weakens a comparison without forbidding it.
func doubts(old, new *Run, references *float64) (all []string) {
	for _, r := range []*Run{old, new} {
		for _, d := range r.Doubts {
			all = append(all, r.Label+": "+d)
		}
		if r.Info != nil && r.Info.State != "" && r.Info.State != "done" {
			all = append(all, fmt.Sprintf("%s: the run is %s", r.Label, r.Info.State))
		}
	}
	all = append(all, gapDoubts(old, new)...)
	switch {
	case references != nil:
	case len(sharedReferences(old, new)) > 0:
		all = append(all, noReferenceFigure+": nothing shows that the machine was equally fast")
	default:
		all = append(all, "no reference server is in both runs: nothing shows that the machine was equally fast")
	}
	if old.Info != nil && new.Info != nil {
		if a, b := old.Info.Profile, new.Info.Profile; a != b {
			all = append(all, fmt.Sprintf("profiles %s and %s: trials do not last equally long", a, b))
		}
		if a, b := old.Info.Versions["lab"], new.Info.Versions["lab"]; a != b {
			all = append(all, fmt.Sprintf("measured by lab %s and %s", a, b))
		}
	}
	return all
}

// pair is the values of a line's two sides.
type pair struct {
	old, new *tally
	sameRun  bool         // both are of one run
	between  LineVariance // on the scale that they are compared on

	oldFailed, newFailed float64 // share of the requests, in the worst trial
}

// scale is how they are compared. A metric that counts, or is a ratio already, is
// mostly zero.
func (p pair) scale() Scale {
	if p.old.zeros()+p.new.zeros() > 0 {
		return DifferenceScale
	}
	return naturalScale(p.old.metric)
}

// naturalScale is how values of a metric are compared that are above zero.
func naturalScale(m metric.Metric) Scale {
	if m.Unit == "ratio" || m.Kind == metric.Integer {
		return DifferenceScale
	}
	return RatioScale
}

// identical reports whether both sides are the same trials: there is nothing to
// infer then, however few they are.
func (p pair) identical() bool {
	return p.sameRun && p.old.moments == p.new.moments && p.old.logs == p.new.logs &&
		p.old.bounds == p.new.bounds
}

func (p pair) line(k Key, oldBlocks, newBlocks int) Line {
	m := p.old.metric
	l := Line{Key: k, Metric: m.Name, Unit: m.Unit, Better: m.Better, Scale: p.scale()}
	l.BetweenRuns = p.between
	l.Old = newValue(p.old.momentsOn(l.Scale), p.between, l.Scale)
	l.New = newValue(p.new.momentsOn(l.Scale), p.between, l.Scale)
	l.Old.Blocks, l.New.Blocks = oldBlocks, newBlocks
	l.Old.LowerBound, l.New.LowerBound = p.old.bounds > 0, p.new.bounds > 0
	l.Old.Failed, l.New.Failed, l.Failing = p.oldFailed, p.newFailed, p.sides()
	for _, v := range []*Value{&l.Old, &l.New} {
		if v.LowerBound {
			v.Low, v.High = nil, nil // of a bound there is no interval
		}
	}
	switch up, down := p.known(); {
	case !up && !down:
		l.Bound = BothBounds
	case !up:
		l.Bound = AtMost
	case !down:
		l.Bound = AtLeast
	}
	return l
}

// newValue is one side's mean. Its interval is for itself, not one of many.
func newValue(m stat.Moments, between LineVariance, by Scale) Value {
	v := Value{Trials: m.N}
	if m.N == 0 {
		return v
	}
	v.Mean = by.display(m.Mean)
	if m.N >= lab.MinBlocks {
		variance := stat.SumVariances(m.VarianceOfMean(), between.estimate())
		low, high := stat.Effect{Mean: m.Mean, SE: math.Sqrt(variance.Value), DF: variance.DF}.Interval(lab.Alpha)
		v.Low, v.High = by.display(low), by.display(high)
	}
	return v
}

// display is a number on the scale that people read; nil where it is open.
func (b Scale) display(x float64) *float64 {
	if b == RatioScale {
		x = math.Exp(x)
	}
	if math.IsNaN(x) || math.IsInf(x, 0) {
		return nil
	}
	return &x
}

// lineTest is what can be said of a line, before it is one of many.
type lineTest struct {
	effect                       stat.Effect
	limit                        float64 // of what matters in practice, on the effect's scale
	testableAbove, testableBelow bool    // whether the effect can be found to be above nothing, and below
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
	t.testableAbove, t.testableBelow = p.known()
	return t
}

// limit is what matters in practice. Where values are compared by difference only
// because one of them is zero, it is the threshold's share of the larger mean.
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

// pDifferent is p of the test that there is an effect, on the side that it is on: 1
// where bounds leave that side open.
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

// pEquivalent is p of the test that the effect does not matter.
func (t lineTest) pEquivalent() float64 {
	if !t.testableAbove || !t.testableBelow {
		return 1
	}
	return t.effect.PWithin(t.limit)
}

// markLines marks lines by their tests: all of them together, by Holm. Whether there
// is an effect and whether it is too small to matter are families of their own.
// Both can be so, and a line that is sure to differ must make it no easier to call
// the others equivalent.
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
	differ, same := familyOf(difference), familyOf(equivalence)
	for j, i := range judged {
		lines[i].decide(tests[i], differ.verdict(j), same.verdict(j))
	}
}

// holmFamily is what Holm's procedure makes of tests of one kind.
type holmFamily struct{ ps, levels []float64 }

func familyOf(ps []float64) holmFamily {
	return holmFamily{stat.Holm(ps), stat.HolmLevels(ps, lab.Alpha)}
}

func (f holmFamily) verdict(i int) adjustedTest { return adjustedTest{f.ps[i], f.levels[i]} }

// adjustedTest is one test of a family.
type adjustedTest struct {
	p     float64 // adjusted
	level float64 // that it was tested at: the error on each side of an interval that agrees with it
}

// decide marks a line by its intervals, and keeps that of the family which decided
// it. Where neither did that is the wider one, for it lies in no region of either's.
func (l *Line) decide(t lineTest, differ, same adjustedTest) {
	more, less := Better, Worse
	if l.Better == metric.Lower {
		more, less = less, more
	}
	low, high := t.interval(differ.level)
	from, to := t.interval(same.level)
	switch {
	case from > -t.limit && to < t.limit:
		l.setMark(Equivalent, t, same)
	case low > 0 && t.effect.Mean > t.limit:
		l.setMark(more, t, differ)
	case high < 0 && t.effect.Mean < -t.limit:
		l.setMark(less, t, differ)
	default:
		l.setMark(Undecided, t, adjustedTest{differ.p, min(differ.level, same.level)})
	}
}

// setMark gives a line its mark, and what that follows from.
func (l *Line) setMark(m Mark, t lineTest, by adjustedTest) {
	low, high := t.interval(by.level)
	l.Mark, l.Level, l.PHolm = m, by.level, &by.p
	l.Low, l.High = l.endOrNil(low), l.endOrNil(high)
}

// interval is the effect's, open where bounds leave it open.
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

// endOrNil is one end of the line's interval, nil where it is open.
func (l *Line) endOrNil(x float64) *float64 {
	if math.IsInf(x, 0) {
		return nil
	}
	return l.Scale.display(x)
}

// WorseLines are the lines that are worse.
func (c Comparison) WorseLines() []Line {
	return slices.DeleteFunc(slices.Clone(c.Lines), func(l Line) bool { return l.Mark != Worse })
}

// judged is how many lines were decided together: those with enough trials, and
// not open on both sides.
func (c Comparison) judged() (n int) {
	for _, l := range c.Lines {
		if l.PHolm != nil {
			n++
		}
	}
	return n
}

// Count is how many lines have a mark.
func (c Comparison) Count(m Mark) (n int) {
	for _, l := range c.Lines {
		if l.Mark == m {
			n++
		}
	}
	return n
}
