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

// runPilots finds the peaks from which rates follow, each once, and freezes them in
// the plan. What an earlier run's plan brought along is not looked for again.
func (e *Experiment) runPilots(ctx context.Context) error {
	found := false
	for i := range e.Plan.Pilots {
		p := &e.Plan.Pilots[i]
		if p.PeakRPS > 0 {
			continue
		}
		found = true
		e.Observer.PilotStarted(*p, i+1, len(e.Plan.Pilots))
		if p.Problem = e.refused[lab.OriginalOf(p.Variant)]; p.Problem == "" {
			if err := e.runPilot(ctx, p); err != nil {
				return err
			}
		}
		e.Observer.PilotEnded(*p, i+1, len(e.Plan.Pilots))
	}
	if !found {
		return nil
	}
	return e.Recorder.RecordPlan(e.Plan)
}

// runPilot measures one variant's peak, as a trial does but without a row. A
// server that fails leaves its problem in the pilot, and whatever makes its peak
// less than one its doubt.
func (e *Experiment) runPilot(ctx context.Context, p *lab.Pilot) error {
	for range plan.PilotAttempts {
		s, err := e.measurePilotPeak(ctx, *p)
		var broken *serverError
		var lost *generatorError
		switch {
		case errors.As(err, &broken):
			p.PeakRPS, p.Problem, p.Doubt = 0, broken.reason, ""
			return nil
		case errors.As(err, &lost):
			p.Doubt = lost.reason
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

// measurePilotPeak is a pilot tried once.
func (e *Experiment) measurePilotPeak(ctx context.Context, p lab.Pilot) (lab.Sample, error) {
	t := lab.Trial{Scenario: p.Scenario, Variant: p.Variant, Cores: p.Cores, Attempt: 1, Seed: p.Seed}
	s := e.newSample(t, time.Now())
	s.Phase = plan.PilotPhase(s.Scenario)
	err := e.withFreshCell(ctx, s, func(ctx context.Context, in trialEnv) (err error) {
		if err := e.awaitAndIdentify(ctx, &s, in); err != nil {
			return err
		}
		warm := s.Phase
		warm.Kind = lab.WarmUp
		if err := e.runWarmUp(ctx, &s, e.newAttack(t, warm), in); err != nil {
			return err
		}
		a := e.newAttack(t, s.Phase)
		a.KeepHits = false
		s, err = e.attackWithCanaries(ctx, s, a, in)
		s.Gate = gate.Judge(s, e.Calibration)
		return err
	})
	return s, err
}
