package metric

import (
	"slices"
	"time"

	"runtimelab/lab"
)

// The figures that are computed, not just copied. Each returns false when the
// sample cannot support it. Gates judge by the same functions that fill the
// columns, so that a reason's number is the row's number.

// IsOpenLoop reports whether the sample's phase sends by a schedule.
func IsOpenLoop(s lab.Sample) bool { return s.Phase.Kind.IsOpenLoop() }

// ThroughputRPS is requests that succeeded per second, from the first send to
// the last answer; of a ladder, while all of its clients are there.
func ThroughputRPS(s lab.Sample) (float64, bool) {
	if s.Attack == nil || s.Attack.Elapsed <= 0 {
		return 0, false
	}
	if s.Phase.Kind == lab.Ladder {
		return s.Attack.LadderRPS, true
	}
	return float64(s.Attack.Succeeded) / s.Attack.Elapsed.Seconds(), true
}

// GoodputRPS is requests that succeeded within the phase's deadline, from the
// intended send time, per second from the first send to the last answer.
func GoodputRPS(s lab.Sample) (float64, bool) {
	if s.Attack == nil || s.Attack.Elapsed <= 0 || !IsOpenLoop(s) || s.Phase.DeadlineS == 0 {
		return 0, false
	}
	return float64(s.Attack.WithinDeadline) / s.Attack.Elapsed.Seconds(), true
}

// CapacityRPS is the highest offered rate that was confirmed to keep the SLO: none
// where no rate was.
func CapacityRPS(s lab.Sample) (rps float64, ok bool) {
	if s.Search == nil {
		return 0, false
	}
	for _, step := range s.Search.Steps {
		if step.Stage == lab.Confirmation && step.SLOMet {
			rps, ok = step.OfferedRPS, true
		}
	}
	return rps, ok
}

// ServiceMeanMS is a reference server's mean service time over the phase, by its
// own clock.
func ServiceMeanMS(s lab.Sample) (float64, bool) {
	if s.ServiceTimes == nil || s.ServiceTimes.Count == 0 {
		return 0, false
	}
	return s.ServiceTimes.Mean.Seconds() * 1000, true
}

const (
	// minDriftSeconds is the whole seconds that an attack must have for its halves to
	// be compared.
	minDriftSeconds = 4
	// minDriftAnswers is how many of the earlier half must have succeeded: of fewer the
	// halves differ by chance.
	minDriftAnswers = 1000
)

// DriftRatio is by how much throughput changed during an attack: that of the later
// half of its whole seconds over that of the earlier half, minus 1. Seconds in
// which clients still came, or nothing was sent any more, are left out.
func DriftRatio(s lab.Sample) (float64, bool) {
	if s.Attack == nil {
		return 0, false
	}
	buckets := fullLoadSeconds(*s.Attack)
	if len(buckets) < minDriftSeconds {
		return 0, false
	}
	half := len(buckets) / 2
	earlier, later := int64(0), int64(0)
	for i := range half {
		earlier += buckets[i].Succeeded
		later += buckets[len(buckets)-half+i].Succeeded
	}
	if earlier < minDriftAnswers {
		return 0, false
	}
	return float64(later)/float64(earlier) - 1, true
}

// fullLoadSeconds are the whole seconds in which all clients sent.
func fullLoadSeconds(a lab.AttackResult) []lab.Bucket {
	whole := min(int(a.Elapsed/time.Second), len(a.Buckets))
	for whole > 0 && a.Buckets[whole-1].Sent == 0 {
		whole--
	}
	settled := int((a.ClientRampUp + time.Second - 1) / time.Second)
	return a.Buckets[min(settled, whole):whole]
}

// OfferedRPS is the requests that the schedule of an open loop calls for per
// second: on average, where the rate changes.
func OfferedRPS(s lab.Sample) (float64, bool) {
	if s.Phase.Kind == lab.Ramp {
		return (s.Phase.RateRPS + s.Phase.ToRPS) / 2, true
	}
	return s.Phase.RateRPS, IsOpenLoop(s) && s.Phase.RateRPS > 0
}

