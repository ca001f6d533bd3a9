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

// process identifies a process by id and start time, so that a reused id is not mistaken for it.
type process struct {
	PID     int    `json:"pid"`
	Started uint64 `json:"started"` // clock ticks since boot
}

// findProcess returns the process with this id. It returns an error if that process has ended or
// has another name.
func findProcess(pid int, name string) (process, error) {
	text, err := os.ReadFile(fmt.Sprintf("/proc/%d/stat", pid))
	if err != nil {
		return process{}, fmt.Errorf("looking for process %d: %w", pid, err)
	}
	// The line is "123 (comm) S ppid …"; comm may contain spaces and brackets.
	open, end := strings.IndexByte(string(text), '('), strings.LastIndexByte(string(text), ')')
	if open < 0 || end < open {
		return process{}, fmt.Errorf("reading /proc/%d/stat: it has no name", pid)
	}
	fields := strings.Fields(string(text[end+1:])) // begins with field 3 of proc(5)
	if comm := string(text[open+1 : end]); comm != name {
		return process{}, fmt.Errorf("process %d is %s, not %s", pid, comm, name)
	}
	if len(fields) < 20 || fields[0] == "Z" {
		return process{}, fmt.Errorf("process %d has ended", pid)
	}
	started, err := strconv.ParseUint(fields[19], 10, 64)
	if err != nil {
		return process{}, fmt.Errorf("reading the start time of process %d: %w", pid, err)
	}
	return process{PID: pid, Started: started}, nil
}

// isRunning reports whether the process still runs, under this name.
func (p process) isRunning(name string) bool {
	now, err := findProcess(p.PID, name)
	return err == nil && now == p
}

// terminate sends SIGTERM to the process and waits until it has ended.
func (p process) terminate(ctx context.Context, name string, timeout time.Duration) error {
	if err := syscall.Kill(p.PID, syscall.SIGTERM); err != nil && !errors.Is(err, syscall.ESRCH) {
		return fmt.Errorf("stopping process %d: %w", p.PID, err)
	}
	deadline := time.After(timeout)
	for p.isRunning(name) {
		select {
		case <-ctx.Done():
			return context.Cause(ctx)
		case <-deadline:
			return fmt.Errorf("process %d (%s) has not ended within %v of SIGTERM", p.PID, name, timeout)
		case <-time.After(100 * time.Millisecond):
		}
	}
	return nil
}

// pidFromFile returns the process id in a file, or 0 if that process does not run under this name.
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

// removeStalePIDFile removes the file of a process that has ended. Otherwise dockerd takes any
// process with that id for another dockerd, and does not start.
func removeStalePIDFile(file, name string) error {
	if _, err := os.Stat(file); err != nil || pidFromFile(file, name) != 0 {
		return nil
	}
	if err := os.Remove(file); err != nil && !errors.Is(err, os.ErrNotExist) {
		return fmt.Errorf("removing the stale pid file %s: %w", file, err)
	}
	return nil
}
