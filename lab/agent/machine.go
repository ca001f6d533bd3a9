package agent

import (
	"bufio"
	"bytes"
	"errors"
	"fmt"
	"io/fs"
	"net/netip"
	"slices"
	"strconv"
	"strings"
	"time"

	"runtimelab/lab"
	"runtimelab/lab/account"
)

// clockTick is the unit of /proc/stat: USER_HZ, which the kernel fixes at 100 for user space on
// every architecture that the lab runs on (proc(5)).
const clockTick = 10 * time.Millisecond

// maxCPUCapacity is the kernel's capacity of a machine's fastest CPUs, and of every CPU if all are
// alike (Documentation/scheduler/sched-capacity.rst).
const maxCPUCapacity = 1024

// Machine reads the state of the machine, and of the namespaces that this process runs in. Its
// fields are replaced in tests.
type Machine struct {
	startedAt time.Time // wall time of the process's start

	// clock returns the wall time, and the monotonic time since the start.
	clock func() (time.Time, time.Duration)

	root     fs.FS // the file system from /, for /proc and /sys
	affinity func() ([]int, error)

	// processUsage returns the CPU time and the voluntary context switches of this process.
	processUsage  func() (time.Duration, int64, error)
	kernelRelease func() (string, error)
	nofile        func() (int, error) // hard limit of open files

	pin        func(cpu int) error           // pins the calling thread
	threadTime func() (time.Duration, error) // CPU time of the calling thread

	// processTime returns the CPU time of a process by its clock. It is nil if the system has no such clock.
	processTime func(pid int) (time.Duration, error)
	// backlogs returns how many connections each listening socket may queue. Nil: the kernel is not asked.
	backlogs func() (map[netip.AddrPort]int, error)
	// setSlice asks for a time slice of this process's threads, 0 for the default. longestSlice returns
	// the longest that one has; 0: the kernel does not tell.
	setSlice     func(time.Duration) error
	longestSlice func() (time.Duration, error)

	orphans  *orphans  // nil: this process is not the first of its namespace
	services *services // of the cell
	spool    string    // folder for kept hits
}

// Topology returns the CPUs in this process's affinity mask, and what the namespaces around it
// contain.
func (m Machine) Topology() (lab.Topology, error) {
	ids, err := m.affinity()
	if err != nil {
		return lab.Topology{}, err
	}
	t := lab.Topology{Sysctls: make(map[string]int)}
	slow := m.readCPUList("sys/devices/cpu_atom/cpus") // the efficiency cores of a hybrid x86
	for _, id := range ids {
		t.CPUs = append(t.CPUs, m.describeCPU(id, slow))
	}
	if t.Interfaces, err = m.interfaces(); err != nil {
		return t, err
	}
	if t.Kernel, err = m.kernelRelease(); err != nil {
		return t, err
	}
	if t.Nofile, err = m.nofile(); err != nil {
		return t, err
	}
	t.Conditions = m.conditions(t.CPUs)
	t.CPUModel, t.Hardware = m.hardware()
	t.MemoryBytes = m.memoryBytes()
	t.Sysctls["net.core.somaxconn"] = m.readInt("proc/sys/net/core/somaxconn", 0)
	if ports := strings.Fields(m.readText("proc/sys/net/ipv4/ip_local_port_range")); len(ports) == 2 {
		t.Sysctls["net.ipv4.ip_local_port_range.first"], _ = strconv.Atoi(ports[0])
		t.Sysctls["net.ipv4.ip_local_port_range.last"], _ = strconv.Atoi(ports[1])
	}
	return t, nil
}

// describeCPU returns a CPU of the machine. slow lists the efficiency cores, whose capacity x86
// kernels do not report.
func (m Machine) describeCPU(id int, slow []int) lab.CPU {
	dir := fmt.Sprintf("sys/devices/system/cpu/cpu%d/", id)
	cpu := lab.CPU{
		ID:       id,
		Package:  m.readInt(dir+"topology/physical_package_id", 0),
		Siblings: m.readCPUList(dir + "topology/thread_siblings_list"),
		Capacity: m.readInt(dir+"cpu_capacity", maxCPUCapacity),
	}
	if len(cpu.Siblings) == 0 {
		cpu.Siblings = []int{id}
	}
	if slices.Contains(slow, id) {
		cpu.Capacity = maxCPUCapacity / 2 // the real ratio is unknown; the layout needs only the order
	}
	return cpu
}

