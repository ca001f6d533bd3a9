// Package gate decides what a sample is worth: valid, censored (a bound),
// disturbed (by something that the server cannot cause) or failed, each with a
// reason in words and the number that decided. What the server can cause
// (errors, shortfall, a slow answer) is an outcome and no reason to discard.
package gate

import (
	"fmt"
	"slices"
	"time"

	"runtimelab/lab"
	"runtimelab/lab/metric"
	"runtimelab/lab/stat"
)

// The thresholds, in one place.
const (
	// MinServerSaturation is the saturation from which a server counts as the limit
	// of a peak, and MaxDoublingGain what twice the connections may bring at the most to
	// one that is limited by something else (design.md, protocol point 7).
	MinServerSaturation = 0.95
	MaxDoublingGain     = 0.03

	// CeilingThreshold is the share of the generator's calibrated ceiling from which
	// a throughput may be the generator's: the ceiling itself varies by up to a
	// tenth between attacks (lab calibrate).
	CeilingThreshold = 0.90

	// GeneratorCPUThreshold is the share of its CPUs from which the generator may
	// be the limit: at 90 % of a core its own queueing shows in latencies, as
	// waiting time grows with 1/(1-utilisation).
	GeneratorCPUThreshold = 0.90

	// MaxForeignCPU is the share of either side's CPUs that others may take. It
	// lies between the 5 % that are counted and the 10 % that are to be found;
	// without a neighbour less than 3 % is read (make bench, BenchmarkNeighbour).
	MaxForeignCPU = 0.075

	// CanaryTolerance is by how much a canary may exceed the 99th percentile of
	// the usual ones: with four canaries to a phase, one in twenty-five phases
	// would otherwise be disturbed by the definition of a percentile.
	CanaryTolerance = 1.05

	// CanaryWindow is by how many canaries, the last on a CPU, it is known what is
	// usual there, and MinCanaries by how many at the least. A machine's pace
	// changes within an hour by more than canaries in a row differ: one that was
	// calibrated in its best minute would be disturbed ever after, and one that was
	// in its worst never. What is slow for all trials of a block is in no ratio.
	CanaryWindow = 40
	MinCanaries  = 20

	// MaxSharedGeneratorCPU is the share of a CPU that generator and upstream may use
	// where it is one of the server's (design.md, protocol point 13).
	MaxSharedGeneratorCPU = 0.02

	// MaxUpstreamCPU is the share of its CPU from which an upstream's own queueing
	// may be in the latencies: at half a CPU requests wait for as long as they are
	// served, by the formula of a single queue.
	MaxUpstreamCPU = 0.50

	// MaxClockStep is by how much a machine's time of day may be set during a trial.
	// Where it is slewed, the clock that it is told from is too (clock_gettime(2)).
	MaxClockStep = 50 * time.Millisecond

	// MaxRateGap is how far above a capacity the next rate, which was missed, may
	// lie: as far as one that was not confirmed is lowered.
	MaxRateGap = 1.10

	// MinOverload is the share of what is offered beyond a server's peak that must
	// be beyond what it serves in that phase, too, and not only when the peak was found.
	MinOverload = 0.5

	// Steal is no gate, although the server's neighbours cause it: so does the
	// server. Where a virtual machine's idle exits are slow, a ping-pong between
	// two CPUs that nobody else uses reads 35 % stolen, a burn on both 1 %. What
	// is stolen from a CPU that works is in MaxForeignCPU.
)

// Judge says what the sample is worth on a machine of which c is known: by a
// zero Calibration no ceiling is approached, and no canary judged of which the sample
// does not say what is usual. Rules apply
// in order: a trial that failed is nothing else, and one that was disturbed
// proves no limit.
func Judge(s lab.Sample, c lab.Calibration) lab.GateResult {
	for _, rule := range []func(lab.Sample, lab.Calibration) *lab.GateResult{failed, disturbed, censored} {
		if g := rule(s, c); g != nil {
			return *g
		}
	}
	return lab.GateResult{Validity: lab.Valid}
}

