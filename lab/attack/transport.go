package attack

import (
	"bytes"
	"context"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/url"
	"strconv"
	"strings"
	"sync"
	"sync/atomic"
	"time"

	"runtimelab/lab"
)

// targetScheme begins the URL that names a target to Vegeta, such as "target:3". Vegeta parses that
// URL for every hit, and an opaque one is the cheapest to parse. The transport sends the request
// that it prepared.
const targetScheme = "target:"

func targetURL(index int) string { return targetScheme + strconv.Itoa(index) }

// targetIndex returns the index in a URL of targetURL, or -1 for any other URL.
func targetIndex(u string) int {
	digits, ok := strings.CutPrefix(u, targetScheme)
	index, err := strconv.Atoi(digits)
	if !ok || err != nil || index < 0 {
		return -1
	}
	return index
}

// transport is an http.RoundTripper for HTTP/1.1 that does all its work on the calling goroutine,
// over a fixed number of connections. net/http's Transport spends two goroutines and four channel
// operations on each request, the largest single cost of plain Vegeta. Here a hit is one write and,
// mostly, one read, without any allocation.
//
// It compares each answer with the target's as it comes and keeps no body. Vegeta gets an
// exchangeReport in place of the body.
//
// It never retries a failed exchange: it closes the connection and returns the error, and the next
// hit on that connection dials again.
type transport struct {
	address   string
	dialer    net.Dialer
	timeout   time.Duration
	targets   []target
	epoch     time.Time     // the start of all times in reports
	keepAlive bool          // keep connections for the next hit
	ioSteps   atomic.Uint64 // sends and receives of all hits

	conns     []*conn
	pool      pool
	ladder    *ladder       // nil unless the attack is a ladder
	stopWatch chan struct{} // closed to end watchTimeouts
	watcher   sync.WaitGroup
}

// newTransport returns a transport for an attack. It dials all connections that are kept, so that
// no hit pays for that. It stops at the first connection that cannot be dialled, since each of
// thousands could take its whole timeout; the first hits on the remaining connections then dial and
// report the error.
func newTransport(ctx context.Context, a lab.Attack) (*transport, error) {
	base, err := url.Parse(a.BaseURL)
	if err != nil {
		return nil, fmt.Errorf("reading base URL %q: %w", a.BaseURL, err)
	}
	t := &transport{
		address:   base.Host,
		dialer:    net.Dialer{Timeout: a.Timeout, KeepAlive: -1},
		timeout:   a.Timeout,
		epoch:     time.Now(),
		keepAlive: !a.ConnectionPerRequest,
		stopWatch: make(chan struct{}),
	}
	for _, tg := range a.Targets {
		prepared, err := newTarget(base.Host, tg, a.ConnectionPerRequest)
		if err != nil {
			return nil, err
		}
		t.targets = append(t.targets, prepared)
	}
	dialling := t.keepAlive
	for range a.Connections {
		c := newConn(t)
		dialling = dialling && c.dial(ctx) == nil
		t.conns = append(t.conns, c)
	}
	t.pool.free = newRing[*conn](len(t.conns))
	if a.Kind.Traits().Pacing != lab.ArrivingClients { // those put their connections as they arrive
		for _, c := range t.conns {
			t.pool.put(c)
		}
	}
	t.watcher.Go(t.watchTimeouts)
	return t, nil
}

// wireForm returns the bytes of a request as sent, which are made once for all hits.
// lastOfConnection asks the server to close the connection after the answer.
func wireForm(host string, r lab.Request, lastOfConnection bool) ([]byte, error) {
	req, err := http.NewRequest(r.Method, "http://"+host+r.Path, bytes.NewReader(r.Body))
	if err != nil {
		return nil, fmt.Errorf("preparing %s %s: %w", r.Method, r.Path, err)
	}
	for name, value := range r.Header {
		req.Header.Set(name, value)
	}
	if req.Header.Get("User-Agent") == "" {
		// Send none unless the scenario has one: parsing a field that it does not ask for would cost the
		// server.
		req.Header.Set("User-Agent", "")
	}
	req.Close = lastOfConnection
	var wire bytes.Buffer
	if err := req.Write(&wire); err != nil {
		return nil, fmt.Errorf("preparing %s %s: %w", r.Method, r.Path, err)
	}
	return wire.Bytes(), nil
}

// RoundTrip sends the target that the URL names and reads its whole answer. Closing the answer's
// body frees the connection for another hit.
func (t *transport) RoundTrip(req *http.Request) (*http.Response, error) {
	index := targetIndex(targetScheme + req.URL.Opaque)
	if index < 0 || index >= len(t.targets) {
		return nil, fmt.Errorf("no target %q", req.URL)
	}
	t.ioSteps.Add(1)
	sent := t.now()
	c := t.pool.take()
	c.report = exchangeReport{target: index, sent: sent}
	err := c.exchange(index)
	if t.ladder != nil {
		t.ladder.answered(&c.gotLastAnswer, t.now())
	}
	if err != nil {
		c.disconnect()
		t.pool.put(c)
		return nil, err
	}
	c.response.StatusCode = c.report.status
	return &c.response, nil
}

// now returns the time since the transport's epoch.
func (t *transport) now() time.Duration { return time.Since(t.epoch) }

// watchTimeouts ends exchanges that take longer than the timeout. One watch for all costs less than
// a timer per hit.
func (t *transport) watchTimeouts() {
	timer := time.NewTimer(t.expireOverdue())
	defer timer.Stop()
	for {
		select {
		case <-t.stopWatch:
			return
		case <-timer.C:
			timer.Reset(t.expireOverdue())
		}
	}
}

// expireOverdue ends overdue exchanges and returns when to call it again. That is when the next
// exchange under way becomes overdue, so that a sleeping generator is not woken in vain. It is
// after a tenth of the timeout at most, because an exchange counts from before it dialled and
// becomes visible only afterwards.
func (t *transport) expireOverdue() time.Duration {
	now := t.now()
	next := now + t.timeout/10
	for _, c := range t.conns {
		if began, underWay := c.expire(now - t.timeout); underWay {
			next = min(next, began+t.timeout)
		}
	}
	return max(next-now, time.Millisecond)
}

// counts returns the bytes of all bodies, and how often connections were dialled.
func (t *transport) counts() (bytesIn, bytesOut, dialled int64) {
	for _, c := range t.conns {
		bytesIn += c.bytesIn
		bytesOut += c.bytesOut
		dialled += c.connectionsOpened
	}
	return bytesIn, bytesOut, dialled
}

// close closes every connection. No hit may be under way.
func (t *transport) close() {
	close(t.stopWatch)
	t.watcher.Wait()
	for _, c := range t.conns {
		c.disconnect()
	}
}

// pool hands out connections in turn. There is one for each hit that may be under way, so a free one
// is always available.
type pool struct {
	mu   sync.Mutex
	free ring[*conn]
}

func (p *pool) take() *conn {
	p.mu.Lock()
	defer p.mu.Unlock()
	return p.free.take()
}

func (p *pool) put(c *conn) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.free.put(c)
}

var (
	_ http.RoundTripper = (*transport)(nil)
	_ io.ReadCloser     = (*conn)(nil)
	_ io.WriterTo       = (*conn)(nil)
)
