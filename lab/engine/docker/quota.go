package docker

import (
	"context"
	"io/fs"
	"os"
	"path"
	"strings"

	"github.com/containerd/errdefs"
	"github.com/moby/moby/client"

	"runtimelab/lab/engine"
)

// Quotas returns the CPU quotas above the run's containers, the nearest first. known is false if no
// cgroup above them can be read, for example if the engine is on another machine. If the lab runs
// in a container, quotas above that container stay hidden.
func (r *Run) Quotas(ctx context.Context) (quotas []engine.Quota, known bool, err error) {
	if !r.engine.Local() {
		return nil, false, nil
	}
	state, err := r.engine.containerState(ctx, r.leaseID)
	if err != nil {
		return nil, false, err
	}
	quotas, known = quotasAbove(os.DirFS("/"), state.Pid, r.leaseID)
	return quotas, known, nil
}

// MeasuringLockHolder describes the run that holds the engine's measuring lock; empty if no run
// does.
func (e *Engine) MeasuringLockHolder(ctx context.Context) string {
	_, err := e.client.ContainerInspect(ctx, lockName, client.ContainerInspectOptions{})
	if errdefs.IsNotFound(err) {
		return ""
	}
	return e.lockHolder(ctx)
}

func quotasAbove(root fs.FS, pid int, container string) (quotas []engine.Quota, known bool) {
	controller, above := cgroupsAbove(root, pid, container)
	for _, group := range above {
		stat := readCgroupFile(root, controller, group, "cpu.stat")
		known = known || stat != ""
		cpus, limited := cpuLimit(root, controller, group)
		if !limited {
			continue
		}
		throttled, _ := parseCount(statField(stat, "nr_throttled")) // 0 if it is not there
		quotas = append(quotas, engine.Quota{Cgroup: group, CPUs: cpus, Throttled: throttled})
	}
	return quotas, known
}

// throttledAbove returns the number of periods in which cgroups above a container used up their
// quotas.
func throttledAbove(root fs.FS, pid int, container string) (sum int64) {
	controller, above := cgroupsAbove(root, pid, container)
	for _, group := range above {
		if n, ok := parseCount(statField(readCgroupFile(root, controller, group, "cpu.stat"), "nr_throttled")); ok {
			sum += n
		}
	}
	return sum
}

// cgroupsAbove returns the cgroups above a container's, the nearest first, and the controller that
// limits their CPU time: "cpu" in cgroup v1, "" in v2. The last one is the highest that is visible:
// the machine's, or that of the container that the lab runs in.
func cgroupsAbove(root fs.FS, pid int, container string) (controller string, above []string) {
	groups := cgroupPaths(root, pid, container)
	group, v1 := groups["cpu"]
	if controller = "cpu"; !v1 {
		controller, group = "", groups[""]
	}
	for group != "" && group != "/" {
		group = path.Dir(group)
		above = append(above, group)
	}
	return controller, above
}

// cpuLimit returns how many CPUs a cgroup may use: cpu.cfs_quota_us / cpu.cfs_period_us in cgroup
// v1, cpu.max in v2 (the kernel's Documentation/scheduler/sched-bwc.rst and cgroup-v2.rst).
func cpuLimit(root fs.FS, controller, group string) (cpus float64, limited bool) {
	quota, period, _ := strings.Cut(strings.TrimSpace(readCgroupFile(root, controller, group, "cpu.max")), " ")
	if controller != "" {
		quota = readCgroupFile(root, controller, group, "cpu.cfs_quota_us")
		period = readCgroupFile(root, controller, group, "cpu.cfs_period_us")
	}
	quotaUS, limited := parseCount(quota) // not a count if there is no limit: -1 or "max"
	periodUS, known := parseCount(period)
	if !limited || !known || periodUS == 0 {
		return 0, false
	}
	return float64(quotaUS) / float64(periodUS), true
}

// readCgroupFile returns the content of a cgroup's file, or "" if it cannot be read.
func readCgroupFile(root fs.FS, controller, group, file string) string {
	text, err := fs.ReadFile(root, path.Join(cgroupRoot, controller, group, file))
	if err != nil {
		return ""
	}
	return string(text)
}
