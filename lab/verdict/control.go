package verdict

import (
	"fmt"
	"math"

	"runtimelab/lab"
	"runtimelab/lab/metric"
	"runtimelab/lab/stat"
)

const (
	// surprise is the p, two-sided, below which a control has found a difference
	// where there is none.
	surprise = 0.01
	// fewestRead is the number of blocks that have a mean with an interval.
	fewestRead = 2
)

// control judges one control. It fails where it shows that the instrument is
// wrong, not where its blocks are too few to show that it is right; where there
// is nothing to judge by it fails too.
func control(c lab.Control, rows table, blocks int) lab.ControlVerdict {
	out := lab.ControlVerdict{Control: c, Verdict: lab.Verdict{Hypothesis: c.Hypothesis, Finding: lab.Inconclusive}}
	m, known := metric.Find(c.Hypothesis.Metric)
	if !known {
		return unjudged(out, fmt.Sprintf("%s is no metric of this lab", c.Hypothesis.Metric))
	}
	// That readings are bounds does not matter to twins: of the same the instrument
	// must read the same. A known ratio lacks such blocks below: a server that was not
	// the limit served less than its service time allows, whatever its clock says.
	read := collect(terms(c.Hypothesis, m), rows, blocks)
	if len(read.logs) < fewestRead {
		return unjudged(out, tooFew(read, blocks, fewestRead))
	}
	failing := read.failing.say(len(read.logs))
	if failing != "" && c.Hypothesis.Scenario == lab.ReferenceScenario { // the lab's own servers do not fail
		return unjudged(out, failing)
	}
	seen := stat.Paired(read.logs)
	low, high := seen.Interval(lab.Alpha)
	v := &out.Verdict
	v.Blocks, v.Ratio, v.Low, v.High = len(read.logs), ratio(seen.Mean), ratio(low), ratio(high)
	out.Reason = fmt.Sprintf("%s of %s over %s was %.3f [%.3f, %.3f] in %d blocks",
		m.Name, c.Hypothesis.Numerator, c.Hypothesis.Denominator, *v.Ratio, *v.Low, *v.High, v.Blocks)
	if c.Hypothesis.Scenario != lab.ReferenceScenario {
		// A server that fails is no fault of the instrument's, which must read it alike.
		out.Reason = joined(out.Reason, failing)
		return judged(out, indifferent(seen, margin(c.Hypothesis)))
	}
	clocks := collect(append(terms(c.Hypothesis, m), ownClocks(c.Hypothesis)...), rows, blocks)
	if len(clocks.logs) < fewestRead {
		return unjudged(out, tooFew(clocks, blocks, fewestRead))
	}
	off := stat.Paired(clocks.logs)
	offLow, offHigh := off.Interval(lab.Alpha)
	covers := "covers"
	if *v.Low > c.True || *v.High < c.True {
		covers = "does not cover"
	}
	out.Reason += fmt.Sprintf(", which %s %.2f; by the servers' own clocks %+.1f %% [%+.1f, %+.1f] off",
		covers, c.True, percent(off.Mean), percent(offLow), percent(offHigh))
	return judged(out, accurate(off, margin(c.Hypothesis)))
}

// indifferent reports whether twins may be alike: the interval reaches into the
// margin, and that their ratio is 1 is no surprise.
func indifferent(e stat.Effect, margin float64) bool {
	return !outside(e, margin) && 2*min(e.Above(0), e.Below(0)) >= surprise
}

// accurate reports whether a reading may be right to within the margin. A small
// error that is surely there is let pass where it is surely small: what the
// generator adds to each request is such a one.
func accurate(e stat.Effect, margin float64) bool {
	low, high := e.Interval(lab.Alpha)
	return inside.holds(low, high, margin) || indifferent(e, margin)
}

func outside(e stat.Effect, margin float64) bool {
	low, high := e.Interval(lab.Alpha)
	return above.holds(low, high, margin) || below.holds(low, high, margin)
}

// ownClocks are the factors that turn a ratio of throughputs as it was read into
// its ratio to that by the reference servers' own service times, which are the
// reciprocals.
func ownClocks(h lab.Hypothesis) []term {
	service, _ := metric.Find("service_mean_ms")
	return terms(h, service)
}

func judged(out lab.ControlVerdict, passed bool) lab.ControlVerdict {
	out.Passed = passed
	out.Verdict.Finding = lab.Refuted
	if passed {
		out.Verdict.Finding = lab.Supported
	}
	out.Verdict.Reason = out.Reason
	return out
}

func unjudged(out lab.ControlVerdict, why string) lab.ControlVerdict {
	out.Reason = "could not be judged: " + why
	out.Verdict.Reason = out.Reason
	return out
}

// percent is a log ratio as a change in percent, to one decimal: 0 has no sign.
func percent(log float64) float64 { return math.Round(1000*math.Expm1(log))/10 + 0 }
