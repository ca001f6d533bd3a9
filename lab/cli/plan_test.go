package cli

import (
	"encoding/json"
	"math"
	"os"
	"path/filepath"
	"reflect"
	"runtime"
	"strings"
	"testing"

	"runtimelab/lab"
	"runtimelab/lab/fault"
)

// planJSON runs lab plan --json and returns the plan of a briefLabRun.
func planJSON(t *testing.T, args ...string) (p lab.Plan) {
	t.Helper()
	code, stdout, stderr := briefLabRun(t.Context(), append([]string{"plan", "--json"}, args...)...)
	if code != fault.ExitOK {
		t.Fatalf("exit code %d\n%s", code, stderr)
	}
	if err := json.Unmarshal([]byte(stdout), &p); err != nil {
		t.Fatal(err)
	}
	return p
}

// The plan of a run can be repeated until the script of its scenario changes.
func TestIntegrationANewScenarioRunsAsPlanned(t *testing.T) {
	needEngine(t)
	root := checkout(t)
	if code, _, stderr := labRun(t.Context(), "new", "--root", root, "scenario", "mine"); code != fault.ExitOK {
		t.Fatalf("exit code %d\n%s", code, stderr)
	}
	file := filepath.Join(root, "scenarios", "mine.star")
	edit(t, file, func(s string) string {
		s = strings.Replace(s, "peak(", "peak(keep_alive = False, ", 1)
		s = strings.Replace(s, `where(model = "single")`, `["node/single", "python/uvloop"]`, 1)
		return strings.Replace(s, "rate = 1000", "rate = share(0.2)", 1)
	})
	code, stdout, stderr := labRun(t.Context(), "list", "--root", root)
	if code != fault.ExitOK || !strings.Contains(stdout, "  mine ") {
		t.Fatalf("exit code %d\n%s%s", code, stdout, stderr)
	}
	args := []string{"--root", root, "--profile", "smoke", "--seed", "11", "mine"}
	planned := planJSON(t, args...)
	if code, _, stderr := briefLabRun(t.Context(), append([]string{"run"}, args...)...); code != fault.ExitOK {
		t.Fatalf("exit code %d\n%s", code, stderr)
	}
	run := latestRun(t, root)
	slowest := math.Inf(1)
	for i, p := range run.Info.Plan.Pilots {
		if planned.Pilots[i].PeakRPS != 0 || p.PeakRPS <= 0 {
			t.Errorf("pilot %+v of the run, %+v of the plan", p, planned.Pilots[i])
		}
		slowest = min(slowest, p.PeakRPS)
	}
	planned.Layout, planned.Pilots = run.Info.Plan.Layout, run.Info.Plan.Pilots
	if !reflect.DeepEqual(planned, run.Info.Plan) {
		t.Errorf("the plan was\n%+v\nand the run did\n%+v", planned, run.Info.Plan)
	}
	if len(run.Rows) < 4 {
		t.Errorf("%d rows of two phases on two variants", len(run.Rows))
	}
	for _, row := range run.Rows {
		if errors, _ := row.Float("error_ratio"); row.Text("scenario") != "mine" ||
			row.Text("validity") == string(lab.Failed) || errors > 0 {
			t.Errorf("%s on %s: %s, errors %v",
				row.Text("scenario"), row.Text("variant"), row.Text("validity_reason"), errors)
		}
		keepAlive := map[string]string{"peak": "false", "steady": "true"}[row.Text("phase")]
		if row.Text("keep_alive") != keepAlive {
			t.Errorf("%s: keep-alive %s, want %s", row.Text("phase"), row.Text("keep_alive"), keepAlive)
		}
		if rate, open := row.Float("offered_rps"); open && math.Abs(rate/(0.2*slowest)-1) > 0.01 {
			t.Errorf("offered %v requests a second, want a fifth of %v", rate, slowest)
		}
	}

	repeated := planJSON(t, "--root", root, "--like", run.Info.RunID)
	repeated.Layout = run.Info.Plan.Layout
	if !reflect.DeepEqual(repeated, run.Info.Plan) {
		t.Errorf("the repeated plan is\n%+v\nand the run's was\n%+v", repeated, run.Info.Plan)
	}
	text, err := os.ReadFile(file)
	if err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(file, append(text, "# changed\n"...), 0o644); err != nil {
		t.Fatal(err)
	}
	code, _, stderr = labRun(t.Context(), "run", "--root", root, "--like", run.Info.RunID)
	if code != fault.ExitUsage ||
		!strings.Contains(stderr, "scenarios/mine.star has changed since run "+run.Info.RunID) {
		t.Errorf("exit code %d\n%s", code, stderr)
	}
}

