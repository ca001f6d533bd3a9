package metric

import (
	"slices"
	"time"

	"runtimelab/lab"
)

// BusiestThreadRatio is the CPU time of the server's busiest thread out of the time between the
// generator's readings, 0 to 1. A runtime with one thread of JavaScript or one interpreter lock is
// at its limit when this is 1. There is no figure where a thread that ended in between may have
// been busier.
func BusiestThreadRatio(s lab.Sample) (float64, bool) {
	own, ok := serverOwn(s)
	if !ok {
		return 0, false
	}
	all, busiest := sumAndLargest(threadCPUDeltas(s))
	if unseen(s, own-all, busiest) {
		return 0, false
	}
	return cpuShare(busiest, wallTime(s), 1)
}

// BusiestProcessRatio is the CPU time of the server's busiest process out of that of all of them,
// between the generator's readings: one by their number where they share the work evenly, 1 where
// one does it all. There is no figure where a process that ended in between may have been busier.
func BusiestProcessRatio(s lab.Sample) (float64, bool) {
	own, ok := serverOwn(s)
	if !ok {
		return 0, false
	}
	all, busiest := sumAndLargest(processGains(s))
	if unseen(s, own-all, busiest) {
		return 0, false
	}
	return cpuShare(busiest, all, 1)
}

// unseen reports whether what ended between the generator's readings, and used so much, may have
// been busier than what is still there. A hundredth of the time between the readings is within the
// precision of the accounts.
func unseen(s lab.Sample, ended, busiest time.Duration) bool {
	return ended > max(busiest, wallTime(s)/100)
}

func sumAndLargest(all []time.Duration) (sum, largest time.Duration) {
	for _, d := range all {
		sum += d
		largest = max(largest, d)
	}
	return sum, largest
}

// SaturationRatio is how near the server is to its limit: the CPU time of its busiest thread, or of
// all that it ran for each of its CPUs, whichever is more, out of what its CPUs had to give. What
// others took of them (ForeignServerRatio) they had not. Where threads come and go the busiest may
// not be known: a server of several CPUs that runs one such thread at a time is then nearer to its
// limit than this says.
func SaturationRatio(s lab.Sample) (float64, bool) {
	own, ok := serverOwn(s)
	if !ok {
		return 0, false
	}
	_, longest := sumAndLargest(threadCPUDeltas(s))
	busiest, _ := cpuShare(longest, wallTime(s), 1)
	together, ok := cpuShare(own, wallTime(s), len(s.Layout.Server))
	foreign, known := ForeignServerRatio(s)
	if !ok || !known || foreign >= 1 {
		return 0, false
	}
	return max(busiest, together) / (1 - foreign), true
}

// serverOwn is the CPU time that the server used between the generator's readings. There is no
// figure of a server that had ended by the second.
//
// Two accounts tell, and neither alone. The cell's processes are read with the rest of a reading,
// and have in them what ended in between, but for children that no parent waited for. The
// container's account has everything in it, but begins before the first reading and ends after the
// second. So each is a lower bound: the container's once all is taken off that the server's CPUs
// had to give outside of the readings. That is milliseconds where the lab reads the kernel's
// accounts, and up to two seconds where it asks an engine on another machine. The larger bound is
// taken, and never more than the container's account.
func serverOwn(s lab.Sample) (time.Duration, bool) {
	if s.Attack == nil || wallTime(s) <= 0 || len(s.Attack.After.Threads) == 0 {
		return 0, false
	}
	own, _ := sumAndLargest(threadCPUDeltas(s))
	own = max(own, cellTime(s.Attack.After)-cellTime(s.Attack.Before))
	used, known := serverCPU(s)
	if !known || used == 0 || s.ServerUsage.Before.At.IsZero() {
		return own, true // no account to go by
	}
	outside := max(s.ServerUsage.After.At.Sub(s.ServerUsage.Before.At)-wallTime(s), 0)
	return max(min(own, used), used-outside*time.Duration(len(s.Layout.Server))), true
}

// cellTime is what the cell's server processes have used until a reading, with their children that
// have ended.
func cellTime(r lab.Reading) (sum time.Duration) {
	for _, p := range r.Processes {
		sum += p.CPU + p.Children
	}
	return sum
}

// processGains is the CPU time between the generator's readings of each of the server's processes
// that are there at the second. Where processes were not read, it is that of their threads.
func processGains(s lab.Sample) (used []time.Duration) {
	before := map[int]time.Duration{}
	for _, p := range s.Attack.Before.Processes {
		before[p.PID] = p.CPU
	}
	for _, p := range s.Attack.After.Processes {
		used = append(used, max(p.CPU-before[p.PID], 0))
	}
	if len(used) > 0 {
		return used
	}
	processes := map[int]time.Duration{}
	for _, gain := range threadDeltas(s) {
		processes[gain.PID] += gain.CPU
	}
	for _, d := range processes {
		used = append(used, d)
	}
	return used
}

// threadCPUDeltas is the CPU time of each of the server's threads between the
// generator's readings.
func threadCPUDeltas(s lab.Sample) (used []time.Duration) {
	for _, gain := range threadDeltas(s) {
		used = append(used, gain.CPU)
	}
	return used
}

// threadDeltas is what each of the server's threads added to its account between the
// generator's readings. One that was not there at the first had none.
func threadDeltas(s lab.Sample) []lab.Thread {
	type id struct{ pid, tid int }
	before := make(map[id]lab.Thread, len(s.Attack.Before.Threads))
	for _, t := range s.Attack.Before.Threads {
		before[id{t.PID, t.TID}] = t
	}
	out := slices.Clone(s.Attack.After.Threads)
	for i, t := range out {
		was := before[id{t.PID, t.TID}]
		out[i].CPU, out[i].Sleeps = max(t.CPU-was.CPU, 0), max(t.Sleeps-was.Sleeps, 0)
	}
	return out
}
