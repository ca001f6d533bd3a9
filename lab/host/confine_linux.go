package host

import (
	"errors"
	"fmt"
	"os"
	"strconv"

	"golang.org/x/sys/unix"
)

// PinToCPUs sets the CPU affinity of all threads of this process. Threads that they start later
// inherit it.
func PinToCPUs(cpus []int) error {
	var set unix.CPUSet
	for _, id := range cpus {
		set.Set(id)
	}
	tasks, err := os.ReadDir("/proc/self/task")
	if err != nil {
		return fmt.Errorf("pinning the lab to CPUs %v: %w", cpus, err)
	}
	for _, task := range tasks {
		id, err := strconv.Atoi(task.Name())
		if err != nil {
			continue
		}
		// ESRCH: the thread has ended since it was listed.
		if err := unix.SchedSetaffinity(id, &set); err != nil && !errors.Is(err, unix.ESRCH) {
			return fmt.Errorf("pinning the lab to CPUs %v: %w", cpus, err)
		}
	}
	return nil
}