// layoutScenarios are a scenario with an upstream, and one with servers on two CPUs.
var layoutScenarios = map[string]string{
	"waiting": `scenario(
    name = "waiting",
    about = "clients that wait for an upstream",
    requests = [get("/wait?ms=20")],
    services = ["upstream"],
    phases = [warmup(connections = 8), ladder(connections = [10, 100])],
    variants = ["node/single", "python/uvloop"],
)
`,
	"split": `scenario(
    name = "split",
    about = "one request's work over two workers",
    requests = [get("/parallel/integers?workers=2&n=100000")],
    cores = 2,
    phases = [warmup(connections = 1), peak(connections = 1)],
    variants = ["node/worker-threads", "python/processes"],
)
`,
}

// The upstream is called once for each request, and servers have the CPUs and workers of
// their scenario.
func TestIntegrationUpstreamsAndWiderServers(t *testing.T) {
	c := needEngine(t)
	before := inventory(t, c)
	root := checkout(t)
	for name, text := range layoutScenarios {
		if err := os.WriteFile(filepath.Join(root, "scenarios", name+".star"), []byte(text), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	code, stdout, stderr := briefLabRun(t.Context(), "run", "--root", root, "--profile", "smoke", "waiting",
		"split")
	if code != fault.ExitOK {
		t.Fatalf("exit code %d\n%s", code, stderr)
	}
	for _, want := range []string{
		"ladder-10 on 10 connections, ladder-100 on 100 connections, with upstream",
		"2 CPUs for the server",
	} {
		if !strings.Contains(stderr, want) {
			t.Errorf("no %q in the messages of the run:\n%s", want, stderr)
		}
	}
	if !strings.Contains(stdout, "waiting: 100 clients at once") {
		t.Errorf("the table has no ladder:\n%s", stdout)
	}
	seen := map[string]bool{} // a repeated trial has its rows twice
	for _, row := range latestRun(t, root).Rows {
		name := row.Text("scenario") + " " + row.Text("variant") + " " + row.Text("phase")
		seen[name] = true
		if row.Text("validity") == string(lab.Failed) {
			t.Errorf("%s: %s", name, row.Text("validity_reason"))
		}
		hits, _ := row.Int("upstream_hits")
		sent, _ := row.Int("requests")
		workers, _ := row.Int("workers")
		cpus, _ := row.Int("server_cpus")
		loop, _ := row.Float("idle_loop_cpu_s")
		switch {
		case row.Text("scenario") == "waiting" && (hits != sent || sent < 100 || cpus != 1):
			t.Errorf("%s: %d calls for %d requests, %d CPUs", name, hits, sent, cpus)
		case row.Text("scenario") == "split" && cpus != 2:
			t.Errorf("%s: %d CPUs", name, cpus)
		case runtime.NumCPU() == 2 && loop <= 0:
			t.Errorf("%s: the generator shares its CPU, and the idle loop used %v s", name, loop)
		case row.Text("variant") == "python/processes" && workers != 2:
			t.Errorf("%s: %d workers on two CPUs", name, workers)
		}
	}
	if len(seen) != 6 {
		t.Errorf("rows of %v, want two rungs of the ladder and a peak, each on two variants", seen)
	}
	expectInventory(t, c, before)
}
