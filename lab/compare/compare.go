package compare

import (
	"math"
	"slices"

	"runtimelab/lab"
	"runtimelab/lab/metric"
)

// Comparison is the result of comparing two runs.
type Comparison struct {
	Old Side `json:"old"`
	New Side `json:"new"`
	// Threshold is the difference that matters: ratios from 1-t to 1/(1-t) do not.
	Threshold float64 `json:"threshold"`
	// Ignored lists the differences between the runs that the user chose to ignore.
	Ignored []Difference `json:"ignored,omitempty"`
	// ReferenceRatio is the throughput of the reference servers, new/old; nil without
	// reference servers in both runs.
	ReferenceRatio *float64 `json:"reference_ratio"`
	// BetweenRuns is the variance for lines without history.
	BetweenRuns ReferenceVariance `json:"between_runs"`
	Lines       []Line            `json:"lines"`
	OnlyOld     []Key             `json:"only_old"`
	OnlyNew     []Key             `json:"only_new"`
	// Notes tell the reader what does not weaken the comparison, Doubts what does.
	Notes  []lab.Reason `json:"notes"`
	Doubts []lab.Reason `json:"doubts"`

	oneRun bool // both sides are known to be the same run
}

// Side identifies one of the two runs.
type Side struct {
	Label  string `json:"label"`
	RunID  string `json:"run_id"`
	HostID string `json:"host_id"`
	Rows   int    `json:"rows"`
}

// Line compares one metric of a key between both runs.
type Line struct {
	Key
	Metric string        `json:"metric"`
	Unit   string        `json:"unit"`
	Better metric.Better `json:"better"`
	Old    Value         `json:"old"`
	New    Value         `json:"new"`
	Scale  Scale         `json:"by"`
	// Effect is new/old or new-old by Scale; nil if a side has no value.
	Effect *float64 `json:"effect"`
	// Low and High are the interval of Effect at Level; nil where it is open or unknown.
	Low  *float64 `json:"low"`
	High *float64 `json:"high"`
	// Bound says on which side of Effect the true one may lie, by bounds and failed requests.
	Bound metric.Bound `json:"bound,omitempty"`

	// Failing names the sides with too many failed requests to be favoured: old, new or both.
	Failing string `json:"failing,omitempty"`

	BetweenRuns LineVariance `json:"between_runs"` // added for each side

	Level float64 `json:"level,omitempty"` // error on each side of the interval
	// PHolm is the adjusted p of the question that decided the line. An undecided line
	// has that of the difference, a line that was not judged has none.
	PHolm *float64 `json:"p_holm"`
	Mark  Mark     `json:"mark"`
}

// Value is one side of a line.
type Value struct {
	Trials int `json:"trials"` // with a usable value
	Blocks int `json:"of"`     // that were measured
	// Mean is geometric, or arithmetic for a line compared by difference.
	Mean *float64 `json:"mean"`
	// Low and High are its 95 % interval, including the variance between runs.
	Low        *float64 `json:"low"`
	High       *float64 `json:"high"`
	LowerBound bool     `json:"bound,omitempty"` // the true value is Mean or more
	Failed     float64  `json:"failed"`          // share of requests in the worst trial
}

// Scale says how the two sides of a line are compared.
type Scale string

const (
	RatioScale      Scale = "ratio"
	DifferenceScale Scale = "difference" // for values that may be zero, which have no ratio
)

// Mark is the result of a line.
type Mark string

const (
	Equivalent   Mark = "equivalent" // the interval lies within the threshold
	Better       Mark = "better"     // it excludes no effect, and the effect is beyond the threshold
	Worse        Mark = "worse"
	Undecided    Mark = "undecided"
	TooFewTrials Mark = "too few" // fewer than lab.MinBlocks trials on a side
)

