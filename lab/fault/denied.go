package fault

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

// Denied returns a hint with the command that restores access to the file that err
// names, such as one that "sudo make lab" has left. It returns "" if err is not about a
// denied file. folder is the lab's folder: if its parts belong to the same other user,
// the hint names the topmost of them.
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
	for err != nil && path != filepath.Dir(path) { // a file that does not exist: its folder denied it
		path = filepath.Dir(path)
		info, err = os.Lstat(path)
	}
	if err != nil {
		return ""
	}
	me, owner := os.Geteuid(), ownerOf(info)
	for strings.HasPrefix(path, folder+string(filepath.Separator)) {
		above, err := os.Lstat(filepath.Dir(path))
		// A rename of the user's own file is denied by the folder.
		if err != nil || above.Mode()&fs.ModeSticky != 0 || ownerOf(above) == me {
			break
		}
		if owner != me && owner != ownerOf(above) {
			break
		}
		path, info, owner = filepath.Dir(path), above, ownerOf(above)
	}
	switch {
	case info.Mode()&fs.ModeSticky != 0: // shared by all users, as /tmp
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

// deniedPath returns the path of the first file in err's tree to which access was
// denied, or "".
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
		for _, wrapped := range e.Unwrap() {
			if path := deniedPath(wrapped); path != "" {
				return path
			}
		}
		return ""
	}
	return deniedPath(errors.Unwrap(err))
}

// ownerOf returns the user id of a file's owner, or -1 if it is unknown.
func ownerOf(info fs.FileInfo) int {
	if stat, ok := info.Sys().(*syscall.Stat_t); ok {
		return int(stat.Uid)
	}
	return -1
}

// userName returns the name of a user, or "user 1000" for one without a name.
func userName(id int) string {
	if u, err := user.LookupId(strconv.Itoa(id)); err == nil {
		return u.Username
	}
	return fmt.Sprintf("user %d", id)
}

// plainWord matches text that a shell takes as one word without quotes.
var plainWord = regexp.MustCompile(`^[A-Za-z0-9/._-]+$`)

// shellWord quotes text as one word of a shell's command line.
func shellWord(text string) string {
	if plainWord.MatchString(text) {
		return text
	}
	return "'" + strings.ReplaceAll(text, "'", `'\''`) + "'"
}