// ErrorRatio is requests that failed out of those sent, 0 to 1.
func ErrorRatio(s lab.Sample) (float64, bool) {
	if s.Attack == nil || s.Attack.Sent <= 0 {
		return 0, false
	}
	return float64(s.Attack.Failed) / float64(s.Attack.Sent), true
}

// SentRatio is requests sent out of those that an open loop's schedule called
// for, 0 to 1.
func SentRatio(s lab.Sample) (float64, bool) {
	if s.Attack == nil || !IsOpenLoop(s) || s.Attack.Intended <= 0 {
		return 0, false
	}
	return float64(s.Attack.Sent) / float64(s.Attack.Intended), true
}

// ServerCPUSeconds is the CPU time that the server's container used between
// the readings just outside the attack's edges.
func ServerCPUSeconds(s lab.Sample) (float64, bool) {
	d, ok := serverCPU(s)
	return d.Seconds(), ok
}

// ServerCPURatio is the server's CPU time out of what its CPUs had during the
// attack: CPU seconds / (elapsed seconds x CPUs given). The readings lie just
// outside the attack, so that it can exceed 1 a little.
func ServerCPURatio(s lab.Sample) (float64, bool) {
	used, ok := serverCPU(s)
	if !ok {
		return 0, false
	}
	return cpuShare(used, s.Attack.Elapsed, len(s.Layout.Server))
}

// CPUPerRequestUS is the server's CPU time in microseconds for each request
// that succeeded.
func CPUPerRequestUS(s lab.Sample) (float64, bool) {
	used, ok := serverCPU(s)
	if !ok || s.Attack.Succeeded <= 0 {
		return 0, false
	}
	return float64(used) / float64(time.Microsecond) / float64(s.Attack.Succeeded), true
}

// ThrottledPeriods is how many periods of a CPU quota the server spent parked: of a quota of its
// container, or of a cgroup above that. Of quotas one above the other it counts each.
func ThrottledPeriods(s lab.Sample) (int64, bool) {
	above, known := ThrottledAbove(s)
	n := s.ServerUsage.After.ThrottledPeriods - s.ServerUsage.Before.ThrottledPeriods
	return n + above, known && n >= 0
}

// ThrottledAbove is how many of these were of a cgroup above the server's container: 0 where none
// of those can be read.
func ThrottledAbove(s lab.Sample) (int64, bool) {
	n := s.ServerUsage.After.ThrottledAbove - s.ServerUsage.Before.ThrottledAbove
	return n, s.Attack != nil && s.ServerUsage.Known && n >= 0
}

// GeneratorCPURatio is the generator's CPU time, without what it had to spare,
// out of what its CPUs had during the attack: CPU seconds / (elapsed seconds x
// CPUs given).
func GeneratorCPURatio(s lab.Sample) (float64, bool) {
	used, ok := generatorCPU(s)
	if !ok {
		return 0, false
	}
	return cpuShare(max(used-s.Attack.IdlePolling, 0), s.Attack.Elapsed, len(s.Layout.Generator))
}

// ForeignCPURatio is the larger of ForeignGeneratorRatio and ForeignServerRatio.
func ForeignCPURatio(s lab.Sample) (float64, bool) {
	generator, ok := ForeignGeneratorRatio(s)
	if !ok {
		return 0, false
	}
	server, ok := ForeignServerRatio(s)
	return max(generator, server), ok
}

// UpstreamCPURatio is the upstream's CPU time out of what its CPUs had between
// the generator's readings; they are the generator's too.
func UpstreamCPURatio(s lab.Sample) (float64, bool) {
	if s.Attack == nil || s.Upstream == nil {
		return 0, false
	}
	return cpuShare(upstreamCPU(s), wallTime(s), len(s.Layout.Generator))
}

