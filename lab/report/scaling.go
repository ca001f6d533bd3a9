package report

import (
	"fmt"
	"math"
	"strings"

	"runtimelab/lab"
	"runtimelab/lab/scaling"
)

// scaled is what more CPUs brought to whom, beside what they bring to work
// without a runtime.
func (r Report) scaled() []part {
	p := part{heading: "Scaling: speed-up over the fewest CPUs, by block; intervals of 95 %, each on its own"}
	for _, c := range r.Curves {
		p.entries = append(p.entries, entry{text: curve(c)})
		p.entries = append(p.entries, entry{deeper: true, text: law(c)})
		for _, d := range c.Doubts {
			p.entries = append(p.entries, entry{deeper: true, text: "doubt: " + d})
		}
	}
	if len(p.entries) == 0 {
		return nil
	}
	return []part{p}
}

// curves are those of servers under test: the burn's own is beside each of them.
func curves(all []scaling.Curve) (out []scaling.Curve) {
	for _, c := range all {
		if c.Scenario != lab.BurnScenario {
			out = append(out, c)
		}
	}
	return out
}

func curve(c scaling.Curve) string {
	var points []string
	for _, p := range c.Points[1:] {
		text := fmt.Sprintf("%s on %s (%s), efficiency %s",
			estimate(p.SpeedUp, "x"), cpus(p.Cores), blocks(p.SpeedUp), estimate(p.Efficiency, ""))
		if p.BurnSpeedUp.Blocks > 0 {
			text += fmt.Sprintf(", a native burn %s (%s)", estimate(p.BurnSpeedUp, "x"), blocks(p.BurnSpeedUp))
		}
		points = append(points, text)
	}
	return fmt.Sprintf("%s %s %s: %s", c.Scenario, c.Variant, c.Phase, strings.Join(points, "; "))
}

func law(c scaling.Curve) string {
	if c.Fit == nil {
		return c.Reason
	}
	text := fmt.Sprintf("Universal Scalability Law: contention %s, coherency %s", estimate(c.Fit.Sigma, ""), estimate(c.Fit.Kappa, ""))
	text += most(c.Fit.Peak)
	return strings.Join(append([]string{text, c.Cores()}, c.Fit.Doubts...), "; ")
}

// most says on how many CPUs the law has the most throughput; nothing where there
// is no such number.
func most(peak scaling.Estimate) string {
	switch {
	case peak.Value == nil:
		return ""
	case *peak.Value == 1:
		return fmt.Sprintf(", most throughput on %s CPU: more do not gain", estimate(peak, ""))
	}
	return fmt.Sprintf(", most throughput on %s CPUs", estimate(peak, ""))
}

// blocks are how many an estimate is of, and why there is none where there are some.
func blocks(e scaling.Estimate) string {
	text := plural(e.Blocks, "block", "blocks")
	if e.Blocks > 0 && e.Value == nil {
		text += "; bounds leave it open"
	}
	return text
}

// estimate is a figure with its interval; an end that is not known is open.
func estimate(e scaling.Estimate, unit string) string {
	if e.Value == nil {
		return "unknown"
	}
	switch e.Bound {
	case scaling.AtLeast:
		return ">= " + interval(*e.Value, unit, e.Low, e.High, down)
	case scaling.AtMost:
		return "<= " + interval(*e.Value, unit, e.Low, e.High, up)
	}
	return interval(*e.Value, unit, e.Low, e.High, math.Round)
}
