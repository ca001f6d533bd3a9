package serve

import (
	"context"
	"sync"
	"time"
)

// fanoutSubscriber is one connection of a room, and what is held for it.
type fanoutSubscriber struct {
	server     *fanout
	index      int
	disconnect func()

	mu    sync.Mutex
	queue []fanoutMessage
	held  int // bytes of the queue and of the message that is being written
	wake  chan struct{}

	before *fanoutMessage // that waits for the one after it
}

// push gives the subscriber a message. It never waits: the connection of a subscriber that does not read
// is closed.
func (s *fanoutSubscriber) push(m fanoutMessage) {
	s.mu.Lock()
	s.queue = append(s.queue, m)
	s.held += len(m.text)
	full := s.held > fanoutMaxHeld && !s.server.options.Unbounded
	s.mu.Unlock()
	if full {
		go s.disconnect() // it may wait for a handshake
		return
	}
	select {
	case s.wake <- struct{}{}:
	default:
	}
}

// run delivers messages when they are due, with the faults of the server, until ctx or the connection
// ends.
func (s *fanoutSubscriber) run(ctx context.Context, write func(fanoutMessage) error) {
	for {
		select {
		case <-ctx.Done():
			return
		case <-s.wake:
		}
		s.mu.Lock()
		taken := s.queue
		s.queue = nil
		s.mu.Unlock()
		for _, m := range taken {
			if wait := time.Until(m.due); wait > 0 {
				sleep(ctx, wait)
			}
			for _, d := range s.deliveries(m) {
				s.server.recordWait(time.Since(d.received))
				if err := write(d); err != nil {
					s.disconnect()
					return
				}
			}
			s.mu.Lock()
			s.held -= len(m.text)
			s.mu.Unlock()
		}
	}
}

// deliveries returns what is delivered when a message is due.
func (s *fanoutSubscriber) deliveries(m fanoutMessage) (out []fanoutMessage) {
	if s.has(m.number+1, FanoutSwapped) || s.has(m.number+1, FanoutCrossed) {
		s.before = &m
		return nil
	}
	now := []fanoutMessage{m}
	if b := s.before; b != nil {
		s.before = nil
		switch {
		case s.makes(m.number, FanoutSwapped):
			now = append(now, *b)
		case s.makes(m.number, FanoutCrossed):
			now = []fanoutMessage{*b, m}
			now[0].text, now[1].text = m.text, b.text
		}
	}
	for _, d := range now {
		if s.makes(d.number, FanoutLost) {
			continue
		}
		out = append(out, d)
		if s.makes(d.number, FanoutDoubled) {
			out = append(out, d)
		}
	}
	return out
}

// has reports whether the list has a fault at the subscriber.
func (s *fanoutSubscriber) has(number int64, kind FanoutFaultKind) bool {
	return s.server.faults[FanoutFault{s.index, number, kind}]
}

// makes is has, and records the fault.
func (s *fanoutSubscriber) makes(number int64, kind FanoutFaultKind) bool {
	if !s.has(number, kind) {
		return false
	}
	s.server.recordFault(FanoutFault{s.index, number, kind})
	return true
}
