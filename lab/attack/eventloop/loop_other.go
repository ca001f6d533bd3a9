//go:build !linux

package eventloop

import (
	"errors"
	"net/netip"
	"time"
)

// Loop needs epoll. Attacks run in a cell, which is Linux; this lets the lab's program be built
// elsewhere.
type Loop struct{}

// New returns an error that says that there is no loop on this system.
func New(time.Time, bool) (*Loop, error) {
	return nil, errors.New("creating an event loop: it needs Linux; use the generator vegeta")
}

// Close does nothing.
func (*Loop) Close() {}

// Now returns 0.
func (*Loop) Now() time.Duration { return 0 }

// SetTimer does nothing.
func (*Loop) SetTimer(*Timer, time.Duration) {}

// StopTimer does nothing.
func (*Loop) StopTimer(*Timer) {}

// Stop does nothing.
func (*Loop) Stop() {}

// Interrupt does nothing.
func (*Loop) Interrupt() {}

// Idle returns 0.
func (*Loop) Idle() time.Duration { return 0 }

// Run returns at once.
func (*Loop) Run() error { return ErrInterrupted }

// Conn is never open.
type Conn struct{}

// Connect tells the handler that there is no connection on this system.
func (*Conn) Connect(_ *Loop, _ netip.AddrPort, h Handler, _ Options) {
	h.Opened(errors.ErrUnsupported)
}

// IsOpen returns false.
func (*Conn) IsOpen() bool { return false }

// IsConnecting returns false.
func (*Conn) IsConnecting() bool { return false }

// Read returns an error.
func (*Conn) Read([]byte) (int, error) { return 0, errors.ErrUnsupported }

// Write returns an error.
func (*Conn) Write([]byte) (int, error) { return 0, errors.ErrUnsupported }

// Close does nothing.
func (*Conn) Close() {}
