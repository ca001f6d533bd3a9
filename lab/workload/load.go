package workload

import (
	"bytes"
	"cmp"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path"
	"path/filepath"
	"regexp"
	"slices"
	"strings"

	"runtimelab/lab"
	"runtimelab/lab/message"
)

const (
	// Dir is the folder of the workloads in a checkout.
	Dir = "scenarios/workloads"
	// ServicesDir is the folder of services in a checkout, which workloads can need.
	ServicesDir = "scenarios/services"
	// File is the name of the file in a workload's folder.
	File = "workload.json"
	// version is the version of the files that this package reads.
	version = 1
	// maxFile is the largest file in bytes, far more than one needs.
	maxFile = 16 << 20
)

var namePattern = regexp.MustCompile(`^[a-z][a-z0-9-]*$`)

// Mistake is what is wrong with a workload file.
type Mistake struct {
	File         string // relative to the checkout
	Line, Column int    // from 1; 0 if the mistake concerns the whole file
	Text         string
}

// Load reads the workloads of a checkout. It rejects unknown fields, duplicate names and bodies that
// are given twice, so that it never ignores a part of a workload. A checkout may have no workloads.
// The error says why the folder cannot be read.
func Load(root string) (*Set, []Mistake, error) {
	names, err := listFolders(root, Dir)
	if err != nil {
		return nil, nil, fmt.Errorf("look for workloads: %w", err)
	}
	services, err := listFolders(root, ServicesDir)
	if err != nil {
		return nil, nil, fmt.Errorf("look for services that workloads need: %w", err)
	}
	l := loader{
		contents: map[string][]byte{}, set: &Set{}, services: append([]string{lab.UpstreamName}, services...),
	}
	for _, name := range names {
		l.read(root, name)
	}
	slices.SortStableFunc(l.set.all, func(a, b *Workload) int {
		return cmp.Compare(boolRank(a.Name != Application), boolRank(b.Name != Application))
	})
	l.resolve()
	l.checkTogether()
	l.set.all = slices.DeleteFunc(l.set.all, func(w *Workload) bool {
		return slices.Contains(l.set.Broken, w.Name)
	})
	return l.set, l.mistakes, nil
}

// listFolders returns the names of the folders in a folder of a checkout, which need not exist. Hidden
// ones are left out.
func listFolders(root, dir string) (names []string, err error) {
	entries, err := os.ReadDir(filepath.Join(root, filepath.FromSlash(dir)))
	if err != nil && !errors.Is(err, fs.ErrNotExist) {
		return nil, err
	}
	for _, e := range entries {
		if name := e.Name(); e.IsDir() && !strings.HasPrefix(name, ".") {
			names = append(names, name)
		}
	}
	return names, nil
}

func boolRank(b bool) int {
	if b {
		return 1
	}
	return 0
}

// loader holds workloads and their mistakes while they are read.
type loader struct {
	contents map[string][]byte // of the files, by the workload's name
	set      *Set
	services []string // that a workload can need
	mistakes []Mistake
}

// mistake records what is wrong with the file of a workload, at the first place of any of the texts
// in it. Without one that is there the mistake concerns the whole file.
func (l *loader) mistake(name string, at []string, format string, args ...any) {
	m := Mistake{File: path.Join(Dir, name, File), Text: fmt.Sprintf(format, args...)}
	for _, text := range at {
		if i := bytes.Index(l.contents[name], []byte(text)); i >= 0 {
			m.Line, m.Column = placeAt(l.contents[name], int64(i))
			break
		}
	}
	l.mistakes = append(l.mistakes, m)
	if !slices.Contains(l.set.Broken, name) {
		l.set.Broken = append(l.set.Broken, name)
	}
}

// quoted returns texts as the file writes them, for mistake.
func quoted(key, value string) []string { return []string{fmt.Sprintf("%q: %q", key, value)} }

func (l *loader) read(root, name string) {
	content, err := readFile(filepath.Join(root, filepath.FromSlash(Dir), name, File))
	switch {
	case errors.Is(err, fs.ErrNotExist):
		l.mistake(name, nil, "the folder has no %s, and every folder of %s is a workload", File, Dir)
	case err != nil:
		l.mistake(name, nil, "read the workload: %v", err)
	case !namePattern.MatchString(name):
		l.mistake(name, nil, "the folder's name %q is not of the form %s", name, namePattern)
	default:
		l.parse(name, content)
	}
}