// ForeignGeneratorRatio is the share of the generator's CPUs, between its
// readings, in which they were neither idle nor the lab's:
// 1 - (idle + generator + upstream) / (wall x CPUs), never below 0. The
// generator's includes what it had to spare where it does not sleep.
//
// The time of threads is kept by the clock, and so is idle time on kernels whose
// idle CPUs stop their tick, while /proc/stat charges busy time by the tick: what
// is left over is exact to the 10 ms in which idle time is written. What a
// hypervisor takes from a busy CPU counts; what it takes from an idle one, which
// a load can cause itself by waking a CPU that sleeps, does not.
//
// Kernels built with CONFIG_IRQ_TIME_ACCOUNTING charge the handling of
// interrupts, a generator's own packets for the most part, to no thread. Where
// that is so (Sample.SeparateIRQTime) it is not counted as foreign.
//
// Where generator and server share CPUs, whose time it was cannot be told from
// the CPU: both ratios are then of all CPUs of the trial together.
func ForeignGeneratorRatio(s lab.Sample) (float64, bool) {
	own, ok := generatorCPU(s)
	if !ok {
		return 0, false
	}
	if s.Layout.SharesCPUs() {
		return foreignSharedRatio(s)
	}
	return foreignRatio(s, s.Layout.Generator, own+upstreamCPU(s))
}

// ForeignServerRatio is the same of the server's CPUs and what the server used itself, in threads
// and processes that ended meanwhile, too (see serverOwn).
func ForeignServerRatio(s lab.Sample) (float64, bool) {
	own, ok := serverOwn(s)
	if !ok {
		return 0, false
	}
	if s.Layout.SharesCPUs() {
		return foreignSharedRatio(s)
	}
	return foreignRatio(s, s.Layout.Server, own)
}

func foreignSharedRatio(s lab.Sample) (float64, bool) {
	generator, ok := generatorCPU(s)
	server, known := serverOwn(s)
	if !ok || !known {
		return 0, false
	}
	return foreignRatio(s, s.Layout.AllCPUs(), generator+upstreamCPU(s)+server)
}

func foreignRatio(s lab.Sample, on []int, own time.Duration) (float64, bool) {
	apart := s.SeparateIRQTime
	nobodys, ok := cpuCounterDelta(s, on, func(c lab.CPUTime) time.Duration {
		if apart {
			return c.Idle + c.Interrupts
		}
		return c.Idle
	})
	if !ok {
		return 0, false
	}
	ours, ok := cpuShare(nobodys+own, wallTime(s), len(on))
	return max(1-ours, 0), ok
}

// GeneratorInterruptRatio is the share of the generator's CPUs, between its
// readings, that went to interrupts.
func GeneratorInterruptRatio(s lab.Sample) (float64, bool) {
	if s.Attack == nil {
		return 0, false
	}
	spent, ok := cpuCounterDelta(s, s.Layout.Generator,
		func(c lab.CPUTime) time.Duration { return c.Interrupts })
	if !ok {
		return 0, false
	}
	return cpuShare(spent, wallTime(s), len(s.Layout.Generator))
}

// GeneratorIdleRatio is the share of the generator's CPUs, between its readings, in which they had
// nothing to do. There is no figure where the generator sleeps when it has nothing to do: one that
// polls had time to spare, and leaves its CPUs no idle time.
func GeneratorIdleRatio(s lab.Sample) (float64, bool) {
	if s.Attack == nil || s.Attack.IdlePolling <= 0 {
		return 0, false
	}
	idle, ok := cpuCounterDelta(s, s.Layout.Generator, func(c lab.CPUTime) time.Duration { return c.Idle })
	if !ok {
		return 0, false
	}
	return cpuShare(idle, wallTime(s), len(s.Layout.Generator))
}

// GeneratorSleepRate is how often a second, for each of its CPUs, generator and
// upstream gave up a CPU because they had nothing to do.
func GeneratorSleepRate(s lab.Sample) (float64, bool) {
	if s.Attack == nil || wallTime(s) <= 0 || len(s.Layout.Generator) == 0 {
		return 0, false
	}
	n := s.Attack.After.Sleeps - s.Attack.Before.Sleeps
	return float64(n) / wallTime(s).Seconds() / float64(len(s.Layout.Generator)), n >= 0
}

// ServerSleepRate is how often a second, for each of its CPUs, the server's
// threads gave up a CPU because they had nothing to do.
func ServerSleepRate(s lab.Sample) (float64, bool) {
	if s.Attack == nil || wallTime(s) <= 0 || len(s.Layout.Server) == 0 {
		return 0, false
	}
	n := int64(0)
	for _, gain := range threadDeltas(s) {
		n += gain.Sleeps
	}
	return float64(n) / wallTime(s).Seconds() / float64(len(s.Layout.Server)), true
}

