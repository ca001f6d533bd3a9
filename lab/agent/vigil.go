package agent

import (
	"errors"
	"fmt"
	"io/fs"
	"strconv"
	"time"
)

// VerbAwake is the command line of the agent's program as what keeps a CPU
// awake.
const VerbAwake = "awake"

// vigil is the processes that keep a generator's CPUs from falling asleep during
// an attack. A CPU that sleeps is late for what wakes it, a due hit or an
// answer, by tens to hundreds of microseconds: the generator's doing, which
// every latency would show as the server's.
type vigil struct {
	pids []int
	ends []func() error
}

// vigil keeps CPUs awake until its end.
func (m Machine) vigil(cpus []int) (*vigil, error) {
	v := &vigil{}
	for _, cpu := range cpus {
		pid, end, err := m.watch(cpu)
		if err != nil {
			return nil, errors.Join(err, v.end())
		}
		v.pids, v.ends = append(v.pids, pid), append(v.ends, end)
	}
	return v, nil
}

func (v *vigil) end() error {
	var errs []error
	for _, end := range v.ends {
		errs = append(errs, end())
	}
	return errors.Join(errs...)
}

// awake is the CPU time that the vigil has taken: what would have been idle.
func (m Machine) awake(v *vigil) (sum time.Duration, err error) {
	for _, pid := range v.pids {
		tasks, err := fs.ReadDir(m.root, fmt.Sprintf("proc/%d/task", pid))
		if err != nil {
			return 0, fmt.Errorf("reading how long the generator's CPUs had nothing to do: %w", err)
		}
		for _, task := range tasks {
			tid, err := strconv.Atoi(task.Name())
			if err != nil {
				continue
			}
			if used, ok := m.threadCPU(pid, tid); ok {
				sum += used
			}
		}
	}
	return sum, nil
}
