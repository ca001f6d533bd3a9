package cli

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/moby/moby/client"

	"runtimelab/lab"
	"runtimelab/lab/archive"
	"runtimelab/lab/engine/docker"
	"runtimelab/lab/fault"
	"runtimelab/lab/metric"
	"runtimelab/lab/record"
	"runtimelab/lab/workload"
)

// needEngine connects to the engine that the lab would use. Without one the test fails;
// make test starts one. With -short it skips the test.
func needEngine(t *testing.T) *client.Client {
	t.Helper()
	if testing.Short() {
		t.Skip("needs a Docker engine")
	}
	// A calibration made beside tests must not be used by runs of the user. bin/ is ignored
	// by git, and make clean removes it.
	cache, err := filepath.Abs(filepath.Join("..", "..", "bin", "test-cache"))
	if err != nil {
		t.Fatal(err)
	}
	t.Setenv("XDG_CACHE_HOME", cache)
	checkTemporaryFiles(t)
	return openEngine(t)
}

// openEngine connects to the engine that the lab would use, until the test ends.
func openEngine(tb testing.TB) *client.Client {
	tb.Helper()
	address, err := docker.Resolve()
	if err != nil {
		tb.Fatal(err)
	}
	c, err := docker.Connect(tb.Context(), address)
	if err != nil {
		tb.Fatal(err)
	}
	tb.Cleanup(func() {
		if err := errors.Join(c.Close(), address.Close()); err != nil {
			tb.Error(err)
		}
	})
	return c
}

// checkTemporaryFiles gives a test its own folder for temporary files. The test fails if
// one is left at the end.
func checkTemporaryFiles(t *testing.T) {
	t.Helper()
	dir, err := os.MkdirTemp("/tmp", "lab-test-") // the path of a socket in it must be short
	if err != nil {
		t.Fatal(err)
	}
	t.Setenv("TMPDIR", dir)
	t.Cleanup(func() {
		left, err := filepath.Glob(filepath.Join(dir, "*"))
		if err != nil || len(left) > 0 {
			t.Errorf("temporary files are left: %q (%v)", left, err)
		}
		if err := os.RemoveAll(dir); err != nil {
			t.Error(err)
		}
	})
}

// jsonScenario runs on one variant of each runtime.
const jsonScenario = `scenario(
    name = "json",
    about = "a small object turned into JSON",
    profile = "smoke",
    requests = [get("/json")],
    phases = [warmup(connections = 64), peak(connections = 64), steady(rate = 2000)],
    variants = ["node/single", "python/uvloop"],
)
`

// copyRuntimes copies the runtimes, the workloads and the services of this checkout.
func copyRuntimes(t testing.TB, root string) {
	t.Helper()
	for _, folder := range []string{"runtimes", workload.Dir, workload.ServicesDir} {
		if err := os.CopyFS(filepath.Join(root, folder), os.DirFS(filepath.Join(repository, folder))); err != nil {
			t.Fatal(err)
		}
	}
}

// checkout returns a temporary copy of this checkout's runtimes, workloads and services, with
// jsonScenario as the only scenario.
func checkout(t *testing.T) string {
	t.Helper()
	root := t.TempDir()
	copyRuntimes(t, root)
	file := filepath.Join(root, "scenarios", "json.star")
	if err := os.WriteFile(file, []byte(jsonScenario), 0o644); err != nil {
		t.Fatal(err)
	}
	return root
}

// useOneVariant changes the scenario of a checkout to one variant and the given phases,
// for tests that need a short run.
func useOneVariant(t *testing.T, root, phases string) {
	t.Helper()
	const before = "[warmup(connections = 64), peak(connections = 64), steady(rate = 2000)]"
	edit(t, filepath.Join(root, "scenarios", "json.star"), func(s string) string {
		s = strings.Replace(s, `["node/single", "python/uvloop"]`, `["node/single"]`, 1)
		return strings.Replace(s, before, phases, 1)
	})
}

// edit changes a file. It is fatal if the content stays the same.
func edit(t *testing.T, path string, change func(string) string) {
	t.Helper()
	text, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	changed := change(string(text))
	if changed == string(text) {
		t.Fatalf("nothing to change in %s", path)
	}
	if err := os.WriteFile(path, []byte(changed), 0o644); err != nil {
		t.Fatal(err)
	}
}

