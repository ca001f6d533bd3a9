package script

import (
	"bytes"
	"embed"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"text/template"

	"runtimelab/lab"
	"runtimelab/lab/fault"
)

//go:embed template/image.star template/folder.star template/variant.star template/Dockerfile
var runtimeFiles embed.FS

var runtimeTemplates = template.Must(template.New("").ParseFS(runtimeFiles, "template/*"))

// NewRuntime is a runtime to write.
type NewRuntime struct {
	// Place is its name, for a folder in runtimes/, or the path of a folder.
	Place string
	// Like is the name of a runtime whose folder is copied. Image is the reference of an image that is
	// used as it is. Without them, the image is built from a Dockerfile of the folder.
	Like, Image string
}

// CreatedRuntime is a runtime that NewRuntime has written.
type CreatedRuntime struct {
	Name   string
	Folder string   // as messages show it
	Files  []string // that are to be filled in, as messages show them
	// Renamed are files of a copy in which its application now reports the new name; Unnamed says that
	// the application must do so, and that no file was found that names it.
	Renamed []string
	Unnamed bool
}

// NewRuntime writes the folder of a runtime, with comments. The error is a *fault.Error if
// the name is invalid or taken, if the runtime to copy is unknown, or if the folder exists.
func (l *Library) NewRuntime(n NewRuntime) (made CreatedRuntime, err error) {
	made.Name = n.Place
	folder := filepath.Join(l.checkout, runtimesDir, n.Place)
	if IsPath(n.Place) {
		if folder, err = filepath.Abs(n.Place); err != nil {
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
	if n.Image != "" && !imagePattern.MatchString(n.Image) {
		return made, &fault.Error{
			Code: fault.ExitUsage, Err: fmt.Errorf("--image %q is not the reference of an image", n.Image),
			Hint: "an example: --image registry.example.com/team/shop:1.2",
		}
	}
	var like lab.Runtime
	if n.Like != "" {
		if like, err = l.Runtime(n.Like); err != nil {
			return made, err
		}
	}
	// The folder appears with all its files, or not at all.
	draft, err := os.MkdirTemp(filepath.Dir(folder), ".new-")
	if err != nil {
		return made, fmt.Errorf("write the runtime %s: %w", made.Name, err)
	}
	defer func() { err = errors.Join(err, os.RemoveAll(draft)) }()
	if n.Like != "" {
		err = made.copyRuntime(draft, l.runtimeDir(like.Name), like)
	} else {
		err = made.fillTemplates(draft, n.Image)
	}
	if err == nil {
		err = errors.Join(os.Chmod(draft, 0o755), os.Rename(draft, folder))
	}
	if err != nil {
		return made, fmt.Errorf("write the runtime %s: %w", made.Name, err)
	}
	return made, nil
}

// checkUnused returns a *fault.Error if a runtime has this name already.
func (l *Library) checkUnused(name string) error {
	i := slices.IndexFunc(l.files, func(f scriptFile) bool { return f.Kind == runtimeKind && f.Name == name })
	if i < 0 {
		return nil
	}
	return &fault.Error{
		Code: fault.ExitUsage, Err: fmt.Errorf("%s is already the runtime %q", l.files[i].DisplayName, name),
		Hint: "choose another name",
	}
}

// fillTemplates writes the files of a runtime with an image of the user's own.
func (r *CreatedRuntime) fillTemplates(folder, image string) error {
	files := map[string]string{runtimeFile: "folder.star", "Dockerfile": "Dockerfile"}
	if image != "" {
		files = map[string]string{runtimeFile: "image.star"}
	}
	for name, from := range files {
		var text bytes.Buffer
		data := struct{ Name, Image string }{r.Name, image}
		if err := runtimeTemplates.ExecuteTemplate(&text, from, data); err != nil {
			return err
		}
		if err := os.WriteFile(filepath.Join(folder, name), text.Bytes(), 0o644); err != nil {
			return err
		}
		r.Files = append(r.Files, path.Join(r.Folder, name))
	}
	slices.Sort(r.Files)
	return nil
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
