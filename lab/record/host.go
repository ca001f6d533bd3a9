package record

import (
	"fmt"
	"strings"

	"runtimelab/lab"
)

// Host describes the machine that measured.
type Host struct {
	ID       string       `json:"id"` // the value of the column host_id
	Topology lab.Topology `json:"topology"`
}

// HostOf returns the Host with a topology. Its id depends on the CPU model, the number of CPUs, the
// kernel, the machine type and the memory size. These survive a reboot. A kernel update gives
// another id, because it may change the results.
//
// Machines of one type share an id: the results do not depend on which of them measured, and the
// reference servers show if one is slower. The id contains nothing that identifies an owner or a
// single machine. The id in /etc/machine-id is not used: it is copied with a disk, changes with a
// new one, and is wrong if the engine runs on another machine.
func HostOf(t lab.Topology) Host {
	parts := append([]string{t.CPUModel, t.Kernel, fmt.Sprint(len(t.CPUs)), memorySize(t.MemoryBytes)},
		t.Hardware...)
	return Host{ID: HostID(parts...), Topology: t}
}

// memorySize returns the size in which a machine's memory is sold: the next power of two, or one
// and a half times one. A kernel reports some per cent less, and a few pages more or fewer after
// each boot. Reported values lie far from the limits between sizes.
func memorySize(bytes int64) string {
	for size := int64(1 << 20); size > 0; size *= 2 {
		for _, s := range []int64{size, size + size/2} {
			if bytes <= s {
				return fmt.Sprintf("%d MiB", s>>20)
			}
		}
	}
	return "unknown"
}

// fromOlderLab reports whether a lab before schema 5 identified the host. Such an id depends on the
// CPU's model name, which is empty on arm64, and on the exact memory size.
func (h Host) fromOlderLab() bool { return len(h.Topology.Hardware) == 0 }

// Same reports whether two runs were measured on the same machine. If a lab before schema 5
// identified one of them, Same compares the facts that both labs recorded. If such a run names no
// CPU, only the ids count.
func (h Host) Same(other Host) bool {
	if h.ID == other.ID {
		return true
	}
	a, b := h.Topology, other.Topology
	return (h.fromOlderLab() || other.fromOlderLab()) &&
		a.CPUModel != "" && a.CPUModel == b.CPUModel && a.Kernel == b.Kernel &&
		len(a.CPUs) == len(b.CPUs) && memorySize(a.MemoryBytes) == memorySize(b.MemoryBytes)
}

// Facts returns the properties that identify a host, by name, for messages.
func (h Host) Facts() map[string]string {
	t := h.Topology
	return map[string]string{
		"CPU": t.CPUModel, "kernel": t.Kernel, "CPUs": fmt.Sprint(len(t.CPUs)), "memory": memorySize(t.MemoryBytes),
		"hardware": strings.Join(t.Hardware, "; "),
	}
}
