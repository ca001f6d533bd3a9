package agent

import (
	"fmt"
	"io/fs"
	"maps"
	"slices"
	"strconv"
	"strings"
	"time"

	"runtimelab/lab/account"
)

// agentPID is the agent's process in the cell's PID namespace, whose first process it is.
const agentPID = 1

// cellUsage is the CPU usage of all processes in the cell but the agent, by service. agentPID stands
// for the orphans of a service.
type cellUsage []account.ServiceUsage

// of returns the usage of a service. It is valid until of is called for another.
func (u *cellUsage) of(service string) *account.ServiceUsage {
	i := slices.IndexFunc(*u, func(s account.ServiceUsage) bool { return s.Name == service })
	if i < 0 {
		i = len(*u)
		*u = append(*u, account.ServiceUsage{Name: service})
	}
	return &(*u)[i]
}

// maxReadings is how often the usage is read at most, until no process ends meanwhile.
const maxReadings = 3

// readUsage reads the CPU usage of every process and thread that the agent sees. If a process ends
// after its parent was read and before it is read itself, neither reading contains its time.
// readUsage therefore repeats the reading while processes end. A server that starts a process per
// request may always end some; the time that is missed then is short.
func (m Machine) readUsage() (u cellUsage, err error) {
	if m.orphans != nil {
		m.orphans.mu.Lock() // an orphan counts once: as a process, or among those that were waited for
		defer m.orphans.mu.Unlock()
		m.orphans.reapAll(m.serviceOf)
	}
	processes, err := m.otherProcesses()
	if err != nil {
		return u, err
	}
	for range maxReadings {
		u = m.usageOf(processes)
		after, err := m.otherProcesses()
		if err != nil {
			return u, err
		}
		if slices.Equal(processes, after) {
			break
		}
		processes = after
	}
	if m.orphans == nil {
		return u, nil
	}
	for _, service := range slices.Sorted(maps.Keys(m.orphans.cpu)) {
		used := u.of(service)
		used.Processes = append(used.Processes, account.Process{PID: agentPID, Children: m.orphans.cpu[service]})
	}
	return u, nil
}

// otherProcesses lists the processes that the agent sees besides itself.
func (m Machine) otherProcesses() (pids []int, err error) {
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

// usageOf reads the CPU usage of these processes. It leaves out processes and threads that have
// ended.
func (m Machine) usageOf(pids []int) (u cellUsage) {
	for _, s := range m.services.all() {
		u = append(u, account.ServiceUsage{Name: s.Name}) // also of a service that has no process left
	}
	for _, pid := range pids {
		service := m.serviceOf(pid)
		threads := m.readThreads(pid)
		process, known := m.readProcess(pid, threads)
		if !known {
			continue
		}
		used := u.of(service)
		used.Threads = append(used.Threads, threads...)
		used.Processes = append(used.Processes, process)
	}
	return u
}

// readProcess returns the CPU times of a process whose threads have been read. It reads the
// process's clock (clock_getcpuclockid(3)), which is exact to the nanosecond. Without that clock it
// returns the larger of two sums: the times of the threads, and the process's own in ticks, which
// include threads that have ended.
func (m Machine) readProcess(pid int, threads []account.Thread) (p account.Process, known bool) {
	stat, counted := m.readStat(fmt.Sprintf("proc/%d/stat", pid))
	p = account.Process{PID: pid, Children: stat.children}
	if m.processTime != nil {
		if used, err := m.processTime(pid); err == nil {
			p.CPU = used
			return p, true
		}
	}
	for _, t := range threads {
		p.CPU += t.CPU
	}
	p.CPU = max(p.CPU, stat.self)
	return p, counted || len(threads) > 0
}

// readThreads returns the threads of a process with their CPU times.
func (m Machine) readThreads(pid int) (threads []account.Thread) {
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
			threads = append(threads, account.Thread{PID: pid, TID: tid, CPU: used, Sleeps: sleeps})
		}
	}
	return threads
}

// threadCPU returns the CPU time of a thread: in nanoseconds if the kernel has schedstat
// (Documentation/scheduler/sched-stats.rst), otherwise in ticks.
func (m Machine) threadCPU(pid, tid int) (time.Duration, bool) {
	dir := fmt.Sprintf("proc/%d/task/%d/", pid, tid)
	if f := strings.Fields(m.readText(dir + "schedstat")); len(f) == 3 {
		ns, err := strconv.ParseInt(f[0], 10, 64)
		return time.Duration(ns), err == nil
	}
	stat, known := m.readStat(dir + "stat")
	return stat.self, known
}

// statTimes holds the CPU times of a stat file, which count in ticks: of the thread or process
// itself, and of the children that have ended and that it has waited for.
type statTimes struct{ self, children time.Duration }

// readStat reads fields 14 to 17 of a stat file: utime, stime, cutime and cstime (proc(5)).
func (m Machine) readStat(path string) (t statTimes, ok bool) {
	f := m.statFields(path)
	if len(f) < 15 {
		return t, false
	}
	var times [4]time.Duration
	for i := range times {
		n, err := strconv.ParseInt(f[11+i], 10, 64)
		if err != nil {
			return t, false
		}
		times[i] = time.Duration(n) * clockTick
	}
	return statTimes{self: times[0] + times[1], children: times[2] + times[3]}, true
}

// statFields returns the fields of a stat file from the third on: the name of a thread, in
// brackets, may contain anything, and they follow its last bracket.
func (m Machine) statFields(path string) []string {
	stat := m.readText(path)
	name := strings.LastIndex(stat, ") ")
	if name < 0 {
		return nil
	}
	return strings.Fields(stat[name+len(") "):])
}

// threadSleeps returns how often a thread gave up the CPU because it had nothing to do (proc(5),
// /proc/[pid]/status).
func (m Machine) threadSleeps(pid, tid int) int64 {
	for line := range strings.Lines(m.readText(fmt.Sprintf("proc/%d/task/%d/status", pid, tid))) {
		if value, ok := strings.CutPrefix(line, "voluntary_ctxt_switches:"); ok {
			n, _ := strconv.ParseInt(strings.TrimSpace(value), 10, 64)
			return n
		}
	}
	return 0
}
