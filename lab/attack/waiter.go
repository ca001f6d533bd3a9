package attack

import (
	"sync"
	"time"

	"runtimelab/lab"
)

// waiter is how the generator waits for the moment of the next hit.
type waiter interface {
	// waitUntil waits for a moment, after the epoch, and reports whether it came:
	// false after the end. Only one may wait at a time.
	waitUntil(due time.Duration) bool
	// stop ends a wait, and returns for how long the generator had a CPU and
	// nothing to do. It may be called again.
	stop() time.Duration
}

// newWaiter polls, unless the generator shares its CPU with what it
// measures.
func newWaiter(a lab.Attack, t *transport) (waiter, error) {
	if a.SleepWhenIdle {
		return newTimerWaiter(t.epoch), nil
	}
	return startBusyPoller(t.epoch, &t.ioSteps)
}

// timerWaiter leaves the CPU to others when there is nothing to do. Hits are then up
// to 1 ms late, by which Go's timers miss where a process is otherwise idle:
// fit for requests that take many times as long.
type timerWaiter struct {
	epoch time.Time
	once  sync.Once
	ended chan struct{}
}

func newTimerWaiter(epoch time.Time) *timerWaiter {
	return &timerWaiter{epoch: epoch, ended: make(chan struct{})}
}

func (s *timerWaiter) waitUntil(due time.Duration) bool {
	timer := time.NewTimer(due - time.Since(s.epoch))
	defer timer.Stop()
	select {
	case <-s.ended:
		return false
	default:
	}
	select {
	case <-timer.C:
		return true
	case <-s.ended:
		return false
	}
}

func (s *timerWaiter) stop() time.Duration {
	s.once.Do(func() { close(s.ended) })
	return 0
}

var (
	_ waiter = (*busyPoller)(nil)
	_ waiter = (*timerWaiter)(nil)
)
