package metric

import (
	"slices"
	"time"

	"runtimelab/lab"
)

// The figures that are computed, not just copied. Each returns false when the
// sample cannot support it. Gates judge by the same functions that fill the
// columns, so that a reason's number is the row's number.

// OpenLoop reports whether the sample's phase sends by a schedule.
func OpenLoop(s lab.Sample) bool { return s.Phase.Kind == lab.Steady }

// ThroughputRPS is requests that succeeded per second, from the first send to
// the last answer.
func ThroughputRPS(s lab.Sample) (float64, bool) {
	if s.Attack == nil || s.Attack.Elapsed <= 0 {
		return 0, false
	}
	return float64(s.Attack.Succeeded) / s.Attack.Elapsed.Seconds(), true
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
	if s.Attack == nil || !OpenLoop(s) || s.Attack.Intended <= 0 {
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
	return share(used, s.Attack.Elapsed, len(s.Layout.Server))
}

// ServerSaturation is the server's CPU time out of what its CPUs had to give:
// CPU seconds / (elapsed seconds x CPUs given - seconds that the hypervisor
// took from them). A server that never waits reads 1 also where steal keeps
// ServerCPURatio below that.
func ServerSaturation(s lab.Sample) (float64, bool) {
	used, ok := serverCPU(s)
	if !ok {
		return 0, false
	}
	steal, ok := hostDelta(s, s.Layout.Server, stolen)
	given := time.Duration(len(s.Layout.Server))*s.Attack.Elapsed - steal
	if !ok || given <= 0 {
		return 0, false
	}
	return used.Seconds() / given.Seconds(), true
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

// ThrottledPeriods is how many periods of a CPU quota the server spent parked.
func ThrottledPeriods(s lab.Sample) (int64, bool) {
	n := s.Server.After.ThrottledPeriods - s.Server.Before.ThrottledPeriods
	if s.Attack == nil || !s.Server.Known || n < 0 {
		return 0, false
	}
	return n, true
}

// GeneratorCPURatio is the generator's CPU time out of what its CPUs had
// during the attack: CPU seconds / (elapsed seconds x CPUs given).
func GeneratorCPURatio(s lab.Sample) (float64, bool) {
	used, ok := generatorCPU(s)
	if !ok {
		return 0, false
	}
	return share(used, s.Attack.Elapsed, len(s.Layout.Generator))
}

// ForeignCPURatio is the time that the CPUs of the layout spent on neither
// generator nor server, out of what they had between the generator's readings:
// (host busy - generator - server) / (wall x CPUs), never below 0.
//
// It is a coarse figure. /proc/stat charges whole ticks (10 ms) to whoever runs
// when the tick comes, while the two subtracted are counted to the nanosecond,
// and the server's readings lie outside the generator's. Bursts shorter than a
// tick can go unseen, hence the clamp, and hence the canary beside it.
func ForeignCPURatio(s lab.Sample) (float64, bool) {
	server, ok := serverCPU(s)
	if !ok {
		return 0, false
	}
	generator, ok := generatorCPU(s)
	if !ok {
		return 0, false
	}
	busy, ok := hostDelta(s, cpus(s.Layout), func(c lab.CPUTime) time.Duration { return c.Busy })
	if !ok {
		return 0, false
	}
	return share(max(busy-generator-server, 0), wall(s), len(cpus(s.Layout)))
}

// StealRatio is the time that the hypervisor took from the CPUs of the layout,
// out of what they had between the generator's readings. It can read 0 on a
// hypervisor that does not report steal.
func StealRatio(s lab.Sample) (float64, bool) {
	if s.Attack == nil {
		return 0, false
	}
	steal, ok := hostDelta(s, cpus(s.Layout), stolen)
	if !ok {
		return 0, false
	}
	return share(steal, wall(s), len(cpus(s.Layout)))
}

func stolen(c lab.CPUTime) time.Duration { return c.Steal }

func serverCPU(s lab.Sample) (time.Duration, bool) {
	d := s.Server.After.CPU - s.Server.Before.CPU
	return d, s.Attack != nil && s.Server.Known && d >= 0
}

func generatorCPU(s lab.Sample) (time.Duration, bool) {
	if s.Attack == nil || wall(s) <= 0 {
		return 0, false
	}
	d := s.Attack.After.GeneratorCPU - s.Attack.Before.GeneratorCPU
	return d, d >= 0
}

// wall is the time between the generator's readings, a little more than the
// attack's own.
func wall(s lab.Sample) time.Duration { return s.Attack.After.At.Sub(s.Attack.Before.At) }

func cpus(l lab.Layout) []int {
	ids := append(slices.Clone(l.Generator), l.Server...)
	slices.Sort(ids)
	return slices.Compact(ids)
}

// hostDelta sums what a counter of /proc/stat gained on some CPUs. A CPU that
// a reading lacks, or a counter that fell, leaves no figure.
func hostDelta(s lab.Sample, on []int, counter func(lab.CPUTime) time.Duration) (time.Duration, bool) {
	before, after := byID(s.Attack.Before), byID(s.Attack.After)
	var sum time.Duration
	for _, id := range on {
		b, known := before[id]
		a, still := after[id]
		d := counter(a) - counter(b)
		if !known || !still || d < 0 {
			return 0, false
		}
		sum += d
	}
	return sum, true
}

func byID(r lab.Reading) map[int]lab.CPUTime {
	m := make(map[int]lab.CPUTime, len(r.CPUs))
	for _, c := range r.CPUs {
		m[c.ID] = c
	}
	return m
}

func share(used, during time.Duration, cpus int) (float64, bool) {
	if during <= 0 || cpus <= 0 {
		return 0, false
	}
	return used.Seconds() / (during.Seconds() * float64(cpus)), true
}
