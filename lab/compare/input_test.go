package compare

import (
	"io"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"runtimelab/lab/fault"
)

func TestSpoolIsBoundedAndLeavesNoFile(t *testing.T) {
	t.Setenv("TMPDIR", t.TempDir())
	path := filepath.Join(t.TempDir(), "input")
	if err := os.WriteFile(path, []byte("0123456789"), 0o644); err != nil {
		t.Fatal(err)
	}
	if _, err := spool(path, 9); fault.ExitCode(err) != fault.ExitUsage ||
		!strings.Contains(err.Error(), "more than 9 bytes") {
		t.Errorf("error %v", err)
	}
	f, err := spool(path, 10)
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	for range 2 { // a comparison may read it more than once
		text, err := io.ReadAll(io.NewSectionReader(f, 0, 10))
		if err != nil || string(text) != "0123456789" {
			t.Errorf("%q, error %v", text, err)
		}
	}
	if left, err := os.ReadDir(os.TempDir()); err != nil || len(left) > 0 {
		t.Errorf("files are left: %v, error %v", left, err)
	}
}
