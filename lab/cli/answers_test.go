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
	"runtimelab/lab/fault"
)

// typoScenario requests what every server refuses.
const typoScenario = `scenario(
    name = "typo",
    about = "a parameter that is out of its range",
    profile = "smoke",
    requests = [get("/compute/text?n=0")],
    phases = [warmup(), peak()],
    variants = ["node/single"],
)
`

// A scenario that is answered with errors is refused before the calibration and the first
// trial, and the run has no folder.
func TestIntegrationErrorAnswersAreRefusedBeforeMeasuring(t *testing.T) {
	c := needEngine(t)
	t.Setenv("XDG_CACHE_HOME", t.TempDir()) // a machine that has not been calibrated
	root := checkout(t)
	file := filepath.Join(root, "scenarios", "typo.star")
	if err := os.WriteFile(file, []byte(typoScenario), 0o644); err != nil {
		t.Fatal(err)
	}
	sawPinned := watchForPinnedContainers(t, c)
	code, stdout, stderr := labRun(t.Context(), "run", "--root", root, "--profile", "smoke", "typo")
	if sawPinned() {
		t.Error("a container was pinned to CPUs, as for a trial or a calibration")
	}
	if code != fault.ExitUsage || stdout != "" {
		t.Errorf("exit code %d, want %d\n%s%s", code, fault.ExitUsage, stdout, stderr)
	}
	for _, want := range []string{
		`scenarios/typo.star:5:17: GET /compute/text?n=0 is answered 400 Bad Request by node/single, want 2xx`,
		`{"error":"n must be a whole`,
		`GET /compute/text?n=1 succeeds`,
	} {
		if !strings.Contains(stderr, want) {
			t.Errorf("no %q in:\n%s", want, stderr)
		}
	}
	if left, err := filepath.Glob(filepath.Join(root, "results", "*")); err != nil || len(left) > 0 {
		t.Errorf("results has %v, error %v", left, err)
	}
}

// clockModule is a Node module that answers /json?clock with the time in whole seconds, and
// /json?order with JSON that also shows the time.
const clockModule = `
import http from 'node:http';
const emit = http.Server.prototype.emit;
http.Server.prototype.emit = function (event, ...args) {
  const [request, response] = args;
  if (event !== 'request') return emit.call(this, event, ...args);
  if (request.url === '/json?clock') {
    response.end(String(Math.floor(Date.now() / 1000)));
    return true;
  }
  if (request.url === '/json?order') {
    response.setHeader('X-Version', '2');
    response.end(JSON.stringify({ at: performance.now(), id: 7, status: 'paid' }));
    return true;
  }
  return emit.call(this, event, ...args);
};
`

// lab contract checks the requests of a scenario without a run.
func TestIntegrationAnExpectedErrorIsMeasuredAndAChangingBodyIsNot(t *testing.T) {
	needEngine(t)
	root := checkout(t)
	edit(t, filepath.Join(root, "runtimes", "node", "runtime.star"),
		func(s string) string { return s + variantWithModule("clock", clockModule) })
	write := func(name, text string) {
		t.Helper()
		if err := os.WriteFile(filepath.Join(root, "scenarios", name+".star"), []byte(text), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	const order = `get("/json?order", expect = answer(json = {"id": %d}, headers = {"x-version": "2"}))`
	write("typo", strings.NewReplacer(
		`")]`, `"), get("/json?clock"), `+fmt.Sprintf(order, 8)+`]`, "node/single", "node/clock",
	).Replace(typoScenario))
	write("expected", strings.NewReplacer(
		`n=0")]`, `n=0", expect = 400), `+fmt.Sprintf(order, 7)+`]`, `"typo"`, `"expected"`,
		"node/single", "node/clock",
	).Replace(typoScenario))

	code, stdout, stderr := labRun(t.Context(), "contract", "--root", root, "--scenario", "typo")
	if code != fault.ExitUsage || !strings.HasPrefix(stdout, "node/clock ") ||
		!strings.Contains(stdout, " passed\n") {
		t.Errorf("exit code %d\n%s%s", code, stdout, stderr)
	}
	for _, want := range []string{
		`scenarios/typo.star:5:17: GET /compute/text?n=0 is answered 400 Bad Request by node/clock, want 2xx`,
		`scenarios/typo.star:5:43: GET /json?clock is answered differently the second time by node/clock: `,
		`scenarios/typo.star:5:63: GET /json?order is answered by node/clock with json["id"]: 7, want 8; the body `,
	} {
		if !strings.Contains(stderr, want) {
			t.Errorf("no %q in:\n%s", want, stderr)
		}
	}
	const described = `GET /json?order: status 200, header x-version: 2, JSON with {"id":8}`
	if !strings.Contains(stdout, described) {
		t.Errorf("no %q in:\n%s", described, stdout)
	}

	code, _, stderr = briefLabRun(t.Context(), "run", "--root", root, "--profile", "smoke", "expected")
	if code != fault.ExitOK {
		t.Fatalf("exit code %d\n%s", code, stderr)
	}
	for _, row := range latestRun(t, root).Rows {
		errors, known := row.Float("error_ratio")
		if row.Text("validity") == string(lab.Failed) || !known || errors > 0 {
			t.Errorf("%s: %s, errors %v", row.Text("phase"), row.Text("validity_reason"), errors)
		}
	}
}

// watchForPinnedContainers watches the containers of this process's run. The returned
// function stops the watch, and reports whether one was pinned to CPUs.
func watchForPinnedContainers(t *testing.T, c *client.Client) (stop func() (seen bool)) {
	t.Helper()
	ctx, cancel := context.WithCancel(context.WithoutCancel(t.Context()))
	result := make(chan bool, 1)
	go func() {
		seen := false
		for ctx.Err() == nil {
			if run := runOfThisProcess(ctx, c); run != "" {
				seen = seen || hasPinnedContainer(ctx, c, run)
			}
			time.Sleep(20 * time.Millisecond)
		}
		result <- seen
	}()
	return func() bool {
		cancel()
		return <-result
	}
}

// runOfThisProcess returns the id of the run with which this process holds the measuring
// lock; empty if it does not hold it.
func runOfThisProcess(ctx context.Context, c *client.Client) (run string) {
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

func hasPinnedContainer(ctx context.Context, c *client.Client, run string) bool {
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
