package attack

import (
	"runtime"
	"time"

	"golang.org/x/sys/unix"
)

// sleeper waits in the kernel, on a thread of its own, with the timer slack at
// its minimum: late by tens of microseconds where the Go runtime's timers can
// be late by a millisecond.
type sleeper struct{}

// prepare ties the calling goroutine to its thread, which ends with it.
func (sleeper) prepare() {
	runtime.LockOSThread()
	// Without it the default slack of 50 µs applies; nothing else depends on it.
	_ = unix.Prctl(unix.PR_SET_TIMERSLACK, 1, 0, 0, 0)
}

func (sleeper) sleep(d time.Duration) {
	left := unix.NsecToTimespec(int64(d))
	for unix.ClockNanosleep(unix.CLOCK_MONOTONIC, 0, &left, &left) == unix.EINTR {
	}
}
