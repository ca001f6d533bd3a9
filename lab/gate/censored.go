package gate

import (
	"cmp"

	"runtimelab/lab"
	"runtimelab/lab/metric"
)

// censored returns a result if the figure is only a bound, because something else
// than the server was the limit.
func censored(s lab.Sample, saturation float64, c lab.Calibration) *lab.GateResult {
	if s.Phase.Kind.Traits().FindsCapacity() {
		return cmp.Or(capacityBound(s), lateGenerator(*s.Measured, saturation, c, shortestLatency))
	}
	if result := otherLimit(*s.Measured, saturation, c); result != nil {
		return result
	}
	if result := lateGenerator(*s.Measured, saturation, c, shortestLatency); result != nil {
		return result
	}
	if !s.Phase.Kind.Traits().FindsPeak || saturation >= MinServerSaturation {
		return nil
	}
	return unsaturated(*s.Measured, s.Doubled, saturation, c)
}

// unsaturated returns a result if the server was not the limit of a peak: its CPUs
// were not saturated, and twice the connections do not prove another limit in it.
// doubled is nil if they were not tried.
func unsaturated(w lab.Window, doubled *lab.Window, saturation float64, c lab.Calibration) *lab.GateResult {
	gain, tried := 0.0, false
	if doubled != nil {
		gain, tried = metric.DoublingGain(w, *doubled)
	}
	if !tried {
		return newResult(lab.Censored, "unsaturated: the server was at %.0f%% of its limit (needed: %.0f%%)",
			100*saturation, 100*MinServerSaturation)
	}
	errors, _ := metric.ErrorRatio(w)
	doubledErrors, _ := metric.ErrorRatio(*doubled)
	// More failures on twice the connections may hide a gain.
	if doubledErrors > errors+metric.MostFailed {
		return newResult(lab.Censored,
			"unsaturated: the server was at %.0f%% of its limit (needed: %.0f%%), and on twice the connections "+
				"%.1f%% of requests failed",
			100*saturation, 100*MinServerSaturation, 100*doubledErrors)
	}
	if gain >= MaxDoublingGain {
		return newResult(lab.Censored,
			"unsaturated: the server was at %.0f%% of its limit (needed: %.0f%%), and twice the connections brought "+
				"%.1f%% more",
			100*saturation, 100*MinServerSaturation, 100*gain)
	}
	return otherLimit(*doubled, saturationOf(*doubled), c) // it may be the reason for the missing gain
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
func InstrumentLimit(step lab.Window, c lab.Calibration) string {
	saturation := saturationOf(step)
	if result := cmp.Or(
		otherLimit(step, saturation, c), lateGenerator(step, saturation, c, tailLatency),
	); result != nil {
		return result.Reason
	}
	return ""
}

// otherLimit returns a result if something else than the server may have been the limit: the
// generator, or a service beside the server.
func otherLimit(w lab.Window, saturation float64, c lab.Calibration) *lab.GateResult {
	return cmp.Or(ceilingLimit(w, c), sharedCPULimit(w), serviceLimit(w), generatorCPULimit(w, saturation))
}

// ceilingLimit returns a result if the throughput is near the generator's ceiling. It counts
// whatever the server's CPUs show: the server may spin.
func ceilingLimit(w lab.Window, c lab.Calibration) *lab.GateResult {
	rps, ok := metric.ThroughputRPS(w)
	if !ok || c.CeilingRPS <= 0 || rps < CeilingThreshold*c.CeilingRPS {
		return nil
	}
	return newResult(lab.Censored,
		"generator: %.0f requests per second are %.0f%% of its ceiling of %.0f (limit %.0f%%)",
		rps, 100*rps/c.CeilingRPS, c.CeilingRPS, 100*CeilingThreshold)
}

// sharedCPULimit returns a result if the generator shares a CPU with the server, and used too much
// of it together with the services beside it.
func sharedCPULimit(w lab.Window) *lab.GateResult {
	busy := metric.GeneratorSideCPURatio(w)
	if !w.Layout.SharesCPUs() || busy <= MaxSharedGeneratorCPU {
		return nil
	}
	return newResult(lab.Censored,
		"generator: it used %.1f%% of a CPU that it shares with the server (limit %.0f%%)",
		100*busy, 100*MaxSharedGeneratorCPU)
}

// generatorCPULimit returns a result if the generator's CPUs were busy. In a closed loop they do
// not matter if the server is saturated.
func generatorCPULimit(w lab.Window, saturation float64) *lab.GateResult {
	busy := metric.GeneratorSideCPURatio(w)
	if busy < GeneratorCPUThreshold || !w.Phase.Kind.IsOpenLoop() && saturation >= MinServerSaturation {
		return nil
	}
	return newResult(lab.Censored,
		"generator: it used %.0f%% of its CPUs (limit %.0f%%), and the server was at %.0f%% of its limit",
		100*busy, 100*GeneratorCPUThreshold, 100*saturation)
}
