package cli

import (
	"strings"
	"testing"
	"time"

	"runtimelab/lab/engine"
	"runtimelab/lab/host"
	"runtimelab/lab/session"
)

// With cgroup v1 the engine reports the peak memory of a server. With v2 the lab reads a
// file, which it can on its own machine only.
func TestDoctorWarnsOnlyOfUnreadablePeakMemory(t *testing.T) {
	for _, c := range []struct {
		version string
		local   bool
		want    host.Status
	}{{"1", true, host.OK}, {"1", false, host.OK}, {"2", true, host.OK}, {"2", false, host.Warn}} {
		got := cgroupCheck(engine.Facts{CgroupVersion: c.version}, c.local)
		if got.Status != c.want || (got.Fix != "") != (c.want == host.Warn) {
			t.Errorf("cgroups %s, local %v: %+v", c.version, c.local, got)
		}
	}
}

func TestQuotasAreReported(t *testing.T) {
	const ms = time.Millisecond
	low := []engine.Quota{{Cgroup: "/docker", CPUs: 0.75, Throttled: 3}, {Cgroup: "/", CPUs: 8}}
	for name, c := range map[string]struct {
		quotas    session.Quotas
		measuring string
		status    host.Status
		details   []string
	}{
		"none": {session.Quotas{Known: true}, "", host.OK, []string{"none above", "was not stopped"}},
		"as many as there are CPUs": {
			session.Quotas{Above: []engine.Quota{{Cgroup: "/docker", CPUs: 2}}, Known: true},
			"", host.OK,
			[]string{"none above"},
		},
		"too low": {
			session.Quotas{Above: low, Known: true, Stopped: 90 * ms},
			"", host.Warn,
			[]string{"cgroup /docker may use 0.75 of 2 CPUs", "stopped in 3 periods", "stopped for 90 ms"},
		},
		"one that cannot be read": {
			session.Quotas{Stopped: 90 * ms},
			"", host.Warn,
			[]string{"cannot be read from here", "stopped for 90 ms"},
		},
		"unreadable, and a short stop": {
			session.Quotas{Stopped: 3 * ms}, "", host.OK, []string{"cannot be read from here", "was not stopped"},
		},
		"another run is measuring": {
			session.Quotas{Known: true}, "run x", host.OK, []string{"not tested", "run x"},
		},
	} {
		c.quotas.CPUs = []int{0, 1}
		got := quotaCheck(c.quotas, c.measuring)
		if got.Status != c.status || (got.Fix != "") != (c.status == host.Warn) {
			t.Errorf("%s: %+v", name, got)
		}
		for _, detail := range c.details {
			if !strings.Contains(got.Detail, detail) {
				t.Errorf("%s: %q does not contain %q", name, got.Detail, detail)
			}
		}
	}
}
