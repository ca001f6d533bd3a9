package script

import (
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"syscall"

	"runtimelab/lab/fault"
	"runtimelab/lab/message"
	"runtimelab/lab/workload"
)

const (
	scenariosDir = "scenarios"
	runtimesDir  = "runtimes"
	runtimeFile  = "runtime.star"
	serviceFile  = "service.star"
	extension    = ".star"
)

// fileKind is what a script describes, in messages.
type fileKind string

const (
	runtimeKind  fileKind = "runtime"  // a runtime.star
	serviceKind  fileKind = "service"  // a service.star
	scenarioKind fileKind = "scenario" // any other script: also one that defines claims only
)

// Sources says where scripts lie: in a checkout, and anywhere else.
type Sources struct {
	Checkout       string   // the folder that holds runtimes/ and scenarios/
	RuntimeFolders []string // further folders of runtimes, as runtimes/ is one
	Files          []string // further scripts, or folders of runtimes
}

// scriptFile is one script with all that its evaluation needs.
type scriptFile struct {
	Kind        fileKind
	Name        string // of the runtime's or service's folder, or of the scenario's file without .star
	DisplayName string // in messages: the path relative to the checkout, or absolute outside of it
	Path        string `json:"-"` // absolute
	Source      []byte
	ReadError   string // why the file could not be read
}

// newScriptFile returns the script at an absolute path, without its source.
func newScriptFile(checkout, path string) scriptFile {
	f := scriptFile{Path: path, DisplayName: DisplayName(checkout, path)}
	switch f.Name = filepath.Base(filepath.Dir(path)); filepath.Base(path) {
	case runtimeFile:
		f.Kind = runtimeKind
	case serviceFile:
		f.Kind = serviceKind
	default:
		f.Kind, f.Name = scenarioKind, strings.TrimSuffix(filepath.Base(path), extension)
	}
	return f
}

// DisplayName returns an absolute path as messages and records have it: with slashes, and
// relative to the checkout if it lies there.
func DisplayName(checkout, path string) string {
	if relative, err := filepath.Rel(checkout, path); err == nil && filepath.IsLocal(relative) {
		path = relative
	}
	return filepath.ToSlash(path)
}

// read sets the source. The error is in ReadError too.
func (f *scriptFile) read() (err error) {
	if f.Source, err = readScript(f.Path); err != nil {
		f.ReadError = err.Error()
	}
	return err
}

// isAt reports whether the script is the file at an absolute path, which may lead to it
// by symbolic links.
func (f scriptFile) isAt(path string) bool {
	if f.Path == path {
		return true
	}
	if newScriptFile("", path).Name != f.Name {
		return false
	}
	here, err := os.Stat(f.Path)
	if err != nil {
		return false
	}
	there, err := os.Stat(path)
	return err == nil && os.SameFile(here, there)
}

// read returns the scripts of all runtimes, of all services, and then those of all scenarios. Those
// of the checkout, whose path is absolute, come first, sorted by name.
func (s Sources) read(checkout string) ([]scriptFile, error) {
	runtimes, err := readFolders(checkout, filepath.Join(checkout, runtimesDir), runtimeFile, missingRuntime)
	if err != nil {
		return nil, notACheckout(err)
	}
	services, err := readFolders(checkout, filepath.Join(checkout, workload.ServicesDir), serviceFile,
		missingService)
	if err != nil && !isMissing(err) {
		return nil, fmt.Errorf("look for services: %w", err)
	}
	scenarios, err := readScenarios(checkout)
	if err != nil {
		return nil, notACheckout(err)
	}
	for _, folder := range s.RuntimeFolders {
		more, err := readRuntimeFolder(checkout, folder)
		if err != nil {
			return nil, err
		}
		for _, f := range more {
			if indexOf(runtimes, f.Path) < 0 {
				runtimes = append(runtimes, f)
			}
		}
	}
	for _, name := range s.Files {
		if filepath.Base(name) == workload.File {
			continue // it is read with the workloads
		}
		others := slices.Concat(runtimes, services, scenarios)
		f, err := readNamedFile(checkout, name, others)
		switch {
		case err != nil:
			return nil, err
		case indexOf(others, f.Path) >= 0:
		case f.Kind == runtimeKind:
			runtimes = append(runtimes, f)
		case f.Kind == serviceKind:
			services = append(services, f)
		default:
			scenarios = append(scenarios, f)
		}
	}
	return slices.Concat(runtimes, services, scenarios), nil
}

func notACheckout(err error) error {
	return &fault.Error{
		Code: fault.ExitUsage,
		Err:  fmt.Errorf("look for scripts: %w", err),
		Hint: "run lab in a checkout of Runtime Lab, which has " + runtimesDir + "/ and " + scenariosDir + "/",
	}
}

// indexOf returns the index of the script at an absolute path, or -1.
func indexOf(files []scriptFile, path string) int {
	return slices.IndexFunc(files, func(f scriptFile) bool { return f.isAt(path) })
}

// missingRuntime is the fault of a folder of runtimes/ without a script.
const missingRuntime = "it is missing, and every folder of " + runtimesDir + "/ is a runtime: " +
	"write it, or move the folder elsewhere"

// missingService is the fault of a folder of scenarios/services/ without a script.
const missingService = "it is missing, and every folder of " + workload.ServicesDir + "/ is a service: " +
	"write it, or move the folder elsewhere"

