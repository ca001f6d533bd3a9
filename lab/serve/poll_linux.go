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
	connections     map[int]*pollConn
	buffer          [pollBuffer]byte

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
	p := &pollLoop{pollServer: q, listener: int(file.Fd()), connections: make(map[int]*pollConn)}
	if err := unix.SetNonblock(p.listener, true); err != nil {
		return err
	}
	if p.epoll, err = unix.EpollCreate1(unix.EPOLL_CLOEXEC); err != nil {
		return err
	}
	defer func() { p.closeAll() }()
	if err := p.addToEpoll(p.listener); err != nil {
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
			} else if !p.read(fd) {
				p.closeConn(fd)
			}
		}
	}
	return nil
}

// addToEpoll makes epoll report data on fd.
func (p *pollLoop) addToEpoll(fd int) error {
	return unix.EpollCtl(p.epoll, unix.EPOLL_CTL_ADD, fd, &unix.EpollEvent{Events: unix.EPOLLIN, Fd: int32(fd)})
}

// accept accepts all waiting connections.
func (p *pollLoop) accept() {
	for {
		fd, _, err := unix.Accept4(p.listener, unix.SOCK_NONBLOCK|unix.SOCK_CLOEXEC)
		if err != nil {
			return // EAGAIN, or the client has closed meanwhile
		}
		p.connections[fd] = &pollConn{}
		if unix.SetsockoptInt(fd, unix.IPPROTO_TCP, unix.TCP_NODELAY, 1) != nil || p.addToEpoll(fd) != nil {
			p.closeConn(fd)
		}
	}
}

func (p *pollLoop) closeConn(fd int) {
	delete(p.connections, fd)
	_ = unix.Close(fd)
}

func (p *pollLoop) closeAll() {
	for fd := range p.connections {
		p.closeConn(fd)
	}
	_ = unix.Close(p.epoll)
}

// read reads what a connection has sent and answers every complete request. It reports
// whether the connection stays open.
func (p *pollLoop) read(fd int) bool {
	n, err := nonblock.Read(uintptr(fd), p.buffer[:])
	if errors.Is(err, unix.EAGAIN) {
		return true
	}
	if err != nil || n == 0 {
		return false
	}
	c, data := p.connections[fd], p.buffer[:n]
	if len(c.head) > 0 {
		data = append(c.head, data...)
		c.head = nil
	}
	p.fd, p.writeFailed = fd, false
	for len(data) > 0 {
		head := data
		rest, complete, ok := c.cutRequest(data)
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
