package eventloop

import (
	"fmt"
	"sync/atomic"
	"time"

	"golang.org/x/sys/unix"

	"runtimelab/lab/nonblock"
)

const (
	maxEvents = 256 // that one call to the kernel returns
	// interruptedTurn is more than a turn without work takes, some hundreds of nanoseconds. In a longer
	// one another thread had the CPU, and that time is not the loop's.
	interruptedTurn = 100 * time.Microsecond
)

// Loop runs connections and timers. Its times count from its epoch.
type Loop struct {
	epoch       time.Time
	sleeps      bool
	epoll       int
	wake        int           // an eventfd: Interrupt ends a wait by it
	timerfd     int           // ends a wait when the next timer is due; -1 if the loop polls
	armed       time.Duration // when the timerfd expires
	clock       time.Duration // at the last call of Now
	timers      timers
	events      []unix.EpollEvent
	conns       []*Conn // by descriptor
	connected   int32   // connections so far: tells a connection from an earlier one of its descriptor
	stopped     bool
	interrupted atomic.Bool
	idle        time.Duration
}

// New returns a loop that polls, or one that sleeps in the kernel while there is nothing to do. Its
// owner must call Close.
func New(epoch time.Time, sleeps bool) (*Loop, error) {
	l := &Loop{
		epoch: epoch, sleeps: sleeps, epoll: -1, wake: -1, timerfd: -1, armed: never,
		events: make([]unix.EpollEvent, maxEvents),
	}
	if err := l.open(); err != nil {
		l.Close()
		return nil, fmt.Errorf("creating an event loop: %w", err)
	}
	return l, nil
}

func (l *Loop) open() (err error) {
	if l.epoll, err = unix.EpollCreate1(unix.EPOLL_CLOEXEC); err != nil {
		return err
	}
	if l.wake, err = unix.Eventfd(0, unix.EFD_NONBLOCK|unix.EFD_CLOEXEC); err != nil {
		return err
	}
	// Level-triggered: once written to, it ends every wait.
	if err := l.add(l.wake, unix.EPOLLIN, 0); err != nil {
		return err
	}
	if !l.sleeps {
		return nil
	}
	l.timerfd, err = unix.TimerfdCreate(unix.CLOCK_MONOTONIC, unix.TFD_NONBLOCK|unix.TFD_CLOEXEC)
	if err != nil {
		return err
	}
	// Edge-triggered: nothing reads the timer. Setting it anew resets it.
	return l.add(l.timerfd, unix.EPOLLIN|unix.EPOLLET, 0)
}

func (l *Loop) add(fd int, events uint32, number int32) error {
	return unix.EpollCtl(l.epoll, unix.EPOLL_CTL_ADD, fd,
		&unix.EpollEvent{Events: events, Fd: int32(fd), Pad: number})
}

// Close closes the loop and all of its connections. Run must have returned.
func (l *Loop) Close() {
	for _, c := range l.conns {
		if c != nil {
			c.Close()
		}
	}
	for _, fd := range []int{l.epoll, l.wake, l.timerfd} {
		if fd >= 0 {
			_ = unix.Close(fd) // nothing is buffered in them
		}
	}
}

// Now returns the time since the epoch.
func (l *Loop) Now() time.Duration {
	l.clock = time.Since(l.epoch)
	return l.clock
}

// SetTimer makes t fire at a time after the epoch, and no longer at the time that it was set to
// before. A time that has passed is the next turn of the loop.
func (l *Loop) SetTimer(t *Timer, due time.Duration) { l.timers.set(t, due) }

// StopTimer keeps t from firing.
func (l *Loop) StopTimer(t *Timer) { l.timers.remove(t) }

// Stop makes Run return after the call of the handler or timer that calls Stop.
func (l *Loop) Stop() { l.stopped = true }

// Interrupt makes Run return ErrInterrupted, now and whenever it is called again. Any goroutine may
// call it, until Close.
func (l *Loop) Interrupt() {
	l.interrupted.Store(true)
	_, _ = unix.Write(l.wake, []byte{1, 0, 0, 0, 0, 0, 0, 0}) // it fails only when it has been written before
}

// Idle returns for how long the loop has polled and found no work. It is 0 for a loop that sleeps.
func (l *Loop) Idle() time.Duration { return l.idle }

// Run calls handlers and timers until Stop or Interrupt.
func (l *Loop) Run() error {
	l.stopped = false
	last, worked := l.Now(), true
	for !l.stopped {
		if l.interrupted.Load() {
			return ErrInterrupted
		}
		now := l.Now()
		if took := now - last; !worked && !l.sleeps && took < interruptedTurn {
			l.idle += took
		}
		last = now
		var err error
		if worked, err = l.turn(); err != nil {
			return fmt.Errorf("waiting for events: %w", err)
		}
	}
	return nil
}

// turn handles what is due and what has come. It reports whether there was anything.
func (l *Loop) turn() (worked bool, err error) {
	worked = l.fireDue()
	if l.stopped {
		return worked, nil
	}
	n, err := l.wait()
	if err != nil {
		return worked, err
	}
	for i := 0; i < n && !l.stopped; i++ {
		if l.dispatch(&l.events[i]) {
			worked = true
			// A timer does not wait for all events of the turn. Handlers have read the clock meanwhile.
			l.fireDue()
		}
	}
	return worked, nil
}

// fireDue calls the timers that are due by the last reading of the clock. It reports whether there
// were any. One that is set anew to a time that has passed waits for the next turn, so that events get
// theirs.
func (l *Loop) fireDue() (fired bool) {
	for n := len(l.timers); n > 0 && !l.stopped && l.timers.next() <= l.clock; n-- {
		t := l.timers[0]
		l.timers.remove(t)
		t.fire()
		fired = true
	}
	return fired
}

// wait returns the number of new events. A loop that sleeps waits for one, or for the next timer.
func (l *Loop) wait() (int, error) {
	due := l.timers.next()
	if !l.sleeps || due <= l.clock {
		return nonblock.Poll(l.epoll, l.events)
	}
	if due != l.armed && due != never {
		if err := nonblock.SetTimer(l.timerfd, due-l.Now()); err != nil {
			return 0, err
		}
		l.armed = due
	}
	return nonblock.Wait(l.epoll, l.events)
}

// dispatch hands an event to its connection. It reports whether there was one: the event may be of a
// connection that was closed in the same turn.
func (l *Loop) dispatch(e *unix.EpollEvent) bool {
	fd := int(e.Fd)
	if fd >= len(l.conns) || l.conns[fd] == nil || l.conns[fd].number != e.Pad {
		return false
	}
	c := l.conns[fd]
	if c.state == connecting {
		if c.finishConnecting(); c.state != open || c.number != e.Pad {
			return true
		}
	}
	const ended = unix.EPOLLRDHUP | unix.EPOLLHUP | unix.EPOLLERR
	if e.Events&(unix.EPOLLIN|ended) != 0 {
		c.more = false
		c.handler.Readable()
		// The end may have come together with the last bytes, and no other event would tell of it.
		for e.Events&ended != 0 && c.more && c.state == open && c.number == e.Pad {
			c.more = false
			c.handler.Readable()
		}
	}
	if e.Events&unix.EPOLLOUT != 0 && c.state == open && c.number == e.Pad && c.full {
		c.full = false
		c.handler.Writable()
	}
	return true
}
