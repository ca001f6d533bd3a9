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

// measure carries out a trial in a fresh cell with a fresh server.
func (e *Experiment) measure(ctx context.Context, t lab.Trial) (samples []lab.Sample, err error) {
	subject := e.sample(t, time.Now())
	err = e.inCell(ctx, subject, func(ctx context.Context, s setting) (err error) {
		samples, err = e.phases(ctx, &subject, s)
		return err
	})
	var broken *brokenServer
	var lost *lostGenerator
	switch {
	case err == nil:
		return samples, nil
	case errors.As(err, &broken):
		subject.Gate = gate.Fail(broken.how)
	case errors.As(err, &lost):
		subject.Gate = gate.Disturb(lost.how)
	default:
		return nil, err
	}
	return append(samples, subject), nil // what was measured before is still true of the server
}

// setting is what a trial takes place in.
type setting struct {
	cell     Cell
	server   Server
	upstream Upstream // nil where the scenario has none
}

// brokenServer is why something could not be done with a server.
type brokenServer struct{ how string }

func (b *brokenServer) Error() string { return b.how }

// lostGenerator is how a cell's generator or upstream ended, which no server can
// bring about: they are another user's processes.
type lostGenerator struct{ how string }

func (l *lostGenerator) Error() string { return l.how }

// ownFailure is of the lab's own doing, in no trial's cell: of its disk, or of the
// cell that canaries sing in.
type ownFailure struct{ err error }

func (o *ownFailure) Error() string { return o.err.Error() }

// own says of an error that it is the lab's own, unless what it was done for has
// ended: the server, or the run.
func own(ctx context.Context, err error) error {
	if err == nil || ctx.Err() != nil {
		return err
	}
	return &ownFailure{err}
}

// inCell does something with a fresh server in a fresh cell, and closes both. An
// error of what was done, unless the user ended it, is a *brokenServer or a
// *lostGenerator while the engine and the lab can be worked with, and otherwise why
// they cannot.
func (e *Experiment) inCell(ctx context.Context, subject lab.Sample, do func(context.Context, setting) error) (err error) {
	layout := subject.Layout
	var s setting
	if s.cell, err = e.Cells.OpenCell(ctx, layout.Generator); err != nil {
		return e.whose(ctx, s, err)
	}
	defer func() {
		if left := closing(ctx, s.cell, s.server, s.upstream); left != nil {
			err = e.orLost(ctx, withClosing(err, left))
		}
	}()
	if subject.Scenario.Upstream {
		if s.upstream, err = s.cell.StartUpstream(ctx, layout.Generator); err != nil {
			return e.whose(ctx, s, err)
		}
	}
	if s.server, err = s.cell.StartServer(ctx, subject.Variant, subject.Image, layout.Server); err != nil {
		return e.whose(ctx, s, err)
	}
	alive, stop := whileRunning(ctx, s.server)
	defer stop()
	if err = do(alive, s); err != nil {
		return e.whose(ctx, s, err)
	}
	return nil
}

// whose says of an error in a cell whose it is: the user's, who ended the trial; the
// engine's; the generator's; the lab's; or else the server's. A cell that could not be
// opened, or a server that could not be started, on an engine and with a generator
// that are well, is the lab's too.
func (e *Experiment) whose(ctx context.Context, in setting, err error) error {
	found := e.apartFromTheUsers(ctx, in, err)
	if ctx.Err() != nil { // asked last: to who asks after the user has ended it, all seem to be gone
		return context.Cause(ctx)
	}
	return found
}

func (e *Experiment) apartFromTheUsers(ctx context.Context, in setting, err error) error {
	if lost := e.Cells.Lost(ctx); lost != nil {
		return lost
	}
	if in.cell == nil {
		return err
	}
	if how := in.cell.Obituary(ctx); how != "" {
		return &lostGenerator{how}
	}
	var lost *lostGenerator
	if errors.As(err, &lost) {
		return lost
	}
	var own *ownFailure
	if errors.As(err, &own) {
		return own.err
	}
	if in.server == nil {
		return err
	}
	return &brokenServer{trouble(ctx, in.server, err)}
}

