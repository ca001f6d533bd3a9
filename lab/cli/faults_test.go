package cli

import (
	"context"
	"encoding/base64"
	"errors"
	"fmt"
	"io"
	"maps"
	"math"
	"os"
	"path/filepath"
	"runtime"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/moby/moby/client"
	"golang.org/x/sys/unix"

	"runtimelab/lab"
	"runtimelab/lab/engine/docker"
	"runtimelab/lab/fault"
	"runtimelab/lab/host"
	"runtimelab/lab/metric"
	"runtimelab/lab/record"
)

// faultModule is a Node module that runs code for each request to /json after the first
// two hundred, long after the contract has been checked.
const faultModule = `
import http from 'node:http';
import fs from 'node:fs';
import { spawn } from 'node:child_process';

const emit = http.Server.prototype.emit;
const kept = [];
let asked = 0;
http.Server.prototype.emit = function (event, ...args) {
  const [request, response] = args;
  if (event !== 'request' || request.url !== '/json') return emit.call(this, event, ...args);
  if (++asked > 200) { %s }
  return emit.call(this, event, ...args);
};
`

// faultyVariants are servers with faults, by the name of the variant. check returns what
// is wrong with the rows of one, or an empty string.
var faultyVariants = map[string]struct {
	code  string // JavaScript, before the answer
	check func(peak, steady metric.Row) string
}{
	"exits":   {`process.exit(4)`, peakFailedWith("the server exited with code 4")},
	"hangs":   {`for (;;);`, errorsThenFailed},
	"garbage": {`response.socket.end('what do you want from me\r\n\r\n'); return true`, errorsThenFailed},
	"cuts": {
		`response.writeHead(200, { 'content-length': '1000' });
			response.write('{'); response.socket.destroySoon(); return true`,
		errorsThenFailed,
	},
	"refuses": {`if (asked % 2) { response.writeHead(503).end(); return true }`, halfRefused},
	"hungry": {
		`for (let i = 0; i < 64; i++) kept.push(Buffer.alloc(1 << 20, 1))`,
		peakFailedWith("killed for memory"),
	},
	"forks": {
		`if (asked === 201) for (let i = 0; i < 2000; i++)
			spawn('sleep', ['600'], { stdio: 'ignore' }).on('error', () => {})`,
		func(peak, _ metric.Row) string {
			return problemUnless(peak.Text("validity") != "", "there is no row")
		},
	},
	"fills": {
		`if (asked === 201) try { for (;;) fs.appendFileSync('/dev/shm/full', Buffer.alloc(1 << 20)) } catch {}`,
		func(peak, _ metric.Row) string {
			mib, _ := peak.Float("memory_peak_mib")
			return problemUnless(mib > 60, "its memory does not include its files: %.0f MiB", mib)
		},
	},
}

// problemUnless returns a formatted problem, or an empty string if a condition holds.
func problemUnless(holds bool, format string, args ...any) string {
	if holds {
		return ""
	}
	return fmt.Sprintf(format, args...)
}

// peakFailedWith returns a check that the peak failed for a reason.
func peakFailedWith(reason string) func(peak, steady metric.Row) string {
	return func(peak, _ metric.Row) string {
		return problemUnless(peak.Text("validity") == string(lab.Failed) &&
			strings.Contains(peak.Text("validity_reason"), reason),
			"its peak is %s (%s), want failed: %s", peak.Text("validity"), peak.Text("validity_reason"), reason)
	}
}

// errorsThenFailed checks a server that runs but answers wrongly or not at all. The peak,
// in which it breaks, counts errors; the phase after it has no right answer and fails.
func errorsThenFailed(peak, steady metric.Row) string {
	errors, _ := peak.Float("error_ratio")
	if errors == 0 {
		return "its peak has no errors"
	}
	return problemUnless(steady.Text("validity") == string(lab.Failed) &&
		strings.Contains(steady.Text("validity_reason"), "succeeded"),
		"its steady phase is %s (%s), want failed", steady.Text("validity"), steady.Text("validity_reason"))
}

