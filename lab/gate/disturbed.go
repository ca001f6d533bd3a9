package gate

import (
	"time"

	"runtimelab/lab"
	"runtimelab/lab/metric"
)

// disturbed returns a result if something that the server cannot cause influenced
// the sample, or nil. If several rules apply, it returns the result of the first.
func disturbed(s lab.Sample, c lab.Calibration) *lab.GateResult {
	return firstResult(s, c, clockStepped, stoppedCanary, outside, biasedRate, biasedDoubling, falseOverload,
		slowCanary)
}

// clockStepped returns a result if the wall clock was set: the cold start lies
// between two readings of it.
func clockStepped(s lab.Sample, _ lab.Calibration) *lab.GateResult {
	if step := s.Attack.After.ClockStep; step.Abs() > MaxClockStep {
		return newResult(lab.Disturbed, "the machine's clock was set by %+.2f s during the trial (limit %.2f s)",
			step.Seconds(), MaxClockStep.Seconds())
	}
	return nil
}

// outside returns a result if a CPU quota or other work influenced the attack.
func outside(s lab.Sample, c lab.Calibration) *lab.GateResult {
	return firstResult(s, c, throttled, stoppedGenerator, foreignCPU)
}

// biasedRate returns a result if something outside the cell influenced a missed
// step of a search: the capacity follows from it. A step that met the SLO in spite
// of that counts, except for the last, whose figures are those of the sample.
func biasedRate(s lab.Sample, c lab.Calibration) *lab.GateResult {
	if s.Search == nil {
		return nil
	}
	for _, step := range s.Search.Steps {
		if step.SLOMet || step.Attack == nil {
			continue
		}
		s.Attack, s.ServerUsage = step.Attack, step.Server
		if result := outside(s, c); result != nil {
			return newResult(lab.Disturbed, "at %.0f/s %s", step.OfferedRPS, result.Reason)
		}
	}
	return nil
}

// biasedDoubling returns a result if something outside the cell influenced the
// attack on twice the connections, and that attack decides about the peak.
func biasedDoubling(s lab.Sample, c lab.Calibration) *lab.GateResult {
	if s.DoubleConnections == nil || isSaturated(s) {
		return nil
	}
	if result := outside(withDoubleConnections(s), c); result != nil {
		return newResult(lab.Disturbed, "on twice the connections %s", result.Reason)
	}
	return nil
}

// falseOverload returns a result if the server served too much in an overload: it
// has become faster since its peak was measured.
func falseOverload(s lab.Sample, _ lab.Calibration) *lab.GateResult {
	if !s.Phase.Overloads() || s.Phase.PeakShare.Fraction <= 1 {
		return nil
	}
	served, _ := metric.ThroughputRPS(s)
	limit := s.Phase.RateRPS / (1 + (s.Phase.PeakShare.Fraction-1)*MinOverload)
	if served <= limit {
		return nil
	}
	return newResult(lab.Disturbed,
		"%.0f of %.0f requests per second were answered, so the offered rate was not %.0f%% of the server's "+
			"peak (limit %.0f): the server is faster than when its peak was measured",
		served, s.Phase.RateRPS, 100*s.Phase.PeakShare.Fraction, limit)
}

// foreignCPU returns a result if other work used too much of either side's CPUs
// during the attack, or if that is unknown because a CPU went offline.
func foreignCPU(s lab.Sample, c lab.Calibration) *lab.GateResult {
	const unknown = "the use of the %s's CPUs by other work is unknown: their counters could not be read"
	generator, known := metric.ForeignGeneratorRatio(s)
	if !known {
		return newResult(lab.Disturbed, unknown, "generator")
	}
	server, known := metric.ForeignServerRatio(s)
	if !known && len(s.Attack.After.Threads) > 0 { // without threads the server itself has ended
		return newResult(lab.Disturbed, unknown, "server")
	}
	// Going idle and waking up costs CPU time that no thread is charged for.
	serverSleeps, _ := metric.ServerSleepRate(s)
	generatorSleeps, _ := metric.GeneratorSleepRate(s)
	if s.Layout.SharesCPUs() { // both ratios cover all CPUs together
		onGenerator, onServer := float64(len(s.Layout.Generator)), float64(len(s.Layout.Server))
		generatorSleeps = (generatorSleeps*onGenerator + serverSleeps*onServer) / float64(len(s.Layout.AllCPUs()))
		serverSleeps = generatorSleeps
	}
	server -= serverSleeps * c.SleepCost.Seconds()
	generator -= generatorSleeps * c.SleepCost.Seconds()
	for _, side := range []struct {
		name    string
		foreign float64
	}{{"generator", generator}, {"server", server}} {
		if side.foreign > MaxForeignCPU {
			return newResult(lab.Disturbed, "other work used %.1f%% of the %s's CPUs (limit %.1f%%)",
				100*side.foreign, side.name, 100*MaxForeignCPU)
		}
	}
	return nil
}

// EstimateSleepCost returns the CPU time that is charged to no thread each time a
// server's CPU goes idle and wakes up. In a sample without a neighbour, that is all
// time that was neither idle nor the server's. It returns 0 if it is unknown.
func EstimateSleepCost(quiet lab.Sample) time.Duration {
	foreign, ok := metric.ForeignServerRatio(quiet)
	sleeps, known := metric.ServerSleepRate(quiet)
	if !ok || !known || sleeps == 0 {
		return 0
	}
	return time.Duration(foreign / sleeps * float64(time.Second))
}

// minInterruptShare is a share of a CPU above that of a neighbour in a quiet
// sample, and below that of the interrupts of a generator at its ceiling (23 % on
// the development machine).
const minInterruptShare = 0.05

// DetectSeparateIRQTime reports whether the kernel charges interrupts to no thread.
// It takes samples of the generator at its ceiling without a neighbour: most of the
// interrupt time then appears as foreign CPU time.
func DetectSeparateIRQTime(quiet ...lab.Sample) bool {
	for _, s := range quiet {
		interrupts, ok := metric.GeneratorInterruptRatio(s)
		foreign, known := metric.ForeignGeneratorRatio(s)
		if !ok || !known || interrupts < minInterruptShare || foreign < interrupts/2 {
			return false
		}
	}
	return len(quiet) > 0
}
