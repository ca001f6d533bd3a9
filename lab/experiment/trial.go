package experiment

import (
	"context"
	"time"

	"runtimelab/lab"
	"runtimelab/lab/gate"
)

// measureTrial runs a trial with a fresh server in a fresh cell and returns its samples. If the
// trial fails and the run can go on, the last sample says why.
func (e *Experiment) measureTrial(ctx context.Context, t lab.Trial) (samples []lab.Sample, err error) {
	subject := e.newSample(t, time.Now())
	subject.Phase = e.firstMeasuredPhase(t) // that of the row if no cell opens
	err = e.withFreshCell(ctx, subject.Subject, func(ctx context.Context, cell Cell) (err error) {
		samples, err = e.runPhases(ctx, &subject, cell)
		return err
	})
	if err == nil {
		return samples, nil
	}
	result, ok := consequenceOf(err)
	if !ok {
		return nil, err
	}
	subject.Gate = result
	return append(samples, subject), nil // the phases before the failure stay valid
}

// withFreshCell runs do with a fresh server, beside the services that its scenario names, in a fresh
// cell, and closes the cell. An error names the party that caused it.
func (e *Experiment) withFreshCell(ctx context.Context, subject lab.Subject,
	do func(context.Context, Cell) error,
) (err error) {
	request, err := e.cellRequest(subject, subject.Scenario.Services)
	if err != nil {
		return err
	}
	cell, err := e.Cells.Open(ctx, request)
	if err != nil {
		return e.causeOf(ctx, nil, err)
	}
	defer func() {
		if closeErr := closeCell(ctx, cell); closeErr != nil {
			err = e.joinCloseError(ctx, err, closeErr)
		}
	}()
	whileAllRun, stop := UntilAServiceEnds(ctx, cell)
	defer stop()
	if err = do(whileAllRun, cell); err != nil {
		return e.causeOf(ctx, cell, err)
	}
	return nil
}

// UntilAServiceEnds returns a context that ends with endedError when the first service of a cell ends,
// or with the engine's error if nobody can tell.
func UntilAServiceEnds(ctx context.Context, cell Cell) (context.Context, context.CancelFunc) {
	ctx, cancel := context.WithCancelCause(ctx)
	for _, s := range cell.Services() {
		done := s.Done(ctx)
		go func() {
			select {
			case err := <-done:
				if err == nil {
					err = endedError(s)
				}
				cancel(err)
			case <-ctx.Done():
			}
		}()
	}
	return ctx, func() { cancel(nil) }
}

// closeCell closes a cell, for at most cleanupTimeout. It works after ctx has ended too.
func closeCell(ctx context.Context, cell Cell) error {
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), cleanupTimeout)
	defer cancel()
	return cell.Close(ctx)
}

// newSample returns a sample with all that is known before the trial starts.
func (e *Experiment) newSample(t lab.Trial, began time.Time) lab.Sample {
	return lab.Sample{
		RunID:     e.RunID,
		HostID:    e.HostID,
		StartedAt: began.UTC(),
		Subject: lab.Subject{
			Trial:    t,
			Scenario: e.scenarioByName[t.Scenario],
			Variant:  e.Variants[t.Variant],
			Image:    e.Images[t.Variant],
			Layout:   e.layoutOf(t),

			Generator: e.Plan.Generator,
		},
	}
}

// newFailedSample returns the sample of a trial that did not run.
func (e *Experiment) newFailedSample(t lab.Trial, at time.Time, why string) lab.Sample {
	s := e.newSample(t, at)
	s.Phase = e.firstMeasuredPhase(t)
	s.Gate = gate.FailedBecause(why)
	return s
}

// firstMeasuredPhase returns the first phase of a trial that is not a warm-up.
func (e *Experiment) firstMeasuredPhase(t lab.Trial) lab.Phase {
	for _, p := range e.scenarioByName[t.Scenario].PhasesOf(t) {
		if !p.Kind.Traits().Discarded {
			return p
		}
	}
	return lab.Phase{}
}
