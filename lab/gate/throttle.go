package gate

import (
	"slices"
	"time"

	"runtimelab/lab"
	"runtimelab/lab/metric"
)

// StoppedCanary is for how long a canary may be stopped while its CPU has nothing to do. Idle time
// is read to 10 ms, at either end. A quota stops a canary for the rest of a period, which is 100 ms
// by default.
const StoppedCanary = 20 * time.Millisecond

// StoppedGenerator is the share of its CPUs' time that a generator which polls may leave idle. It
// should leave none; a server's CPU of which others take as much is disturbed.
const StoppedGenerator = MaxForeignCPU

// outside says that something outside the cell took part in an attack: a quota or others.
func outside(s lab.Sample, c lab.Calibration) *lab.GateResult {
	for _, rule := range []func(lab.Sample, lab.Calibration) *lab.GateResult{
		throttled, stoppedGenerator,
		foreignCPU,
	} {
		if g := rule(s, c); g != nil {
			return g
		}
	}
	return nil
}

// throttled says that a CPU quota above the server's container stopped it. The quota of the
// container itself is the server's outcome, like its limit of memory; one above it is another
// machine than the plan says.
func throttled(s lab.Sample, _ lab.Calibration) *lab.GateResult {
	if periods, known := metric.ThrottledAbove(s); known && periods > 0 {
		return newResult(lab.Disturbed, "a CPU quota of a cgroup above the server's container stopped it "+
			"in %d periods (limit 0; lab doctor names the quota)", periods)
	}
	return nil
}

// stoppedGenerator says that a generator which never sleeps left its CPUs idle. A quota that gives
// more than canaries need in one go shows only here, where it cannot be read.
func stoppedGenerator(s lab.Sample, _ lab.Calibration) *lab.GateResult {
	if idle, known := metric.GeneratorIdleRatio(s); known && idle > StoppedGenerator {
		return newResult(lab.Disturbed, "the generator, which never sleeps, was stopped for %.1f%% "+
			"of its CPUs' time while they had nothing to do (limit %.1f%%): a CPU quota stops what runs in containers",
			100*idle, 100*StoppedGenerator)
	}
	return nil
}

// stoppedCanary says that a canary did not run while its CPU had nothing to do, which only a CPU
// quota brings about: that is how one shows whose cgroup cannot be read.
func stoppedCanary(s lab.Sample, _ lab.Calibration) *lab.GateResult {
	for i, canary := range slices.Concat(s.Canaries.Before, s.Canaries.After) {
		stopped := Stopped(canary)
		if stopped <= StoppedCanary {
			continue
		}
		when := "before"
		if i >= len(s.Canaries.Before) {
			when = "after"
		}
		return newResult(lab.Disturbed, "the canary on CPU %d was stopped for %.0f ms %s the attack "+
			"while the CPU had nothing to do (limit %.0f ms): a CPU quota stops what runs in containers",
			canary.CPU, milliseconds(stopped), when, milliseconds(StoppedCanary))
	}
	return nil
}

// Stopped is for how long a canary did not run although its CPU had nothing to do.
func Stopped(c lab.Canary) time.Duration { return max(min(c.WallTime-c.ThreadCPUTime, c.Idle), 0) }
