package docker

import (
	"errors"
	"testing"

	"runtimelab/lab/image"
)

// noSuchHost is an engine's error if DNS does not know the registry.
const noSuchHost = `Get "https://registry.test/v2/": dial tcp: lookup registry.test on 10.0.0.1:53: ` +
	`no such host`

func TestRegistryErrorsAreClassified(t *testing.T) {
	const (
		busy        = "busy"
		unreachable = "unreachable"
		other       = "another error"
	)
	tests := []struct{ class, message string }{
		{unreachable, noSuchHost},
		{unreachable, `Get "https://r.test/v2/": dial tcp 1.2.3.4:443: connect: connection refused`},
		{
			unreachable, `Get "https://r.test/v2/": net/http: request canceled while waiting for connection ` +
				`(Client.Timeout exceeded while awaiting headers)`,
		},
		{unreachable, `Get "https://r.test/v2/": net/http: TLS handshake timeout`},
		{unreachable, `Get "https://r.test/v2/": x509: certificate signed by unknown authority`},
		{
			unreachable, `Get "https://r.test/v2/": tls: failed to verify certificate: ` +
				`x509: certificate signed by unknown authority`,
		},
		{
			unreachable, `Get "https://r.test/v2/": proxyconnect tcp: dial tcp 127.0.0.1:3128: ` +
				`connect: connection refused`,
		},
		{unreachable, `Get "https://r.test/v2/": Forbidden`},
		{unreachable, `Get "https://r.test/v2/": Service Unavailable`},
		{unreachable, `Get "https://r.test/v2/": EOF`},
		{
			unreachable, `failed to resolve reference "r.test/library/node:24": failed to do request: ` +
				`Head "https://r.test/v2/": dial tcp: lookup r.test: no such host`,
		},
		{
			unreachable, `error parsing HTTP 403 response body: invalid character '<' looking for beginning of ` +
				`value: "<html>"`,
		},
		{busy, `toomanyrequests: You have reached your pull rate limit`},
		{busy, `received unexpected HTTP status: 503 Service Unavailable`},
		{
			busy, `error parsing HTTP 502 response body: invalid character '<' looking for beginning of ` +
				`value: "<html>"`,
		},
		{
			busy, `unexpected status from HEAD request to https://r.test/v2/library/node/manifests/24: ` +
				`429 Too Many Requests`,
		},
		{
			busy, `error parsing HTTP 504 response body: invalid character 'u' looking for beginning of ` +
				`value: "upstream: dial tcp 10.0.0.2:443: i/o timeout"`,
		},
		{other, `manifest for node:nope not found: manifest unknown: manifest unknown`},
		{
			other, `pull access denied for nope, repository does not exist or may require 'docker login': ` +
				`denied: requested access to the resource is denied`,
		},
		{other, `write /var/lib/docker/tmp/x: no space left on device`},
	}
	for _, tt := range tests {
		err := withPullKind(errors.New(tt.message))
		got := other
		switch {
		case errors.Is(err, image.ErrUnreachable):
			got = unreachable
		case errors.Is(err, image.ErrBusy):
			got = busy
		}
		if got != tt.class || err.Error() != tt.message {
			t.Errorf("%v is classified as %s, want %s: %s", err, got, tt.class, tt.message)
		}
	}
}
