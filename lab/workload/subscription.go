package workload

import (
	"errors"
	"fmt"
	"slices"
	"strings"

	"runtimelab/lab"
)

// subscriptionRule describes how messages come to subscribers, and what a check of it publishes.
type subscriptionRule struct {
	About string `json:"about"`
	lab.SubscriptionRule
}

// roomPlace stands for the name of a room in paths.
const roomPlace = "{room}"

// maxCheckedMessages limits what a check publishes: every run makes it before it measures.
const maxCheckedMessages = 1_000_000

// check returns what is wrong with the rule. w is the workload that it is part of.
func (r subscriptionRule) check(w *Workload) error {
	for _, path := range []string{r.Publish, r.Events, r.Socket} {
		if !strings.Contains(path, roomPlace) {
			return fmt.Errorf("path %q has no %s", path, roomPlace)
		}
		if !slices.Contains(w.Paths(), path) {
			return fmt.Errorf("no endpoint %q", path)
		}
	}
	switch {
	case r.Messages < 1 || r.Messages > maxCheckedMessages:
		return fmt.Errorf("messages is %d, want 1 to %d", r.Messages, maxCheckedMessages)
	case r.MessageBytes < 64 || r.MaxMessageBytes < r.MessageBytes:
		return errors.New("message_bytes must be at least 64, and at most message_max_bytes")
	case r.MinHeldBytes < 16*r.MaxMessageBytes || r.MaxHeldBytes < r.MinHeldBytes:
		return errors.New("held_min_bytes must be at least 16 * message_max_bytes, and at most held_max_bytes")
	}
	return nil
}

// Subscription returns how messages come to the subscribers of the workload; nil if it has none.
func (w *Workload) Subscription() *lab.SubscriptionRule {
	if w.doc.Subscribers == nil {
		return nil
	}
	rule := w.doc.Subscribers.SubscriptionRule
	return &rule
}

// MatchesPath reports whether a request's path is one of an endpoint's, in which a part such as {room}
// stands for any text without a slash.
func MatchesPath(endpoint, path string) bool {
	if !strings.Contains(endpoint, "{") {
		return endpoint == path
	}
	want, got := strings.Split(endpoint, "/"), strings.Split(path, "/")
	return slices.EqualFunc(want, got, func(w, g string) bool {
		return w == g || strings.HasPrefix(w, "{") && strings.HasSuffix(w, "}") && g != ""
	})
}
