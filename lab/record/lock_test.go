package record_test

import (
	"errors"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"golang.org/x/sys/unix"

	"runtimelab/lab/fault"
	"runtimelab/lab/record"
)

// NFS and SMB return EBADF for a lock on a folder, or on a file that is open for reading only.
func TestTheLockedFileIsOpenForWriting(t *testing.T) {
	check := func(t *testing.T, run *record.Run) {
		t.Helper()
		lock := record.LockOf(run)
		info, err := lock.Stat()
		if err != nil || !info.Mode().IsRegular() {
			t.Errorf("%s is %v, %v; want a regular file", lock.Path(), info.Mode(), err)
		}
		if mode := accessModeOf(t, lock.Path()); !lock.Locked() || mode != unix.O_RDWR {
			t.Errorf("%s is locked: %v, and open with access mode %d; want O_RDWR", lock.Path(), lock.Locked(), mode)
		}
	}
	run := runWithOneTrial(t)
	t.Run("new run", func(t *testing.T) { check(t, run) })
	t.Run("resumed run", func(t *testing.T) {
		resumed, _, err := record.Resume(copyAsKilled(t, run), plannedInfo().Plan, start)
		if err != nil {
			t.Fatal(err)
		}
		check(t, resumed)
	})
	t.Run("run of an earlier lab without a lock file", func(t *testing.T) {
		dir := copyAsKilled(t, run)
		if err := os.Remove(filepath.Join(dir, filepath.Base(record.LockOf(run).Path()))); err != nil {
			t.Fatal(err)
		}
		resumed, _, err := record.Resume(dir, plannedInfo().Plan, start)
		if err != nil {
			t.Fatal(err)
		}
		check(t, resumed)
	})
}

// accessModeOf returns the access mode with which this process has a file open.
func accessModeOf(t *testing.T, path string) int {
	t.Helper()
	var file, open unix.Stat_t
	if err := unix.Stat(path, &file); err != nil {
		t.Fatal(err)
	}
	for fd := range 1024 {
		if unix.Fstat(fd, &open) == nil && open.Dev == file.Dev && open.Ino == file.Ino {
			flags, err := unix.FcntlInt(uintptr(fd), unix.F_GETFL, 0)
			if err != nil {
				t.Fatal(err)
			}
			return flags & unix.O_ACCMODE
		}
	}
	t.Fatalf("%s is not open", path)
	return 0
}

// A folder from elsewhere may hold a link to any file, and a folder without a run must not change.
func TestLockingChangesNothingElse(t *testing.T) {
	run := runWithOneTrial(t)
	dir := copyAsKilled(t, run)
	lock := filepath.Join(dir, filepath.Base(record.LockOf(run).Path()))
	elsewhere := filepath.Join(t.TempDir(), "elsewhere")
	if err := errors.Join(os.Remove(lock), os.Symlink(elsewhere, lock)); err != nil {
		t.Fatal(err)
	}
	if _, _, err := record.Resume(dir, plannedInfo().Plan, start); err == nil {
		t.Error("Resume accepts a lock file that is a link")
	}
	if _, err := os.Lstat(elsewhere); err == nil {
		t.Error("locking created the target of the link")
	}
	empty := t.TempDir()
	if _, _, err := record.Resume(empty, plannedInfo().Plan, start); err == nil {
		t.Error("Resume accepts a folder without a run")
	}
	if files, err := os.ReadDir(empty); err != nil || len(files) > 0 {
		t.Errorf("the folder without a run now holds %v, %v", files, err)
	}
}

// A file system without locks must be found before anything is measured.
func TestLocksAreCheckedBeforeTheRun(t *testing.T) {
	results := filepath.Join(t.TempDir(), "results")
	run := runWithOneTrial(t)
	dir := copyAsKilled(t, run)
	if err := record.CheckUnlocked(dir); err != nil {
		t.Errorf("a killed run: %v", err)
	}
	if err := record.CheckUnlocked(run.Dir()); err == nil || !strings.Contains(err.Error(), "another lab") ||
		fault.ExitCode(err) != fault.ExitFailed {
		t.Errorf("an active run: %v", err)
	}
	record.FailLocks(t, unix.ENOLCK)
	for name, err := range map[string]error{
		"a new run":       record.CheckDiskSpace(results, 1),
		"a run to resume": record.CheckUnlocked(dir),
	} {
		var userErr *fault.Error
		if !errors.Is(err, unix.ENOLCK) || !errors.As(err, &userErr) ||
			!strings.Contains(userErr.Hint, "another file system") {
			t.Errorf("%s: %v", name, err)
		}
	}
	if files, err := os.ReadDir(results); err != nil || len(files) > 0 {
		t.Errorf("%s still holds %v, %v", results, files, err)
	}
}

func TestASignalDoesNotFailALock(t *testing.T) {
	dir := copyAsKilled(t, runWithOneTrial(t))
	record.InterruptLocks(t)
	if err := record.CheckUnlocked(dir); err != nil {
		t.Error(err)
	}
}
