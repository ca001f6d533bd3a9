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
// namespace. Processes that nobody waits for would use up their service's limit of processes, and
// their CPU time would be lost.
type orphans struct {
	// ended returns an orphan that has ended, without waiting for it, and false if there is none.
	ended func() (pid int, found bool)
	// wait waits for an orphan that has ended. It returns its CPU time, which includes that of the
	// children that it waited for.
	wait func(pid int) (used time.Duration, ok bool)

	mu  sync.Mutex // held while processes are waited for, and during a reading
	cpu map[string]time.Duration
}

// reapAll waits for all orphans that have ended, and adds up their CPU time by service. It asks
// for the service of an orphan before it waits for it: nothing tells it afterwards. The caller
// holds mu.
func (o *orphans) reapAll(serviceOf func(pid int) string) {
	for {
		pid, found := o.ended()
		if !found {
			return
		}
		service := serviceOf(pid)
		used, ok := o.wait(pid)
		if !ok {
			return
		}
		if o.cpu == nil {
			o.cpu = make(map[string]time.Duration)
		}
		o.cpu[service] += used
	}
}

// watch waits for orphans whenever one has ended, until ctx ends.
func (o *orphans) watch(ctx context.Context, serviceOf func(pid int) string) {
	ended := make(chan os.Signal, 1)
	signal.Notify(ended, syscall.SIGCHLD)
	defer signal.Stop(ended)
	for {
		select {
		case <-ctx.Done():
			return
		case <-ended:
			o.mu.Lock()
			o.reapAll(serviceOf)
			o.mu.Unlock()
		}
	}
}
