package cli

import (
	"path/filepath"
	"testing"

	"runtimelab/lab"
	"runtimelab/lab/fault"
	"runtimelab/lab/record"
)

// What lab init writes is enough to build an image, to measure and to record.
func TestIntegrationInitServesWithoutACheckout(t *testing.T) {
	needEngine(t)
	root := filepath.Join(t.TempDir(), "lab")
	for _, args := range [][]string{
		{"init", root},
		{"--root", root, "new", "scenario", "tried", "--for", "node/single"},
		{"--root", root, "run", "tried", "--profile", "smoke", "--seed", "7"},
	} {
		if code, stdout, stderr := labRun(t.Context(), args...); code != fault.ExitOK {
			t.Fatalf("lab %q exits with %d\n%s%s", args, code, stdout, stderr)
		}
	}
	got := latestRun(t, root)
	if got.Info.State != record.Done || len(got.Rows) == 0 {
		t.Errorf("run.json says %s, %d rows", got.Info.State, len(got.Rows))
	}
	for _, row := range got.Rows {
		if row.Text("variant") != "node/single" || row.Text("validity") == string(lab.Failed) {
			t.Errorf("a row of %s: %s %s", row.Text("variant"), row.Text("validity"), row.Text("validity_reason"))
		}
	}
}
