package verdict

import (
	"fmt"
	"math"

	"runtimelab/lab"
	"runtimelab/lab/metric"
	"runtimelab/lab/stat"
)

const (
	// controlAlpha is the p, two-sided, below which a control has found a difference
	// where there is none.
	controlAlpha = 0.01
	// minControlBlocks is the number of blocks that have a mean with an interval.
	minControlBlocks = 2
)

// judgeControl judges one control. It fails where it shows that the instrument is
// wrong, not where its blocks are too few to show that it is right; where there
// is nothing to judge by it fails too.
func judgeControl(c lab.Control, rows rowTable, blocks int) lab.ControlVerdict {
	out := lab.ControlVerdict{
		Control: c,
		Verdict: lab.Verdict{Hypothesis: c.Hypothesis, Finding: lab.Inconclusive},
	}
	m, known := metric.Find(c.Hypothesis.Metric)
	if !known {
		return notJudged(out, fmt.Sprintf("%s is no metric of this lab", c.Hypothesis.Metric))
	}
	// That readings are bounds does not matter to twins: of the same the instrument
	// must read the same. A known ratio lacks such blocks below: a server that was not
	// the limit served less than its service time allows, whatever its clock says.
	read := collectLogRatios(terms(c.Hypothesis, m), rows, blocks)
	if len(read.logs) < minControlBlocks {
		return notJudged(out, tooFewBlocks(read, blocks, minControlBlocks))
	}
	failing := read.failing.say(len(read.logs))
	if failing != "" && c.Hypothesis.Scenario == lab.ReferenceScenario { // the lab's own servers do not fail
		return notJudged(out, failing)
	}
	seen := stat.PairedEffect(read.logs)
	low, high := seen.Interval(lab.Alpha)
	v := &out.Verdict
	v.Blocks, v.Ratio, v.Low, v.High = len(read.logs), expOrNil(seen.Mean), expOrNil(low), expOrNil(high)
	out.Reason = fmt.Sprintf("%s of %s over %s was %.3f [%.3f, %.3f] in %d blocks",
		m.Name, c.Hypothesis.Numerator, c.Hypothesis.Denominator, *v.Ratio, *v.Low, *v.High, v.Blocks)
	if c.Hypothesis.Scenario != lab.ReferenceScenario {
		// A server that fails is no fault of the instrument's, which must read it alike.
		out.Reason = joined(out.Reason, failing)
		return setOutcome(out, mayBeEqual(seen, margin(c.Hypothesis)))
	}
	clocks := collectLogRatios(append(terms(c.Hypothesis, m), serviceTimeTerms(c.Hypothesis)...), rows, blocks)
	if len(clocks.logs) < minControlBlocks {
		return notJudged(out, tooFewBlocks(clocks, blocks, minControlBlocks))
	}
	off := stat.PairedEffect(clocks.logs)
	offLow, offHigh := off.Interval(lab.Alpha)
	covers := "covers"
	if *v.Low > c.ExpectedRatio || *v.High < c.ExpectedRatio {
		covers = "does not cover"
	}
	out.Reason += fmt.Sprintf(", which %s %.2f; by the servers' own clocks %+.1f %% [%+.1f, %+.1f] off",
		covers, c.ExpectedRatio, percent(off.Mean), percent(offLow), percent(offHigh))
	return setOutcome(out, mayBeAccurate(off, margin(c.Hypothesis)))
}

// mayBeEqual reports whether twins may be alike: the interval reaches into the
// margin, and that their ratio is 1 is no surprise.
func mayBeEqual(e stat.Effect, margin float64) bool {
	return !isOutsideMargin(e, margin) && 2*min(e.PAbove(0), e.PBelow(0)) >= controlAlpha
}

// mayBeAccurate reports whether a reading may be right to within the margin. A small
// error that is surely there is let pass where it is surely small: what the
// generator adds to each request is such a one.
func mayBeAccurate(e stat.Effect, margin float64) bool {
	low, high := e.Interval(lab.Alpha)
	return insideMargin.contains(low, high, margin) || mayBeEqual(e, margin)
}

func isOutsideMargin(e stat.Effect, margin float64) bool {
	low, high := e.Interval(lab.Alpha)
	return aboveMargin.contains(low, high, margin) || belowMargin.contains(low, high, margin)
}

// serviceTimeTerms are the factors that turn a ratio of throughputs as it was read into
// its ratio to that by the reference servers' own service times, which are the
// reciprocals.
func serviceTimeTerms(h lab.Hypothesis) []ratioTerm {
	service, _ := metric.Find("service_mean_ms")
	return terms(h, service)
}

func setOutcome(out lab.ControlVerdict, passed bool) lab.ControlVerdict {
	out.Passed = passed
	out.Verdict.Finding = lab.Refuted
	if passed {
		out.Verdict.Finding = lab.Supported
	}
	out.Verdict.Reason = out.Reason
	return out
}

func notJudged(out lab.ControlVerdict, why string) lab.ControlVerdict {
	out.Reason = "could not be judged: " + why
	out.Verdict.Reason = out.Reason
	return out
}

// percent is a log ratio as a change in percent, to one decimal: 0 has no sign.
func percent(log float64) float64 { return math.Round(1000*math.Expm1(log))/10 + 0 }
