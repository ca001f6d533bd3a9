package compare

import (
	"context"
	"errors"
	"io"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"golang.org/x/sys/unix"

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

// A pipe that nobody writes to blocks its reader. An interruption ends the wait.
func TestInputsOpenStopsWaitingForAPipe(t *testing.T) {
	path := filepath.Join(t.TempDir(), "pipe")
	if err := unix.Mkfifo(path, 0o600); err != nil {
		t.Fatal(err)
	}
	info, err := os.Stat(path)
	if err != nil {
		t.Fatal(err)
	}
	release := func() {
		writer, err := os.OpenFile(path, os.O_WRONLY, 0)
		if err != nil {
			t.Error(err)
			return
		}
		if err := writer.Close(); err != nil {
			t.Error(err)
		}
	}
	late := time.AfterFunc(5*time.Second, release)
	interrupted := errors.New("interrupted")
	ctx, interrupt := context.WithCancelCause(t.Context())
	interrupt(interrupted)
	var inputs Inputs
	_, err = inputs.Open(ctx, path, info)
	if !errors.Is(err, interrupted) || !strings.Contains(err.Error(), "reading "+path) {
		t.Errorf("error %v", err)
	}
	_, err = inputs.Open(t.Context(), path, info)
	if fault.ExitCode(err) != fault.ExitUsage || !strings.Contains(err.Error(), "is given twice") {
		t.Errorf("a pipe that is given twice: error %v", err)
	}
	if !late.Stop() {
		t.Fatal("the wait did not end")
	}
	release()
}
