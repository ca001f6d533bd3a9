package host

import (
	"errors"
	"fmt"
	"os"
	"strconv"

	"golang.org/x/sys/unix"
)

// PinToCPUs keeps this process to the given CPUs: every thread that it has, and
// through them every one that they will start.
func PinToCPUs(cpus []int) error {
	var set unix.CPUSet
	for _, id := range cpus {
		set.Set(id)
	}
	tasks, err := os.ReadDir("/proc/self/task")
	if err != nil {
		return fmt.Errorf("keeping the lab to CPUs %v: %w", cpus, err)
	}
	for _, task := range tasks {
		id, err := strconv.Atoi(task.Name())
		if err != nil {
			continue
		}
		// a thread that ended
		if err := unix.SchedSetaffinity(id, &set); err != nil && !errors.Is(err, unix.ESRCH) {
			return fmt.Errorf("keeping the lab to CPUs %v: %w", cpus, err)
		}
	}
	return nil
}
