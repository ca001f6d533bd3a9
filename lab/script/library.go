// Package script is the Starlark host: it owns how scenarios/*.star and
// runtimes/*/runtime.star become scenarios and runtimes, and how a mistake in
// one is explained.
//
// A script is evaluated once, before anything is timed, into plain values;
// nothing scripted takes part in a measurement. It is hermetic: it can load,
// read or connect to nothing, and has no clock and no randomness but what pool
// hands out from a fixed seed, so that the same bytes give the same values. Its
// steps, its time and its memory are bounded, and neither recursion nor while
// loops exist.
//
// A mistake does not stop the evaluation: the call that is at fault is noted
// and what it would have returned is passed over, so that one reading shows
// all faults of a file.
package script

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
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
	"syscall"
	"time"

	"runtimelab/lab"
)

const (
	scenariosDir = "scenarios"
	runtimesDir  = "runtimes"
	runtimeFile  = "runtime.star"
	extension    = ".star"
)

// nameForm is what scenarios, runtimes, variants and worker models are called:
// safe as a file name, in an image's reference and in a CSV.
var nameForm = regexp.MustCompile(`^[a-z][a-z0-9-]*$`)

// Library is what the scripts of a checkout say, in the order of their names.
// A file with a fault is in Faults and nowhere else.
type Library struct {
	Runtimes  []lab.Runtime
	Scenarios []lab.Scenario
	Faults    []Fault
	Files     []string // that were read, those with faults included
}

// limits bound the evaluation of one file.
type limits struct {
	steps uint64 // of the interpreter, about as many as operations
	time  time.Duration
}

// A file that describes a few thousand requests takes some 10^5 steps. The
// time is for work that is few steps only, such as sorting a long list.
var defaultLimits = limits{steps: 1_000_000, time: 4 * time.Second}

// Load reads all runtimes and scenarios under root, these with the parameters
// that are given. Mistakes in scripts are in the library's Faults; the error is
// for what kept Load from looking: a folder that is not a checkout, or the end of
// ctx.
func Load(ctx context.Context, root string, given ParameterValues) (*Library, error) {
	root, err := filepath.Abs(root)
	if err != nil {
		return nil, fmt.Errorf("find the folder of the scripts: %w", err)
	}
	files, err := filesUnder(root)
	if err != nil {
		return nil, err
	}
	outcomes, err := evaluateInChild(ctx, files, given, maxSilence)
	if err != nil {
		return nil, err
	}
	l := &Library{}
	for i, o := range outcomes {
		l.Files = append(l.Files, files[i].DisplayName)
		switch {
		case len(o.Faults) > 0:
			l.Faults = append(l.Faults, o.Faults...)
		case o.Runtime != nil:
			o.Runtime.ContextDir = realDir(filepath.Join(root, runtimesDir, o.Runtime.ContextRuntime))
			l.Runtimes = append(l.Runtimes, *o.Runtime)
		case o.Scenario != nil:
			sum := sha256.Sum256(files[i].Source)
			o.Scenario.SHA256 = hex.EncodeToString(sum[:])
			l.Scenarios = append(l.Scenarios, *o.Scenario)
		}
	}
	return l, nil
}

// realDir is where a runtime's folder lies: one that is a link has been read through
// it, and who walks a folder does not follow it. Links within it stay links.
func realDir(dir string) string {
	if lies, err := filepath.EvalSymlinks(dir); err == nil {
		return lies
	}
	return dir // its build will say why it cannot be found
}

// scriptFile is one script as it is evaluated, which needs nothing else.
type scriptFile struct {
	Runtime     bool   // else a scenario
	Name        string // the folder's, or the file's without its extension
	DisplayName string // in messages
	Source      []byte
	ReadError   string // why it could not be read
}

// fileResult is what a file says, or what is wrong with it.
type fileResult struct {
	Runtime  *lab.Runtime
	Scenario *lab.Scenario
	Faults   []Fault
}

// filesUnder is the runtimes' files, and then the scenarios'.
func filesUnder(root string) (files []scriptFile, err error) {
	names, err := listDir(root, runtimesDir)
	if err != nil {
		return nil, err
	}
	for _, name := range names {
		f, err := readFile(root, path.Join(runtimesDir, name, runtimeFile))
		if errors.Is(err, fs.ErrNotExist) || errors.Is(err, syscall.ENOTDIR) {
			continue // a file beside the runtimes, or a folder that is none
		}
		f.Runtime, f.Name = true, name
		files = append(files, f)
	}
	if names, err = listDir(root, scenariosDir); err != nil {
		return nil, err
	}
	for _, name := range names {
		if path.Ext(name) != extension {
			continue
		}
		f, _ := readFile(root, path.Join(scenariosDir, name)) // the error is the file's to tell
		f.Name = strings.TrimSuffix(name, extension)
		files = append(files, f)
	}
	return files, nil
}

func readFile(root, shown string) (scriptFile, error) {
	source, err := readScript(filepath.Join(root, shown))
	f := scriptFile{DisplayName: shown, Source: source}
	if err != nil {
		f.ReadError = err.Error()
	}
	return f, err
}

