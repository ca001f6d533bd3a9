package verdict

import (
	"maps"
	"slices"

	"runtimelab/lab"
	"runtimelab/lab/metric"
)

// An arm that fails may lose but never wins. A server saves effort by what it fails to do: one that
// answers with errors at once, or drops slow requests, has less CPU time, a shorter tail and perhaps
// more throughput of the rest. Its true figure is therefore at best the measured one, which is a
// bound: the interval is open on the side on which the arm is worse.
//
// Each trial of an arm is judged by itself, not all requests together. Every trial has the same weight
// in a verdict and may distort the tail by any factor, so sound trials must not excuse it.

// side is the arm of a ratio that a term belongs to. It determines which bound of the ratio the
// failures of the term make.
type side int

const (
	neither     side = iota // no arm, such as a native burn; or the baseline that a variant has in itself
	numerator               // the arm in the numerator, its divisor included
	denominator             // the arm in the denominator, its divisor included
)

// failingBound returns the bound of the ratio if a term on this side fails. Without an arm that can
// lose, the ratio is unknown.
func (s side) failingBound(m metric.Metric) metric.Bound {
	switch s {
	case numerator:
		return m.FailingBound()
	case denominator:
		return m.FailingBound().Inverse()
	}
	return metric.Open
}

// denominatorSide returns the side of a hypothesis's denominator. If a variant is compared with
// itself, no other arm can lose: a baseline that fails then decides nothing.
func denominatorSide(h lab.Hypothesis) side {
	if h.Denominator.Variant == h.Numerator.Variant {
		return neither
	}
	return denominator
}

// failedTrials summarizes the trials of a term in which more requests failed than the metric
// tolerates.
type failedTrials struct {
	worst     float64 // largest share of failed requests of a trial
	block     int64   // block of that trial
	trials    int
	tolerated float64 // share that the metric tolerates
}

// with returns f with another failed trial.
func (f failedTrials) with(share float64, block int64, m metric.Metric) failedTrials {
	if share > f.worst {
		f.worst, f.block = share, block
	}
	f.trials++
	f.tolerated = m.Tolerates()
	return f
}

// failuresByTerm holds the failed trials of a series by the name of their term.
type failuresByTerm map[string]failedTrials

// reasons returns which terms failed and how much, as one reason; none if none did.
func (f failuresByTerm) reasons(blocks int) []lab.Reason {
	if len(f) == 0 {
		return nil
	}
	r := lab.Reason{Kind: lab.RequestsFailed, Total: blocks}
	for _, name := range slices.Sorted(maps.Keys(f)) {
		t := f[name]
		r.Parts = append(r.Parts, lab.Part{
			Name: name, Value: t.worst, Limit: t.tolerated, Block: int(t.block), Count: t.trials,
		})
	}
	return []lab.Reason{r}
}

// withUnions returns the regions that refute a hypothesis, and the union of two of them on a side
// that failures leave open. If an arm fails, only that union is known.
func withUnions(refutes []region, failing metric.Bound) []region {
	out := slices.Clone(refutes)
	if failing.OpensLow() && slices.Contains(refutes, belowMargin) && slices.Contains(refutes, insideMargin) {
		out = append(out, notAbove)
	}
	if failing.OpensHigh() && slices.Contains(refutes, aboveMargin) && slices.Contains(refutes, insideMargin) {
		out = append(out, notBelow)
	}
	return out
}

// failedPhases counts the phases in which more requests failed than a finding may favour. worst is
// the largest share.
func failedPhases(rows rowTable) (phases tally, worst float64, all int) {
	phases = tally{}
	for r := range phaseRows(rows) {
		all++
		if share, _ := r.Float("error_ratio"); share > metric.MostFailed {
			phases[rowLabel(r)+" "+r.Text("phase")]++
			worst = max(worst, share)
		}
	}
	return phases, worst, all
}

// phasesWithMixedLatencies counts the phases of an old schema whose latencies include those of
// failed requests, and returns that schema.
func phasesWithMixedLatencies(rows rowTable) (phases tally, all int, schema int64) {
	phases = tally{}
	for r := range phaseRows(rows) {
		all++
		version, known := r.Int("schema_version")
		if share, _ := r.Float("error_ratio"); known && version < metric.SuccessLatencySchema && share > 0 {
			phases[rowLabel(r)+" "+r.Text("phase")]++
			schema = version
		}
	}
	return phases, all, schema
}

// failureDoubts returns the doubts about failed requests.
func failureDoubts(rows rowTable) (out []lab.Reason) {
	phases, worst, all := failedPhases(rows)
	if len(phases) > 0 {
		doubt := phases.reason(lab.PhasesFailed, all)
		doubt.Limit, doubt.Value = metric.MostFailed, worst
		out = append(out, doubt)
	}
	phases, all, schema := phasesWithMixedLatencies(rows)
	if len(phases) > 0 {
		doubt := phases.reason(lab.MixedLatencies, all)
		doubt.Value = float64(schema)
		out = append(out, doubt)
	}
	return out
}
