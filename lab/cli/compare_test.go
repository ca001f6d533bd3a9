package cli

import (
	"bytes"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"runtimelab/lab/record"
)

// copyRun copies a recorded run into a results folder under another id, and returns the
// new folder.
func copyRun(t *testing.T, results, id string) string {
	t.Helper()
	const original = "20261124T100000Z-00aa"
	dir := filepath.Join(results, id)
	if err := os.MkdirAll(dir, 0o755); err != nil {
		t.Fatal(err)
	}
	for _, name := range []string{record.InfoFile, record.TrialsFile} {
		text, err := os.ReadFile(filepath.Join("..", "compare", "testdata", original, name))
		if err != nil {
			t.Fatal(err)
		}
		text = bytes.ReplaceAll(text, []byte(original), []byte(id))
		if err := os.WriteFile(filepath.Join(dir, name), text, 0o644); err != nil {
			t.Fatal(err)
		}
	}
	return dir
}

// The variance between runs is estimated from the runs of the results folder and those
// beside the compared ones. Each counts once; a large or unreadable one does not count.
func TestCompareReadsOtherRunsOnce(t *testing.T) {
	root, elsewhere := t.TempDir(), t.TempDir()
	for _, name := range []string{"runtimes", "scenarios"} { // makes root a checkout
		if err := os.Mkdir(filepath.Join(root, name), 0o755); err != nil {
			t.Fatal(err)
		}
	}
	results := filepath.Join(root, "results")
	for i := range 3 {
		copyRun(t, results, fmt.Sprintf("20261101T100000Z-000%d", i))
	}
	copyRun(t, elsewhere, "20261101T100000Z-0000") // is in results too
	copyRun(t, elsewhere, "20261101T100000Z-0003")
	large := filepath.Join(copyRun(t, elsewhere, "20261101T100000Z-0004"), record.TrialsFile)
	if err := os.Truncate(large, maxHistoryBytes+1); err != nil {
		t.Fatal(err)
	}
	broken := filepath.Join(copyRun(t, elsewhere, "20261101T100000Z-0005"), record.TrialsFile)
	if err := os.WriteFile(broken, []byte("run_id\n"), 0o644); err != nil {
		t.Fatal(err)
	}
	old := copyRun(t, elsewhere, "20261102T100000Z-0000")
	new := copyRun(t, elsewhere, "20261103T100000Z-0000")
	var out, messages bytes.Buffer
	a := &app{Streams: Streams{Out: &out, Err: &messages}, ctx: t.Context(), root: root}
	c := compareCommand{Old: old, New: []string{new}, Threshold: 0.05}
	if err := c.Run(a); err != nil {
		t.Fatal(err)
	}
	text := strings.Join(strings.Fields(out.String()), " ")
	if !strings.Contains(text, "between 4 other runs of this host") {
		t.Errorf("it read another number of runs than 4:\n%s", out.String())
	}
	const want = "skipped an earlier run: reading 20261101T100000Z-0005: "
	if got := messages.String(); strings.Count(got, "skipped") != 1 || !strings.Contains(got, want) {
		t.Errorf("messages %q, want only %q", got, want)
	}
}
