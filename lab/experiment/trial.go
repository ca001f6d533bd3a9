package experiment

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"maps"
	"net/http"
	"slices"
	"time"

	"golang.org/x/sync/errgroup"

	"runtimelab/lab"
	"runtimelab/lab/gate"
	"runtimelab/lab/metric"
	"runtimelab/lab/plan"
)

// errServerEnded is why a trial's context ends when its server does.
var errServerEnded = errors.New("the server's process ended")

// measureTrial carries out a trial in a fresh cell with a fresh server.
func (e *Experiment) measureTrial(ctx context.Context, t lab.Trial) (samples []lab.Sample, err error) {
	subject := e.newSample(t, time.Now())
	err = e.withFreshCell(ctx, subject, func(ctx context.Context, s trialEnv) (err error) {
		samples, err = e.runPhases(ctx, &subject, s)
		return err
	})
	var broken *serverError
	var lost *generatorError
	switch {
	case err == nil:
		return samples, nil
	case errors.As(err, &broken):
		subject.Gate = gate.FailedBecause(broken.reason)
	case errors.As(err, &lost):
		subject.Gate = gate.DisturbedBecause(lost.reason)
	default:
		return nil, err
	}
	return append(samples, subject), nil // what was measured before is still true of the server
}

// trialEnv is what a trial takes place in.
type trialEnv struct {
	cell     Cell
	server   Server
	upstream Upstream // nil where the scenario has none
}

// serverError is why something could not be done with a server.
type serverError struct{ reason string }

func (b *serverError) Error() string { return b.reason }

// generatorError is how a cell's generator or upstream ended, which no server can
// bring about: they are another user's processes.
type generatorError struct{ reason string }

func (l *generatorError) Error() string { return l.reason }

// labError is of the lab's own doing, in no trial's cell: of its disk, or of the
// cell that canaries sing in.
type labError struct{ err error }

func (o *labError) Error() string { return o.err.Error() }

// asLabError says of an error that it is the lab's own, unless what it was done for has
// ended: the server, or the run.
func asLabError(ctx context.Context, err error) error {
	if err == nil || ctx.Err() != nil {
		return err
	}
	return &labError{err}
}

// withFreshCell does something with a fresh server in a fresh cell, and closes both. An
// error of what was done, unless the user ended it, is a *serverError or a
// *generatorError while the engine and the lab can be worked with, and otherwise why
// they cannot.
func (e *Experiment) withFreshCell(ctx context.Context, subject lab.Sample,
	do func(context.Context, trialEnv) error,
) (err error) {
	layout := subject.Layout
	var s trialEnv
	if s.cell, err = e.Cells.OpenCell(ctx, layout.Generator); err != nil {
		return e.classify(ctx, s, err)
	}
	defer func() {
		if left := closeAll(ctx, s.cell, s.server, s.upstream); left != nil {
			err = e.engineErrorOr(ctx, joinCloseError(err, left))
		}
	}()
	if subject.Scenario.Upstream {
		if s.upstream, err = s.cell.StartUpstream(ctx, layout.Generator); err != nil {
			return e.classify(ctx, s, err)
		}
	}
	if s.server, err = s.cell.StartServer(ctx, subject.Variant, subject.Image, layout.Server); err != nil {
		return e.classify(ctx, s, err)
	}
	alive, stop := serverContext(ctx, s.server)
	defer stop()
	if err = do(alive, s); err != nil {
		return e.classify(ctx, s, err)
	}
	return nil
}

// classify says of an error in a cell whose it is: the user's, who ended the trial; the
// engine's; the generator's; the lab's; or else the server's. A cell that could not be
// opened, or a server that could not be started, on an engine and with a generator
// that are well, is the lab's too.
func (e *Experiment) classify(ctx context.Context, in trialEnv, err error) error {
	found := e.classifyCause(ctx, in, err)
	if ctx.Err() != nil { // asked last: to who asks after the user has ended it, all seem to be gone
		return context.Cause(ctx)
	}
	return found
}

