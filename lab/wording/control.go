package wording

import (
	"fmt"
	"math"

	"runtimelab/lab"
)

// Control returns what was measured of a control, also if it passed.
func Control(c lab.ControlVerdict) string {
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
