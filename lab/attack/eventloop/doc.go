// Package eventloop runs many connections on one thread: no goroutine, no lock and no allocation for
// each event. It knows no protocol and keeps no figures; those are its user's.
//
// # Ownership and threads
//
// A Loop belongs to the goroutine that calls Run. That goroutine must be locked to its thread
// (runtime.LockOSThread), and mostly should have a CPU of its own. Every handler and timer is called by
// Run, one at a time, and only they may use the loop, its connections and its timers; before the first
// Run and between two, the goroutine that calls Run may. Interrupt is the only method for other
// goroutines.
//
// A Conn and a Timer are values of the user's: usually fields of the struct that handles them. The loop
// keeps a pointer to a Conn until it is closed and to a Timer until it has fired or is stopped.
//
// # Waiting
//
// A polling loop never sleeps: it asks the kernel for events again and again, and reads the clock
// between. A loop that sleeps waits in the kernel for the next event or timer; a timerfd ends its wait,
// because that is exact to the nanosecond where the timeout of epoll_wait has milliseconds.
//
// Both keep the goroutine's place in Go's scheduler (its P), so other goroutines run only if
// GOMAXPROCS is larger than the number of loops, or when the scheduler's monitor interrupts a loop,
// after 10 ms each time.
package eventloop

import (
	"errors"
	"time"
)

// ErrInterrupted is the error of a Run that was interrupted.
var ErrInterrupted = errors.New("the event loop was interrupted")

// Handler is told what happens on a connection. A handler may do anything with the loop and its
// connections, also close the one that it is called for.
type Handler interface {
	// Opened is called when the connection is open, or could not be opened: then err is not nil, and it
	// is closed. Connect may call it before it returns.
	Opened(err error)
	// Readable is called when bytes or the end of the connection have come. It is not called again for
	// the same bytes: read until Read returns less than it was asked for, or EAGAIN.
	Readable()
	// Writable is called when there is room again after Write took less than it was given.
	Writable()
}

// Options are those of a new connection. The zero value is right for most.
type Options struct {
	// ReceiveBuffer is the size of the socket's receive buffer, set before it connects so that the window
	// offered follows from it; 0 leaves the kernel's default.
	ReceiveBuffer int
}

// never is the due time of no timer.
const never = time.Duration(1<<63 - 1)
