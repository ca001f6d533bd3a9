package attack

import (
	"context"
	"errors"
	"io"
	"net"
	"net/http"
	"sync"
	"sync/atomic"
	"syscall"
	"time"

	"runtimelab/lab/nonblock"
)

const (
	bufferSize = 16 << 10
	// writeInline is the largest request that is written in one go: what an
	// idle socket's send buffer takes at once (net.ipv4.tcp_wmem begins at
	// 16 KiB). A larger one is written beside the reading, since a server may
	// answer while it still reads and neither side must wait for the other.
	writeInline = 8 << 10
	// idleTrust is how long an idle connection is taken to be open without
	// being asked.
	idleTrust = time.Second
)

// The states of a connection as its clock tells them; any other value is when
// the exchange under way began, after the transport's epoch.
const (
	idle    = -1
	expired = -2 // the watch gave the exchange up
)

// conn is one connection with the exchange on it. It is also the body of that
// exchange's answer as Vegeta reads it: the report.
//
// The socket is used through its file descriptor, and waited for through the
// runtime's poller. net.Conn would try to read before the answer can be there,
// which costs each hit a system call in vain.
type conn struct {
	t     *transport
	mu    sync.Mutex // of tcp, which the watch interrupts
	tcp   net.Conn
	raw   syscall.RawConn
	clock atomic.Int64  // idle, expired, or the start of the exchange
	used  time.Duration // when the last exchange ended

	report   report
	answer   http.Response
	encoded  [reportSize]byte
	unread   []byte        // of the encoded report, what Vegeta has yet to read
	received time.Duration // when bytes last came
	last     bool          // the connection ends with this exchange

	bytesIn, bytesOut, dialled int64
	left                       bool // a ladder's client: it has had its last answer

	buf        []byte
	begin, end int // what of buf is received and not consumed

	// The arguments and results of the two functions below, which the poller
	// calls: kept here because a closure for each hit would be allocated.
	toWrite   []byte
	readInto  []byte
	n         int
	err       error
	writeRead func(fd uintptr) bool
	read      func(fd uintptr) bool
}

func newConn(t *transport) *conn {
	c := &conn{t: t, buf: make([]byte, bufferSize)}
	c.clock.Store(idle)
	c.answer = http.Response{Proto: "HTTP/1.1", ProtoMajor: 1, ProtoMinor: 1, Body: c}
	c.read = c.tryRead
	c.writeRead = func(fd uintptr) bool {
		if len(c.toWrite) > 0 {
			return c.tryWrite(fd)
		}
		return c.tryRead(fd)
	}
	return c
}

