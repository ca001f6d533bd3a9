package record_test

import (
	"errors"
	"os"
	"path/filepath"
	"runtime"
	"strings"
	"testing"

	"golang.org/x/sys/unix"

	"runtimelab/lab/fault"
	"runtimelab/lab/record"
)

// asOtherUser calls do as a user who must not write to dir, and returns its error.
func asOtherUser(t *testing.T, dir string, do func() error) error {
	t.Helper()
	temp := os.TempDir()
	for up := filepath.Dir(dir); up != filepath.Dir(temp) && up != temp; up = filepath.Dir(up) {
		if err := os.Chmod(up, 0o755); err != nil {
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
		runtime.LockOSThread() // never unlocked, so that the thread with another user id ends here
		if os.Geteuid() == 0 {
			_ = unix.Setfsuid(65534)
		}
		done <- do()
	}()
	return <-done
}

// After "sudo make lab", root may own results/ or a run in it.
func TestTheHintNamesAFolderOfAnotherUser(t *testing.T) {
	run := copyAsKilled(t, runWithOneTrial(t))
	if err := os.Remove(filepath.Join(run, ".lock")); err != nil {
		t.Fatal(err)
	}
	for name, c := range map[string]struct {
		dir string
		do  func(dir string) error
	}{
		"a run to resume": {run, record.CheckUnlocked},
		"results":         {filepath.Dir(run), func(dir string) error { return record.CheckDiskSpace(dir, 1) }},
	} {
		dir := c.dir
		err := asOtherUser(t, dir, func() error { return c.do(dir) })
		var userErr *fault.Error
		if !errors.Is(err, os.ErrPermission) || !errors.As(err, &userErr) || !strings.HasSuffix(userErr.Hint,
			" "+dir) {
			t.Errorf("%s: %v", name, err)
		}
	}
}
