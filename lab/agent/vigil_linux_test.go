package agent

import (
	"fmt"
	"os"
	"strconv"
	"testing"

	"golang.org/x/sys/unix"
)

// TestMain makes this program what keeps a CPU awake where it is started as
// that, as the agent's own is.
func TestMain(m *testing.M) {
	if len(os.Args) == 3 && os.Args[1] == VerbAwake {
		cpu, err := strconv.Atoi(os.Args[2])
		if err == nil {
			err = KeepAwake(cpu, os.Stdin, os.Stdout)
		}
		fmt.Fprintln(os.Stderr, err)
		os.Exit(1)
	}
	os.Exit(m.Run())
}

func TestAKeeperRunsOnItsCPUOnlyWhereNobodyElseWantsTo(t *testing.T) {
	cpus, err := affinity()
	if err != nil {
		t.Fatal(err)
	}
	cpu := cpus[len(cpus)-1]
	pid, end, err := watch(cpu)
	if err != nil {
		t.Fatal(err)
	}
	tasks, err := os.ReadDir(fmt.Sprintf("/proc/%d/task", pid))
	if err != nil || len(tasks) == 0 {
		t.Fatalf("%d threads, error %v", len(tasks), err)
	}
	for _, task := range tasks {
		tid, err := strconv.Atoi(task.Name())
		if err != nil {
			t.Fatal(err)
		}
		attributes, err := unix.SchedGetAttr(tid, 0)
		if err != nil || attributes.Policy != unix.SCHED_IDLE {
			t.Errorf("thread %d has policy %+v, error %v", tid, attributes, err)
		}
		var on unix.CPUSet
		if err := unix.SchedGetaffinity(tid, &on); err != nil || on.Count() != 1 || !on.IsSet(cpu) {
			t.Errorf("thread %d may run on %d CPUs, on %d: %v; error %v", tid, on.Count(), cpu, on.IsSet(cpu), err)
		}
	}
	m := ThisMachine()
	v := &vigil{pids: []int{pid}}
	before, err := m.awake(v)
	if err != nil {
		t.Fatal(err)
	}
	for after := before; after <= before; { // it never stops
		if after, err = m.awake(v); err != nil {
			t.Fatal(err)
		}
	}
	if err := end(); err != nil {
		t.Error(err)
	}
	if err := unix.Kill(pid, 0); err == nil {
		t.Error("a keeper outlives its end")
	}
}

func TestAKeeperOfACPUThatThereIsNotSaysSo(t *testing.T) {
	if _, end, err := watch(maxCPUs - 1); err == nil {
		t.Errorf("a CPU that no machine has is kept awake; end: %v", end())
	}
}