func (c *conn) dial(ctx context.Context) error {
	nc, err := c.t.dialer.DialContext(ctx, "tcp", c.t.address)
	if err != nil {
		return err
	}
	raw, err := nc.(syscall.Conn).SyscallConn()
	if err != nil {
		return errors.Join(err, nc.Close())
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	c.tcp, c.raw = nc, raw
	c.begin, c.end = 0, 0
	c.dialled++
	c.used = c.t.now()
	return nil
}

// hangUp closes the connection, if there is one.
func (c *conn) hangUp() {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.tcp != nil {
		_ = c.tcp.Close() // it is given up either way
	}
	c.tcp, c.raw = nil, nil
}

// exchange sends a request and reads the whole answer to it into c.report.
func (c *conn) exchange(tg *target) error {
	c.last = !c.t.keep
	if c.tcp != nil && c.report.sent-c.used > idleTrust && c.closedByServer() {
		c.hangUp() // nothing was sent on it yet: this is no retry
	}
	if c.tcp == nil {
		// Vegeta's request carries no context: the timeout is the dialer's.
		if err := c.dial(context.Background()); err != nil {
			return err
		}
	}
	c.clock.Store(int64(c.report.sent))
	err := c.converse(tg)
	if c.clock.Swap(idle) == expired {
		c.last = true // its deadline is over
		if err != nil {
			err = errTimeout
		}
	}
	if err == nil && c.begin != c.end {
		err = errTooMuch
	}
	c.report.end = c.received
	c.bytesIn += c.report.bytesIn
	c.unread = c.report.encode(c.encoded[:])
	return err
}

var (
	errTimeout      = errors.New("no whole answer within the time limit")
	errTooMuch      = errors.New("the server sent more than its answer")
	errClosedEarly  = errors.New("the server closed the connection before it answered")
	errClosedWithin = errors.New("the server closed the connection within its answer")
)

func (c *conn) converse(tg *target) error {
	if len(tg.wire) > writeInline {
		return c.converseBothWays(tg)
	}
	c.toWrite = tg.wire
	if err := c.fillBy(c.writeRead); err != nil {
		return early(err)
	}
	c.bytesOut += int64(tg.bodySize)
	return c.readAnswer(tg)
}

// converseBothWays writes beside the reading. A server may answer before it has
// read all: what it says is the outcome, and the rest is not sent.
func (c *conn) converseBothWays(tg *target) error {
	var writing sync.WaitGroup
	var written int
	writing.Go(func() {
		written, _ = c.tcp.Write(tg.wire) // an error here shows in the reading
	})
	err := c.fill()
	if err == nil {
		err = c.readAnswer(tg)
	} else {
		err = early(err)
	}
	_ = c.tcp.SetWriteDeadline(time.Unix(1, 0)) // ends a write of what nobody will read
	writing.Wait()
	_ = c.tcp.SetWriteDeadline(time.Time{})
	c.bytesOut += int64(max(written-(len(tg.wire)-tg.bodySize), 0))
	c.last = c.last || written < len(tg.wire)
	return err
}

// early says what the end of a connection means before anything of an answer
// came.
func early(err error) error {
	if errors.Is(err, io.EOF) || errors.Is(err, syscall.ECONNRESET) || errors.Is(err, syscall.EPIPE) {
		return errClosedEarly
	}
	return err
}

// tryWrite writes the request and has the poller wait for the answer, except
// where the socket takes only a part: the rest is then written first.
func (c *conn) tryWrite(fd uintptr) bool {
	n, err := nonblock.Write(fd, c.toWrite)
	switch {
	case err != nil && !errors.Is(err, syscall.EAGAIN):
		c.n, c.err = 0, err
		return true
	case n < len(c.toWrite):
		// Rare on an idle socket: its send buffer is smaller than writeInline.
		c.toWrite = c.toWrite[n:]
		c.n, c.err = 0, errShortWrite
		return true
	}
	c.toWrite = nil
	return false
}

var errShortWrite = errors.New("the socket took a part of the request")

func (c *conn) tryRead(fd uintptr) bool {
	n, err := nonblock.Read(fd, c.readInto)
	if errors.Is(err, syscall.EAGAIN) {
		return false
	}
	c.n, c.err = n, err
	if err == nil && n == 0 {
		c.err = io.EOF
	}
	return true
}

// fill reads more into the buffer, which it makes room in.
func (c *conn) fill() error { return c.fillBy(c.read) }

func (c *conn) fillBy(step func(fd uintptr) bool) error {
	if c.begin == c.end {
		c.begin, c.end = 0, 0
	}
	if c.end == len(c.buf) {
		if c.begin == 0 {
			c.buf = append(c.buf, make([]byte, len(c.buf))...)
		} else {
			c.end = copy(c.buf, c.buf[c.begin:c.end])
			c.begin = 0
		}
	}
	n, err := c.receive(c.buf[c.end:], step)
	c.end += n
	return err
}

func (c *conn) receive(p []byte, step func(fd uintptr) bool) (int, error) {
	c.readInto, c.n, c.err = p, 0, nil
	err := c.raw.Read(step)
	if errors.Is(c.err, errShortWrite) {
		if _, err := c.tcp.Write(c.toWrite); err != nil {
			return 0, err
		}
		c.toWrite, c.n, c.err = nil, 0, nil
		err = c.raw.Read(c.read)
	}
	if err == nil {
		err = c.err
	}
	if err == nil {
		c.t.steps.Add(1)
		c.received = c.t.now()
		if c.report.first == 0 {
			c.report.first = c.received
		}
	}
	return c.n, err
}

// closedByServer asks an idle connection whether the server has ended it. What
// came unasked ends it, too.
func (c *conn) closedByServer() bool {
	var one [1]byte
	closed := true
	err := c.raw.Read(func(fd uintptr) bool {
		_, err := nonblock.Read(fd, one[:])
		closed = !errors.Is(err, syscall.EAGAIN)
		return true
	})
	return closed || err != nil
}

// expire gives up an exchange that began before oldest; of a later one it returns
// when it began, after the transport's epoch, and that it is under way.
func (c *conn) expire(oldest time.Duration) (began time.Duration, under bool) {
	clock := c.clock.Load()
	began = time.Duration(clock)
	if clock < 0 || began > oldest {
		return began, clock >= 0
	}
	// With the lock, the connection cannot give way to its successor between
	// the decision and the deed.
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.clock.CompareAndSwap(clock, expired) {
		_ = c.tcp.SetDeadline(time.Unix(1, 0)) // one that is closed already needs none
	}
	return 0, false
}

// Read gives Vegeta the report in place of a body.
func (c *conn) Read(p []byte) (int, error) {
	n := copy(p, c.unread)
	c.unread = c.unread[n:]
	if len(c.unread) == 0 {
		return n, io.EOF
	}
	return n, nil
}

// WriteTo is how Vegeta drains what is left of a body: nothing is.
func (c *conn) WriteTo(io.Writer) (int64, error) { return 0, nil }

// Close ends the hit: the connection is free for the next.
func (c *conn) Close() error {
	if c.last {
		c.hangUp()
	}
	c.used = c.report.end
	c.t.pool.give(c)
	return nil
}