// labRun runs one command line in this process.
func labRun(ctx context.Context, args ...string) (code int, stdout, stderr string) {
	var out, errs bytes.Buffer
	code = Run(ctx, Streams{Out: &out, Err: &errs}, args)
	return code, out.String(), errs.String()
}

// latestRun returns the newest run of a checkout.
func latestRun(t testing.TB, root string) *record.StoredRun {
	t.Helper()
	dir, err := archive.Latest(filepath.Join(root, "results"))
	if err != nil {
		t.Fatal(err)
	}
	recorded, err := record.Read(dir)
	if err != nil {
		t.Fatal(err)
	}
	return recorded
}

// inventory lists what a run could leave behind: containers, networks, volumes and
// untagged images of an engine, and the number of child processes.
func inventory(t *testing.T, c *client.Client) []string {
	t.Helper()
	ctx := context.WithoutCancel(t.Context())
	var ids []string
	containers, err := c.ContainerList(ctx, client.ContainerListOptions{All: true})
	if err != nil {
		t.Fatal(err)
	}
	for _, x := range containers.Items {
		ids = append(ids, "container "+x.ID+strings.Join(x.Names, " "))
	}
	networks, err := c.NetworkList(ctx, client.NetworkListOptions{})
	if err != nil {
		t.Fatal(err)
	}
	for _, x := range networks.Items {
		ids = append(ids, "network "+x.ID)
	}
	volumes, err := c.VolumeList(ctx, client.VolumeListOptions{})
	if err != nil {
		t.Fatal(err)
	}
	for _, x := range volumes.Items {
		ids = append(ids, "volume "+x.Name)
	}
	images, err := c.ImageList(ctx, client.ImageListOptions{All: true})
	if err != nil {
		t.Fatal(err)
	}
	for _, x := range images.Items {
		if len(x.RepoTags) == 0 || slices.Equal(x.RepoTags, []string{"<none>:<none>"}) {
			ids = append(ids, "untagged image "+x.ID)
		}
	}
	ids = append(ids, fmt.Sprintf("%d processes", countChildren(t)))
	slices.Sort(ids)
	return ids
}

// countChildren returns the number of child processes of this process.
func countChildren(t *testing.T) (n int) {
	t.Helper()
	files, err := filepath.Glob("/proc/self/task/*/children")
	if err != nil {
		t.Fatal(err)
	}
	for _, file := range files {
		text, err := os.ReadFile(file)
		if err != nil && !errors.Is(err, os.ErrNotExist) { // a thread that has ended
			t.Fatal(err)
		}
		n += len(strings.Fields(string(text)))
	}
	return n
}

// expectInventory expects that the inventory is the same as before.
func expectInventory(t *testing.T, c *client.Client, before []string) {
	t.Helper()
	if after := inventory(t, c); !slices.Equal(before, after) {
		t.Errorf("the inventory was %q before, and is %q after", before, after)
	}
}

// watchPorts watches all containers of an engine during work, and returns the ids of
// those that publish a port.
func watchPorts(t *testing.T, c *client.Client, work func()) (exposed []string) {
	t.Helper()
	done := make(chan struct{})
	var watching sync.WaitGroup
	watching.Go(func() {
		for {
			listed, err := c.ContainerList(context.WithoutCancel(t.Context()), client.ContainerListOptions{All: true})
			if err == nil {
				for _, x := range listed.Items {
					for _, p := range x.Ports {
						if p.PublicPort != 0 {
							exposed = append(exposed, x.ID)
						}
					}
				}
			}
			select {
			case <-done:
				return
			case <-time.After(200 * time.Millisecond):
			}
		}
	})
	work()
	close(done)
	watching.Wait()
	return exposed
}

