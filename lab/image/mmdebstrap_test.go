package image

import (
	"os"
	"path/filepath"
	"syscall"
	"testing"
	"time"
)

func TestRemoveStaleDirsRemovesUnlockedFoldersOnly(t *testing.T) {
	parent := t.TempDir()
	stale := filepath.Join(parent, treeDirPrefix+"stale")
	if err := os.MkdirAll(filepath.Join(stale, "etc"), 0o755); err != nil {
		t.Fatal(err)
	}
	unrelated := filepath.Join(parent, "runtime-laboratory")
	if err := os.Mkdir(unrelated, 0o755); err != nil {
		t.Fatal(err)
	}
	pipe := filepath.Join(parent, treeDirPrefix+"pipe")
	if err := syscall.Mkfifo(pipe, 0o600); err != nil {
		t.Fatal(err)
	}
	used, err := newLockedDir(parent)
	if err != nil {
		t.Fatal(err)
	}
	removed := make(chan error, 1)
	go func() { removed <- removeStaleDirs(parent) }()
	select {
	case err := <-removed:
		if err != nil {
			t.Fatal(err)
		}
	case <-time.After(time.Minute):
		t.Fatal("removeStaleDirs waits for a pipe")
	}
	for _, path := range []string{unrelated, pipe, used.Path()} {
		if _, err := os.Lstat(path); err != nil {
			t.Errorf("removed, but it is no stale folder: %v", err)
		}
	}
	if _, err := os.Lstat(stale); !os.IsNotExist(err) {
		t.Errorf("%s still exists (%v)", stale, err)
	}
	if err := removeLockedDir(used); err != nil {
		t.Fatal(err)
	}
	if _, err := os.Lstat(used.Path()); !os.IsNotExist(err) {
		t.Errorf("the used folder still exists (%v)", err)
	}
}
