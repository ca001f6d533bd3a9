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
	// maxInlineWrite is the largest request, in bytes, that is written in one call: the send buffer of
	// an idle socket takes it at once (net.ipv4.tcp_wmem begins at 16 KiB). A larger request is
	// written while the answer is read, since a server may answer while it still reads, and neither
	// side may wait for the other.
	maxInlineWrite = 8 << 10
	// idleCheckAfter is how long a connection may idle before it is checked for having been closed.
	idleCheckAfter = time.Second
)

// These are the values of conn.exchangeStart that are not the start of an exchange.
const (
	noExchange      = -1 // no exchange is under way
	exchangeExpired = -2 // the timeout watch cancelled the exchange
)

// conn is one connection with the exchange on it. It is also the body of that exchange's answer,
// from which Vegeta reads the encoded exchangeReport.
//
// conn uses the socket's file descriptor and waits through Go's network poller. A net.Conn would
// try to read before the answer can have come, which costs each hit a useless system call.
type conn struct {
	transport *transport
	mu        sync.Mutex // guards tcp, which the timeout watch interrupts
	tcp       net.Conn
	raw       syscall.RawConn
	// exchangeStart is when the exchange under way began, after the transport's epoch, or one of
	// noExchange and exchangeExpired.
	exchangeStart atomic.Int64
	lastUsed      time.Duration // when the last exchange ended

	report       exchangeReport
	response     http.Response
	encoded      [reportSize]byte
	unread       []byte        // the part of encoded that Vegeta has not read yet
	lastReceived time.Duration // when bytes last came
	closeAfter   bool          // close the connection after this exchange

	bytesIn, bytesOut, connectionsOpened int64
	gotLastAnswer                        bool // this client of a ladder has had its last answer

	buf    []byte
	reader answerReader

	// The arguments and results of the two functions below, which the poller calls. They are fields
	// because a closure per hit would be allocated.
	toWrite       []byte
	n             int
	err           error
	writeThenRead func(fd uintptr) bool
	read          func(fd uintptr) bool
}

func newConn(t *transport) *conn {
	c := &conn{transport: t, buf: make([]byte, bufferSize)}
	c.reader.heads = make([]knownHead, 1)
	c.exchangeStart.Store(noExchange)
	c.response = http.Response{Proto: "HTTP/1.1", ProtoMajor: 1, ProtoMinor: 1, Body: c}
	c.read = c.tryRead
	c.writeThenRead = func(fd uintptr) bool {
		if len(c.toWrite) > 0 {
			return c.tryWrite(fd)
		}
		return c.tryRead(fd)
	}
	return c
}

// dial opens the connection.
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
	c.connectionsOpened++
	c.lastUsed = c.transport.now()
	return nil
}

// disconnect closes the connection, if it is open.
func (c *conn) disconnect() {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.tcp != nil {
		_ = c.tcp.Close() // an error changes nothing: the connection is given up
	}
	c.tcp, c.raw = nil, nil
}

// exchange sends the request of targets[index] and reads its whole answer. The report of both is in
// c.report.
func (c *conn) exchange(index int) error {
	c.closeAfter = !c.transport.keepAlive
	if c.tcp != nil && c.report.sent-c.lastUsed > idleCheckAfter && c.isClosedByServer() {
		c.disconnect() // no request was sent on it: dialling again is not a retry
	}
	if c.tcp == nil {
		// Vegeta's request carries no context. The dialer has the timeout.
		if err := c.dial(context.Background()); err != nil {
			return err
		}
	}
	c.exchangeStart.Store(int64(c.report.sent))
	c.reader.begin(c.transport.targets, index)
	err := c.sendAndReceive(&c.transport.targets[index])
	c.reader.abandon()
	if c.exchangeStart.Swap(noExchange) == exchangeExpired {
		c.closeAfter = true // its deadline has passed: it is of no further use
		if err != nil {
			err = errTimeout
		}
	}
	c.closeAfter = c.closeAfter || c.reader.close
	c.report.answer = c.reader.answer
	c.report.endAt = c.lastReceived
	c.bytesIn += c.report.bytesIn
	c.unread = c.report.encode(c.encoded[:])
	return err
}

