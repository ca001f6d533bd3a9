package agent

import (
	"bufio"
	"bytes"
	"errors"
	"fmt"
	"io/fs"
	"slices"
	"strconv"
	"strings"
	"time"

	"runtimelab/lab"
)

// clockTick is the unit of /proc/stat: USER_HZ, which the kernel fixes at 100 for
// user space on every architecture that the lab runs on (proc(5)).
const clockTick = 10 * time.Millisecond

// maxCPUCapacity is the kernel's measure of the fastest CPU of a machine, and of
// every CPU where all are alike (Documentation/scheduler/sched-capacity.rst).
const maxCPUCapacity = 1024

// Machine reads the machine and the namespace that a process finds itself in.
type Machine struct {
	startedAt time.Time // when the process did, by the time of day
	// the time of day, and the time since by a clock that nobody sets
	clock func() (time.Time, time.Duration)

	root     fs.FS // the file system from /, for /proc and /sys
	affinity func() ([]int, error)
	// CPU time of this process, and how often it gave up the CPU
	processUsage  func() (time.Duration, int64, error)
	kernelRelease func() (string, error)
	nofile        func() (int, error) // hard limit

	pin        func(cpu int) error           // the calling thread
	threadTime func() (time.Duration, error) // CPU time of the calling thread
	// CPU time of a process by its clock; nil where there is none
	processTime func(pid int) (time.Duration, error)
	spool       string // folder where hits are kept
}

// Topology describes the CPUs in this process's affinity mask, and the
// namespace around it.
func (m Machine) Topology() (lab.Topology, error) {
	ids, err := m.affinity()
	if err != nil {
		return lab.Topology{}, err
	}
	t := lab.Topology{Sysctls: make(map[string]int)}
	slow := m.readCPUList("sys/devices/cpu_atom/cpus") // the efficient cores of a hybrid x86
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
		cpu.Capacity = maxCPUCapacity / 2 // its true share is unknown; that it is slower is what counts
	}
	return cpu
}

// interfaces names the network interfaces of this namespace.
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

func (m Machine) memoryBytes() int64 {
	for line := range strings.Lines(m.readText("proc/meminfo")) {
		if f := strings.Fields(line); len(f) == 3 && f[0] == "MemTotal:" {
			kib, _ := strconv.ParseInt(f[1], 10, 64)
			return kib * 1024
		}
	}
	return 0
}

// takeReading takes a reading of the whole host's CPUs, of this process and of the
// cell's servers.
func (m Machine) takeReading() (lab.Reading, error) {
	day, since := m.clock()
	r := lab.Reading{At: m.startedAt.Add(since).UTC()}
	r.ClockStep = day.Sub(r.At)
	others, err := m.accounts()
	if err != nil {
		return r, err
	}
	if r.GeneratorCPU, r.Sleeps, err = m.processUsage(); err != nil {
		return r, err
	}
	r.Threads, r.Processes, r.UpstreamCPU = others.threads, others.processes, others.upstream
	r.Sleeps += others.upstreamSleeps
	r.CPUs, err = m.cpuTimes()
	return r, err
}

func (m Machine) cpuTimes() ([]lab.CPUTime, error) {
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

// parseStat reads the per-CPU lines of /proc/stat: cpuN user nice system idle
// iowait irq softirq steal guest guest_nice, in ticks (proc(5)). Guest time is
// part of user time.
func parseStat(stat []byte) ([]lab.CPUTime, error) {
	var out []lab.CPUTime
	lines := bufio.NewScanner(bytes.NewReader(stat))
	for lines.Scan() {
		f := strings.Fields(lines.Text())
		if len(f) < 9 || !strings.HasPrefix(f[0], "cpu") || f[0] == "cpu" {
			continue
		}
		id, err := strconv.Atoi(f[0][len("cpu"):])
		if err != nil {
			return nil, fmt.Errorf("%q is no CPU: %w", f[0], err)
		}
		var ticks [8]time.Duration
		for i := range ticks {
			n, err := strconv.ParseInt(f[i+1], 10, 64)
			if err != nil {
				return nil, fmt.Errorf("%s, field %d: %w", f[0], i+1, err)
			}
			ticks[i] = time.Duration(n) * clockTick
		}
		out = append(out, lab.CPUTime{
			ID:    id,
			Busy:  ticks[0] + ticks[1] + ticks[2] + ticks[5] + ticks[6],
			Idle:  ticks[3] + ticks[4],
			Steal: ticks[7],

			Interrupts: ticks[5] + ticks[6],
		})
	}
	if len(out) == 0 {
		return nil, errors.New("no cpu lines")
	}
	return out, nil
}

// readText is a small file's content without its last newline, empty where there
// is no such file.
func (m Machine) readText(path string) string {
	b, err := fs.ReadFile(m.root, path)
	if err != nil {
		return ""
	}
	return strings.TrimSpace(string(b))
}

func (m Machine) readInt(path string, otherwise int) int {
	n, err := strconv.Atoi(m.readText(path))
	if err != nil {
		return otherwise
	}
	return n
}

// readCPUList reads the kernel's list format: "0-2,5". What is not such a list is
// empty.
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
