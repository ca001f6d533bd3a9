//go:build !linux

package attack

import (
	"sync/atomic"
	"time"
)

// turn is taken every now and then. Attacks run in a cell, which is Linux; this
// is for the package's tests elsewhere.
type turn struct{ ended atomic.Bool }

func newTurn() (*turn, error) { return &turn{}, nil }

func (t *turn) take() bool {
	time.Sleep(100 * time.Microsecond)
	return !t.ended.Load()
}

func (t *turn) end() { t.ended.Store(true) }
