//go:build !linux

package attack

import (
	"sync/atomic"
	"time"
)

// pollCycle waits for a fixed time. Attacks run in a cell, which is Linux; this lets the package's
// tests run elsewhere.
type pollCycle struct{ ended atomic.Bool }

func newPollCycle() (*pollCycle, error) { return &pollCycle{}, nil }

func (c *pollCycle) wait() bool {
	time.Sleep(100 * time.Microsecond)
	return !c.ended.Load()
}

func (c *pollCycle) stop() { c.ended.Store(true) }
