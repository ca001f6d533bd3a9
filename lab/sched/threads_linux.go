package sched

import (
	"errors"
	"fmt"
	"os"
	"slices"
	"strconv"

	"golang.org/x/sys/unix"
)

// threadsDir lists the threads of this process.
const threadsDir = "/proc/self/task"

// threads returns the ids of the threads of this process.
func threads() (ids []int, err error) {
	all, err := os.ReadDir(threadsDir)
	if err != nil {
		return nil, fmt.Errorf("listing the threads of this process: %w", err)
	}
	for _, t := range all {
		if id, err := strconv.Atoi(t.Name()); err == nil {
			ids = append(ids, id)
		}
	}
	return ids, nil
}

// maxPasses is how often changeThreads looks for new threads at most.
const maxPasses = 5

// changeThreads changes the scheduling attributes of every thread of this process. A new thread
// inherits those of the thread that started it, which may have been changed after that. changeThreads
// therefore repeats while there are new threads.
func changeThreads(change func(*unix.SchedAttr)) error {
	var changed []int
	for range maxPasses {
		ids, err := threads()
		if err != nil || slices.Equal(ids, changed) {
			return err
		}
		for _, id := range ids {
			attr, err := unix.SchedGetAttr(id, 0)
			if err == nil {
				change(attr)
				err = unix.SchedSetAttr(id, attr, 0)
			}
			if err != nil && !errors.Is(err, unix.ESRCH) { // it has ended
				return fmt.Errorf("changing how thread %d is scheduled: %w", id, err)
			}
		}
		changed = ids
	}
	return nil
}
