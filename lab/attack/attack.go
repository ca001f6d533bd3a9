package attack

import (
	"context"
	"fmt"
	"io"
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

// driver sends the hits of an attack and records them.
type driver interface {
	// send sends hits until the attack ends or ctx does, and returns after the last one has ended. It
	// returns how long the generator polled and found no work.
	send(ctx context.Context) (idle time.Duration, err error)
	// result returns what was recorded, after send.
	result() (lab.AttackResult, error)
	// close closes the connections.
	close()
}

func run(ctx context.Context, a lab.Attack, hits io.Writer, ended func()) (lab.AttackResult, error) {
	d, err := newDriver(ctx, a, hits)
	if err != nil {
		return lab.AttackResult{}, err
	}
	defer d.close()
	idle, err := d.send(ctx)
	if err != nil {
		return lab.AttackResult{}, err
	}
	if ended != nil {
		ended()
	}
	result, err := d.result()
	result.IdlePolling = idle
	return result, err
}

func newDriver(ctx context.Context, a lab.Attack, hits io.Writer) (driver, error) {
	switch a.Generator {
	case lab.EventLoop:
		return newLoopDriver(a, hits)
	case lab.Vegeta:
		return newVegetaDriver(ctx, a, hits)
	}
	return nil, fmt.Errorf("no generator %q; there are %q", a.Generator, lab.Generators())
}

func validate(a lab.Attack, hits io.Writer) error {
	switch {
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

// arrivalDivisor defines a ladder's ramp-up: its clients arrive within 1/arrivalDivisor of its
// duration.
const arrivalDivisor = 3

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
