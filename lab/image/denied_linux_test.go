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

	"runtimelab/lab/fault"
)

// After "sudo make lab" with the user's HOME, root owns the lock.
func TestLockNamesAFileOfAnotherUser(t *testing.T) {
	h := newHarness(t, Auto)
	h.opts.LockFile = filepath.Join(t.TempDir(), "it's the lock")
	write(t, h.opts.LockFile, "")
	if err := os.Chmod(h.opts.LockFile, 0); err != nil {
		t.Fatal(err)
	}
	if os.Geteuid() == 0 { // root may open every file, so try as another user
		err := errors.Join(os.Chown(h.opts.LockFile, 1, 1), os.Chmod(filepath.Dir(h.opts.LockFile), 0o755),
			os.Chmod(filepath.Dir(filepath.Dir(h.opts.LockFile)), 0o755))
		if err != nil {
			t.Fatal(err)
		}
	}
	tried := make(chan error)
	go func() {
		runtime.LockOSThread() // never unlocked, so that the thread with another user id ends here
		if os.Geteuid() == 0 {
			_ = unix.Setfsuid(65534)
		}
		_, err := h.lock(t.Context())
		tried <- err
	}()
	err := <-tried
	var userErr *fault.Error
	if !errors.Is(err, os.ErrPermission) || !errors.As(err, &userErr) ||
		!strings.Contains(userErr.Hint, `it'\''s the lock'`) {
		t.Errorf("%v", err)
	}
}

func TestEachUserHasALockInTheTemporaryFolder(t *testing.T) {
	t.Setenv("XDG_CACHE_HOME", "")
	t.Setenv("HOME", "")
	t.Setenv("TMPDIR", t.TempDir())
	h := newHarness(t, Auto)
	h.opts.LockFile = ""
	unlock, err := h.lock(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	defer unlock()
	files, err := os.ReadDir(os.TempDir())
	if err != nil || len(files) != 1 || !strings.Contains(files[0].Name(), "-"+strconv.Itoa(os.Getuid())+".") {
		t.Errorf("%v, %v; want one file with the user's id in its name", files, err)
	}
}
