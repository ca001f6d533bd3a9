package sched

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"runtime"
	"strings"
	"sync"
	"testing"
	"time"

	"golang.org/x/sys/unix"
)

const shortest = 100 * time.Microsecond

// Every thread gets the slice, those too that start afterwards, and the kernel's default again.
func TestTheSliceIsThatOfEveryThread(t *testing.T) {
	byDefault, err := LongestSlice()
	if err != nil {
		t.Fatal(err)
	}
	if byDefault == 0 {
		if grantsSlices(t) {
			t.Fatal("the slice of a thread is unknown")
		}
		t.Skip("this kernel is older than Linux 6.12: it grants no slices")
	}
	lockThreads(t, 4)
	if err := SetSlice(shortest); err != nil {
		t.Fatal(err)
	}
	if got, err := LongestSlice(); got != shortest || err != nil {
		t.Errorf("the slice is %v, %v; want %v", got, err, shortest)
	}
	lockThreads(t, 4)
	if got, err := LongestSlice(); got != shortest || err != nil {
		t.Errorf("with new threads the slice is %v, %v; want %v", got, err, shortest)
	}
	if err := SetSlice(0); err != nil {
		t.Fatal(err)
	}
	if got, err := LongestSlice(); got != byDefault || err != nil {
		t.Errorf("the default is %v, %v; want %v", got, err, byDefault)
	}
}

// grantsSlices reports whether this kernel is Linux 6.12 or later.
func grantsSlices(t *testing.T) bool {
	t.Helper()
	var name unix.Utsname
	if err := unix.Uname(&name); err != nil {
		t.Fatal(err)
	}
	var major, minor int
	release := unix.ByteSliceToString(name.Release[:])
	if _, err := fmt.Sscanf(release, "%d.%d", &major, &minor); err != nil {
		t.Fatalf("release %q: %v", release, err)
	}
	return major > 6 || major == 6 && minor >= 12
}

// lockThreads keeps n threads until the test ends.
func lockThreads(t *testing.T, n int) {
	t.Helper()
	var started sync.WaitGroup
	ended := make(chan struct{})
	t.Cleanup(func() { close(ended) })
	for range n {
		started.Add(1)
		go func() {
			runtime.LockOSThread()
			started.Done()
			<-ended
		}()
	}
	started.Wait()
}

// loopVariable makes the test's program run the idle loop.
const loopVariable = "RUNTIMELAB_TEST_IDLE_LOOP"

func TestMain(m *testing.M) {
	if os.Getenv(loopVariable) != "" {
		if err := RunIdleLoop(context.Background()); err != nil {
			fmt.Fprintln(os.Stderr, err)
			os.Exit(1)
		}
	}
	os.Exit(m.Run())
}

// All threads of the loop have idle priority, and one is pinned to each CPU and uses it.
func TestTheIdleLoopRunsOnEachCPUAtIdlePriority(t *testing.T) {
	program, err := os.Executable()
	if err != nil {
		t.Fatal(err)
	}
	loop := exec.CommandContext(t.Context(), program)
	loop.Env = append(os.Environ(), loopVariable+"=1")
	if err := loop.Start(); err != nil {
		t.Fatal(err)
	}
	defer func() {
		_ = loop.Process.Kill()
		_ = loop.Wait() // it was killed
	}()
	var cpus unix.CPUSet
	if err := unix.SchedGetaffinity(0, &cpus); err != nil {
		t.Fatal(err)
	}
	const longest = time.Minute // the machine may be busy
	for began := time.Now(); ; time.Sleep(10 * time.Millisecond) {
		pinned, err := spinning(loop.Process.Pid)
		if err == nil && pinned == cpus {
			return
		}
		if time.Since(began) > longest {
			t.Fatalf("the loop runs on CPUs %v, want %v: %v", pinned, cpus, err)
		}
	}
}

// spinning returns the CPUs to which a thread of a process is pinned that has used CPU time. It is an
// error if a thread has another policy than SCHED_IDLE.
func spinning(pid int) (cpus unix.CPUSet, err error) {
	threads, err := os.ReadDir(fmt.Sprintf("/proc/%d/task", pid))
	if err != nil {
		return cpus, err
	}
	for _, thread := range threads {
		var id int
		if _, err := fmt.Sscan(thread.Name(), &id); err != nil {
			return cpus, err
		}
		attr, err := unix.SchedGetAttr(id, 0)
		if err != nil {
			return cpus, err
		}
		if attr.Policy != unix.SCHED_IDLE {
			return cpus, fmt.Errorf("thread %d has policy %d", id, attr.Policy)
		}
		var only unix.CPUSet
		if err := unix.SchedGetaffinity(id, &only); err != nil {
			return cpus, err
		}
		used, err := usesCPU(pid, id)
		if err != nil {
			return cpus, err
		}
		for cpu := range runtime.NumCPU() {
			if used && only.Count() == 1 && only.IsSet(cpu) {
				cpus.Set(cpu)
			}
		}
	}
	return cpus, nil
}

// usesCPU reports whether the kernel was the first to take the CPU from a thread.
func usesCPU(pid, tid int) (bool, error) {
	status, err := os.Open(fmt.Sprintf("/proc/%d/task/%d/status", pid, tid))
	if err != nil {
		return false, err
	}
	defer status.Close()
	for lines := bufio.NewScanner(status); lines.Scan(); {
		if count, found := strings.CutPrefix(lines.Text(), "nonvoluntary_ctxt_switches:"); found {
			return strings.TrimSpace(count) != "0", nil
		}
	}
	return false, errors.New("its status counts no switches")
}
