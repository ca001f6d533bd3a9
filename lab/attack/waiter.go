package attack

import (
	"time"

	"runtimelab/lab"
)

// waiter waits for the moment of the next hit.
type waiter interface {
	// waitUntil waits until due, a time after the epoch, and returns true. It returns false if stop is
	// called first. Only one goroutine may wait at a time.
	waitUntil(due time.Duration) bool
	// stop ends a wait and returns how long the generator polled and found no work. It may be called
	// again.
	stop() time.Duration
}

// newWaiter returns a waiter that polls, or one that waits in the kernel if the generator shares its
// CPU with something that is measured.
func newWaiter(a lab.Attack, t *transport) (waiter, error) {
	if a.SleepWhenIdle {
		return newKernelTimer(t.epoch)
	}
	return startBusyPoller(t.epoch, &t.ioSteps)
}

var (
	_ waiter = (*busyPoller)(nil)
	_ waiter = (*kernelTimer)(nil)
)
