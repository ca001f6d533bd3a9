package attack

import (
	"context"
	"fmt"
	"io"
	"math"
	"net/http"
	"slices"
	"sync/atomic"
	"time"

	vegeta "github.com/tsenart/vegeta/v12/lib"

	"runtimelab/lab"
)

// Run carries out one attack and returns its result. It returns an error if the attack is invalid
// or ctx ends it early; errors of the server are part of the result. Kept hits are written to hits,
// in the format that ReadHits reads; if none are kept, hits may be nil. Run calls ended, if it is
// not nil, after the last hit and before it computes the result.
func Run(ctx context.Context, a lab.Attack, hits io.Writer, ended func()) (lab.AttackResult, error) {
	if err := validate(a, hits); err != nil {
		return lab.AttackResult{}, err
	}
	result, err := run(ctx, a, hits, ended)
	if err == nil {
		err = context.Cause(ctx)
	}
	if err != nil {
		return result, fmt.Errorf("attack %s: %w", a.Name, err)
	}
	return result, nil
}

func run(ctx context.Context, a lab.Attack, hits io.Writer, ended func()) (lab.AttackResult, error) {
	transport, err := newTransport(ctx, a)
	if err != nil {
		return lab.AttackResult{}, err
	}
	defer transport.close()
	rec := newRecorder(a, transport.epoch, hits)
	attacker := vegeta.NewAttacker(
		vegeta.Workers(uint64(a.Connections)),
		vegeta.MaxWorkers(uint64(a.Connections)),
		// The transport enforces the timeout: a Client's Timeout would cost a timer and a context per
		// hit. Its answers carry no Location, so the client follows no redirect.
		vegeta.Client(&http.Client{Transport: transport}),
	)
	hitWaiter, err := newWaiter(a, transport)
	if err != nil {
		return lab.AttackResult{}, err
	}
	defer hitWaiter.stop()
	defer context.AfterFunc(ctx, func() { hitWaiter.stop() })()
	send := runClosedLoop
	switch a.Kind.Traits().Pacing {
	case lab.OpenLoop:
		send = runOpenLoop
	case lab.ClosedUntilSteady:
		send = runWarmUp
	case lab.ArrivingClients:
		send = runLadder
	}
	// Vegeta checks the duration only between hits. It would wait for a worker that a server keeps
	// busy, up to the timeout.
	sendCtx, cancel := context.WithTimeout(ctx, maxSendTime(a)+openLoopGrace)
	defer cancel()
	defer context.AfterFunc(sendCtx, func() { attacker.Stop() })()
	send(attacker, a, rec, transport, hitWaiter)
	rec.result.IdlePolling = hitWaiter.stop()
	if ended != nil {
		ended()
	}
	rec.setTransportCounts(transport.counts())
	return rec.finish()
}

func validate(a lab.Attack, hits io.Writer) error {
	switch {
	case a.Generator == lab.EventLoop:
		return fmt.Errorf("attack %s: this lab has no event loop; run it with --generator %s", a.Name, lab.Vegeta)
	case len(a.Targets) == 0:
		return fmt.Errorf("attack %s has no targets", a.Name)
	case a.Connections < 1:
		return fmt.Errorf("attack %s has %d connections; it needs at least one", a.Name, a.Connections)
	case a.Duration <= 0 || a.Timeout <= 0:
		return fmt.Errorf("attack %s has a duration of %v and a timeout of %v; both must be positive",
			a.Name, a.Duration, a.Timeout)
	case a.KeepHits && hits == nil:
		return fmt.Errorf("attack %s keeps its hits, but Run was given no writer for them", a.Name)
	case a.Kind.IsOpenLoop():
		return validateRate(a)
	}
	return nil
}

func validateRate(a lab.Attack) error {
	maxRPS := 0.0
	for _, s := range a.Rate {
		if s.FromRPS < 0 || s.ToRPS < 0 || s.Duration <= 0 {
			return fmt.Errorf("attack %s has a rate from %v to %v requests per second during %v; "+
				"rates must not be negative, and the duration must be positive",
				a.Name, s.FromRPS, s.ToRPS, s.Duration)
		}
		maxRPS = max(maxRPS, s.FromRPS, s.ToRPS)
	}
	if maxRPS == 0 {
		return fmt.Errorf("attack %s is an open loop without a rate", a.Name)
	}
	return nil
}

// maxSendTime returns how long an attack may send. The clients of a ladder stay until each has an
// answer after the end of its duration, at most for the wait that its kind allows.
func maxSendTime(a lab.Attack) time.Duration {
	return a.Duration + time.Duration(a.Kind.Traits().Extra.Wait*float64(a.Duration))
}

