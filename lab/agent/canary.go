package agent

import (
	"context"
	"errors"
	"fmt"
	"runtime"
	"sync"
	"time"

	"runtimelab/lab"
	"runtimelab/lab/serve"
)

// CanaryIterations is the work of a canary: about 50 ms on a current CPU. That is longer than the
// periods in which schedulers share a CPU and in which most neighbours come and go, and short
// beside a phase.
const CanaryIterations = 30_000_000

// RunCanaries runs one canary on each CPU at the same time, each on its own pinned thread.
func (m Machine) RunCanaries(ctx context.Context, cpus []int) ([]lab.Canary, error) {
	defer runtime.GOMAXPROCS(runtime.GOMAXPROCS(len(cpus) + 1))
	out := make([]lab.Canary, len(cpus))
	errs := make([]error, len(cpus))
	var working, ready sync.WaitGroup
	start := make(chan struct{})
	for i, cpu := range cpus {
		ready.Add(1)
		working.Go(func() {
			runtime.LockOSThread() // never unlocked: the thread ends, and its affinity with it
			if errs[i] = m.pin(cpu); errs[i] == nil {
				serve.Work(CanaryIterations / 20) // wakes the CPU and fills its caches
			}
			ready.Done()
			<-start
			if errs[i] == nil {
				out[i], errs[i] = m.runCanary(cpu)
			}
		})
	}
	ready.Wait()
	close(start)
	working.Wait()
	if err := errors.Join(errs...); err != nil {
		return nil, err
	}
	return out, context.Cause(ctx)
}

// runCanary runs a canary on the calling thread, which must be pinned to cpu. It reads the CPU's
// idle time outside of the timed part, because that reading takes longer the more CPUs a machine
// has.
func (m Machine) runCanary(cpu int) (lab.Canary, error) {
	idle, err := m.idleTime(cpu)
	if err != nil {
		return lab.Canary{}, err
	}
	before, err := m.threadTime()
	if err != nil {
		return lab.Canary{}, err
	}
	began := time.Now()
	serve.Work(CanaryIterations)
	took := time.Since(began)
	after, err := m.threadTime()
	if err != nil {
		return lab.Canary{}, fmt.Errorf("after the canary on CPU %d: %w", cpu, err)
	}
	idleAfter, err := m.idleTime(cpu)
	if err != nil {
		return lab.Canary{}, err
	}
	return lab.Canary{CPU: cpu, WallTime: took, ThreadCPUTime: after - before, Idle: max(idleAfter-idle, 0)}, nil
}

// idleTime returns how long a CPU has been idle since boot.
func (m Machine) idleTime(cpu int) (time.Duration, error) {
	all, err := m.cpuTimes()
	if err != nil {
		return 0, err
	}
	for _, c := range all {
		if c.ID == cpu {
			return c.Idle, nil
		}
	}
	return 0, fmt.Errorf("reading CPU times: there is no CPU %d", cpu)
}
