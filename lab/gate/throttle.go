package gate

import (
	"slices"
	"time"

	"runtimelab/lab"
	"runtimelab/lab/message"
	"runtimelab/lab/metric"
)

// throttled returns a result if a CPU quota above a service's container throttled
// it. The quota of the container itself is part of the plan, like its memory limit.
// A quota above it makes the machine slower than the plan says.
func throttled(w lab.Window) *lab.GateResult {
	for _, s := range append([]lab.ServiceAccount{w.Accounts.Server}, w.Accounts.Beside...) {
		name := "the server's container"
		if !s.Role.Traits().Measured {
			name = "the container of the service " + s.Name
		}
		if periods, known := metric.ThrottledAbove(s); known && periods > 0 {
			return newResult(lab.Disturbed, "a CPU quota of a cgroup above %s throttled it "+
				"in %s (limit 0); lab doctor names the quota", name, message.Count(int(periods), "period", "periods"))
		}
	}
	return nil
}

// stoppedGenerator returns a result if a polling generator left its CPUs idle. A
// CPU quota that cannot be read, and that allows more than a canary needs at a
// time, shows only here.
func stoppedGenerator(w lab.Window) *lab.GateResult {
	if idle, known := metric.GeneratorIdleRatio(w); known && idle > MaxGeneratorIdle {
		return newResult(lab.Disturbed, "the generator, which never sleeps, was stopped for %.1f%% "+
			"of its CPUs' time while they were idle (limit %.1f%%): a CPU quota stops the lab's containers",
			100*idle, 100*MaxGeneratorIdle)
	}
	return nil
}

// stoppedCanary returns a result if a canary did not run while its CPU was idle.
// Only a CPU quota causes that, so that it also finds quotas in cgroups that cannot
// be read.
func stoppedCanary(c lab.PhaseCanaries) *lab.GateResult {
	for i, canary := range slices.Concat(c.Before, c.After) {
		stopped := StoppedTime(canary)
		if stopped <= MaxCanaryStop {
			continue
		}
		when := "before"
		if i >= len(c.Before) {
			when = "after"
		}
		return newResult(lab.Disturbed, "the canary on CPU %d was stopped for %.0f ms %s the attack "+
			"while the CPU was idle (limit %.0f ms): a CPU quota stops the lab's containers",
			canary.CPU, milliseconds(stopped), when, milliseconds(MaxCanaryStop))
	}
	return nil
}

// StoppedTime returns for how long a canary did not run while its CPU was idle.
func StoppedTime(c lab.Canary) time.Duration { return max(min(c.WallTime-c.ThreadCPUTime, c.Idle), 0) }
