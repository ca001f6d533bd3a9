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

// After "sudo make lab" with the user's HOME the store belongs to root. A run goes on, and
// must say why it calibrates each time.
func TestAStoreOfAnotherUserGivesAHint(t *testing.T) {
	s := Store{Dir: filepath.Join(t.TempDir(), "runtime-lab", "calibration")}
	if err := s.Save(exampleCalibration()); err != nil {
		t.Fatal(err)
	}
	path, folder := s.path(key), filepath.Dir(s.Dir)
	if err := errors.Join(os.Chmod(path, 0), os.Chmod(s.Dir, 0o555)); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = os.Chmod(s.Dir, 0o755) })
	want := [2]string{path, s.Dir} // for one's own files the hint changes the modes only
	if os.Geteuid() == 0 {         // root may use everything: test as another user
		top := filepath.Dir(filepath.Dir(folder))
		err := errors.Join(os.Chown(path, 1, 1), os.Chown(s.Dir, 1, 1), os.Chown(folder, 1, 1),
			os.Chmod(top, 0o755), os.Chmod(filepath.Dir(top), 0o755))
		if err != nil {
			t.Fatal(err)
		}
		want = [2]string{folder, folder}
	}
	messages := make(chan [2]string)
	go func() {
		runtime.LockOSThread() // never unlocked: the thread, now another user's, ends with the goroutine
		if os.Geteuid() == 0 {
			_ = unix.Setfsuid(65534)
		}
		_, why := s.Load(key, false, when)
		saveError := "saved"
		if err := s.Save(exampleCalibration()); err != nil {
			saveError = err.Error()
		}
		messages <- [2]string{why, saveError}
	}()
	for i, message := range <-messages {
		if !strings.Contains(message, "permission denied") || !strings.Contains(message, "run: ") ||
			!strings.HasSuffix(message, " "+want[i]) {
			t.Errorf("%q; want a hint about %s", message, want[i])
		}
	}
}
