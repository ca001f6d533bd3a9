package host

import (
	"context"
	"fmt"
	"os"
	"runtime"
	"time"

	"golang.org/x/sys/unix"
)

// Status is the result of a check.
type Status string

const (
	OK   Status = "ok"
	Warn Status = "warn" // results may be less accurate
	Fail Status = "fail" // the lab cannot work
)

// Check is one of the doctor's checks and its result.
type Check struct {
	Name   string `json:"name"`
	Status Status `json:"status"`
	Detail string `json:"detail"`
	Fix    string `json:"fix,omitempty"` // what to do; empty if Status is OK
}

// Facts describes this machine; nil means unknown.
type Facts struct {
	OS         string      `json:"os"`      // as Go names it
	Release    string      `json:"release"` // for display: "Debian GNU/Linux 12 (bookworm)"
	Kernel     string      `json:"kernel"`
	Arch       string      `json:"arch"`
	Root       bool        `json:"root"`
	CPUs       int         `json:"cpus"`                  // usable by this process
	Load       *[3]float64 `json:"load,omitempty"`        // averages over 1, 5 and 15 minutes
	BusyRatio  *float64    `json:"busy_ratio,omitempty"`  // share of all CPU time during the sample
	StealRatio *float64    `json:"steal_ratio,omitempty"` // share that the hypervisor gave to other machines
	NofileSoft uint64      `json:"nofile_soft"`
	NofileHard uint64      `json:"nofile_hard"`
	Dir        string      `json:"dir"` // a folder on the disk that DiskFree describes
	DiskFree   *uint64     `json:"disk_free_bytes,omitempty"`
}

// sampleDuration is how long CPU time is sampled. /proc/stat counts ticks of 10 ms, so one tick on
// two CPUs is 2.5 % of a sample.
const sampleDuration = 200 * time.Millisecond

// Inspect reads the state of this machine, and of the disk that holds dir. On Linux it takes
// sampleDuration.
func Inspect(ctx context.Context, dir string) (Facts, error) {
	f := Facts{OS: runtime.GOOS, Arch: runtime.GOARCH, Root: os.Geteuid() == 0, CPUs: runtime.NumCPU(), Dir: dir}
	f.Release = osReleaseName()
	var name unix.Utsname
	if err := unix.Uname(&name); err != nil {
		return Facts{}, fmt.Errorf("reading the kernel's release: %w", err)
	}
	f.Kernel = unix.ByteSliceToString(name.Release[:])
	var limit unix.Rlimit
	if err := unix.Getrlimit(unix.RLIMIT_NOFILE, &limit); err != nil {
		return Facts{}, fmt.Errorf("reading the limit of open files: %w", err)
	}
	f.NofileSoft, f.NofileHard = limit.Cur, limit.Max
	var disk unix.Statfs_t
	if err := unix.Statfs(dir, &disk); err == nil {
		free := disk.Bavail * uint64(disk.Bsize)
		f.DiskFree = &free
	}
	f.Load = loadAverages()
	before := cpuTicks()
	if before == nil {
		return f, nil
	}
	select {
	case <-ctx.Done():
		return Facts{}, context.Cause(ctx)
	case <-time.After(sampleDuration):
	}
	if after := cpuTicks(); after != nil {
		f.BusyRatio, f.StealRatio = cpuShares(*before, *after)
	}
	return f, nil
}

// cpuTimes is the CPU time of all CPUs since boot, in ticks.
type cpuTimes struct{ busy, steal, total uint64 }

// cpuShares returns the busy and the stolen share of the time between two readings, or nil if no
// time passed.
func cpuShares(before, after cpuTimes) (busy, steal *float64) {
	if after.total <= before.total {
		return nil, nil
	}
	share := func(b, a uint64) *float64 {
		ratio := float64(a-min(a, b)) / float64(after.total-before.total)
		return &ratio
	}
	return share(before.busy, after.busy), share(before.steal, after.steal)
}

