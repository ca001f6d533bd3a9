package experiment

import (
	"context"
	"errors"
	"time"

	"golang.org/x/sync/errgroup"

	"runtimelab/lab"
	"runtimelab/lab/gate"
)

// measureTrial runs a trial with a fresh server in a fresh cell and returns its
// samples. If the server or the generator fails, the last sample says so.
func (e *Experiment) measureTrial(ctx context.Context, t lab.Trial) (samples []lab.Sample, err error) {
	subject := e.newSample(t, time.Now())
	err = e.withFreshCell(ctx, subject, func(ctx context.Context, env trialEnv) (err error) {
		samples, err = e.runPhases(ctx, &subject, env)
		return err
	})
	var serverErr *serverError
	var generatorErr *generatorError
	switch {
	case err == nil:
		return samples, nil
	case errors.As(err, &serverErr):
		subject.Gate = gate.FailedBecause(serverErr.reason)
	case errors.As(err, &generatorErr):
		subject.Gate = gate.DisturbedBecause(generatorErr.reason)
	default:
		return nil, err
	}
	return append(samples, subject), nil // the phases before the failure stay valid
}

// trialEnv holds what a trial runs in.
type trialEnv struct {
	cell     Cell
	server   Server
	upstream Upstream // nil if the scenario has none
}

// withFreshCell runs do with a fresh server in a fresh cell and closes both. It returns
// the error that classify makes of a failure.
func (e *Experiment) withFreshCell(ctx context.Context, subject lab.Sample,
	do func(context.Context, trialEnv) error,
) (err error) {
	layout := subject.Layout
	var env trialEnv
	if env.cell, err = e.Cells.OpenCell(ctx, layout.Generator); err != nil {
		return e.classify(ctx, env, err)
	}
	defer func() {
		if closeErr := closeAll(ctx, env); closeErr != nil {
			err = e.engineErrorOr(ctx, joinCloseError(err, closeErr))
		}
	}()
	if subject.Scenario.Upstream {
		if env.upstream, err = env.cell.StartUpstream(ctx, layout.Generator); err != nil {
			return e.classify(ctx, env, err)
		}
	}
	env.server, err = env.cell.StartServer(ctx, subject.Variant, subject.Image, layout.Server)
	if err != nil {
		return e.classify(ctx, env, err)
	}
	serverCtx, stop := serverContext(ctx, env.server)
	defer stop()
	if err = do(serverCtx, env); err != nil {
		return e.classify(ctx, env, err)
	}
	return nil
}

// serverContext returns a context that ends with errServerEnded when the server's
// process ends.
func serverContext(ctx context.Context, s Server) (context.Context, context.CancelFunc) {
	serverCtx, cancel := context.WithCancelCause(ctx)
	exited := s.Done(serverCtx)
	go func() {
		select {
		case <-exited:
			cancel(errServerEnded)
		case <-serverCtx.Done():
		}
	}()
	return serverCtx, func() { cancel(nil) }
}

// closeAll closes a cell and removes its server and upstream concurrently. It works
// after ctx has ended too, for at most cleanupTimeout.
func closeAll(ctx context.Context, env trialEnv) error {
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), cleanupTimeout)
	defer cancel()
	var all errgroup.Group
	all.Go(func() error { return env.cell.Close(ctx) })
	if env.server != nil {
		all.Go(func() error { return env.server.Remove(ctx) })
	}
	if env.upstream != nil {
		all.Go(func() error { return env.upstream.Remove(ctx) })
	}
	return all.Wait()
}

// newSample returns a sample with all that is known before the trial starts.
func (e *Experiment) newSample(t lab.Trial, began time.Time) lab.Sample {
	return lab.Sample{
		RunID:     e.RunID,
		HostID:    e.HostID,
		StartedAt: began.UTC(),
		Trial:     t,
		Scenario:  e.scenarioByName[t.Scenario],
		Variant:   e.Variants[t.Variant],
		Image:     e.Images[t.Variant],
		Layout:    e.layouts[t.Cores],
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
