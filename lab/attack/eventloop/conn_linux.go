package eventloop

import (
	"bytes"
	"errors"
	"io"
	"net"
	"net/netip"
	"os"
	"syscall"
	"unsafe"

	"golang.org/x/sys/unix"

	"runtimelab/lab/nonblock"
)

type connState uint8

const (
	closed connState = iota
	connecting
	open
)

// Conn is a TCP connection of a loop. Its zero value is closed. It can be connected again after it was
// closed.
type Conn struct {
	loop    *Loop
	handler Handler
	to      netip.AddrPort
	fd      int
	number  int32 // of this connection, among all of the loop
	state   connState
	full    bool // the socket took less than it was given
	more    bool // the last Read returned bytes
}

// Connect opens a closed connection, without waiting. It calls h.Opened when that has succeeded or
// failed, which mostly is before Connect returns where the server is on the same machine. An error is
// worded like those of package net.
func (c *Conn) Connect(l *Loop, to netip.AddrPort, h Handler, o Options) {
	if c.state != closed {
		panic("eventloop: Connect of a connection that is not closed")
	}
	c.loop, c.handler, c.to, c.full = l, h, to, false
	if err := c.begin(o); err != nil {
		c.fail(err)
		return
	}
	if c.state == open {
		h.Opened(nil)
	}
}

// begin creates the socket and begins to connect it.
func (c *Conn) begin(o Options) error {
	address := newSocketAddress(c.to)
	fd, err := unix.Socket(int(address.raw.Family), unix.SOCK_STREAM|unix.SOCK_NONBLOCK|unix.SOCK_CLOEXEC, 0)
	if err != nil {
		return os.NewSyscallError("socket", err)
	}
	l := c.loop
	l.connected++
	c.fd, c.number, c.state = fd, l.connected, connecting
	for len(l.conns) <= fd {
		l.conns = append(l.conns, nil)
	}
	l.conns[fd] = c
	if err := unix.SetsockoptInt(fd, unix.IPPROTO_TCP, unix.TCP_NODELAY, 1); err != nil {
		return os.NewSyscallError("setsockopt", err)
	}
	if o.ReceiveBuffer > 0 {
		if err := unix.SetsockoptInt(fd, unix.SOL_SOCKET, unix.SO_RCVBUF, o.ReceiveBuffer); err != nil {
			return os.NewSyscallError("setsockopt", err)
		}
	}
	errno := address.connect(fd)
	if errno == unix.EINPROGRESS {
		// On loopback the handshake is over by now. Asking again saves a turn of the loop.
		errno = address.connect(fd)
	}
	switch errno {
	case 0:
		if err := c.checkPeer(); err != nil {
			return err
		}
		c.state = open
	case unix.EALREADY, unix.EINTR:
	default:
		return os.NewSyscallError("connect", errno)
	}
	const events = unix.EPOLLIN | unix.EPOLLOUT | unix.EPOLLRDHUP | unix.EPOLLET
	return os.NewSyscallError("epoll_ctl", l.add(fd, events, c.number))
}

// finishConnecting is called by the first event of a connection that did not open at once.
func (c *Conn) finishConnecting() {
	code, err := unix.GetsockoptInt(c.fd, unix.SOL_SOCKET, unix.SO_ERROR)
	if err == nil && code != 0 {
		err = syscall.Errno(code)
	}
	if err = os.NewSyscallError("connect", err); err == nil {
		err = c.checkPeer()
	}
	if err != nil {
		c.fail(err)
		return
	}
	c.state = open
	c.handler.Opened(nil)
}

// checkPeer returns an error if the connection leads to itself. That happens where nothing listens at
// the address and the kernel gives the socket that very port; the connection would then keep a server
// from listening there. Package net refuses such connections as well.
func (c *Conn) checkPeer() error {
	var name unix.RawSockaddrInet6 // large enough for IPv4, too
	size := uint32(unix.SizeofSockaddrInet6)
	_, _, errno := unix.RawSyscall(unix.SYS_GETSOCKNAME, uintptr(c.fd), uintptr(unsafe.Pointer(&name)),
		uintptr(unsafe.Pointer(&size)))
	if errno != 0 {
		return os.NewSyscallError("getsockname", errno)
	}
	raw := (*[unix.SizeofSockaddrInet6]byte)(unsafe.Pointer(&name))
	if port := uint16(raw[2])<<8 | uint16(raw[3]); port != c.to.Port() {
		return nil
	}
	own := raw[8:24]
	if c.to.Addr().Is4() {
		own = raw[4:8]
	}
	if bytes.Equal(own, c.to.Addr().AsSlice()) {
		return os.NewSyscallError("connect", unix.ECONNREFUSED)
	}
	return nil
}

// fail closes a connection that could not be opened and tells its handler.
func (c *Conn) fail(err error) {
	h, to := c.handler, c.to
	c.Close()
	h.Opened(&net.OpError{Op: "dial", Net: "tcp", Addr: net.TCPAddrFromAddrPort(to), Err: err})
}

// socketAddress is an address as the kernel takes it.
type socketAddress struct {
	raw  unix.RawSockaddrInet6 // large enough for IPv4, too
	size uintptr
}

func newSocketAddress(to netip.AddrPort) (a socketAddress) {
	port := to.Port()<<8 | to.Port()>>8 // in network order; both architectures are little-endian
	if !to.Addr().Is4() {
		a.size = unix.SizeofSockaddrInet6
		a.raw = unix.RawSockaddrInet6{Family: unix.AF_INET6, Port: port, Addr: to.Addr().As16()}
		return a
	}
	a.size = unix.SizeofSockaddrInet4
	*(*unix.RawSockaddrInet4)(unsafe.Pointer(&a.raw)) = unix.RawSockaddrInet4{
		Family: unix.AF_INET, Port: port, Addr: to.Addr().As4(),
	}
	return a
}

// connect begins to connect a socket. It does not wait, because the socket is non-blocking.
func (a *socketAddress) connect(fd int) syscall.Errno {
	_, _, errno := unix.RawSyscall(unix.SYS_CONNECT, uintptr(fd), uintptr(unsafe.Pointer(&a.raw)), a.size)
	return errno
}

// IsOpen reports whether the connection is open. One that the peer has closed is open until Close.
func (c *Conn) IsOpen() bool { return c.state == open }

// IsConnecting reports whether the connection is being opened.
func (c *Conn) IsConnecting() bool { return c.state == connecting }

// Read reads what has come. It returns EAGAIN if nothing has, and io.EOF at the end.
func (c *Conn) Read(p []byte) (int, error) {
	n, err := nonblock.Read(uintptr(c.fd), p)
	c.more = n > 0
	if err == nil && n == 0 && len(p) > 0 {
		return 0, io.EOF
	}
	return n, err
}

// Write writes as much of p as the socket takes, which may be nothing. Where that is less than p, the
// handler's Writable is called when there is room again.
func (c *Conn) Write(p []byte) (int, error) {
	n, err := nonblock.Write(uintptr(c.fd), p)
	if errors.Is(err, unix.EAGAIN) {
		n, err = 0, nil
	}
	c.full = err == nil && n < len(p)
	return n, err
}

// Close closes the connection, if it is not closed. Its handler is not called any more.
func (c *Conn) Close() {
	if c.state == closed {
		return
	}
	c.loop.conns[c.fd] = nil
	c.state, c.handler = closed, nil
	_ = unix.Close(c.fd) // an error changes nothing: the connection is given up
}
