package cli

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/moby/moby/client"

	"runtimelab/lab"
	"runtimelab/lab/experiment"
	"runtimelab/lab/gate"
	"runtimelab/lab/serve"
)

// limitsCgroups reports whether a test may limit cgroups: as root, on the engine's machine, with
// cgroup v1, whose containers may have cgroups below them. The files of both versions are read in
// the tests of package engine.
func limitsCgroups(t *testing.T, s *session) bool {
	t.Helper()
	_, err := os.Stat("/sys/fs/cgroup/cpu/cgroup.procs")
	if s.engine.Local() && os.Geteuid() == 0 && err == nil {
		return true
	}
	t.Logf("nothing to try: to limit a cgroup takes root, the engine's machine and cgroup v1 (%v)", err)
	return false
}

// cpuCgroup is the folder of the cgroup that limits the CPU time of the run's container of a role.
func cpuCgroup(ctx context.Context, t *testing.T, s *session, role string) string {
	t.Helper()
	c := s.engine.Client()
	labels := make(client.Filters)
	labels.Add("label", "io.runtime-lab.run="+s.id).Add("label", "io.runtime-lab.role="+role)
	listed, err := c.ContainerList(ctx, client.ContainerListOptions{Filters: labels})
	if err != nil || len(listed.Items) != 1 {
		t.Fatalf("%d containers are the run's %s, error %v", len(listed.Items), role, err)
	}
	inspected, err := c.ContainerInspect(ctx, listed.Items[0].ID, client.ContainerInspectOptions{})
	if err != nil {
		t.Fatal(err)
	}
	text, err := os.ReadFile(fmt.Sprintf("/proc/%d/cgroup", inspected.Container.State.Pid))
	if err != nil {
		t.Fatal(err)
	}
	for line := range strings.Lines(string(text)) {
		fields := strings.SplitN(strings.TrimSpace(line), ":", 3)
		if len(fields) == 3 && slices.Contains(strings.Split(fields[1], ","), "cpu") {
			return filepath.Join("/sys/fs/cgroup/cpu", fields[2])
		}
	}
	t.Fatalf("no cgroup of the run's %s limits its CPU time: %s", role, text)
	return ""
}

// unlimited is no quota.
const unlimited = -time.Microsecond

// setQuota lets a cgroup use so much of each 100 ms.
func setQuota(t *testing.T, cgroup string, quota time.Duration) {
	t.Helper()
	file := filepath.Join(cgroup, "cpu.cfs_quota_us")
	if err := os.WriteFile(file, fmt.Append(nil, quota.Microseconds()), 0); err != nil {
		t.Fatal(err)
	}
}

// moveAll moves the processes of one cgroup to another.
func moveAll(t *testing.T, from, to string) {
	t.Helper()
	text, err := os.ReadFile(filepath.Join(from, "cgroup.procs"))
	if err != nil {
		t.Fatal(err)
	}
	for _, pid := range strings.Fields(string(text)) {
		err := os.WriteFile(filepath.Join(to, "cgroup.procs"), []byte(pid), 0)
		if err != nil && !errors.Is(err, os.ErrNotExist) {
			t.Error(err)
		}
	}
}

// A server that is stopped by the quota of a cgroup above it is no server on a whole CPU, however
// valid it looks.
func TestIntegrationAQuotaAboveAServerDisturbs(t *testing.T) {
	inTestSession(t, func(ctx context.Context, s *session) {
		if !limitsCgroups(t, s) {
			return
		}
		reference := s.responder(serve.Reference("busy", 1_000_000))
		s.inCell(ctx, t, reference, func(c *cell, server experiment.Server) {
			above := cpuCgroup(ctx, t, s, "server")
			below := filepath.Join(above, "runtime-lab-test")
			if err := os.Mkdir(below, 0o755); err != nil {
				t.Fatal(err)
			}
			moveAll(t, above, below)
			setQuota(t, above, 20*time.Millisecond)
			defer func() { // the engine removes the container's cgroup only
				setQuota(t, above, unlimited)
				moveAll(t, below, above)
				if err := os.Remove(below); err != nil {
					t.Error(err)
				}
			}()
			e := &experiment.Experiment{Cells: s.cells()}
			phase := lab.Phase{Kind: lab.Peak, Connections: 4}
			subject := lab.Sample{Layout: s.layout, Phase: phase, Variant: reference.variant}
			sample, err := e.MeasurePhase(ctx, subject, attackOn(reference, 4, 0, time.Second), c, server, nil)
			if err != nil {
				t.Fatal(err)
			}
			before, after, g := sample.ServerUsage.Before, sample.ServerUsage.After, sample.Gate
			t.Logf("%v of CPU time, %d periods above and %d of its own: %s because %q", after.CPU-before.CPU,
				after.ThrottledAbove-before.ThrottledAbove, after.ThrottledPeriods, g.Validity, g.Reason)
			const why = "a CPU quota of a cgroup above the server's container"
			if g.Validity != lab.Disturbed || !strings.HasPrefix(g.Reason, why) {
				t.Errorf("%s because %q", g.Validity, g.Reason)
			}
		})
	})
}

// A quota that is in no file which the lab can read stops canaries while their CPU has nothing to
// do. Here it is the lease's own, which nothing looks for.
func TestIntegrationAQuotaThatCannotBeReadStopsCanaries(t *testing.T) {
	inTestSession(t, func(ctx context.Context, s *session) {
		if !limitsCgroups(t, s) {
			return
		}
		if quotas, known, err := s.run.Quotas(ctx); err != nil || !known {
			t.Errorf("quotas %+v, known %v, error %v", quotas, known, err)
		}
		setQuota(t, cpuCgroup(ctx, t, s, "lease"), 20*time.Millisecond)
		// A CPU that others use meanwhile is not idle, and proves nothing: some rows are tried.
		for range 10 {
			stopped, err := stoppedInARow(ctx, s.lease, s.topology.CPUs)
			if err != nil {
				t.Fatal(err)
			}
			t.Logf("stopped for %v", stopped)
			if stopped > gate.MaxCanaryStop {
				return
			}
		}
		t.Error("canaries that may use a fifth of a CPU are not stopped")
	})
}
