package experiment

import (
	"context"
	"errors"
	"time"

	"runtimelab/lab"
	"runtimelab/lab/metric"
	"runtimelab/lab/plan"
)

// pilot finds the peaks from which rates follow, each once, and freezes them in
// the plan. What an earlier run's plan brought along is not looked for again.
func (e *Experiment) pilot(ctx context.Context) error {
	found := false
	for i := range e.Plan.Pilots {
		p := &e.Plan.Pilots[i]
		if p.PeakRPS > 0 {
			continue
		}
		found = true
		if p.Problem = e.refused[p.Variant]; p.Problem == "" {
			if err := e.pilotOne(ctx, p); err != nil {
				return err
			}
		}
		e.Observer.PilotEnded(*p, i+1, len(e.Plan.Pilots))
	}
	if !found {
		return nil
	}
	return e.Recorder.Freeze(e.Plan)
}

// pilotOne measures one variant's peak, as a trial does but without a row. A
// server that fails leaves its problem in the pilot.
func (e *Experiment) pilotOne(ctx context.Context, p *lab.Pilot) error {
	t := lab.Trial{Scenario: p.Scenario, Variant: p.Variant, Attempt: 1, Seed: p.Seed}
	subject := e.sample(t, time.Now())
	subject.Phase = plan.PilotPhase(subject.Scenario)
	err := e.inCell(ctx, subject, func(ctx context.Context, in setting) error {
		if err := e.welcome(ctx, &subject, in); err != nil {
			return err
		}
		warm := subject.Phase
		warm.Kind = lab.WarmUp
		if err := e.warmUp(ctx, &subject, e.attack(t, warm), in); err != nil {
			return err
		}
		a := e.attack(t, subject.Phase)
		a.KeepHits = false
		result, err := in.cell.Attack(ctx, a)
		if err != nil {
			return err
		}
		subject.Attack = &result
		return nil
	})
	var broken *brokenServer
	if errors.As(err, &broken) {
		p.Problem = broken.how
		return nil
	}
	if err != nil {
		return err
	}
	if p.PeakRPS, _ = metric.ThroughputRPS(subject); p.PeakRPS == 0 {
		p.Problem = "not one request succeeded"
	}
	return nil
}
