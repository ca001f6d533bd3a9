package sched

import (
	"errors"
	"fmt"
	"time"

	"golang.org/x/sys/unix"
)

// SetSlice asks for a time slice of every thread of this process; 0 asks for the kernel's default. With
// a shorter slice, a thread that wakes up gets the CPU earlier from a thread with a longer one. Kernels
// before Linux 6.12 ignore it: see LongestSlice. (sched_runtime of sched_setattr(2), and
// Documentation/scheduler/sched-eevdf.rst in the kernel.)
func SetSlice(slice time.Duration) error {
	return changeThreads(func(attr *unix.SchedAttr) { attr.Runtime = uint64(slice) })
}

// LongestSlice returns the longest time slice of a thread of this process; 0 if the kernel does not
// tell, as before Linux 6.12.
func LongestSlice() (longest time.Duration, err error) {
	ids, err := threads()
	if err != nil {
		return 0, err
	}
	for _, id := range ids {
		attr, err := unix.SchedGetAttr(id, 0)
		switch {
		case errors.Is(err, unix.ESRCH): // it has ended
		case err != nil:
			return 0, fmt.Errorf("reading the time slice of thread %d: %w", id, err)
		case attr.Runtime == 0:
			return 0, nil
		default:
			longest = max(longest, time.Duration(attr.Runtime))
		}
	}
	return longest, nil
}
