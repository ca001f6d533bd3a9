package record_test

import (
	"strconv"
	"testing"

	"runtimelab/lab"
	"runtimelab/lab/record"
)

const gib = 1 << 30

// epyc returns a machine's topology as this lab reads it.
func epyc() lab.Topology {
	return lab.Topology{
		CPUModel: "AMD EPYC", Kernel: "6.18.44", CPUs: make([]lab.CPU, 2), MemoryBytes: 24684096 << 10,
		Hardware: []string{"AuthenticAMD family 25 model 17 stepping 1", "QEMU Standard PC"},
	}
}

// olderLabHost returns the Host by which labs before schema 5 identified a machine.
func olderLabHost(t lab.Topology) record.Host {
	t.Hardware = nil
	id := record.HostID(t.CPUModel, t.Kernel, strconv.Itoa(len(t.CPUs)), strconv.FormatInt(t.MemoryBytes, 10))
	return record.Host{ID: id, Topology: t}
}

func TestAHostKeepsItsIDAfterAReboot(t *testing.T) {
	host := record.HostOf(epyc())
	for _, pages := range []int64{-800, -3, -1, 1, 2, 4096} { // up to 16 MiB
		t1 := epyc()
		t1.MemoryBytes += pages * 4096
		again := record.HostOf(t1)
		if again.ID != host.ID || !again.Same(host) {
			t.Errorf("%d pages more: id %s, want %s", pages, again.ID, host.ID)
		}
	}
}

// A kernel reports some per cent less than these sizes.
func TestHostsWithDifferentMemorySizesDiffer(t *testing.T) {
	ids := map[string]int64{}
	for _, sold := range []int64{1, 2, 4, 8, 16, 24, 32, 48, 64, 96, 128, 192, 256, 512, 1024} {
		t1 := epyc()
		var id string
		for _, reported := range []float64{0.93, 0.96, 0.985, 0.995} {
			t1.MemoryBytes = int64(reported * float64(sold*gib))
			got := record.HostOf(t1).ID
			if id == "" {
				id = got
			}
			if got != id {
				t.Errorf("%d GiB: another id if the kernel reports %v of it", sold, reported)
			}
		}
		if other, taken := ids[id]; taken {
			t.Errorf("%d and %d GiB have the same id", sold, other)
		}
		ids[id] = sold
	}
}

func TestHostsWithDifferentPropertiesDiffer(t *testing.T) {
	host := record.HostOf(epyc())
	for name, change := range map[string]func(*lab.Topology){
		"CPU": func(t *lab.Topology) { t.CPUModel = "Intel Xeon" },
		"stepping": func(t *lab.Topology) {
			t.Hardware = []string{"AuthenticAMD family 25 model 17 stepping 2", "QEMU Standard PC"}
		},
		"type":   func(t *lab.Topology) { t.Hardware[1] = "Amazon EC2 c6a.large" },
		"kernel": func(t *lab.Topology) { t.Kernel = "6.18.45" },
		"CPUs":   func(t *lab.Topology) { t.CPUs = make([]lab.CPU, 4) },
		"memory": func(t *lab.Topology) { t.MemoryBytes *= 2 },
	} {
		t1 := epyc()
		change(&t1)
		other := record.HostOf(t1)
		if other.ID == host.ID || other.Same(host) || host.Same(other) {
			t.Errorf("another %s gives the same host", name)
		}
	}
}

func TestSameRecognisesHostsOfOlderLabs(t *testing.T) {
	now := record.HostOf(epyc())
	rebooted := epyc()
	rebooted.MemoryBytes -= 3 * 4096
	nameless := epyc()
	nameless.CPUModel = ""
	kernel := epyc()
	kernel.Kernel = "6.12"
	for name, c := range map[string]struct {
		then record.Host
		same bool
	}{
		"this machine":                         {olderLabHost(epyc()), true},
		"this machine after another boot":      {olderLabHost(rebooted), true},
		"another kernel":                       {olderLabHost(kernel), false},
		"a machine without any recorded facts": {record.Host{ID: "h0"}, false},
		"an arm64 machine, without CPU model":  {olderLabHost(nameless), false},
	} {
		if c.then.ID == now.ID {
			t.Errorf("%s: an older lab gave the same id", name)
		}
		if c.then.Same(now) != c.same || now.Same(c.then) != c.same {
			t.Errorf("%s: Same is %v, want %v", name, !c.same, c.same)
		}
	}
	if a, b := olderLabHost(epyc()), olderLabHost(rebooted); a.ID == b.ID || !a.Same(b) {
		t.Errorf("two boots under an older lab: ids %s and %s, want different ids of the same host", a.ID, b.ID)
	}
	another := nameless
	another.MemoryBytes -= 4096
	if olderLabHost(nameless).Same(olderLabHost(another)) {
		t.Error("two machines without CPU models are the same host")
	}
}
