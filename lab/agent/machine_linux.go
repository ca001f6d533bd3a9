package agent

import (
	"fmt"
	"os"
	"time"

	"golang.org/x/sys/unix"

	"runtimelab/lab/sched"
)

// maxCPUs is the size of the affinity mask of x/sys.
const maxCPUs = 1024

// ThisMachine returns the machine that the process runs on.
func ThisMachine() Machine {
	began := time.Now()
	return Machine{
		startedAt: began,
		clock: func() (time.Time, time.Duration) {
			now := time.Now()
			return now.Round(0), now.Sub(began) // Round strips the monotonic reading
		},
		root:          os.DirFS("/"),
		affinity:      affinity,
		processUsage:  processUsage,
		kernelRelease: kernelRelease,
		nofile:        nofile,
		pin:           pin,
		threadTime:    threadTime,
		processTime:   processTime,
		backlogs:      backlogs,
		setSlice:      sched.SetSlice,
		longestSlice:  sched.LongestSlice,
		orphans:       newOrphans(),
		services:      new(services),
		spool:         spoolDir,
	}
}

func affinity() ([]int, error) {
	var set unix.CPUSet
	if err := unix.SchedGetaffinity(0, &set); err != nil {
		return nil, fmt.Errorf("reading the CPU affinity: %w", err)
	}
	var ids []int
	for id := range maxCPUs {
		if set.IsSet(id) {
			ids = append(ids, id)
		}
	}
	return ids, nil
}

func processUsage() (used time.Duration, sleeps int64, err error) {
	var u unix.Rusage
	if err := unix.Getrusage(unix.RUSAGE_SELF, &u); err != nil {
		return 0, 0, fmt.Errorf("reading the generator's CPU time: %w", err)
	}
	return time.Duration(u.Utime.Nano() + u.Stime.Nano()), u.Nvcsw, nil
}

func pin(cpu int) error {
	var set unix.CPUSet
	set.Set(cpu)
	if err := unix.SchedSetaffinity(0, &set); err != nil {
		return fmt.Errorf("pinning a thread to CPU %d: %w", cpu, err)
	}
	return nil
}

func threadTime() (time.Duration, error) {
	var ts unix.Timespec
	if err := unix.ClockGettime(unix.CLOCK_THREAD_CPUTIME_ID, &ts); err != nil {
		return 0, fmt.Errorf("reading a thread's CPU time: %w", err)
	}
	return time.Duration(ts.Nano()), nil
}

// processTime reads a process's CPU clock. The clock's id is computed from the process's id
// (clock_getcpuclockid(3), CPUCLOCK_SCHED in the kernel's posix-timers_types.h).
func processTime(pid int) (time.Duration, error) {
	const sched = 2
	var ts unix.Timespec
	if err := unix.ClockGettime(int32(^pid)<<3|sched, &ts); err != nil {
		return 0, fmt.Errorf("reading the CPU time of process %d: %w", pid, err)
	}
	return time.Duration(ts.Nano()), nil
}

func kernelRelease() (string, error) {
	var u unix.Utsname
	if err := unix.Uname(&u); err != nil {
		return "", fmt.Errorf("reading the kernel's release: %w", err)
	}
	return unix.ByteSliceToString(u.Release[:]), nil
}

func nofile() (int, error) {
	var limit unix.Rlimit
	if err := unix.Getrlimit(unix.RLIMIT_NOFILE, &limit); err != nil {
		return 0, fmt.Errorf("reading the limit of open files: %w", err)
	}
	return int(min(limit.Max, 1<<31-1)), nil
}
