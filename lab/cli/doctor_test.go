package cli

import (
	"testing"

	"runtimelab/lab/engine"
	"runtimelab/lab/host"
)

// The peak of a server's memory is read from this machine's files, or told by
// version 1.
func TestDoctorWarnsOnlyOfUnreadablePeakMemory(t *testing.T) {
	for _, c := range []struct {
		version string
		local   bool
		want    host.Status
	}{{"1", true, host.OK}, {"1", false, host.OK}, {"2", true, host.OK}, {"2", false, host.Warn}} {
		if got := cgroupCheck(engine.Facts{CgroupVersion: c.version},
			c.local); got.Status != c.want || (got.Fix != "") != (c.want == host.Warn) {
			t.Errorf("cgroups %s, local %v: %+v", c.version, c.local, got)
		}
	}
}