// NeedsDoubleConnections reports whether only twice the connections can tell what the sample
// is worth: a peak at which neither side's CPUs were the limit.
func NeedsDoubleConnections(s lab.Sample, c lab.Calibration) bool {
	return s.Phase.Kind == lab.Peak && s.DoubleConnections == nil && failed(s, c) == nil && disturbed(s,
		c) == nil &&
		!isSaturated(s) && generatorLimit(s, c) == nil
}

// InstrumentLimit says what of the instrument was at its limit when a step of a search
// missed its objectives, so that the miss may not be the server's; empty where
// nothing was.
func InstrumentLimit(step lab.Sample, c lab.Calibration) string {
	if g := generatorLimit(step, c); g != nil {
		return g.Reason
	}
	return ""
}

// FailedBecause is the verdict on a sample whose trial broke before or during its phase.
func FailedBecause(reason string) lab.GateResult {
	return lab.GateResult{Validity: lab.Failed, Reason: reason}
}

// DisturbedBecause is the verdict on a sample whose trial was broken off by something that
// its server cannot have caused.
func DisturbedBecause(reason string) lab.GateResult {
	return lab.GateResult{Validity: lab.Disturbed, Reason: reason}
}

func failed(s lab.Sample, _ lab.Calibration) *lab.GateResult {
	switch {
	case s.Attack == nil:
		return newResult(lab.Failed, "nothing was measured")
	case s.Attack.Sent == 0:
		return newResult(lab.Failed, "not one request was sent")
	case s.Attack.Succeeded == 0 && !anyStepAnswered(s):
		return newResult(lab.Failed, "not one of %d requests succeeded: %s", s.Attack.Sent,
			mostFrequent(s.Attack.Errors))
	case !slices.Equal(s.Attack.GeneratorCPUs, s.Layout.Generator):
		return newResult(lab.Failed, "the generator ran on CPUs %s instead of %s",
			lab.CPUList(s.Attack.GeneratorCPUs), lab.CPUList(s.Layout.Generator))
	case !s.ServerUsage.Known:
		return newResult(lab.Failed, "the server's usage could not be read")
	case s.Upstream != nil && s.Upstream.Calls < s.Attack.Succeeded:
		return newResult(lab.Failed, "the server gave %d answers with only %d calls of its upstream",
			s.Attack.Succeeded, s.Upstream.Calls)
	}
	return nil
}

// anyStepAnswered reports whether any step of a search had an answer: one that had none
// may be the server's outcome at that rate.
func anyStepAnswered(s lab.Sample) bool {
	return s.Search != nil && slices.ContainsFunc(s.Search.Steps, func(step lab.SearchStep) bool {
		return step.Attack != nil && step.Attack.Succeeded > 0
	})
}

func disturbed(s lab.Sample, c lab.Calibration) *lab.GateResult {
	for _, rule := range []func(lab.Sample, lab.Calibration) *lab.GateResult{
		clockStepped, stoppedCanary, outside, biasedRate, biasedDoubling, falseOverload, slowCanary,
	} {
		if g := rule(s, c); g != nil {
			return g
		}
	}
	return nil
}

// clockStepped says that the time of day was set: the cold start lies between two
// readings of it.
func clockStepped(s lab.Sample, _ lab.Calibration) *lab.GateResult {
	if step := s.Attack.After.ClockStep; step.Abs() > MaxClockStep {
		return newResult(lab.Disturbed, "the machine's clock was set by %+.2f s during the trial (limit %.2f s)",
			step.Seconds(), MaxClockStep.Seconds())
	}
	return nil
}

// biasedRate says that others took part in a step of a search that missed its
// objectives: a capacity follows from these. One that kept them in spite of others
// is none the worse, but for the last, whose figures are the sample's.
func biasedRate(s lab.Sample, c lab.Calibration) *lab.GateResult {
	if s.Search == nil {
		return nil
	}
	for _, step := range s.Search.Steps {
		if step.SLOMet || step.Attack == nil {
			continue
		}
		s.Attack, s.ServerUsage = step.Attack, step.Server
		if g := outside(s, c); g != nil {
			return newResult(lab.Disturbed, "at %.0f/s %s", step.OfferedRPS, g.Reason)
		}
	}
	return nil
}

