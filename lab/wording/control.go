package wording

import (
	"fmt"
	"math"
	"strings"

	"runtimelab/lab"
	"runtimelab/lab/message"
)

// Control returns what was measured of a control, also if it passed.
func Control(c lab.ControlVerdict) string {
	if len(c.CrossChecks) > 0 {
		return crossChecks(c.CrossChecks)
	}
	v := c.Verdict
	if !c.Judged {
		return "not judged: " + Reasons(v.Reasons...)
	}
	text := fmt.Sprintf("%s of %s over %s was %s [%s, %s] in %d blocks",
		v.Metric, v.Numerator, v.Denominator, ratio(v.Ratio), ratio(v.Low), ratio(v.High), v.Blocks)
	if c.ByClocks == nil {
		if len(v.Reasons) > 0 {
			text += "; " + Reasons(v.Reasons...)
		}
		return text
	}
	covers := "covers"
	if v.Low != nil && *v.Low > c.ExpectedRatio || v.High != nil && *v.High < c.ExpectedRatio {
		covers = "does not cover"
	}
	return text + fmt.Sprintf(", which %s %.2f; by the servers' own clocks %+.1f %% [%+.1f, %+.1f] off",
		covers, c.ExpectedRatio, percent(c.ByClocks.Value), percent(c.ByClocks.Low), percent(c.ByClocks.High))
}

// ratio returns a ratio with three decimals, or "open" for an end that is unknown.
func ratio(x *float64) string {
	if x == nil {
		return "open"
	}
	return fmt.Sprintf("%.3f", *x)
}

// percent returns a share in percent, rounded to one decimal. Adding 0 removes the sign of -0.
func percent(share float64) float64 { return math.Round(1000*share)/10 + 0 }

// crossChecks returns how the generator differs from another one: every failed check, or the one that
// came nearest to its limit.
func crossChecks(checks []lab.CrossCheck) string {
	var failed []string
	nearest := checks[0]
	for _, c := range checks {
		if !c.Passed {
			failed = append(failed, crossCheck(c))
		}
		if math.Abs(c.Difference.Value)/c.Limit > math.Abs(nearest.Difference.Value)/nearest.Limit {
			nearest = c
		}
	}
	text := fmt.Sprintf("against %s, ", checks[0].By)
	if len(failed) > 0 {
		return text + strings.Join(failed, "; ")
	}
	return text + fmt.Sprintf("the largest of %s for its limit is the %s",
		message.Count(len(checks), "difference", "differences"), crossCheck(nearest))
}

// crossCheck returns one check with its interval and limit.
func crossCheck(c lab.CrossCheck) string {
	d := c.Difference
	return fmt.Sprintf("%s of the reference server of %.4g ms: %+.1f %% [%+.1f, %+.1f] in %d rounds, %.1f %% "+
		"allowed",
		c.Quantity, c.ServiceMS, percent(d.Value), percent(d.Low), percent(d.High), c.Rounds, percent(c.Limit))
}
