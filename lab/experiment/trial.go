package experiment

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"time"

	"golang.org/x/sync/errgroup"

	"runtimelab/lab"
	"runtimelab/lab/gate"
	"runtimelab/lab/plan"
)

// errServerEnded is why a trial's context ends when its server does.
var errServerEnded = errors.New("the server's process ended")

// measure carries out a trial in a fresh cell with a fresh server.
func (e *Experiment) measure(ctx context.Context, t lab.Trial) (samples []lab.Sample, err error) {
	began := time.Now()
	cell, err := e.Cells.OpenCell(ctx, e.Plan.Layout.Generator)
	if err != nil {
		return nil, err
	}
	server, err := cell.StartServer(ctx, e.Variants[t.Variant], e.Images[t.Variant], e.Plan.Layout.Server)
	defer func() { err = errors.Join(err, closing(ctx, cell, server)) }()
	if err != nil {
		return nil, err
	}
	alive, stop := whileRunning(ctx, server)
	defer stop()

	subject := e.sample(t, began)
	samples, err = e.phases(alive, &subject, cell, server)
	switch {
	case err == nil:
		return samples, nil
	case ctx.Err() != nil:
		return nil, context.Cause(ctx) // the user's doing: the trial is abandoned
	}
	// What was measured before the server failed is still true of it.
	subject.Attack, subject.Server = nil, lab.ServerUsage{}
	subject.Gate = gate.Fail(trouble(ctx, server, err))
	return append(samples, subject), nil
}

// phases takes a started server through the phases of its scenario. subject is
// what all samples of the trial share; its Phase is the one under way when an
// error is returned.
func (e *Experiment) phases(ctx context.Context, subject *lab.Sample, cell Cell, server Server) ([]lab.Sample, error) {
	t := subject.Trial
	subject.Phase = e.firstMeasured(t)
	at, err := cell.Await(ctx, e.targets[t.Scenario][t.Variant][0], patience)
	if err != nil {
		return nil, err
	}
	cold := at.Sub(server.Started())
	subject.ColdStart = &cold
	if err := e.identify(ctx, subject, cell); err != nil {
		return nil, err
	}
	var samples []lab.Sample
	for _, p := range subject.Scenario.Phases {
		a := e.attack(t, p)
		e.Observer.PhaseStarted(t, p.Kind, a.Duration)
		if p.Kind == lab.WarmUp {
			result, err := cell.Attack(ctx, a)
			if err != nil {
				return samples, err
			}
			subject.WarmUp = &result
			continue
		}
		subject.Phase = p
		s, err := e.Measure(ctx, *subject, a, cell, server)
		if err != nil {
			return samples, err
		}
		samples = append(samples, s)
	}
	return samples, nil
}

// identify proves that the server is what it should be and was given what it
// should be given.
func (e *Experiment) identify(ctx context.Context, subject *lab.Sample, cell Cell) error {
	answers, err := cell.Check(ctx, []lab.Request{e.Examiner.IdentityRequest()})
	if err != nil {
		return err
	}
	var wrong []string
	if subject.Identity, wrong = e.Examiner.Identity(answers[0], subject.Variant, subject.Layout.Server); len(wrong) > 0 {
		return errors.New("identity: " + strings.Join(wrong, "; "))
	}
	return nil
}

// Measure carries out one measured phase on a started server and judges it.
// subject is what is known of the trial.
func (e *Experiment) Measure(ctx context.Context, subject lab.Sample, a lab.Attack, cell Cell, server Server) (lab.Sample, error) {
	s, err := e.attackBetweenReadings(ctx, subject, a, cell, server)
	if err != nil {
		return s, err
	}
	if gate.Undecided(s, e.Calibration) && 2*a.Connections <= mostConnections {
		if s.Doubled, err = double(ctx, a, cell); err != nil {
			return s, err
		}
	}
	s.Gate = gate.Judge(s, e.Calibration)
	return s, nil
}