const (
	gib = 1 << 30
	// minDisk is the space that one run and its images need. With less than enoughDisk, builds of
	// several images may not fit.
	minDisk, enoughDisk = 2 * gib, 8 * gib
	// maxQuietLoad is the highest load per CPU of an idle machine.
	maxQuietLoad = 0.25
	// maxQuietSteal allows one tick of a sample on two CPUs.
	maxQuietSteal = 0.03
	minOpenFiles  = 1024
)

// Checks returns the doctor's checks, in the order to show them.
func (f Facts) Checks() []Check {
	checks := []Check{f.system(), f.cpus()}
	if f.Load != nil {
		checks = append(checks, f.load())
	}
	if f.StealRatio != nil {
		checks = append(checks, f.steal())
	}
	checks = append(checks, f.files())
	if f.DiskFree != nil {
		checks = append(checks, f.disk())
	}
	return checks
}

func (f Facts) system() Check {
	user := "not root"
	if f.Root {
		user = "root"
	}
	return Check{
		Name: "system", Status: OK,
		Detail: fmt.Sprintf("%s, kernel %s, %s, %s", f.Release, f.Kernel, f.Arch, user),
	}
}

func (f Facts) cpus() Check {
	c := Check{Name: "cpus", Status: OK, Detail: fmt.Sprintf("%d usable on this machine", f.CPUs)}
	if f.CPUs < 2 {
		c.Status = Warn
		c.Detail += ": generator and server would share it"
		c.Fix = "use a machine with two CPUs or more"
	}
	return c
}

func (f Facts) load() Check {
	c := Check{
		Name: "load", Status: OK,
		Detail: fmt.Sprintf("%.2f, %.2f, %.2f over 1, 5 and 15 minutes", f.Load[0], f.Load[1], f.Load[2]),
	}
	if f.BusyRatio != nil {
		c.Detail += fmt.Sprintf("; CPUs %.0f %% busy now", 100**f.BusyRatio)
	}
	if f.Load[0] > maxQuietLoad*float64(f.CPUs) {
		c.Status = Warn
		c.Detail += ": other work disturbs trials"
		c.Fix = "stop the other work, or wait until it ends"
	}
	return c
}

func (f Facts) steal() Check {
	c := Check{
		Name: "steal", Status: OK,
		Detail: fmt.Sprintf("%.1f %% of CPU time taken by the hypervisor, in a sample of %v",
			100**f.StealRatio, sampleDuration),
	}
	if *f.StealRatio > maxQuietSteal {
		c.Status = Warn
		c.Fix = "measure when the host is less busy, or on a machine with dedicated CPUs"
	}
	return c
}

func (f Facts) files() Check {
	c := Check{
		Name: "open files", Status: OK,
		Detail: fmt.Sprintf("at most %s, can be raised to %s; containers have another limit",
			formatLimit(f.NofileSoft), formatLimit(f.NofileHard)),
	}
	if f.NofileHard < minOpenFiles {
		c.Status = Warn
		c.Fix = fmt.Sprintf("raise the hard limit to %d or more: ulimit -Hn", minOpenFiles)
	}
	return c
}

// formatLimit formats a limit of open files for display.
func formatLimit(n uint64) string {
	if n >= 1<<62 { // Linux and macOS use different values for no limit
		return "no limit"
	}
	return fmt.Sprint(n)
}

func (f Facts) disk() Check {
	c := Check{
		Name: "disk", Status: OK,
		Detail: fmt.Sprintf("%.1f GiB free at %s", float64(*f.DiskFree)/gib, f.Dir),
	}
	switch {
	case *f.DiskFree < minDisk:
		c.Status = Fail
	case *f.DiskFree < enoughDisk:
		c.Status = Warn
	default:
		return c
	}
	c.Fix = fmt.Sprintf("free some space: images and results take up to %d GiB; lab clean removes those of "+
		"the lab", enoughDisk/gib)
	return c
}