func TestIntegrationSmokeMeasuresBothRuntimesAndLeavesNothing(t *testing.T) {
	c := needEngine(t)
	root := checkout(t)
	// This builds the images, so that the run has nothing to build.
	code, stdout, stderr := labRun(t.Context(), "contract", "--root", root, "node/single", "python/uvloop")
	if code != fault.ExitOK {
		t.Fatalf("exit code %d\n%s", code, stderr)
	}
	before := inventory(t, c)
	exposed := watchPorts(t, c, func() {
		code, stdout, stderr = labRun(t.Context(), "run", "--root", root, "--profile", "smoke", "--seed", "7",
			"json")
	})
	if code != fault.ExitOK {
		t.Fatalf("exit code %d\n%s", code, stderr)
	}
	if len(exposed) > 0 {
		t.Errorf("containers published ports: %v", exposed)
	}
	expectInventory(t, c, before)
	if !strings.Contains(stdout, "node/single") || !strings.Contains(stdout, "python/uvloop") {
		t.Errorf("the table lacks a variant:\n%s", stdout)
	}
	if strings.Contains(stderr, "\x1b") || strings.Contains(stderr, "\r") {
		t.Errorf("the output, which is no terminal, has control characters:\n%q", stderr)
	}
	if strings.Contains(stderr, "building") {
		t.Errorf("the run built an image:\n%s", stderr)
	}

	got := latestRun(t, root)
	if got.Info.State != record.Done || got.Info.Seed != 7 {
		t.Errorf("run.json says %s with seed %d", got.Info.State, got.Info.Seed)
	}
	phases := map[string]bool{}
	for _, row := range got.Rows {
		phases[row.Text("variant")+" "+row.Text("phase")] = true
		if row.Text("validity") == string(lab.Failed) {
			t.Errorf("a failed row: %s", row.Text("validity_reason"))
		}
		expectFilled(t, row)
	}
	for _, variant := range []string{"node/single", "python/uvloop"} {
		for _, phase := range []string{"peak", "steady"} {
			if want := variant + " " + phase; !phases[want] {
				t.Errorf("no row for %s, only %v", want, phases)
			}
		}
	}
}

// expectFilled expects that a row has a value in every column that rows of its kind always
// have.
func expectFilled(t *testing.T, row metric.Row) {
	t.Helper()
	open := row.Text("mode") == "open"
	for _, m := range metric.Table() {
		if m.Rows != metric.EveryRow && (m.Rows != metric.OpenLoopRows || !open) {
			continue
		}
		if row.Text(m.Name) == "" {
			if _, isNumber := row.Float(m.Name); !isNumber {
				t.Errorf("%s %s has no %s", row.Text("variant"), row.Text("phase"), m.Name)
			}
		}
	}
}

func TestIntegrationAVariantWithAWrongAnswerIsNotMeasured(t *testing.T) {
	c := needEngine(t)
	before := inventory(t, c)
	root := checkout(t)
	edit(t, filepath.Join(root, "runtimes", "node", "app.js"), func(s string) string {
		return strings.Replace(s, "Hello, World!", "Hello, world!", 1)
	})
	code, stdout, stderr := labRun(t.Context(), "run", "--root", root, "--profile", "smoke", "json")
	removeFailedImages(t, c, root)
	if code != fault.ExitOK {
		t.Fatalf("exit code %d\n%s", code, stderr)
	}
	for _, want := range []string{"node/single is NOT MEASURED", "Hello, world!", "Hello, World!"} {
		if !strings.Contains(stderr, want) {
			t.Errorf("no %q in:\n%s", want, stderr)
		}
	}
	if !strings.Contains(stdout, "python/uvloop") {
		t.Errorf("python/uvloop was not measured:\n%s", stdout)
	}
	for _, row := range latestRun(t, root).Rows {
		failed := row.Text("validity") == string(lab.Failed)
		if failed != (row.Text("variant") == "node/single") {
			t.Errorf("%s is %s: %s", row.Text("variant"), row.Text("validity"), row.Text("validity_reason"))
		}
	}
	expectInventory(t, c, before)
}