// openLoopGrace is how long after its duration an open loop may still send hits that were due
// within it. Without it the send lag would cut off the last hit.
const openLoopGrace = 10 * time.Millisecond

// runOpenLoop sends hits by a schedule. Hits that a slow server kept from being sent by the end
// count as a shortfall.
func runOpenLoop(attacker *vegeta.Attacker, a lab.Attack, rec *recorder, _ *transport, w waiter) {
	pacer := newOpenPacer(newSchedule(a), a.Duration, rec.epoch, w)
	rec.useSchedule(pacer.takeDue, countHits(newSchedule(a), a.Duration))
	for hit := range attacker.Attack(newTargeter(a), pacer, a.Duration+openLoopGrace, "") {
		rec.add(hit)
	}
}

// runClosedLoop sends a hit on each connection as soon as the one before is answered.
func runClosedLoop(attacker *vegeta.Attacker, a lab.Attack, rec *recorder, _ *transport, _ waiter) {
	for hit := range attacker.Attack(newTargeter(a), closedPacer{}, a.Duration, "") {
		rec.add(hit)
	}
}

// arrivalDivisor defines a ladder's ramp-up: its clients arrive within 1/arrivalDivisor of its
// duration.
const arrivalDivisor = 3

// runLadder runs a closed loop whose clients arrive one after another. Thousands of clients that
// start together and wait equally long would return together, and their latency would be that of a
// burst. From its arrival on, each client sends as soon as it has its answer.
func runLadder(attacker *vegeta.Attacker, a lab.Attack, rec *recorder, t *transport, w waiter) {
	rampUp, start := a.Duration/arrivalDivisor, t.now()
	lastArrival := arrivalTime(a.Connections-1, a.Connections, rampUp)
	rec.countLadder(newCompletions(start, start+lastArrival, start+a.Duration, start+maxSendTime(a)))
	t.ladder = newLadder(a.Connections, start+a.Duration, func() { attacker.Stop() })
	pacer := newLadderPacer(t, start, rampUp, w)
	for hit := range attacker.Attack(newTargeter(a), pacer, maxSendTime(a), "") {
		rec.add(hit)
		pacer.clientReady()
	}
}

// runWarmUp runs a closed loop that ends when throughput is steady, or else with the attack's
// duration (its budget).
func runWarmUp(attacker *vegeta.Attacker, a lab.Attack, rec *recorder, _ *transport, _ waiter) {
	detector := steadinessDetector{}
	rec.warmUpEnd = "budget"
	for hit := range attacker.Attack(newTargeter(a), closedPacer{}, a.Duration, "") {
		ended := rec.add(hit)
		if rec.warmUpEnd == "budget" && detector.addHit(ended) {
			rec.warmUpEnd = "steady"
			attacker.Stop()
		}
	}
}

const (
	windowLength    = 500 * time.Millisecond
	windowsNeeded   = 4
	steadyTolerance = 0.05 // share of the windows' mean; at least one hit, the resolution of a count
	minWindowHits   = 2    // mean hits per window below which throughput is never called steady
)

// steadinessDetector counts hits in windows and detects when the last few windows agree.
type steadinessDetector struct {
	counts       []float64
	currentCount float64
}

// addHit counts a hit that ended at elapsed. It reports whether the last windowsNeeded complete
// windows all lie within steadyTolerance, or one hit, of their mean.
func (s *steadinessDetector) addHit(elapsed time.Duration) bool {
	for int(elapsed/windowLength) > len(s.counts) {
		s.counts = append(s.counts, s.currentCount)
		s.currentCount = 0
	}
	s.currentCount++
	if len(s.counts) < windowsNeeded {
		return false
	}
	last := s.counts[len(s.counts)-windowsNeeded:]
	mean := 0.0
	for _, n := range last {
		mean += n / windowsNeeded
	}
	tolerance := max(steadyTolerance*mean, 1)
	return mean >= minWindowHits && !slices.ContainsFunc(last,
		func(n float64) bool { return math.Abs(n-mean) > tolerance })
}

// newTargeter returns a targeter that hands out the targets in turn. A Vegeta target only names the
// request by its index: the transport sends the bytes that it prepared, so Vegeta has nothing to
// copy.
func newTargeter(a lab.Attack) vegeta.Targeter {
	targets := make([]vegeta.Target, len(a.Targets))
	for i, t := range a.Targets {
		targets[i] = vegeta.Target{Method: t.Request.Method, URL: targetURL(i)}
	}
	var next atomic.Uint64
	return func(t *vegeta.Target) error {
		if t == nil {
			return vegeta.ErrNilTarget
		}
		*t = targets[(next.Add(1)-1)%uint64(len(targets))]
		return nil
	}
}
