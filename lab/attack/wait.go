package attack

import (
	"sync"
	"time"

	"runtimelab/lab"
)

// waiting is how the generator waits for the moment of the next hit.
type waiting interface {
	// until waits for a moment, after the epoch, and reports whether it came:
	// false after the end. Only one may wait at a time.
	until(due time.Duration) bool
	// end ends a wait, and returns for how long the generator had a CPU and
	// nothing to do. It may be called again.
	end() time.Duration
}

// startWaiting polls, unless the generator shares its CPU with what it
// measures.
func startWaiting(a lab.Attack, t *transport) (waiting, error) {
	if a.Sleeps {
		return newSleeping(t.epoch), nil
	}
	return startPolling(t.epoch, &t.steps)
}

// sleeping leaves the CPU to others when there is nothing to do. Hits are then up
// to 1 ms late, by which Go's timers miss where a process is otherwise idle:
// fit for requests that take many times as long.
type sleeping struct {
	epoch time.Time
	once  sync.Once
	ended chan struct{}
}

func newSleeping(epoch time.Time) *sleeping {
	return &sleeping{epoch: epoch, ended: make(chan struct{})}
}

func (s *sleeping) until(due time.Duration) bool {
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

func (s *sleeping) end() time.Duration {
	s.once.Do(func() { close(s.ended) })
	return 0
}

var (
	_ waiting = (*polling)(nil)
	_ waiting = (*sleeping)(nil)
)