func (e *Experiment) classifyCause(ctx context.Context, in trialEnv, err error) error {
	if lost := e.Cells.CheckEngine(ctx); lost != nil {
		return lost
	}
	if in.cell == nil {
		return err
	}
	if how := in.cell.ExitReason(ctx); how != "" {
		return &generatorError{how}
	}
	var lost *generatorError
	if errors.As(err, &lost) {
		return lost
	}
	var own *labError
	if errors.As(err, &own) {
		return own.err
	}
	if in.server == nil {
		return err
	}
	return &serverError{describeServerError(ctx, in.server, err)}
}

// engineErrorOr is why the engine cannot be worked with any more, where that is what an
// error comes from, and the error itself where it is not.
func (e *Experiment) engineErrorOr(ctx context.Context, err error) error {
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), cleanupTimeout)
	defer cancel()
	if lost := e.Cells.CheckEngine(ctx); lost != nil {
		return lost
	}
	return err
}

// joinCloseError adds what went wrong in closing a cell. That is the lab's own
// failure, which a server's or a generator's before it must not hide.
func joinCloseError(err, closing error) error {
	var broken *serverError
	var lost *generatorError
	if errors.As(err, &broken) || errors.As(err, &lost) {
		err = errors.New(err.Error())
	}
	return errors.Join(err, closing)
}

// runPhases takes a started server through the phases of its scenario. subject is
// what all samples of the trial share; its Phase is the one under way when an
// error is returned.
func (e *Experiment) runPhases(ctx context.Context, subject *lab.Sample, in trialEnv) ([]lab.Sample, error) {
	t := subject.Trial
	subject.Phase = e.firstMeasuredPhase(t)
	if err := e.awaitAndIdentify(ctx, subject, in); err != nil {
		return nil, err
	}
	var samples []lab.Sample
	for _, p := range subject.Scenario.PhasesOf(t) {
		if p.Kind != lab.WarmUp {
			subject.Phase = p
		}
		p, peak, err := e.resolveRate(t, p, samples)
		if err != nil {
			return samples, err
		}
		a := e.newAttack(t, p)
		e.Observer.PhaseStarted(t, p, a.Duration)
		if p.Kind == lab.WarmUp {
			if err := e.runWarmUp(ctx, subject, a, in); err != nil {
				return samples, err
			}
			continue
		}
		subject.Phase = p
		s, err := e.MeasurePhase(ctx, *subject, a, in.cell, in.server, in.upstream)
		if err != nil {
			return samples, err
		}
		if peak.Gate.Validity == lab.Disturbed && s.Gate.Validity != lab.Failed {
			s.Gate = gate.DisturbedBecause("its rate follows from a peak that was disturbed: " + peak.Gate.Reason)
		}
		samples = append(samples, s)
	}
	return samples, nil
}

// resolveRate is a phase with its rate, where that is a share of a peak: of the one that
// the trial has measured, which it returns too, or that a pilot found.
func (e *Experiment) resolveRate(t lab.Trial, p lab.Phase, measured []lab.Sample) (rated lab.Phase,
	peak lab.Sample, err error,
) {
	own, ok := plan.PeakPhaseFor(e.scenarioByName[t.Scenario], p)
	if !ok {
		rated, err = plan.ResolveRate(e.Plan, t, p)
		return rated, peak, err
	}
	for _, s := range measured {
		if rps, _ := metric.ThroughputRPS(s); s.Phase.ID() == own.ID() && rps > 0 {
			return plan.ApplyShare(p, rps), s, nil
		}
	}
	return p, peak, fmt.Errorf("the rate of %s is not known: not one request succeeded in %s", p.ID(), own.ID())
}

