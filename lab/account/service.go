package account

import (
	"maps"
	"slices"
	"time"

	"runtimelab/lab"
)

// serviceAccount returns what a service used between two readings of its cell.
func serviceAccount(r ServiceReadings, cell CellReadings) lab.ServiceAccount {
	before, after := cell.Before.service(r.Name), cell.After.service(r.Name)
	s := lab.ServiceAccount{
		Role: r.Role, Name: r.Name, CPUs: r.CPUs, Calls: r.Calls, Counts: countsBetween(r.Counts),
		Ended: len(after.Threads) == 0, Container: containerAccount(r.Usage),
	}
	threads := threadIncreases(before, after)
	for _, t := range threads {
		addTo(&s.Threads, t.CPU)
		s.Sleeps += t.Sleeps
	}
	for _, used := range processIncreases(before, after, threads) {
		addTo(&s.Processes, used)
	}
	if wallTime := cell.After.At.Sub(cell.Before.At); wallTime > 0 && !s.Ended {
		used := combineCPU(cellCPU(before, after), s.Container, r, wallTime)
		s.CPU = &used
	}
	return s
}

// addTo adds the CPU time of one thread or process.
func addTo(sum *lab.CPUSum, used time.Duration) {
	sum.Total += used
	sum.Largest = max(sum.Largest, used)
}

// cellCPU returns the CPU time that a service used between two readings of its cell, as far as
// the cell sees it: the larger of what its threads used, and of what its processes used with their
// children that have ended.
func cellCPU(before, after ServiceUsage) time.Duration {
	var inThreads time.Duration
	for _, t := range threadIncreases(before, after) {
		inThreads += t.CPU
	}
	return max(inThreads, processCPU(after)-processCPU(before))
}

// combineCPU returns the CPU time that a service used between the generator's readings, which are
// wallTime apart.
//
// It combines two sources, because neither suffices. The CPU times of the cell's processes
// are part of each reading. They include threads and children that ended, except for
// children that no parent waited for. The CPU time of the container includes everything,
// but its readings lie outside the generator's readings. Both give a lower bound; for the
// container, after subtracting all CPU time that the service's CPUs had outside of the
// generator's readings. That time is milliseconds if the lab reads the kernel's counters,
// and up to two seconds if it asks an engine on another machine. combineCPU returns the
// larger bound, and at most the CPU time of the container.
func combineCPU(
	inCell time.Duration, c *lab.ContainerAccount, r ServiceReadings, wallTime time.Duration,
) time.Duration {
	if c == nil || c.CPU == nil || *c.CPU == 0 || r.Usage.Before.At.IsZero() {
		return inCell // no usable reading of the container
	}
	inContainer := *c.CPU
	outside := max(r.Usage.After.At.Sub(r.Usage.Before.At)-wallTime, 0)
	return max(min(inCell, inContainer), inContainer-outside*time.Duration(len(r.CPUs)))
}

// containerAccount returns what a container used between two readings, or nil if they are
// unknown.
func containerAccount(u *UsageReadings) *lab.ContainerAccount {
	if u == nil {
		return nil
	}
	return &lab.ContainerAccount{
		CPU:              increase(u.Before.CPU, u.After.CPU),
		ThrottledPeriods: increase(u.Before.ThrottledPeriods, u.After.ThrottledPeriods),
		ThrottledAbove:   increase(u.Before.ThrottledAbove, u.After.ThrottledAbove),
		OOMEvents:        increase(u.Before.OOMEvents, u.After.OOMEvents),
		MemoryPeakBytes:  u.After.MemoryPeakBytes,
	}
}

// threadIncreases returns the increase in CPU time and sleeps of each thread of a service. A
// thread that is new in the second reading started at 0.
func threadIncreases(before, after ServiceUsage) []Thread {
	type id struct{ pid, tid int }
	first := make(map[id]Thread, len(before.Threads))
	for _, t := range before.Threads {
		first[id{t.PID, t.TID}] = t
	}
	increases := slices.Clone(after.Threads)
	for i, t := range increases {
		was := first[id{t.PID, t.TID}]
		increases[i].CPU, increases[i].Sleeps = max(t.CPU-was.CPU, 0), max(t.Sleeps-was.Sleeps, 0)
	}
	return increases
}

// processIncreases returns the increase in CPU time of each process of a service in the second
// reading. If the readings have no processes, it sums the increases of their threads.
func processIncreases(before, after ServiceUsage, threads []Thread) (increases []time.Duration) {
	first := make(map[int]time.Duration, len(before.Processes))
	for _, p := range before.Processes {
		first[p.PID] = p.CPU
	}
	for _, p := range after.Processes {
		increases = append(increases, max(p.CPU-first[p.PID], 0))
	}
	if len(increases) > 0 {
		return increases
	}
	byPID := map[int]time.Duration{}
	for _, t := range threads {
		byPID[t.PID] += t.CPU
	}
	return slices.Collect(maps.Values(byPID))
}

// processCPU returns the CPU time of a service's processes up to a reading, with that of their
// children that have ended.
func processCPU(u ServiceUsage) (sum time.Duration) {
	for _, p := range u.Processes {
		sum += p.CPU + p.Children
	}
	return sum
}
