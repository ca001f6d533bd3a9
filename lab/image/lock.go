package image

import (
	"errors"
	"os"
	"syscall"
)

// tryLock takes the file's advisory lock and reports whether it did; another process may hold it.
// The kernel releases the lock when the file is closed or the process ends, even if it is killed.
func tryLock(file *os.File) (bool, error) {
	err := syscall.Flock(int(file.Fd()), syscall.LOCK_EX|syscall.LOCK_NB)
	if errors.Is(err, syscall.EWOULDBLOCK) {
		return false, nil
	}
	return err == nil, err
}
