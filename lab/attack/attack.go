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

// Run carries out one attack and returns what it saw. It fails on an attack
// that makes no sense or when ctx ends it early; what the server does wrong is
// in the result. Where the attack keeps its hits, they go to hits, in the form
// that ReadHits reads; otherwise hits may be nil. ended, where it is not nil, is
// called when the last hit has come and before the result is made of them.
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
		// The transport keeps the time limit: a Client's Timeout would cost a
		// timer and a context for each hit. It gives no Location either, so
		// that no redirect is followed.
		vegeta.Client(&http.Client{Transport: transport}),
	)
	waiting, err := newWaiter(a, transport)
	if err != nil {
		return lab.AttackResult{}, err
	}
	defer waiting.stop()
	defer context.AfterFunc(ctx, func() { waiting.stop() })()
	offer := runClosedLoop
	switch {
	case a.Kind.IsOpenLoop():
		offer = runOpenLoop
	case a.Kind == lab.WarmUp:
		offer = runWarmUp
	case a.Kind == lab.Ladder:
		offer = runLadder
	}
	// Vegeta alone looks at the clock only between hits, and would wait for a
	// worker that a server keeps busy until its timeout.
	ends, cancel := context.WithTimeout(ctx, maxSendTime(a)+openLoopGrace)
	defer cancel()
	defer context.AfterFunc(ends, func() { attacker.Stop() })()
	offer(attacker, a, rec, transport, waiting)
	rec.result.IdlePolling = waiting.stop()
	if ended != nil {
		ended()
	}
	rec.setTransportCounts(transport.counts())
	return rec.finish()
}

func validate(a lab.Attack, hits io.Writer) error {
	switch {
	case len(a.Targets) == 0:
		return fmt.Errorf("attack %s has no targets", a.Name)
	case a.Connections < 1:
		return fmt.Errorf("attack %s wants %d connections", a.Name, a.Connections)
	case a.Duration <= 0 || a.Timeout <= 0:
		return fmt.Errorf("attack %s wants a duration of %v and a timeout of %v", a.Name, a.Duration, a.Timeout)
	case a.KeepHits && hits == nil:
		return fmt.Errorf("attack %s is to keep its hits and has nowhere to", a.Name)
	case a.Kind.IsOpenLoop():
		return validateRate(a)
	}
	return nil
}

func validateRate(a lab.Attack) error {
	most := 0.0
	for _, s := range a.Rate {
		if s.FromRPS < 0 || s.ToRPS < 0 || s.Duration <= 0 {
			return fmt.Errorf("attack %s wants a rate from %v to %v requests per second during %v", a.Name, s.FromRPS,
				s.ToRPS, s.Duration)
		}
		most = max(most, s.FromRPS, s.ToRPS)
	}
	if most == 0 {
		return fmt.Errorf("attack %s is an open loop without a rate", a.Name)
	}
	return nil
}

// maxSendTime is for how long an attack sends at the most. The clients of a ladder stay
// until each has had an answer after its duration, for as long again.
func maxSendTime(a lab.Attack) time.Duration {
	if a.Kind == lab.Ladder {
		return 2 * a.Duration
	}
	return a.Duration
}

// openLoopGrace is how long past its duration an open loop may still send hits that
// were due within it, so that the last one is not cut off by its own send lag.
const openLoopGrace = 10 * time.Millisecond

// runOpenLoop sends by a schedule. All that the schedule calls for and the server's
// slowness kept from being sent by the end is a shortfall, and counted.
func runOpenLoop(attacker *vegeta.Attacker, a lab.Attack, rec *recorder, _ *transport, w waiter) {
	pacer := newOpenPacer(newSchedule(a), a.Duration, rec.epoch, w)
	rec.useSchedule(pacer.takeDue, countHits(newSchedule(a), a.Duration))
	for hit := range attacker.Attack(newTargeter(a), pacer, a.Duration+openLoopGrace, "") {
		rec.add(hit)
	}
}

func runClosedLoop(attacker *vegeta.Attacker, a lab.Attack, rec *recorder, _ *transport, _ waiter) {
	for hit := range attacker.Attack(newTargeter(a), closedPacer{}, a.Duration, "") {
		rec.add(hit)
	}
}

// arrivalDivisor is the part of a ladder's time over which its clients come.
const arrivalDivisor = 3

// runLadder is a closed loop whose clients come one after another: thousands that
// all come at once, and wait for the same time, would come at once again and
// again, and their latency would be that of a burst. Each sends as fast as it is
// answered from its arrival on.
func runLadder(attacker *vegeta.Attacker, a lab.Attack, rec *recorder, t *transport, w waiter) {
	within, began := a.Duration/arrivalDivisor, t.now()
	settled := arrivalTime(a.Connections-1, a.Connections, within)
	rec.countLadder(newCompletions(began, began+settled, began+a.Duration, began+maxSendTime(a)))
	t.ladder = newLadder(a.Connections, began+a.Duration, func() { attacker.Stop() })
	pacer := newLadderPacer(t, began, within, w)
	for hit := range attacker.Attack(newTargeter(a), pacer, maxSendTime(a), "") {
		rec.add(hit)
		pacer.clientReady()
	}
}

// runWarmUp is a closed loop that ends as soon as throughput is steady.
func runWarmUp(attacker *vegeta.Attacker, a lab.Attack, rec *recorder, _ *transport, _ waiter) {
	watch := steadinessDetector{}
	rec.warmEnd = "budget"
	for hit := range attacker.Attack(newTargeter(a), closedPacer{}, a.Duration, "") {
		ended := rec.add(hit)
		if rec.warmEnd == "budget" && watch.addHit(ended) {
			rec.warmEnd = "steady"
			attacker.Stop()
		}
	}
}

const (
	windowLength    = 500 * time.Millisecond
	windowsNeeded   = 4
	steadyTolerance = 0.05 // of their mean, or one hit, which is as near as counts can be
	minWindowHits   = 2    // in a window on average, below which nothing is said
)

// steadinessDetector counts hits in windows and says when the last few windows agree.
type steadinessDetector struct {
	counts       []float64
	currentCount float64
}

// addHit counts a hit that ended at elapsed, and reports whether the last
// four complete windows of half a second all lie within 5 % or one hit of their
// mean.
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
	within := max(steadyTolerance*mean, 1)
	return mean >= minWindowHits && !slices.ContainsFunc(last,
		func(n float64) bool { return math.Abs(n-mean) > within })
}

// newTargeter hands out the targets in turn. The transport sends the wire form
// that it prepared; the Target only names it, so that Vegeta has nothing to
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