// orLost is why the engine cannot be worked with any more, where that is what an
// error comes from, and the error itself where it is not.
func (e *Experiment) orLost(ctx context.Context, err error) error {
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), cleanupTime)
	defer cancel()
	if lost := e.Cells.Lost(ctx); lost != nil {
		return lost
	}
	return err
}

// withClosing adds what went wrong in closing a cell. That is the lab's own
// failure, which a server's or a generator's before it must not hide.
func withClosing(err, closing error) error {
	var broken *brokenServer
	var lost *lostGenerator
	if errors.As(err, &broken) || errors.As(err, &lost) {
		err = errors.New(err.Error())
	}
	return errors.Join(err, closing)
}

// phases takes a started server through the phases of its scenario. subject is
// what all samples of the trial share; its Phase is the one under way when an
// error is returned.
func (e *Experiment) phases(ctx context.Context, subject *lab.Sample, in setting) ([]lab.Sample, error) {
	t := subject.Trial
	subject.Phase = e.firstMeasured(t)
	if err := e.welcome(ctx, subject, in); err != nil {
		return nil, err
	}
	var samples []lab.Sample
	for _, p := range subject.Scenario.PhasesOf(t) {
		if p.Kind != lab.WarmUp {
			subject.Phase = p
		}
		p, peak, err := e.rated(t, p, samples)
		if err != nil {
			return samples, err
		}
		a := e.attack(t, p)
		e.Observer.PhaseStarted(t, p, a.Duration)
		if p.Kind == lab.WarmUp {
			if err := e.warmUp(ctx, subject, a, in); err != nil {
				return samples, err
			}
			continue
		}
		subject.Phase = p
		s, err := e.Measure(ctx, *subject, a, in.cell, in.server, in.upstream)
		if err != nil {
			return samples, err
		}
		if peak.Gate.Validity == lab.Disturbed && s.Gate.Validity != lab.Failed {
			s.Gate = gate.Disturb("its rate follows from a peak that was disturbed: " + peak.Gate.Reason)
		}
		samples = append(samples, s)
	}
	return samples, nil
}

// rated is a phase with its rate, where that is a share of a peak: of the one that
// the trial has measured, which it returns too, or that a pilot found.
func (e *Experiment) rated(t lab.Trial, p lab.Phase, measured []lab.Sample) (rated lab.Phase, peak lab.Sample, err error) {
	own, ok := plan.OwnPeak(e.scenarios[t.Scenario], p)
	if !ok {
		rated, err = plan.Rated(e.Plan, t, p)
		return rated, peak, err
	}
	for _, s := range measured {
		if rps, _ := metric.ThroughputRPS(s); s.Phase.ID() == own.ID() && rps > 0 {
			return plan.Sharing(p, rps), s, nil
		}
	}
	return p, peak, fmt.Errorf("the rate of %s is not known: not one request succeeded in %s", p.ID(), own.ID())
}

// welcome waits for a server's first answer, and has it prove what it is. The
// request is the same in every scenario: a cold start is the server's, however
// long a scenario's own requests take.
func (e *Experiment) welcome(ctx context.Context, subject *lab.Sample, in setting) error {
	first := e.Responder
	if !subject.Variant.Responder {
		first = e.alive()
	}
	at, err := in.cell.Await(ctx, first, patience)
	if err != nil {
		return err
	}
	cold := at.Sub(in.server.Started())
	subject.ColdStart = &cold
	if subject.Variant.Responder {
		return nil // what it is the lab knows
	}
	answers, err := in.cell.Check(ctx, []lab.Request{e.Examiner.IdentityRequest()})
	if err != nil {
		return err
	}
	subject.Identity, err = e.identify(answers[0], *subject)
	return err
}