// removeFailedImages removes the images of failed rows, which no other run uses.
func removeFailedImages(t *testing.T, c *client.Client, root string) {
	t.Helper()
	ids := map[string]bool{}
	for _, row := range latestRun(t, root).Rows {
		if row.Text("validity") == string(lab.Failed) {
			ids[row.Text("image_id")] = true
		}
	}
	for id := range ids {
		if id == "" {
			continue
		}
		if _, err := c.ImageRemove(context.WithoutCancel(t.Context()), id,
			client.ImageRemoveOptions{Force: true, PruneChildren: true}); err != nil {
			t.Error(err)
		}
	}
}

// The rows of broken variants fail with the reason, and the other variants are measured.
func TestIntegrationBrokenServersMakeFailedRows(t *testing.T) {
	c := needEngine(t)
	root := checkout(t)
	edit(t, filepath.Join(root, "runtimes", "node", "runtime.star"), func(s string) string {
		return s + `
variant(
    name = "crashes", model = "single", about = "Ends at once.",
    command = ["node", "-e", "console.error('no way'); process.exit(3)"],
)
variant(
    name = "hungry", model = "single", about = "Takes all memory.",
    command = ["node", "-e", "const a = []; for (;;) a.push(Buffer.alloc(1 << 24, 1))"],
)
`
	})
	edit(t, filepath.Join(root, "scenarios", "json.star"), func(s string) string {
		return strings.Replace(s, `"node/single"`, `"node/single", "node/crashes", "node/hungry"`, 1)
	})
	before := inventory(t, c)
	code, _, stderr := labRun(t.Context(), "run", "--root", root, "--profile", "smoke", "json")
	if code != fault.ExitOK {
		t.Fatalf("exit code %d\n%s", code, stderr)
	}
	want := map[string]string{
		"node/crashes": "exited with code 3; it last printed: no way",
		"node/hungry":  "killed for memory",
	}
	seen := map[string]bool{}
	for _, row := range latestRun(t, root).Rows {
		v := row.Text("variant")
		seen[v] = true
		reason, broken := want[v]
		if failed := row.Text("validity") == string(lab.Failed); failed != broken ||
			!strings.Contains(row.Text("validity_reason"), reason) {
			t.Errorf("%s is %s: %s", v, row.Text("validity"), row.Text("validity_reason"))
		}
	}
	if len(seen) != 4 {
		t.Errorf("rows of %v, want all four variants", seen)
	}
	expectInventory(t, c, before)
}

func TestIntegrationAnInterruptionKeepsWhatWasMeasured(t *testing.T) {
	c := needEngine(t)
	root := checkout(t)
	before := inventory(t, c)
	ctx, cancel := context.WithCancelCause(t.Context())
	defer cancel(nil)
	stop := interruptAfter(root, 2, func() { cancel(ErrInterrupted) })
	defer stop()
	code, stdout, stderr := labRun(ctx, "run", "--root", root, "--profile", "smoke", "json")
	if code != fault.ExitInterrupted {
		t.Fatalf("exit code %d\n%s", code, stderr)
	}
	got := latestRun(t, root)
	if got.Info.State != record.Interrupted || len(got.Rows) != 2 {
		t.Errorf("state %s, %d rows; want an interrupted run with the two rows of its first trial",
			got.Info.State, len(got.Rows))
	}
	if len(got.Rows) > 0 && !strings.Contains(stdout, got.Rows[0].Text("variant")) {
		t.Errorf("the table lacks what was measured:\n%s", stdout)
	}
	// The trial may be valid or disturbed.
	if !strings.Contains(stdout, " of 1 trial valid, 1 of ") {
		t.Errorf("the table lacks the number of planned trials:\n%s", stdout)
	}
	expectInventory(t, c, before)
}

// interruptAfter calls act once the newest run of root has n rows.
func interruptAfter(root string, n int, act func()) (stop func()) {
	ctx, cancel := context.WithCancel(context.Background())
	go func() {
		for ctx.Err() == nil {
			if countEndedRows(root) >= n {
				act()
				return
			}
			time.Sleep(50 * time.Millisecond)
		}
	}()
	return cancel
}

