package record

import (
	"testing"

	"github.com/gofrs/flock"
	"golang.org/x/sys/unix"
)

// LockOf returns the lock of a run's folder.
func LockOf(r *Run) *flock.Flock { return r.lock }

// InterruptLocks makes the first attempt to lock a file fail as if a signal had come.
func InterruptLocks(t *testing.T) {
	original, attempts := tryLock, 0
	tryLock = func(f *flock.Flock) (bool, error) {
		if attempts++; attempts == 1 {
			return false, unix.EINTR
		}
		return original(f)
	}
	t.Cleanup(func() { tryLock = original })
}

// FailLocks makes every lock fail until the test ends.
func FailLocks(t *testing.T, err error) {
	original := tryLock
	tryLock = func(*flock.Flock) (bool, error) { return false, err }
	t.Cleanup(func() { tryLock = original })
}

// Each reads rows as cells, without conversion.
func (r *RowReader) Each(columns []string, each func(cells [][]byte) error) error {
	return r.each(columns, nil, each)
}

// VariantChanges is variantChanges.
var VariantChanges = variantChanges
