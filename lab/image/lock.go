package image

import (
	"errors"
	"os"
	"syscall"
)

// tryLock takes the file's advisory lock unless another process holds it. The
// kernel gives it back when the file is closed or its process ends, however it
// ends.
func tryLock(file *os.File) (bool, error) {
	err := syscall.Flock(int(file.Fd()), syscall.LOCK_EX|syscall.LOCK_NB)
	if errors.Is(err, syscall.EWOULDBLOCK) {
		return false, nil
	}
	return err == nil, err
}
