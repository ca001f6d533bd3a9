package experiment

import (
	"context"
	"time"

	"golang.org/x/sync/errgroup"

	"runtimelab/lab"
	"runtimelab/lab/gate"
)

// measureTrial runs a trial with a fresh server in a fresh cell and returns its samples. If the
// trial fails and the run can go on, the last sample says why.
func (e *Experiment) measureTrial(ctx context.Context, t lab.Trial) (samples []lab.Sample, err error) {
	subject := e.newSample(t, time.Now())
	err = e.withFreshCell(ctx, subject.Subject, func(ctx context.Context, env trialEnv) (err error) {
		samples, err = e.runPhases(ctx, &subject, env)
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

// trialEnv holds what a trial runs in. A part that has not been opened is nil.
type trialEnv struct {
	cell     Cell
	server   Server
	upstream Upstream // nil if the scenario has none
}

// withFreshCell runs do with a fresh server in a fresh cell and closes both. An error names the
// party that caused it.
func (e *Experiment) withFreshCell(ctx context.Context, subject lab.Subject,
	do func(context.Context, trialEnv) error,
) (err error) {
	env, err := e.open(ctx, subject)
	defer func() {
		if closeErr := closeAll(ctx, env); closeErr != nil {
			err = e.joinCloseError(ctx, err, closeErr)
		}
	}()
	if err == nil {
		serverCtx, stop := serverContext(ctx, env.server)
		defer stop()
		err = do(serverCtx, env)
	}
	if err != nil {
		return e.causeOf(ctx, env, err)
	}
	return nil
}

// open opens a cell and starts the upstream, if the scenario has one, and the server in it. After
// an error, env holds what is open and must be closed.
func (e *Experiment) open(ctx context.Context, subject lab.Subject) (env trialEnv, err error) {
	layout := subject.Layout
	if env.cell, err = e.Cells.OpenCell(ctx, layout.Generator, subject.Variant.Port()); err != nil {
		return env, err
	}
	if subject.Scenario.Upstream {
		if env.upstream, err = env.cell.StartUpstream(ctx, layout.CPUsOf(string(lab.RoleUpstream))); err != nil {
			return env, err
		}
	}
	env.server, err = env.cell.StartServer(ctx, subject.Variant, subject.Image, layout.Server)
	return env, err
}

// serverContext returns a context that ends with errServerEnded when the server's process ends, or
// with the engine's error if nobody can tell.
func serverContext(ctx context.Context, s Server) (context.Context, context.CancelFunc) {
	serverCtx, cancel := context.WithCancelCause(ctx)
	done := s.Done(serverCtx)
	go func() {
		select {
		case err := <-done:
			if err == nil {
				err = errServerEnded
			}
			cancel(err)
		case <-serverCtx.Done():
		}
	}()
	return serverCtx, func() { cancel(nil) }
}

// closeAll closes a cell and removes its server and upstream concurrently, as far as they are open.
// It works after ctx has ended too, for at most cleanupTimeout.
func closeAll(ctx context.Context, env trialEnv) error {
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), cleanupTimeout)
	defer cancel()
	var all errgroup.Group
	if env.cell != nil {
		all.Go(func() error { return env.cell.Close(ctx) })
	}
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
		Subject: lab.Subject{
			Trial:    t,
			Scenario: e.scenarioByName[t.Scenario],
			Variant:  e.Variants[t.Variant],
			Image:    e.Images[t.Variant],
			Layout:   e.layoutOf(t),
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