// countEndedRows counts the rows of ended trials of the newest run. run.json lists the
// size of trials.csv after each trial; resuming measures later rows again.
func countEndedRows(root string) int {
	dir := filepath.Join(root, "results", "latest")
	info, err := record.ReadInfo(dir)
	if err != nil {
		return 0
	}
	text, err := os.ReadFile(filepath.Join(dir, record.TrialsFile))
	if err != nil {
		return 0
	}
	ended := min(int(info.Files[record.TrialsFile].Bytes), len(text))
	return bytes.Count(text[:ended], []byte("\n")) - 1
}

// startUntilTwoRows starts a run in a second process, and returns when it has two rows.
func startUntilTwoRows(t *testing.T, root string) *exec.Cmd {
	t.Helper()
	// The command lab is this test binary, see TestMain.
	run := exec.Command("lab", "run", "--root", root, "--profile", "smoke", "json")
	run.Stdout, run.Stderr = io.Discard, io.Discard
	if err := run.Start(); err != nil {
		t.Fatal(err)
	}
	for countEndedRows(root) < 2 {
		time.Sleep(50 * time.Millisecond)
	}
	return run
}

func TestIntegrationAKilledRunLeavesReadableRowsAndNoGenerator(t *testing.T) {
	c := needEngine(t)
	root := checkout(t)
	before := inventory(t, c)
	run := startUntilTwoRows(t, root)
	for len(generators(t, c)) == 0 { // until the second trial starts
		time.Sleep(20 * time.Millisecond)
	}
	if err := run.Process.Kill(); err != nil {
		t.Fatal(err)
	}
	var ended *exec.ExitError
	if err := run.Wait(); !errors.As(err, &ended) {
		t.Fatalf("the lab ended with %v before it was killed", err)
	}
	for len(generators(t, c)) > 0 { // until the test times out if the generator does not end
		time.Sleep(20 * time.Millisecond)
	}
	got := latestRun(t, root)
	if len(got.Rows) < 2 || len(got.Rows) > 3 {
		t.Errorf("%d rows are readable, want those of the ended trial", len(got.Rows))
	}
	if slices.Equal(before, inventory(t, c)) {
		t.Error("the killed run left nothing for lab clean")
	}
	if code, _, stderr := labRun(t.Context(), "clean"); code != fault.ExitOK {
		t.Errorf("exit code %d\n%s", code, stderr)
	}
	expectInventory(t, c, before)
}

// generators returns the ids of the running generators.
func generators(t *testing.T, c *client.Client) []string {
	t.Helper()
	listed, err := c.ContainerList(context.WithoutCancel(t.Context()), client.ContainerListOptions{
		Filters: make(client.Filters).Add("label", "io.runtime-lab.role=generator"),
	})
	if err != nil {
		t.Fatal(err)
	}
	var ids []string
	for _, x := range listed.Items {
		ids = append(ids, x.ID)
	}
	return ids
}

func TestIntegrationASecondRunWaits(t *testing.T) {
	c := needEngine(t)
	root, other := checkout(t), checkout(t)
	for _, r := range []string{root, other} {
		useOneVariant(t, r, "[peak(connections = 64)]")
	}
	before := inventory(t, c)
	var first, second struct {
		code   int
		stderr string
	}
	var both sync.WaitGroup
	both.Go(func() {
		first.code, _, first.stderr = labRun(t.Context(), "run", "--root", root, "--profile", "smoke", "json")
	})
	for len(generators(t, c)) == 0 {
		time.Sleep(20 * time.Millisecond)
	}
	both.Go(func() {
		second.code, _, second.stderr = labRun(t.Context(), "run", "--root", other, "--profile", "smoke", "json")
	})
	both.Wait()
	if first.code != fault.ExitOK || second.code != fault.ExitOK {
		t.Fatalf("exit codes %d and %d\n%s\n%s", first.code, second.code, first.stderr, second.stderr)
	}
	if id := latestRun(t, root).Info.RunID; !strings.Contains(second.stderr, "waiting: run "+id) {
		t.Errorf("the second run does not print that it waits for %s:\n%s", id, second.stderr)
	}
	one, two := latestRun(t, root).Rows, latestRun(t, other).Rows
	if end, start := one[len(one)-1].Text("started_at"), two[0].Text("started_at"); start <= end {
		t.Errorf("the second run measured at %s, before the first ended after %s", start, end)
	}
	expectInventory(t, c, before)
}
