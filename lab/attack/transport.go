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

// targetScheme begins the URL that names a target to Vegeta: "target:3". An
// opaque URL is the cheapest one to parse, which Vegeta does for every hit;
// what goes over the wire is the request that the transport prepared.
const targetScheme = "target:"

func targetURL(index int) string { return targetScheme + strconv.Itoa(index) }

// targetIndex reads what targetURL wrote; -1 for anything else.
func targetIndex(u string) int {
	digits, ok := strings.CutPrefix(u, targetScheme)
	index, err := strconv.Atoi(digits)
	if !ok || err != nil || index < 0 {
		return -1
	}
	return index
}

// transport is an http.RoundTripper for HTTP/1.1 that does all its work on the
// calling goroutine, over a fixed number of connections. net/http's Transport
// spends two goroutines and four channel hops on each request, which is the
// largest single cost of plain Vegeta; here a hit is one write and, mostly, one
// read, and nothing of it is allocated.
//
// It compares each answer with the target's as it comes, so that no body is
// kept. What Vegeta is given in place of a body is a report of the exchange.
//
// A failed exchange is never retried: the connection is closed, the failure is
// the caller's to count, and the next hit on it dials anew.
type transport struct {
	address   string
	dialer    net.Dialer
	timeout   time.Duration
	targets   []target
	epoch     time.Time     // what the times of reports are counted from
	keepAlive bool          // connections are kept for the next hit
	ioSteps   atomic.Uint64 // that hits have made: sent, received

	conns     []*conn
	pool      pool
	ladder    *ladder       // nil in any other attack
	stopWatch chan struct{} // ends the watch over timeouts
	watcher   sync.WaitGroup
}

// target is a request as it goes over the wire and what its answer must be.
type target struct {
	wire     []byte
	bodySize int // of wire
	method   string
	status   int
	body     []byte
}

// newTransport dials all connections that are to be kept, so that no hit pays
// for it. From the first that cannot be dialled yet on they are left to their
// first hits, which then say why: of thousands each might take its whole timeout.
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
		wire, err := wireForm(base.Host, tg.Request, a.ConnectionPerRequest)
		if err != nil {
			return nil, err
		}
		t.targets = append(t.targets, target{
			wire: wire, bodySize: len(tg.Request.Body), method: tg.Request.Method,
			status: tg.Status, body: tg.Body,
		})
	}
	dialling := t.keepAlive
	for range a.Connections {
		c := newConn(t)
		dialling = dialling && c.dial(ctx) == nil
		t.conns = append(t.conns, c)
	}
	t.pool.free = make([]*conn, len(t.conns))
	if a.Kind != lab.Ladder { // whose clients are still to come
		for _, c := range t.conns {
			t.pool.put(c)
		}
	}
	t.watcher.Go(t.watchTimeouts)
	return t, nil
}

// wireForm is the request as its bytes on the wire, written once so that no
// hit pays for it again.
func wireForm(host string, r lab.Request, lastOfConnection bool) ([]byte, error) {
	req, err := http.NewRequest(r.Method, "http://"+host+r.Path, bytes.NewReader(r.Body))
	if err != nil {
		return nil, fmt.Errorf("preparing %s %s: %w", r.Method, r.Path, err)
	}
	for name, value := range r.Header {
		req.Header.Set(name, value)
	}
	if req.Header.Get("User-Agent") == "" {
		// None, unless the scenario has one: a server that parses it would be
		// charged for a field that nobody asked for.
		req.Header.Set("User-Agent", "")
	}
	req.Close = lastOfConnection
	var wire bytes.Buffer
	if err := req.Write(&wire); err != nil {
		return nil, fmt.Errorf("preparing %s %s: %w", r.Method, r.Path, err)
	}
	return wire.Bytes(), nil
}

// RoundTrip sends the target that the URL names and reads its whole answer.
// The connection is free for another hit when the answer's body is closed.
func (t *transport) RoundTrip(req *http.Request) (*http.Response, error) {
	index := targetIndex(targetScheme + req.URL.Opaque)
	if index < 0 || index >= len(t.targets) {
		return nil, fmt.Errorf("no target %q", req.URL)
	}
	t.ioSteps.Add(1)
	sent := t.now()
	c := t.pool.take()
	c.report = exchangeReport{target: index, sent: sent}
	tg := &t.targets[index]
	err := c.exchange(tg)
	if t.ladder != nil {
		t.ladder.answered(&c.gotLastAnswer, t.now())
	}
	if err != nil {
		c.disconnect()
		t.pool.put(c)
		return nil, err
	}
	c.answer.StatusCode = c.report.status
	return &c.answer, nil
}

// now is the time since the transport's epoch.
func (t *transport) now() time.Duration { return time.Since(t.epoch) }

// watchTimeouts ends exchanges that have taken longer than the timeout. One watch for
// all costs less than a timer for each hit.
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

// expireOverdue ends the exchanges that are overdue, and returns after how long
// it is to be called again: when the next of those under way is, so that a
// generator that sleeps is not woken in vain, and after a tenth of the timeout at
// most, because an exchange counts from before it dialled and shows only then.
func (t *transport) expireOverdue() time.Duration {
	now := t.now()
	next := now + t.timeout/10
	for _, c := range t.conns {
		if began, under := c.expire(now - t.timeout); under {
			next = min(next, began+t.timeout)
		}
	}
	return max(next-now, time.Millisecond)
}

// counts sums what all connections carried and how often they were dialled.
func (t *transport) counts() (bytesIn, bytesOut, dialled int64) {
	for _, c := range t.conns {
		bytesIn += c.bytesIn
		bytesOut += c.bytesOut
		dialled += c.connectionsOpened
	}
	return bytesIn, bytesOut, dialled
}

// close closes every connection; to be called when no hit is under way.
func (t *transport) close() {
	close(t.stopWatch)
	t.watcher.Wait()
	for _, c := range t.conns {
		c.disconnect()
	}
}

// pool hands out connections in turn: each is used as often as any other, as
// independent clients would, so that a server that spreads connections over
// workers has them all at work. There is one for each hit that may be under way,
// so that a free one is always there.
type pool struct {
	mu    sync.Mutex
	free  []*conn // a ring, of as many as there are
	first int
	count int
}

func (p *pool) take() *conn {
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.count == 0 {
		panic("attack: more hits under way than workers")
	}
	c := p.free[p.first]
	p.first = (p.first + 1) % len(p.free)
	p.count--
	return c
}

func (p *pool) put(c *conn) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.free[(p.first+p.count)%len(p.free)] = c
	p.count++
}

var (
	_ http.RoundTripper = (*transport)(nil)
	_ io.ReadCloser     = (*conn)(nil)
	_ io.WriterTo       = (*conn)(nil)
)
