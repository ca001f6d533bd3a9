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
	"runtimelab/lab/engine/docker"
	"runtimelab/lab/experiment"
	"runtimelab/lab/metric"
	"runtimelab/lab/serve"
	"runtimelab/lab/session"
)

// canLimitCgroups reports whether a test may limit cgroups: as root, on the engine's
// machine, with cgroup v1, in which a container may have child cgroups. Tests of package
// engine read the files of both versions.
func canLimitCgroups(t *testing.T) bool {
	t.Helper()
	_, err := os.Stat("/sys/fs/cgroup/cpu/cgroup.procs")
	if err == nil && seesEngineProcesses(t) {
		return true
	}
	t.Logf("skipped: limiting a cgroup needs root, the engine's machine and cgroup v1 (%v)", err)
	return false
}

// seesEngineProcesses reports whether a test may read what processes of containers do: as root, on
// the engine's machine.
func seesEngineProcesses(t *testing.T) bool {
	t.Helper()
	e, err := docker.Open(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	defer e.Close()
	return e.Local() && os.Geteuid() == 0
}

// firstProcess returns the folder in /proc of the first process of the session's container of a role,
// as the engine's machine sees it.
func firstProcess(ctx context.Context, t *testing.T, s *session.Session, role string) string {
	t.Helper()
	c := openEngine(t)
	labels := make(client.Filters)
	labels.Add("label", "io.runtime-lab.run="+s.ID).Add("label", "io.runtime-lab.role="+role)
	listed, err := c.ContainerList(ctx, client.ContainerListOptions{Filters: labels})
	if err != nil || len(listed.Items) != 1 {
		t.Fatalf("the run has %d containers of role %s, error %v", len(listed.Items), role, err)
	}
	inspected, err := c.ContainerInspect(ctx, listed.Items[0].ID, client.ContainerInspectOptions{})
	if err != nil {
		t.Fatal(err)
	}
	return fmt.Sprintf("/proc/%d", inspected.Container.State.Pid)
}

// cpuCgroup returns the folder of the CPU cgroup of the session's container of a role.
func cpuCgroup(ctx context.Context, t *testing.T, s *session.Session, role string) string {
	t.Helper()
	text, err := os.ReadFile(filepath.Join(firstProcess(ctx, t, s, role), "cgroup"))
	if err != nil {
		t.Fatal(err)
	}
	for line := range strings.Lines(string(text)) {
		fields := strings.SplitN(strings.TrimSpace(line), ":", 3)
		if len(fields) == 3 && slices.Contains(strings.Split(fields[1], ","), "cpu") {
			return filepath.Join("/sys/fs/cgroup/cpu", fields[2])
		}
	}
	t.Fatalf("the run's %s has no CPU cgroup: %s", role, text)
	return ""
}

// unlimited is the value that removes a quota.
const unlimited = -time.Microsecond

// setQuota limits the CPU time of a cgroup in each period of 100 ms.
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

// A trial is disturbed if a quota of a cgroup above the server stops it.
func TestIntegrationAQuotaAboveAServerDisturbs(t *testing.T) {
	inTestSession(t, func(ctx context.Context, s *session.Session) {
		if !canLimitCgroups(t) {
			return
		}
		reference := responder(s, serve.Reference("busy", 1_000_000))
		inCell(ctx, t, s, reference, func(c experiment.Cell) {
			above := cpuCgroup(ctx, t, s, "server")
			below := filepath.Join(above, "runtime-lab-test")
			if err := os.Mkdir(below, 0o755); err != nil {
				t.Fatal(err)
			}
			moveAll(t, above, below)
			setQuota(t, above, 20*time.Millisecond)
			defer func() { // the engine removes only the container's cgroup
				setQuota(t, above, unlimited)
				moveAll(t, below, above)
				if err := os.Remove(below); err != nil {
					t.Error(err)
				}
			}()
			e := &experiment.Experiment{Cells: s.Cells()}
			phase := lab.Phase{Kind: lab.Peak, Connections: 4}
			template := lab.Sample{Subject: lab.Subject{Layout: s.Layout, Variant: reference.variant}, Phase: phase}
			sample, err := e.MeasurePhase(ctx, template, attackOn(reference, 4, 0, time.Second), c)
			if err != nil {
				t.Fatal(err)
			}
			used, _ := metric.ServerCPUSeconds(*sample.Measured)
			quota, _ := metric.ThrottledAbove(sample.Measured.Accounts.Server)
			all, _ := metric.ThrottledPeriods(*sample.Measured)
			g := sample.Gate
			t.Logf("%.3f s of CPU time, throttled in %d periods above and %d of the container: %s because %q",
				used, quota, all-quota, g.Validity, g.Reason)
			const want = "a CPU quota of a cgroup above the server's container"
			if g.Validity != lab.Disturbed || !strings.HasPrefix(g.Reason, want) {
				t.Errorf("%s because %q", g.Validity, g.Reason)
			}
		})
	})
}

// A quota that the lab cannot read stops canaries while their CPU is idle. Here the quota
// is that of the lease, which the lab does not read.
func TestIntegrationAQuotaThatCannotBeReadStopsCanaries(t *testing.T) {
	inTestSession(t, func(ctx context.Context, s *session.Session) {
		if !canLimitCgroups(t) {
			return
		}
		if quotas, err := s.MeasureQuotas(ctx); err != nil || !quotas.Known {
			t.Errorf("quotas %+v, error %v", quotas, err)
		}
		setQuota(t, cpuCgroup(ctx, t, s, "lease"), 20*time.Millisecond)
		// A CPU that other processes use meanwhile is not idle, so the test tries again.
		for range 10 {
			quotas, err := s.MeasureQuotas(ctx)
			if err != nil {
				t.Fatal(err)
			}
			t.Logf("stopped for %v", quotas.Stopped)
			if quotas.StopContainers() {
				return
			}
		}
		t.Error("canaries with a quota of a fifth of a CPU were not stopped")
	})
}