// maxSource is far more than a script has to say. It is read in the lab's own
// process, which no limit of the evaluating one protects.
const maxSource = 1 << 20

// readScript reads a script. What is no file, such as a device or a pipe, could go
// on for ever or never begin, and is not even waited for.
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
		return nil, fmt.Errorf("it is no regular file (%s)", info.Mode().Type())
	}
	source, err := io.ReadAll(io.LimitReader(f, maxSource+1))
	if len(source) > maxSource {
		return nil, fmt.Errorf("it has more than %d MiB; a script describes, and holds no data", maxSource>>20)
	}
	return source, err
}

// listDir is the names in a folder of the checkout, sorted; hidden ones are
// editors' and left out.
func listDir(root, dir string) ([]string, error) {
	entries, err := os.ReadDir(filepath.Join(root, dir))
	if err != nil {
		return nil, &lab.Fault{
			Code: lab.ExitUsage,
			Err:  fmt.Errorf("look for scripts: %w", err),
			Hint: "run lab in a checkout of Runtime Lab, which has " + runtimesDir + "/ and " + scenariosDir + "/",
		}
	}
	var names []string
	for _, e := range entries {
		if !strings.HasPrefix(e.Name(), ".") {
			names = append(names, e.Name())
		}
	}
	return names, nil
}

// Err is nil when no script has a fault, and else a *lab.Fault that shows all
// of them.
func (l *Library) Err() error { return joinFaults(l.Faults) }

func joinFaults(faults []Fault) error {
	if len(faults) == 0 {
		return nil
	}
	all := make([]error, len(faults))
	for i, f := range faults {
		all[i] = f
	}
	return &lab.Fault{
		Code: lab.ExitUsage,
		Err:  errors.Join(all...),
		Hint: "what a script can say is in scenarios/README.md",
	}
}

// Select is the scenarios of these names, each once and in this order; without
// names it is all of them. A name that is unknown, or whose file has a fault,
// is a *lab.Fault.
func (l *Library) Select(names ...string) ([]lab.Scenario, error) {
	if len(names) == 0 {
		return slices.Clone(l.Scenarios), nil
	}
	var chosen []lab.Scenario
	seen := map[string]bool{}
	for _, name := range names {
		i := slices.IndexFunc(l.Scenarios, func(s lab.Scenario) bool { return s.Name == name })
		if i < 0 {
			return nil, l.unknownName("scenario", name, path.Join(scenariosDir, name+extension), l.scenarioNames())
		}
		if !seen[name] {
			chosen = append(chosen, l.Scenarios[i])
		}
		seen[name] = true
	}
	return chosen, nil
}

// Runtime is the runtime of a name; one that is unknown, or whose file has a
// fault, is a *lab.Fault.
func (l *Library) Runtime(name string) (lab.Runtime, error) {
	var names []string
	for _, r := range l.Runtimes {
		if r.Name == name {
			return r, nil
		}
		names = append(names, r.Name)
	}
	return lab.Runtime{}, l.unknownName("runtime", name, path.Join(runtimesDir, name, runtimeFile), names)
}

// RuntimesOf is the runtimes that have a variant of the wanted ones.
func (l *Library) RuntimesOf(wanted func(lab.Variant) bool) (needed []lab.Runtime) {
	for _, r := range l.Runtimes {
		if slices.ContainsFunc(r.Variants, wanted) {
			needed = append(needed, r)
		}
	}
	return needed
}

// Variants are the variants of all runtimes.
func (l *Library) Variants() []lab.Variant {
	var all []lab.Variant
	for _, r := range l.Runtimes {
		all = append(all, r.Variants...)
	}
	return all
}

// Variant is the variant of an id such as "node/single"; one that is unknown,
// or whose runtime's file has a fault, is a *lab.Fault.
func (l *Library) Variant(id string) (lab.Variant, error) {
	for _, v := range l.Variants() {
		if v.ID() == id {
			return v, nil
		}
	}
	runtime, _, _ := strings.Cut(id, "/")
	return lab.Variant{}, l.unknownName("variant", id, path.Join(runtimesDir, runtime, runtimeFile),
		l.variantIDs())
}

// unknownName explains a name that leads nowhere: by the faults of the file that
// would define it, if there are any, or by what it may have meant.
func (l *Library) unknownName(kind, name, file string, valid []string) error {
	var faults []Fault
	for _, f := range l.Faults {
		if f.File == file {
			faults = append(faults, f)
		}
	}
	if len(faults) > 0 {
		return joinFaults(faults)
	}
	return &lab.Fault{
		Code: lab.ExitUsage,
		Err:  fmt.Errorf("unknown %s %q", kind, name),
		Hint: lab.Suggest(name, valid),
	}
}

func (l *Library) scenarioNames() []string {
	var names []string
	for _, s := range l.Scenarios {
		names = append(names, s.Name)
	}
	return names
}

func (l *Library) variantIDs() []string {
	var ids []string
	for _, v := range l.Variants() {
		ids = append(ids, v.ID())
	}
	return ids
}
