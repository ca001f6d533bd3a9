package gate

import "runtimelab/lab"

// lateGenerator returns a result if the generator waits in the kernel, because it shares its CPU, and
// may be so late that this shows in a latency of the window. Its lateness is the calibrated one: the
// send lag of the window itself includes waiting for the server. A calibration without lags of this
// mode says nothing. In a closed loop with a saturated server requests wait for the server, however
// late the generator is.
func lateGenerator(
	w lab.Window, saturation float64, c lab.Calibration, latencyOf func(lab.AttackResult) (float64, string),
) *lab.GateResult {
	if !w.Layout.GeneratorShares() || len(c.WaitingSendLags) == 0 || w.Phase.Overloads() ||
		w.Attack.Elapsed <= 0 || !w.Phase.Kind.IsOpenLoop() && saturation >= MinServerSaturation {
		return nil
	}
	latency, name := latencyOf(w.Attack)
	if name == "" {
		return nil // no latency to protect
	}
	rate := float64(w.Attack.Sent) / w.Attack.Elapsed.Seconds()
	lag, known := waitingSendLag(c.WaitingSendLags, rate)
	switch {
	case !known:
		return newResult(lab.Censored, "generator: it waits in the kernel, and how late it then sends "+
			"%.0f requests per second is not calibrated", rate)
	case lag >= MaxSendLagShare*latency:
		return newResult(lab.Censored, "generator: it waits in the kernel and sends up to %.3f ms late, which is "+
			"%.1f%% of the %s of %.3f ms (limit %.0f%%)",
			lag, 100*lag/latency, name, latency, 100*MaxSendLagShare)
	}
	return nil
}

// waitingSendLag returns the 99th percentile of the send lag at a rate, in milliseconds: the larger one
// of the calibrated rates on either side of it. It is unknown above the highest calibrated rate.
func waitingSendLag(lags []lab.SendLagBaseline, rate float64) (ms float64, known bool) {
	for i, l := range lags {
		if l.RateRPS < rate {
			continue
		}
		if i > 0 {
			return max(lags[i-1].LagP99MS, l.LagP99MS), true
		}
		return l.LagP99MS, true
	}
	return 0, false
}

// shortestLatency returns the latency of a window that lateness distorts most, and its name: the median
// time to the first byte, or the mean of too few requests for a median. The name is empty without one.
func shortestLatency(a lab.AttackResult) (ms float64, name string) {
	switch l := a.FirstByte; {
	case l == nil || l.Count == 0:
		return 0, ""
	case l.P50MS == nil:
		return l.MeanMS, "mean time to the first byte"
	default:
		return *l.P50MS, "median time to the first byte"
	}
}

// tailLatency returns the 99th percentile of a window's latency, and its name: what the objectives of a
// search are about. The name is empty without one.
func tailLatency(a lab.AttackResult) (ms float64, name string) {
	if l := a.Corrected; l != nil && l.P99MS != nil {
		return *l.P99MS, "99th percentile of the latency"
	}
	return 0, ""
}
