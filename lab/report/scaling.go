package report

import (
	"fmt"
	"math"
	"strings"

	"runtimelab/lab/message"
	"runtimelab/lab/metric"
	"runtimelab/lab/scaling"
	"runtimelab/lab/wording"
)

// scalingParts returns the section on scaling, with the native burn's beside it.
func (r Report) scalingParts() []reportPart {
	p := reportPart{heading: "Scaling: speed-up over the fewest CPUs, by block; individual 95 % intervals"}
	for _, c := range r.Scaling {
		for i, line := range CurveLines(c) {
			p.entries = append(p.entries, entry{nested: i > 0, text: line})
		}
	}
	if len(p.entries) == 0 {
		return nil
	}
	return []reportPart{p}
}

// CurveLines returns a curve as text: its points, its law, and its doubts.
func CurveLines(c scaling.Curve) []string {
	lines := []string{curveText(c), lawText(c)}
	for _, d := range c.Doubts {
		lines = append(lines, "doubt: "+wording.Reason(d))
	}
	return lines
}

// curveText returns the points of a curve as text.
func curveText(c scaling.Curve) string {
	var points []string
	for _, p := range c.Points[1:] {
		text := fmt.Sprintf("%s on %s (%s), efficiency %s",
			estimateText(p.SpeedUp, "x"), cpuCount(p.Cores), blockCount(p.SpeedUp), estimateText(p.Efficiency, ""))
		if p.BurnSpeedUp.Blocks > 0 {
			text += fmt.Sprintf(", a native burn %s (%s)", estimateText(p.BurnSpeedUp, "x"), blockCount(p.BurnSpeedUp))
		}
		points = append(points, text)
	}
	return fmt.Sprintf("%s %s %s: %s", c.Scenario, c.Variant, c.Phase, strings.Join(points, "; "))
}

// lawText returns the fit of the Universal Scalability Law as text, or why there is none.
func lawText(c scaling.Curve) string {
	if c.Fit == nil {
		return wording.NoFit(c.NoFit)
	}
	text := fmt.Sprintf("Universal Scalability Law: contention %s, coherency %s", estimateText(c.Fit.Sigma, ""),
		estimateText(c.Fit.Kappa, ""))
	text += peakCPUsText(c.Fit.Peak)
	parts := []string{text, c.CoresNote()}
	if len(c.Fit.Doubts) > 0 {
		parts = append(parts, wording.Reasons(c.Fit.Doubts...))
	}
	return strings.Join(parts, "; ")
}

// peakCPUsText returns the number of CPUs with the most throughput by the law, as text; empty if
// the law has no maximum.
func peakCPUsText(peak scaling.Estimate) string {
	switch {
	case peak.Value == nil:
		return ""
	case *peak.Value == 1:
		return fmt.Sprintf(", most throughput on %s CPU: more CPUs do not help", estimateText(peak, ""))
	}
	return fmt.Sprintf(", most throughput on %s CPUs", estimateText(peak, ""))
}

// blockCount returns the number of blocks of an estimate, and why there is no value although there
// are blocks.
func blockCount(e scaling.Estimate) string {
	text := message.Count(e.Blocks, "block", "blocks")
	if e.Blocks > 0 && e.Value == nil {
		text += "; bounds only, no figure"
	}
	return text
}

// estimateText returns an estimate and its interval; an unknown end is "open".
func estimateText(e scaling.Estimate, unit string) string {
	if e.Value == nil {
		return "unknown"
	}
	switch e.Bound {
	case metric.AtLeast:
		return ">= " + interval(*e.Value, unit, e.Low, e.High, roundBoundDown)
	case metric.AtMost:
		return "<= " + interval(*e.Value, unit, e.Low, e.High, roundBoundUp)
	}
	return interval(*e.Value, unit, e.Low, e.High, math.Round)
}