const (
	// DefaultThreshold is the relative difference that does not matter in practice.
	DefaultThreshold = 0.05

	// RatioThreshold is the threshold of metrics that are ratios, such as error_ratio:
	// one in a thousand requests.
	RatioThreshold = 0.001

	// CountThreshold is the threshold of counts, such as oom_events: one in ten trials.
	CountThreshold = 0.1
)

// Compare compares two runs; CheckComparable must have accepted them. Others are runs
// that may show how much such runs vary without a change.
func Compare(old, new *Run, threshold float64, others ...*Run) Comparison {
	c := Comparison{
		Old: newSide(old), New: newSide(new), Threshold: threshold, Ignored: Differences(old, new),
		Lines: []Line{}, OnlyOld: unmatchedKeys(old, new), OnlyNew: unmatchedKeys(new, old),
		Notes: []lab.Reason{}, Doubts: []lab.Reason{},
		oneRun: sameRun(old, new),
	}
	logRatio := referenceLogRatio(old, new)
	if logRatio != nil {
		ratio := math.Exp(*logRatio)
		c.ReferenceRatio = &ratio
	}
	c.BetweenRuns = referenceVariance(old, new, logRatio)
	c.Doubts = append(c.Doubts, doubts(old, new, logRatio != nil)...)
	h := newHistory(old, new, others, c.BetweenRuns)
	notes, mixedSchemas := schemaNotes(h.keys, old, new)
	c.Notes = append(c.Notes, notes...)
	c.Doubts = append(append(c.Doubts, mixedSchemas...), failureDoubts(h.keys, old, new)...)
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
			c.Doubts = append(c.Doubts, lab.Reason{
				Kind: lab.LineWithoutTrial, Subject: k.String(), Count: old.blocks(k), Total: new.blocks(k),
			})
		}
	}
	markLines(c.Lines, tests)
	c.Doubts = append(c.Doubts, c.historyDoubts()...)
	return c
}

func newSide(r *Run) Side { return Side{Label: r.Label, RunID: r.ID(), HostID: r.Host(), Rows: r.Rows} }

// doubts returns what weakens a comparison without forbidding it. hasReferences says that
// both runs have valid trials of a reference server.
func doubts(old, new *Run, hasReferences bool) (all []lab.Reason) {
	for _, r := range []*Run{old, new} {
		all = append(all, r.Doubts...)
		if r.Info != nil && r.Info.State != "" && r.Info.State != "done" {
			all = append(all, lab.Reason{Kind: lab.RunNotDone, Subject: r.Label, Text: string(r.Info.State)})
		}
	}
	for _, r := range []*Run{old, new} {
		all = append(all, r.gapReasons()...)
	}
	switch {
	case hasReferences:
	case len(sharedReferences(old, new)) > 0:
		all = append(all, lab.Reason{Kind: lab.NoValidReference})
	default:
		all = append(all, lab.Reason{Kind: lab.NoSharedReference})
	}
	if old.Info != nil && new.Info != nil {
		if a, b := old.Info.Profile, new.Info.Profile; a != b {
			all = append(all, lab.Reason{Kind: lab.ProfilesDiffer, Names: []string{a, b}})
		}
		if a, b := old.Info.Versions["lab"], new.Info.Versions["lab"]; a != b {
			all = append(all, lab.Reason{Kind: lab.LabsDiffer, Names: []string{a, b}})
		}
	}
	return all
}

// WorseLines returns the lines marked worse.
func (c Comparison) WorseLines() []Line {
	return slices.DeleteFunc(slices.Clone(c.Lines), func(l Line) bool { return l.Mark != Worse })
}

// judged counts the lines that Holm's procedures decided together: those with enough
// trials and a bound on one side at most.
func (c Comparison) judged() (n int) {
	for _, l := range c.Lines {
		if l.PHolm != nil {
			n++
		}
	}
	return n
}

// Count returns how many lines have the mark.
func (c Comparison) Count(m Mark) (n int) {
	for _, l := range c.Lines {
		if l.Mark == m {
			n++
		}
	}
	return n
}
