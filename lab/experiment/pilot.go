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

// runPilots measures the peaks that rates are shares of and records the plan with them.
// It skips peaks that the plan already has from an earlier session.
func (e *Experiment) runPilots(ctx context.Context) error {
	measured := false
	for i := range e.Plan.Pilots {
		p := &e.Plan.Pilots[i]
		if p.PeakRPS > 0 {
			continue
		}
		measured = true
		e.Observer.PilotStarted(*p, i+1, len(e.Plan.Pilots))
		if p.Problem = e.refused[lab.OriginalOf(p.Variant)]; p.Problem == "" {
			if err := e.runPilot(ctx, p); err != nil {
				return err
			}
		}
		e.Observer.PilotEnded(*p, i+1, len(e.Plan.Pilots))
	}
	if !measured {
		return nil
	}
	return e.Recorder.RecordPlan(e.Plan)
}

// runPilot measures one variant's peak without recording a row. A failed server sets
// Problem; anything that makes the peak uncertain sets Doubt.
func (e *Experiment) runPilot(ctx context.Context, p *lab.Pilot) error {
	for range plan.PilotAttempts {
		s, err := e.measurePilotPeak(ctx, *p)
		var serverErr *serverError
		var generatorErr *generatorError
		switch {
		case errors.As(err, &serverErr):
			p.PeakRPS, p.Problem, p.Doubt = 0, serverErr.reason, ""
			return nil
		case errors.As(err, &generatorErr):
			p.Doubt = generatorErr.reason
			continue
		}
		if err != nil {
			return err
		}
		if p.PeakRPS, _ = metric.ThroughputRPS(s); p.PeakRPS == 0 {
			p.Problem = "no request succeeded"
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

// measurePilotPeak runs a pilot once and returns the sample of its peak.
func (e *Experiment) measurePilotPeak(ctx context.Context, p lab.Pilot) (lab.Sample, error) {
	t := lab.Trial{Scenario: p.Scenario, Variant: p.Variant, Cores: p.Cores, Attempt: 1, Seed: p.Seed}
	s := e.newSample(t, time.Now())
	s.Phase = plan.PilotPhase(s.Scenario)
	err := e.withFreshCell(ctx, s, func(ctx context.Context, env trialEnv) (err error) {
		if err := e.awaitAndIdentify(ctx, &s, env); err != nil {
			return err
		}
		warmUp := s.Phase
		warmUp.Kind = s.Phase.Kind.Traits().WarmedUpBy
		if err := e.runWarmUp(ctx, &s, e.newAttack(t, warmUp), env); err != nil {
			return err
		}
		a := e.newAttack(t, s.Phase)
		a.KeepHits = false
		s, err = e.attackWithCanaries(ctx, s, a, env)
		s.Gate = gate.Judge(s, e.Calibration)
		return err
	})
	return s, err
}
