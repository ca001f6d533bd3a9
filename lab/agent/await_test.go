package agent

import (
	"net/http"
	"net/http/httptest"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"runtimelab/lab"
)

// Before the first answer is known, a server is ready when it answers with success, or at all.
func TestAwaitAcceptsWhatTheRequestExpects(t *testing.T) {
	var n atomic.Int64
	statuses := []int{503, 404, 204}
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		w.WriteHeader(statuses[min(int(n.Add(1))-1, len(statuses)-1)])
	}))
	defer server.Close()
	c, _, _ := startAgent(t)
	for name, want := range map[string]struct {
		target   lab.Target
		requests int64
	}{
		"success":            {lab.Target{Request: lab.Request{Method: "GET", Path: "/"}}, 3},
		"an expected status": {lab.Target{Request: lab.Request{Method: "GET", Path: "/", Expect: 404}}, 2},
		"any answer": {
			lab.Target{Request: lab.Request{Method: "GET", Path: "/"}, Status: lab.AnyStatus}, 1,
		},
	} {
		n.Store(0)
		_, err := c.AwaitFirstAnswer(t.Context(),
			AwaitRequest{BaseURL: server.URL, Target: want.target, Timeout: time.Minute})
		if err != nil || n.Load() != want.requests {
			t.Errorf("%s: ready after %d requests, want %d; error %v", name, n.Load(), want.requests, err)
		}
	}
	statuses = []int{302}
	_, err := c.AwaitFirstAnswer(t.Context(), AwaitRequest{
		BaseURL: server.URL, Timeout: 20 * time.Millisecond,
		Target: lab.Target{Request: lab.Request{Method: "GET", Path: "/health"}},
	})
	if err == nil || !strings.Contains(err.Error(), "GET /health is answered with status 302") {
		t.Errorf("error %v", err)
	}
}
