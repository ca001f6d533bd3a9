package metric

import (
	"slices"
	"time"

	"runtimelab/lab"
)

// BusiestThreadRatio returns the CPU time of the server's busiest thread divided by the
// time between the generator's readings, 0 to 1. A runtime with one JavaScript thread or
// one interpreter lock is at its limit at 1. It returns false if a thread that ended
// meanwhile may have been busier.
func BusiestThreadRatio(s lab.Sample) (float64, bool) {
	used, ok := serverCPU(s)
	if !ok {
		return 0, false
	}
	sum, busiest := sumAndLargest(threadCPUDeltas(s))
	if endedMayBeBusier(s, used-sum, busiest) {
		return 0, false
	}
	return cpuShare(busiest, wallTime(s), 1)
}

// BusiestProcessRatio returns the CPU time of the server's busiest process divided by
// that of all its processes, between the generator's readings. It is 1 if one process
// does all work, and 1/n if n processes share it evenly. It returns false if a process
// that ended meanwhile may have been busier.
func BusiestProcessRatio(s lab.Sample) (float64, bool) {
	used, ok := serverCPU(s)
	if !ok {
		return 0, false
	}
	sum, busiest := sumAndLargest(processCPUDeltas(s))
	if endedMayBeBusier(s, used-sum, busiest) {
		return 0, false
	}
	return cpuShare(busiest, sum, 1)
}

// endedMayBeBusier reports whether one of the threads or processes that ended between the
// generator's readings may have been busier than those that remain. ended is the CPU time
// of all that ended. The CPU times are precise to a hundredth of the time between the
// readings.
func endedMayBeBusier(s lab.Sample, ended, busiest time.Duration) bool {
	return ended > max(busiest, wallTime(s)/100)
}

func sumAndLargest(durations []time.Duration) (sum, largest time.Duration) {
	for _, d := range durations {
		sum += d
		largest = max(largest, d)
	}
	return sum, largest
}

// SaturationRatio returns how close the server is to its limit: its busiest thread, or all
// threads per CPU, whichever is higher, divided by the share of its CPUs that other work
// (ForeignServerRatio) left. If threads start and end, the busiest may be unknown. A server
// with several CPUs that runs one such thread at a time is then closer to its limit than
// this says.
func SaturationRatio(s lab.Sample) (float64, bool) {
	used, ok := serverCPU(s)
	if !ok {
		return 0, false
	}
	_, longest := sumAndLargest(threadCPUDeltas(s))
	busiest, _ := cpuShare(longest, wallTime(s), 1)
	perCPU, ok := cpuShare(used, wallTime(s), len(s.Layout.Server))
	foreign, known := ForeignServerRatio(s)
	if !ok || !known || foreign >= 1 {
		return 0, false
	}
	return max(busiest, perCPU) / (1 - foreign), true
}

// serverCPU returns the CPU time that the server used between the generator's readings. It
// returns false if the server had ended by the second reading.
//
// It combines two sources, because neither suffices. The CPU times of the cell's processes
// are part of each reading. They include threads and children that ended, except for
// children that no parent waited for. The CPU time of the container includes everything,
// but its readings lie outside the generator's readings. Both give a lower bound; for the
// container, after subtracting all CPU time that the server's CPUs had outside of the
// generator's readings. That time is milliseconds if the lab reads the kernel's counters,
// and up to two seconds if it asks an engine on another machine. serverCPU returns the
// larger bound, and at most the CPU time of the container.
func serverCPU(s lab.Sample) (time.Duration, bool) {
	if s.Attack == nil || wallTime(s) <= 0 || len(s.Attack.After.Threads) == 0 {
		return 0, false
	}
	inCell, _ := sumAndLargest(threadCPUDeltas(s))
	inCell = max(inCell, processCPU(s.Attack.After)-processCPU(s.Attack.Before))
	inContainer, known := containerCPU(s)
	if !known || inContainer == 0 || s.ServerUsage.Before.At.IsZero() {
		return inCell, true // no usable reading of the container
	}
	outside := max(s.ServerUsage.After.At.Sub(s.ServerUsage.Before.At)-wallTime(s), 0)
	return max(min(inCell, inContainer), inContainer-outside*time.Duration(len(s.Layout.Server))), true
}

// processCPU returns the CPU time of the cell's server processes up to a reading, with
// that of their children that have ended.
func processCPU(r lab.Reading) (sum time.Duration) {
	for _, p := range r.Processes {
		sum += p.CPU + p.Children
	}
	return sum
}

// processCPUDeltas returns the CPU time between the generator's readings of each server
// process in the second one. If the readings have no processes, it sums their threads.
func processCPUDeltas(s lab.Sample) (deltas []time.Duration) {
	before := map[int]time.Duration{}
	for _, p := range s.Attack.Before.Processes {
		before[p.PID] = p.CPU
	}
	for _, p := range s.Attack.After.Processes {
		deltas = append(deltas, max(p.CPU-before[p.PID], 0))
	}
	if len(deltas) > 0 {
		return deltas
	}
	byPID := map[int]time.Duration{}
	for _, thread := range threadDeltas(s) {
		byPID[thread.PID] += thread.CPU
	}
	for _, d := range byPID {
		deltas = append(deltas, d)
	}
	return deltas
}

// threadCPUDeltas returns the CPU time of each server thread between the generator's
// readings.
func threadCPUDeltas(s lab.Sample) (deltas []time.Duration) {
	for _, thread := range threadDeltas(s) {
		deltas = append(deltas, thread.CPU)
	}
	return deltas
}

// threadDeltas returns the increase in CPU time and sleeps of each server thread between
// the generator's readings. A thread that is new in the second reading started at 0.
func threadDeltas(s lab.Sample) []lab.Thread {
	type id struct{ pid, tid int }
	before := make(map[id]lab.Thread, len(s.Attack.Before.Threads))
	for _, t := range s.Attack.Before.Threads {
		before[id{t.PID, t.TID}] = t
	}
	deltas := slices.Clone(s.Attack.After.Threads)
	for i, t := range deltas {
		was := before[id{t.PID, t.TID}]
		deltas[i].CPU, deltas[i].Sleeps = max(t.CPU-was.CPU, 0), max(t.Sleeps-was.Sleeps, 0)
	}
	return deltas
}
