package sched

import (
	"context"
	"fmt"
	"runtime"

	"golang.org/x/sys/unix"
)

// RunIdleLoop keeps all CPUs of this process from halting until ctx ends: one thread on each runs a
// loop. Its threads have the policy SCHED_IDLE (sched(7)), which every process may choose: they run
// only while no other thread of their cgroup could. If the kernel refuses that, nothing runs.
func RunIdleLoop(ctx context.Context) error {
	var cpus unix.CPUSet
	if err := unix.SchedGetaffinity(0, &cpus); err != nil {
		return fmt.Errorf("reading the CPUs of the idle loop: %w", err)
	}
	if err := changeThreads(func(attr *unix.SchedAttr) { attr.Policy = unix.SCHED_IDLE }); err != nil {
		return fmt.Errorf("lowering the priority of the idle loop: %w", err)
	}
	runtime.GOMAXPROCS(cpus.Count() + 1) // one for this goroutine
	failed := make(chan error, cpus.Count())
	for id := range len(cpus) * cpuSetWord {
		if cpus.IsSet(id) {
			go func() { failed <- spinOn(ctx, id) }()
		}
	}
	select {
	case err := <-failed:
		return err
	case <-ctx.Done():
		return nil
	}
}

// cpuSetWord is the number of CPUs in one word of unix.CPUSet.
const cpuSetWord = 64

// spinOn runs a loop on a CPU until ctx ends.
func spinOn(ctx context.Context, cpu int) error {
	runtime.LockOSThread()
	var only unix.CPUSet
	only.Set(cpu)
	if err := unix.SchedSetaffinity(0, &only); err != nil {
		return fmt.Errorf("pinning the idle loop to CPU %d: %w", cpu, err)
	}
	for ctx.Err() == nil {
		for range loopSteps {
		}
	}
	return nil
}

// loopSteps are about a millisecond: ctx.Err takes a lock.
const loopSteps = 1 << 20
