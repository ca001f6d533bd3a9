package attack

import (
	"sync"
	"time"

	"runtimelab/lab"
)

// waiter waits for the moment of the next hit.
type waiter interface {
	// waitUntil waits until due, a time after the epoch, and returns true. It returns false if stop is
	// called first. Only one goroutine may wait at a time.
	waitUntil(due time.Duration) bool
	// stop ends a wait and returns how long the generator polled and found no work. It may be called
	// again.
	stop() time.Duration
}

// newWaiter returns a waiter that polls, or one that sleeps if the generator shares its CPU with
// the server.
func newWaiter(a lab.Attack, t *transport) (waiter, error) {
	if a.SleepWhenIdle {
		return newTimerWaiter(t.epoch), nil
	}
	return startBusyPoller(t.epoch, &t.ioSteps)
}

// timerWaiter waits on Go timers and leaves the CPU to others. Go's timers are up to 1 ms late in a
// process that is otherwise idle, which suits requests that take many times as long.
type timerWaiter struct {
	epoch time.Time
	once  sync.Once
	ended chan struct{}
}

func newTimerWaiter(epoch time.Time) *timerWaiter {
	return &timerWaiter{epoch: epoch, ended: make(chan struct{})}
}

func (w *timerWaiter) waitUntil(due time.Duration) bool {
	timer := time.NewTimer(due - time.Since(w.epoch))
	defer timer.Stop()
	select {
	case <-w.ended:
		return false
	default:
	}
	select {
	case <-timer.C:
		return true
	case <-w.ended:
		return false
	}
}

func (w *timerWaiter) stop() time.Duration {
	w.once.Do(func() { close(w.ended) })
	return 0
}

var (
	_ waiter = (*busyPoller)(nil)
	_ waiter = (*timerWaiter)(nil)
)
