package script

import (
	"fmt"
	"path/filepath"
	"slices"
	"strings"

	"runtimelab/lab"
	"runtimelab/lab/fault"
	"runtimelab/lab/message"
)

// Select returns the scenarios of these names and paths, each once, in their order; without
// any it returns all. The error is a *fault.Error if a name is unknown, if its file has a
// fault, or if the script of a path describes no scenario.
func (l *Library) Select(names ...string) ([]lab.Scenario, error) {
	if len(names) == 0 {
		return slices.Clone(l.Scenarios), nil
	}
	var chosen []lab.Scenario
	seen := map[string]bool{}
	for _, name := range names {
		if IsPath(name) {
			f, err := l.scenarioFile(name)
			if err != nil {
				return nil, err
			}
			name = f.Name
		}
		i := slices.IndexFunc(l.Scenarios, func(s lab.Scenario) bool { return s.Name == name })
		if i < 0 {
			return nil, l.unknownName("scenario", name, scriptFile{Kind: scenarioKind, Name: name}, l.scenarioNames())
		}
		if !seen[name] {
			chosen = append(chosen, l.Scenarios[i])
		}
		seen[name] = true
	}
	return chosen, nil
}

// FileAt returns the file at a path as Files has it. The error is a *fault.Error if it is
// not one of them.
func (l *Library) FileAt(path string) (string, error) {
	if absolute, err := filepath.Abs(path); err == nil {
		if name := DisplayName(l.checkout, absolute); slices.Contains(l.Files, name) {
			return name, nil // also a workload
		}
	}
	f, err := l.fileAt(path)
	return f.DisplayName, err
}

func (l *Library) fileAt(path string) (scriptFile, error) {
	absolute, err := scriptPath(path)
	if err != nil {
		return scriptFile{}, err
	}
	if i := indexOf(l.files, absolute); i >= 0 {
		return l.files[i], nil
	}
	return scriptFile{}, &fault.Error{
		Code: fault.ExitUsage, Err: fmt.Errorf("there is no script %s", path), Hint: message.Suggest(path, l.Files),
	}
}

// scenarioFile returns the script of the scenario at a path.
func (l *Library) scenarioFile(path string) (scriptFile, error) {
	f, err := l.fileAt(path)
	if err != nil {
		return f, err
	}
	if faults := l.faultsOf(f); len(faults) > 0 {
		return f, joinFaults(faults)
	}
	if f.Kind != scenarioKind || !slices.Contains(l.scenarioNames(), f.Name) {
		return f, &fault.Error{
			Code: fault.ExitUsage, Err: fmt.Errorf("%s describes no scenario", f.DisplayName),
			Hint: "name the script of a scenario; lab list shows them",
		}
	}
	return f, nil
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
	return lab.Runtime{}, l.unknownName("runtime", name, scriptFile{Kind: runtimeKind, Name: name}, names)
}

// Service returns the service of a folder of this name. The error is a *fault.Error if the name is
// unknown or its file has a fault.
func (l *Library) Service(name string) (lab.ServiceDefinition, error) {
	var names []string
	for _, s := range l.Services {
		if s.Service.Name == name {
			return s, nil
		}
		names = append(names, s.Service.Name)
	}
	return lab.ServiceDefinition{}, l.unknownName("service", name, scriptFile{Kind: serviceKind, Name: name},
		names)
}

// ServicesOf returns the services of folders that trials of scenarios and the workloads of variants
// need, with those that these depend on. The error is a *fault.Error if the file of one has a fault.
func (l *Library) ServicesOf(
	variants []lab.Variant, scenarios []lab.Scenario,
) (all []lab.ServiceDefinition, err error) {
	var names []string
	for _, s := range scenarios {
		names = append(names, s.Services...)
	}
	for _, v := range variants {
		for _, w := range l.Workloads.OfferedBy(v) {
			names = append(names, w.Needs()...)
		}
	}
	added := map[string]bool{lab.UpstreamName: true}
	for len(names) > 0 {
		name := names[0]
		names = names[1:]
		if added[name] {
			continue
		}
		added[name] = true
		d, err := l.Service(name)
		if err != nil {
			return nil, err
		}
		all, names = append(all, d), append(names, d.Service.DependsOn...)
	}
	return all, nil
}

// ImageSources returns what the images of all runtimes and services are made from.
func (l *Library) ImageSources() (all []lab.ImageSource) {
	for _, r := range l.Runtimes {
		all = append(all, r.Source())
	}
	for _, s := range l.Services {
		all = append(all, s.Source)
	}
	return all
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
	return lab.Variant{}, l.unknownName("variant", id, scriptFile{Kind: runtimeKind, Name: runtime},
		l.variantIDs())
}

// unknownName returns the error for a name that is not in the library: the faults of the
// files like definer, which would define it, or else a suggestion.
func (l *Library) unknownName(kind, name string, definer scriptFile, valid []string) error {
	var faults []Fault
	for _, f := range l.files {
		if f.Kind == definer.Kind && f.Name == definer.Name {
			faults = append(faults, l.faultsOf(f)...)
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

// faultsOf returns the faults of a file.
func (l *Library) faultsOf(file scriptFile) []Fault {
	return slices.DeleteFunc(slices.Clone(l.Faults), func(f Fault) bool { return f.File != file.DisplayName })
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