// readFolders reads the script of each folder in a folder. One without a script has the fault
// missing.
func readFolders(checkout, folder, script, missing string) (files []scriptFile, err error) {
	names, err := listDir(folder)
	if err != nil {
		return nil, err
	}
	for _, name := range names {
		f := newScriptFile(checkout, filepath.Join(folder, name, script))
		err := f.read()
		if errors.Is(err, syscall.ENOTDIR) {
			continue // a file beside the folders
		}
		if errors.Is(err, fs.ErrNotExist) {
			f.ReadError = missing
		}
		files = append(files, f)
	}
	return files, nil
}

// readRuntimeFolder reads the runtimes in a folder that the user names, which may hold other
// folders too. It is an error if it holds none.
func readRuntimeFolder(checkout, folder string) ([]scriptFile, error) {
	path, err := filepath.Abs(folder)
	if err != nil {
		return nil, fmt.Errorf("find the runtimes in %s: %w", folder, err)
	}
	files, err := readFolders(checkout, path, runtimeFile, missingRuntime)
	files = slices.DeleteFunc(files, func(f scriptFile) bool { return f.ReadError == missingRuntime })
	if err == nil && len(files) == 0 {
		err = fmt.Errorf("none of its folders has a %s", runtimeFile)
	}
	if err == nil {
		return files, nil
	}
	failed := &fault.Error{
		Code: fault.ExitUsage,
		Err:  fmt.Errorf("look for runtimes in %s: %w", path, err),
		Hint: "--runtimes names a folder that holds a folder for each runtime",
	}
	if _, err := os.Stat(filepath.Join(path, runtimeFile)); err == nil {
		failed.Hint = "this is a runtime: name the folder that holds it, --runtimes " + filepath.Dir(path)
	}
	return nil, failed
}

// readScenarios reads the scripts of the scenarios of a checkout. An error of a file
// becomes its fault.
func readScenarios(checkout string) (files []scriptFile, err error) {
	folder := filepath.Join(checkout, scenariosDir)
	names, err := listDir(folder)
	if err != nil {
		return nil, err
	}
	for _, name := range names {
		if filepath.Ext(name) == extension {
			f := newScriptFile(checkout, filepath.Join(folder, name))
			_ = f.read()
			f.Kind, f.Name = scenarioKind, strings.TrimSuffix(name, extension) // also of scenarios/runtime.star
			files = append(files, f)
		}
	}
	return files, nil
}

// IsPath reports whether an argument is the path of a script: a name has neither an
// extension nor a slash.
func IsPath(argument string) bool {
	return filepath.Ext(argument) == extension || strings.ContainsRune(argument, filepath.Separator)
}

// scriptPath returns the absolute path of the script that an argument names: a file, or
// the folder of a runtime or a service.
func scriptPath(argument string) (string, error) {
	path, err := filepath.Abs(argument)
	if err != nil {
		return "", fmt.Errorf("find %s: %w", argument, err)
	}
	if info, err := os.Stat(path); err == nil && info.IsDir() {
		folder := path
		path = filepath.Join(folder, runtimeFile)
		if service := filepath.Join(folder, serviceFile); isFile(service) {
			path = service
		}
	}
	return path, nil
}

// readNamedFile reads a script that the user names. others are for a suggestion if there
// is no such file.
func readNamedFile(checkout, name string, others []scriptFile) (scriptFile, error) {
	path, err := scriptPath(name)
	if err != nil {
		return scriptFile{}, err
	}
	f := newScriptFile(checkout, path)
	switch err := f.read(); {
	case isMissing(err):
		var names []string
		for _, o := range others {
			names = append(names, o.DisplayName)
		}
		return f, &fault.Error{
			Code: fault.ExitUsage, Err: fmt.Errorf("there is no script %s", f.DisplayName),
			Hint: message.Suggest(f.DisplayName, names),
		}
	case filepath.Ext(path) != extension:
		return f, &fault.Error{
			Code: fault.ExitUsage, Err: fmt.Errorf("%s is not a script", f.DisplayName),
			Hint: "a script is a file NAME" + extension + ", or a folder with " + runtimeFile + " or " + serviceFile,
		}
	}
	return f, nil
}

func isFile(path string) bool {
	info, err := os.Stat(path)
	return err == nil && info.Mode().IsRegular()
}

func isMissing(err error) bool {
	return errors.Is(err, fs.ErrNotExist) || errors.Is(err, syscall.ENOTDIR)
}

// maxSource is the largest script in bytes, far more than one needs. The limits of
// the evaluator do not protect this process, which reads the file.
const maxSource = 1 << 20

// readScript reads a script. It refuses devices and pipes, which may block or
// never end.
func readScript(path string) (_ []byte, err error) {
	f, err := os.OpenFile(path, os.O_RDONLY|syscall.O_NONBLOCK, 0)
	if err != nil {
		return nil, err
	}
	defer func() { err = errors.Join(err, f.Close()) }()
	switch info, err := f.Stat(); {
	case err != nil:
		return nil, err
	case !info.Mode().IsRegular():
		return nil, fmt.Errorf("not a regular file (%s)", info.Mode().Type())
	}
	source, err := io.ReadAll(io.LimitReader(f, maxSource+1))
	if len(source) > maxSource {
		return nil, fmt.Errorf("the file is larger than %d MiB; make it shorter", maxSource>>20)
	}
	return source, err
}

// listDir returns the sorted names in a folder, without hidden files: editors make those.
func listDir(dir string) ([]string, error) {
	entries, err := os.ReadDir(dir)
	if err != nil {
		return nil, err
	}
	var names []string
	for _, e := range entries {
		if !strings.HasPrefix(e.Name(), ".") {
			names = append(names, e.Name())
		}
	}
	return names, nil
}
