package delivery

import (
	"context"
	"errors"
	"fmt"
	"os"
	"slices"
	"strings"
	"time"

	"github.com/coder/websocket"
	"golang.org/x/sync/errgroup"

	"runtimelab/lab"
)

const (
	closingTime = 500 * time.Millisecond // for a server to close a connection after its buffer is full
	// defaultSendBuffer is the largest send buffer of a socket where the kernel does not say it: Linux's
	// default.
	defaultSendBuffer = 4 << 20
	// sendBufferFile has the smallest, the default and the largest size of a socket's send buffer (tcp(7)).
	sendBufferFile = "/proc/sys/net/ipv4/tcp_wmem"
	// unsentSlack covers what lies in the subscriber's own socket, and what a kernel adds to its buffer
	// above the limit, in bytes.
	unsentSlack = 256 << 10
)

// largestSendBuffer returns the most bytes that the kernel holds for a connection of the cell.
func largestSendBuffer() int {
	var smallest, usual, largest int
	text, err := os.ReadFile(sendBufferFile)
	if err == nil {
		_, err = fmt.Sscan(string(text), &smallest, &usual, &largest)
	}
	if err != nil {
		return defaultSendBuffer
	}
	return largest
}

// checkStalls publishes what a server must hold for subscribers that do not read. They must get all of
// it when they read on.
func (c *checker) checkStalls(ctx context.Context, prefix string) []lab.DeliveryFault {
	return c.stallEach(ctx, prefix+"stall", c.rule.MinHeldBytes, true, func(s stalled) *lab.DeliveryFault {
		if s.ended == nil {
			return nil // what it did not get is lost
		}
		return &lab.DeliveryFault{Kind: lab.DeliveryImpatient, Text: fmt.Sprintf(
			"%s got %d of %d messages (%d bytes) when it read on; %v",
			s.name, s.received, s.published, s.published*c.rule.MaxMessageBytes, s.ending())}
	})
}

// checkBounds publishes more than a server may hold for subscribers that do not read. Their connections
// must have been closed when they read on.
func (c *checker) checkBounds(ctx context.Context, prefix string) []lab.DeliveryFault {
	backlog := c.rule.MaxHeldBytes + largestSendBuffer() + unsentSlack
	return c.stallEach(ctx, prefix+"bound", backlog, false, func(s stalled) *lab.DeliveryFault {
		if s.ended != nil && s.received < s.published {
			return nil
		}
		return &lab.DeliveryFault{Kind: lab.DeliveryUnbounded, Text: fmt.Sprintf(
			"%s did not read while %d bytes were published, and then got %d of %d messages; %v",
			s.name, backlog, s.received, s.published, s.ending())}
	})
}

// stalled is a subscriber that did not read while messages were published, and what it got afterwards.
type stalled struct {
	name                string
	published, received int
	ended               error // nil: the connection is open
}

func (s stalled) ending() string {
	if s.ended == nil {
		return "its connection stays open"
	}
	return fmt.Sprintf("its connection ended: %v", s.ended)
}

// stallEach publishes backlog bytes to a room of each transport with a subscriber that does not read,
// and calls judge with what it got. Other subscribers of the room read, and must get everything; so must
// the one that does not read, if complete.
func (c *checker) stallEach(
	ctx context.Context, prefix string, backlog int, complete bool, judge func(stalled) *lab.DeliveryFault,
) []lab.DeliveryFault {
	found := make([][]lab.DeliveryFault, len(c.transports()))
	var group errgroup.Group
	for i, t := range c.transports() {
		group.Go(func() error {
			r := c.newRoom(prefix+"-"+t.name, c.rule.MaxMessageBytes)
			if f := r.stall(ctx, t, backlog, complete, judge); f != nil {
				r.faults = append(r.faults, *f)
			}
			found[i] = r.judge()
			return nil
		})
	}
	_ = group.Wait() // faults are kept
	return slices.Concat(found...)
}

// stall lets a subscriber of transport t not read while backlog bytes are published in rounds, which
// another subscriber reads. It returns what judge says of it.
func (r *room) stall(
	ctx context.Context, t transport, backlog int, complete bool, judge func(stalled) *lab.DeliveryFault,
) *lab.DeliveryFault {
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	defer r.unsubscribe()
	client := newClient(stalledReceiveBuffer)
	defer client.CloseIdleConnections()
	slow := &subscriber{name: "the stalled " + t.name + " subscriber"}
	var err error
	if slow.stream, err = t.open(ctx, client, r.name); err != nil {
		f := refusal(r.name, slow.name, err)
		return &f
	}
	defer slow.stream.close()
	if !r.subscribe(ctx) {
		return nil
	}
	messages := backlog / r.size
	// A round is less than a server must hold for the subscribers that read.
	inRound := max(1, r.rule.MinHeldBytes/r.size/2)
	for len(r.published) < messages {
		n := min(inRound, messages-len(r.published))
		r.publishRound(ctx, n, n)
		if !r.await(ctx) || r.failed() || ctx.Err() != nil {
			return nil // the other subscriber's fault is recorded
		}
	}
	pause(ctx, closingTime)
	go slow.listen(ctx, r.name, r.size)
	s := stalled{name: r.name + ": " + slow.name, published: messages}
	for changed := time.Now(); s.ended == nil && time.Since(changed) < quiet && ctx.Err() == nil; {
		pause(ctx, pollTime)
		before := s.received
		if s.received, s.ended = slow.received(); s.received > before {
			changed = time.Now()
		}
		if s.received == messages && time.Since(changed) > settle {
			break
		}
	}
	if complete && s.ended == nil {
		r.subscribers = append(r.subscribers, slow)
	}
	return judge(s)
}

// checkFrames sends frames that are no message. Each must end its connection, and none be published.
func (c *checker) checkFrames(ctx context.Context, prefix string) []lab.DeliveryFault {
	r := c.newRoom(prefix+"frames", c.rule.MaxMessageBytes)
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	defer r.unsubscribe()
	if !r.subscribe(ctx) {
		return r.judge()
	}
	for _, frame := range []struct {
		about string
		kind  websocket.MessageType
		text  string
	}{
		{"a binary frame", websocket.MessageBinary, "x"},
		{"an empty text frame", websocket.MessageText, ""},
		{"a text frame with a line break", websocket.MessageText, "a\nb"},
		{"a text frame that is too large", websocket.MessageText, strings.Repeat("x", c.rule.MaxMessageBytes+1)},
	} {
		socket, err := openSocket(ctx, c.client, c.url(c.rule.Socket, r.name))
		if err != nil {
			r.faults = append(r.faults, refusal(r.name, "a further socket subscriber", err))
			break
		}
		err = socket.conn.Write(ctx, frame.kind, []byte(frame.text))
		for err == nil {
			limited, cancel := context.WithTimeout(ctx, quiet)
			_, _, err = socket.next(limited)
			if limited.Err() != nil {
				r.addFault(lab.DeliveryNotRefused, "the connection stays open after %s", frame.about)
			}
			cancel()
		}
		if errors.Is(err, errMalformed) {
			r.addFault(lab.DeliveryMalformed, "after %s: %v", frame.about, err)
		}
		socket.close()
	}
	r.publishRound(ctx, roundByRequests/2, roundByRequests/4)
	r.await(ctx)
	pause(ctx, settle)
	return r.judge()
}
