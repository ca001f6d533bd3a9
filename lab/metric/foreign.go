package metric

import (
	"time"

	"runtimelab/lab"
)

// ForeignCPURatio returns the larger of ForeignGeneratorRatio and ForeignServerRatio.
func ForeignCPURatio(w lab.Window) (float64, bool) {
	generator, ok := ForeignGeneratorRatio(w)
	if !ok {
		return 0, false
	}
	server, ok := ForeignServerRatio(w)
	return max(generator, server), ok
}

// ForeignGeneratorRatio returns the share of the generator's CPU time, between its
// readings, that was neither idle nor the lab's:
// 1 - (idle + generator + upstream) / (wall x CPUs), at least 0. The generator's time
// includes idle polling.
//
// The kernel measures the time of threads by the clock. On kernels that stop the tick of
// idle CPUs, the same is true of idle time. Busy time in /proc/stat counts ticks instead.
// The difference above is therefore exact to the 10 ms in which idle time is written. It
// includes steal from a busy CPU. It does not include steal from an idle CPU, which a load
// can cause itself by waking that CPU.
//
// Kernels built with CONFIG_IRQ_TIME_ACCOUNTING charge interrupts to no thread. Most of
// them handle the generator's own packets. On such kernels interrupts are not foreign
// (CPUAccount.Uncharged).
//
// If both sides share CPUs, their use cannot be told apart: both ratios then cover all
// CPUs of the trial.
func ForeignGeneratorRatio(w lab.Window) (float64, bool) {
	generator, ok := generatorAndUpstreamCPU(w)
	if !ok {
		return 0, false
	}
	if w.Layout.SharesCPUs() {
		return foreignSharedRatio(w)
	}
	return foreignRatio(w, w.Layout.Generator, generator)
}

// ForeignServerRatio returns the share of the server's CPU time, between the generator's
// readings, that was neither idle nor the server's. Threads and processes that ended
// meanwhile belong to the server.
func ForeignServerRatio(w lab.Window) (float64, bool) {
	server, ok := known(w.Accounts.Server.CPU)
	if !ok {
		return 0, false
	}
	if w.Layout.SharesCPUs() {
		return foreignSharedRatio(w)
	}
	return foreignRatio(w, w.Layout.Server, server)
}

// foreignSharedRatio returns the foreign share of all CPUs of the trial.
func foreignSharedRatio(w lab.Window) (float64, bool) {
	generator, ok := generatorAndUpstreamCPU(w)
	server, serverKnown := known(w.Accounts.Server.CPU)
	if !ok || !serverKnown {
		return 0, false
	}
	return foreignRatio(w, w.Layout.AllCPUs(), generator+server)
}

// generatorAndUpstreamCPU returns the CPU time of all parties on the generator's CPUs.
func generatorAndUpstreamCPU(w lab.Window) (used time.Duration, ok bool) {
	used, ok = known(w.Accounts.Generator.CPU)
	if w.Accounts.Upstream != nil {
		used += w.Accounts.Upstream.CPU
	}
	return used, ok
}

// foreignRatio returns the share of the time of some CPUs that was neither idle nor used
// by the lab.
func foreignRatio(w lab.Window, cpus []int, used time.Duration) (float64, bool) {
	unused, ok := sumOverCPUs(w.Accounts, cpus, func(c lab.CPUAccount) *time.Duration { return c.Uncharged })
	if !ok {
		return 0, false
	}
	accounted, ok := cpuShare(unused+used, w.Accounts.WallTime, len(cpus))
	return max(1-accounted, 0), ok
}
