package experiment

import (
	"context"
	"fmt"
	"slices"

	"runtimelab/lab"
	"runtimelab/lab/gate"
	"runtimelab/lab/metric"
	"runtimelab/lab/plan"
)

// minServedRatio is the share of what a step's schedule calls for that must have been
// answered rightly. An SLO about latencies alone would be kept by a server that
// answers few. How many requests may fail metric.Objectives says.
const minServedRatio = 0.99

// measureCapacity searches for the highest rate at which a warmed server keeps the SLO
// of a phase, from the phase's rate on; a is the phase's attack. The sample's
// attack, and with it all of its figures but the capacity, is that of the last
// confirmation; where there was nothing to confirm, that of the last step. A server
// that keeps the SLO at no rate that was tried has a valid sample without a
// capacity: that is the server's doing, and to call it 0 would claim more than was
// tried, and have no logarithm.
//
// Canaries are before and after the whole search, readings of the server around
// every step.
func (e *Experiment) measureCapacity(ctx context.Context, s lab.Sample, a lab.Attack,
	in trialEnv,
) (lab.Sample, error) {
	s.Phase.PeakShare = nil // of the peak is only where the search begins
	s.SeparateIRQTime, s.Canaries.Baselines = e.Calibration.SeparateIRQTime, e.baselineCanaries()
	s.Search = &lab.Search{}
	var err error
	if s.Canaries.Before, s.Canaries.ServerCPUBefore, s.ServerUsage.Before, err = e.runCanaries(ctx, s.Layout,
		in.server, nil); err != nil {
		return s, err
	}
	if s, err = e.searchCapacity(ctx, s, a, in); err != nil {
		return s, err
	}
	if err = waitForCloses(ctx, a.Connections); err != nil {
		return s, err
	}
	if s.Canaries.After, s.Canaries.ServerCPUAfter, _, err = e.runCanaries(ctx, s.Layout, in.server,
		&s.ServerUsage.After); err != nil {
		return s, err
	}
	s.Gate = gate.Judge(s, e.Calibration)
	return s, e.recordHits(ctx, s, in)
}

// searchCapacity tries one rate after another. What it returns is the sample of the last.
func (e *Experiment) searchCapacity(ctx context.Context, s lab.Sample, a lab.Attack, in trialEnv) (lab.Sample,
	error,
) {
	name, keeps := a.Name, a.KeepHits
	search := plan.NewSearch(e.Plan.Profile, s.Phase.RateRPS, requestsNeeded(s.Phase.Objectives, a.Targets))
	for n := 0; ; n++ {
		step, more := search.Next(s.Search.Steps)
		if !more {
			return s, nil
		}
		if n > 0 {
			s.ServerUsage.Before = s.ServerUsage.After
		}
		s.Phase.RateRPS = step.OfferedRPS
		a.Name = fmt.Sprintf("%s at %g/s", name, step.OfferedRPS)
		a.Kind, a.Duration = lab.Steady, search.StepDuration(step)
		a.Rate = rateStages(s.Phase, a.Duration)
		a.Seed = plan.SearchSeed(s.Trial.Seed, n)
		a.KeepHits = keeps && step.Stage == lab.Confirmation
		e.Observer.PhaseStarted(s.Trial, s.Phase, a.Duration)
		var err error
		if s, err = attackWithReadings(ctx, s, a, in); err != nil {
			return s, err
		}
		s.MissedObjectives, s.MetricsWithoutValue = metric.CheckObjectives(s)
		s.MissedObjectives = append(s.MissedObjectives, missedServedRatio(*s.Attack)...)
		s.Search.Steps = append(s.Search.Steps, e.judgeStep(step, s))
	}
}

// judgeStep is a step with what became of it.
func (e *Experiment) judgeStep(step lab.SearchStep, s lab.Sample) lab.SearchStep {
	step.Attack, step.Server = s.Attack, s.ServerUsage
	step.MissedObjectives = slices.Clone(s.MissedObjectives)
	for _, name := range s.MetricsWithoutValue {
		step.MissedObjectives = append(step.MissedObjectives,
			fmt.Sprintf("%s has no value of %d requests", name, s.Attack.Sent))
	}
	if step.SLOMet = len(step.MissedObjectives) == 0; !step.SLOMet {
		step.InstrumentLimit = gate.InstrumentLimit(s, e.Calibration)
	}
	return step
}

// missedServedRatio says that too little of what the schedule called for was answered
// rightly.
func missedServedRatio(a lab.AttackResult) []string {
	if ratio := float64(a.Succeeded) / float64(max(a.Intended, 1)); ratio < minServedRatio {
		return []string{fmt.Sprintf("served %.1f%% of what was called for (needed: %.0f%%)", 100*ratio,
			100*minServedRatio)}
	}
	return nil
}

// requestsNeeded is how many requests a step must send for its objectives to have
// values: those in the background are not timed.
func requestsNeeded(objectives []lab.Objective, targets []lab.Target) int {
	timed := 0
	for _, t := range targets {
		if !t.Request.Background {
			timed++
		}
	}
	return metric.RequestsNeeded(objectives) * len(targets) / max(timed, 1)
}
