package experiment

import (
	"context"
	"fmt"
	"slices"

	"runtimelab/lab"
	"runtimelab/lab/account"
	"runtimelab/lab/gate"
	"runtimelab/lab/message"
	"runtimelab/lab/metric"
	"runtimelab/lab/plan"
)

// minServedRatio is the share of scheduled requests that a step must answer
// correctly. Without it a server that answers few requests could keep an SLO that
// limits latencies only. metric.Objectives says how many requests may fail.
const minServedRatio = 0.99

// measureCapacity searches for the highest rate at which a warmed-up server keeps the
// SLO of a phase. The search starts at the phase's rate; a is the phase's attack. All
// figures of the sample but the capacity are those of the last confirmation, or of the
// last step if there was nothing to confirm.
//
// A server that keeps the SLO at no tried rate gives a valid sample without a
// capacity: 0 would claim rates that were not tried, and has no logarithm.
//
// Canaries run before and after the whole search. The server's usage is read around
// every step.
func (e *Experiment) measureCapacity(ctx context.Context, s lab.Sample, a lab.Attack,
	cell Cell,
) (lab.Sample, error) {
	s.Phase.PeakShare = nil // the share sets the first rate only, not those of the steps
	s.Canaries.Baselines, s.Search = e.baselineCanaries(), &lab.Search{}
	var usage account.Usage
	var err error
	s.Canaries.Before, s.Canaries.ServerCPUBefore, usage, err = e.runCanaries(ctx, s.Layout, serverOf(cell), nil)
	if err != nil {
		return s, err
	}
	if s, usage, err = e.searchCapacity(ctx, s, a, cell, usage); err != nil {
		return s, err
	}
	if err = waitForCloses(ctx, a.Connections); err != nil {
		return s, err
	}
	s.Canaries.After, s.Canaries.ServerCPUAfter, _, err = e.runCanaries(ctx, s.Layout, serverOf(cell), &usage)
	if err != nil {
		return s, err
	}
	s.Gate = gate.Judge(s, e.Calibration)
	return s, e.recordHits(ctx, s, cell)
}

// searchCapacity tries one rate after another. It returns the sample of the last, and the
// server's usage after it; usage is the one before the first.
func (e *Experiment) searchCapacity(
	ctx context.Context, s lab.Sample, a lab.Attack, cell Cell, usage account.Usage,
) (lab.Sample, account.Usage, error) {
	name, keepHits := a.Name, a.KeepHits
	search := plan.NewSearch(e.Plan.Profile, s.Phase.RateRPS, requestsNeeded(s.Phase.Objectives, a.Targets))
	for n := 0; ; n++ {
		step, more := search.Next(s.Search.Steps)
		if !more {
			return s, usage, nil
		}
		s.Phase.RateRPS = step.OfferedRPS
		a.Name = fmt.Sprintf("%s at %g/s", name, step.OfferedRPS)
		a.Kind, a.Duration = s.Phase.Kind.Traits().StepKind, search.StepDuration(step)
		a.Rate = rateStages(s.Phase, a.Duration)
		a.Seed = plan.SearchSeed(s.Trial.Seed, n)
		a.KeepHits = keepHits && step.Stage == lab.Confirmation
		e.Observer.PhaseStarted(s.Trial, s.Phase, a.Duration)
		var err error
		if s, usage, err = e.attackWithReadings(ctx, s, a, cell, usage); err != nil {
			return s, usage, err
		}
		s.SLO.Missed, s.SLO.WithoutValue = metric.CheckObjectives(s)
		s.SLO.Missed = append(s.SLO.Missed, missedServedRatio(s.Measured.Attack)...)
		s.Search.Steps = append(s.Search.Steps, e.judgeStep(step, *s.Measured, s.SLO))
	}
}

// judgeStep returns the step with its result.
func (e *Experiment) judgeStep(step lab.SearchStep, w lab.Window, slo lab.SLOResult) lab.SearchStep {
	step.Window = &w
	step.MissedObjectives = slices.Clone(slo.Missed)
	for _, name := range slo.WithoutValue {
		step.MissedObjectives = append(step.MissedObjectives,
			fmt.Sprintf("%s has no value: %s too few", name,
				message.Count(int(w.Attack.Sent), "request is", "requests are")))
	}
	if step.SLOMet = len(step.MissedObjectives) == 0; !step.SLOMet {
		step.InstrumentLimit = gate.InstrumentLimit(w, e.Calibration)
	}
	return step
}

// missedServedRatio returns a missed objective if the server answered too few of the
// scheduled requests correctly.
func missedServedRatio(a lab.AttackResult) []string {
	if ratio := float64(a.Succeeded) / float64(max(a.Intended, 1)); ratio < minServedRatio {
		return []string{fmt.Sprintf("answered %.1f%% of the scheduled requests correctly (needed: %.0f%%)",
			100*ratio, 100*minServedRatio)}
	}
	return nil
}

// requestsNeeded returns how many requests a step must send for its objectives to have
// values. Background requests add to the number, because they are not timed.
func requestsNeeded(objectives []lab.Objective, targets []lab.Target) int {
	timed := 0
	for _, t := range targets {
		if !t.Request.Background {
			timed++
		}
	}
	return metric.RequestsNeeded(objectives) * len(targets) / max(timed, 1)
}
