package delivery

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"time"

	"golang.org/x/sync/errgroup"

	"runtimelab/lab"
)

// checkTimeout limits a check.
const checkTimeout = 3 * time.Minute

// checker is one check of one server.
type checker struct {
	baseURL string
	rule    lab.SubscriptionRule
	client  *http.Client // of what is published, and of subscribers that read
}

// Check subscribes to rooms of the server at baseURL, publishes, and returns how the server breaks rule:
// one fault of each kind in each room. The names of its rooms begin with prefix. The error is that of a
// check that ctx has ended.
func Check(ctx context.Context, baseURL, prefix string, rule lab.SubscriptionRule) ([]lab.DeliveryFault,
	error,
) {
	limited, cancel := context.WithTimeout(ctx, checkTimeout)
	defer cancel()
	c := &checker{baseURL: baseURL, rule: rule, client: newClient(0)}
	defer c.client.CloseIdleConnections()
	parts := []func(context.Context) []lab.DeliveryFault{
		func(ctx context.Context) []lab.DeliveryFault { return c.checkDeliveries(ctx, prefix) },
		func(ctx context.Context) []lab.DeliveryFault { return c.checkStalls(ctx, prefix) },
		func(ctx context.Context) []lab.DeliveryFault { return c.checkBounds(ctx, prefix) },
		func(ctx context.Context) []lab.DeliveryFault { return c.checkFrames(ctx, prefix) },
	}
	var faults []lab.DeliveryFault
	for _, part := range parts {
		faults = append(faults, part(limited)...)
		switch {
		case ctx.Err() != nil:
			return nil, context.Cause(ctx)
		case limited.Err() != nil:
			text := fmt.Sprintf("the check did not end within %v", checkTimeout)
			return append(faults, lab.DeliveryFault{Kind: lab.DeliveryLost, Text: text}), nil
		}
	}
	return faults, nil
}

// checkDeliveries publishes the rule's messages to one room, and a tenth of them to another one
// meanwhile.
func (c *checker) checkDeliveries(ctx context.Context, prefix string) []lab.DeliveryFault {
	large := c.newRoom(prefix+"all", c.rule.MessageBytes)
	small := c.newRoom(prefix+"other", c.rule.MessageBytes)
	var group errgroup.Group
	group.Go(func() error { large.exercise(ctx, c.rule.Messages); return nil })
	group.Go(func() error { small.exercise(ctx, c.rule.Messages/10); return nil })
	_ = group.Wait() // faults are kept in the rooms
	return append(large.judge(), small.judge()...)
}

// transport is a way to subscribe.
type transport struct {
	name string
	open func(ctx context.Context, client *http.Client, room string) (stream, error)
}

// transports returns the ways to subscribe.
func (c *checker) transports() []transport {
	return []transport{
		{"events", func(ctx context.Context, client *http.Client, room string) (stream, error) {
			return openEvents(ctx, client, c.url(c.rule.Events, room))
		}},
		{"socket", func(ctx context.Context, client *http.Client, room string) (stream, error) {
			s, err := openSocket(ctx, client, c.url(c.rule.Socket, room))
			if err != nil {
				return nil, err // not a stream that holds a nil pointer
			}
			return s, nil
		}},
	}
}

// refusal returns the fault of a subscription that failed.
func refusal(room, subscriber string, err error) lab.DeliveryFault {
	kind := lab.DeliveryRefused
	if errors.Is(err, errExtension) {
		kind = lab.DeliveryExtension
	}
	return lab.DeliveryFault{Kind: kind, Text: fmt.Sprintf("%s: %s: %v", room, subscriber, err)}
}
