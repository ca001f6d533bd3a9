package docker

import (
	"maps"
	"os"
	"path/filepath"
	"testing"
	"testing/fstest"
	"time"
)

func TestParseStatsOfBothCgroupVersions(t *testing.T) {
	for version, c := range map[string]struct {
		cpu  time.Duration
		peak int64 // 0: not reported
	}{
		"v1": {1566351782, 64 << 20},
		"v2": {1566351000, 0},
	} {
		recorded, err := os.Open(filepath.Join("testdata", "stats-cgroup-"+version+".json"))
		if err != nil {
			t.Fatal(err)
		}
		defer recorded.Close()
		got, err := parseStats(recorded)
		if err != nil {
			t.Fatal(err)
		}
		if got.CPU != c.cpu || got.ThrottledPeriods != 28 || got.At.IsZero() {
			t.Errorf("cgroup %s: %+v", version, got)
		}
		switch {
		case c.peak == 0 && got.MemoryPeakBytes != nil:
			t.Errorf("cgroup %s: peak is %d bytes, but the engine reports none", version, *got.MemoryPeakBytes)
		case c.peak != 0 && (got.MemoryPeakBytes == nil || *got.MemoryPeakBytes != c.peak):
			t.Errorf("cgroup %s: peak %v, want %d bytes", version, got.MemoryPeakBytes, c.peak)
		}
	}
}

// The kernel's files must give the same figures as the engine, which takes a second to answer.
func TestUsageFromCgroupOfBothVersions(t *testing.T) {
	const id = "00ff"
	file := func(text string) *fstest.MapFile { return &fstest.MapFile{Data: []byte(text)} }
	v1 := fstest.MapFS{
		"proc/7/cgroup": file("9:memory:/docker/00ff\n4:cpu,cpuacct:/docker/00ff\n0::/system.slice\n"),
		"sys/fs/cgroup/cpuacct/docker/00ff/cpuacct.usage": file("1566351782\n"),
		"sys/fs/cgroup/cpu/docker/00ff/cpu.stat": file(
			"nr_periods 30\nnr_throttled 28\nthrottled_time 5\n"),
		"sys/fs/cgroup/memory/docker/00ff/memory.max_usage_in_bytes": file("67108864\n"),
	}
	v2 := fstest.MapFS{
		"proc/7/cgroup": file("0::/system.slice/docker-00ff.scope\n"),
		"sys/fs/cgroup/system.slice/docker-00ff.scope/cpu.stat": file(
			"usage_usec 1566351\nuser_usec 1\nnr_throttled 28\n"),
		"sys/fs/cgroup/system.slice/docker-00ff.scope/memory.peak": file("67108864\n"),
	}
	without := func(host fstest.MapFS, name string) fstest.MapFS {
		rest := maps.Clone(host)
		delete(rest, name)
		return rest
	}
	for name, c := range map[string]struct {
		host fstest.MapFS
		cpu  time.Duration // 0: unknown
		peak int64
	}{
		"v1": {v1, 1566351782, 64 << 20},
		"v2": {v2, 1566351000, 64 << 20},
		"v2 without memory.peak (older kernel)": {
			without(v2, "sys/fs/cgroup/system.slice/docker-00ff.scope/memory.peak"), 1566351000, 0,
		},
		"no such process": {without(v2, "proc/7/cgroup"), 0, 0},
		"v2 without cpu.stat": {
			without(v2, "sys/fs/cgroup/system.slice/docker-00ff.scope/cpu.stat"), 0, 0,
		},
		"v1 without memory": {
			without(v1, "sys/fs/cgroup/memory/docker/00ff/memory.max_usage_in_bytes"), 0, 0,
		},
		"a process of another container": {fstest.MapFS{"proc/7/cgroup": file("0::/user.slice\n")}, 0, 0},
	} {
		u, ok := usageFromCgroup(c.host, 7, id)
		if ok != (c.cpu > 0) {
			t.Errorf("%s: known %v, %+v", name, ok, u)
			continue
		}
		if ok && (u.CPU != c.cpu || u.ThrottledPeriods != 28 || (u.MemoryPeakBytes == nil) != (c.peak == 0) ||
			c.peak > 0 && *u.MemoryPeakBytes != c.peak) {
			t.Errorf("%s: %+v", name, u)
		}
	}
}
