package experiment

import (
	"context"
	"maps"
	"slices"
	"time"

	"runtimelab/lab"
	"runtimelab/lab/account"
	"runtimelab/lab/fault"
	"runtimelab/lab/gate"
)

// runCanaries runs the canaries on all CPUs of the layout. It returns them, the
// server's CPU time meanwhile and the server's usage afterwards. before is the server's
// usage so far; if it is nil, runCanaries reads it.
func (e *Experiment) runCanaries(ctx context.Context, l lab.Layout, server Service, before *account.Usage) (
	canaries []lab.Canary, serverCPU time.Duration, after account.Usage, err error,
) {
	if before == nil {
		u, err := server.Usage(ctx)
		if err != nil {
			return nil, 0, u, err
		}
		before = &u
	}
	if canaries, err = e.Cells.RunCanaries(ctx, l.AllCPUs()); err != nil {
		return nil, 0, after, fault.During(ctx, fault.Lab, err)
	}
	if after, err = server.Usage(ctx); err != nil {
		return nil, 0, after, err
	}
	serverCPU = after.CPU - before.CPU
	e.recordCanaries(canaries, l, serverCPU)
	return canaries, serverCPU, after, nil
}

// maxServerShare is the largest share of a canary's time that the server's own work may
// take. Above it the correction is too uncertain, and the baseline ignores the canary.
const maxServerShare = 0.05

// recordCanaries adds canaries to the baseline of later trials, except those that the
// server slowed down. serverCPU is the server's CPU time meanwhile.
func (e *Experiment) recordCanaries(canaries []lab.Canary, l lab.Layout, serverCPU time.Duration) {
	if e.canaryTimes == nil {
		e.canaryTimes = make(map[int][]time.Duration)
	}
	for _, c := range canaries {
		corrected := gate.CanaryTimeWithoutServer(c, l, serverCPU)
		if float64(c.WallTime-corrected) > maxServerShare*float64(c.WallTime) {
			continue
		}
		times := append(e.canaryTimes[c.CPU], corrected)
		e.canaryTimes[c.CPU] = times[max(0, len(times)-gate.CanaryWindow):]
	}
}

// baselineCanaries returns the baseline of this run's last canaries, for each CPU with
// at least gate.MinCanaries of them.
func (e *Experiment) baselineCanaries() (baselines []lab.CanaryBaseline) {
	for _, cpu := range slices.Sorted(maps.Keys(e.canaryTimes)) {
		if times := e.canaryTimes[cpu]; len(times) >= gate.MinCanaries {
			baselines = append(baselines, gate.EstimateCanaryBaseline(cpu, times))
		}
	}
	return baselines
}