// awaitAndIdentify waits for a server's first answer, and has it prove what it is. The
// request is the same in every scenario: a cold start is the server's, however
// long a scenario's own requests take.
func (e *Experiment) awaitAndIdentify(ctx context.Context, subject *lab.Sample, in trialEnv) error {
	first := e.ResponderTarget
	if !subject.Variant.Responder {
		first = e.readyTarget()
	}
	at, err := in.cell.AwaitFirstAnswer(ctx, first, firstAnswerTimeout)
	if err != nil {
		return err
	}
	cold := at.Sub(in.server.StartedAt())
	subject.ColdStart = &cold
	if subject.Variant.Responder {
		return nil // what it is the lab knows
	}
	answers, err := in.cell.Send(ctx, []lab.Request{e.Checker.IdentityRequest()})
	if err != nil {
		return err
	}
	subject.Identity, err = e.checkIdentity(answers[0], *subject)
	return err
}

// runWarmUp warms the server up, and has it say once more what it is while it is
// under load: what a library switches on late, such as the interpreter's lock,
// is on by then.
func (e *Experiment) runWarmUp(ctx context.Context, subject *lab.Sample, a lab.Attack, in trialEnv) error {
	result, err := in.cell.Attack(ctx, a)
	if err != nil {
		return err
	}
	subject.WarmUp = &result
	if subject.Variant.Responder {
		return nil
	}
	if result.SideAnswer == nil {
		return errors.New("identity: it was not asked for under load")
	}
	under, err := e.checkIdentity(*result.SideAnswer, *subject)
	if err == nil {
		err = unchanged(subject.Identity, under)
	}
	return err
}

// MeasurePhase carries out one measured phase on a started server and judges it.
// subject is what is known of the trial; upstream is nil where there is none.
func (e *Experiment) MeasurePhase(
	ctx context.Context, subject lab.Sample, a lab.Attack, cell Cell, server Server, upstream Upstream,
) (lab.Sample, error) {
	in := trialEnv{cell, server, upstream}
	if subject.Phase.Kind == lab.Capacity {
		return e.measureCapacity(ctx, subject, a, in)
	}
	s, err := e.attackWithCanaries(ctx, subject, a, in)
	if err != nil {
		return s, err
	}
	if gate.NeedsDoubleConnections(s, e.Calibration) && 2*a.Connections <= maxPeakConnections {
		s.DoubleConnections, s.DoubledServer, err = attackDoubleConnections(ctx, a, in)
		if err != nil && !errors.Is(err, errServerEnded) {
			return s, err
		}
	}
	s.Gate = gate.Judge(s, e.Calibration)
	if err != nil { // what the server was not asked to bear takes nothing from what it did
		s.Gate.Reason += "; on twice the connections " + err.Error()
	}
	s.MissedObjectives, s.MetricsWithoutValue = metric.CheckObjectives(s)
	return s, nil
}

// attackWithCanaries carries out an attack between readings of the server,
// and these between canaries.
func (e *Experiment) attackWithCanaries(ctx context.Context, s lab.Sample, a lab.Attack,
	in trialEnv,
) (lab.Sample, error) {
	s.SeparateIRQTime, s.Canaries.Baselines = e.Calibration.SeparateIRQTime, e.baselineCanaries()
	var err error
	if s.Canaries.Before, s.Canaries.ServerCPUBefore, s.ServerUsage.Before, err = e.runCanaries(ctx, s.Layout,
		in.server, nil); err != nil {
		return s, err
	}
	if s, err = attackWithReadings(ctx, s, a, in); err != nil {
		return s, err
	}
	if err := waitForCloses(ctx, a.Connections); err != nil {
		return s, err
	}
	if s.Canaries.After, s.Canaries.ServerCPUAfter, _, err = e.runCanaries(ctx, s.Layout, in.server,
		&s.ServerUsage.After); err != nil {
		return s, err
	}
	return s, e.recordHits(ctx, s, in)
}

// closeTimePerConnection is more than the three ends of a connection that closes, and of
// one to an upstream, take of a CPU between them.
const closeTimePerConnection = 200 * time.Microsecond

// waitForCloses waits until an attack's connections have surely been closed: thousands
// of them keep the generator's CPU busy for longer than a canary takes, and are
// nobody else's doing.
func waitForCloses(ctx context.Context, connections int) error {
	select {
	case <-ctx.Done():
		return context.Cause(ctx)
	case <-time.After(time.Duration(connections) * closeTimePerConnection):
		return nil
	}
}

