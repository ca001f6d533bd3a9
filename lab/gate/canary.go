package gate

import (
	"slices"
	"time"

	"runtimelab/lab"
	"runtimelab/lab/stat"
)

// slowCanary returns a result if a canary before or after the attack was slow.
func slowCanary(s lab.Sample, c lab.Calibration) *lab.GateResult {
	baselines := slices.Concat(s.Canaries.Baselines, c.CanaryBaselines) // the first of a CPU counts
	for _, round := range []struct {
		when      string
		canaries  []lab.Canary
		serverCPU time.Duration
	}{
		{"before", s.Canaries.Before, s.Canaries.ServerCPUBefore},
		{"after", s.Canaries.After, s.Canaries.ServerCPUAfter},
	} {
		for _, canary := range round.canaries {
			took := CanaryTimeWithoutServer(canary, s.Layout, round.serverCPU)
			if result := checkCanary(canary.CPU, took, round.when, baselines); result != nil {
				return result
			}
		}
	}
	return nil
}

// checkCanary returns a result if a canary took longer than the baseline of its
// CPU allows.
func checkCanary(cpu int, took time.Duration, when string, baselines []lab.CanaryBaseline) *lab.GateResult {
	i := slices.IndexFunc(baselines, func(b lab.CanaryBaseline) bool { return b.CPU == cpu })
	if i < 0 {
		return nil
	}
	limit := time.Duration(float64(baselines[i].P99) * CanaryTolerance)
	if took <= limit {
		return nil
	}
	return newResult(lab.Disturbed,
		"the canary on CPU %d took %.1f ms %s the attack (limit %.1f ms, %.0f%% above the 99th percentile of "+
			"its baseline)",
		cpu, milliseconds(took), when, milliseconds(limit), 100*(CanaryTolerance-1))
}

// CanaryTimeWithoutServer returns the canary's time minus the CPU time that the
// server used meanwhile, if the canary ran on one of the server's CPUs.
func CanaryTimeWithoutServer(c lab.Canary, l lab.Layout, server time.Duration) time.Duration {
	if slices.Contains(l.Server, c.CPU) {
		return c.WallTime - server
	}
	return c.WallTime
}

// EstimateCanaryBaseline returns the baseline of a CPU from its last canaries. The
// 99th percentile is that of a normal distribution with their median and median
// absolute deviation, which up to half of them may disturb (Hampel, "The Influence
// Curve and Its Role in Robust Estimation", Journal of the American Statistical
// Association 69, 1974).
func EstimateCanaryBaseline(cpu int, took []time.Duration) lab.CanaryBaseline {
	median := medianDuration(took)
	deviations := make([]time.Duration, len(took))
	for i, t := range took {
		deviations[i] = (t - median).Abs()
	}
	// Of a normal distribution: standard deviation in MADs, 99th percentile in standard deviations.
	const sd, p99 = 1.4826, 2.3263
	spread := sd * p99 * float64(medianDuration(deviations))
	return lab.CanaryBaseline{CPU: cpu, N: len(took), Median: median, P99: median + time.Duration(spread)}
}

// medianDuration returns the median of durations, which must not be empty.
func medianDuration(durations []time.Duration) time.Duration {
	values := make([]float64, len(durations))
	for i, d := range durations {
		values[i] = float64(d)
	}
	return time.Duration(stat.Median(values))
}

func milliseconds(d time.Duration) float64 { return float64(d) / float64(time.Millisecond) }
