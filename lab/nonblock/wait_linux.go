package nonblock

import (
	"time"
	"unsafe"

	"golang.org/x/sys/unix"
)

// Wait fills events with the pending events of an epoll instance, and returns their number. It waits
// until there is one. It returns none if a signal interrupts it: Go's scheduler stops the calling
// goroutine by a signal, and the goroutine has to return to Go code for that. The calling goroutine
// keeps its place in the scheduler (its P) meanwhile, so others need one of their own.
func Wait(epoll int, events []unix.EpollEvent) (int, error) {
	const forever = ^uintptr(0) // -1
	n, _, errno := unix.RawSyscall6(unix.SYS_EPOLL_PWAIT, uintptr(epoll),
		uintptr(unsafe.Pointer(unsafe.SliceData(events))), uintptr(len(events)), forever, 0, 0)
	switch errno {
	case 0:
		return int(n), nil
	case unix.EINTR:
		return 0, nil
	default:
		return 0, errno
	}
}

// SetTimer makes a timerfd expire once, after a time of at least 1 ns.
func SetTimer(timerfd int, after time.Duration) error {
	once := unix.ItimerSpec{Value: unix.NsecToTimespec(int64(max(after, 1)))}
	_, _, errno := unix.RawSyscall6(unix.SYS_TIMERFD_SETTIME, uintptr(timerfd), 0,
		uintptr(unsafe.Pointer(&once)), 0, 0, 0)
	if errno != 0 {
		return errno
	}
	return nil
}
