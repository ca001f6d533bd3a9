package engine

import (
	"strings"
	"testing"
	"time"

	"github.com/moby/moby/api/types/container"
)

func TestALeaseHoldsWhileItRuns(t *testing.T) {
	now := time.Unix(10_000, 0)
	for _, c := range []struct {
		state container.ContainerState
		age   time.Duration
		want  bool
	}{
		{container.StateRunning, time.Hour, true},
		{container.StateCreated, time.Second, true}, // about to be started
		{container.StateCreated, time.Hour, false},
		{container.StateExited, time.Second, false},
		{container.StateDead, time.Second, false},
	} {
		lease := container.Summary{State: c.state, Created: now.Add(-c.age).Unix()}
		if got := leaseHolds(lease, now); got != c.want {
			t.Errorf("a lease that is %s since %v holds: %v, want %v", c.state, c.age, got, c.want)
		}
	}
}

func TestUsageOfBothCgroupVersions(t *testing.T) {
	v1 := container.StatsResponse{}
	v1.CPUStats.CPUUsage.TotalUsage = 1500
	v1.CPUStats.ThrottlingData.ThrottledPeriods = 3
	v1.MemoryStats.MaxUsage = 64 << 20
	got := usage(v1)
	if got.CPU != 1500*time.Nanosecond || got.ThrottledPeriods != 3 || got.MemoryPeakBytes == nil || *got.MemoryPeakBytes != 64<<20 {
		t.Errorf("read %+v", got)
	}
	if v2 := usage(container.StatsResponse{}); v2.MemoryPeakBytes != nil {
		t.Errorf("a peak of %d bytes where the engine reports none", *v2.MemoryPeakBytes)
	}
}

func TestTailKeepsTheEnd(t *testing.T) {
	var end tail
	for range 10 {
		if _, err := end.Write([]byte(strings.Repeat("x", tailBytes/2))); err != nil {
			t.Fatal(err)
		}
	}
	if _, err := end.Write([]byte("last words")); err != nil {
		t.Fatal(err)
	}
	if got := end.String(); len(got) != tailBytes || !strings.HasSuffix(got, "last words") {
		t.Errorf("%d bytes are kept, ending in %q", len(got), got[len(got)-10:])
	}
}

func TestHardeningLeavesNothingToTheEngine(t *testing.T) {
	var h container.HostConfig
	harden(&h, Nofile)
	if !h.ReadonlyRootfs || len(h.CapDrop) != 1 || h.CapDrop[0] != "ALL" || h.PublishAllPorts ||
		len(h.SecurityOpt) != 1 || h.SecurityOpt[0] != "no-new-privileges" {
		t.Errorf("hardened to %+v", h)
	}
	if u := h.Ulimits[0]; u.Name != "nofile" || u.Soft != 65536 || u.Hard != 65536 {
		t.Errorf("limits of open files %+v", u)
	}
}
