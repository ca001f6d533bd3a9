package experiment

import (
	"context"
	"errors"
	"time"

	"runtimelab/lab"
	"runtimelab/lab/gate"
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
		e.Observer.PilotStarted(*p, i+1, len(e.Plan.Pilots))
		if p.Problem = e.refused[lab.OriginalOf(p.Variant)]; p.Problem == "" {
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
// server that fails leaves its problem in the pilot, and whatever makes its peak
// less than one its doubt.
func (e *Experiment) pilotOne(ctx context.Context, p *lab.Pilot) error {
	for range plan.PilotAttempts {
		s, err := e.probe(ctx, *p)
		var broken *brokenServer
		var lost *lostGenerator
		switch {
		case errors.As(err, &broken):
			p.PeakRPS, p.Problem, p.Doubt = 0, broken.how, ""
			return nil
		case errors.As(err, &lost):
			p.Doubt = lost.how
			continue
		}
		if err != nil {
			return err
		}
		if p.PeakRPS, _ = metric.ThroughputRPS(s); p.PeakRPS == 0 {
			p.Problem = "not one request succeeded"
			return nil
		}
		if p.Doubt = s.Gate.Reason; s.Gate.Validity != lab.Disturbed {
			return nil
		}
	}
	if p.PeakRPS == 0 {
		p.Problem, p.Doubt = p.Doubt, ""
	}
	return nil
}

// probe is a pilot tried once.
func (e *Experiment) probe(ctx context.Context, p lab.Pilot) (lab.Sample, error) {
	t := lab.Trial{Scenario: p.Scenario, Variant: p.Variant, Cores: p.Cores, Attempt: 1, Seed: p.Seed}
	s := e.sample(t, time.Now())
	s.Phase = plan.PilotPhase(s.Scenario)
	err := e.inCell(ctx, s, func(ctx context.Context, in setting) (err error) {
		if err := e.welcome(ctx, &s, in); err != nil {
			return err
		}
		warm := s.Phase
		warm.Kind = lab.WarmUp
		if err := e.warmUp(ctx, &s, e.attack(t, warm), in); err != nil {
			return err
		}
		a := e.attack(t, s.Phase)
		a.KeepHits = false
		s, err = e.attackBetweenReadings(ctx, s, a, in)
		s.Gate = gate.Judge(s, e.Calibration)
		return err
	})
	return s, err
}
