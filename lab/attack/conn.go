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
	// maxInlineWrite is the largest request that is written in one go: what an
	// idle socket's send buffer takes at once (net.ipv4.tcp_wmem begins at
	// 16 KiB). A larger one is written beside the reading, since a server may
	// answer while it still reads and neither side must wait for the other.
	maxInlineWrite = 8 << 10
	// idleCheckAfter is how long an idle connection is taken to be open without
	// being asked.
	idleCheckAfter = time.Second
)

// The states of a connection as its clock tells them; any other value is when
// the exchange under way began, after the transport's epoch.
const (
	clockIdle    = -1
	clockExpired = -2 // the watch gave the exchange up
)

// conn is one connection with the exchange on it. It is also the body of that
// exchange's answer as Vegeta reads it: the report.
//
// The socket is used through its file descriptor, and waited for through the
// runtime's poller. net.Conn would try to read before the answer can be there,
// which costs each hit a system call in vain.
type conn struct {
	transport     *transport
	mu            sync.Mutex // of tcp, which the watch interrupts
	tcp           net.Conn
	raw           syscall.RawConn
	exchangeStart atomic.Int64  // idle, expired, or the start of the exchange
	lastUsed      time.Duration // when the last exchange ended

	report       exchangeReport
	answer       http.Response
	encoded      [reportSize]byte
	unread       []byte        // of the encoded report, what Vegeta has yet to read
	lastReceived time.Duration // when bytes last came
	closeAfter   bool          // the connection ends with this exchange

	bytesIn, bytesOut, connectionsOpened int64
	gotLastAnswer                        bool // a ladder's client: it has had its last answer

	buf        []byte
	begin, end int // what of buf is received and not consumed

	// The arguments and results of the two functions below, which the poller
	// calls: kept here because a closure for each hit would be allocated.
	toWrite       []byte
	readInto      []byte
	n             int
	err           error
	writeThenRead func(fd uintptr) bool
	read          func(fd uintptr) bool
}

func newConn(t *transport) *conn {
	c := &conn{transport: t, buf: make([]byte, bufferSize)}
	c.exchangeStart.Store(clockIdle)
	c.answer = http.Response{Proto: "HTTP/1.1", ProtoMajor: 1, ProtoMinor: 1, Body: c}
	c.read = c.tryRead
	c.writeThenRead = func(fd uintptr) bool {
		if len(c.toWrite) > 0 {
			return c.tryWrite(fd)
		}
		return c.tryRead(fd)
	}
	return c
}

func (c *conn) dial(ctx context.Context) error {
	nc, err := c.transport.dialer.DialContext(ctx, "tcp", c.transport.address)
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
	c.connectionsOpened++
	c.lastUsed = c.transport.now()
	return nil
}

// disconnect closes the connection, if there is one.
func (c *conn) disconnect() {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.tcp != nil {
		_ = c.tcp.Close() // it is given up either way
	}
	c.tcp, c.raw = nil, nil
}

// exchange sends a request and reads the whole answer to it into c.report.
func (c *conn) exchange(tg *target) error {
	c.closeAfter = !c.transport.keepAlive
	if c.tcp != nil && c.report.sent-c.lastUsed > idleCheckAfter && c.isClosedByServer() {
		c.disconnect() // nothing was sent on it yet: this is no retry
	}
	if c.tcp == nil {
		// Vegeta's request carries no context: the timeout is the dialer's.
		if err := c.dial(context.Background()); err != nil {
			return err
		}
	}
	c.exchangeStart.Store(int64(c.report.sent))
	err := c.sendAndReceive(tg)
	if c.exchangeStart.Swap(clockIdle) == clockExpired {
		c.closeAfter = true // its deadline is over
		if err != nil {
			err = errTimeout
		}
	}
	if err == nil && c.begin != c.end {
		err = errExtraBytes
	}
	c.report.endAt = c.lastReceived
	c.bytesIn += c.report.bytesIn
	c.unread = c.report.encode(c.encoded[:])
	return err
}

var (
	errTimeout            = errors.New("no whole answer within the time limit")
	errExtraBytes         = errors.New("the server sent more than its answer")
	errClosedBeforeAnswer = errors.New("the server closed the connection before it answered")
	errClosedDuringAnswer = errors.New("the server closed the connection within its answer")
)

func (c *conn) sendAndReceive(tg *target) error {
	if len(tg.wire) > maxInlineWrite {
		return c.sendWhileReceiving(tg)
	}
	c.toWrite = tg.wire
	if err := c.fillWith(c.writeThenRead); err != nil {
		return errorBeforeAnswer(err)
	}
	c.bytesOut += int64(tg.bodySize)
	return c.readAnswer(tg)
}

// sendWhileReceiving writes beside the reading. A server may answer before it has
// read all: what it says is the outcome, and the rest is not sent.
func (c *conn) sendWhileReceiving(tg *target) error {
	var writing sync.WaitGroup
	var written int
	writing.Go(func() {
		written, _ = c.tcp.Write(tg.wire) // an error here shows in the reading
	})
	err := c.fill()
	if err == nil {
		err = c.readAnswer(tg)
	} else {
		err = errorBeforeAnswer(err)
	}
	_ = c.tcp.SetWriteDeadline(time.Unix(1, 0)) // ends a write of what nobody will read
	writing.Wait()
	_ = c.tcp.SetWriteDeadline(time.Time{})
	c.bytesOut += int64(max(written-(len(tg.wire)-tg.bodySize), 0))
	c.closeAfter = c.closeAfter || written < len(tg.wire)
	return err
}

// errorBeforeAnswer says what the end of a connection means before anything of an answer
// came.
func errorBeforeAnswer(err error) error {
	if errors.Is(err, io.EOF) || errors.Is(err, syscall.ECONNRESET) || errors.Is(err, syscall.EPIPE) {
		return errClosedBeforeAnswer
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
		// Rare on an idle socket: its send buffer is smaller than maxInlineWrite.
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
func (c *conn) fill() error { return c.fillWith(c.read) }

func (c *conn) fillWith(step func(fd uintptr) bool) error {
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
		c.transport.ioSteps.Add(1)
		c.lastReceived = c.transport.now()
		if c.report.firstByteAt == 0 {
			c.report.firstByteAt = c.lastReceived
		}
	}
	return c.n, err
}

// isClosedByServer asks an idle connection whether the server has ended it. What
// came unasked ends it, too.
func (c *conn) isClosedByServer() bool {
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
	clock := c.exchangeStart.Load()
	began = time.Duration(clock)
	if clock < 0 || began > oldest {
		return began, clock >= 0
	}
	// With the lock, the connection cannot give way to its successor between
	// the decision and the deed.
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.exchangeStart.CompareAndSwap(clock, clockExpired) {
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
	if c.closeAfter {
		c.disconnect()
	}
	c.lastUsed = c.report.endAt
	c.transport.pool.put(c)
	return nil
}