// warmUp warms the server up, and has it say once more what it is while it is
// under load: what a library switches on late, such as the interpreter's lock,
// is on by then.
func (e *Experiment) warmUp(ctx context.Context, subject *lab.Sample, a lab.Attack, in setting) error {
	result, err := in.cell.Attack(ctx, a)
	if err != nil {
		return err
	}
	subject.WarmUp = &result
	if subject.Variant.Responder {
		return nil
	}
	if result.Witnessed == nil {
		return errors.New("identity: it was not asked for under load")
	}
	under, err := e.identify(*result.Witnessed, *subject)
	if err == nil {
		err = unchanged(subject.Identity, under)
	}
	return err
}

// Measure carries out one measured phase on a started server and judges it.
// subject is what is known of the trial; upstream is nil where there is none.
func (e *Experiment) Measure(
	ctx context.Context, subject lab.Sample, a lab.Attack, cell Cell, server Server, upstream Upstream,
) (lab.Sample, error) {
	in := setting{cell, server, upstream}
	if subject.Phase.Kind == lab.Capacity {
		return e.capacity(ctx, subject, a, in)
	}
	s, err := e.attackBetweenReadings(ctx, subject, a, in)
	if err != nil {
		return s, err
	}
	if gate.Undecided(s, e.Calibration) && 2*a.Connections <= mostConnections {
		s.Doubled, s.DoubledServer, err = double(ctx, a, in)
		if err != nil && !errors.Is(err, errServerEnded) {
			return s, err
		}
	}
	s.Gate = gate.Judge(s, e.Calibration)
	if err != nil { // what the server was not asked to bear takes nothing from what it did
		s.Gate.Reason += "; on twice the connections " + err.Error()
	}
	s.Missed, s.Unknown = metric.Objectives(s)
	return s, nil
}

// attackBetweenReadings carries out an attack between readings of the server,
// and these between canaries.
func (e *Experiment) attackBetweenReadings(ctx context.Context, s lab.Sample, a lab.Attack, in setting) (lab.Sample, error) {
	s.InterruptsApart, s.Canaries.Usual = e.Calibration.InterruptsApart, e.usual()
	var err error
	if s.Canaries.Before, s.Canaries.ServerBefore, s.Server.Before, err = e.canaries(ctx, s.Layout, in.server, nil); err != nil {
		return s, err
	}
	if s, err = attackOnce(ctx, s, a, in); err != nil {
		return s, err
	}
	if err := settle(ctx, a.Connections); err != nil {
		return s, err
	}
	if s.Canaries.After, s.Canaries.ServerAfter, _, err = e.canaries(ctx, s.Layout, in.server, &s.Server.After); err != nil {
		return s, err
	}
	return s, e.keepHits(ctx, s, in)
}

// closingTakes is more than the three ends of a connection that closes, and of
// one to an upstream, take of a CPU between them.
const closingTakes = 200 * time.Microsecond

// settle waits until an attack's connections have surely been closed: thousands
// of them keep the generator's CPU busy for longer than a canary takes, and are
// nobody else's doing.
func settle(ctx context.Context, connections int) error {
	select {
	case <-ctx.Done():
		return context.Cause(ctx)
	case <-time.After(time.Duration(connections) * closingTakes):
		return nil
	}
}

