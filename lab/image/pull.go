package image

import (
	"context"
	"errors"
	"fmt"
	"regexp"
	"strings"
	"time"

	"github.com/moby/moby/api/types/jsonstream"
	"github.com/moby/moby/client"
)

// unreachableError is the error of a pull that got no answer from a registry.
type unreachableError struct{ error }

// Unwrap returns the engine's error.
func (u unreachableError) Unwrap() error { return u.error }

// isUnreachable reports whether err, of a pull, means that no registry was reached.
func isUnreachable(err error) bool { return errors.As(err, new(unreachableError)) }

// Reasons for which a pull is cancelled.
var (
	errNoAnswer = errors.New("the registry gave no answer")
	errStalled  = errors.New("the pull stalled")
)

// pull makes the engine fetch ref. It retries a few times if the registry answers that it is
// overloaded.
func (b *Builder) pull(ctx context.Context, ref string) error {
	started := time.Now()
	b.logf("pulling %s", ref)
	for attempt := 0; ; attempt++ {
		err := b.pullOnce(ctx, ref)
		if err == nil {
			b.logf("pulled %s in %s", ref, formatSeconds(started))
			return nil
		}
		err = fmt.Errorf("pull %s: %w", ref, err)
		if ctx.Err() != nil || isUnreachable(err) || !isBusy(err) || attempt == len(b.backoff) {
			return err
		}
		b.logf("%v; retrying in %v", err, b.backoff[attempt])
		if sleep(ctx, b.backoff[attempt]) != nil {
			return err
		}
	}
}

// pullOnce makes the engine fetch ref once. It gives up if the first message takes longer than
// firstAnswerTimeout, or a later one longer than stallTimeout.
func (b *Builder) pullOnce(ctx context.Context, ref string) error {
	ctx, cancel := context.WithCancelCause(ctx)
	defer cancel(nil)
	answered := make(chan struct{}, 1)
	watch := time.AfterFunc(b.firstAnswerTimeout, func() {
		select {
		case <-answered:
			cancel(errStalled)
		default:
			cancel(unreachableError{fmt.Errorf("%w within %v", errNoAnswer, b.firstAnswerTimeout)})
		}
	})
	defer watch.Stop()

	response, err := b.engine.ImagePull(ctx, ref, client.ImagePullOptions{})
	if err == nil {
		defer response.Close()
		err = readStream(response, func(jsonstream.Message) {
			select {
			case answered <- struct{}{}:
			default:
			}
			watch.Reset(b.stallTimeout)
		})
	}
	if err == nil {
		return nil
	}
	if cause := context.Cause(ctx); cause != nil {
		return cause
	}
	if !isBusy(err) && isConnectionFailure(err) {
		return unreachableError{err}
	}
	return err
}

// Patterns that distinguish a registry's answer from a failed connection. The engine reports both
// as text only, and its two image stores word them differently.
var (
	// busyAnswer matches "toomanyrequests: ...", "received unexpected HTTP status: 503 ...",
	// "error parsing HTTP 502 response body" and "unexpected status from HEAD request to https://...:
	// 429 Too Many Requests".
	busyAnswer = regexp.MustCompile(
		`(?i)toomanyrequests|too many requests|\b(HTTP|status|code)[: ]+"?(429|5\d\d)\b|: (429|5\d\d) [A-Z]`,
	)

	// refusedByProxy matches the error of Go's HTTP client if a proxy refuses CONNECT: the bare status
	// text in place of a failed dial.
	refusedByProxy = regexp.MustCompile(`(Get|Head|Post) "?https?://[^" ]+"?: (Forbidden|Service Unavailable|` +
		`Bad Gateway|Gateway Timeout|Gateway Time-out|Proxy Authentication Required|Method Not Allowed|` +
		`Unauthorized|Not Found|Internal Server Error)\b`)

	// refusedWithPage matches an answer with a page in place of the registry's JSON. It comes from a
	// proxy or firewall between engine and registry.
	refusedWithPage = regexp.MustCompile(`error parsing HTTP (403|407|451) response body`)
)

// connectionFailures are parts of errors of an engine that did not reach the registry.
var connectionFailures = []string{
	"dial tcp", "proxyconnect", "no such host", "server misbehaving", "connection refused", "connection reset",
	"network is unreachable", "no route to host", "i/o timeout", "Client.Timeout", "context deadline exceeded",
	"request canceled while waiting for connection", "x509:", "tls:", "TLS handshake", ": EOF",
	"server gave HTTP response to HTTPS client", "malformed HTTP response",
}

// isBusy reports whether a registry answered that it is overloaded, or stalled, so that a retry may
// help.
func isBusy(err error) bool {
	return errors.Is(err, errStalled) || busyAnswer.MatchString(err.Error())
}

// isConnectionFailure reports whether the engine did not reach the registry.
func isConnectionFailure(err error) bool {
	text := err.Error()
	for _, failure := range connectionFailures {
		if strings.Contains(text, failure) {
			return true
		}
	}
	return refusedByProxy.MatchString(text) || refusedWithPage.MatchString(text)
}
