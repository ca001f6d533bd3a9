package record

import (
	"fmt"
	"strings"

	"runtimelab/lab"
)

// Host is the machine that measured.
type Host struct {
	ID       string       `json:"id"` // as in host_id
	Topology lab.Topology `json:"topology"`
}

// HostOf identifies the machine with a topology: by its CPUs and their number, its kernel, its type
// and the size of its memory. All of that is the same after a reboot, and an update of the kernel
// makes it another machine, as its figures may be. Machines of one type are one host: which of them
// measured does not tell their figures apart, and where one is slower the reference servers do.
// Nothing that names an owner or one machine is in it: the id of a machine in /etc is copied with its
// disk, changes with a new one, and is not the engine's machine's where that is another.
func HostOf(t lab.Topology) Host {
	parts := append([]string{t.CPUModel, t.Kernel, fmt.Sprint(len(t.CPUs)), memorySize(t.MemoryBytes)},
		t.Hardware...)
	return Host{ID: HostID(parts...), Topology: t}
}

// memorySize names the size that a machine's memory is sold in, by what its kernel leaves of it:
// some per cent less, and some pages more or fewer after each boot. It is the next power of two, or
// one and a half times one. What a kernel leaves of such a size, or of one between them, lies far
// from these limits.
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

// old reports whether an older lab identified the host: by its CPU's model name, which there is
// none of on arm64, and its memory to the byte.
func (h Host) old() bool { return len(h.Topology.Hardware) == 0 }

// Same reports whether two runs are of the same machine. Where an older lab identified one of them,
// what both labs know of a machine decides; where that names no CPU, the ids alone.
func (h Host) Same(other Host) bool {
	if h.ID == other.ID {
		return true
	}
	a, b := h.Topology, other.Topology
	return (h.old() || other.old()) && a.CPUModel != "" && a.CPUModel == b.CPUModel && a.Kernel == b.Kernel &&
		len(a.CPUs) == len(b.CPUs) && memorySize(a.MemoryBytes) == memorySize(b.MemoryBytes)
}

// Facts are what a host is known by beside its id, in words.
func (h Host) Facts() map[string]string {
	t := h.Topology
	return map[string]string{
		"CPU": t.CPUModel, "kernel": t.Kernel, "CPUs": fmt.Sprint(len(t.CPUs)), "memory": memorySize(t.MemoryBytes),
		"hardware": strings.Join(t.Hardware, "; "),
	}
}
