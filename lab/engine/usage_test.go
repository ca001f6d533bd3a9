package engine

import (
	"os"
	"path/filepath"
	"testing"
	"testing/fstest"
	"time"
)

func TestUsageOfBothCgroupVersions(t *testing.T) {
	for version, c := range map[string]struct {
		cpu  time.Duration
		peak int64 // 0: none
	}{
		"v1": {1566351782, 64 << 20},
		"v2": {1566351000, 0},
	} {
		recorded, err := os.Open(filepath.Join("testdata", "stats-cgroup-"+version+".json"))
		if err != nil {
			t.Fatal(err)
		}
		defer recorded.Close()
		got, err := usage(recorded)
		if err != nil {
			t.Fatal(err)
		}
		if got.CPU != c.cpu || got.ThrottledPeriods != 28 || got.At.IsZero() {
			t.Errorf("cgroup %s: %+v", version, got)
		}
		switch {
		case c.peak == 0 && got.MemoryPeakBytes != nil:
			t.Errorf("cgroup %s: a peak of %d bytes where the engine reports none", version, *got.MemoryPeakBytes)
		case c.peak != 0 && (got.MemoryPeakBytes == nil || *got.MemoryPeakBytes != c.peak):
			t.Errorf("cgroup %s: peak %v, want %d bytes", version, got.MemoryPeakBytes, c.peak)
		}
	}
}

func TestMemoryPeakOfCgroupV2(t *testing.T) {
	const scope = "sys/fs/cgroup/system.slice/docker-00.scope/memory.peak"
	file := func(text string) *fstest.MapFile { return &fstest.MapFile{Data: []byte(text)} }
	for name, c := range map[string]struct {
		host fstest.MapFS
		want int64 // 0: none
	}{
		"counted":         {fstest.MapFS{"proc/7/cgroup": file("0::/system.slice/docker-00.scope\n"), scope: file("67108864\n")}, 64 << 20},
		"hybrid":          {fstest.MapFS{"proc/7/cgroup": file("4:memory:/docker/00\n0::/system.slice/docker-00.scope\n"), scope: file("5\n")}, 5},
		"an older kernel": {fstest.MapFS{"proc/7/cgroup": file("0::/system.slice/docker-00.scope\n")}, 0},
		"cgroup v1":       {fstest.MapFS{"proc/7/cgroup": file("4:memory:/docker/00\n"), scope: file("5\n")}, 0},
		"no such process": {fstest.MapFS{scope: file("5\n")}, 0},
		"no number":       {fstest.MapFS{"proc/7/cgroup": file("0::/system.slice/docker-00.scope\n"), scope: file("max\n")}, 0},
	} {
		got := memoryPeak(c.host, 7)
		if (got == nil) != (c.want == 0) || got != nil && *got != c.want {
			t.Errorf("%s: %v, want %d", name, got, c.want)
		}
	}
}
