package report

import (
	"fmt"
	"math"
	"strings"

	"runtimelab/lab"
	"runtimelab/lab/scaling"
)

// scalingParts is what more CPUs brought to whom, beside what they bring to work
// without a runtime.
func (r Report) scalingParts() []reportPart {
	p := reportPart{heading: "Scaling: speed-up over the fewest CPUs, by block; intervals of 95 %, each on " +
		"its own"}
	for _, c := range r.Curves {
		p.entries = append(p.entries, entry{text: curveText(c)})
		p.entries = append(p.entries, entry{nested: true, text: lawText(c)})
		for _, d := range c.Doubts {
			p.entries = append(p.entries, entry{nested: true, text: "doubt: " + d})
		}
	}
	if len(p.entries) == 0 {
		return nil
	}
	return []reportPart{p}
}

// serverCurves are those of servers under test: the burn's own is beside each of them.
func serverCurves(all []scaling.Curve) (out []scaling.Curve) {
	for _, c := range all {
		if c.Scenario != lab.BurnScenario {
			out = append(out, c)
		}
	}
	return out
}

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

func lawText(c scaling.Curve) string {
	if c.Fit == nil {
		return c.NoFitReason
	}
	text := fmt.Sprintf("Universal Scalability Law: contention %s, coherency %s", estimateText(c.Fit.Sigma, ""),
		estimateText(c.Fit.Kappa, ""))
	text += peakCPUsText(c.Fit.Peak)
	return strings.Join(append([]string{text, c.CoresNote()}, c.Fit.Doubts...), "; ")
}

// peakCPUsText says on how many CPUs the law has the most throughput; nothing where there
// is no such number.
func peakCPUsText(peak scaling.Estimate) string {
	switch {
	case peak.Value == nil:
		return ""
	case *peak.Value == 1:
		return fmt.Sprintf(", most throughput on %s CPU: more do not gain", estimateText(peak, ""))
	}
	return fmt.Sprintf(", most throughput on %s CPUs", estimateText(peak, ""))
}

// blockCount are how many an estimate is of, and why there is none where there are some.
func blockCount(e scaling.Estimate) string {
	text := plural(e.Blocks, "block", "blocks")
	if e.Blocks > 0 && e.Value == nil {
		text += "; bounds leave it open"
	}
	return text
}

// estimateText is a figure with its interval; an end that is not known is open.
func estimateText(e scaling.Estimate, unit string) string {
	if e.Value == nil {
		return "unknown"
	}
	switch e.Bound {
	case scaling.AtLeast:
		return ">= " + interval(*e.Value, unit, e.Low, e.High, roundBoundDown)
	case scaling.AtMost:
		return "<= " + interval(*e.Value, unit, e.Low, e.High, roundBoundUp)
	}
	return interval(*e.Value, unit, e.Low, e.High, math.Round)
}
