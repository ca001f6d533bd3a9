package verdict

import (
	"cmp"
	"fmt"
	"maps"
	"slices"
	"strings"

	"runtimelab/lab"
	"runtimelab/lab/metric"
)

// An arm that fails may lose and never wins. What a server does not do costs it
// nothing: one that answers with an error at once, or drops the requests that are
// slow, has less CPU time, a shorter tail and perhaps more throughput of what is
// left. So its figure is at best what was read, which is a bound: the interval is
// open on the side on which the arm is worse.
//
// Whether an arm fails is judged by each of its trials, and not by all of their
// requests together. Each trial has the same weight in a verdict, and the tail of one
// can be off by any factor: the requests of sound trials must not excuse it.

// side is where in a ratio a term stands, for what its failures leave open.
type side int

const (
	neither     side = iota // in no arm, as a native burn; or what an arm is itself measured against
	numerator               // or what divides it: an arm is a whole
	denominator             // likewise
)

// opens returns which ends of the interval of a ratio are unknown where a term of this
// side fails: the low one where a high ratio favours its arm, the high one where a low
// ratio does, and both where that cannot be said.
func (s side) opens(m metric.Metric) (low, high bool) {
	switch {
	case s == neither || m.Better == metric.Neither:
		return true, true
	case (s == numerator) == (m.Better == metric.Higher):
		return true, false
	}
	return false, true
}

// denominatorOf is the side of a hypothesis's denominator. A server that is compared
// with itself has nobody to lose to: where its baseline fails, what is measured
// against it is no finding, for or against.
func denominatorOf(h lab.Hypothesis) side {
	if h.Denominator.Variant == h.Numerator.Variant {
		return neither
	}
	return denominator
}

// failedTrials are the trials of a term of which more requests failed than the metric
// tolerates.
type failedTrials struct {
	share     float64 // of the worst trial
	block     int64   // that it was in
	trials    int
	tolerated float64
}

func (f failedTrials) with(share float64, block int64, m metric.Metric) failedTrials {
	if share > f.share {
		f.share, f.block = share, block
	}
	f.trials++
	f.tolerated = m.Tolerates()
	return f
}

// failing are the failed trials of a series, by the name of their term.
type failing map[string]failedTrials

// say says who failed, and how much; empty where nobody did.
func (f failing) say(blocks int) string {
	var parts []string
	for _, name := range slices.Sorted(maps.Keys(f)) {
		of := f[name]
		parts = append(parts, fmt.Sprintf("%s of requests failed (%s, block %d; more than %s in %d of %d blocks)",
			metric.Percent(of.share), name, of.block, metric.Percent(of.tolerated), of.trials, blocks))
	}
	return strings.Join(parts, "; ")
}

// widened are the regions that refute a hypothesis, and with them the region that two
// of them make up: of an arm that fails it is known only that the ratio lies in one.
func widened(refutes []region, low, high bool) []region {
	out := slices.Clone(refutes)
	if low && slices.Contains(refutes, belowMargin) && slices.Contains(refutes, insideMargin) {
		out = append(out, notAbove)
	}
	if high && slices.Contains(refutes, aboveMargin) && slices.Contains(refutes, insideMargin) {
		out = append(out, notBelow)
	}
	return out
}

// failed are the phases of which more requests failed than a finding may favour, and
// the share of the worst.
func failed(rows rowTable) (phases tally, worst float64, all int) {
	phases = tally{}
	for r := range everyPhase(rows) {
		all++
		if share, _ := r.Float("error_ratio"); share > metric.MostFailed {
			phases[rowLabel(r)+" "+r.Text("phase")]++
			worst = max(worst, share)
		}
	}
	return phases, worst, all
}

// mixed are the phases of an old schema in which latencies are of failures, too.
func mixed(rows rowTable) (phases tally, all int, schema int64) {
	phases = tally{}
	for r := range everyPhase(rows) {
		all++
		version, known := r.Int("schema_version")
		if share, _ := r.Float("error_ratio"); known && version < metric.SuccessLatencySchema && share > 0 {
			phases[rowLabel(r)+" "+r.Text("phase")]++
			schema = version
		}
	}
	return phases, all, schema
}

func failureDoubts(rows rowTable) (out []string) {
	phases, worst, all := failed(rows)
	if n := phases.total(); n > 0 {
		out = append(out, fmt.Sprintf("in %d of %d phases more than %s of requests failed, "+
			"at worst %s: %s; no finding favours them", n, all, metric.Percent(metric.MostFailed), metric.Percent(worst), phases))
	}
	phases, all, schema := mixed(rows)
	if n := phases.total(); n > 0 {
		out = append(out, fmt.Sprintf("in %d of %d phases the latencies include those of requests that failed, "+
			"as this run is of schema %d: %s", n, all, schema, phases))
	}
	return out
}

// joined are texts with a semicolon between those that say something.
func joined(a, b string) string {
	if a == "" || b == "" {
		return cmp.Or(a, b)
	}
	return a + "; " + b
}
