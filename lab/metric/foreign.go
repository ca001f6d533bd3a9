package metric

import (
	"slices"
	"time"

	"runtimelab/lab"
)

// ForeignCPURatio returns the largest share of other work on the CPUs of a party: of the
// generator, the server, or a service beside them.
func ForeignCPURatio(w lab.Window) (largest float64, ok bool) {
	all := [][]int{w.Layout.Generator, w.Layout.Server}
	for _, s := range w.Accounts.Beside {
		all = append(all, s.CPUs)
	}
	for _, cpus := range all {
		foreign, ok := ForeignRatioOn(w, cpus)
		if !ok {
			return 0, false
		}
		largest = max(largest, foreign)
	}
	return largest, true
}

// ForeignGeneratorRatio returns the share of the generator's CPU time, between its
// readings, that was neither idle nor the lab's.
func ForeignGeneratorRatio(w lab.Window) (float64, bool) {
	return ForeignRatioOn(w, w.Layout.Generator)
}

// ForeignServerRatio returns the share of the server's CPU time, between the generator's
// readings, that was neither idle nor the server's. Threads and processes that ended
// meanwhile belong to the server.
func ForeignServerRatio(w lab.Window) (float64, bool) { return ForeignRatioOn(w, w.Layout.Server) }

// ForeignRatioOn returns the share of the time of some CPUs, between the generator's
// readings, that was neither idle nor used by the parties on them:
// 1 - (idle + parties) / (wall x CPUs), at least 0. The generator's time
// includes idle polling, and idle time that of its idle loop.
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
// If parties share CPUs, their use cannot be told apart: the ratio then covers all CPUs of
// these parties.
func ForeignRatioOn(w lab.Window, cpus []int) (float64, bool) {
	p := partiesOn(w, cpus)
	if !p.usedKnown {
		return 0, false
	}
	unused, ok := sumOverCPUs(w.Accounts, p.cpus, func(c lab.CPUAccount) *time.Duration { return c.Uncharged })
	if !ok {
		return 0, false
	}
	accounted, ok := cpuShare(unused+p.idleLoop+p.used, w.Accounts.WallTime, len(p.cpus))
	return max(1-accounted, 0), ok
}

// SleepRateOn returns how often per second and CPU the parties on some CPUs gave up a CPU because
// they had nothing to do, and the CPU went idle. Sleeps that are unknown do not count, nor does the
// share of them on CPUs that an idle loop keeps from halting.
func SleepRateOn(w lab.Window, cpus []int) float64 {
	p := partiesOn(w, cpus)
	rate, known := sleepRate(w, p.sleeps, len(p.cpus))
	if known && p.idleLoop > 0 {
		halting := slices.DeleteFunc(slices.Clone(p.cpus),
			func(id int) bool { return slices.Contains(w.Layout.Generator, id) })
		rate *= float64(len(halting)) / float64(len(p.cpus))
	}
	return rate
}

// parties are the generator, the server and services that share CPUs.
type parties struct {
	cpus      []int
	used      time.Duration // their CPU time
	usedKnown bool          // of all of them
	idleLoop  time.Duration // CPU time of the generator's idle loop
	sleeps    int64
}

// partiesOn returns the parties that run on some CPUs, and those that share further CPUs with them.
func partiesOn(w lab.Window, cpus []int) parties {
	all := parties{cpus: slices.Clone(cpus), usedKnown: true}
	rest := partiesOf(w)
	for joined := true; joined; {
		joined = false
		rest = slices.DeleteFunc(rest, func(p parties) bool {
			if !overlap(p.cpus, all.cpus) {
				return false
			}
			joined = true
			all.cpus = append(all.cpus, p.cpus...)
			all.used, all.usedKnown = all.used+p.used, all.usedKnown && p.usedKnown
			all.idleLoop += p.idleLoop
			all.sleeps += p.sleeps
			return true
		})
	}
	slices.Sort(all.cpus)
	all.cpus = slices.Compact(all.cpus)
	return all
}

// overlap reports whether two sets of CPUs have one in common.
func overlap(a, b []int) bool {
	return slices.ContainsFunc(a, func(id int) bool { return slices.Contains(b, id) })
}

// partiesOf returns each party of a window.
func partiesOf(w lab.Window) []parties {
	a := w.Accounts
	generator := parties{cpus: w.Layout.Generator}
	generator.used, generator.usedKnown = known(a.Generator.CPU)
	generator.sleeps, _ = known(a.Generator.Sleeps)
	if a.Generator.Waiting != nil {
		generator.idleLoop = a.Generator.Waiting.IdleLoop
	}
	server := parties{cpus: w.Layout.Server, sleeps: a.Server.Sleeps}
	server.used, server.usedKnown = known(a.Server.CPU)
	all := []parties{generator, server}
	for _, s := range a.Beside {
		p := parties{cpus: s.CPUs, sleeps: s.Sleeps}
		p.used, p.usedKnown = known(s.CPU)
		all = append(all, p)
	}
	return all
}
