package cli

import (
	"bufio"
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
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
	"runtimelab/lab/session"
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

// helloCheckout is a checkout whose applications offer no more than jsonScenario asks for. Checking the
// answers to all workloads takes several times as long.
func helloCheckout(t *testing.T) string {
	t.Helper()
	root := checkout(t)
	for _, runtime := range []string{"node", "python"} {
		edit(t, filepath.Join(root, "runtimes", runtime, "runtime.star"), func(s string) string {
			return regexp.MustCompile(`offers = [^\n]*,`).ReplaceAllString(s, `offers = ["hello"],`)
		})
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
	return runApp(&app{ctx: ctx}, args)
}

// runApp runs one command line of the program a in this process.
func runApp(a *app, args []string) (code int, stdout, stderr string) {
	var out, errs bytes.Buffer
	a.Streams = Streams{Out: &out, Err: &errs}
	code = a.run(args)
	return code, out.String(), errs.String()
}

// briefly gives a profile phases of a second, for tests of what a run does and not of its figures.
func briefly(p *lab.Profile) {
	p.WarmUpMax, p.PeakDuration, p.SteadyDuration = time.Second, time.Second, time.Second
}

// briefLabRun is labRun with the phases of briefly in a new run.
func briefLabRun(ctx context.Context, args ...string) (code int, stdout, stderr string) {
	return runApp(&app{ctx: ctx, adjustProfile: briefly}, args)
}

// briefLab is the command lab with the phases of briefly in a new run. Like the command lab it is
// this test binary, see TestMain.
const briefLab = "brief-lab"

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
			"--raw", "json")
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
	expectHits(t, got)
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

func TestIntegrationAnInterruptionKeepsWhatWasMeasured(t *testing.T) {
	c := needEngine(t)
	root := helloCheckout(t)
	before := inventory(t, c)
	ctx, cancel := context.WithCancelCause(t.Context())
	defer cancel(nil)
	stop := interruptAfter(root, 2, func() { cancel(ErrInterrupted) })
	defer stop()
	code, stdout, stderr := briefLabRun(ctx, "run", "--root", root, "--profile", "smoke", "json")
	if code != fault.ExitInterrupted || !strings.Contains(stderr, "--resume") {
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
	expectNotResumed(t, c, root)
}

// expectNotResumed expects that the newest run, of node and python, is not resumed with another image
// or scenario.
func expectNotResumed(t *testing.T, c *client.Client, root string) {
	t.Helper()
	defer removeImagesExcept(t, c, imageTags(t, c))
	edit(t, filepath.Join(root, "runtimes", "node", "app.js"),
		func(s string) string { return s + "\n// Another application.\n" })
	code, _, stderr := labRun(t.Context(), "run", "--root", root, "--resume", "latest")
	if code != fault.ExitUsage || !strings.Contains(stderr, "image of node/single: content ") ||
		strings.Contains(stderr, "image of python") {
		t.Errorf("with another image: exit code %d\n%s", code, stderr)
	}
	edit(t, filepath.Join(root, "scenarios", "json.star"),
		func(s string) string { return strings.Replace(s, "2000", "2001", 1) })
	code, _, stderr = labRun(t.Context(), "run", "--root", root, "--resume", "latest")
	if code != fault.ExitUsage || !strings.Contains(stderr, "json.star has changed since run") {
		t.Errorf("with another scenario: exit code %d\n%s", code, stderr)
	}
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
	return max(0, bytes.Count(text[:ended], []byte("\n"))-1)
}

// After a kill -9 of the lab in its second trial, the rows of the first are readable, no generator
// runs, lab clean removes the rest, and the run can be resumed until it is complete.
func TestIntegrationAKilledRunIsResumed(t *testing.T) {
	c := needEngine(t)
	root := helloCheckout(t)
	before := inventory(t, c)
	run := exec.Command(briefLab, "run", "--root", root, "--profile", "smoke", "json")
	run.Stdout, run.Stderr = io.Discard, io.Discard
	if err := run.Start(); err != nil {
		t.Fatal(err)
	}
	for countEndedRows(root) < 2 {
		time.Sleep(50 * time.Millisecond)
	}
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

	expectResumed(t, root, got, 2)
	expectInventory(t, c, before)
	code, _, stderr := labRun(t.Context(), "run", "--root", root, "--resume", "latest")
	if code != fault.ExitUsage || !strings.Contains(stderr, "is complete") {
		t.Errorf("resuming a complete run: exit code %d\n%s", code, stderr)
	}
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

// A run waits while another one measures, with a message that names it.
func TestIntegrationASecondRunWaits(t *testing.T) {
	c := needEngine(t)
	root := helloCheckout(t)
	useOneVariant(t, root, "[peak(connections = 64)]")
	before := inventory(t, c)
	messages, out := io.Pipe()
	var code int
	var second sync.WaitGroup
	second.Go(func() {
		defer out.Close()
		waiting := &app{
			Streams: Streams{Out: io.Discard, Err: out}, ctx: t.Context(), adjustProfile: briefly,
		}
		code = waiting.run([]string{"run", "--root", root, "--profile", "smoke", "json"})
	})
	lines := bufio.NewScanner(messages)
	readUntil := func(text string) (found bool) {
		for !found && lines.Scan() {
			t.Log(lines.Text())
			found = strings.Contains(lines.Text(), text)
		}
		return found
	}
	var ended time.Time
	inTestSession(t, func(_ context.Context, s *session.Session) {
		if !readUntil("waiting: run " + s.ID) {
			t.Errorf("the second run does not print that it waits for %s", s.ID)
		}
		time.Sleep(time.Second)
		if len(generators(t, c)) > 0 {
			t.Error("the second run has a generator while it waits")
		}
		ended = time.Now()
	})
	readUntil("\n") // no line has one: this reads all
	second.Wait()
	if code != fault.ExitOK {
		t.Fatalf("exit code %d", code)
	}
	started := latestRun(t, root).Rows[0].Text("started_at")
	if at, err := time.Parse(time.RFC3339, started); err != nil || at.Before(ended) {
		t.Errorf("the second run measured at %s, before the first ended at %v: %v", started, ended, err)
	}
	expectInventory(t, c, before)
}
