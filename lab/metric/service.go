package metric

import (
	"slices"
	"time"

	"runtimelab/lab"
)

// ServiceCPURatio returns a service's CPU time divided by the time of its CPUs, between the
// generator's readings; 0 if that is unknown.
func ServiceCPURatio(w lab.Window, s lab.ServiceAccount) float64 {
	return servicesRatio(w, []lab.ServiceAccount{s}, len(s.CPUs))
}

// SharedServiceCPURatio returns what ServiceCPURatio does, for a service and all others beside the
// server that run on one of its CPUs.
func SharedServiceCPURatio(w lab.Window, s lab.ServiceAccount) float64 {
	return servicesRatio(w, servicesOn(w, s.CPUs), len(s.CPUs))
}

// GeneratorSideCPURatio returns the share of the time of the generator's CPUs that the generator used
// without idle polling, and services on one of its CPUs.
func GeneratorSideCPURatio(w lab.Window) float64 {
	generator, _ := GeneratorCPURatio(w)
	return generator + servicesRatio(w, servicesOn(w, w.Layout.Generator), len(w.Layout.Generator))
}

// BusiestServiceThreadRatio returns the CPU time of a service's busiest thread divided by the time
// between the generator's readings.
func BusiestServiceThreadRatio(w lab.Window, s lab.ServiceAccount) float64 {
	share, _ := cpuShare(s.Threads.Largest, w.Accounts.WallTime, 1)
	return share
}

// UnattributedCPURatio returns the CPU time of processes in the cell that belong to no service,
// divided by the time between the generator's readings: 1 is one CPU.
func UnattributedCPURatio(w lab.Window) float64 {
	share, _ := cpuShare(w.Accounts.Unattributed, w.Accounts.WallTime, 1)
	return share
}

// UnattributedCPUSeconds returns the CPU time of processes in the cell that belong to no service.
func UnattributedCPUSeconds(w lab.Window) (float64, bool) {
	return w.Accounts.Unattributed.Seconds(), w.Accounts.WallTime > 0
}

// servicesRatio returns the CPU time of services divided by the time of so many CPUs, between the
// generator's readings. CPU time that is unknown does not count.
func servicesRatio(w lab.Window, services []lab.ServiceAccount, cpus int) float64 {
	var sum time.Duration
	for _, s := range services {
		used, _ := known(s.CPU)
		sum += used
	}
	share, _ := cpuShare(sum, w.Accounts.WallTime, cpus)
	return share
}

// servicesOn returns the services beside the server that run on one of these CPUs.
func servicesOn(w lab.Window, cpus []int) (all []lab.ServiceAccount) {
	for _, s := range w.Accounts.Beside {
		if overlap(s.CPUs, cpus) {
			all = append(all, s)
		}
	}
	return all
}

// UpstreamCalls returns the number of calls that the upstream answered.
func UpstreamCalls(w lab.Window) (int64, bool) {
	return sumOver(servicesOf(w, lab.RoleUpstream),
		func(s lab.ServiceAccount) (int64, bool) { return known(s.Calls) })
}

// StatementsPerRequest returns the statements that the server sent to databases, on their tables, per
// request that succeeded.
func StatementsPerRequest(w lab.Window) (float64, bool) {
	return countPerRequest(w, func(c lab.DatabaseCounts) int64 { return c.Statements })
}

// RowsPerRequest returns the rows that these statements returned or changed, per request that succeeded.
func RowsPerRequest(w lab.Window) (float64, bool) {
	return countPerRequest(w, func(c lab.DatabaseCounts) int64 { return c.Rows })
}

// countPerRequest returns a count of the databases per request that succeeded.
func countPerRequest(w lab.Window, count func(lab.DatabaseCounts) int64) (float64, bool) {
	sum, ok := sumOver(servicesOf(w, lab.RoleDatabase), func(s lab.ServiceAccount) (int64, bool) {
		if s.Counts == nil {
			return 0, false
		}
		return count(*s.Counts), true
	})
	if !ok || w.Attack.Succeeded == 0 {
		return 0, false
	}
	return float64(sum) / float64(w.Attack.Succeeded), true
}

// cpuRatioOf returns a figure of the services of a role: their CPU time divided by the time of their
// CPUs, between the generator's readings.
func cpuRatioOf(role lab.Role) func(lab.Window) (float64, bool) {
	return func(w lab.Window) (float64, bool) {
		var cpus []int
		used, ok := sumOver(servicesOf(w, role), func(s lab.ServiceAccount) (time.Duration, bool) {
			cpus = append(cpus, s.CPUs...)
			return known(s.CPU)
		})
		if !ok {
			return 0, false
		}
		slices.Sort(cpus)
		return cpuShare(used, w.Accounts.WallTime, len(slices.Compact(cpus)))
	}
}

// cpuPerRequestOf returns a figure of the services of a role: the CPU time of their containers per
// request that succeeded, in microseconds.
func cpuPerRequestOf(role lab.Role) func(lab.Window) (float64, bool) {
	return func(w lab.Window) (float64, bool) {
		used, ok := sumOver(servicesOf(w, role), func(s lab.ServiceAccount) (time.Duration, bool) {
			return ofContainer(s, func(c lab.ContainerAccount) *time.Duration { return c.CPU })
		})
		return perRequestUS(w, used), ok && w.Attack.Succeeded > 0
	}
}

// memoryPeakOf returns a figure of the services of a role: the highest memory use of their
// containers, in MiB. The peaks of several are summed, although they need not have been at once.
func memoryPeakOf(role lab.Role) func(lab.Window) (float64, bool) {
	return func(w lab.Window) (float64, bool) {
		peak, ok := sumOver(servicesOf(w, role), func(s lab.ServiceAccount) (int64, bool) {
			return ofContainer(s, func(c lab.ContainerAccount) *int64 { return c.MemoryPeakBytes })
		})
		return float64(peak) / (1 << 20), ok
	}
}

// servicesOf returns the services of a role, which is not the server's.
func servicesOf(w lab.Window, role lab.Role) (all []lab.ServiceAccount) {
	for _, s := range w.Accounts.Beside {
		if s.Role == role {
			all = append(all, s)
		}
	}
	return all
}

// sumOver sums an account over services. It returns false if there is none, or if one is unknown.
func sumOver[T ~int64](all []lab.ServiceAccount, account func(lab.ServiceAccount) (T, bool)) (sum T,
	ok bool,
) {
	for _, s := range all {
		value, ok := account(s)
		if !ok {
			return 0, false
		}
		sum += value
	}
	return sum, len(all) > 0
}
