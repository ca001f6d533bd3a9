package experiment

import (
	"context"
	"errors"
	"fmt"

	"runtimelab/lab"
	"runtimelab/lab/fault"
	"runtimelab/lab/gate"
	"runtimelab/lab/metric"
	"runtimelab/lab/plan"
)

// runPhases runs the phases of a scenario on a started server and returns a sample for
// each measured one. subject holds what all samples of the trial share. When runPhases
// returns an error, subject.Phase is the phase that failed.
func (e *Experiment) runPhases(ctx context.Context, subject *lab.Sample, cell Cell) ([]lab.Sample, error) {
	t := subject.Trial
	if err := e.awaitAndIdentify(ctx, subject, cell); err != nil {
		return nil, err
	}
	var samples []lab.Sample
	for _, p := range subject.Scenario.PhasesOf(t) {
		discarded := p.Kind.Traits().Discarded
		if !discarded {
			subject.Phase = p
		}
		p, peak, err := e.resolveRate(t, p, samples)
		if err != nil {
			return samples, fault.By(fault.Server, err) // its server, or that of its pilot, had no peak
		}
		a := e.newAttack(t, p)
		e.Observer.PhaseStarted(t, p, a.Duration)
		if discarded {
			if err := e.runWarmUp(ctx, subject, a, cell); err != nil {
				return samples, err
			}
			continue
		}
		subject.Phase = p
		s, err := e.MeasurePhase(ctx, *subject, a, cell)
		if err != nil {
			return samples, err
		}
		if peak.Gate.Validity == lab.Disturbed && s.Gate.Validity != lab.Failed {
			s.Gate = gate.DisturbedBecause("its rate depends on a disturbed peak: " + peak.Gate.Reason)
		}
		samples = append(samples, s)
	}
	return samples, nil
}

// resolveRate returns phase p with its rate. If the rate is a share of a peak that this
// trial has measured, it also returns the sample of that peak. Otherwise the rate
// comes from the scenario or from a pilot.
func (e *Experiment) resolveRate(t lab.Trial, p lab.Phase, measured []lab.Sample) (
	rated lab.Phase, peak lab.Sample, err error,
) {
	peakPhase, ok := plan.PeakPhaseFor(e.scenarioByName[t.Scenario], p)
	if !ok {
		rated, err = plan.ResolveRate(e.Plan, t, p)
		return rated, peak, err
	}
	for _, s := range measured {
		if s.Measured == nil || s.Phase.ID() != peakPhase.ID() {
			continue
		}
		if rps, _ := metric.ThroughputRPS(*s.Measured); rps > 0 {
			return plan.ApplyShare(p, rps), s, nil
		}
	}
	return p, peak, fmt.Errorf("the rate of %s is unknown: no request succeeded in %s", p.ID(), peakPhase.ID())
}

// awaitAndIdentify waits for the first correct answer, which ends the cold start, and
// checks the server's identity.
func (e *Experiment) awaitAndIdentify(ctx context.Context, subject *lab.Sample, cell Cell) error {
	v := subject.Variant
	at, err := awaitFirstAnswer(ctx, cell, v, e.readyTarget(v, subject.Scenario))
	if err != nil {
		return err
	}
	coldStart := at.Sub(serverOf(cell).StartedAt())
	subject.ColdStart = &coldStart
	switch {
	case v.Responder:
		return nil // the lab's own responders have no identity to check
	case !keepsContract(v):
		subject.Identity, err = observeIdentity(ctx, cell, v)
		return err
	}
	answers, err := cell.Send(ctx, []lab.Request{e.Checker.IdentityRequest()})
	if err != nil {
		return err
	}
	subject.Identity, err = e.checkIdentity(answers[0], subject.Subject)
	return err
}

// runWarmUp warms the server up and checks its identity again under load. A library may
// change it late, for example by switching the interpreter's lock on.
func (e *Experiment) runWarmUp(ctx context.Context, subject *lab.Sample, a lab.Attack, cell Cell) error {
	result, err := cell.Attack(ctx, a)
	if err != nil {
		return err
	}
	subject.WarmUp = &result.AttackResult
	if !keepsContract(subject.Variant) {
		return nil
	}
	if result.SideAnswer == nil {
		return fault.By(fault.Generator, errors.New("identity: the generator did not request it under load"))
	}
	underLoad, err := e.checkIdentity(*result.SideAnswer, subject.Subject)
	if err == nil {
		err = checkUnchanged(subject.Identity, underLoad)
	}
	return err
}