// halfRefused checks a server that refuses every second request at once. The errors are
// counted, and have their own latency.
func halfRefused(peak, steady metric.Row) string {
	for _, r := range []metric.Row{peak, steady} {
		ratio, _ := r.Float("error_ratio")
		sent, _ := r.Int("requests")
		failed, known := r.Int("failed_requests")
		if !known || math.Abs(ratio-float64(failed)/float64(sent)) > 1e-6 || failed == 0 {
			return fmt.Sprintf("%d of %d requests failed in %s, but the error ratio is %v",
				failed, sent, r.Text("phase"), ratio)
		}
		if _, known := r.Float("latency_failed_p50_ms"); !known {
			return "the latency of its failed requests is missing"
		}
	}
	ratio, _ := steady.Float("error_ratio")
	return problemUnless(ratio > 0.45 && ratio < 0.55, "%v of the requests failed in its steady phase", ratio)
}

// refusedVariants are servers that a run does not measure, by the name of the variant, with the reason
// in their rows. The one that answers wrongly differs from the others in one byte of one answer.
var refusedVariants = map[string]string{
	"crashes": "exited with code 3; it last printed: no way",
	"greedy":  "killed for memory",
	"wrong":   "body differs at byte 7",
}

// refusedScript returns the script of refusedVariants.
func refusedScript() string {
	return `
variant(
    name = "crashes", model = "single", about = "Ends at once.",
    command = ["node", "-e", "console.error('no way'); process.exit(3)"],
)
variant(
    name = "greedy", model = "single", about = "Takes all memory.",
    command = ["node", "-e", "const a = []; for (;;) a.push(Buffer.alloc(1 << 24, 1))"],
)
` + variantWithModule("wrong", fmt.Sprintf(falseAnswerModule, "/plaintext", `'World', 'world'`))
}

// Each faulty server gets rows with the reason, and leaves nothing behind. Those that break before a
// trial or answer wrongly are not measured, and the others are.
func TestIntegrationEveryFaultOfAServerMakesARow(t *testing.T) {
	c := needEngine(t)
	root := helloCheckout(t)
	names := append([]string{"single", "late"}, slices.Collect(maps.Keys(refusedVariants))...)
	variants := variantWithModule("late", `await new Promise((ready) => setTimeout(ready, 2500));`) +
		refusedScript()
	for name, f := range faultyVariants {
		names = append(names, name)
		variants += variantWithModule(name, fmt.Sprintf(faultModule, f.code))
	}
	edit(t, filepath.Join(root, "runtimes", "node", "runtime.star"),
		func(s string) string { return s + variants })
	useOneVariant(t, root, "[peak(connections = 16, timeout = 2), steady(rate = 200, timeout = 2)]")
	edit(t, filepath.Join(root, "scenarios", "json.star"), func(s string) string {
		return strings.Replace(s, `["node/single"]`, `["node/`+strings.Join(names, `", "node/`)+`"]`, 1)
	})
	before := inventory(t, c)
	code, stdout, stderr := briefLabRun(t.Context(), "run", "--root", root, "--profile", "smoke", "json")
	if code != fault.ExitOK || !strings.Contains(stdout, "node/single") {
		t.Fatalf("exit code %d\n%s%s", code, stdout, stderr)
	}
	for _, want := range []string{"node/wrong is NOT MEASURED", "Hello, world!", "Hello, World!"} {
		if !strings.Contains(stderr, want) {
			t.Errorf("no %q in:\n%s", want, stderr)
		}
	}
	rows := map[string]metric.Row{}
	for _, row := range latestRun(t, root).Rows {
		rows[strings.TrimPrefix(row.Text("variant"), "node/")+" "+row.Text("phase")] = row
	}
	for name, f := range faultyVariants {
		if problem := f.check(rows[name+" peak"], rows[name+" steady"]); problem != "" {
			t.Errorf("%s: %s\n%v", name, problem, rows[name+" peak"])
		}
	}
	for name, reason := range refusedVariants {
		if problem := peakFailedWith(reason)(rows[name+" peak"], nil); problem != "" {
			t.Errorf("%s: %s", name, problem)
		}
	}
	if cold, _ := rows["late peak"].Float("cold_start_ms"); cold < 2500 {
		t.Errorf("a server that listens after 2.5 s started within %.0f ms", cold)
	}
	if v := rows["single steady"].Text("validity"); v == string(lab.Failed) || v == "" {
		t.Errorf("the server without a fault is %q: %s", v, rows["single steady"].Text("validity_reason"))
	}
	expectInventory(t, c, before)
}

