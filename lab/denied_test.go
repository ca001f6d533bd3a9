package lab

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
)

func TestDenied(t *testing.T) {
	dir := filepath.Join(t.TempDir(), "a b")
	mine, theirs, locked := filepath.Join(dir, "mine"), filepath.Join(dir, "theirs"), filepath.Join(dir, "locked")
	err := errors.Join(os.MkdirAll(locked, 0o755), os.WriteFile(mine, nil, 0o644), os.WriteFile(theirs, nil, 0o644),
		os.WriteFile(filepath.Join(locked, "mine"), nil, 0o644), os.WriteFile(filepath.Join(locked, "theirs"), nil, 0o644))
	if err != nil {
		t.Fatal(err)
	}
	shared := t.TempDir()
	if err := os.Chmod(shared, 0o777|fs.ModeSticky); err != nil {
		t.Fatal(err)
	}
	if os.Geteuid() == 0 {
		if err := errors.Join(os.Chown(theirs, 65534, 65534), os.Chown(locked, 65534, 65534), os.Chown(filepath.Join(locked, "theirs"), 65534, 65534)); err != nil {
			t.Fatal(err)
		}
	} else { // nobody but root gives files away
		theirs = "/etc/passwd"
	}
	me := fmt.Sprint(os.Geteuid())
	denied := func(path string) error { return &fs.PathError{Op: "open", Path: path, Err: syscall.EACCES} }
	quoted := func(path string) string {
		if strings.Contains(path, " ") {
			return "'" + path + "'"
		}
		return path
	}
	tests := map[string]struct {
		err  error
		want string // the end of the hint; empty: none
	}{
		"another user's file":       {denied(theirs), "; run: sudo chown " + me + " " + quoted(theirs)},
		"wrapped, beside another":   {errors.Join(errors.New("x"), &fs.PathError{Op: "open", Path: mine, Err: syscall.ENOENT}, fmt.Errorf("y: %w", denied(theirs))), "chown " + me + " " + quoted(theirs)},
		"of two names the first":    {&os.LinkError{Op: "rename", Old: theirs, New: mine, Err: syscall.EPERM}, "chown " + me + " " + quoted(theirs)},
		"one's own":                 {denied(mine), "run: chmod u+rw " + quoted(mine)},
		"a file that is not there":  {denied(filepath.Join(dir, "nosuch")), "run: chmod u+rwx " + quoted(dir)},
		"a folder that users share": {denied(filepath.Join(shared, "nosuch")), ""},
		"of no file":                {syscall.EACCES, ""},
		"another error of a file":   {&fs.PathError{Op: "open", Path: theirs, Err: syscall.ENOSPC}, ""},
		"no error":                  {nil, ""},
		"a read-only file system":   {&fs.PathError{Op: "open", Path: theirs, Err: syscall.EROFS}, ""},
	}
	if os.Geteuid() == 0 {
		for name, path := range map[string]string{"a new file": "nosuch", "a file": "theirs", "one's own": "mine"} {
			tests[name+" in another user's folder"] = struct {
				err  error
				want string
			}{denied(filepath.Join(locked, path)), "; run: sudo chown -R " + me + " " + quoted(locked)}
		}
	}
	for name, tt := range tests {
		if got := Denied(tt.err, dir); tt.want == "" && got != "" || !strings.HasSuffix(got, tt.want) {
			t.Errorf("%s: %q, want %q", name, got, tt.want)
		}
	}
}
