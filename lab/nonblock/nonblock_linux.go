package nonblock

import (
	"syscall"
	"unsafe"

	"golang.org/x/sys/unix"
)

// Read reads available bytes into p. It returns EAGAIN if there are none.
func Read(fd uintptr, p []byte) (int, error) {
	return retryEINTR(unix.SYS_READ, fd, unsafe.Pointer(unsafe.SliceData(p)), len(p))
}

// Write writes as much of p as fits. It returns EAGAIN if nothing fits.
func Write(fd uintptr, p []byte) (int, error) {
	return retryEINTR(unix.SYS_WRITE, fd, unsafe.Pointer(unsafe.SliceData(p)), len(p))
}

// Poll fills events with the pending events of an epoll instance, and returns their
// number. It does not wait.
func Poll(epoll int, events []unix.EpollEvent) (int, error) {
	return retryEINTR(unix.SYS_EPOLL_PWAIT, uintptr(epoll), unsafe.Pointer(unsafe.SliceData(events)),
		len(events))
}

// retryEINTR repeats a system call that a signal interrupted. The fourth argument 0 is the
// timeout of epoll_pwait; the other calls ignore it.
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

// errAgain is a variable because converting EAGAIN to an error in each call would allocate.
var errAgain error = syscall.EAGAIN
