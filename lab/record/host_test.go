package record_test

import (
	"strconv"
	"testing"

	"runtimelab/lab"
	"runtimelab/lab/record"
)

const gib = 1 << 30

// epyc is a machine as this lab sees it; older is how labs before schema 5 did.
func epyc() lab.Topology {
	return lab.Topology{
		CPUModel: "AMD EPYC", Kernel: "6.18.44", CPUs: make([]lab.CPU, 2), MemoryBytes: 24684096 << 10,
		Hardware: []string{"AuthenticAMD family 25 model 17 stepping 1", "QEMU Standard PC"},
	}
}

func older(t lab.Topology) record.Host {
	t.Hardware = nil
	id := record.HostID(t.CPUModel, t.Kernel, strconv.Itoa(len(t.CPUs)), strconv.FormatInt(t.MemoryBytes, 10))
	return record.Host{ID: id, Topology: t}
}

func TestAHostIsTheSameAfterAReboot(t *testing.T) {
	host := record.HostOf(epyc())
	for _, pages := range []int64{-800, -3, -1, 1, 2, 4096} { // up to 16 MiB
		t1 := epyc()
		t1.MemoryBytes += pages * 4096
		again := record.HostOf(t1)
		if again.ID != host.ID || !again.Same(host) {
			t.Errorf("%d pages: %s, and %s before", pages, again.ID, host.ID)
		}
	}
}

// What kernels leave of these sizes, by some per cent less, is one size each.
func TestSizesOfMemoryAreToldApart(t *testing.T) {
	ids := map[string]int64{}
	for _, sold := range []int64{1, 2, 4, 8, 16, 24, 32, 48, 64, 96, 128, 192, 256, 512, 1024} {
		t1 := epyc()
		var id string
		for _, left := range []float64{0.93, 0.96, 0.985, 0.995} {
			t1.MemoryBytes = int64(left * float64(sold*gib))
			got := record.HostOf(t1).ID
			if id == "" {
				id = got
			}
			if got != id {
				t.Errorf("%d GiB: %v of it is another host", sold, left)
			}
		}
		if other, taken := ids[id]; taken {
			t.Errorf("%d and %d GiB are one host", sold, other)
		}
		ids[id] = sold
	}
}

func TestUnlikeHostsAreToldApart(t *testing.T) {
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
			t.Errorf("another %s is the same host", name)
		}
	}
}

func TestRunsOfOlderLabsKeepTheirHost(t *testing.T) {
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
		"this machine":                         {older(epyc()), true},
		"this machine, booted another time":    {older(rebooted), true},
		"another kernel":                       {older(kernel), false},
		"a machine of which no CPU was told":   {record.Host{ID: "h0"}, false},
		"an arm64 machine, whose CPU was none": {older(nameless), false},
	} {
		if c.then.ID == now.ID {
			t.Errorf("%s: an older lab had the same id", name)
		}
		if c.then.Same(now) != c.same || now.Same(c.then) != c.same {
			t.Errorf("%s: the same host is %v, want %v", name, !c.same, c.same)
		}
	}
	if a, b := older(epyc()), older(rebooted); a.ID == b.ID || !a.Same(b) {
		t.Errorf("two boots under older labs: %s and %s", a.ID, b.ID)
	}
	another := nameless
	another.MemoryBytes -= 4096
	if older(nameless).Same(older(another)) {
		t.Error("two machines of which older labs knew no CPU are one")
	}
}