// biasedDoubling says that others took part while a peak was tried on twice the
// connections, and twice the connections are what tells what it is worth.
func biasedDoubling(s lab.Sample, c lab.Calibration) *lab.GateResult {
	if s.DoubleConnections == nil || isSaturated(s) {
		return nil
	}
	if g := outside(withDoubleConnections(s), c); g != nil {
		return newResult(lab.Disturbed, "on twice the connections %s", g.Reason)
	}
	return nil
}

// falseOverload says that a phase which is to offer more than its server can serve did
// not: the server serves more now than when its peak was found.
func falseOverload(s lab.Sample, _ lab.Calibration) *lab.GateResult {
	if !s.Phase.Overloads() {
		return nil
	}
	served, _ := metric.ThroughputRPS(s)
	if most := s.Phase.RateRPS / (1 +
		(s.Phase.PeakShare.Fraction-1)*MinOverload); s.Phase.PeakShare.Fraction > 1 && served > most {
		return newResult(lab.Disturbed,
			"%.0f of %.0f requests per second were answered, which are to be %.0f%% of the server's peak (limit "+
				"%.0f): it serves more than when that was found",
			served, s.Phase.RateRPS, 100*s.Phase.PeakShare.Fraction, most)
	}
	return nil
}

// withDoubleConnections is the sample as it was on twice the connections.
func withDoubleConnections(s lab.Sample) lab.Sample {
	s.Attack, s.DoubleConnections = s.DoubleConnections, nil
	s.ServerUsage = s.DoubledServer
	return s
}

// foreignCPU says that others took a share of a side's CPUs during the attack, or
// that nobody knows, as of a CPU that was taken offline.
func foreignCPU(s lab.Sample, c lab.Calibration) *lab.GateResult {
	generator, known := metric.ForeignGeneratorRatio(s)
	if !known {
		return newResult(lab.Disturbed,
			"what others took of the generator's CPUs is not known: their counters could not be read")
	}
	server, known := metric.ForeignServerRatio(s)
	if !known && len(s.Attack.After.Threads) > 0 { // a server without threads has ended by itself
		return newResult(lab.Disturbed,
			"what others took of the server's CPUs is not known: their counters could not be read")
	}
	// To fall asleep and to wake takes a CPU time that is nobody's.
	sleeps, _ := metric.ServerSleepRate(s)
	own, _ := metric.GeneratorSleepRate(s)
	if s.Layout.SharesCPUs() { // both shares are of all CPUs together
		generators, servers := float64(len(s.Layout.Generator)), float64(len(s.Layout.Server))
		own = (own*generators + sleeps*servers) / float64(len(s.Layout.AllCPUs()))
		sleeps = own
	}
	server -= sleeps * c.SleepCost.Seconds()
	generator -= own * c.SleepCost.Seconds()
	for _, side := range []struct {
		name    string
		foreign float64
	}{{"generator", generator}, {"server", server}} {
		if side.foreign > MaxForeignCPU {
			return newResult(lab.Disturbed, "others took %.1f%% of the %s's CPUs (limit %.1f%%)", 100*side.foreign,
				side.name, 100*MaxForeignCPU)
		}
	}
	return nil
}

// slowCanary says that a canary was slow.
func slowCanary(s lab.Sample, c lab.Calibration) *lab.GateResult {
	for _, sung := range []struct {
		when     string
		canaries []lab.Canary
		server   time.Duration
	}{{"before", s.Canaries.Before, s.Canaries.ServerCPUBefore}, {
		"after", s.Canaries.After,
		s.Canaries.ServerCPUAfter,
	}} {
		for _, canary := range sung.canaries {
			usual := slices.Concat(s.Canaries.Baselines, c.CanaryBaselines) // the first of a CPU counts
			if g := checkCanary(canary.CPU, CanaryTimeWithoutServer(canary, s.Layout, sung.server), sung.when,
				usual); g != nil {
				return g
			}
		}
	}
	return nil
}

// EstimateSleepCost is the CPU time that goes to nobody each time a server's CPU falls
// asleep and wakes: in a sample without a neighbour, all that was neither idle
// nor the server's. It is 0 where that cannot be told.
func EstimateSleepCost(quiet lab.Sample) time.Duration {
	foreign, ok := metric.ForeignServerRatio(quiet)
	sleeps, known := metric.ServerSleepRate(quiet)
	if !ok || !known || sleeps == 0 {
		return 0
	}
	return time.Duration(foreign / sleeps * float64(time.Second))
}

