package engine

import (
	"context"
	"io/fs"
	"os"
	"path"
	"strings"

	"github.com/containerd/errdefs"
	"github.com/moby/moby/client"
)

// Quota is a limit of CPU time on a cgroup above the lab's containers: of a slice, of a CI runner,
// or of the container that the engine itself runs in.
type Quota struct {
	Cgroup    string  // its path, as the lab sees it
	CPUs      float64 // that it may use at a time
	Throttled int64   // periods in which it was used up so far
}

// Quotas are those above the run's containers, the nearest first. known is false where no cgroup
// above them can be read, as on an engine of another machine. Above what can be read there may
// always be more, where the lab runs in a container itself.
func (r *Run) Quotas(ctx context.Context) (quotas []Quota, known bool, err error) {
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

// Measuring is who holds the engine's measuring lock, in words; empty where nobody does.
func (e *Engine) Measuring(ctx context.Context) string {
	_, err := e.client.ContainerInspect(ctx, lockName, client.ContainerInspectOptions{})
	if errdefs.IsNotFound(err) {
		return ""
	}
	return e.lockHolder(ctx)
}

func quotasAbove(root fs.FS, pid int, container string) (quotas []Quota, known bool) {
	controller, above := groupsAbove(root, pid, container)
	for _, group := range above {
		stat := read(root, controller, group, "cpu.stat")
		known = known || stat != ""
		cpus, limited := limit(root, controller, group)
		if !limited {
			continue
		}
		throttled, _ := parseCount(statField(stat, "nr_throttled")) // none where it does not say
		quotas = append(quotas, Quota{Cgroup: group, CPUs: cpus, Throttled: throttled})
	}
	return quotas, known
}

// throttledAbove sums the periods in which cgroups above a container used up their quotas.
func throttledAbove(root fs.FS, pid int, container string) (sum int64) {
	controller, above := groupsAbove(root, pid, container)
	for _, group := range above {
		if n, ok := parseCount(statField(read(root, controller, group, "cpu.stat"), "nr_throttled")); ok {
			sum += n
		}
	}
	return sum
}

// groupsAbove are the cgroups above a container's, the nearest first, and the controller that
// limits their CPU time: "" in cgroup v2. The last is the highest that can be seen from here: the
// machine's own, or that of the container that the lab runs in.
func groupsAbove(root fs.FS, pid int, container string) (controller string, above []string) {
	groups := groupsOf(root, pid, container)
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

// limit is how many CPUs a cgroup may use at a time: cpu.cfs_quota_us and cpu.cfs_period_us in
// cgroup v1, cpu.max in v2 (the kernel's Documentation/scheduler/sched-bwc.rst and cgroup-v2.rst).
func limit(root fs.FS, controller, group string) (cpus float64, limited bool) {
	quota, period, _ := strings.Cut(strings.TrimSpace(read(root, controller, group, "cpu.max")), " ")
	if controller != "" {
		quota = read(root, controller, group, "cpu.cfs_quota_us")
		period = read(root, controller, group, "cpu.cfs_period_us")
	}
	used, ok := parseCount(quota) // -1 and "max" are no limit
	of, known := parseCount(period)
	if !ok || !known || of == 0 {
		return 0, false
	}
	return float64(used) / float64(of), true
}

func read(root fs.FS, controller, group, file string) string {
	text, err := fs.ReadFile(root, path.Join(cgroups, controller, group, file))
	if err != nil {
		return ""
	}
	return string(text)
}
