package agent

import (
	"fmt"
	"io/fs"
	"slices"
	"strconv"
	"strings"
	"time"

	"runtimelab/lab"
)

// agentPID is the agent's process in a cell's namespace, which begins with it.
const agentPID = 1

// accounts are those of the other processes that the agent can see.
type accounts struct {
	threads   []lab.Thread  // of the cell's servers
	processes []lab.Process // of the cell's servers

	upstream       time.Duration // CPU time of the lab's own upstream
	upstreamSleeps int64
}

// steadyReadings is how often accounts are read at most until no process ended meanwhile.
const steadyReadings = 3

// accounts reads the account of every process and thread that the agent can see. A process that
// ends between the readings of its parent and of itself is in neither account, so the reading is
// repeated while processes end. Servers that start one for each request may end some each time:
// what is lost then is as short as they are.
func (m Machine) accounts() (a accounts, err error) {
	processes, err := m.others()
	if err != nil {
		return a, err
	}
	for range steadyReadings {
		a = m.accountsOf(processes)
		after, err := m.others()
		if err != nil {
			return a, err
		}
		if slices.Equal(processes, after) {
			break
		}
		processes = after
	}
	return a, nil
}

// others lists the processes that the agent can see beside itself.
func (m Machine) others() (pids []int, err error) {
	all, err := fs.ReadDir(m.root, "proc")
	if err != nil {
		return nil, fmt.Errorf("listing the cell's processes: %w", err)
	}
	for _, p := range all {
		if pid, err := strconv.Atoi(p.Name()); err == nil && pid != agentPID {
			pids = append(pids, pid)
		}
	}
	return pids, nil
}

// accountsOf leaves out a process or thread that has ended.
func (m Machine) accountsOf(pids []int) (a accounts) {
	for _, pid := range pids {
		threads := m.threadsOf(pid)
		process, known := m.process(pid, threads)
		if m.isUpstream(pid) {
			a.upstream += process.CPU + process.Children
			for _, t := range threads {
				a.upstreamSleeps += t.Sleeps
			}
			continue
		}
		a.threads = append(a.threads, threads...)
		if known {
			a.processes = append(a.processes, process)
		}
	}
	return a
}

// process is the account of a process whose threads have been read. Its CPU time is that of its
// clock (clock_getcpuclockid(3)), exact to the nanosecond; where there is none, that of its threads
// or of its own account, which counts in ticks and includes threads that have ended, whichever is
// more.
func (m Machine) process(pid int, threads []lab.Thread) (p lab.Process, known bool) {
	stat, counted := m.stat(fmt.Sprintf("proc/%d/stat", pid))
	p = lab.Process{PID: pid, Children: stat.children}
	if m.processTime != nil {
		if used, err := m.processTime(pid); err == nil {
			p.CPU = used
			return p, true
		}
	}
	for _, t := range threads {
		p.CPU += t.CPU
	}
	p.CPU = max(p.CPU, stat.own)
	return p, counted || len(threads) > 0
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
			sleeps := m.threadSleeps(pid, tid)
			threads = append(threads, lab.Thread{PID: pid, TID: tid, CPU: used, Sleeps: sleeps})
		}
	}
	return threads
}

// isUpstream reports whether a process is "agent serve upstream": arguments end
// in zero bytes (proc(5), /proc/[pid]/cmdline).
func (m Machine) isUpstream(pid int) bool {
	arguments := strings.Split(m.readText(fmt.Sprintf("proc/%d/cmdline", pid)), "\x00")
	return len(arguments) >= 3 && slices.Equal(arguments[:3], []string{"/agent", "serve", "upstream"})
}

// threadCPU is the CPU time of a thread: to the nanosecond where the kernel
// keeps schedstat (Documentation/scheduler/sched-stats.rst), in ticks elsewhere.
func (m Machine) threadCPU(pid, tid int) (time.Duration, bool) {
	dir := fmt.Sprintf("proc/%d/task/%d/", pid, tid)
	if f := strings.Fields(m.readText(dir + "schedstat")); len(f) == 3 {
		ns, err := strconv.ParseInt(f[0], 10, 64)
		return time.Duration(ns), err == nil
	}
	stat, known := m.stat(dir + "stat")
	return stat.own, known
}

// cpuTimes are those of a stat file, in ticks: of a thread or a process, and of its children that
// have ended and that it has waited for.
type cpuTimes struct{ own, children time.Duration }

// stat reads fields 14 to 17 of a stat file: utime, stime, cutime and cstime (proc(5)).
func (m Machine) stat(path string) (c cpuTimes, ok bool) {
	// A thread's name may hold anything, and is the only field in brackets.
	_, after, ok := cutLast(m.readText(path), ") ")
	f := strings.Fields(after)
	if !ok || len(f) < 15 {
		return c, false
	}
	var times [4]time.Duration
	for i := range times {
		n, err := strconv.ParseInt(f[11+i], 10, 64)
		if err != nil {
			return c, false
		}
		times[i] = time.Duration(n) * clockTick
	}
	return cpuTimes{own: times[0] + times[1], children: times[2] + times[3]}, true
}

// threadSleeps is how often a thread gave up the CPU because it had nothing to
// do (proc(5), /proc/[pid]/status).
func (m Machine) threadSleeps(pid, tid int) int64 {
	for line := range strings.Lines(m.readText(fmt.Sprintf("proc/%d/task/%d/status", pid, tid))) {
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
