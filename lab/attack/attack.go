package attack

import (
	"context"
	"fmt"
	"net/http"
	"sync/atomic"
	"time"

	vegeta "github.com/tsenart/vegeta/v12/lib"

	"runtimelab/lab"
)

// Run carries out one attack and returns what it saw. It fails on an attack
// that makes no sense or when ctx ends it early; what the server does wrong is
// in the result.
func Run(ctx context.Context, a lab.Attack) (lab.AttackResult, error) {
	if err := validate(a); err != nil {
		return lab.AttackResult{}, err
	}
	transport, err := newTransport(a)
	if err != nil {
		return lab.AttackResult{}, err
	}
	defer transport.close()

	attacker := vegeta.NewAttacker(
		vegeta.Workers(uint64(a.Connections)),
		vegeta.MaxWorkers(uint64(a.Connections)),
		// The transport keeps the time limit: a Client's Timeout would cost a
		// timer and a context for each hit.
		vegeta.Client(&http.Client{Transport: transport, CheckRedirect: noRedirects}),
	)
	stop := context.AfterFunc(ctx, func() { attacker.Stop() })
	defer stop()

	var result lab.AttackResult
	switch a.Kind {
	case lab.Steady:
		result, err = open(attacker, a)
	case lab.WarmUp:
		result, err = warm(attacker, a)
	default:
		result, err = closed(attacker, a)
	}
	if err == nil {
		err = context.Cause(ctx)
	}
	if err != nil {
		return result, fmt.Errorf("attack %s: %w", a.Name, err)
	}
	return result, nil
}

func noRedirects(*http.Request, []*http.Request) error { return http.ErrUseLastResponse }

func validate(a lab.Attack) error {
	switch {
	case len(a.Targets) == 0:
		return fmt.Errorf("attack %s has no targets", a.Name)
	case a.Connections < 1:
		return fmt.Errorf("attack %s wants %d connections", a.Name, a.Connections)
	case a.Duration <= 0 || a.Timeout <= 0:
		return fmt.Errorf("attack %s wants a duration of %v and a timeout of %v", a.Name, a.Duration, a.Timeout)
	case a.Kind == lab.Steady && a.RateRPS <= 0:
		return fmt.Errorf("attack %s wants a rate of %v requests per second", a.Name, a.RateRPS)
	}
	return nil
}

// grace is how long past its duration an open loop may still send hits that
// were due within it, so that the last one is not cut off by its own send lag.
const grace = 10 * time.Millisecond

func open(attacker *vegeta.Attacker, a lab.Attack) (lab.AttackResult, error) {
	pacer := newOpenPacer(newSchedule(a), a.Duration)
	rec := newRecorder(a, pacer.due)
	for hit := range attacker.Attack(targeter(a), pacer, a.Duration+grace, "") {
		rec.add(hit)
	}
	return rec.result(intended(newSchedule(a), a.Duration))
}

func closed(attacker *vegeta.Attacker, a lab.Attack) (lab.AttackResult, error) {
	rec := newRecorder(a, nil)
	for hit := range attacker.Attack(targeter(a), closedPacer{}, a.Duration, "") {
		rec.add(hit)
	}
	return rec.result(-1)
}

// warm is a closed loop that ends as soon as throughput is steady.
func warm(attacker *vegeta.Attacker, a lab.Attack) (lab.AttackResult, error) {
	rec := newRecorder(a, nil)
	watch := steadiness{}
	end := "budget"
	for hit := range attacker.Attack(targeter(a), closedPacer{}, a.Duration, "") {
		rec.add(hit)
		if end == "budget" && watch.steadyAfter(hit.End().Sub(rec.began)) {
			end = "steady"
			attacker.Stop()
		}
	}
	result, err := rec.result(-1)
	result.WarmEnd = end
	return result, err
}

const (
	steadyWindow  = 500 * time.Millisecond
	steadyWindows = 4
	steadyWithin  = 0.05 // of their mean
)

// steadiness counts hits in windows and says when the last few windows agree.
type steadiness struct {
	counts []float64
	open   float64
}

// steadyAfter counts a hit that ended at elapsed, and reports whether the last
// four complete windows of half a second all lie within 5 % of their mean.
func (s *steadiness) steadyAfter(elapsed time.Duration) bool {
	for int(elapsed/steadyWindow) > len(s.counts) {
		s.counts = append(s.counts, s.open)
		s.open = 0
	}
	s.open++
	if len(s.counts) < steadyWindows {
		return false
	}
	last := s.counts[len(s.counts)-steadyWindows:]
	mean := 0.0
	for _, n := range last {
		mean += n / steadyWindows
	}
	for _, n := range last {
		if n < mean*(1-steadyWithin) || n > mean*(1+steadyWithin) {
			return false
		}
	}
	return true
}

// targeter hands out the targets in turn.
func targeter(a lab.Attack) vegeta.Targeter {
	targets := make([]vegeta.Target, len(a.Targets))
	for i, t := range a.Targets {
		// The transport sends the wire form that it prepared; the Target only
		// names it, so Vegeta has nothing to copy.
		targets[i] = vegeta.Target{Method: t.Request.Method, URL: targetURL(a.BaseURL, t, i)}
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
