package attack

import (
	"errors"
	"fmt"
	"os"
	"syscall"
	"time"

	"golang.org/x/sys/unix"
)

// kernelTimer waits for a timer of the kernel in the poll in which Go's scheduler waits for the
// sockets too. Go's own timers end that poll after whole milliseconds (runtime/netpoll_epoll.go). A
// timerfd ends it exactly: no timer slack applies to it, unlike to sleeps and to timeouts of polls
// (timerfd_create(2), PR_SET_TIMERSLACK in prctl(2)).
//
// epoll_pwait2 with a slack of 1 ns is as exact, but Go's scheduler does not call it. A thread that
// does has to hand each hit to the thread that polls the sockets. With GOMAXPROCS of 1, as on one CPU,
// answers then wait for tens of milliseconds; with 2, each hit costs two more switches of threads.
type kernelTimer struct {
	epoch time.Time
	file  *os.File
	raw   syscall.RawConn
	step  func(fd uintptr) bool
	due   time.Duration // after the epoch
	err   error
}

// newKernelTimer returns a waiter whose times count from epoch. Its owner must call stop.
func newKernelTimer(epoch time.Time) (*kernelTimer, error) {
	fd, err := unix.TimerfdCreate(unix.CLOCK_MONOTONIC, unix.TFD_NONBLOCK|unix.TFD_CLOEXEC)
	if err != nil {
		return nil, fmt.Errorf("creating the timer of the generator: %w", err)
	}
	t := &kernelTimer{epoch: epoch, file: os.NewFile(uintptr(fd), "timerfd")}
	if t.raw, err = t.file.SyscallConn(); err != nil {
		err = fmt.Errorf("creating the timer of the generator: %w", err)
		return nil, errors.Join(err, t.file.Close())
	}
	t.step = t.armUnlessDue
	return t, nil
}

func (t *kernelTimer) waitUntil(due time.Duration) bool {
	t.due = due
	return t.raw.Read(t.step) == nil && t.err == nil
}

// armUnlessDue returns true if the wait is over. Otherwise it arms the timer, and the poller calls
// it again when that expires. Nothing reads the timer: arming it resets what poll reports.
func (t *kernelTimer) armUnlessDue(fd uintptr) bool {
	left := t.due - time.Since(t.epoch)
	if left <= 0 {
		return true
	}
	once := unix.ItimerSpec{Value: unix.NsecToTimespec(int64(left))}
	t.err = unix.TimerfdSettime(int(fd), 0, &once, nil)
	return t.err != nil
}

func (t *kernelTimer) stop() time.Duration {
	_ = t.file.Close() // a timer has nothing to flush
	return 0
}
