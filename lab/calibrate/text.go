package calibrate

import (
	"fmt"
	"io"
	"strconv"
	"time"

	"runtimelab/lab"
	"runtimelab/lab/table"
)

// WriteText prints a calibration as a table for people.
func WriteText(w io.Writer, c lab.Calibration) error {
	text := fmt.Sprintf("calibration of %s\n", c.MeasuredAt.UTC().Format(time.RFC3339)) + keyText(c.Key) +
		"generator\n" + generatorText(c) + "host\n" + hostText(c)
	if c.KnownRatio.N > 0 {
		var t table.Text
		t.Row("  between trials", fmt.Sprintf("%.2f%%", 100*c.TrialCV),
			"coefficient of variation of one reference server's peak")
		text += "noise\n" + t.String()
	}
	if _, err := io.WriteString(w, text); err != nil {
		return fmt.Errorf("printing the calibration: %w", err)
	}
	return nil
}

// keyText returns what the calibration depends on.
func keyText(key lab.CalibrationKey) string {
	var t table.Text
	t.Row("  host", key.Host)
	t.Row("  CPU", key.CPUModel)
	t.Row("  kernel", key.Kernel)
	t.Row("  CPUs (generator|server)", key.Layout)
	t.Row("  generator", string(key.Generator))
	return t.String()
}

// generatorText returns the limits of the generator.
func generatorText(c lab.Calibration) string {
	var t table.Text
	t.Row("  ceiling", fmt.Sprintf("%.0f req/s", c.CeilingRPS),
		cpuPerHitText(c.CPUPerHit)+"closed loop against a null server; a figure near it is a bound")
	addSendLags(&t, "  offered, Poisson", c.SendLags)
	addSendLags(&t, "  the same, waiting", c.WaitingSendLags)
	return t.String()
}

// cpuPerHitText returns the generator's CPU time for each hit, or "" if it is not known.
func cpuPerHitText(cost time.Duration) string {
	if cost == 0 {
		return ""
	}
	return fmt.Sprintf("%.2f µs of CPU per hit; ", float64(cost)/float64(time.Microsecond))
}

// addSendLags adds the send lags of one mode of the generator under a title.
func addSendLags(t *table.Text, title string, lags []lab.SendLagBaseline) {
	if len(lags) > 0 {
		t.Row(title, "sent", "send lag p99", "corrected p50")
	}
	for _, l := range lags {
		t.Row(fmt.Sprintf("  %.0f req/s", l.RateRPS), fmt.Sprintf("%.4f", l.SentRatio),
			fmt.Sprintf("%.3f ms", l.LagP99MS), fmt.Sprintf("%.3f ms", l.CorrectedP50MS))
	}
}

// hostText returns the costs and the speed of the host, and what the instrument measured of servers
// with known figures.
func hostText(c lab.Calibration) string {
	var t table.Text
	t.Row("  cost of a sleep", fmt.Sprintf("%.1f µs  of CPU, each time a server goes idle and wakes up",
		float64(c.SleepCost)/float64(time.Microsecond)))
	interrupts := "accounted to the threads that they interrupt"
	if c.SeparateIRQTime {
		interrupts = "accounted separately, not to threads"
	}
	t.Row("  interrupts", interrupts)
	t.Row("canary", "median", "p99", "n")
	for _, q := range c.CanaryBaselines {
		t.Row(fmt.Sprintf("  CPU %d", q.CPU), fmt.Sprintf("%.2f ms", milliseconds(q.Median)),
			fmt.Sprintf("%.2f ms", milliseconds(q.P99)), strconv.Itoa(q.N))
	}
	if len(c.ServiceTimeChecks) > 0 {
		t.Row("service time, p50", "by the server", "measured", "error")
	}
	for _, r := range c.ServiceTimeChecks {
		t.Row("  reference", fmt.Sprintf("%.3f ms", r.ServerP50MS), fmt.Sprintf("%.3f ms", r.MeasuredP50MS),
			fmt.Sprintf("%+.3f ms (%+.1f%%)", r.MeasuredP50MS-r.ServerP50MS,
				100*(r.MeasuredP50MS/r.ServerP50MS-1)))
	}
	if c.KnownRatio.N > 0 {
		expected, measured := c.KnownRatio.Expected, c.KnownRatio.Measured
		t.Row("known ratio", "true", "measured", "error")
		t.Row("  of CPU work", fmt.Sprintf("%.3f", expected), fmt.Sprintf("%.3f", measured),
			fmt.Sprintf("%+.2f%%", 100*(measured/expected-1)),
			fmt.Sprintf("median of %d pairs of trials", c.KnownRatio.N))
	}
	addCrossChecks(&t, c.CrossChecks)
	return t.String()
}

// addCrossChecks adds what the generator and another one measured of the same servers.
func addCrossChecks(t *table.Text, checks []lab.CrossCheck) {
	if len(checks) > 0 {
		t.Row("by another generator", checks[0].By, "measured", "difference", "95 % interval", "allowed", "")
	}
	for _, c := range checks {
		value := func(x float64) string {
			switch c.Quantity {
			case lab.LatencyCheck:
				return fmt.Sprintf("%.3f ms", x)
			case lab.ThroughputCheck:
				return fmt.Sprintf("%.1f req/s", x)
			}
			return fmt.Sprintf("%.4f", x)
		}
		mark := "passed"
		if !c.Passed {
			mark = "FAILED"
		}
		d := c.Difference
		t.Row(fmt.Sprintf("  %s, %.4g ms", c.Quantity, c.ServiceMS), value(c.Other), value(c.Measured),
			fmt.Sprintf("%+.2f%%", 100*d.Value), fmt.Sprintf("[%+.2f%%, %+.2f%%]", 100*d.Low, 100*d.High),
			fmt.Sprintf("%.2f%%", 100*c.Limit), mark)
	}
}
