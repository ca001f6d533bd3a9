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
	Old        Side         `json:"old"`
	New        Side         `json:"new"`
	Threshold  float64      `json:"threshold"`         // a ratio from 1-t to 1/(1-t) makes no difference in practice
	Ignored    []Difference `json:"ignored,omitempty"` // that was to be ignored, and is there
	References *float64     `json:"reference_ratio"`   // throughput of the reference servers, new/old; null where none are shared
	Between    Spread       `json:"between_runs"`      // of reference servers
	Lines      []Line       `json:"lines"`
	OnlyOld    []Key        `json:"only_old"`
	OnlyNew    []Key        `json:"only_new"`
	Notes      []string     `json:"notes"` // what a reader must know that weakens nothing
	Doubts     []string     `json:"doubts"`

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
	By     By            `json:"by"`
	Effect *float64      `json:"effect"` // new over old, or new less old; null where there is none
	Low    *float64      `json:"low"`    // its interval, at Level; null where it is open or unknown
	High   *float64      `json:"high"`
	Bound  Bound         `json:"bound,omitempty"` // what the effect bounds

	Failing string `json:"failing,omitempty"` // sides that fail too much to be favoured: old, new or both

	Between Between `json:"between_runs"` // added for each side

	Level float64  `json:"level,omitempty"` // error on each side of its interval
	PHolm *float64 `json:"p_holm"`          // of the family that decided the line, of difference where none did, adjusted over all lines
	Mark  Mark     `json:"mark"`
}

// Value is one side of a line.
type Value struct {
	Trials int      `json:"trials"` // that have a value that counts
	Of     int      `json:"of"`     // blocks that were measured
	Mean   *float64 `json:"mean"`   // geometric, or arithmetic where lines are compared by difference
	Low    *float64 `json:"low"`    // its interval of 95 %, the variance between runs included
	High   *float64 `json:"high"`
	Bound  bool     `json:"bound,omitempty"` // the truth is the mean or more
	Failed float64  `json:"failed"`          // share of the requests, in the worst trial
}

// By is how the sides of a line are compared.
type By string

const (
	ByRatio      By = "ratio"
	ByDifference By = "difference" // zeros have no ratio
)

// Bound is what an effect says of the true one where values are bounds.
type Bound string

const (
	AtLeast Bound = ">="
	AtMost  Bound = "<="
	Open    Bound = "open" // nothing: both sides are bounds
)

// Mark is what a line says.
type Mark string

const (
	Equivalent Mark = "equivalent" // the interval lies within the threshold
	Better     Mark = "better"     // it excludes no effect, and the effect is beyond the threshold
	Worse      Mark = "worse"
	Undecided  Mark = "undecided"
	TooFew     Mark = "too few" // trials on a side
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
		Old: side(old), New: side(new), Threshold: threshold, Ignored: Differences(old, new),
		Lines: []Line{}, OnlyOld: only(old, new), OnlyNew: only(new, old), Notes: []string{}, Doubts: []string{},
		oneRun: sameRun(old, new),
	}
	apart := references(old, new)
	if apart != nil {
		ratio := math.Exp(*apart)
		c.References = &ratio
	}
	c.Between = spread(old, new, apart)
	c.Doubts = append(c.Doubts, doubts(old, new, apart)...)
	h := historyOf(old, new, others, c.Between)
	notes, mixed := schemas(h.keys, old, new)
	c.Notes = append(c.Notes, notes...)
	c.Doubts = append(append(c.Doubts, mixed...), failedDoubts(h.keys, old, new)...)
	var tests []test
	for _, k := range h.keys {
		a, b := old.phase(k, new), new.phase(k, old)
		lines := 0
		for i := range a.tallies {
			p := pair{
				old: &a.tallies[i], new: b.tally(a.tallies[i].metric.Name), same: c.oneRun,
				oldFailed: a.failed, newFailed: b.failed,
			}
			if p.old.plain.N+p.new.plain.N == 0 {
				continue
			}
			lines++
			p.between = h.of(k, p)
			c.Lines = append(c.Lines, p.line(k, old.blocks(k), new.blocks(k)))
			tests = append(tests, p.test(threshold))
		}
		if lines == 0 && k.Phase != "" && len(a.tallies) > 0 {
			c.Doubts = append(c.Doubts, fmt.Sprintf("%s: no valid trial on either side, of %d and %d", k, old.blocks(k), new.blocks(k)))
		}
	}
	judge(c.Lines, tests)
	_, unknown := c.terms()
	c.Doubts = append(c.Doubts, unknown...)
	return c
}

