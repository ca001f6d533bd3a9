package verdict

import (
	"fmt"
	"math"
	"slices"
	"strings"

	"runtimelab/lab"
	"runtimelab/lab/metric"
	"runtimelab/lab/stat"
)

// How many blocks would do is asked for 80 %, the power that Cohen proposed as a
// convention ("Statistical Power Analysis for the Behavioral Sciences", 1988),
// and up to a number that no run has.
const (
	power           = 0.8
	maxBlocksNeeded = 200
)

// edgeTolerance is how near the log of a ratio may lie to a margin's edge and be anything
// but at it: nearer, arithmetic decides on which side.
const edgeTolerance = 1e-9

// hypothesisTest is a hypothesis and what the rows have to say of it.
type hypothesisTest struct {
	verdict   lab.Verdict
	margin    float64
	logs      []float64
	estimate  estimate
	decidable bool    // has what it takes to be decided
	p         float64 // the smallest of the tests that could decide it
	failing   string  // which arms failed more than a finding may favour; empty where none did
	refutes   []region
}

// newTest takes a hypothesis's values from the rows. Where they cannot decide it,
// whatever they are, it says why and is no test of the run's.
func newTest(h lab.Hypothesis, rows rowTable, blocks int) *hypothesisTest {
	t := &hypothesisTest{verdict: lab.Verdict{Hypothesis: h, Finding: lab.Inconclusive}, margin: margin(h)}
	m, known := metric.Find(h.Metric)
	if !known {
		t.verdict.Reason = fmt.Sprintf("%s is no metric of this lab", h.Metric)
		return t
	}
	s := collectLogRatios(terms(h, m), rows, blocks)
	t.logs = s.logs
	t.verdict.Blocks = len(s.logs)
	t.failing = s.failing.say(len(s.logs))
	t.refutes = widened(decisions[h.Direction].refutes, s.failLow, s.failHigh)
	lowOpen, highOpen := s.lowOpen || s.failLow, s.highOpen || s.failHigh
	if len(s.logs) > 1 {
		t.estimate = estimate{stat.PairedEffect(s.logs), lowOpen, highOpen}
	}
	open := lowOpen && highOpen
	switch alone := buildMismatch(h); {
	case alone != "":
		t.verdict.Reason = alone
	case len(s.logs) < lab.MinBlocks:
		t.verdict.Reason = tooFewBlocks(s, blocks, lab.MinBlocks)
	case open && t.failing != "":
		t.verdict.Reason = t.failing + ": nothing is left to compare by"
	case open:
		t.verdict.Reason = "both sides are bounds: nothing is known of their ratio"
	default:
		t.decidable = true
		t.p = t.smallestP()
	}
	// Without an interval nothing would say that a ratio is a bound.
	if len(s.logs) > 0 && (t.decidable || !lowOpen && !highOpen) {
		t.verdict.Ratio = expOrNil(stat.MomentsOf(s.logs...).Mean)
	}
	return t
}

func tooFewBlocks(s series, blocks, needed int) string {
	text := fmt.Sprintf("too few valid blocks (%d of %d; %d are needed)", len(s.logs), blocks, needed)
	if len(s.missing) > 0 {
		text += ": " + strings.Join(s.missing, ", ")
	}
	return text
}

// Python without its lock, and the twin that has it, are built from source with
// the same flags, and not as distributions build theirs.
var sourceBuilt = []string{"python-freethreaded", "python-gil-twin"}

// buildMismatch says why the arms of a hypothesis must not be compared: one is a
// build that only its twin is like. A side that divides a runtime by itself, such
// as a speed-up, says nothing of how fast it was built.
func buildMismatch(h lab.Hypothesis) string {
	var runtimes []string
	for _, side := range []lab.Arm{h.Numerator, h.Denominator} {
		own := runtimeOf(side.Variant)
		switch {
		case side.Over == nil:
			runtimes = append(runtimes, own)
		case runtimeOf(side.Over.Variant) != own:
			runtimes = append(runtimes, own, runtimeOf(side.Over.Variant))
		}
	}
	alike := func(name string) bool { return slices.Contains(sourceBuilt, name) }
	i := slices.IndexFunc(runtimes, alike)
	if i < 0 || !slices.ContainsFunc(runtimes, func(name string) bool { return !alike(name) }) {
		return ""
	}
	return fmt.Sprintf("%s is built as no other runtime is: it is compared with %s only, with others by its "+
		"speed-up",
		runtimes[i], strings.Join(slices.DeleteFunc(slices.Clone(sourceBuilt),
			func(name string) bool { return name == runtimes[i] }), ", "))
}

// runtimeOf is that of a variant's id.
func runtimeOf(variant string) string {
	name, _, _ := strings.Cut(variant, "/")
	return name
}

// deciding is every region that decides the test.
func (t *hypothesisTest) deciding() []region {
	return append([]region{decisions[t.verdict.Direction].supports}, t.refutes...)
}

