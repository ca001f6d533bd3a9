package attack

import (
	"bufio"
	"net"
	"net/http"
	"slices"
	"testing"
	"time"

	"runtimelab/lab"
)

// scripted answers each connection's requests with the given raw bytes in
// turn and closes the connection when they are used up.
func scripted(t *testing.T, answers ...string) (url string, requests chan *http.Request) {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = l.Close() })
	requests = make(chan *http.Request, 100)
	go func() {
		for {
			c, err := l.Accept()
			if err != nil {
				return
			}
			go func() {
				defer c.Close()
				r := bufio.NewReader(c)
				for _, answer := range answers {
					req, err := http.ReadRequest(r)
					if err != nil {
						return
					}
					requests <- req
					if _, err := c.Write([]byte(answer)); err != nil {
						return
					}
				}
			}()
		}
	}()
	return "http://" + l.Addr().String(), requests
}

func exchange(t *testing.T, tr *transport, a lab.Attack) (int, string, error) {
	t.Helper()
	req, err := http.NewRequest("GET", targetURL(a.BaseURL, a.Targets[0], 0), nil)
	if err != nil {
		t.Fatal(err)
	}
	resp, err := tr.RoundTrip(req)
	if err != nil {
		return 0, "", err
	}
	var body []byte
	buf := make([]byte, 3) // in small reads, as a client may
	for {
		n, err := resp.Body.Read(buf)
		body = append(body, buf[:n]...)
		if err != nil {
			break
		}
	}
	return resp.StatusCode, string(body), resp.Body.Close()
}

func TestTransportReadsEveryFraming(t *testing.T) {
	for name, c := range map[string]struct {
		answer, body string
	}{
		"content length":       {"HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\nhello", "hello"},
		"chunked":              {"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n3\r\nhel\r\n2\r\nlo\r\n0\r\n\r\n", "hello"},
		"until close":          {"HTTP/1.1 200 OK\r\nConnection: close\r\n\r\nhello", "hello"},
		"after 100 continue":   {"HTTP/1.1 100 Continue\r\n\r\nHTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\nhello", "hello"},
		"after 103 early hint": {"HTTP/1.1 103 Early Hints\r\nLink: x\r\n\r\nHTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n", ""},
	} {
		t.Run(name, func(t *testing.T) {
			url, _ := scripted(t, c.answer)
			a := attackOn(url, lab.Peak)
			tr, err := newTransport(a)
			if err != nil {
				t.Fatal(err)
			}
			status, body, err := exchange(t, tr, a)
			if err != nil || status != 200 || body != c.body {
				t.Errorf("status %d, body %q, error %v; want %q", status, body, err, c.body)
			}
		})
	}
}

func TestTransportSendsTheTargetAsWritten(t *testing.T) {
	url, requests := scripted(t, "HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n")
	a := attackOn(url, lab.Peak)
	a.Targets[0].Request = lab.Request{
		Method: "POST", Path: "/echo?x=1", Body: []byte(`{"a":1}`),
		Header: map[string]string{"Content-Type": "application/json"},
	}
	tr, err := newTransport(a)
	if err != nil {
		t.Fatal(err)
	}
	if _, _, err := exchange(t, tr, a); err != nil {
		t.Fatal(err)
	}
	got := <-requests
	if got.Method != "POST" || got.RequestURI != "/echo?x=1" || got.ContentLength != 7 ||
		got.Header.Get("Content-Type") != "application/json" || got.Host == "" {
		t.Errorf("the server read %s %s, %d bytes, %v", got.Method, got.RequestURI, got.ContentLength, got.Header)
	}
	if slices.ContainsFunc(slices.Collect(keys(got.Header)), func(h string) bool { return h == "X-Vegeta-Seq" }) {
		t.Error("Vegeta's bookkeeping goes over the wire")
	}
}

func keys(h http.Header) func(func(string) bool) {
	return func(yield func(string) bool) {
		for k := range h {
			if !yield(k) {
				return
			}
		}
	}
}

func TestTransportNeverRetries(t *testing.T) {
	answer := "HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n"
	url, requests := scripted(t, answer) // one answer a connection, then close
	a := attackOn(url, lab.Peak)
	a.Connections = 1
	tr, err := newTransport(a)
	if err != nil {
		t.Fatal(err)
	}
	var failed []bool
	for range 4 {
		_, _, err := exchange(t, tr, a)
		failed = append(failed, err != nil)
		time.Sleep(20 * time.Millisecond) // let the close arrive
	}
	if want := []bool{false, true, false, true}; !slices.Equal(failed, want) {
		t.Errorf("failures %v, want %v: a closed connection is a failure once, and then dialled anew", failed, want)
	}
	if len(requests) != 2 {
		t.Errorf("the server read %d requests, want 2", len(requests))
	}
}

func TestTransportGivesUpInTime(t *testing.T) {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	a := attackOn("http://"+l.Addr().String(), lab.Peak)
	a.Timeout = 50 * time.Millisecond
	tr, err := newTransport(a)
	if err != nil {
		t.Fatal(err)
	}
	if _, _, err := exchange(t, tr, a); err == nil {
		t.Error("a server that never answers was waited for")
	}
}
