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
	"runtimelab/lab/engine"
	"runtimelab/lab/metric"
	"runtimelab/lab/record"
)

// needEngine connects to the engine that the lab would use. Without one the
// test fails, in CI as elsewhere: make test starts one.
func needEngine(t *testing.T) *engine.Engine {
	t.Helper()
	if testing.Short() {
		t.Skip("needs a Docker engine")
	}
	// What is calibrated beside tests must not be what a user's run is judged
	// by. bin/ is git-ignored and goes with make clean.
	cache, err := filepath.Abs(filepath.Join("..", "..", "bin", "test-cache"))
	if err != nil {
		t.Fatal(err)
	}
	t.Setenv("XDG_CACHE_HOME", cache)
	ownTemporaryFiles(t)
	e, err := engine.Open(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := e.Close(); err != nil {
			t.Error(err)
		}
	})
	return e
}

// ownTemporaryFiles gives a test a folder for temporary files, and fails it if one
// is left in it at the end.
func ownTemporaryFiles(t *testing.T) {
	t.Helper()
	dir, err := os.MkdirTemp("/tmp", "lab-test-") // short, as the path of a socket in it must be
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

// twoVariants is a scenario on one variant of each runtime.
const twoVariants = `scenario(
    name = "json",
    about = "a small object turned into JSON",
    profile = "smoke",
    requests = [get("/json")],
    phases = [warmup(connections = 64), peak(connections = 64), steady(rate = 2000)],
    variants = ["node/single", "python/uvloop"],
)
`

// checkout is a copy of this checkout's runtimes/ with one scenario, to be
// changed at will.
func checkout(t *testing.T) string {
	t.Helper()
	root := t.TempDir()
	if err := os.CopyFS(filepath.Join(root, "runtimes"),
		os.DirFS(filepath.Join("..", "..", "runtimes"))); err != nil {
		t.Fatal(err)
	}
	if err := os.Mkdir(filepath.Join(root, "scenarios"), 0o755); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(filepath.Join(root, "scenarios", "json.star"), []byte(twoVariants),
		0o644); err != nil {
		t.Fatal(err)
	}
	return root
}

// onOneVariant leaves a checkout's scenario one variant and the phases given, for
// tests that need a run and not its figures.
func onOneVariant(t *testing.T, root, phases string) {
	t.Helper()
	edit(t, filepath.Join(root, "scenarios", "json.star"), func(s string) string {
		s = strings.Replace(s, `["node/single", "python/uvloop"]`, `["node/single"]`, 1)
		return strings.Replace(s, "[warmup(connections = 64), peak(connections = 64), steady(rate = 2000)]", phases,
			1)
	})
}

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

func latest(t testing.TB, root string) *record.StoredRun {
	t.Helper()
	dir, err := record.LatestDir(filepath.Join(root, "results"))
	if err != nil {
		t.Fatal(err)
	}
	recorded, err := record.Read(dir)
	if err != nil {
		t.Fatal(err)
	}
	return recorded
}

// inventory is what a lab could leave behind: an engine's containers, networks,
// volumes and untagged images, and processes.
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
	ids = append(ids, fmt.Sprintf("%d processes", children(t)))
	slices.Sort(ids)
	return ids
}

