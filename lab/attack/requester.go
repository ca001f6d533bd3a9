package attack

import (
	"time"

	vegeta "github.com/tsenart/vegeta/v12/lib"

	"runtimelab/lab/attack/eventloop"
)

// readSize is the most that is read at once. All connections of a loop share the buffer, which so stays
// in the CPU's cache.
const readSize = 64 << 10

// hitSource says which hit is next and when it is due: by Vegeta's Pacer and Targeter, as Vegeta's
// Attacker does.
type hitSource struct {
	pacer       vegeta.Pacer
	targeter    vegeta.Targeter
	target      vegeta.Target
	part, parts uint64        // of all hits: they are numbered in turn
	start       time.Duration // of the attack
	taken       uint64        // hits
	due         time.Duration // of the next hit, if the pacer was asked for it
	asked       bool
}

// next returns when the next hit is due, or false if there is none.
func (s *hitSource) next(now time.Duration) (due time.Duration, more bool) {
	if !s.asked {
		wait, stop := s.pacer.Pace(now-s.start, s.taken)
		if stop {
			return 0, false
		}
		s.due, s.asked = now+wait, true
	}
	return s.due, true
}

// take returns the next hit, after next.
func (s *hitSource) take(now time.Duration) exchange {
	_ = s.targeter(&s.target) // ours fails for no target
	x := exchange{
		seq: s.taken*s.parts + s.part, target: targetIndex(s.target.URL), intended: s.due, sent: now,
	}
	s.taken++
	s.asked = false
	return x
}

// requester sends the hits of one event loop. Everything in it belongs to the loop's goroutine.
type requester struct {
	*agreement
	loop    *eventloop.Loop
	source  hitSource
	clients []*client
	free    ring[*client]
	rec     *recorder
	judge   *judge
	counter hitCounter
	buffer  []byte
	timers  requesterTimers
	requesterCounts

	sendUntil  time.Duration // the last moment at which it may send
	idleBefore time.Duration // that the loop was idle before the attack
	sending    bool          // it sends, or will
	pumping    bool          // pump is running
}

// requesterCounts counts what the connections of a loop did.
type requesterCounts struct {
	inFlight, arrived          int // hits under way; clients of a ladder that have come
	bytesIn, bytesOut, dialled int64
}

// requesterTimers are the timers of a requester: as many as it has tasks, and none for a hit.
type requesterTimers struct {
	send, arrive, end, overdue eventloop.Timer
}

func newRequester(l *eventloop.Loop, agreed *agreement, source hitSource) *requester {
	r := &requester{
		agreement: agreed, loop: l, source: source, judge: newJudge(agreed.original),
		buffer: make([]byte, readSize),
	}
	r.timers = requesterTimers{
		send:    eventloop.NewTimer(r.pump),
		arrive:  eventloop.NewTimer(r.admitClients),
		end:     eventloop.NewTimer(r.stopSending),
		overdue: eventloop.NewTimer(r.expireOverdue),
	}
	return r
}

func (r *requester) addClient() {
	c := &client{requester: r}
	c.reader.heads = r.heads()
	r.clients = append(r.clients, c)
}

// heads returns the heads that the clients of a loop share.
func (r *requester) heads() []knownHead {
	if len(r.clients) > 0 {
		return r.clients[0].reader.heads
	}
	return make([]knownHead, len(r.targets))
}

// openConnections opens all connections that are kept, one after another, so that no hit pays for that.
// It stops at the first one that cannot be opened, since each of thousands could take its whole
// timeout; the first hits on the remaining connections then open theirs and report the error.
func (r *requester) openConnections() error {
	r.free = newRing[*client](len(r.clients))
	if !r.keep {
		return nil
	}
	for _, c := range r.clients {
		c.conn.Connect(r.loop, r.address, c, eventloop.Options{})
		deadline := eventloop.NewTimer(r.loop.Stop)
		r.loop.SetTimer(&deadline, r.loop.Now()+r.timeout)
		// Opened, or the deadline, stops the loop.
		if c.conn.IsConnecting() {
			if err := r.loop.Run(); err != nil {
				return err
			}
		}
		r.loop.StopTimer(&deadline)
		if !c.conn.IsOpen() {
			c.conn.Close()
			return nil
		}
		c.lastUsed = r.loop.Now()
	}
	return nil
}

// run sends hits until the attack ends and all of them have ended.
func (r *requester) run() error {
	r.sending = true
	r.counter.detector = r.steady
	r.loop.SetTimer(&r.timers.end, r.sendUntil)
	r.loop.SetTimer(&r.timers.overdue, r.loop.Now()+r.timeout/10)
	if r.ladder != nil {
		r.loop.SetTimer(&r.timers.arrive, 0)
	} else {
		for _, c := range r.clients {
			r.free.put(c)
		}
		r.loop.SetTimer(&r.timers.send, 0)
	}
	return r.loop.Run()
}

// admitClients lets the clients of a ladder come that are due.
func (r *requester) admitClients() {
	for ; r.arrived < len(r.clients); r.arrived++ {
		c := r.clients[r.arrived]
		if c.arrival > r.loop.Now() {
			r.loop.SetTimer(&r.timers.arrive, c.arrival)
			break
		}
		r.free.put(c)
	}
	r.pump()
}

// pump sends every hit that is due, as long as there are free connections.
func (r *requester) pump() {
	if r.pumping {
		return // a hit has ended while it began: the loop below goes on
	}
	r.pumping = true
	for left := len(r.clients); r.sending && r.free.count > 0; left-- {
		now := r.loop.Now()
		if left == 0 { // after one hit on each connection, events have their turn
			r.loop.SetTimer(&r.timers.send, now)
			break
		}
		due, more := r.source.next(now)
		if !more || now > r.sendUntil || r.stopped.Load() {
			r.sending = false
			break
		}
		if due > now {
			r.loop.SetTimer(&r.timers.send, due)
			break
		}
		r.inFlight++
		r.free.take().begin(r.source.take(now))
	}
	r.pumping = false
	if !r.sending && r.inFlight == 0 {
		r.loop.Stop()
	}
}

// stopSending ends the sending. Hits under way are waited for.
func (r *requester) stopSending() {
	r.sending = false
	r.pump()
}

// expireOverdue ends hits that take longer than the timeout, and sets when it is called again: when the
// next hit under way becomes overdue, so that a sleeping loop is not woken in vain. A hit that begins
// meanwhile is not overdue before a tenth of the timeout.
func (r *requester) expireOverdue() {
	now := r.loop.Now()
	next := now + r.timeout/10
	for _, c := range r.clients {
		if !c.busy {
			continue
		}
		if overdue := c.hit.sent + r.timeout; overdue <= now {
			c.expire()
		} else {
			next = min(next, overdue)
		}
	}
	r.loop.SetTimer(&r.timers.overdue, max(next, now+time.Millisecond))
}

// hitEnded records a hit and lets its client send another one.
func (r *requester) hitEnded(c *client) {
	ended := r.rec.add(&c.hit)
	if r.steady != nil && r.counter.addHit(ended) {
		r.stopped.Store(true)
	}
	if r.ladder != nil {
		r.ladder.answered(&c.gotLastAnswer, c.hit.end)
	}
	r.inFlight--
	r.free.put(c)
	r.pump()
}
