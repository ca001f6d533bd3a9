package attack

import (
	"bufio"
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/url"
	"sort"
	"strconv"
	"time"

	"runtimelab/lab"
)

// targetURL names a target in a request's URL: the fragment is the target's
// index. Fragments never go over the wire, so the server sees only the path.
func targetURL(base string, t lab.Target, index int) string {
	return base + t.Request.Path + "#" + strconv.Itoa(index)
}

// transport is an http.RoundTripper for HTTP/1.1 that does all its work on the
// calling goroutine, over a fixed number of connections. net/http's Transport
// spends two goroutines and four channel hops on each request, which is the
// largest single cost of plain Vegeta; here a hit is one write, one parse and
// no hand-over. Answers are parsed by net/http itself.
//
// A failed exchange is never retried: the connection is closed, the failure is
// the caller's to count, and the next hit on the slot dials anew.
type transport struct {
	address  string
	timeout  time.Duration
	requests [][]byte   // wire form of every target, by index
	slots    chan *conn // the pool: a nil connection is one yet to be dialled
	dialer   *net.Dialer
}

type conn struct {
	net.Conn
	reader *bufio.Reader
	body   bytes.Buffer
}

func newTransport(a lab.Attack) (*transport, error) {
	base, err := url.Parse(a.BaseURL)
	if err != nil {
		return nil, fmt.Errorf("reading base URL %q: %w", a.BaseURL, err)
	}
	t := &transport{
		address: base.Host,
		timeout: a.Timeout,
		slots:   make(chan *conn, a.Connections),
		dialer:  &net.Dialer{Timeout: a.Timeout},
	}
	for _, target := range a.Targets {
		wire, err := wireForm(base.Host, target.Request)
		if err != nil {
			return nil, err
		}
		t.requests = append(t.requests, wire)
	}
	for range a.Connections {
		t.slots <- nil
	}
	return t, nil
}

// wireForm is the request as its bytes on the wire, written once so that no
// hit pays for it again.
func wireForm(host string, r lab.Request) ([]byte, error) {
	req, err := http.NewRequest(r.Method, "http://"+host+r.Path, bytes.NewReader(r.Body))
	if err != nil {
		return nil, fmt.Errorf("preparing %s %s: %w", r.Method, r.Path, err)
	}
	names := make([]string, 0, len(r.Header))
	for name := range r.Header {
		names = append(names, name)
	}
	sort.Strings(names)
	for _, name := range names {
		req.Header.Set(name, r.Header[name])
	}
	if req.Header.Get("User-Agent") == "" {
		req.Header.Set("User-Agent", "runtime-lab")
	}
	var wire bytes.Buffer
	if err := req.Write(&wire); err != nil {
		return nil, fmt.Errorf("preparing %s %s: %w", r.Method, r.Path, err)
	}
	return wire.Bytes(), nil
}

// RoundTrip sends the target that the URL's fragment names and returns its
// whole answer.
func (t *transport) RoundTrip(req *http.Request) (*http.Response, error) {
	index, err := strconv.Atoi(req.URL.Fragment)
	if err != nil || index < 0 || index >= len(t.requests) {
		return nil, fmt.Errorf("no target %q", req.URL.Fragment)
	}
	c := <-t.slots
	if c == nil {
		if c, err = t.dial(); err != nil {
			t.slots <- nil
			return nil, err
		}
	}
	resp, err := t.exchange(c, t.requests[index], req)
	if err != nil || resp.Close {
		_ = c.Close() // the connection is given up either way
		t.slots <- nil
	} else {
		t.slots <- c
	}
	return resp, err
}

func (t *transport) dial() (*conn, error) {
	nc, err := t.dialer.DialContext(context.Background(), "tcp", t.address)
	if err != nil {
		return nil, err
	}
	return &conn{Conn: nc, reader: bufio.NewReaderSize(nc, 4<<10)}, nil
}

// exchange writes one request and reads one answer, body included, before it
// returns: the connection is then free for the next hit.
func (t *transport) exchange(c *conn, wire []byte, req *http.Request) (*http.Response, error) {
	if err := c.SetDeadline(time.Now().Add(t.timeout)); err != nil {
		return nil, err
	}
	if c.reader.Buffered() > 0 {
		return nil, errors.New("the server sent bytes that nobody asked for")
	}
	if _, err := c.Write(wire); err != nil {
		return nil, err
	}
	resp, err := readFinal(c.reader, req)
	if err != nil {
		return nil, err
	}
	c.body.Reset()
	if _, err := c.body.ReadFrom(resp.Body); err != nil {
		return nil, err
	}
	// Vegeta reads the body after the connection has gone to another hit.
	resp.Body = io.NopCloser(bytes.NewReader(bytes.Clone(c.body.Bytes())))
	return resp, nil
}

// readFinal reads one answer, passing over informational ones (RFC 9110, 15.2).
func readFinal(r *bufio.Reader, req *http.Request) (*http.Response, error) {
	for {
		resp, err := http.ReadResponse(r, req)
		if err != nil {
			if errors.Is(err, io.ErrUnexpectedEOF) {
				return nil, errors.New("the server closed the connection before it answered")
			}
			return nil, err
		}
		if resp.StatusCode >= 200 || resp.StatusCode == http.StatusSwitchingProtocols {
			return resp, nil
		}
	}
}

// close closes every idle connection; to be called when no hit is under way.
func (t *transport) close() {
	for range cap(t.slots) {
		if c := <-t.slots; c != nil {
			_ = c.Close() // nothing is left to be lost on it
		}
	}
}
