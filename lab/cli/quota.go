package cli

import (
	"context"
	"fmt"
	"strings"
	"time"

	"runtimelab/lab"
	"runtimelab/lab/engine"
	"runtimelab/lab/gate"
	"runtimelab/lab/host"
	"runtimelab/lab/message"
)

// canaryRounds is the number of canaries that measureStops runs one after another. They
// last three periods of a quota (100 ms by default), so that they use up what a quota
// grants in the first.
const canaryRounds = 6

// canaryRunner runs canaries on CPUs.
type canaryRunner interface {
	RunCanaries(ctx context.Context, cpus []int) ([]lab.Canary, error)
}

// measureStops keeps all CPUs busy for a third of a second. It returns the longest time
// for which the canaries of one CPU were stopped while that CPU was idle. Only a CPU
// quota does that, also one in a cgroup that the lab cannot read.
func measureStops(
	ctx context.Context, runner canaryRunner, cpus []lab.CPU,
) (stopped time.Duration, err error) {
	var ids []int
	for _, c := range cpus {
		ids = append(ids, c.ID)
	}
	sums := map[int]time.Duration{}
	for range canaryRounds {
		canaries, err := runner.RunCanaries(ctx, ids)
		if err != nil {
			return 0, err
		}
		for _, c := range canaries {
			sums[c.CPU] += gate.StoppedTime(c)
			stopped = max(stopped, sums[c.CPU])
		}
	}
	return stopped, nil
}

// describeLowQuotas describes the quotas that grant fewer CPUs than the machine has.
func describeLowQuotas(quotas []engine.Quota, cpus int) (descriptions []string) {
	for _, q := range quotas {
		if q.CPUs < float64(cpus) {
			descriptions = append(descriptions,
				fmt.Sprintf("cgroup %s may use %.3g of %s at a time", q.Cgroup, q.CPUs,
					message.Count(cpus, "CPU", "CPUs")))
		}
	}
	return descriptions
}

// quotaDoubts returns the doubts of a run about quotas above its containers. They contain
// no measured value: a resumed run compares them, and they must be the same in each of
// its sessions.
func quotaDoubts(quotas []engine.Quota, cpus int, stopped time.Duration) (doubts []string) {
	for _, description := range describeLowQuotas(quotas, cpus) {
		doubts = append(doubts, description+": a trial that uses up that quota is disturbed")
	}
	if len(doubts) == 0 && stopped > gate.MaxCanaryStop {
		doubts = append(doubts, "a CPU quota that cannot be read from here "+
			"stops the engine's containers while CPUs are idle")
	}
	return doubts
}

// quotaCheck judges the quotas above the engine's containers. known is false if none can
// be read. measuring describes a run that is measuring, during which no canaries run and
// stopped is 0; it is empty if there is none.
func quotaCheck(
	quotas []engine.Quota, known bool, cpus int, stopped time.Duration, measuring string,
) host.Check {
	c := host.Check{Name: "cpu quota", Status: host.OK}
	c.Detail = "none above the engine's containers that can be read from here"
	if !known {
		c.Detail = "the cgroups above the engine's containers cannot be read from here"
	}
	if descriptions := describeLowQuotas(quotas, cpus); len(descriptions) > 0 {
		c.Status, c.Detail = host.Warn, strings.Join(descriptions, "; ")
		for _, q := range quotas {
			if q.Throttled > 0 {
				c.Detail += fmt.Sprintf("; %s was stopped in %s so far", q.Cgroup,
					message.Count(int(q.Throttled), "period", "periods"))
			}
		}
	}
	switch {
	case measuring != "":
		c.Detail += "; not tested by keeping all CPUs busy, because a run is measuring: " + measuring
	case stopped > gate.MaxCanaryStop:
		c.Status = host.Warn
		c.Detail += fmt.Sprintf("; a container that keeps all CPUs busy was stopped for %d ms "+
			"while a CPU was idle", stopped.Milliseconds())
	default:
		c.Detail += "; a container that keeps all CPUs busy was not stopped"
	}
	if c.Status == host.Warn {
		c.Fix = "lift the limit: CPUQuota= of the slice, --cpus of the container that the engine runs in, " +
			"or the CI runner's limit; trials that use it up are disturbed"
	}
	return c
}
