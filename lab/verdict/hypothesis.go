package verdict

import (
	"math"
	"slices"
	"strings"

	"runtimelab/lab"
	"runtimelab/lab/metric"
	"runtimelab/lab/stat"
)

// The number of blocks needed is computed for a power of 80 %, Cohen's convention ("Statistical
// Power Analysis for the Behavioral Sciences", 1988), and up to a number that no run has.
const (
	power           = 0.8
	maxBlocksNeeded = 200
)

// edgeTolerance is the distance from a margin's edge, on the log scale, within which a ratio counts
// as on the edge. Closer than that, rounding errors would decide the side.
const edgeTolerance = 1e-9

// hypothesisTest is a hypothesis with its values from the rows and its verdict.
type hypothesisTest struct {
	verdict   lab.Verdict
	margin    float64
	logs      []float64
	effect    stat.Effect
	decidable bool         // has enough blocks and an interval
	p         float64      // smallest p-value of the tests that could decide it
	failing   []lab.Reason // which terms failed more than the metric tolerates
	refutes   []region
}

// newTest collects a hypothesis's values from the rows. If they cannot decide it, the verdict has
// the reason, and the test is not decidable.
func newTest(h lab.Hypothesis, peers map[string]lab.Peers, rows rowTable, blocks int) *hypothesisTest {
	t := &hypothesisTest{verdict: lab.Verdict{Hypothesis: h, Finding: lab.Inconclusive}, margin: margin(h)}
	m, known := metric.Find(h.Metric)
	if !known {
		t.verdict.Reasons = []lab.Reason{{Kind: lab.UnknownMetric, Subject: h.Metric}}
		return t
	}
	s := collectLogRatios(terms(h, m), rows, blocks)
	t.logs = s.logs
	t.verdict.Blocks, t.verdict.BlockRatios = len(s.logs), s.ratios
	t.failing = s.failing.reasons(len(s.logs))
	t.refutes = withUnions(decisions[h.Direction].refutes, s.failingBound)
	bound := s.bound.Times(s.failingBound)
	if len(s.logs) > 1 {
		t.effect = stat.PairedEffect(s.logs)
		t.effect.LowOpen, t.effect.HighOpen = bound.OpensLow(), bound.OpensHigh()
	}
	open := bound == metric.Open
	switch mismatch := peerMismatch(h, peers); {
	case mismatch != nil:
		t.verdict.Reasons = mismatch
	case len(s.logs) < lab.MinBlocks:
		t.verdict.Reasons = []lab.Reason{tooFewBlocks(s, blocks, lab.MinBlocks)}
	case open && len(t.failing) > 0:
		t.verdict.Reasons = ofKind(lab.FailuresForbidComparison, t.failing)
	case open:
		t.verdict.Reasons = []lab.Reason{{Kind: lab.BothArmsBounds}}
	default:
		t.decidable = true
		t.p = t.smallestP()
	}
	// Without an interval, a reader cannot tell that the ratio is a bound.
	if len(s.logs) > 0 && (t.decidable || bound == metric.Exact) {
		t.verdict.Ratio = expOrNil(stat.MomentsOf(s.logs...).Mean)
	}
	return t
}

// tooFewBlocks returns how many blocks are valid and needed, and which terms lack values.
func tooFewBlocks(s series, blocks, needed int) lab.Reason {
	return lab.Reason{
		Kind: lab.TooFewBlocks, Count: len(s.logs), Total: blocks, Needed: needed, Parts: s.missing,
	}
}

// ofKind returns reasons with another kind.
func ofKind(kind lab.ReasonKind, reasons []lab.Reason) []lab.Reason {
	reasons = slices.Clone(reasons)
	for i := range reasons {
		reasons[i].Kind = kind
	}
	return reasons
}

// peerMismatch returns why the arms of a hypothesis must not be compared, or nil: one is of a
// runtime that has peers, and the other is not of one of them. An arm that divides a runtime by
// itself, such as a speed-up, does not depend on how the runtime is built.
func peerMismatch(h lab.Hypothesis, peers map[string]lab.Peers) []lab.Reason {
	var runtimes []string
	for _, arm := range []lab.Arm{h.Numerator, h.Denominator} {
		runtime := runtimeOf(arm.Variant)
		switch {
		case arm.Over == nil:
			runtimes = append(runtimes, runtime)
		case runtimeOf(arm.Over.Variant) != runtime:
			runtimes = append(runtimes, runtime, runtimeOf(arm.Over.Variant))
		}
	}
	for _, name := range runtimes {
		only, restricted := peers[name]
		isPeer := func(other string) bool { return other == name || slices.Contains(only.Runtimes, other) }
		if restricted && slices.ContainsFunc(runtimes, func(other string) bool { return !isPeer(other) }) {
			return []lab.Reason{{Kind: lab.PeersOnly, Subject: name, Text: only.Reason, Names: only.Runtimes}}
		}
	}
	return nil
}

// runtimeOf returns the runtime of a variant's id.
func runtimeOf(variant string) string {
	name, _, _ := strings.Cut(variant, "/")
	return name
}

