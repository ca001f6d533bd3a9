package delivery

import (
	"context"
	"errors"
	"fmt"
	"sync"
	"time"

	"golang.org/x/sync/errgroup"

	"runtimelab/lab"
)

const (
	subscribersEach   = 2 // of each transport, from the start
	requestPublishers = 4 // at once
	// roundMessages are published at once, a fifth of them by requests, and awaited: less than a server
	// must hold for a subscriber.
	roundMessages   = 200
	roundByRequests = 40

	quiet     = 2 * time.Second        // without any message, after which missing ones are not awaited
	settle    = 300 * time.Millisecond // in which messages may come that should not
	maxStalls = 3                      // rounds with missing messages, after which no more are published
	pollTime  = 500 * time.Microsecond
)

// room is a room of a check, with what was published to it and its subscribers.
type room struct {
	*checker
	name string
	size int // of each message in bytes

	published   []publication // by id
	subscribers []*subscriber
	missing     map[*subscriber]int // messages that are not awaited any more

	mu     sync.Mutex
	faults []lab.DeliveryFault
}

func (c *checker) newRoom(name string, size int) *room {
	return &room{checker: c, name: name, size: size, missing: make(map[*subscriber]int)}
}

// addFault records a fault that is seen while messages are published.
func (r *room) addFault(kind lab.DeliveryFaultKind, format string, args ...any) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.faults = append(r.faults,
		lab.DeliveryFault{Kind: kind, Text: r.name + ": " + fmt.Sprintf(format, args...)})
}

// failed reports whether a fault was recorded.
func (r *room) failed() bool {
	r.mu.Lock()
	defer r.mu.Unlock()
	return len(r.faults) > 0
}

// subscribe adds a subscriber of each transport, and reports whether the server accepted them.
func (r *room) subscribe(ctx context.Context) bool {
	for _, t := range r.transports() {
		s := &subscriber{
			name: fmt.Sprintf("%s subscriber %d", t.name, len(r.subscribers)+1), firstID: len(r.published),
		}
		opened, err := t.open(ctx, r.client, r.name)
		if err != nil {
			r.mu.Lock()
			r.faults = append(r.faults, refusal(r.name, s.name, err))
			r.mu.Unlock()
			return false
		}
		s.stream = opened
		go s.listen(ctx, r.name, r.size)
		r.subscribers = append(r.subscribers, s)
	}
	return true
}

// unsubscribe closes the connections of all subscribers.
func (r *room) unsubscribe() {
	for _, s := range r.subscribers {
		s.stream.close()
	}
}

// exercise publishes messages in rounds. Subscribers come before the first round, and one of each
// transport before a later one.
func (r *room) exercise(ctx context.Context, messages int) {
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	defer r.unsubscribe()
	for range subscribersEach {
		if !r.subscribe(ctx) {
			return
		}
	}
	late, stalls := false, 0
	for len(r.published) < messages {
		if !late && len(r.published) >= messages/2 {
			late = true
			if !r.subscribe(ctx) {
				return
			}
		}
		n := min(roundMessages, messages-len(r.published))
		r.publishRound(ctx, n, min(n, roundByRequests))
		if !r.await(ctx) {
			stalls++
		}
		if stalls >= maxStalls || r.failed() || ctx.Err() != nil {
			break
		}
	}
	pause(ctx, settle)
}

// publishRound publishes n messages at once, some of them by requests, the others by frames. It returns
// when all requests are answered.
func (r *room) publishRound(ctx context.Context, n, byRequests int) {
	first := len(r.published)
	r.published = append(r.published, make([]publication, n)...)
	round := r.published[first:]
	var group errgroup.Group
	for worker := range requestPublishers {
		group.Go(func() error {
			for i := worker; i < byRequests; i += requestPublishers {
				p := &round[i]
				p.sent = time.Now()
				number, err := r.publish(ctx, r.name, messageText(r.name, first+i, r.size))
				if err != nil {
					r.addFault(lab.DeliveryRefused, "publish: %v", err)
					return nil
				}
				p.number, p.answered = number, time.Now()
			}
			return nil
		})
	}
	sockets := r.sockets()
	for sender, socket := range sockets {
		group.Go(func() error {
			for i := byRequests + sender; i < n; i += len(sockets) {
				round[i].sent, round[i].sender = time.Now(), sender+1
				if err := socket.publish(ctx, messageText(r.name, first+i, r.size)); err != nil {
					r.addFault(lab.DeliveryRefused, "socket publisher %d: a text frame: %v", sender+1, err)
					return nil
				}
			}
			return nil
		})
	}
	_ = group.Wait() // faults are recorded
}

// sockets returns the subscriptions by WebSocket.
func (r *room) sockets() (all []*socketStream) {
	for _, s := range r.subscribers {
		if socket, ok := s.stream.(*socketStream); ok {
			all = append(all, socket)
		}
	}
	return all
}

// await waits until every subscriber has got as many messages as were published since it came. It
// reports false if some are missing: then no message came for a while. Those are not awaited again.
func (r *room) await(ctx context.Context) (complete bool) {
	complete = true
	for _, s := range r.subscribers {
		want := len(r.published) - s.firstID - r.missing[s]
		got, ended := s.received()
		changed := time.Now()
		for got < want && ended == nil && time.Since(changed) < quiet && ctx.Err() == nil {
			pause(ctx, pollTime)
			before := got
			if got, ended = s.received(); got > before {
				changed = time.Now()
			}
		}
		switch {
		case errors.Is(ended, errMalformed):
			r.addFault(lab.DeliveryMalformed, "%s: %v", s.name, ended)
		case ended != nil:
			r.addFault(lab.DeliveryClosed, "%s: its connection ended after %d messages: %v", s.name, got, ended)
		case got < want:
			r.missing[s] += want - got
			complete = false
		}
	}
	if complete {
		now := time.Now()
		for i := len(r.published) - 1; i >= 0 && r.published[i].answered.IsZero(); i-- {
			r.published[i].answered = now
		}
	}
	return complete
}

// pause waits for d, or until ctx ends.
func pause(ctx context.Context, d time.Duration) {
	select {
	case <-ctx.Done():
	case <-time.After(d):
	}
}
