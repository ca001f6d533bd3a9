package serve

import (
	"bufio"
	"bytes"
	"context"
	"errors"
	"fmt"
	"net"
	"net/http"
	"runtime"

	"golang.org/x/sys/unix"

	"runtimelab/lab/nonblock"
)

const (
	maxEvents  = 256
	pollBuffer = 64 << 10 // for one read; a head must fit
)

// pollLoop holds the state of the polling thread.
type pollLoop struct {
	*pollServer
	epoll, listener int
	connections     []*pollConn // by descriptor
	buffer          [pollBuffer]byte
	known           []byte // the last request that was a head without a body: most are like it

	// The connection that is being answered.
	fd          int
	writeFailed bool
}

// pollConn is a connection and the incomplete request that it has sent.
type pollConn struct {
	head  []byte // the part of a head that has arrived
	body  int64  // bytes of the body that have not arrived
	close bool   // close the connection after this request
}

func (q *pollServer) serve(ctx context.Context, l *net.TCPListener) error {
	file, err := l.File() // a duplicate that the runtime does not poll
	if err != nil {
		return fmt.Errorf("taking over the listening socket: %w", err)
	}
	defer file.Close()
	if err := l.Close(); err != nil {
		return err
	}
	runtime.LockOSThread()
	defer runtime.UnlockOSThread()
	p := &pollLoop{pollServer: q, listener: int(file.Fd())}
	if err := unix.SetNonblock(p.listener, true); err != nil {
		return err
	}
	if p.epoll, err = unix.EpollCreate1(unix.EPOLL_CLOEXEC); err != nil {
		return err
	}
	defer func() { p.closeAll() }()
	if err := p.addToEpoll(p.listener, unix.EPOLLIN); err != nil {
		return err
	}
	events := make([]unix.EpollEvent, maxEvents)
	for ctx.Err() == nil {
		n, err := nonblock.Poll(p.epoll, events)
		if err != nil {
			return fmt.Errorf("polling: %w", err)
		}
		for _, e := range events[:n] {
			if fd := int(e.Fd); fd == p.listener {
				p.accept()
			} else if !p.serveEvent(fd, e.Events) {
				p.closeConn(fd)
			}
		}
	}
	return nil
}

// connectionEvents are edge-triggered: otherwise the kernel looks at each connection twice.
const connectionEvents = unix.EPOLLIN | unix.EPOLLRDHUP | unix.EPOLLET

// addToEpoll makes epoll report events of fd.
func (p *pollLoop) addToEpoll(fd int, events uint32) error {
	return unix.EpollCtl(p.epoll, unix.EPOLL_CTL_ADD, fd, &unix.EpollEvent{Events: events, Fd: int32(fd)})
}

// serveEvent answers what a connection has sent. It reports whether the connection stays open.
func (p *pollLoop) serveEvent(fd int, events uint32) bool {
	for {
		n, err := nonblock.Read(uintptr(fd), p.buffer[:])
		switch {
		case errors.Is(err, unix.EAGAIN):
			return true
		case err != nil || n == 0 || !p.answerAll(fd, p.buffer[:n]):
			return false
		}
		// The client may have closed after its last bytes, and no other event would tell of it.
		const ended = unix.EPOLLRDHUP | unix.EPOLLHUP | unix.EPOLLERR
		if n < pollBuffer && events&ended == 0 {
			return true
		}
	}
}

// accept accepts all waiting connections.
func (p *pollLoop) accept() {
	for {
		fd, _, err := unix.Accept4(p.listener, unix.SOCK_NONBLOCK|unix.SOCK_CLOEXEC)
		if err != nil {
			return // EAGAIN, or the client has closed meanwhile
		}
		for len(p.connections) <= fd {
			p.connections = append(p.connections, nil)
		}
		p.connections[fd] = &pollConn{}
		if unix.SetsockoptInt(fd, unix.IPPROTO_TCP, unix.TCP_NODELAY, 1) != nil ||
			p.addToEpoll(fd, connectionEvents) != nil {
			p.closeConn(fd)
		}
	}
}

func (p *pollLoop) closeConn(fd int) {
	p.connections[fd] = nil
	_ = unix.Close(fd)
}

func (p *pollLoop) closeAll() {
	for fd, c := range p.connections {
		if c != nil {
			p.closeConn(fd)
		}
	}
	_ = unix.Close(p.epoll)
}

// answerAll answers the requests in data. It reports whether the connection stays open.
func (p *pollLoop) answerAll(fd int, data []byte) bool {
	c := p.connections[fd]
	if len(c.head) > 0 {
		data = append(c.head, data...)
		c.head = nil
	}
	p.fd, p.writeFailed = fd, false
	for len(data) > 0 {
		head := data
		rest, complete, ok := p.cutRequest(c, data)
		if !ok {
			return false
		}
		if !complete {
			c.head = bytes.Clone(rest)
			return len(c.head) < pollBuffer
		}
		data = rest
		p.answer(head, p.write)
		if p.writeFailed || c.close {
			return false
		}
	}
	return true
}

// write sends an answer. It does not wait for a client that does not read: an answer is
// small and fits the socket's buffer.
func (p *pollLoop) write(answer []byte) {
	if n, err := nonblock.Write(uintptr(p.fd), answer); err != nil || n < len(answer) {
		p.writeFailed = true
	}
}

// cutRequest is that of the connection, faster for a request that is like the one before.
func (p *pollLoop) cutRequest(c *pollConn, data []byte) (rest []byte, complete, ok bool) {
	if c.body == 0 && bytes.Equal(data, p.known) {
		return nil, true, true
	}
	inBody := c.body > 0
	rest, complete, ok = c.cutRequest(data)
	if complete && ok && !inBody && len(rest) == 0 && !mayHaveFraming(data) {
		p.known = append(p.known[:0], data...)
	}
	return rest, complete, ok
}

// cutRequest cuts one request off data and reports whether it is complete. rest is what
// follows, or an incomplete head. ok is false if the request is invalid.
func (c *pollConn) cutRequest(data []byte) (rest []byte, complete, ok bool) {
	if c.body == 0 {
		end := bytes.Index(data, []byte("\r\n\r\n"))
		if end < 0 {
			return data, false, true
		}
		if !c.readFraming(data[:end+4]) {
			return nil, false, false
		}
		data = data[end+4:]
	}
	taken := min(c.body, int64(len(data)))
	c.body -= taken
	return data[taken:], c.body == 0, true
}

// readFraming parses the length of the body and whether the connection closes after it.
// It returns false if the head is invalid.
func (c *pollConn) readFraming(head []byte) bool {
	c.close = false
	if !mayHaveFraming(head) {
		return true
	}
	r, err := http.ReadRequest(bufio.NewReader(bytes.NewReader(head)))
	if err != nil || r.ContentLength < 0 {
		return false // the lab sends no chunked bodies here
	}
	c.body, c.close = r.ContentLength, r.Close
	return true
}

// mayHaveFraming reports whether a head may contain Content-Length, Connection or
// Transfer-Encoding. It spares most requests the parser.
func mayHaveFraming(head []byte) bool {
	for {
		i := bytes.IndexByte(head, '\n')
		if i < 0 || i+1 >= len(head) {
			return false
		}
		switch head[i+1] {
		case 'C', 'c', 'T', 't':
			return true
		}
		head = head[i+1:]
	}
}
