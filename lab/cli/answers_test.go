package cli

import (
	"context"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/moby/moby/client"

	"runtimelab/lab"
)

// typo is a scenario that asks for a path that no server knows.
const typo = `scenario(
    name = "typo",
    about = "a path that is misspelt",
    profile = "smoke",
    requests = [get("/jsn")],
    phases = [warmup(), peak()],
    variants = ["node/single"],
)
`

// A scenario that is answered with errors is told before anything is timed: nothing
// has a CPU of its own by then, neither a trial nor a calibration, and no run is begun.
func TestIntegrationAnErrorIsNoThroughput(t *testing.T) {
	c := needEngine(t).Client()
	t.Setenv("XDG_CACHE_HOME", t.TempDir()) // a machine that has not been calibrated
	root := checkout(t)
	if err := os.WriteFile(filepath.Join(root, "scenarios", "typo.star"), []byte(typo), 0o644); err != nil {
		t.Fatal(err)
	}
	timed := whetherTimed(t, c)
	code, stdout, stderr := labRun(t.Context(), "run", "--root", root, "--profile", "smoke", "typo")
	if timed() {
		t.Error("a container was given CPUs of its own, which only those that are timed are")
	}
	if code != lab.ExitUsage || stdout != "" {
		t.Errorf("exit code %d, want %d\n%s%s", code, lab.ExitUsage, stdout, stderr)
	}
	for _, want := range []string{
		`scenarios/typo.star:5:17: GET /jsn is answered 404 Not Found by node/single, want 2xx`,
		`{"error":"not found"}`,
		`did you mean "/json"?`,
	} {
		if !strings.Contains(stderr, want) {
			t.Errorf("no %q in:\n%s", want, stderr)
		}
	}
	if left, err := filepath.Glob(filepath.Join(root, "results", "*")); err != nil || len(left) > 0 {
		t.Errorf("a run was begun: %v %v", left, err)
	}
}

// clock is a module of Node's application that answers with the time of day, in
// whole seconds, where it would answer that a path is unknown.
const clock = `
import http from 'node:http';
const emit = http.Server.prototype.emit;
http.Server.prototype.emit = function (event, ...args) {
  const [request, response] = args;
  if (event !== 'request' || request.url !== '/clock') return emit.call(this, event, ...args);
  response.end(String(Math.floor(Date.now() / 1000)));
  return true;
};
`

// A status that the script expects is measured. What the script asks for can be tried
// on a server without a run, and a body that changes is told there too.
func TestIntegrationAnExpectedErrorIsMeasuredAndAChangingBodyIsNot(t *testing.T) {
	needEngine(t)
	root := checkout(t)
	edit(t, filepath.Join(root, "runtimes", "node", "runtime.star"),
		func(s string) string { return s + variantOf("clock", clock) })
	write := func(name, text string) {
		t.Helper()
		if err := os.WriteFile(filepath.Join(root, "scenarios", name+".star"), []byte(text), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	write("typo",
		strings.NewReplacer(`get("/jsn")`, `get("/jsn"), get("/clock")`, "node/single", "node/clock").Replace(typo))
	write("expected",
		strings.NewReplacer(`get("/jsn")`, `get("/jsn", expect = 404)`, `"typo"`, `"expected"`).Replace(typo))

	code, stdout, stderr := labRun(t.Context(), "contract", "--root", root, "--scenario", "typo")
	if code != lab.ExitUsage || !strings.HasPrefix(stdout, "node/clock ") || !strings.Contains(stdout,
		" passed\n") {
		t.Errorf("exit code %d\n%s%s", code, stdout, stderr)
	}
	for _, want := range []string{
		`scenarios/typo.star:5:17: GET /jsn is answered 404 Not Found by node/clock, want 2xx`,
		`scenarios/typo.star:5:30: GET /clock is answered differently the second time by node/clock: from byte `,
	} {
		if !strings.Contains(stderr, want) {
			t.Errorf("no %q in:\n%s", want, stderr)
		}
	}

	code, _, stderr = labRun(t.Context(), "run", "--root", root, "--profile", "smoke", "expected")
	if code != lab.ExitOK {
		t.Fatalf("exit code %d\n%s", code, stderr)
	}
	for _, row := range latest(t, root).Rows {
		errors, known := row.Float("error_ratio")
		if row.Text("validity") == string(lab.Failed) || !known || errors > 0 {
			t.Errorf("%s: %s, errors %v", row.Text("phase"), row.Text("validity_reason"), errors)
		}
	}
}

// whetherTimed watches until it is asked whether this process has had a container
// with CPUs of its own. What others measure while it waits for them is theirs.
func whetherTimed(t *testing.T, c *client.Client) (timed func() bool) {
	t.Helper()
	ctx, cancel := context.WithCancel(context.WithoutCancel(t.Context()))
	found := make(chan bool, 1)
	go func() {
		seen := false
		for ctx.Err() == nil {
			if run := runOfThis(ctx, c); run != "" {
				seen = seen || hasCPUs(ctx, c, run)
			}
			time.Sleep(20 * time.Millisecond)
		}
		found <- seen
	}()
	return func() bool {
		cancel()
		return <-found
	}
}

// runOfThis is the run of this process, once it holds the measuring lock.
func runOfThis(ctx context.Context, c *client.Client) (run string) {
	listed, err := c.ContainerList(ctx, client.ContainerListOptions{
		All: true, Filters: make(client.Filters).Add("label", "io.runtime-lab.role=lock"),
	})
	if err != nil {
		return ""
	}
	for _, x := range listed.Items {
		if strings.HasPrefix(x.Labels["io.runtime-lab.holder"], fmt.Sprintf("process %d of ", os.Getpid())) {
			return x.Labels["io.runtime-lab.run"]
		}
	}
	return ""
}

func hasCPUs(ctx context.Context, c *client.Client, run string) bool {
	listed, err := c.ContainerList(ctx, client.ContainerListOptions{
		All: true, Filters: make(client.Filters).Add("label", "io.runtime-lab.run="+run),
	})
	if err != nil {
		return false
	}
	for _, x := range listed.Items {
		inspected, err := c.ContainerInspect(ctx, x.ID, client.ContainerInspectOptions{})
		if err == nil && inspected.Container.HostConfig.CpusetCpus != "" {
			return true
		}
	}
	return false
}
