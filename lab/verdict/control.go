package verdict

import (
	"math"
	"slices"

	"runtimelab/lab"
	"runtimelab/lab/metric"
	"runtimelab/lab/stat"
)

const (
	// controlAlpha is the two-sided p-value below which a control fails: it found a difference where
	// there is none.
	controlAlpha = 0.01
	// minControlBlocks is the smallest number of blocks whose mean has an interval.
	minControlBlocks = 2
)

// judgeControl judges a control. It fails if the data show an error of the instrument, or if there
// is no data. Too few blocks to prove the instrument right do not fail it.
func judgeControl(c lab.Control, rows rowTable, blocks int) lab.ControlVerdict {
	out := lab.ControlVerdict{
		Control: c,
		Verdict: lab.Verdict{Hypothesis: c.Hypothesis, Finding: lab.Inconclusive},
	}
	m, known := metric.Find(c.Hypothesis.Metric)
	if !known {
		return notJudged(out, lab.Reason{Kind: lab.UnknownMetric, Subject: c.Hypothesis.Metric})
	}
	// Bounds do not matter for twins: the instrument must measure both alike. They do for a known
	// ratio, and its bounds are dropped below: a server that was not the limit served less than its
	// service time allows, whatever its clock reports.
	measured := collectLogRatios(terms(c.Hypothesis, m), rows, blocks)
	if len(measured.logs) < minControlBlocks {
		return notJudged(out, tooFewBlocks(measured, blocks, minControlBlocks))
	}
	failing := measured.failing.reasons(len(measured.logs))
	if len(failing) > 0 && c.Hypothesis.Scenario == lab.ReferenceScenario { // the lab's own must not fail
		return notJudged(out, failing...)
	}
	effect := stat.PairedEffect(measured.logs)
	low, high := effect.Interval(lab.Alpha)
	v := &out.Verdict
	v.Blocks, v.Ratio, v.Low, v.High = len(measured.logs), expOrNil(effect.Mean), expOrNil(low), expOrNil(high)
	v.Confidence, v.BlockRatios = confidence(lab.Alpha), measured.ratios
	if c.Hypothesis.Scenario != lab.ReferenceScenario {
		// A failing server is not an error of the instrument, which must measure both twins alike.
		v.Reasons = failing
		return setOutcome(out, mayBeEqual(effect, margin(c.Hypothesis)))
	}
	byClock := collectLogRatios(append(terms(c.Hypothesis, m), serviceTimeTerms(c.Hypothesis)...), rows, blocks)
	if len(byClock.logs) < minControlBlocks {
		return notJudged(out, tooFewBlocks(byClock, blocks, minControlBlocks))
	}
	deviation := stat.PairedEffect(byClock.logs)
	deviationLow, deviationHigh := deviation.Interval(lab.Alpha)
	if expOrNil(deviationHigh) != nil {
		out.ByClocks = &lab.Deviation{
			Value: math.Expm1(deviation.Mean), Low: math.Expm1(deviationLow), High: math.Expm1(deviationHigh),
		}
	}
	return setOutcome(out, mayBeAccurate(deviation, margin(c.Hypothesis)))
}

// mayBeEqual reports whether the data are consistent with equal arms: the interval reaches into the
// margin, and the p-value of a ratio of 1 is at least controlAlpha.
func mayBeEqual(e stat.Effect, margin float64) bool {
	return !isOutsideMargin(e, margin) && 2*min(e.PAbove(0), e.PBelow(0)) >= controlAlpha
}

// mayBeAccurate reports whether the measured ratio may be right within the margin. A small error
// passes, even if it is certain, if it is also certain that it is small; the generator's cost per
// request is such an error.
func mayBeAccurate(e stat.Effect, margin float64) bool {
	low, high := e.Interval(lab.Alpha)
	return insideMargin.contains(low, high, margin) || mayBeEqual(e, margin)
}

// isOutsideMargin reports whether the whole interval lies above the margin, or below it.
func isOutsideMargin(e stat.Effect, margin float64) bool {
	low, high := e.Interval(lab.Alpha)
	return aboveMargin.contains(low, high, margin) || belowMargin.contains(low, high, margin)
}

// serviceTimeTerms returns the factors that divide a ratio of throughputs by the same ratio as the
// reference servers' service times give it. Service times are reciprocals of throughput.
func serviceTimeTerms(h lab.Hypothesis) []ratioTerm {
	service, _ := metric.Find("service_mean_ms")
	return terms(h, service)
}

// judgeCrossChecks returns the control of a calibration in which another generator measured too. It
// fails if one of the checks did.
func judgeCrossChecks(checks []lab.CrossCheck) lab.ControlVerdict {
	out := lab.ControlVerdict{
		Control: lab.Control{Name: lab.CrossCheckControl, ExpectedRatio: 1}, CrossChecks: checks,
	}
	return setOutcome(out, !slices.ContainsFunc(checks, func(c lab.CrossCheck) bool { return !c.Passed }))
}

// setOutcome sets whether a control passed, and the finding of its verdict.
func setOutcome(out lab.ControlVerdict, passed bool) lab.ControlVerdict {
	out.Judged, out.Passed = true, passed
	out.Verdict.Finding = lab.Refuted
	if passed {
		out.Verdict.Finding = lab.Supported
	}
	return out
}

// notJudged returns the verdict on a control that fails for lack of data.
func notJudged(out lab.ControlVerdict, why ...lab.Reason) lab.ControlVerdict {
	out.Verdict.Reasons = why
	return out
}
