package record

import (
	"os"
	"testing"
)

// LockOf returns the locked file of a run's folder.
func LockOf(r *Run) *os.File { return r.lock }

// FailLocks makes every lock fail until the test ends.
func FailLocks(t *testing.T, err error) {
	original := flock
	flock = func(int, int) error { return err }
	t.Cleanup(func() { flock = original })
}

// VariantChanges is variantChanges.
var VariantChanges = variantChanges
