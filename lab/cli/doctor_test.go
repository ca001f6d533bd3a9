package cli

import (
	"testing"

	"runtimelab/lab/engine"
	"runtimelab/lab/host"
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
