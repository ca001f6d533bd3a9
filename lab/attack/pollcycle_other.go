//go:build !linux

package attack

import (
	"sync/atomic"
	"time"
)

// pollCycle is taken every now and then. Attacks run in a cell, which is Linux; this
// is for the package's tests elsewhere.
type pollCycle struct{ ended atomic.Bool }

func newPollCycle() (*pollCycle, error) { return &pollCycle{}, nil }

func (t *pollCycle) wait() bool {
	time.Sleep(100 * time.Microsecond)
	return !t.ended.Load()
}

func (t *pollCycle) stop() { t.ended.Store(true) }
