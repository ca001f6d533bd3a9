package image

import (
	"os"
	"path/filepath"
	"syscall"
	"testing"
	"time"
)

func TestFoldersOfKilledBuildsAreSwept(t *testing.T) {
	in := t.TempDir()
	left := filepath.Join(in, treeDirPrefix+"left")
	if err := os.MkdirAll(filepath.Join(left, "etc"), 0o755); err != nil {
		t.Fatal(err)
	}
	others := filepath.Join(in, "runtime-laboratory")
	if err := os.Mkdir(others, 0o755); err != nil {
		t.Fatal(err)
	}
	pipe := filepath.Join(in, treeDirPrefix+"pipe")
	if err := syscall.Mkfifo(pipe, 0o600); err != nil {
		t.Fatal(err)
	}
	used, err := newLockedDir(in)
	if err != nil {
		t.Fatal(err)
	}
	swept := make(chan error, 1)
	go func() { swept <- removeStaleDirs(in) }()
	select {
	case err := <-swept:
		if err != nil {
			t.Fatal(err)
		}
	case <-time.After(time.Minute):
		t.Fatal("a pipe holds it")
	}
	for _, path := range []string{others, pipe, used.Name()} {
		if _, err := os.Lstat(path); err != nil {
			t.Errorf("what nobody left is removed: %v", err)
		}
	}
	if _, err := os.Lstat(left); !os.IsNotExist(err) {
		t.Errorf("%s is still there (%v)", left, err)
	}
	if err := removeLockedDir(used); err != nil {
		t.Fatal(err)
	}
	if _, err := os.Lstat(used.Name()); !os.IsNotExist(err) {
		t.Errorf("the folder that was used is still there (%v)", err)
	}
}
