package attack

import (
	"sync/atomic"
	"time"
)

// ladder decides when a ladder phase ends. Each client stays until it has an answer after the end
// of the phase's duration, so that its last request is served among as many others as the requests
// before.
type ladder struct {
	durationEnd time.Duration // end of the duration, after the epoch
	unfinished  atomic.Int64  // clients that have no such answer yet
	stop        func()        // called once, when every client has one
}

// newLadder returns a ladder whose clients all still wait for their last answer.
func newLadder(clients int, durationEnd time.Duration, stop func()) *ladder {
	l := &ladder{durationEnd: durationEnd, stop: stop}
	l.unfinished.Store(int64(clients))
	return l
}

// answered records that a client got an answer at end, after the epoch. gotLast is that client's
// mark for having had its last answer.
func (l *ladder) answered(gotLast *bool, end time.Duration) {
	if *gotLast || end < l.durationEnd {
		return
	}
	*gotLast = true
	if l.unfinished.Add(-1) == 0 {
		l.stop()
	}
}

// isOver reports whether every client has had its last answer.
func (l *ladder) isOver() bool { return l.unfinished.Load() <= 0 }
