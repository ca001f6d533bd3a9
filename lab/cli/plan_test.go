package cli

import (
	"encoding/json"
	"math"
	"os"
	"path/filepath"
	"reflect"
	"strings"
	"testing"

	"runtimelab/lab"
)

// planned is what lab plan --json prints.
func planned(t *testing.T, args ...string) (p lab.Plan) {
	t.Helper()
	code, stdout, stderr := labRun(t.Context(), append([]string{"plan", "--json"}, args...)...)
	if code != lab.ExitOK {
		t.Fatalf("exit code %d\n%s", code, stderr)
	}
	if err := json.Unmarshal([]byte(stdout), &p); err != nil {
		t.Fatal(err)
	}
	return p
}

// A file that is dropped in is listed, runs as it was planned, and its rows are
// in the CSV; and its plan can be repeated for as long as it stays what it was.
func TestIntegrationANewScenarioRunsAsPlanned(t *testing.T) {
	needEngine(t)
	root := checkout(t)
	if code, _, stderr := labRun(t.Context(), "new", "--root", root, "scenario", "mine"); code != lab.ExitOK {
		t.Fatalf("exit code %d\n%s", code, stderr)
	}
	file := filepath.Join(root, "scenarios", "mine.star")
	edit(t, file, func(s string) string {
		s = strings.Replace(s, "peak(", "peak(keep_alive = False, ", 1)
		s = strings.Replace(s, `where(model = "single")`, `["node/single", "python/uvloop"]`, 1)
		return strings.Replace(s, "rate = 1000", "rate = share(0.2)", 1)
	})
	if code, stdout, stderr := labRun(t.Context(), "list", "--root",
		root); code != lab.ExitOK || !strings.Contains(stdout, "  mine ") {
		t.Fatalf("exit code %d\n%s%s", code, stdout, stderr)
	}
	args := []string{"--root", root, "--profile", "smoke", "--seed", "11", "mine"}
	before := planned(t, args...)
	if code, _, stderr := labRun(t.Context(), append([]string{"run"}, args...)...); code != lab.ExitOK {
		t.Fatalf("exit code %d\n%s", code, stderr)
	}
	run := latest(t, root)
	slowest := math.Inf(1)
	for i, p := range run.Info.Plan.Pilots {
		if before.Pilots[i].PeakRPS != 0 || p.PeakRPS <= 0 {
			t.Errorf("pilot %+v of the run, %+v of the plan", p, before.Pilots[i])
		}
		slowest = min(slowest, p.PeakRPS)
	}
	before.Layout, before.Pilots = run.Info.Plan.Layout, run.Info.Plan.Pilots
	if !reflect.DeepEqual(before, run.Info.Plan) {
		t.Errorf("planned\n%+v\nwent\n%+v", before, run.Info.Plan)
	}
	if len(run.Rows) < 4 {
		t.Errorf("%d rows of two phases on two variants", len(run.Rows))
	}
	for _, row := range run.Rows {
		if errors, _ := row.Float("error_ratio"); row.Text("scenario") != "mine" ||
			row.Text("validity") == string(lab.Failed) || errors > 0 {
			t.Errorf("%s on %s: %s, errors %v", row.Text("scenario"), row.Text("variant"), row.Text("validity_reason"),
				errors)
		}
		if want := map[string]string{
			"peak":   "false",
			"steady": "true",
		}[row.Text("phase")]; row.Text("keep_alive") != want {
			t.Errorf("%s: keep-alive %s", row.Text("phase"), row.Text("keep_alive"))
		}
		if rate, open := row.Float("offered_rps"); open && math.Abs(rate/(0.2*slowest)-1) > 0.01 {
			t.Errorf("offered %v requests a second, want a fifth of %v", rate, slowest)
		}
	}

	again := planned(t, "--root", root, "--like", run.Info.RunID)
	again.Layout = run.Info.Plan.Layout
	if !reflect.DeepEqual(again, run.Info.Plan) {
		t.Errorf("repeated\n%+v\nwas\n%+v", again, run.Info.Plan)
	}
	text, err := os.ReadFile(file)
	if err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(file, append(text, "# changed\n"...), 0o644); err != nil {
		t.Fatal(err)
	}
	code, _, stderr := labRun(t.Context(), "run", "--root", root, "--like", run.Info.RunID)
	if code != lab.ExitUsage || !strings.Contains(stderr,
		"scenarios/mine.star is not what it was in run "+run.Info.RunID) {
		t.Errorf("exit code %d\n%s", code, stderr)
	}
}

// loads has an upstream for one scenario, and both CPUs for the other.
var loads = map[string]string{
	"waiting": `scenario(
    name = "waiting",
    about = "clients that wait for an upstream",
    requests = [get("/wait?ms=20")],
    upstream = True,
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

// An upstream is called for every answer, and servers have the CPUs and the
// workers that they should.
func TestIntegrationUpstreamsAndWiderServers(t *testing.T) {
	c := needEngine(t).Client()
	before := inventory(t, c)
	root := checkout(t)
	for name, text := range loads {
		if err := os.WriteFile(filepath.Join(root, "scenarios", name+".star"), []byte(text), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	code, stdout, stderr := labRun(t.Context(), "run", "--root", root, "--profile", "smoke", "waiting", "split")
	if code != lab.ExitOK {
		t.Fatalf("exit code %d\n%s", code, stderr)
	}
	for _, want := range []string{
		"ladder-10 on 10 connections, ladder-100 on 100 connections, with an upstream",
		"2 CPUs for the server",
	} {
		if !strings.Contains(stderr, want) {
			t.Errorf("no %q in how the run explains itself:\n%s", want, stderr)
		}
	}
	if !strings.Contains(stdout, "waiting: 100 clients at once") {
		t.Errorf("the table has no ladder:\n%s", stdout)
	}
	seen := map[string]bool{} // a trial that was disturbed has its rows twice
	for _, row := range latest(t, root).Rows {
		name := row.Text("scenario") + " " + row.Text("variant") + " " + row.Text("phase")
		seen[name] = true
		if row.Text("validity") == string(lab.Failed) {
			t.Errorf("%s: %s", name, row.Text("validity_reason"))
		}
		hits, _ := row.Int("upstream_hits")
		sent, _ := row.Int("requests")
		workers, _ := row.Int("workers")
		cpus, _ := row.Int("server_cpus")
		switch {
		case row.Text("scenario") == "waiting" && (hits != sent || sent < 100 || cpus != 1):
			t.Errorf("%s: %d calls for %d requests, %d CPUs", name, hits, sent, cpus)
		case row.Text("scenario") == "split" && cpus != 2:
			t.Errorf("%s: %d CPUs", name, cpus)
		case row.Text("variant") == "python/processes" && workers != 2:
			t.Errorf("%s: %d workers on two CPUs", name, workers)
		}
	}
	if len(seen) != 6 {
		t.Errorf("rows of %v, want those of two rungs and a peak, on two variants each", seen)
	}
	expectInventory(t, c, before)
}
