package image

import (
	"errors"
	"os"
	"path/filepath"
	"runtime"
	"strconv"
	"strings"
	"testing"

	"golang.org/x/sys/unix"

	"runtimelab/lab"
)

// After "sudo make lab" with the user's HOME the lock is root's.
func TestALockOfAnotherUserIsNamed(t *testing.T) {
	w := newBench(t, Auto)
	w.opts.LockFile = filepath.Join(t.TempDir(), "it's the lock")
	write(t, w.opts.LockFile, "")
	if err := os.Chmod(w.opts.LockFile, 0); err != nil {
		t.Fatal(err)
	}
	if os.Geteuid() == 0 { // who may open everything: as another user
		err := errors.Join(os.Chown(w.opts.LockFile, 1, 1), os.Chmod(filepath.Dir(w.opts.LockFile), 0o755),
			os.Chmod(filepath.Dir(filepath.Dir(w.opts.LockFile)), 0o755))
		if err != nil {
			t.Fatal(err)
		}
	}
	tried := make(chan error)
	go func() {
		runtime.LockOSThread() // for good: a thread that is another user's ends here
		if os.Geteuid() == 0 {
			_ = unix.Setfsuid(65534)
		}
		_, err := w.lock(t.Context())
		tried <- err
	}()
	err := <-tried
	var fault *lab.Fault
	if !errors.Is(err, os.ErrPermission) || !errors.As(err, &fault) ||
		!strings.Contains(fault.Hint, `it'\''s the lock'`) {
		t.Errorf("%v", err)
	}
}

func TestUsersDoNotShareALockInTheTemporaryFolder(t *testing.T) {
	t.Setenv("XDG_CACHE_HOME", "")
	t.Setenv("HOME", "")
	t.Setenv("TMPDIR", t.TempDir())
	w := newBench(t, Auto)
	w.opts.LockFile = ""
	unlock, err := w.lock(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	defer unlock()
	left, err := os.ReadDir(os.TempDir())
	if err != nil || len(left) != 1 || !strings.Contains(left[0].Name(), "-"+strconv.Itoa(os.Getuid())+".") {
		t.Errorf("%v, %v: the name lacks the user's id", left, err)
	}
}
