package session

import (
	"context"
	"fmt"
	"time"

	"runtimelab/lab"
	"runtimelab/lab/engine"
	"runtimelab/lab/gate"
	"runtimelab/lab/message"
)

// Quotas describes the CPU quotas above the engine's containers, and their effect.
type Quotas struct {
	CPUs  []int // of the engine's machine
	Known bool  // whether the cgroups above the containers can be read
	Above []engine.Quota

	// Stopped is the longest time for which the canaries of one CPU were stopped while that
	// CPU was idle. Only a CPU quota does that, also one in a cgroup that the lab cannot
	// read. It is 0 until MeasureStops.
	Stopped time.Duration
}

// ReadQuotas reads the CPU quotas above the lease's container. cpus are those of the
// engine's machine.
func (l *Lease) ReadQuotas(ctx context.Context, cpus []lab.CPU) (q Quotas, err error) {
	for _, c := range cpus {
		q.CPUs = append(q.CPUs, c.ID)
	}
	q.Above, q.Known, err = l.run.Quotas(ctx)
	return q, err
}

// canaryRounds is the number of canaries that MeasureStops runs one after another. They
// last three periods of a quota (100 ms by default), so that they use up what a quota
// grants in the first.
const canaryRounds = 6

// canaryRunner runs canaries on CPUs.
type canaryRunner interface {
	RunCanaries(ctx context.Context, cpus []int) ([]lab.Canary, error)
}

// MeasureStops keeps all CPUs busy for a third of a second, and sets Stopped.
func (q *Quotas) MeasureStops(ctx context.Context, runner canaryRunner) error {
	q.Stopped = 0
	sums := map[int]time.Duration{}
	for range canaryRounds {
		canaries, err := runner.RunCanaries(ctx, q.CPUs)
		if err != nil {
			return err
		}
		for _, c := range canaries {
			sums[c.CPU] += gate.StoppedTime(c)
			q.Stopped = max(q.Stopped, sums[c.CPU])
		}
	}
	return nil
}

// MeasureQuotas reads the CPU quotas above the session's containers, and measures their
// effect.
func (s *Session) MeasureQuotas(ctx context.Context) (q Quotas, err error) {
	if q, err = s.lease.ReadQuotas(ctx, s.Topology.CPUs); err == nil {
		err = q.MeasureStops(ctx, s.lease)
	}
	return q, err
}

// StopContainers reports whether a container that kept all CPUs busy was stopped for
// longer than a gate allows.
func (q Quotas) StopContainers() bool { return q.Stopped > gate.MaxCanaryStop }

// DescribeLow describes the quotas that grant fewer CPUs than the machine has.
func (q Quotas) DescribeLow() (descriptions []string) {
	for _, quota := range q.Above {
		if quota.CPUs < float64(len(q.CPUs)) {
			descriptions = append(descriptions,
				fmt.Sprintf("cgroup %s may use %.3g of %s at a time", quota.Cgroup, quota.CPUs,
					message.Count(len(q.CPUs), "CPU", "CPUs")))
		}
	}
	return descriptions
}

// Doubts returns the doubts of a run about quotas above its containers. They contain no
// measured value: a resumed run compares them, and they must be the same in each of its
// sessions.
func (q Quotas) Doubts() (doubts []string) {
	for _, description := range q.DescribeLow() {
		doubts = append(doubts, description+": a trial that uses up that quota is disturbed")
	}
	if len(doubts) == 0 && q.StopContainers() {
		doubts = append(doubts, "a CPU quota that cannot be read from here "+
			"stops the engine's containers while CPUs are idle")
	}
	return doubts
}