// attackBetweenReadings carries out an attack between readings of the server,
// and these between canaries.
func (e *Experiment) attackBetweenReadings(ctx context.Context, s lab.Sample, a lab.Attack, cell Cell, server Server) (lab.Sample, error) {
	s.InterruptsApart = e.Calibration.InterruptsApart
	var err error
	if s.Canaries.Before, s.Canaries.ServerBefore, s.Server.Before, err = e.canaries(ctx, s.Layout, server, nil); err != nil {
		return s, err
	}
	result, err := cell.Attack(ctx, a)
	if err != nil {
		return s, err
	}
	s.Attack = &result
	if s.Server.After, err = server.Usage(ctx); err != nil {
		return s, err
	}
	s.Server.Known = true
	if s.Canaries.After, s.Canaries.ServerAfter, _, err = e.canaries(ctx, s.Layout, server, &s.Server.After); err != nil {
		return s, err
	}
	if result.KeptHits == 0 {
		return s, nil
	}
	return s, e.Recorder.Hits(s, func(each func([]lab.Hit) error) error { return cell.Hits(ctx, each) })
}

// canaries has the canaries sing, and tells what the server used meanwhile and
// in all. before is the server's usage until now, where it has been asked.
func (e *Experiment) canaries(ctx context.Context, l lab.Layout, server Server, before *lab.Usage) (
	sung []lab.Canary, used time.Duration, after lab.Usage, err error) {
	if before == nil {
		u, err := server.Usage(ctx)
		if err != nil {
			return nil, 0, u, err
		}
		before = &u
	}
	if sung, err = e.Cells.Canary(ctx, slices.Concat(l.Generator, l.Server)); err != nil {
		return nil, 0, after, err
	}
	after, err = server.Usage(ctx)
	return sung, after.CPU - before.CPU, after, err
}

// mostConnections is what a peak is tried on at the most: as many connections
// as the servers' backlog holds.
const mostConnections = 4096

// double is the same peak on twice the connections, for less long. It is evidence about the
// peak, not a row of its own, and no hits of it are kept.
func double(ctx context.Context, a lab.Attack, cell Cell) (*lab.AttackResult, error) {
	a.Name += " doubled"
	a.Connections *= 2
	a.Duration = plan.Doubled(a.Duration)
	a.KeepHits = false
	result, err := cell.Attack(ctx, a)
	if err != nil {
		return nil, err
	}
	return &result, nil
}

// sample is what is known of a trial before it starts.
func (e *Experiment) sample(t lab.Trial, began time.Time) lab.Sample {
	return lab.Sample{
		RunID:     e.RunID,
		HostID:    e.HostID,
		StartedAt: began.UTC(),
		Trial:     t,
		Scenario:  e.scenarios[t.Scenario],
		Variant:   e.Variants[t.Variant],
		Image:     e.Images[t.Variant],
		Layout:    e.Plan.Layout,
	}
}

// failedSample is the row of a trial that did not take place.
func (e *Experiment) failedSample(t lab.Trial, at time.Time, why string) lab.Sample {
	s := e.sample(t, at)
	s.Phase = e.firstMeasured(t)
	s.Gate = gate.Fail(why)
	return s
}

func (e *Experiment) firstMeasured(t lab.Trial) lab.Phase {
	for _, p := range e.scenarios[t.Scenario].Phases {
		if p.Kind != lab.WarmUp {
			return p
		}
	}
	return lab.Phase{}
}

// whileRunning is a context that ends with the server's process.
func whileRunning(ctx context.Context, s Server) (context.Context, context.CancelFunc) {
	alive, cancel := context.WithCancelCause(ctx)
	exited := s.Exited(alive)
	go func() {
		select {
		case <-exited:
			cancel(errServerEnded)
		case <-alive.Done():
		}
	}()
	return alive, func() { cancel(nil) }
}

// trouble says in one text what went wrong with a server.
func trouble(ctx context.Context, s Server, err error) string {
	if how := s.Obituary(ctx); how != "" {
		return how
	}
	text := err.Error()
	if printed := s.LogTail(ctx); printed != "" {
		text = fmt.Sprintf("%s; the server printed: %s", text, printed)
	}
	return text
}

// closing closes a cell and removes its server, if it has one, side by side:
// also after ctx has ended, for a bounded time.
func closing(ctx context.Context, cell Cell, server Server) error {
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), cleanupTime)
	defer cancel()
	var both errgroup.Group
	both.Go(func() error { return cell.Close(ctx) })
	if server != nil {
		both.Go(func() error { return server.Remove(ctx) })
	}
	return both.Wait()
}
