package gate

import (
	"runtimelab/lab"
	"runtimelab/lab/metric"
)

// censored returns a result if the figure is only a bound, because something else
// than the server was the limit.
func censored(s lab.Sample, c lab.Calibration) *lab.GateResult {
	if s.Phase.Kind.Traits().FindsCapacity() {
		return capacityBound(s)
	}
	if result := generatorLimit(s, c); result != nil {
		return result
	}
	if !s.Phase.Kind.Traits().FindsPeak || isSaturated(s) {
		return nil
	}
	return unsaturated(s, c)
}

// unsaturated returns a result if the server was not the limit of a peak: its CPUs
// were not saturated, and twice the connections do not prove another limit in it.
func unsaturated(s lab.Sample, c lab.Calibration) *lab.GateResult {
	saturation, _ := metric.SaturationRatio(s)
	gain, tried := metric.DoublingGain(s)
	if !tried {
		return newResult(lab.Censored, "unsaturated: the server was at %.0f%% of its limit (needed: %.0f%%)",
			100*saturation, 100*MinServerSaturation)
	}
	doubled := withDoubleConnections(s)
	// More failures on twice the connections may hide a gain.
	if errorRatio(doubled) > errorRatio(s)+metric.MostFailed {
		return newResult(lab.Censored,
			"unsaturated: the server was at %.0f%% of its limit (needed: %.0f%%), and on twice the connections "+
				"%.1f%% of requests failed",
			100*saturation, 100*MinServerSaturation, 100*errorRatio(doubled))
	}
	if gain >= MaxDoublingGain {
		return newResult(lab.Censored,
			"unsaturated: the server was at %.0f%% of its limit (needed: %.0f%%), and twice the connections brought "+
				"%.1f%% more",
			100*saturation, 100*MinServerSaturation, 100*gain)
	}
	return generatorLimit(doubled, c) // it may be the reason for the missing gain
}

// errorRatio returns the share of the sample's requests that failed.
func errorRatio(s lab.Sample) float64 {
	ratio, _ := metric.ErrorRatio(s)
	return ratio
}

// capacityBound returns a result if the capacity may be higher than the confirmed
// rate: the next rate was missed because of the instrument, was too far above, or
// was never tried. The instrument's load at a rate that met the SLO does not matter.
func capacityBound(s lab.Sample) *lab.GateResult {
	kept, ok := metric.CapacityRPS(s)
	if !ok {
		return nil // no confirmed rate, so no bound
	}
	var next *lab.SearchStep // the lowest missed rate above kept
	for i, step := range s.Search.Steps {
		if !step.SLOMet && step.OfferedRPS > kept && (next == nil || step.OfferedRPS < next.OfferedRPS) {
			next = &s.Search.Steps[i]
		}
	}
	switch {
	case next == nil:
		return newResult(lab.Censored, "search: it ended before it reached a rate that misses the SLO")
	case next.InstrumentLimit != "":
		return newResult(lab.Censored, "%s, at %.0f/s", next.InstrumentLimit, next.OfferedRPS)
	case next.OfferedRPS > kept*MaxRateGap:
		return newResult(lab.Censored,
			"search: it ended before it confirmed a rate between %.0f/s (kept) and %.0f/s (missed)",
			kept, next.OfferedRPS)
	}
	return nil
}

// InstrumentLimit returns which part of the instrument was at its limit in a step
// of a search, so that a missed objective may not be due to the server. It returns
// "" if none was.
func InstrumentLimit(step lab.Sample, c lab.Calibration) string {
	if result := generatorLimit(step, c); result != nil {
		return result.Reason
	}
	return ""
}

// generatorLimit returns a result if the generator or the upstream may have been
// the limit. Near the ceiling the generator's own throughput counts, whatever the
// server's CPUs show: the server may spin. In a closed loop a busy generator does
// not matter if the server is saturated.
func generatorLimit(s lab.Sample, c lab.Calibration) *lab.GateResult {
	if rps, ok := metric.ThroughputRPS(s); ok && c.CeilingRPS > 0 && rps >= CeilingThreshold*c.CeilingRPS {
		return newResult(lab.Censored,
			"generator: %.0f requests per second are %.0f%% of its ceiling of %.0f (limit %.0f%%)",
			rps, 100*rps/c.CeilingRPS, c.CeilingRPS, 100*CeilingThreshold)
	}
	generator, _ := metric.GeneratorCPURatio(s)
	upstream, _ := metric.UpstreamCPURatio(s)
	busy := generator + upstream
	switch {
	case s.Layout.SharesCPUs() && busy > MaxSharedGeneratorCPU:
		return newResult(lab.Censored,
			"generator: it used %.1f%% of a CPU that it shares with the server (limit %.0f%%)",
			100*busy, 100*MaxSharedGeneratorCPU)
	case upstream > MaxUpstreamCPU:
		return newResult(lab.Censored,
			"upstream: it used %.0f%% of its CPU (limit %.0f%%), so its own queueing is in the server's latency",
			100*upstream, 100*MaxUpstreamCPU)
	}
	if busy < GeneratorCPUThreshold || !s.Phase.Kind.IsOpenLoop() && isSaturated(s) {
		return nil
	}
	saturation, _ := metric.SaturationRatio(s)
	return newResult(lab.Censored,
		"generator: it used %.0f%% of its CPUs (limit %.0f%%), and the server was at %.0f%% of its limit",
		100*busy, 100*GeneratorCPUThreshold, 100*saturation)
}
