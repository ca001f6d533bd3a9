package gate

import (
	"cmp"
	"time"

	"runtimelab/lab"
	"runtimelab/lab/metric"
)

// disturbed returns a result if something that the server cannot cause influenced
// the sample, or nil. If several rules apply, it returns the result of the first.
func disturbed(s lab.Sample, saturation float64, c lab.Calibration) *lab.GateResult {
	return cmp.Or(
		clockStepped(*s.Measured), stoppedCanary(s.Canaries), outside(*s.Measured, c), biasedRate(s, c),
		biasedDoubling(s, saturation, c), falseOverload(*s.Measured), slowCanary(s, c),
	)
}

// clockStepped returns a result if the wall clock was set: the cold start lies
// between two readings of it.
func clockStepped(w lab.Window) *lab.GateResult {
	if step := w.Accounts.ClockStep; step.Abs() > MaxClockStep {
		return newResult(lab.Disturbed, "the machine's clock was set by %+.2f s during the trial (limit %.2f s)",
			step.Seconds(), MaxClockStep.Seconds())
	}
	return nil
}

// outside returns a result if a CPU quota or other work influenced a window.
func outside(w lab.Window, c lab.Calibration) *lab.GateResult {
	return cmp.Or(throttled(w), stoppedGenerator(w), foreignCPU(w, c))
}

// biasedRate returns a result if something outside the cell influenced a missed
// step of a search: the capacity follows from it. A step that met the SLO in spite
// of that counts, except for the last, whose figures are those of the sample.
func biasedRate(s lab.Sample, c lab.Calibration) *lab.GateResult {
	if s.Search == nil {
		return nil
	}
	for _, step := range s.Search.Steps {
		if step.SLOMet || step.Window == nil {
			continue
		}
		if result := outside(*step.Window, c); result != nil {
			return newResult(lab.Disturbed, "at %.0f/s %s", step.OfferedRPS, result.Reason)
		}
	}
	return nil
}

// biasedDoubling returns a result if something outside the cell influenced the
// attack on twice the connections, and that attack decides about the peak.
func biasedDoubling(s lab.Sample, saturation float64, c lab.Calibration) *lab.GateResult {
	if s.Doubled == nil || saturation >= MinServerSaturation {
		return nil
	}
	if result := outside(*s.Doubled, c); result != nil {
		return newResult(lab.Disturbed, "on twice the connections %s", result.Reason)
	}
	return nil
}

// falseOverload returns a result if the server served too much in an overload: it
// has become faster since its peak was measured.
func falseOverload(w lab.Window) *lab.GateResult {
	if !w.Phase.Overloads() || w.Phase.PeakShare.Fraction <= 1 {
		return nil
	}
	served, _ := metric.ThroughputRPS(w)
	limit := w.Phase.RateRPS / (1 + (w.Phase.PeakShare.Fraction-1)*MinOverload)
	if served <= limit {
		return nil
	}
	return newResult(lab.Disturbed,
		"%.0f of %.0f requests per second were answered, so the offered rate was not %.0f%% of the server's "+
			"peak (limit %.0f): the server is faster than when its peak was measured",
		served, w.Phase.RateRPS, 100*w.Phase.PeakShare.Fraction, limit)
}

// foreignCPU returns a result if other work used too much of a party's CPUs
// during the attack, or if that is unknown because a CPU went offline.
func foreignCPU(w lab.Window, c lab.Calibration) *lab.GateResult {
	type party struct {
		name  string
		cpus  []int
		ended bool // then its use of CPUs is unknown
	}
	parties := []party{
		{"generator", w.Layout.Generator, false}, {"server", w.Layout.Server, w.Accounts.Server.Ended},
	}
	for _, s := range w.Accounts.Beside {
		parties = append(parties, party{string(s.Role), s.CPUs, s.Ended})
	}
	shares := make([]float64, len(parties))
	for i, p := range parties {
		foreign, known := metric.ForeignRatioOn(w, p.cpus)
		if !known && !p.ended {
			return newResult(lab.Disturbed, "the use of the %s's CPUs by other work is unknown: "+
				"their counters could not be read", p.name)
		}
		// Going idle and waking up costs CPU time that no thread is charged for.
		shares[i] = foreign - metric.SleepRateOn(w, p.cpus)*c.SleepCost.Seconds()
	}
	for i, p := range parties {
		if shares[i] > MaxForeignCPU {
			return newResult(lab.Disturbed, "other work used %.1f%% of the %s's CPUs (limit %.1f%%)",
				100*shares[i], p.name, 100*MaxForeignCPU)
		}
	}
	return nil
}

// EstimateSleepCost returns the CPU time that is charged to no thread each time a
// server's CPU goes idle and wakes up. In a window without a neighbour, that is all
// time that was neither idle nor the server's. It returns 0 if it is unknown.
func EstimateSleepCost(quiet lab.Window) time.Duration {
	foreign, ok := metric.ForeignServerRatio(quiet)
	sleeps, known := metric.ServerSleepRate(quiet)
	if !ok || !known || sleeps == 0 {
		return 0
	}
	return time.Duration(foreign / sleeps * float64(time.Second))
}

// minInterruptShare is a share of a CPU above that of a neighbour in a quiet
// window, and below that of the interrupts of a generator at its ceiling (23 % on
// the development machine).
const minInterruptShare = 0.05

// DetectSeparateIRQTime reports whether the kernel charges interrupts to no thread.
// It takes windows of the generator at its ceiling without a neighbour: most of the
// interrupt time then appears as foreign CPU time.
func DetectSeparateIRQTime(quiet ...lab.Window) bool {
	for _, w := range quiet {
		interrupts, ok := metric.GeneratorInterruptRatio(w)
		foreign, known := metric.ForeignGeneratorRatio(w)
		if !ok || !known || interrupts < minInterruptShare || foreign < interrupts/2 {
			return false
		}
	}
	return len(quiet) > 0
}