// CanaryMaxMS is the longest that a canary took around the attack, in
// milliseconds.
func CanaryMaxMS(s lab.Sample) (float64, bool) {
	longest := time.Duration(0)
	for _, c := range slices.Concat(s.Canaries.Before, s.Canaries.After) {
		longest = max(longest, c.WallTime)
	}
	return longest.Seconds() * 1000, longest > 0 && s.Attack != nil
}

// DoublingGain is what twice the connections brought: throughput on twice as
// many / throughput - 1.
func DoublingGain(s lab.Sample) (float64, bool) {
	once, ok := ThroughputRPS(s)
	if !ok || once <= 0 || s.DoubleConnections == nil {
		return 0, false
	}
	s.Attack = s.DoubleConnections
	twice, ok := ThroughputRPS(s)
	return twice/once - 1, ok
}

// OOMEvents is how many of the server's processes the kernel killed for memory
// during the phase.
func OOMEvents(s lab.Sample) (int64, bool) {
	n := s.ServerUsage.After.OOMEvents - s.ServerUsage.Before.OOMEvents
	if s.Attack == nil || !s.ServerUsage.Known || n < 0 {
		return 0, false
	}
	return n, true
}

// StealRatio is the time that the hypervisor took from the CPUs of the layout,
// out of what they had between the generator's readings. It can read 0 on a
// hypervisor that does not report steal.
func StealRatio(s lab.Sample) (float64, bool) {
	if s.Attack == nil {
		return 0, false
	}
	steal, ok := cpuCounterDelta(s, s.Layout.AllCPUs(), stealTime)
	if !ok {
		return 0, false
	}
	return cpuShare(steal, wallTime(s), len(s.Layout.AllCPUs()))
}

func stealTime(c lab.CPUTime) time.Duration { return c.Steal }

func serverCPU(s lab.Sample) (time.Duration, bool) {
	d := s.ServerUsage.After.CPU - s.ServerUsage.Before.CPU
	return d, s.Attack != nil && s.ServerUsage.Known && d >= 0
}

func generatorCPU(s lab.Sample) (time.Duration, bool) {
	if s.Attack == nil || wallTime(s) <= 0 {
		return 0, false
	}
	d := s.Attack.After.GeneratorCPU - s.Attack.Before.GeneratorCPU
	return d, d >= 0
}

// upstreamCPU is 0 where there is no upstream.
func upstreamCPU(s lab.Sample) time.Duration {
	return max(s.Attack.After.UpstreamCPU-s.Attack.Before.UpstreamCPU, 0)
}

// wallTime is the time between the generator's readings, a little more than the
// attack's own.
func wallTime(s lab.Sample) time.Duration { return s.Attack.After.At.Sub(s.Attack.Before.At) }

// clockTick is what /proc/stat counts in.
const clockTick = 10 * time.Millisecond

// cpuCounterDelta sums what a counter of /proc/stat gained on some CPUs. A CPU that
// a reading lacks, or a counter that fell, leaves no figure; by a tick one may, as
// the time of waiting for a disk does (proc(5)), and has gained nothing.
func cpuCounterDelta(s lab.Sample, on []int, counter func(lab.CPUTime) time.Duration) (time.Duration, bool) {
	before, after := cpuTimesByID(s.Attack.Before), cpuTimesByID(s.Attack.After)
	var sum time.Duration
	for _, id := range on {
		b, known := before[id]
		a, still := after[id]
		d := counter(a) - counter(b)
		if !known || !still || d < -clockTick {
			return 0, false
		}
		sum += max(d, 0)
	}
	return sum, true
}

func cpuTimesByID(r lab.Reading) map[int]lab.CPUTime {
	m := make(map[int]lab.CPUTime, len(r.CPUs))
	for _, c := range r.CPUs {
		m[c.ID] = c
	}
	return m
}

func cpuShare(used, during time.Duration, cpus int) (float64, bool) {
	if during <= 0 || cpus <= 0 {
		return 0, false
	}
	return used.Seconds() / (during.Seconds() * float64(cpus)), true
}
