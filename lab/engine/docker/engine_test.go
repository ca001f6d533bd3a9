package docker

import (
	"strings"
	"testing"
	"time"

	"github.com/moby/moby/api/types/container"
	"github.com/moby/moby/api/types/system"

	"runtimelab/lab/engine"
)

func TestLeaseIsAliveWhileItsContainerRuns(t *testing.T) {
	now := time.Unix(10_000, 0)
	for _, c := range []struct {
		state container.ContainerState
		age   time.Duration
		want  bool
	}{
		{container.StateRunning, time.Hour, true},
		{container.StateCreated, time.Second, true}, // about to start
		{container.StateCreated, time.Hour, false},
		{container.StateExited, time.Second, false},
		{container.StateDead, time.Second, false},
	} {
		lease := container.Summary{State: c.state, Created: now.Add(-c.age).Unix()}
		if got := isLeaseAlive(lease, now); got != c.want {
			t.Errorf("a lease in state %s for %v: alive is %v, want %v", c.state, c.age, got, c.want)
		}
	}
}

func TestTailBufferKeepsTheEnd(t *testing.T) {
	var end tailBuffer
	for range 10 {
		if _, err := end.Write([]byte(strings.Repeat("x", tailBytes/2))); err != nil {
			t.Fatal(err)
		}
	}
	if _, err := end.Write([]byte("last line")); err != nil {
		t.Fatal(err)
	}
	if got := end.String(); len(got) != tailBytes || !strings.HasSuffix(got, "last line") {
		t.Errorf("%d bytes are kept, ending in %q", len(got), got[len(got)-10:])
	}
}

func TestHardenSetsEveryLimit(t *testing.T) {
	var h container.HostConfig
	harden(&h, engine.Nofile)
	if !h.ReadonlyRootfs || len(h.CapDrop) != 1 || h.CapDrop[0] != "ALL" || h.PublishAllPorts ||
		len(h.SecurityOpt) != 1 || h.SecurityOpt[0] != "no-new-privileges" {
		t.Errorf("hardened to %+v", h)
	}
	if u := h.Ulimits[0]; u.Name != "nofile" || u.Soft != 65536 || u.Hard != 65536 {
		t.Errorf("limit of open files is %+v", u)
	}
}

func TestEngineKind(t *testing.T) {
	for want, c := range map[string]struct {
		address Address
		info    system.Info
	}{
		"Docker": {Address{}, system.Info{OperatingSystem: "Debian GNU/Linux 12", KernelVersion: "6.1"}},
		"Docker Desktop": {
			Address{},
			system.Info{OperatingSystem: "Docker Desktop", KernelVersion: "6.6-microsoft-standard-WSL2"},
		},
		"Colima": {Address{Host: "unix:///Users/x/.colima/default/docker.sock"}, system.Info{}},
		"rootless Docker": {
			Address{},
			system.Info{SecurityOptions: []string{"name=seccomp,profile=builtin", "name=rootless"}},
		},
		"Docker on WSL2": {Address{}, system.Info{KernelVersion: "5.15.90.1-microsoft-standard-WSL2"}},
	} {
		if got := engineKind(c.address, c.info); got != want {
			t.Errorf("kind of %+v is %q, want %q", c.info, got, want)
		}
	}
}
