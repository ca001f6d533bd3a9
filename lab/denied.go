package lab

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"os/user"
	"path/filepath"
	"regexp"
	"strconv"
	"strings"
	"syscall"
)

// Denied returns what to do about a file that this user may not use, such as one that
// "sudo make lab" has left, and "" where err is about none. folder is the lab's: where
// that belongs to the same other user, or a part of it, all of that is named.
func Denied(err error, folder string) string {
	path := deniedPath(err)
	if path == "" {
		return ""
	}
	for _, p := range []*string{&path, &folder} {
		if absolute, err := filepath.Abs(*p); err == nil {
			*p = absolute
		}
	}
	info, err := os.Lstat(path)
	for err != nil && path != filepath.Dir(path) { // the folder in which it would be made
		path = filepath.Dir(path)
		info, err = os.Lstat(path)
	}
	if err != nil {
		return ""
	}
	me, owner := os.Geteuid(), ownerOf(info)
	for strings.HasPrefix(path, folder+string(filepath.Separator)) {
		above, err := os.Lstat(filepath.Dir(path))
		// One's own file is denied by its folder, as when it is renamed.
		if err != nil || above.Mode()&fs.ModeSticky != 0 || ownerOf(above) == me {
			break
		}
		if owner != me && owner != ownerOf(above) {
			break
		}
		path, info, owner = filepath.Dir(path), above, ownerOf(above)
	}
	switch {
	case info.Mode()&fs.ModeSticky != 0: // is everybody's
		return ""
	case owner == me && info.IsDir():
		return "run: chmod u+rwx " + shellWord(path)
	case owner == me:
		return "run: chmod u+rw " + shellWord(path)
	case info.IsDir():
		return fmt.Sprintf("%s belongs to %s; run: sudo chown -R %d %s", path, userName(owner), me, shellWord(path))
	default:
		return fmt.Sprintf("%s belongs to %s; run: sudo chown %d %s", path, userName(owner), me, shellWord(path))
	}
}

// deniedPath returns the first file in an error's tree to which access was denied.
func deniedPath(err error) string {
	switch e := err.(type) { //nolint:errorlint // the tree is walked by hand: errors.As stops at the first file
	case nil:
		return ""
	case *fs.PathError:
		if errors.Is(e.Err, fs.ErrPermission) {
			return e.Path
		}
	case *os.LinkError:
		if errors.Is(e.Err, fs.ErrPermission) {
			return e.Old
		}
	case interface{ Unwrap() []error }:
		for _, one := range e.Unwrap() {
			if path := deniedPath(one); path != "" {
				return path
			}
		}
		return ""
	}
	return deniedPath(errors.Unwrap(err))
}

func ownerOf(info fs.FileInfo) int {
	if stat, ok := info.Sys().(*syscall.Stat_t); ok {
		return int(stat.Uid)
	}
	return -1
}

func userName(id int) string {
	if u, err := user.LookupId(strconv.Itoa(id)); err == nil {
		return u.Username
	}
	return fmt.Sprintf("user %d", id)
}

var plainWord = regexp.MustCompile(`^[A-Za-z0-9/._-]+$`)

// shellWord returns text as one word of a shell's command line.
func shellWord(text string) string {
	if plainWord.MatchString(text) {
		return text
	}
	return "'" + strings.ReplaceAll(text, "'", `'\''`) + "'"
}
