//go:build !linux

package attack

import (
	"sync"
	"time"
)

// alarm wakes a goroutine at a time. Attacks run in a cell, which is Linux;
// this is for the package's tests elsewhere, late as the runtime's timers are.
type alarm struct {
	closed chan struct{}
	once   sync.Once
}

func newAlarm() (*alarm, error) { return &alarm{closed: make(chan struct{})}, nil }

func (a *alarm) wait(d time.Duration) bool {
	select {
	case <-time.After(d):
		return true
	case <-a.closed:
		return false
	}
}

func (a *alarm) close() { a.once.Do(func() { close(a.closed) }) }
