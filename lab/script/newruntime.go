package script

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path"
	"path/filepath"
	"regexp"
	"slices"
	"strings"

	"runtimelab/lab"
	"runtimelab/lab/fault"
)

// CreatedRuntime is a runtime that CopyRuntime has written.
type CreatedRuntime struct {
	Name   string
	Folder string // as messages show it
	// Renamed are files of a copy in which its application now reports the new name; Unnamed says that
	// the application must do so, and that no file was found that names it.
	Renamed []string
	Unnamed bool
}

// CopyRuntime writes a copy of a runtime's folder. place is its name, for a folder in
// runtimes/, or the path of a folder. The error is a *fault.Error if the name is invalid or
// taken, if the original is unknown, or if the folder exists.
func (l *Library) CopyRuntime(place, original string) (made CreatedRuntime, err error) {
	made.Name = place
	folder := filepath.Join(l.checkout, runtimesDir, place)
	if IsPath(place) {
		if folder, err = filepath.Abs(place); err != nil {
			return made, fmt.Errorf("write a runtime: %w", err)
		}
		made.Name = filepath.Base(folder)
	}
	made.Folder = DisplayName(l.checkout, folder)
	if err := checkNewName("runtime", made.Name, "the path of its folder"); err != nil {
		return made, err
	}
	if _, err := os.Lstat(folder); !errors.Is(err, fs.ErrNotExist) {
		return made, alreadyExists(l.checkout, folder)
	}
	if err := l.checkUnused(made.Name); err != nil {
		return made, err
	}
	like, err := l.Runtime(original)
	if err != nil {
		return made, err
	}
	// The folder appears with all its files, or not at all.
	draft, err := os.MkdirTemp(filepath.Dir(folder), ".new-")
	if err != nil {
		return made, fmt.Errorf("write the runtime %s: %w", made.Name, err)
	}
	defer func() { err = errors.Join(err, os.RemoveAll(draft)) }()
	if err = made.copyRuntime(draft, l.runtimeDir(like.Name), like); err == nil {
		err = errors.Join(os.Chmod(draft, 0o755), os.Rename(draft, folder))
	}
	if err != nil {
		return made, fmt.Errorf("write the runtime %s: %w", made.Name, err)
	}
	return made, nil
}

// checkUnused returns a *fault.Error if a runtime has this name already.
func (l *Library) checkUnused(name string) error {
	i := slices.IndexFunc(l.files, func(f scriptFile) bool { return f.Runtime && f.Name == name })
	if i < 0 {
		return nil
	}
	return &fault.Error{
		Code: fault.ExitUsage, Err: fmt.Errorf("%s is already the runtime %q", l.files[i].DisplayName, name),
		Hint: "choose another name",
	}
}

// copyRuntime copies the folder of a runtime, without what its ignore names. The copy gets
// its own name where the script and the application of like have theirs.
func (r *CreatedRuntime) copyRuntime(to, from string, like lab.Runtime) error {
	from = realDir(from)
	// Otherwise the application is another runtime's, or has an API of its own.
	ownFolder := like.ContextRuntime == like.Name && like.Base.Official != ""
	reported := regexp.MustCompile(`(\bruntime["']?\s*:\s*["'])` + regexp.QuoteMeta(like.Name) + `(["'])`)
	err := filepath.WalkDir(from, func(name string, entry fs.DirEntry, err error) error {
		if err != nil || name == from {
			return err
		}
		relative, err := filepath.Rel(from, name)
		if err != nil {
			return err
		}
		target := filepath.Join(to, relative)
		switch ignored := isIgnored(entry.Name(), like.Ignore); {
		case ignored && entry.IsDir():
			return fs.SkipDir
		case ignored:
			return nil
		case entry.IsDir():
			return os.Mkdir(target, 0o755)
		case entry.Type() == fs.ModeSymlink:
			link, err := os.Readlink(name)
			return errors.Join(err, os.Symlink(link, target))
		case !entry.Type().IsRegular():
			return nil // a socket or a pipe is no part of an image
		}
		content, err := os.ReadFile(name)
		if err != nil {
			return err
		}
		switch {
		case relative == runtimeFile:
			content = r.renameScript(content, like)
		case ownFolder && reported.Match(content):
			content = reported.ReplaceAll(content, []byte("${1}"+r.Name+"${2}"))
			r.Renamed = append(r.Renamed, path.Join(r.Folder, filepath.ToSlash(relative)))
		}
		info, err := entry.Info()
		return errors.Join(err, os.WriteFile(target, content, info.Mode().Perm()))
	})
	r.Unnamed = ownFolder && len(r.Renamed) == 0
	return err
}

// runtimeAbout matches the beginning of the line that describes a runtime.
var runtimeAbout = regexp.MustCompile(`(?m)^(runtime\(\s*about\s*=\s*")`)

// renameScript returns the script of a copy.
func (r *CreatedRuntime) renameScript(script []byte, like lab.Runtime) []byte {
	text := strings.ReplaceAll(string(script), runtimesDir+"/"+like.Name, runtimesDir+"/"+r.Name)
	text = runtimeAbout.ReplaceAllString(text, "${1}"+r.Name+", a copy of "+like.Name+": ")
	return []byte("# " + r.Name + " is a copy of " + like.Name + ".\n" + text)
}

// isIgnored reports whether a name matches one of a runtime's patterns.
func isIgnored(name string, patterns []string) bool {
	return slices.ContainsFunc(patterns, func(pattern string) bool {
		matched, _ := path.Match(pattern, name) // the script's evaluation reports a bad pattern
		return matched
	})
}