// interfaces returns the names of the network interfaces in this namespace.
func (m Machine) interfaces() ([]string, error) {
	table, err := fs.ReadFile(m.root, "proc/net/dev")
	if err != nil {
		return nil, fmt.Errorf("reading the network interfaces: %w", err)
	}
	var names []string
	for line := range strings.Lines(string(table)) {
		if name, _, isRow := strings.Cut(line, ":"); isRow {
			names = append(names, strings.TrimSpace(name))
		}
	}
	return names, nil
}

// memoryBytes returns the size of the machine's memory, or 0 if unknown.
func (m Machine) memoryBytes() int64 {
	for line := range strings.Lines(m.readText("proc/meminfo")) {
		if f := strings.Fields(line); len(f) == 3 && f[0] == "MemTotal:" {
			kib, _ := strconv.ParseInt(f[1], 10, 64)
			return kib * 1024
		}
	}
	return 0
}

// takeReading reads the CPU times of the whole host, of this process and of the cell's services.
func (m Machine) takeReading() (account.Reading, error) {
	wall, since := m.clock()
	r := account.Reading{At: m.startedAt.Add(since).UTC()}
	r.ClockStep = wall.Sub(r.At)
	var err error
	if r.Services, err = m.readUsage(); err != nil {
		return r, err
	}
	if r.GeneratorCPU, r.Sleeps, err = m.processUsage(); err != nil {
		return r, err
	}
	r.CPUs, err = m.cpuTimes()
	return r, err
}

// cpuTimes returns the CPU times of every CPU of the host since boot.
func (m Machine) cpuTimes() ([]account.CPUTime, error) {
	stat, err := fs.ReadFile(m.root, "proc/stat")
	if err != nil {
		return nil, fmt.Errorf("reading CPU times: %w", err)
	}
	times, err := parseStat(stat)
	if err != nil {
		return nil, fmt.Errorf("reading CPU times: %w", err)
	}
	return times, nil
}

// parseStat parses the per-CPU lines of /proc/stat: cpuN user nice system idle iowait irq softirq
// steal guest guest_nice, in ticks (proc(5)). User time includes guest time.
func parseStat(stat []byte) ([]account.CPUTime, error) {
	var out []account.CPUTime
	lines := bufio.NewScanner(bytes.NewReader(stat))
	for lines.Scan() {
		f := strings.Fields(lines.Text())
		if len(f) < 9 || !strings.HasPrefix(f[0], "cpu") || f[0] == "cpu" {
			continue
		}
		id, err := strconv.Atoi(f[0][len("cpu"):])
		if err != nil {
			return nil, fmt.Errorf("%q is not a CPU: %w", f[0], err)
		}
		var ticks [8]time.Duration
		for i := range ticks {
			n, err := strconv.ParseInt(f[i+1], 10, 64)
			if err != nil {
				return nil, fmt.Errorf("%s, field %d: %w", f[0], i+1, err)
			}
			ticks[i] = time.Duration(n) * clockTick
		}
		out = append(out, account.CPUTime{
			ID:         id,
			Busy:       ticks[0] + ticks[1] + ticks[2] + ticks[5] + ticks[6],
			Idle:       ticks[3] + ticks[4],
			Steal:      ticks[7],
			Interrupts: ticks[5] + ticks[6],
		})
	}
	if len(out) == 0 {
		return nil, errors.New("there are no lines for CPUs")
	}
	return out, nil
}

// readText returns the content of a small file without surrounding white space, or "" if it cannot
// be read.
func (m Machine) readText(path string) string {
	b, err := fs.ReadFile(m.root, path)
	if err != nil {
		return ""
	}
	return strings.TrimSpace(string(b))
}

// readInt returns the number in a file, or otherwise if there is none.
func (m Machine) readInt(path string, otherwise int) int {
	n, err := strconv.Atoi(m.readText(path))
	if err != nil {
		return otherwise
	}
	return n
}

// readCPUList reads a list in the kernel's format, such as "0-2,5". It returns nil for anything
// else.
func (m Machine) readCPUList(path string) []int {
	var out []int
	for part := range strings.SplitSeq(m.readText(path), ",") {
		first, last, isRange := strings.Cut(part, "-")
		from, err := strconv.Atoi(first)
		if err != nil {
			return nil
		}
		to := from
		if isRange {
			if to, err = strconv.Atoi(last); err != nil {
				return nil
			}
		}
		for id := from; id <= to; id++ {
			out = append(out, id)
		}
	}
	return out
}
