package cli

import (
	"encoding/json"
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
	if code != lab.ExitDone {
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
	if code, _, stderr := labRun(t.Context(), "new", "--root", root, "scenario", "mine"); code != lab.ExitDone {
		t.Fatalf("exit code %d\n%s", code, stderr)
	}
	file := filepath.Join(root, "scenarios", "mine.star")
	edit(t, file, func(s string) string { return strings.Replace(s, "peak(", "peak(keep_alive = False, ", 1) })
	if code, stdout, stderr := labRun(t.Context(), "list", "--root", root); code != lab.ExitDone || !strings.Contains(stdout, "  mine ") {
		t.Fatalf("exit code %d\n%s%s", code, stdout, stderr)
	}
	args := []string{"--root", root, "--profile", "smoke", "--seed", "11", "mine"}
	before := planned(t, args...)
	if code, _, stderr := labRun(t.Context(), append([]string{"run"}, args...)...); code != lab.ExitDone {
		t.Fatalf("exit code %d\n%s", code, stderr)
	}
	run := latest(t, root)
	before.Layout = run.Info.Plan.Layout
	if !reflect.DeepEqual(before, run.Info.Plan) {
		t.Errorf("planned\n%+v\nwent\n%+v", before, run.Info.Plan)
	}
	if len(run.Rows) < 4 {
		t.Errorf("%d rows of two phases on two variants", len(run.Rows))
	}
	for _, row := range run.Rows {
		if errors, _ := row.Float("error_ratio"); row.Text("scenario") != "mine" || row.Text("validity") == string(lab.Failed) || errors > 0 {
			t.Errorf("%s on %s: %s, errors %v", row.Text("scenario"), row.Text("variant"), row.Text("validity_reason"), errors)
		}
		if want := map[string]string{"peak": "false", "steady": "true"}[row.Text("phase")]; row.Text("keep_alive") != want {
			t.Errorf("%s: keep-alive %s", row.Text("phase"), row.Text("keep_alive"))
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
	if code != lab.ExitUsage || !strings.Contains(stderr, "scenarios/mine.star is not what it was in run "+run.Info.RunID) {
		t.Errorf("exit code %d\n%s", code, stderr)
	}
}