var errTimeout = errors.New("no complete answer within the timeout")

func (c *conn) sendAndReceive(tg *target) error {
	if len(tg.wire) > maxInlineWrite {
		return c.sendWhileReceiving(tg)
	}
	c.toWrite = tg.wire
	err := c.readAnswer(c.writeThenRead)
	if c.reader.begun {
		c.bytesOut += int64(tg.bodySize)
	}
	return err
}

// sendWhileReceiving writes the request while it reads the answer. A server may answer before it
// has read everything. Its answer is then the result, and the rest is not sent.
func (c *conn) sendWhileReceiving(tg *target) error {
	var writing sync.WaitGroup
	var written int
	writing.Go(func() {
		written, _ = c.tcp.Write(tg.wire) // an error here appears when reading, too
	})
	err := c.readAnswer(c.read)
	_ = c.tcp.SetWriteDeadline(time.Unix(1, 0)) // ends a write that the server does not read
	writing.Wait()
	_ = c.tcp.SetWriteDeadline(time.Time{})
	c.bytesOut += int64(max(written-(len(tg.wire)-tg.bodySize), 0))
	c.closeAfter = c.closeAfter || written < len(tg.wire)
	return err
}

// readAnswer reads until the answer is complete. The poller calls step until the first bytes come.
func (c *conn) readAnswer(step func(fd uintptr) bool) error {
	for {
		n, err := c.receive(step)
		step = c.read
		var complete bool
		if err != nil {
			complete, err = c.reader.end(err)
		} else {
			complete, err = c.reader.feed(c.buf[:n])
		}
		if complete || err != nil {
			return err
		}
	}
}

// tryWrite writes the request and makes the poller wait for the answer. If the socket takes only a
// part, it returns to receive, which writes the rest first.
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

var errShortWrite = errors.New("the socket took only a part of the request")

// tryRead reads what has come, or makes the poller wait for it.
func (c *conn) tryRead(fd uintptr) bool {
	n, err := nonblock.Read(fd, c.buf)
	if errors.Is(err, syscall.EAGAIN) {
		return false
	}
	c.n, c.err = n, err
	if err == nil && n == 0 {
		c.err = io.EOF
	}
	return true
}

// receive reads into the buffer by step, which the poller calls until it returns true. It returns the
// number of bytes.
func (c *conn) receive(step func(fd uintptr) bool) (int, error) {
	c.n, c.err = 0, nil
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

// isClosedByServer reports whether the server has ended an idle connection. Bytes without a request
// also end it.
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

// expire cancels the exchange if it began before oldest. Otherwise it returns when the exchange
// began, after the transport's epoch, and whether one is under way.
func (c *conn) expire(oldest time.Duration) (began time.Duration, underWay bool) {
	start := c.exchangeStart.Load()
	began = time.Duration(start)
	if start < 0 || began > oldest {
		return began, start >= 0
	}
	// The lock keeps the connection from being replaced between this check and SetDeadline.
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.exchangeStart.CompareAndSwap(start, exchangeExpired) {
		_ = c.tcp.SetDeadline(time.Unix(1, 0)) // it fails only on a closed connection, which needs no deadline
	}
	return 0, false
}

// Read returns the encoded report, which Vegeta takes for the body.
func (c *conn) Read(p []byte) (int, error) {
	n := copy(p, c.unread)
	c.unread = c.unread[n:]
	if len(c.unread) == 0 {
		return n, io.EOF
	}
	return n, nil
}

// WriteTo satisfies io.WriterTo, by which Vegeta drains the rest of a body. There is never any.
func (c *conn) WriteTo(io.Writer) (int64, error) { return 0, nil }

// Close ends the hit and returns the connection to the pool.
func (c *conn) Close() error {
	if c.closeAfter {
		c.disconnect()
	}
	c.lastUsed = c.report.endAt
	c.transport.pool.put(c)
	return nil
}