// variantWithModule returns the script of a variant of Node's application that loads a
// module first.
func variantWithModule(name, module string) string {
	return fmt.Sprintf(`
variant(
    name = %q, model = "single", about = "loads a module first", env = {"WORKER_MODEL": "single"},
    command = ["node", "--import", "data:text/javascript;base64,%s", "server.js"],
)
`, name, base64.StdEncoding.EncodeToString([]byte(module)))
}

// duringATrial calls do, in the background, when a container of a role runs in a trial after the newest
// run of root has n rows. Containers of the contract check do not count: they are not pinned to CPUs.
func duringATrial(
	t *testing.T, c *client.Client, root string, n int, role string, do func(id string),
) (stop func()) {
	t.Helper()
	ctx, cancel := context.WithCancel(context.WithoutCancel(t.Context()))
	done := make(chan struct{})
	go func() {
		defer close(done)
		for ctx.Err() == nil {
			if _, err := os.Stat(filepath.Join(root, "results", "latest")); err == nil && countEndedRows(root) >= n {
				if id := findPinned(ctx, c, role); id != "" {
					do(id)
					return
				}
			}
			time.Sleep(10 * time.Millisecond)
		}
	}()
	return func() {
		cancel()
		<-done
	}
}

// findPinned returns the id of a running container of a role that is pinned to CPUs; empty
// if there is none.
func findPinned(ctx context.Context, c *client.Client, role string) (id string) {
	listed, err := c.ContainerList(ctx,
		client.ContainerListOptions{Filters: make(client.Filters).Add("label", "io.runtime-lab.role="+role)})
	if err != nil {
		return ""
	}
	for _, x := range listed.Items {
		inspected, err := c.ContainerInspect(ctx, x.ID, client.ContainerInspectOptions{})
		if err == nil && inspected.Container.HostConfig.CpusetCpus != "" && inspected.Container.State.Running {
			return x.ID
		}
	}
	return ""
}

// kill returns a function that kills a container.
func kill(t *testing.T, c *client.Client) func(id string) {
	return func(id string) {
		if _, err := c.ContainerKill(t.Context(), id, client.ContainerKillOptions{}); err != nil {
			t.Error(err)
		}
	}
}

// A generator that is killed disturbs its trial, and so does a step of the clock.
func TestIntegrationWhatTheServerCannotCauseDisturbsItsTrial(t *testing.T) {
	c := needEngine(t)
	root := helloCheckout(t)
	useOneVariant(t, root, "[peak(connections = 64)]")
	before := inventory(t, c)
	stopKilling := duringATrial(t, c, root, 0, "generator", kill(t, c))
	const step = 2 * time.Second
	stopSetting := duringATrial(t, c, root, 1, "server", func(string) {
		if err := stepClock(step); err != nil {
			t.Errorf("setting the clock, which needs root: %v", err)
			return
		}
		t.Cleanup(func() {
			if err := stepClock(-step); err != nil {
				t.Error(err)
			}
		})
	})
	code, _, stderr := labRun(t.Context(), "run", "--root", root, "--profile", "smoke", "--blocks", "2", "json")
	stopKilling()
	stopSetting()
	if code != fault.ExitOK {
		t.Fatalf("exit code %d\n%s", code, stderr)
	}
	rows := latestRun(t, root).Rows
	for i, reason := range []string{"the generator exited with code 137", "clock was set by +2.00 s"} {
		validity, why := rows[i].Text("validity"), rows[i].Text("validity_reason")
		if validity != string(lab.Disturbed) || !strings.Contains(why, reason) {
			t.Errorf("trial %d is %s: %s; want %s", i+1, validity, why, reason)
		}
	}
	if took, _ := rows[1].Float("duration_s"); took < 2 || took > 8 {
		t.Errorf("three seconds of load took %.1f s", took)
	}
	expectInventory(t, c, before)
}

func stepClock(by time.Duration) error {
	now := unix.NsecToTimespec(time.Now().Add(by).UnixNano())
	return unix.ClockSettime(unix.CLOCK_REALTIME, &now)
}

