package agent

import (
	"bytes"
	"context"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/url"
	"time"

	"runtimelab/lab"
)

const (
	pollInterval   = time.Millisecond
	attemptTimeout = time.Second
)

// AwaitFirstAnswer returns when the first correct answer came, by the cell's clock. It returns an
// error if none comes within the timeout.
func (Machine) AwaitFirstAnswer(ctx context.Context, req AwaitRequest) (time.Time, error) {
	deadline := time.Now().Add(req.Timeout)
	client := newPlainClient()
	client.Timeout = attemptTimeout
	defer client.CloseIdleConnections()
	for {
		problem := attemptFirstAnswer(ctx, client, req)
		now := time.Now()
		switch {
		case problem == "":
			return now.UTC(), nil
		case now.After(deadline):
			return time.Time{}, fmt.Errorf("no correct answer within %v; last: %s", req.Timeout, problem)
		}
		select {
		case <-ctx.Done():
			return time.Time{}, context.Cause(ctx)
		case <-time.After(pollInterval):
		}
	}
}

// attemptFirstAnswer asks once. It returns why there is no correct answer, or "".
func attemptFirstAnswer(ctx context.Context, client *http.Client, req AwaitRequest) (problem string) {
	target := req.Target
	if req.Ready != nil {
		if req.Ready.Request == nil {
			return exchange(ctx, req.BaseURL, *req.Ready)
		}
		target = lab.Target{Request: *req.Ready.Request}
	}
	answer := sendRequest(ctx, client, req.BaseURL, target.Request)
	if answer.Error != "" {
		return answer.Error
	}
	return mismatch(target, answer)
}

// mismatch returns how an answer differs from the target's, or "" if it does not.
func mismatch(want lab.Target, got lab.Answer) string {
	switch {
	case want.Status == lab.AnyStatus:
		return ""
	case want.Status == 0 && !want.Request.Accepts(got.Status):
		return fmt.Sprintf("%s %s is answered with status %d", want.Request.Method, want.Request.Path, got.Status)
	case want.Status != 0 && got.Status != want.Status:
		return fmt.Sprintf("status %d instead of %d", got.Status, want.Status)
	case len(want.Body) > 0 && !bytes.Equal(got.Body, want.Body):
		return fmt.Sprintf("body %q instead of %q", got.Body, want.Body)
	}
	return ""
}

// maxShownAnswer limits what a message shows of another answer over TCP, in bytes. A refusal says
// there why.
const maxShownAnswer = 256

// exchange connects to the host and port of a URL, sends what ready sends, and returns why the answer
// does not begin as it must, or "".
func exchange(ctx context.Context, baseURL string, ready lab.Readiness) (problem string) {
	address, err := url.Parse(baseURL)
	if err != nil {
		return err.Error()
	}
	ctx, cancel := context.WithTimeout(ctx, attemptTimeout)
	defer cancel()
	conn, err := (&net.Dialer{}).DialContext(ctx, "tcp", address.Host)
	if err != nil {
		return err.Error()
	}
	defer conn.Close()
	defer context.AfterFunc(ctx, func() { _ = conn.SetDeadline(time.Now()) })()
	if _, err := conn.Write(ready.Send); err != nil {
		return err.Error()
	}
	answer := make([]byte, max(len(ready.Answer), maxShownAnswer))
	n, err := io.ReadAtLeast(conn, answer, len(ready.Answer))
	switch answer = answer[:n]; {
	case bytes.HasPrefix(answer, ready.Answer):
		return ""
	case n > 0:
		return fmt.Sprintf("the answer begins with %q instead of %q", answer, ready.Answer)
	default:
		return fmt.Sprintf("no answer: %v", err)
	}
}
