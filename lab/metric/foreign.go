package metric

import (
	"time"

	"runtimelab/lab"
)

// ForeignCPURatio returns the larger of ForeignGeneratorRatio and ForeignServerRatio.
func ForeignCPURatio(s lab.Sample) (float64, bool) {
	generator, ok := ForeignGeneratorRatio(s)
	if !ok {
		return 0, false
	}
	server, ok := ForeignServerRatio(s)
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
// them handle the generator's own packets. On such kernels (Sample.SeparateIRQTime)
// interrupts are not foreign.
//
// If both sides share CPUs, their use cannot be told apart: both ratios then cover all
// CPUs of the trial.
func ForeignGeneratorRatio(s lab.Sample) (float64, bool) {
	generator, ok := generatorCPU(s)
	if !ok {
		return 0, false
	}
	if s.Layout.SharesCPUs() {
		return foreignSharedRatio(s)
	}
	return foreignRatio(s, s.Layout.Generator, generator+upstreamCPU(s))
}

// ForeignServerRatio returns the share of the server's CPU time, between the generator's
// readings, that was neither idle nor the server's. Threads and processes that ended
// meanwhile belong to the server (see serverCPU).
func ForeignServerRatio(s lab.Sample) (float64, bool) {
	server, ok := serverCPU(s)
	if !ok {
		return 0, false
	}
	if s.Layout.SharesCPUs() {
		return foreignSharedRatio(s)
	}
	return foreignRatio(s, s.Layout.Server, server)
}

// foreignSharedRatio returns the foreign share of all CPUs of the trial.
func foreignSharedRatio(s lab.Sample) (float64, bool) {
	generator, ok := generatorCPU(s)
	server, known := serverCPU(s)
	if !ok || !known {
		return 0, false
	}
	return foreignRatio(s, s.Layout.AllCPUs(), generator+upstreamCPU(s)+server)
}

// foreignRatio returns the share of the time of some CPUs that was neither idle nor used
// by the lab.
func foreignRatio(s lab.Sample, cpus []int, used time.Duration) (float64, bool) {
	unused, ok := cpuCounterDelta(s, cpus, func(c lab.CPUTime) time.Duration {
		if s.SeparateIRQTime {
			return c.Idle + c.Interrupts
		}
		return c.Idle
	})
	if !ok {
		return 0, false
	}
	accounted, ok := cpuShare(unused+used, wallTime(s), len(cpus))
	return max(1-accounted, 0), ok
}
