package record_test

import (
	"errors"
	"os"
	"path/filepath"
	"runtime"
	"strings"
	"testing"

	"golang.org/x/sys/unix"

	"runtimelab/lab"
	"runtimelab/lab/record"
)

// another calls do as a user who may not write to dir.
func another(t *testing.T, dir string, do func() error) error {
	t.Helper()
	for above := filepath.Dir(dir); above != filepath.Dir(os.TempDir()) &&
		above != os.TempDir(); above = filepath.Dir(above) {
		if err := os.Chmod(above, 0o755); err != nil {
			t.Fatal(err)
		}
	}
	if os.Geteuid() == 0 {
		if err := os.Chown(dir, 1, 1); err != nil {
			t.Fatal(err)
		}
	} else if err := os.Chmod(dir, 0o555); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = os.Chmod(dir, 0o755) })
	done := make(chan error)
	go func() {
		runtime.LockOSThread() // for good: a thread that is another user's ends here
		if os.Geteuid() == 0 {
			_ = unix.Setfsuid(65534)
		}
		done <- do()
	}()
	return <-done
}

// After "sudo make lab" results/ may be root's, or a run in it.
func TestAFolderOfAnotherUserIsNamed(t *testing.T) {
	run := killed(t, begun(t))
	if err := os.Remove(filepath.Join(run, ".lock")); err != nil {
		t.Fatal(err)
	}
	for what, c := range map[string]struct {
		dir string
		do  func(dir string) error
	}{
		"a run to resume": {run, record.Free},
		"results":         {filepath.Dir(run), func(dir string) error { return record.CheckDiskSpace(dir, 1) }},
	} {
		dir := c.dir
		err := another(t, dir, func() error { return c.do(dir) })
		var fault *lab.Fault
		if !errors.Is(err, os.ErrPermission) || !errors.As(err, &fault) || !strings.HasSuffix(fault.Hint, " "+dir) {
			t.Errorf("%s: %v", what, err)
		}
	}
}
