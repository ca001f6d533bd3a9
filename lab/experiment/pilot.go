package experiment

import (
	"context"
	"time"

	"runtimelab/lab"
	"runtimelab/lab/fault"
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
	return fault.By(fault.Lab, e.Recorder.RecordPlan(e.Plan))
}

// runPilot measures one variant's peak without recording a row. A failed server sets
// Problem; anything that makes the peak uncertain sets Doubt.
func (e *Experiment) runPilot(ctx context.Context, p *lab.Pilot) error {
	for range plan.PilotAttempts {
		s, err := e.measurePilotPeak(ctx, *p)
		if err != nil {
			result, ok := consequenceOf(err)
			switch {
			case !ok:
				return err
			case result.Validity == lab.Failed:
				p.PeakRPS, p.Problem, p.Doubt = 0, result.Reason, ""
				return nil
			}
			p.Doubt = result.Reason
			continue
		}
		if p.PeakRPS, _ = metric.ThroughputRPS(*s.Measured); p.PeakRPS == 0 {
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
	err := e.withFreshCell(ctx, s.Subject, func(ctx context.Context, cell Cell) (err error) {
		if err := e.awaitAndIdentify(ctx, &s, cell); err != nil {
			return err
		}
		warmUp := s.Phase
		warmUp.Kind = s.Phase.Kind.Traits().WarmedUpBy
		if err := e.runWarmUp(ctx, &s, e.newAttack(t, warmUp), cell); err != nil {
			return err
		}
		a := e.newAttack(t, s.Phase)
		a.KeepHits = false
		s, err = e.attackWithCanaries(ctx, s, a, cell)
		s.Gate = gate.Judge(s, e.Calibration)
		return err
	})
	return s, err
}
