package metric

import (
	"slices"
	"time"

	"runtimelab/lab"
)

// ServerCPUSeconds returns the CPU time of the server's container between its readings,
// which are taken just before and just after the attack.
func ServerCPUSeconds(w lab.Window) (float64, bool) {
	d, ok := containerCPU(w)
	return d.Seconds(), ok
}

// ServerCPURatio returns CPU seconds of the server's container / (elapsed seconds x CPUs
// of the server). It can exceed 1 slightly, because the readings lie outside the attack.
func ServerCPURatio(w lab.Window) (float64, bool) {
	used, ok := containerCPU(w)
	if !ok {
		return 0, false
	}
	return cpuShare(used, w.Attack.Elapsed, len(w.Layout.Server))
}

// CPUPerRequestUS returns the CPU time of the server's container per request that
// succeeded, in microseconds.
func CPUPerRequestUS(w lab.Window) (float64, bool) {
	used, ok := containerCPU(w)
	return perRequestUS(w, used), ok && w.Attack.Succeeded > 0
}

// perRequestUS returns a CPU time per request that succeeded, in microseconds.
func perRequestUS(w lab.Window, used time.Duration) float64 {
	return float64(used) / float64(time.Microsecond) / float64(w.Attack.Succeeded)
}

// GeneratorCPURatio returns the generator's CPU time without idle polling, divided by the
// time of its CPUs during the attack.
func GeneratorCPURatio(w lab.Window) (float64, bool) {
	used := w.Accounts.Generator.CPU
	if used == nil {
		return 0, false
	}
	return cpuShare(max(*used-w.Attack.IdlePolling, 0), w.Attack.Elapsed, len(w.Layout.Generator))
}

// GeneratorInterruptRatio returns the share of the generator's CPU time, between its
// readings, that interrupts used.
func GeneratorInterruptRatio(w lab.Window) (float64, bool) {
	return ratioOfCPUs(w, w.Layout.Generator, func(c lab.CPUAccount) *time.Duration { return c.Interrupts })
}

// GeneratorIdleRatio returns the share of the generator's CPU time, between its readings,
// that was idle. It returns false for a generator that sleeps: only a polling one, which
// leaves its CPUs no idle time, has IdlePolling.
func GeneratorIdleRatio(w lab.Window) (float64, bool) {
	if w.Attack.IdlePolling <= 0 {
		return 0, false
	}
	return ratioOfCPUs(w, w.Layout.Generator, func(c lab.CPUAccount) *time.Duration { return c.Idle })
}

// ServerSleepRate returns how often per second and CPU the server's threads gave up a CPU
// because they had nothing to do.
func ServerSleepRate(w lab.Window) (float64, bool) {
	return sleepRate(w, w.Accounts.Server.Sleeps, len(w.Layout.Server))
}

// sleepRate returns a number of sleeps per second and CPU.
func sleepRate(w lab.Window, sleeps int64, cpus int) (float64, bool) {
	if w.Accounts.WallTime <= 0 || cpus == 0 {
		return 0, false
	}
	return float64(sleeps) / w.Accounts.WallTime.Seconds() / float64(cpus), true
}

// StealRatio returns the share of the layout's CPU time, between the generator's
// readings, that the hypervisor took. Some hypervisors do not report it and read 0.
func StealRatio(w lab.Window) (float64, bool) {
	return ratioOfCPUs(w, w.Layout.AllCPUs(), func(c lab.CPUAccount) *time.Duration { return c.Steal })
}

// containerCPU returns the CPU time of the server's container between its readings.
func containerCPU(w lab.Window) (time.Duration, bool) {
	return ofServer(w, func(c lab.ContainerAccount) *time.Duration { return c.CPU })
}

// known returns the value of an account, or false if it is unknown.
func known[T any](value *T) (v T, ok bool) {
	if value == nil {
		return v, false
	}
	return *value, true
}

// ratioOfCPUs returns the share of the time of some CPUs, between the generator's
// readings, that one of their accounts holds.
func ratioOfCPUs(w lab.Window, cpus []int, account func(lab.CPUAccount) *time.Duration) (float64, bool) {
	spent, ok := sumOverCPUs(w.Accounts, cpus, account)
	if !ok {
		return 0, false
	}
	return cpuShare(spent, w.Accounts.WallTime, len(cpus))
}

// sumOverCPUs sums one account over some CPUs. It returns false if a CPU was missing in a
// reading, or if its account is unknown.
func sumOverCPUs(
	a lab.Accounts, cpus []int, account func(lab.CPUAccount) *time.Duration,
) (sum time.Duration, ok bool) {
	for _, id := range cpus {
		i := slices.IndexFunc(a.CPUs, func(c lab.CPUAccount) bool { return c.ID == id })
		if i < 0 {
			return 0, false
		}
		d, ok := known(account(a.CPUs[i]))
		if !ok {
			return 0, false
		}
		sum += d
	}
	return sum, true
}

// cpuShare returns used / (during x cpus).
func cpuShare(used, during time.Duration, cpus int) (float64, bool) {
	if during <= 0 || cpus <= 0 {
		return 0, false
	}
	return used.Seconds() / (during.Seconds() * float64(cpus)), true
}
