package attack

import (
	"errors"
	"fmt"
	"os"
	"syscall"
	"time"

	"golang.org/x/sys/unix"
)

// alarm wakes a goroutine at a time, through the runtime's poller: a timer
// that is a file wakes the poller when it is due, to the microsecond, where the
// runtime's own timers are at the mercy of a time limit in milliseconds. The
// wait takes neither a thread nor a processor of Go's from the workers.
type alarm struct {
	file *os.File
	raw  syscall.RawConn
	ring func(fd uintptr) bool
	in   time.Duration // how long the wait under way is; 0 once it is set
	err  error
}

func newAlarm() (*alarm, error) {
	fd, err := unix.TimerfdCreate(unix.CLOCK_MONOTONIC, unix.TFD_NONBLOCK|unix.TFD_CLOEXEC)
	if err != nil {
		return nil, fmt.Errorf("making a timer for the pacer: %w", err)
	}
	a := &alarm{file: os.NewFile(uintptr(fd), "timerfd")}
	if a.raw, err = a.file.SyscallConn(); err != nil {
		return nil, errors.Join(fmt.Errorf("making a timer for the pacer: %w", err), a.file.Close())
	}
	a.ring = a.setOrRung
	return a, nil
}

// wait waits for d and reports whether it did: false when the alarm was closed.
func (a *alarm) wait(d time.Duration) bool {
	a.in = d
	return a.raw.Read(a.ring) == nil && a.err == nil
}

// setOrRung sets the timer when the poller first calls it, and is called again
// because it rang. Nobody needs to read that it did: the poller tells of each
// time once, and the next setting forgets it.
func (a *alarm) setOrRung(fd uintptr) bool {
	if a.in > 0 {
		once := unix.ItimerSpec{Value: unix.NsecToTimespec(int64(a.in))}
		a.in, a.err = 0, unix.TimerfdSettime(int(fd), 0, &once, nil)
		return a.err != nil
	}
	return true
}

// close ends the alarm, and a wait for it.
func (a *alarm) close() { _ = a.file.Close() } // closing it twice is no harm
