package metric

import (
	"time"

	"runtimelab/lab"
)

// BusiestThreadRatio returns the CPU time of the server's busiest thread divided by the
// time between the generator's readings, 0 to 1. A runtime with one JavaScript thread or
// one interpreter lock is at its limit at 1. It returns false if a thread that ended
// meanwhile may have been busier.
func BusiestThreadRatio(w lab.Window) (float64, bool) {
	threads := w.Accounts.Server.Threads
	used, ok := known(w.Accounts.Server.CPU)
	if !ok || endedMayBeBusier(w, used-threads.Total, threads.Largest) {
		return 0, false
	}
	return cpuShare(threads.Largest, w.Accounts.WallTime, 1)
}

// BusiestProcessRatio returns the CPU time of the server's busiest process divided by
// that of all its processes, between the generator's readings. It is 1 if one process
// does all work, and 1/n if n processes share it evenly. It returns false if a process
// that ended meanwhile may have been busier.
func BusiestProcessRatio(w lab.Window) (float64, bool) {
	processes := w.Accounts.Server.Processes
	used, ok := known(w.Accounts.Server.CPU)
	if !ok || endedMayBeBusier(w, used-processes.Total, processes.Largest) {
		return 0, false
	}
	return cpuShare(processes.Largest, processes.Total, 1)
}

// endedMayBeBusier reports whether one of the threads or processes that ended between the
// generator's readings may have been busier than those that remain. ended is the CPU time
// of all that ended. The CPU times are precise to a hundredth of the time between the
// readings.
func endedMayBeBusier(w lab.Window, ended, busiest time.Duration) bool {
	return ended > max(busiest, w.Accounts.WallTime/100)
}

// SaturationRatio returns how close the server is to its limit: its busiest thread, or all
// threads per CPU, whichever is higher, divided by the share of its CPUs that other work
// (ForeignServerRatio) left. If threads start and end, the busiest may be unknown. A server
// with several CPUs that runs one such thread at a time is then closer to its limit than
// this says.
func SaturationRatio(w lab.Window) (float64, bool) {
	used, ok := known(w.Accounts.Server.CPU)
	if !ok {
		return 0, false
	}
	busiest, _ := cpuShare(w.Accounts.Server.Threads.Largest, w.Accounts.WallTime, 1)
	perCPU, ok := cpuShare(used, w.Accounts.WallTime, len(w.Layout.Server))
	foreign, foreignKnown := ForeignServerRatio(w)
	if !ok || !foreignKnown || foreign >= 1 {
		return 0, false
	}
	return max(busiest, perCPU) / (1 - foreign), true
}
