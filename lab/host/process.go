package host

import (
	"context"
	"errors"
	"fmt"
	"os"
	"strconv"
	"strings"
	"syscall"
	"time"
)

// process is one process, told from a later one with the same id by when it
// started.
type process struct {
	PID     int    `json:"pid"`
	Started uint64 `json:"started"` // clock ticks since boot
}

// findProcess identifies a process that runs now under a name.
func findProcess(pid int, name string) (process, error) {
	text, err := os.ReadFile(fmt.Sprintf("/proc/%d/stat", pid))
	if err != nil {
		return process{}, fmt.Errorf("looking for process %d: %w", pid, err)
	}
	// 123 (comm) S ppid …: comm may hold spaces and brackets itself.
	open, end := strings.IndexByte(string(text), '('), strings.LastIndexByte(string(text), ')')
	if open < 0 || end < open {
		return process{}, fmt.Errorf("reading /proc/%d/stat: it has no name", pid)
	}
	fields := strings.Fields(string(text[end+1:])) // from field 3 of proc(5) on
	if comm := string(text[open+1 : end]); comm != name {
		return process{}, fmt.Errorf("process %d is %s, not %s", pid, comm, name)
	}
	if len(fields) < 20 || fields[0] == "Z" {
		return process{}, fmt.Errorf("process %d has ended", pid)
	}
	started, err := strconv.ParseUint(fields[19], 10, 64)
	if err != nil {
		return process{}, fmt.Errorf("reading when process %d started: %w", pid, err)
	}
	return process{PID: pid, Started: started}, nil
}

// isRunning says whether it is still there, under its name.
func (p process) isRunning(name string) bool {
	now, err := findProcess(p.PID, name)
	return err == nil && now == p
}

// terminate asks a process to end and waits for it.
func (p process) terminate(ctx context.Context, name string, patience time.Duration) error {
	if err := syscall.Kill(p.PID, syscall.SIGTERM); err != nil && !errors.Is(err, syscall.ESRCH) {
		return fmt.Errorf("stopping process %d: %w", p.PID, err)
	}
	deadline := time.After(patience)
	for p.isRunning(name) {
		select {
		case <-ctx.Done():
			return context.Cause(ctx)
		case <-deadline:
			return fmt.Errorf("process %d (%s) has not ended %v after it was asked to", p.PID, name, patience)
		case <-time.After(100 * time.Millisecond):
		}
	}
	return nil
}

// pidFromFile is the id of the process that a file names, 0 unless it runs
// under this name.
func pidFromFile(file, name string) int {
	text, err := os.ReadFile(file)
	if err != nil {
		return 0
	}
	pid, err := strconv.Atoi(strings.TrimSpace(string(text)))
	if err != nil {
		return 0
	}
	if _, err := findProcess(pid, name); err != nil {
		return 0
	}
	return pid
}

// removeStalePIDFile removes a file that names a process which is gone: dockerd takes
// any process with that id for itself and refuses to start.
func removeStalePIDFile(file, name string) error {
	if _, err := os.Stat(file); err != nil || pidFromFile(file, name) != 0 {
		return nil
	}
	if err := os.Remove(file); err != nil && !errors.Is(err, os.ErrNotExist) {
		return fmt.Errorf("removing the stale %s: %w", file, err)
	}
	return nil
}
