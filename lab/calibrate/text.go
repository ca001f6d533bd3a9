package calibrate

import (
	"fmt"
	"io"
	"text/tabwriter"
	"time"

	"runtimelab/lab"
)

// WriteText prints a calibration as a table for people.
func WriteText(w io.Writer, c lab.Calibration) error {
	t := tabwriter.NewWriter(w, 0, 0, 2, ' ', 0)
	fmt.Fprintf(t, "calibration of %s\n", c.MeasuredAt.UTC().Format(time.RFC3339))
	fmt.Fprintf(t, "  host\t%s\n  CPU\t%s\n  kernel\t%s\n  CPUs (generator|server)\t%s\n", c.Key.Host,
		c.Key.CPUModel, c.Key.Kernel, c.Key.Layout)
	fmt.Fprintf(t, "generator\n"+
		"  ceiling\t%.0f req/s\tclosed loop against a null server; a figure near it is a bound\n", c.CeilingRPS)
	if len(c.SendLags) > 0 {
		fmt.Fprintf(t, "  offered, Poisson\tsent\tsend lag p99\tcorrected p50\n")
		for _, l := range c.SendLags {
			fmt.Fprintf(t, "  %.0f req/s\t%.4f\t%.3f ms\t%.3f ms\n", l.RateRPS, l.SentRatio, l.LagP99MS,
				l.CorrectedP50MS)
		}
	}
	fmt.Fprintf(t, "host\n  cost of a sleep\t%.1f µs\tof CPU, each time a server goes idle and wakes up\n",
		float64(c.SleepCost)/float64(time.Microsecond))
	interrupts := "accounted to the threads that they interrupt"
	if c.SeparateIRQTime {
		interrupts = "accounted separately, not to threads"
	}
	fmt.Fprintf(t, "  interrupts\t%s\n", interrupts)
	fmt.Fprintf(t, "canary\tmedian\tp99\tn\n")
	for _, q := range c.CanaryBaselines {
		fmt.Fprintf(t, "  CPU %d\t%.2f ms\t%.2f ms\t%d\n", q.CPU, milliseconds(q.Median), milliseconds(q.P99), q.N)
	}
	if len(c.ServiceTimeChecks) > 0 {
		fmt.Fprintf(t, "service time, p50\tby the server\tmeasured\terror\n")
		for _, r := range c.ServiceTimeChecks {
			fmt.Fprintf(t, "  reference\t%.3f ms\t%.3f ms\t%+.3f ms (%+.1f%%)\n",
				r.ServerP50MS, r.MeasuredP50MS, r.MeasuredP50MS-r.ServerP50MS, 100*(r.MeasuredP50MS/r.ServerP50MS-1))
		}
	}
	if c.KnownRatio.N > 0 {
		expected, measured := c.KnownRatio.Expected, c.KnownRatio.Measured
		fmt.Fprintf(t, "known ratio\ttrue\tmeasured\terror\n")
		fmt.Fprintf(t, "  of CPU work\t%.3f\t%.3f\t%+.2f%%\tmedian of %d pairs of trials\n",
			expected, measured, 100*(measured/expected-1), c.KnownRatio.N)
		fmt.Fprintf(t, "noise\n  between trials\t%.2f%%\tcoefficient of variation of one reference server's peak\n",
			100*c.TrialCV)
	}
	if err := t.Flush(); err != nil {
		return fmt.Errorf("printing the calibration: %w", err)
	}
	return nil
}