// minInterruptShare is a share of a CPU that is more than a neighbour in a quiet
// sample takes, and less than the interrupts of a generator at its ceiling (23 %
// here).
const minInterruptShare = 0.05

// DetectSeparateIRQTime reports whether the kernel charges interrupts to no thread, by
// samples of the generator at its ceiling without a neighbour: most of what they
// took then seems to be nobody's.
func DetectSeparateIRQTime(quiet ...lab.Sample) bool {
	for _, s := range quiet {
		interrupts, ok := metric.GeneratorInterruptRatio(s)
		nobodys, known := metric.ForeignGeneratorRatio(s)
		if !ok || !known || interrupts < minInterruptShare || nobodys < interrupts/2 {
			return false
		}
	}
	return len(quiet) > 0
}

// CanaryTimeWithoutServer is how long a canary took, less what the server used meanwhile where it may
// have been on the canary's CPU.
func CanaryTimeWithoutServer(c lab.Canary, l lab.Layout, server time.Duration) time.Duration {
	if slices.Contains(l.Server, c.CPU) {
		return c.WallTime - server
	}
	return c.WallTime
}

// EstimateCanaryBaseline is how long canaries take on a CPU, by those that were last heard there. The
// 99th percentile is that of a normal distribution with their median and their
// median distance from it: up to half of them may have been disturbed, and tell
// nothing of the others (Hampel, "The Influence Curve and Its Role in Robust
// Estimation", Journal of the American Statistical Association 69, 1974).
func EstimateCanaryBaseline(cpu int, took []time.Duration) lab.CanaryBaseline {
	median := medianDuration(took)
	away := make([]time.Duration, len(took))
	for i, t := range took {
		away[i] = (t - median).Abs()
	}
	const sd, p99 = 1.4826, 2.3263 // of a normal distribution: in median distances, in standard deviations
	spread := sd * p99 * float64(medianDuration(away))
	return lab.CanaryBaseline{CPU: cpu, N: len(took), Median: median, P99: median + time.Duration(spread)}
}

func medianDuration(all []time.Duration) time.Duration {
	in := make([]float64, len(all))
	for i, d := range all {
		in[i] = float64(d)
	}
	return time.Duration(stat.Median(in))
}

// checkCanary judges what a canary took alone on its CPU, by what is usual there.
func checkCanary(cpu int, took time.Duration, when string, usual []lab.CanaryBaseline) *lab.GateResult {
	i := slices.IndexFunc(usual, func(u lab.CanaryBaseline) bool { return u.CPU == cpu })
	if i < 0 {
		return nil
	}
	limit := time.Duration(float64(usual[i].P99) * CanaryTolerance)
	if took <= limit {
		return nil
	}
	return newResult(lab.Disturbed,
		"the canary on CPU %d took %.1f ms %s the attack (limit %.1f ms, %.0f%% over the 99th percentile of "+
			"usual ones)",
		cpu, milliseconds(took), when, milliseconds(limit), 100*(CanaryTolerance-1))
}

func milliseconds(d time.Duration) float64 { return float64(d) / float64(time.Millisecond) }

func censored(s lab.Sample, c lab.Calibration) *lab.GateResult {
	if s.Phase.Kind == lab.Capacity {
		return capacityBound(s)
	}
	if g := generatorLimit(s, c); g != nil {
		return g
	}
	if s.Phase.Kind != lab.Peak || isSaturated(s) {
		return nil
	}
	saturation, _ := metric.SaturationRatio(s)
	gain, tried := metric.DoublingGain(s)
	if !tried {
		return newResult(lab.Censored, "unsaturated: the server was at %.0f%% of its limit (needed: %.0f%%)",
			100*saturation, 100*MinServerSaturation)
	}
	// Where more fail on twice the connections, they do not tell whether they bring more.
	if errorRatio(withDoubleConnections(s)) > errorRatio(s)+metric.MostFailed {
		return newResult(lab.Censored,
			"unsaturated: the server was at %.0f%% of its limit (needed: %.0f%%), and on twice the connections "+
				"%.1f%% of requests failed",
			100*saturation, 100*MinServerSaturation, 100*errorRatio(withDoubleConnections(s)))
	}
	if gain >= MaxDoublingGain {
		return newResult(lab.Censored,
			"unsaturated: the server was at %.0f%% of its limit (needed: %.0f%%), and twice the connections brought "+
				"%.1f%% more",
			100*saturation, 100*MinServerSaturation, 100*gain)
	}
	return generatorLimit(withDoubleConnections(s), c) // which may be why twice the connections brought no more
}

