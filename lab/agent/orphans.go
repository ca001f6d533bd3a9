package agent

import (
	"context"
	"os"
	"os/signal"
	"sync"
	"syscall"
	"time"
)

// orphans waits for the cell's processes whose parents have ended, as a server leaves them that
// forks twice. The kernel makes the agent their parent, because it is the first process of their
// namespace. Processes that nobody waits for would use up the server's limit of processes, and
// their CPU time would be lost.
type orphans struct {
	// waitForOne waits for one process that has ended. It returns its CPU time, which includes that of
	// the children that it waited for, and false if there is none.
	waitForOne func() (used time.Duration, found bool)

	mu  sync.Mutex // held while processes are waited for, and during a reading
	cpu time.Duration
}

// reapAll waits for all orphans that have ended, and adds up their CPU time. The caller holds mu.
func (o *orphans) reapAll() {
	for {
		used, found := o.waitForOne()
		if !found {
			return
		}
		o.cpu += used
	}
}

// watch waits for orphans whenever one has ended, until ctx ends.
func (o *orphans) watch(ctx context.Context) {
	ended := make(chan os.Signal, 1)
	signal.Notify(ended, syscall.SIGCHLD)
	defer signal.Stop(ended)
	for {
		select {
		case <-ctx.Done():
			return
		case <-ended:
			o.mu.Lock()
			o.reapAll()
			o.mu.Unlock()
		}
	}
}
