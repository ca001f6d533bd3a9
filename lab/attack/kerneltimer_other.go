//go:build !linux

package attack

import (
	"sync"
	"time"
)

// kernelTimer waits on Go timers. Attacks run in a cell, which is Linux; this lets the package's
// tests run elsewhere.
type kernelTimer struct {
	epoch time.Time
	once  sync.Once
	ended chan struct{}
}

func newKernelTimer(epoch time.Time) (*kernelTimer, error) {
	return &kernelTimer{epoch: epoch, ended: make(chan struct{})}, nil
}

func (t *kernelTimer) waitUntil(due time.Duration) bool {
	timer := time.NewTimer(due - time.Since(t.epoch))
	defer timer.Stop()
	select {
	case <-t.ended:
		return false
	default:
	}
	select {
	case <-timer.C:
		return true
	case <-t.ended:
		return false
	}
}

func (t *kernelTimer) stop() time.Duration {
	t.once.Do(func() { close(t.ended) })
	return 0
}
