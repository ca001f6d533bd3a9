package record

import (
	"os"
	"testing"
)

// LockOf returns the file that keeps a second lab out of a run's folder.
func LockOf(r *Run) *os.File { return r.lock }

// FailLocks makes every lock fail until the test ends.
func FailLocks(t *testing.T, err error) {
	was := flock
	flock = func(int, int) error { return err }
	t.Cleanup(func() { flock = was })
}
