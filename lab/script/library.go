// Package script evaluates scenarios/*.star and runtimes/*/runtime.star, which are
// Starlark, into scenarios, claims and runtimes, and reports mistakes with their place.
//
// A script is evaluated once, before anything is timed, into plain values. No
// script runs during a measurement. Scripts cannot load or read files, and have no
// network and no clock. Random numbers come only from pool, with a fixed seed, so
// that the same file always gives the same values. Steps, time and memory are
// limited; the language has neither recursion nor while loops.
//
// A mistake does not stop the evaluation: the call is reported and returns an
// invalid value, so that one check shows all mistakes of a file.
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
	"runtimelab/lab/fault"
	"runtimelab/lab/message"
	"runtimelab/lab/workload"
)

const (
	scenariosDir = "scenarios"
	runtimesDir  = "runtimes"
	runtimeFile  = "runtime.star"
	extension    = ".star"
)

// namePattern matches the names of scenarios, runtimes, variants and worker models:
// they are safe as file names, in image references and in CSV.
var namePattern = regexp.MustCompile(`^[a-z][a-z0-9-]*$`)

// Library holds the runtimes and scenarios of a checkout, sorted by name, and the claims
// and topics that its scripts define, in the order of reports. A file with a fault
// appears only in Faults and Files.
type Library struct {
	Runtimes         []lab.Runtime
	Scenarios        []lab.Scenario
	Claims           []lab.Claim
	UntestableTopics []lab.UntestableTopic
	Workloads        *workload.Set // those without a mistake
	Faults           []Fault
	Files            []string // all files read, relative to the checkout
}

// limits bound the evaluation of one file.
type limits struct {
	steps uint64 // of the interpreter; an operation takes about one
	time  time.Duration
}

// defaultLimits allow far more than a script needs: a file that describes a few
// thousand requests takes about 10^5 steps. The time stops work that takes few
// steps, such as sorting a long list.
var defaultLimits = limits{steps: 1_000_000, time: 4 * time.Second}

// Load evaluates all runtimes and scenarios under root, with the given values of
// parameters. Mistakes in scripts are in the library's Faults. Load returns an
// error if root is not a checkout, or when ctx ends.
func Load(ctx context.Context, root string, given ParameterValues) (*Library, error) {
	root, err := filepath.Abs(root)
	if err != nil {
		return nil, fmt.Errorf("find the folder of the scripts: %w", err)
	}
	files, err := filesUnder(root)
	if err != nil {
		return nil, err
	}
	workloads, mistakes, err := workload.Load(root)
	if err != nil {
		return nil, err
	}
	outcomes, err := evaluateInChild(ctx, files, newWorkloadIndex(workloads), given, maxFileTime)
	if err != nil {
		return nil, err
	}
	l := &Library{Workloads: workloads}
	l.addWorkloads(mistakes)
	for _, i := range claimsOrder(files) {
		l.addClaims(outcomes[i])
	}
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
	inheritIgnore(l.Runtimes)
	return l, nil
}

// realDir returns dir with symbolic links resolved, because walking a folder does
// not follow a link at its root. Links within the folder stay as they are.
func realDir(dir string) string {
	if target, err := filepath.EvalSymlinks(dir); err == nil {
		return target
	}
	return dir // building the image will report the error
}

// scriptFile is one script with all that its evaluation needs.
type scriptFile struct {
	Runtime     bool   // a runtime.star; otherwise a script of scenarios/
	Name        string // of the runtime's folder, or of the scenario's file without .star
	DisplayName string // in messages: the path relative to the checkout
	Source      []byte
	ReadError   string // why the file could not be read
}

// fileResult is what a file defines and refers to, and its faults.
type fileResult struct {
	Runtime    *lab.Runtime
	Scenario   *lab.Scenario // nil if the file defines claims only
	Claims     []claimDefinition
	References []claimReference
	// ClaimsIncomplete says that a mistake may have kept a claim from being defined.
	ClaimsIncomplete bool
	Faults           []Fault
}

