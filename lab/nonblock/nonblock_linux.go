package nonblock

import (
	"syscall"
	"unsafe"

	"golang.org/x/sys/unix"
)

// Read reads what has come. A descriptor without any gives EAGAIN.
func Read(fd uintptr, p []byte) (int, error) {
	return retryEINTR(unix.SYS_READ, fd, unsafe.Pointer(unsafe.SliceData(p)), len(p))
}

// Write writes what there is room for. A descriptor without any gives EAGAIN.
func Write(fd uintptr, p []byte) (int, error) {
	return retryEINTR(unix.SYS_WRITE, fd, unsafe.Pointer(unsafe.SliceData(p)), len(p))
}

// Poll fills events with what has happened to the descriptors of an epoll
// instance, and returns how many there are.
func Poll(epoll int, events []unix.EpollEvent) (int, error) {
	return retryEINTR(unix.SYS_EPOLL_PWAIT, uintptr(epoll), unsafe.Pointer(unsafe.SliceData(events)),
		len(events))
}

// retryEINTR makes a call anew that a signal cut short. A time limit of 0 is the fourth
// argument of epoll_pwait, and no argument of the others.
func retryEINTR(number, fd uintptr, memory unsafe.Pointer, size int) (int, error) {
	for {
		n, _, errno := unix.RawSyscall6(number, fd, uintptr(memory), uintptr(size), 0, 0, 0)
		switch errno {
		case 0:
			return int(n), nil
		case unix.EINTR:
		case unix.EAGAIN:
			return 0, errAgain
		default:
			return 0, errno
		}
	}
}

// errAgain is made once: an error made anew for each call would be allocated.
var errAgain error = syscall.EAGAIN