// attackWithReadings carries out an attack and reads the server after it; the reading
// before it is in s.
func attackWithReadings(ctx context.Context, s lab.Sample, a lab.Attack, in trialEnv) (lab.Sample, error) {
	called, err := upstreamCalls(ctx, in.upstream)
	if err != nil {
		return s, err
	}
	clock := s.Scenario.Name == lab.ReferenceScenario
	if clock { // what it has measured so far it forgets
		if _, err := ReadServiceTimes(ctx, in.cell); err != nil {
			return s, err
		}
	}
	result, err := in.cell.Attack(ctx, a)
	if err != nil {
		return s, err
	}
	s.Attack = &result
	s.StartedAt = result.StartedAt
	if clock {
		if s.ServiceTimes, err = ReadServiceTimes(ctx, in.cell); err != nil {
			return s, err
		}
	}
	if s.ServerUsage.After, err = in.server.Usage(ctx); err != nil {
		return s, err
	}
	s.ServerUsage.Known = true
	if in.upstream != nil {
		all, err := upstreamCalls(ctx, in.upstream)
		if err != nil {
			return s, err
		}
		s.Upstream = &lab.UpstreamUsage{Calls: all - called}
	}
	return s, nil
}

// recordHits records what the cell's last attack kept of its hits.
func (e *Experiment) recordHits(ctx context.Context, s lab.Sample, in trialEnv) error {
	if s.Attack.KeptHits == 0 {
		return nil
	}
	return asLabError(ctx,
		e.Recorder.RecordHits(s, func(each func([]lab.Hit) error) error { return in.cell.ReadHits(ctx, each) }))
}

// ReadServiceTimes is what a reference server's own clock has measured since it was
// last asked.
func ReadServiceTimes(ctx context.Context, cell Cell) (*lab.ServiceTimes, error) {
	answers, err := cell.Send(ctx, []lab.Request{
		{Method: http.MethodGet, Path: lab.ServiceTimesPath}, {
			Method: http.MethodDelete,
			Path:   lab.ServiceTimesPath,
		},
	})
	if err != nil {
		return nil, err
	}
	var told lab.ServiceTimes
	if err := json.Unmarshal(answers[0].Body, &told); err != nil {
		return nil, fmt.Errorf("reading a reference server's own clock (%q %s): %w", answers[0].Body,
			answers[0].Error, err)
	}
	return &told, nil
}

// upstreamCalls is how often an upstream has been called so far; none has none.
func upstreamCalls(ctx context.Context, u Upstream) (int64, error) {
	if u == nil {
		return 0, nil
	}
	hits, err := u.Calls(ctx)
	if err != nil && ctx.Err() == nil {
		err = &generatorError{"the upstream could not be asked how often it was called: " + err.Error()}
	}
	return hits, err
}

// runCanaries has the canaries sing, and tells what the server used meanwhile and
// in all. before is the server's usage until now, where it has been asked.
func (e *Experiment) runCanaries(ctx context.Context, l lab.Layout, server Server, before *lab.Usage) (
	sung []lab.Canary, used time.Duration, after lab.Usage, err error,
) {
	if before == nil {
		u, err := server.Usage(ctx)
		if err != nil {
			return nil, 0, u, err
		}
		before = &u
	}
	if sung, err = e.Cells.RunCanaries(ctx, l.AllCPUs()); err != nil {
		return nil, 0, after, asLabError(ctx, err)
	}
	if after, err = server.Usage(ctx); err != nil {
		return nil, 0, after, err
	}
	used = after.CPU - before.CPU
	e.recordCanaries(sung, l, used)
	return sung, used, after, nil
}

// maxServerShare is the share of a canary's time from which on a server that worked
// meanwhile leaves nothing to learn from it: what is taken off for it may be too much.
const maxServerShare = 0.05

