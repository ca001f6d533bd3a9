package attack

import (
	"sync/atomic"
	"time"
)

// ladder keeps account of what the clients of one get done while all of them are
// there, which they are for a span: from when the last one has come until the
// attack's duration is over. They stay until each has had an answer after that,
// so that nobody's last request in the span is served faster than the others
// because some have gone.
type ladder struct {
	span
	left atomic.Int64 // clients that have not had that answer
	end  func()       // to be called when all have
}

// span is a time, by its two ends after the epoch.
type span struct{ from, to time.Duration }

// newLadder is of so many clients, who come within a time from a moment on.
func newLadder(clients int, began, within, duration time.Duration, end func()) *ladder {
	l := &ladder{span: span{began + arrivalOf(clients-1, clients, within), began + duration}, end: end}
	l.left.Store(int64(clients))
	return l
}

// ended takes in a request of a client.
func (l *ladder) ended(client *rounds, sent, end time.Duration, succeeded bool) {
	was := client.over
	if client.add(l.span, sent, end, succeeded); client.over && !was && l.left.Add(-1) == 0 {
		l.end()
	}
}

// over reports whether every client has had an answer after the span.
func (l *ladder) over() bool { return l.left.Load() <= 0 }

// rounds is what one client did in a span: a round is a request from its sending
// to its answer. Counting the answers that come in the span, or until the last
// one, and dividing by a time errs by up to a round of everybody where few fit
// into it, as clients wait alike and are answered together. Each round counts
// for the part of it that lies in the span instead: every moment for one over the
// length of its round, the mean of which over time is rounds per second (the
// renewal reward theorem: Ross, "Stochastic Processes", 2nd ed. 1996, 3.6).
//
// It begins with the first request that is sent in the span: those of before were
// served while there were fewer clients. Only where there is none, because one
// takes as long as that, it is the one under way that counts.
type rounds struct {
	since  time.Duration // when it begins
	within bool          // which is a sending in the span
	done   float64       // successes, and parts of them
	over   bool          // an answer has come after the span
}

func (r *rounds) add(s span, sent, end time.Duration, succeeded bool) {
	r.over = r.over || end >= s.to
	if end <= s.from || sent >= s.to {
		return
	}
	if !r.within {
		r.since, r.within, r.done = max(sent, s.from), sent >= s.from, 0
	}
	if succeeded {
		r.done += float64(min(end, s.to)-max(sent, r.since)) / float64(end-sent)
	}
}

// rps is the client's successes per second of a span.
func (r *rounds) rps(s span) float64 {
	return r.done / (s.to - r.since).Seconds()
}