// attackOnce carries out an attack and reads the server after it; the reading
// before it is in s.
func attackOnce(ctx context.Context, s lab.Sample, a lab.Attack, in setting) (lab.Sample, error) {
	called, err := hitsOf(ctx, in.upstream)
	if err != nil {
		return s, err
	}
	clock := s.Scenario.Name == lab.ReferenceScenario
	if clock { // what it has measured so far it forgets
		if _, err := ServiceTimes(ctx, in.cell); err != nil {
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
		if s.Service, err = ServiceTimes(ctx, in.cell); err != nil {
			return s, err
		}
	}
	if s.Server.After, err = in.server.Usage(ctx); err != nil {
		return s, err
	}
	s.Server.Known = true
	if in.upstream != nil {
		all, err := hitsOf(ctx, in.upstream)
		if err != nil {
			return s, err
		}
		s.Upstream = &lab.UpstreamUsage{Hits: all - called}
	}
	return s, nil
}

// keepHits records what the cell's last attack kept of its hits.
func (e *Experiment) keepHits(ctx context.Context, s lab.Sample, in setting) error {
	if s.Attack.KeptHits == 0 {
		return nil
	}
	return own(ctx, e.Recorder.Hits(s, func(each func([]lab.Hit) error) error { return in.cell.Hits(ctx, each) }))
}

// ServiceTimes is what a reference server's own clock has measured since it was
// last asked.
func ServiceTimes(ctx context.Context, cell Cell) (*lab.ServiceTimes, error) {
	answers, err := cell.Check(ctx, []lab.Request{
		{Method: http.MethodGet, Path: lab.ServicePath}, {Method: http.MethodDelete, Path: lab.ServicePath},
	})
	if err != nil {
		return nil, err
	}
	var told lab.ServiceTimes
	if err := json.Unmarshal(answers[0].Body, &told); err != nil {
		return nil, fmt.Errorf("reading a reference server's own clock (%q %s): %w", answers[0].Body, answers[0].Error, err)
	}
	return &told, nil
}

// hitsOf is how often an upstream has been called so far; none has none.
func hitsOf(ctx context.Context, u Upstream) (int64, error) {
	if u == nil {
		return 0, nil
	}
	hits, err := u.Hits(ctx)
	if err != nil && ctx.Err() == nil {
		err = &lostGenerator{"the upstream could not be asked how often it was called: " + err.Error()}
	}
	return hits, err
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
	if sung, err = e.Cells.Canary(ctx, l.All()); err != nil {
		return nil, 0, after, own(ctx, err)
	}
	if after, err = server.Usage(ctx); err != nil {
		return nil, 0, after, err
	}
	used = after.CPU - before.CPU
	e.hear(sung, l, used)
	return sung, used, after, nil
}

// inTheWay is the share of a canary's time from which on a server that worked
// meanwhile leaves nothing to learn from it: what is taken off for it may be too much.
const inTheWay = 0.05

// hear remembers what canaries took, so that later ones are judged by it.
func (e *Experiment) hear(sung []lab.Canary, l lab.Layout, server time.Duration) {
	if e.heard == nil {
		e.heard = make(map[int][]time.Duration)
	}
	for _, c := range sung {
		alone := gate.Alone(c, l, server)
		if float64(c.Took-alone) > inTheWay*float64(c.Took) {
			continue
		}
		all := append(e.heard[c.CPU], alone)
		e.heard[c.CPU] = all[max(0, len(all)-gate.LastCanaries):]
	}
}

// usual is how long canaries have taken of late, on CPUs where enough were heard.
func (e *Experiment) usual() (all []lab.QuietCPU) {
	for _, cpu := range slices.Sorted(maps.Keys(e.heard)) {
		if took := e.heard[cpu]; len(took) >= gate.FewestCanaries {
			all = append(all, gate.Usual(cpu, took))
		}
	}
	return all
}

// mostConnections is what a peak is tried on at the most: as many connections
// as the servers' backlog holds.
const mostConnections = 4096

// double is the same peak on twice the connections, for less long. It is evidence about the
// peak, not a row of its own, and no hits of it are kept. A server that ends when it is asked to
// bear that much has no account, which is then not known.
func double(ctx context.Context, a lab.Attack, in setting) (*lab.AttackResult, lab.ServerUsage, error) {
	a.Name += " doubled"
	a.Connections *= 2
	a.Duration = plan.Doubled(a.Duration)
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
	if err := settle(ctx, a.Connections); err != nil {
		return nil, lab.ServerUsage{}, err
	}
	return &result, used, nil
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
		Layout:    e.layouts[t.Cores],
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
	for _, p := range e.scenarios[t.Scenario].PhasesOf(t) {
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

// closing closes a cell and removes what runs in it, if there is any, side by
// side: also after ctx has ended, for a bounded time.
func closing(ctx context.Context, cell Cell, server Server, upstream Upstream) error {
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), cleanupTime)
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