// recordCanaries remembers what canaries took, so that later ones are judged by it.
func (e *Experiment) recordCanaries(sung []lab.Canary, l lab.Layout, server time.Duration) {
	if e.canaryTimes == nil {
		e.canaryTimes = make(map[int][]time.Duration)
	}
	for _, c := range sung {
		alone := gate.CanaryTimeWithoutServer(c, l, server)
		if float64(c.WallTime-alone) > maxServerShare*float64(c.WallTime) {
			continue
		}
		all := append(e.canaryTimes[c.CPU], alone)
		e.canaryTimes[c.CPU] = all[max(0, len(all)-gate.CanaryWindow):]
	}
}

// baselineCanaries is how long canaries have taken of late, on CPUs where enough were heard.
func (e *Experiment) baselineCanaries() (all []lab.CanaryBaseline) {
	for _, cpu := range slices.Sorted(maps.Keys(e.canaryTimes)) {
		if took := e.canaryTimes[cpu]; len(took) >= gate.MinCanaries {
			all = append(all, gate.EstimateCanaryBaseline(cpu, took))
		}
	}
	return all
}

// maxPeakConnections is what a peak is tried on at the most: as many connections
// as the servers' backlog holds.
const maxPeakConnections = 4096

// attackDoubleConnections is the same peak on twice the connections, for less long. It is evidence about the
// peak, not a row of its own, and no hits of it are kept. A server that ends when it is asked to
// bear that much has no account, which is then not known.
func attackDoubleConnections(ctx context.Context, a lab.Attack, in trialEnv) (*lab.AttackResult,
	lab.ServerUsage, error,
) {
	a.Name += " doubled"
	a.Connections *= 2
	a.Duration = plan.DoubleConnectionsDuration(a.Duration)
	a.KeepHits = false
	before, unread := in.server.Usage(ctx)
	result, err := in.cell.Attack(ctx, a)
	if err != nil {
		return nil, lab.ServerUsage{}, err
	}
	used := lab.ServerUsage{Before: before}
	if unread == nil {
		used.After, unread = in.server.Usage(ctx)
	}
	used.Known = unread == nil
	if err := waitForCloses(ctx, a.Connections); err != nil {
		return nil, lab.ServerUsage{}, err
	}
	return &result, used, nil
}

// newSample is what is known of a trial before it starts.
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

// newFailedSample is the row of a trial that did not take place.
func (e *Experiment) newFailedSample(t lab.Trial, at time.Time, why string) lab.Sample {
	s := e.newSample(t, at)
	s.Phase = e.firstMeasuredPhase(t)
	s.Gate = gate.FailedBecause(why)
	return s
}

func (e *Experiment) firstMeasuredPhase(t lab.Trial) lab.Phase {
	for _, p := range e.scenarioByName[t.Scenario].PhasesOf(t) {
		if p.Kind != lab.WarmUp {
			return p
		}
	}
	return lab.Phase{}
}

// serverContext is a context that ends with the server's process.
func serverContext(ctx context.Context, s Server) (context.Context, context.CancelFunc) {
	alive, cancel := context.WithCancelCause(ctx)
	exited := s.Done(alive)
	go func() {
		select {
		case <-exited:
			cancel(errServerEnded)
		case <-alive.Done():
		}
	}()
	return alive, func() { cancel(nil) }
}

// describeServerError says in one text what went wrong with a server.
func describeServerError(ctx context.Context, s Server, err error) string {
	if how := s.ExitReason(ctx); how != "" {
		return how
	}
	text := err.Error()
	if printed := s.LogTail(ctx); printed != "" {
		text = fmt.Sprintf("%s; the server printed: %s", text, printed)
	}
	return text
}

// closeAll closes a cell and removes what runs in it, if there is any, side by
// side: also after ctx has ended, for a bounded time.
func closeAll(ctx context.Context, cell Cell, server Server, upstream Upstream) error {
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), cleanupTimeout)
	defer cancel()
	var all errgroup.Group
	all.Go(func() error { return cell.Close(ctx) })
	if server != nil {
		all.Go(func() error { return server.Remove(ctx) })
	}
	if upstream != nil {
		all.Go(func() error { return upstream.Remove(ctx) })
	}
	return all.Wait()
}