func (l *loader) parse(name string, content []byte) {
	w := &Workload{Name: name, File: path.Join(Dir, name, File)}
	l.contents[name] = content
	decoder := json.NewDecoder(bytes.NewReader(content))
	decoder.DisallowUnknownFields()
	if err := decoder.Decode(&w.doc); err != nil {
		l.decodeMistake(name, err)
		return
	}
	if _, err := decoder.Token(); !errors.Is(err, io.EOF) {
		l.mistake(name, nil, "unexpected content after the workload")
		m := &l.mistakes[len(l.mistakes)-1]
		m.Line, m.Column = placeAt(content, decoder.InputOffset()-1)
		return
	}
	if w.doc.Version != version {
		l.mistake(name, []string{`"version"`}, "the file has version %d, and this lab reads version %d",
			w.doc.Version, version)
		return
	}
	l.set.all = append(l.set.all, w)
}

// readFile reads a file. It refuses devices and pipes, which may block or never end.
func readFile(path string) ([]byte, error) {
	switch info, err := os.Stat(path); {
	case err != nil:
		return nil, err
	case !info.Mode().IsRegular():
		return nil, fmt.Errorf("not a regular file (%s)", info.Mode().Type())
	case info.Size() > maxFile:
		return nil, fmt.Errorf("the file is larger than %d MiB", maxFile>>20)
	}
	return os.ReadFile(path)
}

// decodeMistake records an error of the decoder with its place, if it has one.
func (l *loader) decodeMistake(name string, err error) {
	var syntax *json.SyntaxError
	var mistyped *json.UnmarshalTypeError
	offset := int64(-1)
	switch {
	case errors.As(err, &syntax):
		offset = syntax.Offset - 1 // the bytes read include the wrong one
	case errors.As(err, &mistyped):
		offset = mistyped.Offset - 1
	}
	_, field, _ := strings.Cut(err.Error(), "unknown field ")
	l.mistake(name, []string{field}, "%s", strings.TrimPrefix(err.Error(), "json: "))
	if offset >= 0 {
		m := &l.mistakes[len(l.mistakes)-1]
		m.Line, m.Column = placeAt(l.contents[name], offset)
	}
}

// placeAt returns the line and column of a byte, both from 1.
func placeAt(content []byte, offset int64) (line, column int) {
	before := content[:max(0, min(int(offset), len(content)))]
	return 1 + bytes.Count(before, []byte("\n")), len(before) - bytes.LastIndexByte(before, '\n')
}

// resolve checks each workload for itself, and makes its vectors.
func (l *loader) resolve() {
	rule := l.set.headers()
	for _, w := range l.set.all {
		l.checkParts(w)
		for _, e := range w.doc.Endpoints {
			if len(e.Vectors) == 0 {
				l.mistake(w.Name, quoted("path", e.Path), "endpoint %s has no vectors", e.Path)
			}
			for _, doc := range e.Vectors {
				v, err := doc.resolve(e, rule, w.Paths())
				if err != nil {
					l.mistake(w.Name, quoted("name", doc.Name), "endpoint %s, vector %q: %v", e.Path, doc.Name, err)
					continue
				}
				w.vectors = append(w.vectors, v)
			}
		}
		shareBodies(w.vectors)
	}
}

// checkParts checks what is not an endpoint: which parts a workload has, and their rules.
func (l *loader) checkParts(w *Workload) {
	d := &w.doc
	if d.About == "" || strings.Contains(d.About, "\n") {
		l.mistake(w.Name, []string{`"about"`}, "about must be one line of text")
	}
	if len(d.Endpoints) == 0 {
		l.mistake(w.Name, []string{`"endpoints"`}, "there are no endpoints")
	}
	for _, need := range d.Needs {
		if !slices.Contains(l.services, need) {
			l.mistake(w.Name, []string{fmt.Sprintf("%q", need)}, "needs has the unknown service %q; %s",
				need, message.Suggest(need, l.services))
		}
	}
	general := w.Name == Application
	if !general && d.Headers != nil {
		l.mistake(w.Name, []string{`"headers": {"always"`}, "headers is given, which only %s has", Application)
	}
	if !general && d.Identity != nil {
		l.mistake(w.Name, []string{`"identity"`}, "identity is given, which only %s has", Application)
	}
	if general && (d.Headers == nil || d.Identity == nil) {
		l.mistake(w.Name, nil, "headers or identity is missing: %s says what holds for all servers", Application)
	}
	if d.Headers != nil {
		l.checkHeaders(w)
	}
	if d.Identity != nil {
		if err := d.Identity.check(w); err != nil {
			l.mistake(w.Name, []string{`"identity": {`}, "identity: %v", err)
		}
	}
	if d.Subscribers != nil {
		if err := d.Subscribers.check(w); err != nil {
			l.mistake(w.Name, []string{`"subscribers"`}, "subscribers: %v", err)
		}
	}
	if d.Inputs != nil {
		if err := d.Inputs.check(); err != nil {
			l.mistake(w.Name, []string{`"inputs"`}, "inputs: %v", err)
		}
	}
}