func side(r *Run) Side { return Side{Label: r.Label, RunID: r.ID(), HostID: r.Host(), Rows: r.Rows} }

// both are the keys of a sort that both runs have measured, in the order of
// reports.
func both(old, new *Run, wanted func(Key) bool) []Key {
	var keys []Key
	for _, k := range old.keys() {
		if wanted(k) && new.phase(k, old) != nil {
			keys = append(keys, k)
		}
	}
	for _, k := range new.keys() {
		if wanted(k) && old.groups[k] == nil && old.phase(k, new) != nil {
			keys = append(keys, k)
		}
	}
	slices.SortFunc(keys, Key.order)
	return keys
}

// phase is the group of a key. Where trials failed before their first phase, a
// phase that only the other run has rows of is one of no values, not none.
func (r *Run) phase(k Key, other *Run) *group {
	if g := r.groups[k]; g != nil {
		return g
	}
	whole, like := r.groups[k.trial()], other.groups[k]
	if whole == nil || whole.early == 0 || like == nil {
		return nil
	}
	g := &group{trial: whole}
	for _, t := range like.tallies {
		g.tallies = append(g.tallies, tally{metric: t.metric})
	}
	return g
}

// only are the keys that the other run lacks: trials as a whole, where it has none
// of their phases.
func only(r, other *Run) []Key {
	keys := []Key{}
	for _, k := range r.keys() {
		whole := k.trial()
		if !k.control() && other.phase(k, r) == nil && (k == whole || other.groups[whole] != nil) {
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
		all = append(all, noFigure+": nothing shows that the machine was equally fast")
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
	same     bool    // both are of one run
	between  Between // on the scale that they are compared on

	oldFailed, newFailed float64 // share of the requests, in the worst trial
}

// by is how they are compared. A metric that counts, or is a ratio already, is
// mostly zero.
func (p pair) by() By {
	if p.old.zeros()+p.new.zeros() > 0 {
		return ByDifference
	}
	return nature(p.old.metric)
}

// nature is how values of a metric are compared that are above zero.
func nature(m metric.Metric) By {
	if m.Unit == "ratio" || m.Kind == metric.Integer {
		return ByDifference
	}
	return ByRatio
}

// identical reports whether both sides are the same trials: there is nothing to
// infer then, however few they are.
func (p pair) identical() bool {
	return p.same && p.old.plain == p.new.plain && p.old.logs == p.new.logs && p.old.bounds == p.new.bounds
}

func (p pair) line(k Key, oldBlocks, newBlocks int) Line {
	m := p.old.metric
	l := Line{Key: k, Metric: m.Name, Unit: m.Unit, Better: m.Better, By: p.by()}
	l.Between = p.between
	l.Old = value(p.old.on(l.By), p.between, l.By)
	l.New = value(p.new.on(l.By), p.between, l.By)
	l.Old.Of, l.New.Of = oldBlocks, newBlocks
	l.Old.Bound, l.New.Bound = p.old.bounds > 0, p.new.bounds > 0
	l.Old.Failed, l.New.Failed, l.Failing = p.oldFailed, p.newFailed, p.sides()
	for _, v := range []*Value{&l.Old, &l.New} {
		if v.Bound {
			v.Low, v.High = nil, nil // of a bound there is no interval
		}
	}
	switch up, down := p.known(); {
	case !up && !down:
		l.Bound = Open
	case !up:
		l.Bound = AtMost
	case !down:
		l.Bound = AtLeast
	}
	return l
}

// value is one side's mean. Its interval is for itself, not one of many.
func value(m stat.Moments, between Between, by By) Value {
	v := Value{Trials: m.N}
	if m.N == 0 {
		return v
	}
	v.Mean = by.scale(m.Mean)
	if m.N >= lab.FewestBlocks {
		variance := stat.Sum(m.OfMean(), between.estimate())
		low, high := stat.Effect{Mean: m.Mean, SE: math.Sqrt(variance.Value), DF: variance.DF}.Interval(lab.Alpha)
		v.Low, v.High = by.scale(low), by.scale(high)
	}
	return v
}

// scale is a number on the scale that people read; nil where it is open.
func (b By) scale(x float64) *float64 {
	if b == ByRatio {
		x = math.Exp(x)
	}
	if math.IsNaN(x) || math.IsInf(x, 0) {
		return nil
	}
	return &x
}

// test is what can be said of a line, before it is one of many.
type test struct {
	effect     stat.Effect
	limit      float64 // of what matters in practice, on the effect's scale
	up, down   bool    // whether the effect can be found to be above nothing, and below
	few        bool
	impossible bool // a side has no value
}

func (p pair) test(threshold float64) test {
	old, new := p.old.on(p.by()), p.new.on(p.by())
	t := test{limit: p.limit(threshold), up: true, down: true, few: min(old.N, new.N) < lab.FewestBlocks, impossible: min(old.N, new.N) == 0}
	if p.identical() {
		t.effect, t.few = stat.Effect{DF: math.Inf(1)}, false
		return t
	}
	t.effect = stat.Welch(new, old, p.between.estimate())
	t.up, t.down = p.known()
	return t
}

// limit is what matters in practice. Where values are compared by difference only
// because one of them is zero, it is the threshold's share of the larger mean.
func (p pair) limit(threshold float64) float64 {
	m := p.old.metric
	switch {
	case p.by() == ByRatio:
		return -math.Log1p(-threshold)
	case m.Unit == "ratio":
		return RatioThreshold
	case m.Kind == metric.Integer:
		return CountThreshold
	}
	return max(threshold*math.Max(math.Abs(p.old.plain.Mean), math.Abs(p.new.plain.Mean)), math.SmallestNonzeroFloat64)
}

// different is p of the test that there is an effect, on the side that it is on: 1
// where bounds leave that side open.
func (t test) different() float64 {
	p := 1.0
	if t.up {
		p = min(p, t.effect.Above(0))
	}
	if t.down {
		p = min(p, t.effect.Below(0))
	}
	return p
}

// equivalent is p of the test that the effect does not matter.
func (t test) equivalent() float64 {
	if !t.up || !t.down {
		return 1
	}
	return t.effect.Within(t.limit)
}

// judge marks lines by their tests: all of them together, by Holm. Whether there
// is an effect and whether it is too small to matter are families of their own.
// Both can be so, and a line that is sure to differ must make it no easier to call
// the others equivalent.
func judge(lines []Line, tests []test) {
	var difference, equivalence []float64
	var judged []int
	for i, t := range tests {
		lines[i].Mark = TooFew
		if !t.impossible && lines[i].Bound != Open {
			lines[i].Effect = lines[i].By.scale(t.effect.Mean)
		}
		switch {
		case t.few:
		case !t.up && !t.down:
			lines[i].Mark = Undecided
		default:
			judged = append(judged, i)
			difference, equivalence = append(difference, t.different()), append(equivalence, t.equivalent())
		}
	}
	differ, same := familyOf(difference), familyOf(equivalence)
	for j, i := range judged {
		lines[i].decide(tests[i], differ.verdict(j), same.verdict(j))
	}
}

// family is what Holm's procedure makes of tests of one kind.
type family struct{ ps, levels []float64 }

func familyOf(ps []float64) family { return family{stat.Holm(ps), stat.HolmLevels(ps, lab.Alpha)} }

func (f family) verdict(i int) verdict { return verdict{f.ps[i], f.levels[i]} }

// verdict is one test of a family.
type verdict struct {
	p     float64 // adjusted
	level float64 // that it was tested at: the error on each side of an interval that agrees with it
}

// decide marks a line by its intervals, and keeps that of the family which decided
// it. Where neither did that is the wider one, for it lies in no region of either's.
func (l *Line) decide(t test, differ, same verdict) {
	more, less := Better, Worse
	if l.Better == metric.Lower {
		more, less = less, more
	}
	low, high := t.interval(differ.level)
	from, to := t.interval(same.level)
	switch {
	case from > -t.limit && to < t.limit:
		l.be(Equivalent, t, same)
	case low > 0 && t.effect.Mean > t.limit:
		l.be(more, t, differ)
	case high < 0 && t.effect.Mean < -t.limit:
		l.be(less, t, differ)
	default:
		l.be(Undecided, t, verdict{differ.p, min(differ.level, same.level)})
	}
}

// be gives a line its mark, and what that follows from.
func (l *Line) be(m Mark, t test, by verdict) {
	low, high := t.interval(by.level)
	l.Mark, l.Level, l.PHolm = m, by.level, &by.p
	l.Low, l.High = l.end(low), l.end(high)
}

// interval is the effect's, open where bounds leave it open.
func (t test) interval(level float64) (low, high float64) {
	low, high = t.effect.Interval(level)
	if !t.up {
		low = math.Inf(-1)
	}
	if !t.down {
		high = math.Inf(1)
	}
	return low, high
}

// end is one end of the line's interval, nil where it is open.
func (l *Line) end(x float64) *float64 {
	if math.IsInf(x, 0) {
		return nil
	}
	return l.By.scale(x)
}

// Worse are the lines that are worse.
func (c Comparison) Worse() []Line {
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
