package docker

import (
	"slices"
	"testing"
	"testing/fstest"

	"runtimelab/lab/engine"
)

// nested returns the files of a container with two visible cgroups above it, in cgroup version "v1"
// or "v2".
func nested(version string) fstest.MapFS {
	files := map[string]map[string]string{
		"v1": {
			"proc/7/cgroup":                                       "4:cpu,cpuacct:/pod/docker/00ff\n0::/\n",
			"sys/fs/cgroup/cpu/cpu.stat":                          "nr_periods 0\nnr_throttled 0\n",
			"sys/fs/cgroup/cpu/cpu.cfs_quota_us":                  "-1\n",
			"sys/fs/cgroup/cpu/cpu.cfs_period_us":                 "100000\n",
			"sys/fs/cgroup/cpu/pod/cpu.stat":                      "nr_periods 90\nnr_throttled 30\n",
			"sys/fs/cgroup/cpu/pod/cpu.cfs_quota_us":              "150000\n",
			"sys/fs/cgroup/cpu/pod/cpu.cfs_period_us":             "100000\n",
			"sys/fs/cgroup/cpu/pod/docker/cpu.stat":               "nr_periods 9\nnr_throttled 3\n",
			"sys/fs/cgroup/cpu/pod/docker/cpu.cfs_quota_us":       "37500\n",
			"sys/fs/cgroup/cpu/pod/docker/cpu.cfs_period_us":      "50000\n",
			"sys/fs/cgroup/cpu/pod/docker/00ff/cpu.stat":          "nr_periods 9\nnr_throttled 28\n",
			"sys/fs/cgroup/cpu/pod/docker/00ff/cpu.cfs_quota_us":  "50000\n",
			"sys/fs/cgroup/cpu/pod/docker/00ff/cpu.cfs_period_us": "100000\n",
		},
		"v2": {
			"proc/7/cgroup":                                      "0::/pod/docker/docker-00ff.scope\n",
			"sys/fs/cgroup/cpu.stat":                             "usage_usec 5\n", // without quota: the machine's
			"sys/fs/cgroup/pod/cpu.stat":                         "usage_usec 5\nnr_periods 90\nnr_throttled 30\n",
			"sys/fs/cgroup/pod/cpu.max":                          "150000 100000\n",
			"sys/fs/cgroup/pod/docker/cpu.stat":                  "usage_usec 5\nnr_periods 9\nnr_throttled 3\n",
			"sys/fs/cgroup/pod/docker/cpu.max":                   "37500 50000\n",
			"sys/fs/cgroup/pod/docker/docker-00ff.scope/cpu.max": "max 100000\n",
		},
	}
	root := fstest.MapFS{}
	for name, text := range files[version] {
		root[name] = &fstest.MapFile{Data: []byte(text)}
	}
	return root
}

func TestQuotasAboveAContainer(t *testing.T) {
	for _, version := range []string{"v1", "v2"} {
		root := nested(version)
		if n := throttledAbove(root, 7, "00ff"); n != 33 {
			t.Errorf("cgroup %s: %d periods above the container, want 33", version, n)
		}
		got, known := quotasAbove(root, 7, "00ff")
		want := []engine.Quota{
			{Cgroup: "/pod/docker", CPUs: 0.75, Throttled: 3}, {Cgroup: "/pod", CPUs: 1.5, Throttled: 30},
		}
		if !known || !slices.Equal(got, want) {
			t.Errorf("cgroup %s: %+v, %v, want %+v", version, got, known, want)
		}
		if got, known := quotasAbove(root, 7, "other-container"); known || len(got) > 0 {
			t.Errorf("cgroup %s: a process of another container has quotas %+v", version, got)
		}
		if n := throttledAbove(fstest.MapFS{}, 7, "00ff"); n != 0 {
			t.Errorf("cgroup %s: %d periods without readable files, want 0", version, n)
		}
	}
	unlimited := nested("v2")
	unlimited["sys/fs/cgroup/pod/cpu.max"].Data = []byte("max 100000\n")
	unlimited["sys/fs/cgroup/pod/docker/cpu.max"].Data = []byte("max 100000\n")
	if got, known := quotasAbove(unlimited, 7, "00ff"); !known || len(got) > 0 {
		t.Errorf("without a quota: %+v, %v, want none and known", got, known)
	}
}
