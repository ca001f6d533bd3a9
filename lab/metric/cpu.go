package metric

import (
	"time"

	"runtimelab/lab"
)

// ServerCPUSeconds returns the CPU time of the server's container between its readings,
// which are taken just before and just after the attack.
func ServerCPUSeconds(s lab.Sample) (float64, bool) {
	d, ok := containerCPU(s)
	return d.Seconds(), ok
}

// ServerCPURatio returns CPU seconds of the server's container / (elapsed seconds x CPUs
// of the server). It can exceed 1 slightly, because the readings lie outside the attack.
func ServerCPURatio(s lab.Sample) (float64, bool) {
	used, ok := containerCPU(s)
	if !ok {
		return 0, false
	}
	return cpuShare(used, s.Attack.Elapsed, len(s.Layout.Server))
}

// CPUPerRequestUS returns the CPU time of the server's container per request that
// succeeded, in microseconds.
func CPUPerRequestUS(s lab.Sample) (float64, bool) {
	used, ok := containerCPU(s)
	if !ok || s.Attack.Succeeded <= 0 {
		return 0, false
	}
	return float64(used) / float64(time.Microsecond) / float64(s.Attack.Succeeded), true
}

// GeneratorCPURatio returns the generator's CPU time without idle polling, divided by the
// time of its CPUs during the attack.
func GeneratorCPURatio(s lab.Sample) (float64, bool) {
	used, ok := generatorCPU(s)
	if !ok {
		return 0, false
	}
	return cpuShare(max(used-s.Attack.IdlePolling, 0), s.Attack.Elapsed, len(s.Layout.Generator))
}

// UpstreamCPURatio returns the upstream's CPU time divided by the time of its CPUs
// between the generator's readings. The upstream runs on the generator's CPUs.
func UpstreamCPURatio(s lab.Sample) (float64, bool) {
	if s.Attack == nil || s.Upstream == nil {
		return 0, false
	}
	return cpuShare(upstreamCPU(s), wallTime(s), len(s.Layout.Generator))
}

// GeneratorInterruptRatio returns the share of the generator's CPU time, between its
// readings, that interrupts used.
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

// GeneratorIdleRatio returns the share of the generator's CPU time, between its readings,
// that was idle. It returns false for a generator that sleeps: only a polling one, which
// leaves its CPUs no idle time, has IdlePolling.
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

// GeneratorSleepRate returns how often per second and CPU the generator and the upstream
// gave up a CPU because they had nothing to do.
func GeneratorSleepRate(s lab.Sample) (float64, bool) {
	if s.Attack == nil || wallTime(s) <= 0 || len(s.Layout.Generator) == 0 {
		return 0, false
	}
	n := s.Attack.After.Sleeps - s.Attack.Before.Sleeps
	return float64(n) / wallTime(s).Seconds() / float64(len(s.Layout.Generator)), n >= 0
}

// ServerSleepRate returns how often per second and CPU the server's threads gave up a CPU
// because they had nothing to do.
func ServerSleepRate(s lab.Sample) (float64, bool) {
	if s.Attack == nil || wallTime(s) <= 0 || len(s.Layout.Server) == 0 {
		return 0, false
	}
	n := int64(0)
	for _, delta := range threadDeltas(s) {
		n += delta.Sleeps
	}
	return float64(n) / wallTime(s).Seconds() / float64(len(s.Layout.Server)), true
}

// StealRatio returns the share of the layout's CPU time, between the generator's
// readings, that the hypervisor took. Some hypervisors do not report it and read 0.
func StealRatio(s lab.Sample) (float64, bool) {
	if s.Attack == nil {
		return 0, false
	}
	steal, ok := cpuCounterDelta(s, s.Layout.AllCPUs(), func(c lab.CPUTime) time.Duration { return c.Steal })
	if !ok {
		return 0, false
	}
	return cpuShare(steal, wallTime(s), len(s.Layout.AllCPUs()))
}

// containerCPU returns the CPU time of the server's container between its readings.
func containerCPU(s lab.Sample) (time.Duration, bool) {
	d := s.ServerUsage.After.CPU - s.ServerUsage.Before.CPU
	return d, s.Attack != nil && s.ServerUsage.Known && d >= 0
}

// generatorCPU returns the generator's CPU time between its readings.
func generatorCPU(s lab.Sample) (time.Duration, bool) {
	if s.Attack == nil || wallTime(s) <= 0 {
		return 0, false
	}
	d := s.Attack.After.GeneratorCPU - s.Attack.Before.GeneratorCPU
	return d, d >= 0
}

// upstreamCPU returns the upstream's CPU time between the generator's readings; 0 without
// an upstream.
func upstreamCPU(s lab.Sample) time.Duration {
	return max(s.Attack.After.UpstreamCPU-s.Attack.Before.UpstreamCPU, 0)
}

// wallTime returns the time between the generator's readings. It is slightly longer than
// the attack.
func wallTime(s lab.Sample) time.Duration { return s.Attack.After.At.Sub(s.Attack.Before.At) }

// clockTick is the unit of /proc/stat.
const clockTick = 10 * time.Millisecond

// cpuCounterDelta sums the increase of a /proc/stat counter over some CPUs. A missing CPU
// or a counter that fell by more than a tick gives no figure. A fall of up to a tick
// counts as no increase, because the kernel's iowait may fall (proc(5)).
func cpuCounterDelta(
	s lab.Sample, cpus []int, counter func(lab.CPUTime) time.Duration,
) (time.Duration, bool) {
	before, after := cpuTimesByID(s.Attack.Before), cpuTimesByID(s.Attack.After)
	var sum time.Duration
	for _, id := range cpus {
		b, inFirst := before[id]
		a, inSecond := after[id]
		d := counter(a) - counter(b)
		if !inFirst || !inSecond || d < -clockTick {
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

// cpuShare returns used / (during x cpus).
func cpuShare(used, during time.Duration, cpus int) (float64, bool) {
	if during <= 0 || cpus <= 0 {
		return 0, false
	}
	return used.Seconds() / (during.Seconds() * float64(cpus)), true
}
