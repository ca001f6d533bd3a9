package fault

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

func TestDeniedNamesTheCommandThatRestoresAccess(t *testing.T) {
	dir := filepath.Join(t.TempDir(), "a b")
	mine, theirs := filepath.Join(dir, "mine"), filepath.Join(dir, "theirs")
	locked := filepath.Join(dir, "locked")
	if err := os.MkdirAll(locked, 0o755); err != nil {
		t.Fatal(err)
	}
	for _, path := range []string{mine, theirs, filepath.Join(locked, "mine"), filepath.Join(locked, "theirs")} {
		if err := os.WriteFile(path, nil, 0o644); err != nil {
			t.Fatal(err)
		}
	}
	shared := t.TempDir()
	if err := os.Chmod(shared, 0o777|fs.ModeSticky); err != nil {
		t.Fatal(err)
	}
	if os.Geteuid() == 0 {
		if err := errors.Join(os.Chown(theirs, 65534, 65534), os.Chown(locked, 65534, 65534),
			os.Chown(filepath.Join(locked, "theirs"), 65534, 65534)); err != nil {
			t.Fatal(err)
		}
	} else { // only root can give a file to another user
		theirs = "/etc/passwd"
	}
	me := fmt.Sprint(os.Geteuid())
	denied := func(path string) error { return &fs.PathError{Op: "open", Path: path, Err: syscall.EACCES} }
	none := &fs.PathError{Op: "open", Path: mine, Err: syscall.ENOENT}
	beside := errors.Join(errors.New("x"), none, fmt.Errorf("y: %w", denied(theirs)))
	renamed := &os.LinkError{Op: "rename", Old: theirs, New: mine, Err: syscall.EPERM}
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
		"wrapped, beside another":   {beside, "chown " + me + " " + quoted(theirs)},
		"a rename names its source": {renamed, "chown " + me + " " + quoted(theirs)},
		"the user's own file":       {denied(mine), "run: chmod u+rw " + quoted(mine)},
		"a file that is not there":  {denied(filepath.Join(dir, "nosuch")), "run: chmod u+rwx " + quoted(dir)},
		"a shared folder":           {denied(filepath.Join(shared, "nosuch")), ""},
		"an error without a file":   {syscall.EACCES, ""},
		"another error of a file":   {&fs.PathError{Op: "open", Path: theirs, Err: syscall.ENOSPC}, ""},
		"no error":                  {nil, ""},
		"a read-only file system":   {&fs.PathError{Op: "open", Path: theirs, Err: syscall.EROFS}, ""},
	}
	if os.Geteuid() == 0 {
		for name, path := range map[string]string{
			"a new file": "nosuch", "a file": "theirs", "the user's own file": "mine",
		} {
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