// privateEngine starts an engine without a bridge for a test, and copies the images for
// root to it.
func privateEngine(t *testing.T, root string) (daemon host.Daemon, c *client.Client) {
	t.Helper()
	shared := needEngine(t)
	// This builds the images on the shared engine, where later tests find them.
	if code, _, stderr := labRun(t.Context(), "contract", "--root", root, "node/single"); code != fault.ExitOK {
		t.Fatalf("exit code %d\n%s", code, stderr)
	}
	dir, err := os.MkdirTemp("", "lab-engine-") // the path of a socket must be short
	if err != nil {
		t.Fatal(err)
	}
	daemon = host.Daemon{Log: t.Output(), PrivateDir: dir}
	daemon.Reachable = docker.CheckReachable
	t.Setenv("DOCKER_HOST", "unix://"+filepath.Join(dir, "docker.sock"))
	t.Cleanup(func() {
		if err := errors.Join(daemon.Down(context.WithoutCancel(t.Context())), os.RemoveAll(dir)); err != nil {
			t.Error(err)
		}
	})
	startOnAllCPUs(t, daemon)
	private := openEngine(t)
	copyImages(t, shared, private)
	return daemon, private
}

// startOnAllCPUs starts an engine that may use all CPUs. The lab has pinned this process,
// and a new process inherits that.
func startOnAllCPUs(t *testing.T, daemon host.Daemon) {
	t.Helper()
	runtime.LockOSThread()
	defer runtime.UnlockOSThread()
	var before, all unix.CPUSet
	if err := unix.SchedGetaffinity(0, &before); err != nil {
		t.Fatal(err)
	}
	for cpu := range 1024 {
		all.Set(cpu)
	}
	if err := unix.SchedSetaffinity(0, &all); err != nil {
		t.Fatal(err)
	}
	defer func() {
		if err := unix.SchedSetaffinity(0, &before); err != nil {
			t.Error(err)
		}
	}()
	if err := daemon.Up(t.Context()); err != nil {
		t.Fatal(err)
	}
}

// copyImages copies the lab's tagged images from one engine to another.
func copyImages(t *testing.T, from, to *client.Client) {
	t.Helper()
	listed, err := from.ImageList(t.Context(),
		client.ImageListOptions{Filters: make(client.Filters).Add("label", "io.runtime-lab.owner=runtime-lab")})
	if err != nil {
		t.Fatal(err)
	}
	var refs []string
	for _, i := range listed.Items {
		for _, ref := range i.RepoTags {
			if strings.HasPrefix(ref, "runtime-lab/") && !strings.Contains(ref, "python") {
				refs = append(refs, ref)
			}
		}
	}
	saved, err := from.ImageSave(t.Context(), refs)
	if err != nil {
		t.Fatal(err)
	}
	defer saved.Close()
	loaded, err := to.ImageLoad(t.Context(), saved)
	if err != nil {
		t.Fatal(err)
	}
	defer loaded.Close()
	if _, err := io.Copy(io.Discard, loaded); err != nil {
		t.Fatal(err)
	}
}

// An engine without a bridge isolates servers like one with a bridge. If it stops during
// a run, the run ends with that reason, and can be resumed on the restarted engine.
func TestIntegrationAnEngineWithoutABridgeThatStops(t *testing.T) {
	root := helloCheckout(t)
	useOneVariant(t, root, "[peak(connections = 64), steady(rate = 1000)]")
	daemon, c := privateEngine(t, root)
	expectIsolated(t)
	stop := duringATrial(t, c, root, 0, "server", func(string) {
		if err := daemon.Down(t.Context()); err != nil {
			t.Error(err)
		}
	})
	code, _, stderr := briefLabRun(t.Context(), "run", "--root", root, "--profile", "smoke", "--seed", "3",
		"json")
	stop()
	if code != fault.ExitFailed || !strings.Contains(stderr, "the engine at unix://") {
		t.Fatalf("exit code %d\n%s", code, stderr)
	}
	if strings.Contains(stderr, "goroutine") || strings.Count(stderr, "lab: ") != 1 {
		t.Errorf("want one message without a trace:\n%s", stderr)
	}
	interrupted := latestRun(t, root)
	for _, row := range interrupted.Rows {
		if row.Text("validity") == string(lab.Failed) {
			t.Errorf("a row of the server failed: %s", row.Text("validity_reason"))
		}
	}
	startOnAllCPUs(t, daemon)
	expectResumed(t, root, interrupted, 0)
}

