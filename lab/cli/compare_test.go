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

// copied is a run of another's rows in a results folder, with an id of its own.
func copied(t *testing.T, results, id string) string {
	t.Helper()
	const of = "20261124T100000Z-00aa"
	dir := filepath.Join(results, id)
	if err := os.MkdirAll(dir, 0o755); err != nil {
		t.Fatal(err)
	}
	for _, name := range []string{record.InfoFile, record.TrialsFile} {
		text, err := os.ReadFile(filepath.Join("..", "compare", "testdata", of, name))
		if err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(filepath.Join(dir, name), bytes.ReplaceAll(text, []byte(of), []byte(id)),
			0o644); err != nil {
			t.Fatal(err)
		}
	}
	return dir
}

// Runs beside the compared ones and in the results folder tell how much runs differ:
// each once, and none that is too large to read or cannot be read.
func TestCompareLooksAtOtherRuns(t *testing.T) {
	root, elsewhere := t.TempDir(), t.TempDir()
	for _, name := range []string{"runtimes", "scenarios"} { // as a checkout has
		if err := os.Mkdir(filepath.Join(root, name), 0o755); err != nil {
			t.Fatal(err)
		}
	}
	results := filepath.Join(root, "results")
	for i := range 3 {
		copied(t, results, fmt.Sprintf("20261101T100000Z-000%d", i))
	}
	copied(t, elsewhere, "20261101T100000Z-0000") // as in results
	copied(t, elsewhere, "20261101T100000Z-0003")
	large := filepath.Join(copied(t, elsewhere, "20261101T100000Z-0004"), record.TrialsFile)
	if err := os.Truncate(large, maxHistoryBytes+1); err != nil {
		t.Fatal(err)
	}
	broken := filepath.Join(copied(t, elsewhere, "20261101T100000Z-0005"), record.TrialsFile)
	if err := os.WriteFile(broken, []byte("run_id\n"), 0o644); err != nil {
		t.Fatal(err)
	}
	old, new := copied(t, elsewhere, "20261102T100000Z-0000"), copied(t, elsewhere, "20261103T100000Z-0000")
	var out, messages bytes.Buffer
	a := &app{Streams: Streams{Out: &out, Err: &messages}, ctx: t.Context(), root: root}
	c := compareCommand{Old: old, New: []string{new}, Threshold: 0.05}
	if err := c.Run(a); err != nil {
		t.Fatal(err)
	}
	if text := strings.Join(strings.Fields(out.String()), " "); !strings.Contains(text,
		"between 4 other runs of this host") {
		t.Errorf("%s", out.String())
	}
	if text := messages.String(); strings.Count(text, "left out") != 1 || !strings.Contains(text,
		"left out of what runs differ by: reading 20261101T100000Z-0005: ") {
		t.Errorf("messages %q", text)
	}
}
