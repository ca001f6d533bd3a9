package agent

import (
	"io"
	"net"
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

// A service over TCP is ready as soon as its answer begins as it must, which may come in parts. One
// that starts may accept connections, and close them or answer with an error.
func TestAwaitExchangesOverTCP(t *testing.T) {
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer listener.Close()
	asked := make(chan string, 4)
	go func() {
		for _, parts := range [][]string{{}, {"E: starting up"}, {"R", "eady"}, {"R: other"}} {
			conn, err := listener.Accept()
			if err != nil {
				return
			}
			question := make([]byte, 5)
			_, _ = io.ReadFull(conn, question)
			asked <- string(question)
			for _, part := range parts {
				_, _ = io.WriteString(conn, part)
				time.Sleep(5 * time.Millisecond) // so that the parts are not one segment
			}
			_ = conn.Close()
		}
	}()
	c, _, _ := startAgent(t)
	ready := lab.Readiness{Send: []byte("hello"), Answer: []byte("Ready")}
	req := AwaitRequest{BaseURL: "http://" + listener.Addr().String(), Ready: &ready, Timeout: time.Minute}
	if _, err := c.AwaitFirstAnswer(t.Context(), req); err != nil || len(asked) != 3 || <-asked != "hello" {
		t.Errorf("ready after %d questions, want 3; error %v", len(asked), err)
	}
	req.Timeout = 0
	_, err = c.AwaitFirstAnswer(t.Context(), req)
	if want := `the answer begins with "R: other" instead of "Ready"`; err == nil ||
		!strings.Contains(err.Error(), want) {
		t.Errorf("error %v, want %s", err, want)
	}
	_ = listener.Close()
	if _, err := c.AwaitFirstAnswer(t.Context(), req); err == nil || !strings.Contains(err.Error(), "refused") {
		t.Errorf("error %v of a port where nobody listens", err)
	}
}

// A service without an expected answer is ready as soon as it accepts connections.
func TestAwaitWithoutAnAnswerNeedsAConnection(t *testing.T) {
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer listener.Close()
	c, _, _ := startAgent(t)
	_, err = c.AwaitFirstAnswer(t.Context(), AwaitRequest{
		BaseURL: "http://" + listener.Addr().String(), Ready: &lab.Readiness{}, Timeout: time.Minute,
	})
	if err != nil {
		t.Error(err)
	}
}

// A service over HTTP is asked for its own path, whatever the target says.
func TestAwaitAsksTheServicesRequest(t *testing.T) {
	paths := make(chan string, 2)
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		paths <- r.URL.Path
		w.WriteHeader(http.StatusNoContent)
	}))
	defer server.Close()
	c, _, _ := startAgent(t)
	_, err := c.AwaitFirstAnswer(t.Context(), AwaitRequest{
		BaseURL: server.URL, Timeout: time.Minute,
		Ready: &lab.Readiness{Request: &lab.Request{Method: "GET", Path: "/health", Expect: 204}},
	})
	if path := <-paths; err != nil || path != "/health" {
		t.Errorf("asked for %s, error %v", path, err)
	}
}
