package docker

import (
	"regexp"
	"strings"

	"runtimelab/lab/image"
)

// withPullKind adds the kind to an error of a pull: whether the registry was overloaded, or was not
// reached.
func withPullKind(err error) error {
	switch {
	case err == nil:
		return nil
	case busyAnswer.MatchString(err.Error()):
		return image.WithKind(image.ErrBusy, err)
	case isConnectionFailure(err):
		return image.WithKind(image.ErrUnreachable, err)
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