// errorRatio returns the share of the sample's requests that failed.
func errorRatio(s lab.Sample) float64 {
	ratio, _ := metric.ErrorRatio(s)
	return ratio
}

// capacityBound says why a capacity may be higher than what was confirmed: the next
// rate above it was missed by the instrument, or too far above, or there is none.
// What the instrument used while a rate was kept takes nothing from that.
func capacityBound(s lab.Sample) *lab.GateResult {
	kept, ok := metric.CapacityRPS(s)
	if !ok {
		return nil // nothing that could be a bound
	}
	var above *lab.SearchStep
	for i, step := range s.Search.Steps {
		if !step.SLOMet && step.OfferedRPS > kept && (above == nil || step.OfferedRPS < above.OfferedRPS) {
			above = &s.Search.Steps[i]
		}
	}
	switch {
	case above == nil:
		return newResult(lab.Censored, "search: it ended before it found a rate that is too high")
	case above.InstrumentLimit != "":
		return newResult(lab.Censored, "%s, at %.0f/s", above.InstrumentLimit, above.OfferedRPS)
	case above.OfferedRPS > kept*MaxRateGap:
		return newResult(lab.Censored,
			"search: it ended before it tried what lies between %.0f/s, which was kept, and %.0f/s", kept, above.OfferedRPS)
	}
	return nil
}

// isSaturated reports whether the server was the limit.
func isSaturated(s lab.Sample) bool {
	saturation, ok := metric.SaturationRatio(s)
	return ok && saturation >= MinServerSaturation
}

// generatorLimit says that the generator may have been the limit. A throughput
// near its ceiling is its own whatever the server says, which may spin; a busy
// generator beside a saturated server limits no peak.
func generatorLimit(s lab.Sample, c lab.Calibration) *lab.GateResult {
	if rps, ok := metric.ThroughputRPS(s); ok && c.CeilingRPS > 0 && rps >= CeilingThreshold*c.CeilingRPS {
		return newResult(lab.Censored,
			"generator: %.0f requests per second are %.0f%% of its ceiling of %.0f (limit %.0f%%)",
			rps, 100*rps/c.CeilingRPS, c.CeilingRPS, 100*CeilingThreshold)
	}
	busy, _ := metric.GeneratorCPURatio(s)
	upstream, _ := metric.UpstreamCPURatio(s)
	switch {
	case s.Layout.SharesCPUs() && busy+upstream > MaxSharedGeneratorCPU:
		return newResult(lab.Censored,
			"generator: it used %.1f%% of a CPU that it shares with the server (limit %.0f%%)",
			100*(busy+upstream), 100*MaxSharedGeneratorCPU)
	case upstream > MaxUpstreamCPU:
		return newResult(lab.Censored,
			"upstream: it used %.0f%% of its CPU (limit %.0f%%), and what it does not serve in time looks like the "+
				"server's",
			100*upstream, 100*MaxUpstreamCPU)
	}
	busy += upstream
	if busy < GeneratorCPUThreshold || !s.Phase.Kind.IsOpenLoop() && isSaturated(s) {
		return nil
	}
	saturation, _ := metric.SaturationRatio(s)
	return newResult(lab.Censored,
		"generator: it used %.0f%% of its CPUs (limit %.0f%%), and the server was at %.0f%% of its limit",
		100*busy, 100*GeneratorCPUThreshold, 100*saturation)
}

func newResult(v lab.Validity, reason string, numbers ...any) *lab.GateResult {
	return &lab.GateResult{Validity: v, Reason: fmt.Sprintf(reason, numbers...)}
}

// mostFrequent is the most frequent of counted reasons.
func mostFrequent(reasons map[string]int) string {
	best := "no reason recorded"
	most := 0
	for reason, n := range reasons {
		if n > most || (n == most && reason < best) {
			best, most = reason, n
		}
	}
	return best
}
