package agent

import (
	"fmt"
	"io/fs"
	"strconv"
	"strings"
	"time"

	"runtimelab/lab"
)

// self is the agent's process in a cell's namespace, which begins with it.
const self = 1

// threads is the account of every thread of the other processes that this one
// can see: the servers of its cell, and apart from them the lab's own upstream.
// One that ends meanwhile is left out.
func (m Machine) threads() (servers, upstream []lab.Thread, err error) {
	processes, err := fs.ReadDir(m.root, "proc")
	if err != nil {
		return nil, nil, fmt.Errorf("listing the cell's processes: %w", err)
	}
	for _, p := range processes {
		pid, err := strconv.Atoi(p.Name())
		if err != nil || pid == self {
			continue
		}
		if m.isUpstream(pid) {
			upstream = append(upstream, m.threadsOf(pid)...)
		} else {
			servers = append(servers, m.threadsOf(pid)...)
		}
	}
	return servers, upstream, nil
}

func (m Machine) threadsOf(pid int) (threads []lab.Thread) {
	tasks, err := fs.ReadDir(m.root, fmt.Sprintf("proc/%d/task", pid))
	if err != nil {
		return nil // it has ended
	}
	for _, task := range tasks {
		tid, err := strconv.Atoi(task.Name())
		if err != nil {
			continue
		}
		if used, ok := m.threadCPU(pid, tid); ok {
			threads = append(threads, lab.Thread{PID: pid, TID: tid, CPU: used, Sleeps: m.threadSleeps(pid, tid)})
		}
	}
	return threads
}

// isUpstream reports whether a process is "agent serve upstream": arguments end
// in zero bytes (proc(5), /proc/[pid]/cmdline).
func (m Machine) isUpstream(pid int) bool {
	arguments := strings.Split(m.text(fmt.Sprintf("proc/%d/cmdline", pid)), "\x00")
	return len(arguments) >= 3 && arguments[0] == "/agent" && arguments[1] == "serve" && arguments[2] == "upstream"
}

// threadCPU is the CPU time of a thread: to the nanosecond where the kernel
// keeps schedstat (Documentation/scheduler/sched-stats.rst), in ticks from
// fields 14 and 15 of stat elsewhere (proc(5)).
func (m Machine) threadCPU(pid, tid int) (time.Duration, bool) {
	dir := fmt.Sprintf("proc/%d/task/%d/", pid, tid)
	if f := strings.Fields(m.text(dir + "schedstat")); len(f) == 3 {
		ns, err := strconv.ParseInt(f[0], 10, 64)
		return time.Duration(ns), err == nil
	}
	// A thread's name may hold anything, and is the only field in brackets.
	_, after, ok := cutLast(m.text(dir+"stat"), ") ")
	f := strings.Fields(after)
	if !ok || len(f) < 13 {
		return 0, false
	}
	user, errUser := strconv.ParseInt(f[11], 10, 64)
	system, errSystem := strconv.ParseInt(f[12], 10, 64)
	return time.Duration(user+system) * tick, errUser == nil && errSystem == nil
}

// threadSleeps is how often a thread gave up the CPU because it had nothing to
// do (proc(5), /proc/[pid]/status).
func (m Machine) threadSleeps(pid, tid int) int64 {
	for line := range strings.Lines(m.text(fmt.Sprintf("proc/%d/task/%d/status", pid, tid))) {
		if value, ok := strings.CutPrefix(line, "voluntary_ctxt_switches:"); ok {
			n, _ := strconv.ParseInt(strings.TrimSpace(value), 10, 64)
			return n
		}
	}
	return 0
}

func cutLast(s, sep string) (before, after string, found bool) {
	i := strings.LastIndex(s, sep)
	if i < 0 {
		return s, "", false
	}
	return s[:i], s[i+len(sep):], true
}
