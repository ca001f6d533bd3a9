//go:build !linux

package nonblock

import (
	"errors"
	"syscall"
)

// Read reads what has come. A descriptor without any gives EAGAIN.
func Read(fd uintptr, p []byte) (int, error) { return retryCall(syscall.Read, fd, p) }

// Write writes what there is room for. A descriptor without any gives EAGAIN.
func Write(fd uintptr, p []byte) (int, error) { return retryCall(syscall.Write, fd, p) }

func retryCall(call func(int, []byte) (int, error), fd uintptr, p []byte) (int, error) {
	for {
		n, err := call(int(fd), p)
		if !errors.Is(err, syscall.EINTR) {
			return max(n, 0), err
		}
	}
}