// addFault adds a fault to those of file, once and in the order of the file.
func (o *fileResult) addFault(file scriptFile, at lab.Place, call, format string, args ...any) {
	f := Fault{
		File: file.DisplayName, Line: at.Line, Column: at.Column, Call: call, Text: fmt.Sprintf(format, args...),
	}
	if !slices.Contains(o.Faults, f) {
		o.Faults = append(o.Faults, f)
		sortFaults(o.Faults)
	}
}

// filesUnder returns the scripts of all runtimes, then those of all scenarios.
func filesUnder(root string) (files []scriptFile, err error) {
	names, err := listDir(root, runtimesDir)
	if err != nil {
		return nil, err
	}
	for _, name := range names {
		f, err := readFile(root, path.Join(runtimesDir, name, runtimeFile))
		if errors.Is(err, syscall.ENOTDIR) {
			continue // a file beside the runtimes
		}
		if errors.Is(err, fs.ErrNotExist) {
			f.ReadError = "it is missing, and every folder of " + runtimesDir + "/ is a runtime: " +
				"write it, or move the folder elsewhere"
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
		f, _ := readFile(root, path.Join(scenariosDir, name)) // the error becomes a fault of the file
		f.Name = strings.TrimSuffix(name, extension)
		files = append(files, f)
	}
	return files, nil
}

func readFile(root, displayName string) (scriptFile, error) {
	source, err := readScript(filepath.Join(root, displayName))
	f := scriptFile{DisplayName: displayName, Source: source}
	if err != nil {
		f.ReadError = err.Error()
	}
	return f, err
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

// listDir returns the sorted names in a folder of the checkout, without hidden
// files: editors make those.
func listDir(root, dir string) ([]string, error) {
	entries, err := os.ReadDir(filepath.Join(root, dir))
	if err != nil {
		return nil, &fault.Error{
			Code: fault.ExitUsage,
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

// Err returns a *fault.Error that lists all faults of scripts, or nil if there are none.
func (l *Library) Err() error { return joinFaults(l.Faults) }

func joinFaults(faults []Fault) error {
	if len(faults) == 0 {
		return nil
	}
	all := make([]error, len(faults))
	for i, f := range faults {
		all[i] = f
	}
	return &fault.Error{
		Code: fault.ExitUsage,
		Err:  errors.Join(all...),
		Hint: "see scenarios/README.md for what a script can say",
	}
}

// Select returns the scenarios of these names, each once, in the order of the
// names; without names it returns all. The error is a *fault.Error if a name is
// unknown or its file has a fault.
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

// Runtime returns the runtime of a name. The error is a *fault.Error if the name is
// unknown or its file has a fault.
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

// Peers returns the peers of the runtimes that have any, by runtime.
func (l *Library) Peers() map[string]lab.Peers {
	all := map[string]lab.Peers{}
	for _, r := range l.Runtimes {
		if r.Peers != nil {
			all[r.Name] = *r.Peers
		}
	}
	return all
}

// OwnServers returns the ids of the variants whose servers need not report an identity.
func (l *Library) OwnServers() (ids []string) {
	for _, v := range l.Variants() {
		if v.Own != nil {
			ids = append(ids, v.ID())
		}
	}
	return ids
}

// RuntimesOf returns the runtimes that have at least one wanted variant, with these variants only.
func (l *Library) RuntimesOf(wanted func(lab.Variant) bool) (needed []lab.Runtime) {
	for _, r := range l.Runtimes {
		r.Variants = slices.DeleteFunc(slices.Clone(r.Variants), func(v lab.Variant) bool { return !wanted(v) })
		if len(r.Variants) > 0 {
			needed = append(needed, r)
		}
	}
	return needed
}

// Variants returns the variants of all runtimes.
func (l *Library) Variants() []lab.Variant {
	var all []lab.Variant
	for _, r := range l.Runtimes {
		all = append(all, r.Variants...)
	}
	return all
}

// Variant returns the variant of an id such as "node/single". The error is a
// *fault.Error if the id is unknown or its runtime's file has a fault.
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

// unknownName returns the error for a name that is not in the library: the faults
// of the file that would define it, or else a suggestion.
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
	return &fault.Error{
		Code: fault.ExitUsage,
		Err:  fmt.Errorf("unknown %s %q", kind, name),
		Hint: message.Suggest(name, valid),
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