// decidingRegions returns every region that decides the test.
func (t *hypothesisTest) decidingRegions() []region {
	return append([]region{decisions[t.verdict.Direction].supports}, t.refutes...)
}

// smallestP returns the smallest p-value of the tests that could decide the hypothesis.
func (t *hypothesisTest) smallestP() float64 {
	p := 1.0
	for _, r := range t.decidingRegions() {
		p = min(p, r.pValue(t.effect, t.margin))
	}
	return p
}

// decideAll decides the decidable tests together, by Holm's procedure.
func decideAll(tests []*hypothesisTest) {
	var decidable []*hypothesisTest
	var ps []float64
	for _, t := range tests {
		if t.decidable {
			decidable, ps = append(decidable, t), append(ps, t.p)
		}
	}
	for i, adjusted := range stat.Holm(ps, lab.Alpha) {
		decidable[i].decide(adjusted)
	}
}

// decide sets the verdict by where the interval lies, at the level at which Holm's procedure tests
// the hypothesis.
func (t *hypothesisTest) decide(by stat.AdjustedTest) {
	v, decision := &t.verdict, decisions[t.verdict.Direction]
	low, high := t.effect.Interval(by.Level)
	v.Low, v.High, v.Confidence = expOrNil(low), expOrNil(high), confidence(by.Level)
	adjustedP := func(r region) *float64 {
		p := by.Adjust(r.pValue(t.effect, t.margin))
		return &p
	}
	v.PHolm, v.PEquivalence = adjustedP(decision.supports), adjustedP(insideMargin)
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
	t.setUndecided(by.Level)
}

// setFinding sets a finding if the permutation test agrees. Otherwise the verdict stays
// inconclusive and has a doubt.
func (t *hypothesisTest) setFinding(f lab.Finding, in region) {
	v := &t.verdict
	p := in.pSignFlip(t.logs, t.margin)
	v.PSignFlip = &p
	v.Reasons = t.failing
	if p <= lab.Alpha {
		v.Finding = f
		return
	}
	doubt := lab.Reason{Kind: lab.PermutationDisagrees, Subject: string(f), Value: p}
	v.Doubts = append(v.Doubts, doubt)
	v.Reasons = append([]lab.Reason{doubt}, t.failing...)
}

// confidence returns the level of an interval that leaves a share of alpha on each side.
func confidence(alpha float64) float64 { return 1 - 2*alpha }

// setUndecided sets the reason of an inconclusive verdict, and how many blocks would probably
// decide it.
func (t *hypothesisTest) setUndecided(level float64) {
	why := t.explainUndecided(level)
	t.verdict.Reasons = []lab.Reason{why}
	if why.Kind == lab.FailuresForbidFavour {
		t.verdict.Reasons = ofKind(why.Kind, t.failing)
		return
	}
	t.verdict.Reasons = append(t.verdict.Reasons, t.failing...)
}

// explainUndecided returns why the test is undecided, and sets how many blocks would probably decide
// it. It finds the region that
// the mean lies in, and computes the number of blocks from how far inside the mean lies and how
// much the blocks vary.
func (t *hypothesisTest) explainUndecided(level float64) lab.Reason {
	v, mean, sd := &t.verdict, t.effect.Mean, stat.MomentsOf(t.logs...).SD()
	distance, testPower, unknown := 0.0, power, false
	for _, r := range t.decidingRegions() {
		d := r.distance(mean, t.margin)
		switch {
		case d <= distance:
		case !r.testable(t.effect):
			unknown = true
		default:
			distance = d
			if r.endsAbove() && r.endsBelow() { // two tests must both succeed
				testPower = (1 + power) / 2
			}
		}
	}
	if unknown && distance == 0 && len(t.failing) > 0 {
		return lab.Reason{Kind: lab.FailuresForbidFavour}
	}
	if unknown && distance == 0 {
		return lab.Reason{Kind: lab.BoundsLeaveOpen}
	}
	if distance < edgeTolerance {
		return lab.Reason{Kind: lab.AtMarginEdge}
	}
	n, ok := stat.PairsNeeded(distance, sd, level, testPower, maxBlocksNeeded)
	if !ok {
		return lab.Reason{Kind: lab.BlocksVary, Needed: maxBlocksNeeded}
	}
	v.BlocksNeeded = max(n, v.Blocks+1)
	return lab.Reason{Kind: lab.MoreBlocksNeeded, Needed: v.BlocksNeeded}
}

// expOrNil returns the exponential of log, or nil if log or the result is infinite.
func expOrNil(log float64) *float64 {
	r := math.Exp(log)
	if math.IsInf(log, 0) || math.IsInf(r, 0) {
		return nil
	}
	return &r
}

// cpuScope returns which CPU counts a hypothesis compares, or nil if it compares arms on equally
// many. Nothing else about scaling was measured.
func cpuScope(h lab.Hypothesis) []lab.Reason {
	var all []int
	for _, a := range h.Arms() {
		all = append(all, max(a.Cores, 1))
	}
	fewest, most := slices.Min(all), slices.Max(all)
	if fewest == most {
		return nil
	}
	return []lab.Reason{{Kind: lab.CPUScope, Count: fewest, Total: most}}
}