func (t *hypothesisTest) smallestP() float64 {
	p := 1.0
	for _, r := range t.deciding() {
		p = min(p, r.p(t.estimate, t.margin))
	}
	return p
}

// decideAll decides the tests that can be decided, together.
func decideAll(tests []*hypothesisTest) {
	var able []*hypothesisTest
	var ps []float64
	for _, t := range tests {
		if t.decidable {
			able, ps = append(able, t), append(ps, t.p)
		}
	}
	adjusted, levels := stat.Holm(ps), stat.HolmLevels(ps, lab.Alpha)
	for i, t := range able {
		smaller := 0
		for _, p := range ps {
			if p < t.p {
				smaller++
			}
		}
		t.decide(levels[i], func(p float64) *float64 {
			// Holm tests the hypothesis at a level that is Alpha over so many, once all
			// before it are rejected: what its own smallest p says.
			p = min(1, max(adjusted[i], p*float64(len(ps)-smaller)))
			return &p
		})
	}
}

// decide finds where the interval lies, at the level of one side that Holm's
// procedure tests at.
func (t *hypothesisTest) decide(level float64, adjust func(p float64) *float64) {
	v, decision := &t.verdict, decisions[t.verdict.Direction]
	low, high := t.estimate.interval(level)
	v.Low, v.High = expOrNil(low), expOrNil(high)
	v.PHolm = adjust(decision.supports.p(t.estimate, t.margin))
	v.PEquivalence = adjust(insideMargin.p(t.estimate, t.margin))
	if decision.supports.contains(low, high, t.margin) {
		t.setFinding(lab.Supported, decision.supports)
		return
	}
	for _, r := range t.refutes {
		if r.contains(low, high, t.margin) {
			t.setFinding(lab.Refuted, r)
			return
		}
	}
	t.setUndecided(level)
}

// setFinding is a finding, unless the second opinion differs.
func (t *hypothesisTest) setFinding(f lab.Finding, in region) {
	v := &t.verdict
	p := in.signFlip(t.logs, t.margin)
	v.PSignFlip = &p
	v.Reason = t.failing
	if p <= lab.Alpha {
		v.Finding = f
		return
	}
	doubt := fmt.Sprintf("%s by t-test, but not by permutation of signs (p %.3f)", f, p)
	v.Doubts = append(v.Doubts, doubt)
	v.Reason = joined(doubt, t.failing)
}

// setUndecided says whether more blocks would probably decide it: of the region that
// the mean lies in, by how far inside it lies and how much the blocks vary.
func (t *hypothesisTest) setUndecided(level float64) {
	v := &t.verdict
	if t.why(level); t.failing != "" && !strings.Contains(v.Reason, t.failing) {
		v.Reason = joined(v.Reason, t.failing)
	}
}

// why says why a test is not decided, but for the failures that leave it open.
func (t *hypothesisTest) why(level float64) {
	v, mean, sd := &t.verdict, t.estimate.Mean, stat.MomentsOf(t.logs...).SD()
	distance, wanted, unknown := 0.0, power, false
	for _, r := range t.deciding() {
		d := r.distance(mean, t.margin)
		switch {
		case d <= distance:
		case !r.testable(t.estimate):
			unknown = true
		default:
			distance = d
			if r.endsAbove() && r.endsBelow() { // two tests must both succeed
				wanted = (1 + power) / 2
			}
		}
	}
	if unknown && distance == 0 && t.failing != "" {
		v.Reason = t.failing + ": no finding may favour it"
		return
	}
	if unknown && distance == 0 {
		v.Reason = "the figures are bounds that leave open where the ratio lies: more blocks would not help"
		return
	}
	if distance < edgeTolerance {
		v.Reason = "more blocks would not do: the ratio lies at the margin's edge"
		return
	}
	n, ok := stat.PairsNeeded(distance, sd, level, wanted, maxBlocksNeeded)
	if !ok {
		v.Reason = fmt.Sprintf("the blocks vary too much: more than %d would be needed", maxBlocksNeeded)
		return
	}
	v.BlocksNeeded = max(n, v.Blocks+1)
	v.Reason = fmt.Sprintf("the interval reaches over the margin's edge; about %d blocks would do",
		v.BlocksNeeded)
}

// expOrNil is that of a log; none of what has no end.
func expOrNil(log float64) *float64 {
	if math.IsInf(log, 0) {
		return nil
	}
	r := math.Exp(log)
	return &r
}

// cpuScope says of which numbers of CPUs a hypothesis speaks that compares several;
// nothing else of scaling was seen.
func cpuScope(h lab.Hypothesis) string {
	var all []int
	for _, a := range h.Arms() {
		all = append(all, max(a.Cores, 1))
	}
	fewest, most := slices.Min(all), slices.Max(all)
	if fewest == most {
		return ""
	}
	return fmt.Sprintf("%d to %d cores only", fewest, most)
}
