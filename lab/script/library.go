// Package script evaluates scenarios/*.star, scenarios/services/*/service.star and
// runtimes/*/runtime.star, which are Starlark, into scenarios, claims, services and runtimes, and
// reports mistakes with their place.
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
	"path/filepath"
	"regexp"
	"slices"
	"time"

	"runtimelab/lab"
	"runtimelab/lab/fault"
	"runtimelab/lab/workload"
)

// namePattern matches the names of scenarios, runtimes, variants and worker models:
// they are safe as file names, in image references and in CSV.
var namePattern = regexp.MustCompile(`^[a-z][a-z0-9-]*$`)

// Library holds runtimes, services and scenarios, those of the checkout first and sorted by name, and
// the claims and topics that scripts define, in the order of reports. A file with a fault
// appears only in Faults and Files.
type Library struct {
	Runtimes         []lab.Runtime
	Services         []lab.ServiceDefinition
	Scenarios        []lab.Scenario
	Claims           []lab.Claim
	UntestableTopics []lab.UntestableTopic
	Workloads        *workload.Set // those without a mistake
	Faults           []Fault
	Files            []string // all files read, as messages show them

	checkout string // absolute
	files    []scriptFile
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

// Load evaluates all runtimes, services and scenarios of the checkout at root and of no other place.
func Load(ctx context.Context, root string, given ParameterValues) (*Library, error) {
	return Sources{Checkout: root}.Load(ctx, given)
}

// Load evaluates all runtimes, services and scenarios, with the given values of parameters. Mistakes
// in scripts are in the library's Faults. Load returns an error if there is no checkout, if
// a folder or file that s names is missing, or when ctx ends.
func (s Sources) Load(ctx context.Context, given ParameterValues) (*Library, error) {
	checkout, err := filepath.Abs(s.Checkout)
	if err != nil {
		return nil, fmt.Errorf("find the folder of the scripts: %w", err)
	}
	files, err := s.read(checkout)
	if err != nil {
		return nil, err
	}
	workloads, mistakes, err := workload.Load(checkout)
	if err != nil {
		return nil, err
	}
	outcomes, err := evaluateInChild(ctx, files, newWorkloadIndex(workloads), given, maxFileTime)
	if err != nil {
		return nil, err
	}
	l := &Library{Workloads: workloads, checkout: checkout, files: files}
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
			o.Runtime.ContextDir = realDir(l.runtimeDir(o.Runtime.ContextRuntime))
			l.Runtimes = append(l.Runtimes, *o.Runtime)
		case o.Service != nil:
			o.Service.Source.ContextDir = realDir(filepath.Dir(files[i].Path))
			l.Services = append(l.Services, *o.Service)
		case o.Scenario != nil:
			sum := sha256.Sum256(files[i].Source)
			o.Scenario.SHA256 = hex.EncodeToString(sum[:])
			l.Scenarios = append(l.Scenarios, *o.Scenario)
		}
	}
	inheritIgnore(l.Runtimes)
	return l, nil
}

// runtimeDir returns the folder of a runtime; of several of the name, the first one's.
func (l *Library) runtimeDir(name string) string {
	i := slices.IndexFunc(l.files, func(f scriptFile) bool { return f.Kind == runtimeKind && f.Name == name })
	return filepath.Dir(l.files[i].Path) // a script can name only runtimes that are there
}

// realDir returns dir with symbolic links resolved, because walking a folder does
// not follow a link at its root. Links within the folder stay as they are.
func realDir(dir string) string {
	if target, err := filepath.EvalSymlinks(dir); err == nil {
		return target
	}
	return dir // building the image will report the error
}

// fileResult is what a file defines and refers to, and its faults.
type fileResult struct {
	Runtime     *lab.Runtime
	Service     *lab.ServiceDefinition
	DependsOnAt lab.Place     // of the service
	Scenario    *lab.Scenario // nil if the file defines claims only
	Claims      []claimDefinition
	References  []claimReference
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
