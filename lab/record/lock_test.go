package record_test

import (
	"errors"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"golang.org/x/sys/unix"

	"runtimelab/lab"
	"runtimelab/lab/record"
)

// NFS and SMB lock a file for its writer: a folder, or a file that is opened to be
// read only, is EBADF there.
func TestTheLockIsOnAFileThatIsOpenedForWriting(t *testing.T) {
	check := func(t *testing.T, run *record.Run) {
		t.Helper()
		lock := record.LockOf(run)
		info, err := lock.Stat()
		if err != nil || !info.Mode().IsRegular() {
			t.Errorf("%s is %v, %v; want a regular file", lock.Name(), info.Mode(), err)
		}
		flags, err := unix.FcntlInt(lock.Fd(), unix.F_GETFL, 0)
		if err != nil || flags&unix.O_ACCMODE != unix.O_RDWR {
			t.Errorf("%s is open with access mode %d, %v; want O_RDWR", lock.Name(), flags&unix.O_ACCMODE, err)
		}
	}
	run := begun(t)
	t.Run("of a new run", func(t *testing.T) { check(t, run) })
	t.Run("of a resumed run", func(t *testing.T) {
		resumed, _, err := record.Resume(killed(t, run), planned().Plan, start)
		if err != nil {
			t.Fatal(err)
		}
		check(t, resumed)
	})
	t.Run("of a run that an earlier lab left", func(t *testing.T) {
		dir := killed(t, run)
		if err := os.Remove(filepath.Join(dir, filepath.Base(record.LockOf(run).Name()))); err != nil {
			t.Fatal(err)
		}
		resumed, _, err := record.Resume(dir, planned().Plan, start)
		if err != nil {
			t.Fatal(err)
		}
		check(t, resumed)
	})
}

// A stranger's folder may hold a link to any file, and what is no run is left alone.
func TestALockTouchesNothingElse(t *testing.T) {
	run := begun(t)
	dir := killed(t, run)
	lock := filepath.Join(dir, filepath.Base(record.LockOf(run).Name()))
	elsewhere := filepath.Join(t.TempDir(), "elsewhere")
	if err := errors.Join(os.Remove(lock), os.Symlink(elsewhere, lock)); err != nil {
		t.Fatal(err)
	}
	if _, _, err := record.Resume(dir, planned().Plan, start); err == nil {
		t.Error("a lock that is a link elsewhere passes")
	}
	if _, err := os.Lstat(elsewhere); err == nil {
		t.Error("a file was made elsewhere")
	}
	none := t.TempDir()
	if _, _, err := record.Resume(none, planned().Plan, start); err == nil {
		t.Error("a folder without a run passes")
	}
	if left, err := os.ReadDir(none); err != nil || len(left) > 0 {
		t.Errorf("left in it: %v, %v", left, err)
	}
}

// Where a file system grants no locks, that is said before anything is measured.
func TestLocksAreTriedFirst(t *testing.T) {
	results := filepath.Join(t.TempDir(), "results")
	run := begun(t)
	dir := killed(t, run)
	if err := record.Free(dir); err != nil {
		t.Errorf("a run that was killed: %v", err)
	}
	if err := record.Free(run.Dir()); err == nil || !strings.Contains(err.Error(), "another lab") ||
		lab.ExitCode(err) != lab.ExitFailed {
		t.Errorf("a run that is being written: %v", err)
	}
	record.FailLocks(t, unix.ENOLCK)
	for what, err := range map[string]error{
		"a new run":       record.CheckDiskSpace(results, 1),
		"a run to resume": record.Free(dir),
	} {
		var fault *lab.Fault
		if !errors.Is(err, unix.ENOLCK) || !errors.As(err, &fault) ||
			!strings.Contains(fault.Hint, "another file system") {
			t.Errorf("%s: %v", what, err)
		}
	}
	if left, err := os.ReadDir(results); err != nil || len(left) > 0 {
		t.Errorf("left in %s: %v, %v", results, left, err)
	}
}
