package agent

import (
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"runtime"
	"strconv"

	"golang.org/x/sys/unix"
)

// KeepAwake keeps a CPU from falling asleep until in ends: it does nothing,
// without end, at the one priority (SCHED_IDLE, sched(7)) that gives way at once
// to whatever else wants to run in its control group. It says on out when it has
// begun. It takes a process of its own: a thread that never stops would take
// part in Go's scheduling of the others.
func KeepAwake(cpu int, in io.Reader, out io.Writer) error {
	runtime.LockOSThread()
	attributes, err := unix.SchedGetAttr(0, 0)
	if err != nil {
		return fmt.Errorf("keeping CPU %d awake: reading its priority: %w", cpu, err)
	}
	if attributes.Policy != unix.SCHED_IDLE {
		return lastAndLeast(cpu)
	}
	go func() {
		_, _ = io.Copy(io.Discard, in) // until whoever wants this CPU awake is gone
		os.Exit(0)
	}()
	if _, err := io.WriteString(out, "awake\n"); err != nil {
		return fmt.Errorf("keeping CPU %d awake: %w", cpu, err)
	}
	for {
		pause()
	}
}

// lastAndLeast starts the program anew where it may use no other CPU and has no
// priority: so has every thread of Go's then, which this thread's attributes
// alone would not do for.
func lastAndLeast(cpu int) error {
	if err := pin(cpu); err != nil {
		return err
	}
	if err := unix.SchedSetAttr(0, &unix.SchedAttr{Size: unix.SizeofSchedAttr, Policy: unix.SCHED_IDLE}, 0); err != nil {
		return fmt.Errorf("keeping CPU %d awake: giving up all priority: %w", cpu, err)
	}
	if err := unix.Exec(ownProgram, os.Args, os.Environ()); err != nil {
		return fmt.Errorf("keeping CPU %d awake: starting anew: %w", cpu, err)
	}
	return nil
}

// pause does nothing for some microseconds.
func pause()

const ownProgram = "/proc/self/exe"

// watch has a process of this program keep a CPU awake.
func watch(cpu int) (pid int, end func() error, err error) {
	keeper := exec.Command(ownProgram, VerbAwake, strconv.Itoa(cpu))
	keeper.Stderr = os.Stderr
	in, err := keeper.StdinPipe()
	if err != nil {
		return 0, nil, fmt.Errorf("keeping CPU %d awake: %w", cpu, err)
	}
	out, err := keeper.StdoutPipe()
	if err != nil {
		return 0, nil, errors.Join(fmt.Errorf("keeping CPU %d awake: %w", cpu, err), in.Close())
	}
	if err := keeper.Start(); err != nil {
		return 0, nil, fmt.Errorf("keeping CPU %d awake: %w", cpu, err)
	}
	end = func() error {
		_ = keeper.Process.Kill() // one that has ended needs no killing
		if err := keeper.Wait(); err != nil && !errors.As(err, new(*exec.ExitError)) {
			return fmt.Errorf("letting CPU %d sleep again: %w", cpu, err)
		}
		return nil
	}
	if _, err := io.ReadFull(out, make([]byte, len("awake\n"))); err != nil {
		return 0, nil, errors.Join(fmt.Errorf("keeping CPU %d awake: its keeper ended: %w", cpu, err), end())
	}
	return keeper.Process.Pid, end, nil
}
