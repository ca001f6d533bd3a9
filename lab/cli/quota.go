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
)

// canariesInARow last for three periods of a quota, which is 100 ms by default: what a quota lets
// them have in the first is used up by then.
const canariesInARow = 6

// singer does the canary's work.
type singer interface {
	RunCanaries(ctx context.Context, cpus []int) ([]lab.Canary, error)
}

// stoppedInARow keeps all CPUs at work for a third of a second, and returns for how long one of
// them at most had nothing to do meanwhile: that is a CPU quota, of a cgroup that can be read or
// not.
func stoppedInARow(ctx context.Context, on singer, cpus []lab.CPU) (stopped time.Duration, err error) {
	var ids []int
	for _, c := range cpus {
		ids = append(ids, c.ID)
	}
	sums := map[int]time.Duration{}
	for range canariesInARow {
		canaries, err := on.RunCanaries(ctx, ids)
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

// tooLow are the quotas that give fewer CPUs than there are, in words.
func tooLow(quotas []engine.Quota, cpus int) (words []string) {
	for _, q := range quotas {
		if q.CPUs < float64(cpus) {
			words = append(words, fmt.Sprintf("cgroup %s may use %.3g of %d CPUs at a time", q.Cgroup, q.CPUs, cpus))
		}
	}
	return words
}

// quotaDoubts are what a run says of quotas above its containers. Resuming compares them, so that
// they must not change from one session to the next: what was measured is not in them.
func quotaDoubts(quotas []engine.Quota, cpus int, stopped time.Duration) (doubts []string) {
	for _, words := range tooLow(quotas, cpus) {
		doubts = append(doubts, words+": a trial that uses up that quota is disturbed")
	}
	if len(doubts) == 0 && stopped > gate.MaxCanaryStop {
		doubts = append(doubts, "a CPU quota that cannot be read from here "+
			"stops the engine's containers while CPUs have nothing to do")
	}
	return doubts
}

// quotaCheck judges what is known of quotas above the engine's containers. busy says who is
// measuring, so that no canaries were sung; known is false where no quota can be read.
func quotaCheck(
	quotas []engine.Quota, known bool, cpus int, stopped time.Duration, busy string,
) host.Check {
	c := host.Check{Name: "cpu quota", Status: host.OK}
	c.Detail = "none above the engine's containers that can be read from here"
	if !known {
		c.Detail = "the cgroups above the engine's containers cannot be read from here"
	}
	if words := tooLow(quotas, cpus); len(words) > 0 {
		c.Status, c.Detail = host.Warn, strings.Join(words, "; ")
		for _, q := range quotas {
			if q.Throttled > 0 {
				c.Detail += fmt.Sprintf("; %s was stopped in %d periods so far", q.Cgroup, q.Throttled)
			}
		}
	}
	switch {
	case busy != "":
		c.Detail += "; not tried by keeping all CPUs at work, because a run is measuring: " + busy
	case stopped > gate.MaxCanaryStop:
		c.Status = host.Warn
		c.Detail += fmt.Sprintf("; a container that keeps all CPUs at work was stopped for %d ms "+
			"while a CPU had nothing to do", stopped.Milliseconds())
	default:
		c.Detail += "; a container that keeps all CPUs at work was not stopped"
	}
	if c.Status == host.Warn {
		c.Fix = "lift the limit: CPUQuota= of the slice, --cpus of the container that the engine runs in, " +
			"or the CI runner's limit; trials that use it up are disturbed"
	}
	return c
}
