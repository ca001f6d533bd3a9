package cli

import (
	"errors"
	"fmt"
	"path/filepath"
	"slices"

	"runtimelab/lab"
	"runtimelab/lab/contract"
	"runtimelab/lab/script"
)

type checkCommand struct {
	Files []string `arg:"" optional:"" help:"Scripts to check: files under scenarios/, or a runtime's runtime.star. Default: all."`
}

// Run says of each script whether it has mistakes, and what they are.
func (c *checkCommand) Run(a *app) error {
	root, library, err := a.loadScripts()
	if err != nil {
		return err
	}
	files, err := c.choose(root, library.Files)
	if err != nil {
		return err
	}
	var mistakes []error
	for _, file := range files {
		n := 0
		for _, fault := range library.Faults {
			if fault.File == file {
				mistakes = append(mistakes, fault)
				n++
			}
		}
		if n == 0 {
			fmt.Fprintf(a.Out, "%s: ok\n", file)
		} else {
			fmt.Fprintf(a.Out, "%s: %s\n", file, plural(n, "mistake", "mistakes"))
		}
	}
	if len(mistakes) == 0 {
		a.noteUnknownPaths(root, library, files)
		return nil
	}
	return &lab.Fault{
		Code: lab.ExitUsage, Err: errors.Join(mistakes...),
		Hint: "see scenarios/README.md for what a script can say",
	}
}

// noteUnknownPaths notes each path that scenarios ask for and that looks like a
// misspelt path of the contract. It is a note and no mistake: a server may have paths
// that the contract does not know.
func (a *app) noteUnknownPaths(root string, library *script.Library, files []string) {
	rules, err := contract.Load(filepath.Join(root, "runtimes", "contract.json"))
	if err != nil {
		return // lab contract and lab run say why
	}
	var known []string
	for _, r := range rules.Succeeding() {
		known = append(known, r.PathOnly())
	}
	var told []string
	for _, s := range library.Scenarios {
		if !slices.Contains(files, s.File) {
			continue
		}
		for _, r := range s.AllRequests() {
			near := lab.Nearest(r.PathOnly(), known)
			if r.Expect != 0 || near == "" || slices.Contains(known, r.PathOnly()) {
				continue
			}
			note := fmt.Sprintf("%s: note: the contract has no path %q; did you mean %q?",
				r.At.In(s.File), r.PathOnly(), near)
			if !slices.Contains(told, note) {
				told = append(told, note)
			}
		}
	}
	for _, note := range told {
		a.messagef("%s", note)
	}
	if len(told) > 0 {
		a.messagef("lab contract --scenario NAME asks the servers for it; a run does so before it measures")
	}
}

// choose is the scripts that the user named, as messages name them.
func (c *checkCommand) choose(root string, all []string) ([]string, error) {
	if len(c.Files) == 0 {
		return all, nil
	}
	if absolute, err := filepath.Abs(root); err == nil {
		root = absolute
	}
	var chosen []string
	for _, name := range c.Files {
		path, err := filepath.Abs(name)
		if err != nil {
			return nil, fmt.Errorf("finding %s: %w", name, err)
		}
		file, err := filepath.Rel(root, path)
		if file = filepath.ToSlash(file); err != nil || !slices.Contains(all, file) {
			return nil, &lab.Fault{
				Code: lab.ExitUsage, Err: fmt.Errorf("%s is no script of the checkout in %s", name, root),
				Hint: lab.Suggest(file, all),
			}
		}
		chosen = append(chosen, file)
	}
	return chosen, nil
}
