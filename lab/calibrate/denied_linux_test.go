package calibrate

import (
	"errors"
	"os"
	"path/filepath"
	"runtime"
	"strings"
	"testing"

	"golang.org/x/sys/unix"
)

// After "sudo make lab" with the user's HOME the store is root's. The run goes on, and
// says why it calibrates each time.
func TestAStoreOfAnotherUserIsNamed(t *testing.T) {
	s := Store{Dir: filepath.Join(t.TempDir(), "runtime-lab", "calibration")}
	if err := s.Save(known()); err != nil {
		t.Fatal(err)
	}
	path, folder := s.path(key), filepath.Dir(s.Dir)
	if err := errors.Join(os.Chmod(path, 0), os.Chmod(s.Dir, 0o555)); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = os.Chmod(s.Dir, 0o755) })
	want := [2]string{path, s.Dir} // of one's own, only the modes are to be mended
	if os.Geteuid() == 0 {         // who may use everything: as another user
		top := filepath.Dir(filepath.Dir(folder))
		err := errors.Join(os.Chown(path, 1, 1), os.Chown(s.Dir, 1, 1), os.Chown(folder, 1, 1),
			os.Chmod(top, 0o755), os.Chmod(filepath.Dir(top), 0o755))
		if err != nil {
			t.Fatal(err)
		}
		want = [2]string{folder, folder}
	}
	said := make(chan [2]string)
	go func() {
		runtime.LockOSThread() // for good: a thread that is another user's ends here
		if os.Geteuid() == 0 {
			_ = unix.Setfsuid(65534)
		}
		_, why := s.Load(key, false, when)
		failed := "saved"
		if err := s.Save(known()); err != nil {
			failed = err.Error()
		}
		said <- [2]string{why, failed}
	}()
	for i, words := range <-said {
		if !strings.Contains(words, "permission denied") || !strings.Contains(words, "run: ") ||
			!strings.HasSuffix(words, " "+want[i]) {
			t.Errorf("%q; want how to mend %s", words, want[i])
		}
	}
}
