package account

import (
	"slices"
	"strings"

	"runtimelab/lab"
)

// sumReplicas returns the account of several servers as if they were one. A sum is unknown if one
// of its parts is. The memory peak is an upper bound: replicas need not reach theirs at once.
func sumReplicas(replicas []lab.ServiceAccount) (sum lab.ServiceAccount) {
	if len(replicas) == 0 {
		return sum
	}
	sum = replicas[0]
	names := []string{sum.Name}
	for _, r := range replicas[1:] {
		names = append(names, r.Name)
		sum.CPUs = unionOf(sum.CPUs, r.CPUs)
		sum.CPU, sum.Calls = sumKnown(sum.CPU, r.CPU), sumKnown(sum.Calls, r.Calls)
		sum.Ended = sum.Ended || r.Ended
		sum.Sleeps += r.Sleeps
		sum.Threads, sum.Processes = sumOf(sum.Threads, r.Threads), sumOf(sum.Processes, r.Processes)
		sum.Container = sumContainers(sum.Container, r.Container)
	}
	sum.Name = strings.Join(names, ", ")
	return sum
}

// unionOf returns the CPUs of two services, sorted and without duplicates.
func unionOf(a, b []int) []int {
	all := slices.Concat(a, b)
	slices.Sort(all)
	return slices.Compact(all)
}

// sumOf returns the CPU times of the threads or processes of two services.
func sumOf(a, b lab.CPUSum) lab.CPUSum {
	return lab.CPUSum{Total: a.Total + b.Total, Largest: max(a.Largest, b.Largest)}
}

// sumContainers returns the sum of two accounts, or nil if one is unknown.
func sumContainers(a, b *lab.ContainerAccount) *lab.ContainerAccount {
	if a == nil || b == nil {
		return nil
	}
	return &lab.ContainerAccount{
		CPU:              sumKnown(a.CPU, b.CPU),
		ThrottledPeriods: sumKnown(a.ThrottledPeriods, b.ThrottledPeriods),
		ThrottledAbove:   sumKnown(a.ThrottledAbove, b.ThrottledAbove),
		OOMEvents:        sumKnown(a.OOMEvents, b.OOMEvents),
		MemoryPeakBytes:  sumKnown(a.MemoryPeakBytes, b.MemoryPeakBytes),
	}
}

// sumKnown returns the sum of two values, or nil if one is unknown.
func sumKnown[T ~int64](a, b *T) *T {
	if a == nil || b == nil {
		return nil
	}
	sum := *a + *b
	return &sum
}