// checkHeaders checks the names of the headers that any answer has, and that each optional one has a
// reason.
func (l *loader) checkHeaders(w *Workload) {
	always, optional := w.doc.Headers.Always, w.doc.Headers.optionalNames()
	for _, name := range slices.Concat(always, optional) {
		if name == "" || name != strings.ToLower(name) {
			l.mistake(w.Name, []string{fmt.Sprintf("%q", name)}, "header %q is not a name in lower case", name)
		}
	}
	for i, h := range w.doc.Headers.Optional {
		at := quoted("name", h.Name)
		switch {
		case slices.Contains(always, h.Name):
			l.mistake(w.Name, at, "header %q is optional, and always lists it", h.Name)
		case slices.Contains(optional[:i], h.Name):
			l.mistake(w.Name, at, "header %q is optional twice", h.Name)
		case h.Reason == "" || strings.Contains(h.Reason, "\n"):
			l.mistake(w.Name, at, "the optional header %q needs a reason, in one line", h.Name)
		}
	}
}

// checkTogether checks what workloads have in common: a general part, and names that are unique.
func (l *loader) checkTogether() {
	if len(l.set.all) > 0 && l.set.ByName(Application) == nil && !slices.Contains(l.set.Broken, Application) {
		l.mistakes = append(l.mistakes, Mistake{
			File: path.Join(Dir, Application, File),
			Text: "the file is missing: it says what holds for the answers of all workloads",
		})
		l.set.Broken = append(l.set.Broken, Application)
	}
	vectors, paths := map[string]string{}, map[string]string{}
	unknown := map[string]string{} // vectors of paths that nothing has
	for _, w := range l.set.all {
		for _, e := range w.doc.Endpoints {
			switch other, twice := paths[e.Path]; {
			case twice:
				l.mistake(w.Name, quoted("path", e.Path), "endpoint %s is already one of %s", e.Path, other)
			case e.Path == anyOtherPath && w.Name != Application:
				l.mistake(w.Name, quoted("path", e.Path), "endpoint %s is given, which only %s has", e.Path, Application)
			}
			paths[e.Path] = w.Name
			for _, v := range e.Vectors {
				if path, _, _ := strings.Cut(v.Request.Path, "?"); e.Path == anyOtherPath {
					unknown[path] = v.Name
				}
			}
			if vector := unknown[e.Path]; vector != "" {
				l.mistake(w.Name, quoted("path", e.Path), "endpoint %s is a path that nothing has: vector %s of %s",
					e.Path, vector, Application)
			}
		}
		for _, v := range w.vectors {
			if other, twice := vectors[v.Name]; twice {
				l.mistake(w.Name, quoted("name", v.Name), "two vectors are named %q; the first is one of %s",
					v.Name, other)
			}
			vectors[v.Name] = w.Name
		}
	}
}

// minSharedBody is the size in bytes from which bodies share memory.
const minSharedBody = 1 << 20

// shareBodies saves memory: a large request body that is a prefix of another one
// uses that one's bytes. The largest bodies repeat one letter, at, below and above
// a limit.
func shareBodies(vectors []Vector) {
	longest := make([]*Vector, len(vectors))
	for i := range vectors {
		longest[i] = &vectors[i]
	}
	slices.SortStableFunc(longest, func(a, b *Vector) int { return len(b.Request.Body) - len(a.Request.Body) })
	var kept [][]byte
	for _, v := range longest {
		body := v.Request.Body
		if len(body) < minSharedBody {
			return
		}
		if i := slices.IndexFunc(kept, func(k []byte) bool { return bytes.HasPrefix(k, body) }); i >= 0 {
			v.Request.Body = slices.Clip(kept[i][:len(body)])
		} else {
			kept = append(kept, body)
		}
	}
}