// expectResumed resumes an interrupted run, and expects that it becomes complete. Its
// first rows, as many as ended, must not be measured again.
func expectResumed(t *testing.T, root string, interrupted *record.StoredRun, ended int) {
	t.Helper()
	code, _, stderr := labRun(t.Context(), "run", "--root", root, "--resume", interrupted.Info.RunID)
	if code != fault.ExitOK {
		t.Fatalf("resuming: exit code %d\n%s", code, stderr)
	}
	resumed := latestRun(t, root)
	if resumed.Info.RunID != interrupted.Info.RunID || resumed.Info.State != record.Done ||
		len(resumed.Rows) <= ended || len(interrupted.Rows) < ended {
		t.Fatalf("run %s is %s with %d rows; %s had %d", resumed.Info.RunID, resumed.Info.State,
			len(resumed.Rows), interrupted.Info.RunID, len(interrupted.Rows))
	}
	for i, row := range interrupted.Rows[:ended] {
		if row.Text("started_at") != resumed.Rows[i].Text("started_at") {
			t.Errorf("row %d was measured again", i+1)
		}
	}
	code, stdout, stderr := labRun(t.Context(), "verify", "--root", root)
	if code != fault.ExitOK || !strings.Contains(stdout, "complete and consistent") {
		t.Errorf("verifying: exit code %d\n%s%s", code, stdout, stderr)
	}
}

// resultsOnDisk mounts a tmpfs of a size at results/ of root.
func resultsOnDisk(t *testing.T, root string, mib int, flags uintptr) (dir string) {
	t.Helper()
	dir = filepath.Join(root, "results")
	if err := os.MkdirAll(dir, 0o755); err != nil {
		t.Fatal(err)
	}
	if err := unix.Mount("tmpfs", dir, "tmpfs", flags, fmt.Sprintf("size=%dm", mib)); err != nil {
		t.Fatalf("mounting a disk for results, which needs root: %v", err)
	}
	t.Cleanup(func() {
		if err := unix.Unmount(dir, 0); err != nil {
			t.Error(err)
		}
	})
	return dir
}

func TestIntegrationReadOnlyResultsFailBeforeMeasuring(t *testing.T) {
	needEngine(t)
	for name, c := range map[string]struct {
		mib   int
		flags uintptr
	}{"too small": {1, 0}, "read-only": {100, unix.MS_RDONLY}} {
		t.Run(name, func(t *testing.T) {
			root := checkout(t)
			dir := resultsOnDisk(t, root, c.mib, c.flags)
			code, _, stderr := labRun(t.Context(), "run", "--root", root, "--profile", "smoke", "json")
			if code != fault.ExitFailed || !strings.Contains(stderr, "nothing can be recorded in "+dir) ||
				strings.Contains(stderr, "checking the answers") {
				t.Errorf("exit code %d\n%s", code, stderr)
			}
		})
	}
}

func TestIntegrationAFullDiskLosesNothing(t *testing.T) {
	c := needEngine(t)
	root := helloCheckout(t)
	useOneVariant(t, root, "[peak(connections = 64)]")
	dir := resultsOnDisk(t, root, 66, 0)
	before := inventory(t, c)
	filler := filepath.Join(dir, "filler")
	stop := interruptAfter(root, 1, func() {
		_ = os.WriteFile(filler, make([]byte, 66<<20), 0o644) // until the disk is full
	})
	code, _, stderr := briefLabRun(t.Context(), "run", "--root", root, "--profile", "smoke", "--blocks", "2",
		"json")
	stop()
	if code != fault.ExitFailed || !strings.Contains(stderr, "no space left on device") {
		t.Fatalf("exit code %d\n%s", code, stderr)
	}
	interrupted := latestRun(t, root)
	expectInventory(t, c, before)
	if err := os.Remove(filler); err != nil {
		t.Fatal(err)
	}
	expectResumed(t, root, interrupted, 1)
}
