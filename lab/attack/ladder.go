package attack

import (
	"sync/atomic"
	"time"
)

// ladder ends a ladder phase. Its clients stay until each of them has had an
// answer after the phase's duration, so that the last request of each is served
// beside as many others as the requests before.
type ladder struct {
	durationEnd time.Duration // end of the duration, after the epoch
	unfinished  atomic.Int64  // clients that have not had that answer
	stop        func()        // called once, when all of them have
}

func newLadder(clients int, ends time.Duration, stop func()) *ladder {
	l := &ladder{durationEnd: ends, stop: stop}
	l.unfinished.Store(int64(clients))
	return l
}

// answered notes an answer that came at end. left is the client's own mark that
// it has had its last one.
func (l *ladder) answered(left *bool, end time.Duration) {
	if *left || end < l.durationEnd {
		return
	}
	*left = true
	if l.unfinished.Add(-1) == 0 {
		l.stop()
	}
}

// isOver reports whether every client has had its last answer.
func (l *ladder) isOver() bool { return l.unfinished.Load() <= 0 }
