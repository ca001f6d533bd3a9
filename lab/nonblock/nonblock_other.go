//go:build !linux

package nonblock

import (
	"errors"
	"syscall"
)

// Read reads available bytes into p. It returns EAGAIN if there are none.
func Read(fd uintptr, p []byte) (int, error) { return retryCall(syscall.Read, fd, p) }

// Write writes as much of p as fits. It returns EAGAIN if nothing fits.
func Write(fd uintptr, p []byte) (int, error) { return retryCall(syscall.Write, fd, p) }

// retryCall repeats a call that a signal interrupted.
func retryCall(call func(int, []byte) (int, error), fd uintptr, p []byte) (int, error) {
	for {
		n, err := call(int(fd), p)
		if !errors.Is(err, syscall.EINTR) {
			return max(n, 0), err
		}
	}
}