// children counts the processes that this one has started.
func children(t *testing.T) (n int) {
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

func expectInventory(t *testing.T, c *client.Client, before []string) {
	t.Helper()
	if after := inventory(t, c); !slices.Equal(before, after) {
		t.Errorf("there were %q before and %q after", before, after)
	}
}

// watch looks at every container of the lab while work is done, and returns
// the ports that any published and the interfaces beside lo that any had.
func watch(t *testing.T, c *client.Client, work func()) (exposed []string) {
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
	c := needEngine(t).Client()
	root := checkout(t)
	// Images are built, so that what follows is a run like any other.
	if code, _, stderr := labRun(t.Context(), "contract", "--root", root, "node/single",
		"python/uvloop"); code != lab.ExitOK {
		t.Fatalf("exit code %d\n%s", code, stderr)
	}
	before := inventory(t, c)
	var code int
	var stdout, stderr string
	exposed := watch(t, c, func() {
		code, stdout, stderr = labRun(t.Context(), "run", "--root", root, "--profile", "smoke", "--seed", "7",
			"json")
	})
	if code != lab.ExitOK {
		t.Fatalf("exit code %d\n%s", code, stderr)
	}
	if len(exposed) > 0 {
		t.Errorf("containers published ports: %v", exposed)
	}
	expectInventory(t, c, before)
	if !strings.Contains(stdout, "node/single") || !strings.Contains(stdout, "python/uvloop") {
		t.Errorf("the table names not both variants:\n%s", stdout)
	}
	if strings.Contains(stderr, "\x1b") || strings.Contains(stderr, "\r") {
		t.Errorf("off a terminal there is animation:\n%q", stderr)
	}
	if strings.Contains(stderr, "building") {
		t.Errorf("a second run built something:\n%s", stderr)
	}

	got := latest(t, root)
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
	for _, want := range []string{
		"node/single peak", "node/single steady", "python/uvloop peak",
		"python/uvloop steady",
	} {
		if !phases[want] {
			t.Errorf("no row for %s, only %v", want, phases)
		}
	}
}

// expectFilled checks that a row has a value in every column that it can have
// one in. A quantile that only many requests support may be missing.
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

func TestIntegrationAnAlteredAnswerIsShownAndNotMeasured(t *testing.T) {
	c := needEngine(t).Client()
	before := inventory(t, c)
	root := checkout(t)
	edit(t, filepath.Join(root, "runtimes", "node", "app.js"), func(s string) string {
		return strings.Replace(s, "Hello, World!", "Hello, world!", 1)
	})
	code, stdout, stderr := labRun(t.Context(), "run", "--root", root, "--profile", "smoke", "json")
	removeImages(t, c, root)
	if code != lab.ExitOK {
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
	for _, row := range latest(t, root).Rows {
		failed := row.Text("validity") == string(lab.Failed)
		if failed != (row.Text("variant") == "node/single") {
			t.Errorf("%s is %s: %s", row.Text("variant"), row.Text("validity"), row.Text("validity_reason"))
		}
	}
	expectInventory(t, c, before)
}

// removeImages removes the images of rows in root that this checkout's own
// runs do not use.
func removeImages(t *testing.T, c *client.Client, root string) {
	t.Helper()
	own := map[string]bool{}
	for _, row := range latest(t, root).Rows {
		if row.Text("validity") == string(lab.Failed) {
			own[row.Text("image_id")] = true
		}
	}
	for id := range own {
		if id == "" {
			continue
		}
		if _, err := c.ImageRemove(context.WithoutCancel(t.Context()), id,
			client.ImageRemoveOptions{Force: true, PruneChildren: true}); err != nil {
			t.Error(err)
		}
	}
}

// Variants that break in every way a server can: each makes failed rows with
// the reason, and the one that does not break is measured.
func TestIntegrationBrokenServersMakeFailedRows(t *testing.T) {
	c := needEngine(t).Client()
	root := checkout(t)
	edit(t, filepath.Join(root, "runtimes", "node", "runtime.star"), func(s string) string {
		return s + `
variant(name = "crashes", model = "single", about = "Ends at once.", command = ["node", "-e", "console.error('no way'); process.exit(3)"])
variant(name = "hungry", model = "single", about = "Takes all memory.", command = ["node", "-e", "const a = []; for (;;) a.push(Buffer.alloc(1 << 24, 1))"])
`
	})
	edit(t, filepath.Join(root, "scenarios", "json.star"), func(s string) string {
		return strings.Replace(s, `"node/single"`, `"node/single", "node/crashes", "node/hungry"`, 1)
	})
	before := inventory(t, c)
	code, _, stderr := labRun(t.Context(), "run", "--root", root, "--profile", "smoke", "json")
	if code != lab.ExitOK {
		t.Fatalf("exit code %d\n%s", code, stderr)
	}
	want := map[string]string{
		"node/crashes": "exited with code 3; it last printed: no way",
		"node/hungry":  "killed for memory",
	}
	seen := map[string]bool{}
	for _, row := range latest(t, root).Rows {
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
	c := needEngine(t).Client()
	root := checkout(t)
	before := inventory(t, c)
	ctx, cancel := context.WithCancelCause(t.Context())
	defer cancel(nil)
	stop := interruptAfter(root, 2, func() { cancel(ErrInterrupted) })
	defer stop()
	code, stdout, stderr := labRun(ctx, "run", "--root", root, "--profile", "smoke", "json")
	if code != lab.ExitInterrupted {
		t.Fatalf("exit code %d\n%s", code, stderr)
	}
	got := latest(t, root)
	if got.Info.State != record.Interrupted || len(got.Rows) != 2 {
		t.Errorf("state %s, %d rows; want an interrupted run with the two rows of its first trial", got.Info.State,
			len(got.Rows))
	}
	if len(got.Rows) > 0 && !strings.Contains(stdout, got.Rows[0].Text("variant")) {
		t.Errorf("the table lacks what was measured:\n%s", stdout)
	}
	// Whether the trial is valid is the machine's to say.
	if !strings.Contains(stdout, " of 1 trials valid, 1 of ") {
		t.Errorf("the table does not say how much was planned:\n%s", stdout)
	}
	expectInventory(t, c, before)
}

// interruptAfter calls act once the newest run of root has n rows.
func interruptAfter(root string, n int, act func()) (stop func()) {
	ctx, cancel := context.WithCancel(context.Background())
	go func() {
		for ctx.Err() == nil {
			if rows(root) >= n {
				act()
				return
			}
			time.Sleep(50 * time.Millisecond)
		}
	}()
	return cancel
}

// rows counts the rows of the newest run's trials that have ended: run.json says so
// once trials.csv has them, and what a lab killed in between had measured is measured
// anew.
func rows(root string) int {
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

// startUntilTwoRows starts a lab in a process of its own, and returns when it has
// two rows.
func startUntilTwoRows(t *testing.T, root string) *exec.Cmd {
	t.Helper()
	// this test binary: see TestMain
	run := exec.Command("lab", "run", "--root", root, "--profile", "smoke", "json")
	run.Stdout, run.Stderr = io.Discard, io.Discard
	if err := run.Start(); err != nil {
		t.Fatal(err)
	}
	for rows(root) < 2 {
		time.Sleep(50 * time.Millisecond)
	}
	return run
}

func TestIntegrationKillLeavesReadableRowsAndNoGenerator(t *testing.T) {
	c := needEngine(t).Client()
	root := checkout(t)
	before := inventory(t, c)
	run := startUntilTwoRows(t, root)
	for len(generators(t, c)) == 0 { // the second trial's
		time.Sleep(20 * time.Millisecond)
	}
	if err := run.Process.Kill(); err != nil {
		t.Fatal(err)
	}
	var ended *exec.ExitError
	if err := run.Wait(); !errors.As(err, &ended) {
		t.Fatalf("the lab ended with %v before it was killed", err)
	}
	for len(generators(t, c)) > 0 { // for ever if they outlive the lab: the test's own time limit ends it
		time.Sleep(20 * time.Millisecond)
	}
	got := latest(t, root)
	if len(got.Rows) < 2 || len(got.Rows) > 3 {
		t.Errorf("%d rows are readable, want those of the trial that had ended", len(got.Rows))
	}
	if slices.Equal(before, inventory(t, c)) {
		t.Error("nothing was left to sweep: the test proves nothing")
	}
	if code, _, stderr := labRun(t.Context(), "clean"); code != lab.ExitOK {
		t.Errorf("exit code %d\n%s", code, stderr)
	}
	expectInventory(t, c, before)
}

// generators lists the generators that run.
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

func TestIntegrationASecondLabWaitsAndHarmsNothing(t *testing.T) {
	c := needEngine(t).Client()
	root, other := checkout(t), checkout(t)
	for _, r := range []string{root, other} {
		onOneVariant(t, r, "[peak(connections = 64)]")
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
	if first.code != lab.ExitOK || second.code != lab.ExitOK {
		t.Fatalf("exit codes %d and %d\n%s\n%s", first.code, second.code, first.stderr, second.stderr)
	}
	if id := latest(t, root).Info.RunID; !strings.Contains(second.stderr, "waiting: run "+id) {
		t.Errorf("the second lab does not say that it waits for %s:\n%s", id, second.stderr)
	}
	one, two := latest(t, root).Rows, latest(t, other).Rows
	if end, start := one[len(one)-1].Text("started_at"), two[0].Text("started_at"); start <= end {
		t.Errorf("the second lab measured at %s, the first until after %s", start, end)
	}
	expectInventory(t, c, before)
}
