package attack

import (
	"errors"
	"net"
	"os"
	"syscall"
	"time"

	"runtimelab/lab/attack/eventloop"
)

// client is a connection of an event loop with the hit on it.
//
// It never retries a failed hit: it closes the connection and records the error, and the next hit
// connects again.
type client struct {
	requester *requester
	conn      eventloop.Conn
	hit       exchange
	busy      bool // a hit is under way
	unsent    []byte
	writeErr  error // of the request
	reader    answerReader
	lastUsed  time.Duration // when the last hit ended
	pending   bool          // an event came that has not been read up to EAGAIN

	arrival       time.Duration // in a ladder
	gotLastAnswer bool          // in a ladder: it has had its last answer
}

// begin sends a hit.
func (c *client) begin(x exchange) {
	r := c.requester
	c.hit, c.busy, c.writeErr = x, true, nil
	c.unsent = r.targets[x.target].wire
	c.reader.begin(r.targets, x.target)
	if c.conn.IsOpen() && x.sent-c.lastUsed > idleCheckAfter && c.isClosedByServer() {
		c.conn.Close() // no request was sent on it: connecting again is not a retry
	}
	if !c.conn.IsOpen() {
		c.pending = false
		c.conn.Connect(r.loop, r.address, c, eventloop.Options{})
		return
	}
	c.write()
}

// isClosedByServer reports whether the server has ended an idle connection. Bytes without a request
// also end it.
func (c *client) isClosedByServer() bool {
	var one [1]byte
	_, err := c.conn.Read(one[:])
	return !errors.Is(err, syscall.EAGAIN)
}

// Opened begins the hit that the connection was opened for.
func (c *client) Opened(err error) {
	switch {
	case err == nil:
		c.requester.dialled++
	case c.busy:
		c.end(err)
		return
	}
	if c.busy {
		c.write()
	} else {
		c.requester.loop.Stop() // openConnections waits for this
	}
}

// write sends what the socket takes of the request. The rest follows when there is room, while the
// answer is read: a server may answer while it still reads, and neither side may wait for the other.
func (c *client) write() {
	n, err := c.conn.Write(c.unsent)
	c.unsent = c.unsent[n:]
	if err != nil {
		c.writeErr = err // a server that has closed the connection may have answered before
	}
	if err != nil || c.pending {
		c.read()
	}
}

// Writable sends more of the request.
func (c *client) Writable() {
	if c.busy && c.writeErr == nil {
		c.write()
	}
}

// Readable reads the answer. What comes while no hit is under way is left for the next hit to find.
func (c *client) Readable() {
	if c.busy {
		c.read()
	} else {
		c.pending = true
	}
}

func (c *client) read() {
	r := c.requester
	for {
		n, err := c.conn.Read(r.buffer)
		if errors.Is(err, syscall.EAGAIN) {
			if c.pending = false; c.writeErr == nil {
				return
			}
			err = c.writeErr
		}
		var complete bool
		if err != nil {
			complete, err = c.reader.end(err)
			c.reader.close = true
		} else {
			c.hit.end = r.loop.Now()
			if c.hit.firstByte == 0 {
				c.hit.firstByte = c.hit.end
			}
			complete, err = c.reader.feed(r.buffer[:n])
		}
		if complete || err != nil {
			c.end(err)
			return
		}
		if n < len(r.buffer) && !c.pending {
			return
		}
	}
}

// expire ends a hit that takes longer than the timeout.
func (c *client) expire() {
	if c.conn.IsOpen() {
		c.end(errTimeout)
		return
	}
	r := c.requester
	c.end(&net.OpError{
		Op: "dial", Net: "tcp", Addr: net.TCPAddrFromAddrPort(r.address), Err: os.ErrDeadlineExceeded,
	})
}

// end ends the hit: with the whole answer, or with an error.
func (c *client) end(err error) {
	r := c.requester
	c.busy = false
	c.reader.abandon()
	r.bytesIn += c.reader.bytesIn
	if c.conn.IsOpen() {
		tg := &r.targets[c.hit.target]
		r.bytesOut += int64(max(tg.bodySize-len(c.unsent), 0))
	}
	if err != nil || c.reader.close || !r.keep || len(c.unsent) > 0 {
		c.conn.Close()
	}
	if err == nil {
		c.hit.answered, c.hit.status, c.hit.bytesIn = true, c.reader.status, c.reader.bytesIn
		c.hit.failure = r.judge.failure(c.hit.target, c.reader.answer)
	} else {
		c.hit.firstByte, c.hit.end = 0, r.loop.Now()
		c.hit.failure = err.Error()
	}
	c.lastUsed = c.hit.end
	r.hitEnded(c)
}
