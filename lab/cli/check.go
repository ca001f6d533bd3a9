package cli

import (
	"errors"
	"fmt"
	"path/filepath"
	"slices"

	"runtimelab/lab/contract"
	"runtimelab/lab/fault"
	"runtimelab/lab/message"
	"runtimelab/lab/script"
)

type checkCommand struct {
	Files []string `arg:"" optional:"" help:"${check_files_help}"`
}

// Run prints for each script how many mistakes it has. It returns all mistakes as one
// error, with exit code 2.
func (c *checkCommand) Run(a *app) error {
	root, library, err := a.loadScripts(c.Files...)
	if err != nil {
		return err
	}
	files, err := c.selectFiles(library)
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
			fmt.Fprintf(a.Out, "%s: %s\n", file, message.Count(n, "mistake", "mistakes"))
		}
	}
	if len(mistakes) == 0 {
		a.noteUnknownPaths(root, library, files)
		return nil
	}
	return &fault.Error{
		Code: fault.ExitUsage, Err: errors.Join(mistakes...),
		Hint: "see scenarios/README.md for what a script can say",
	}
}

// noteUnknownPaths prints a note for each requested path that resembles a path of the
// contract. It is not an error, because a server may have paths that the contract does
// not have.
func (a *app) noteUnknownPaths(root string, library *script.Library, files []string) {
	rules, err := contract.Load(filepath.Join(root, "runtimes", "contract.json"))
	if err != nil {
		return // lab contract and lab run report it
	}
	var known []string
	for _, r := range rules.Succeeding() {
		known = append(known, r.PathOnly())
	}
	var notes []string
	for _, s := range library.Scenarios {
		if !slices.Contains(files, s.File) {
			continue
		}
		for _, r := range s.AllRequests() {
			similar := message.Nearest(r.PathOnly(), known)
			if r.Expect != 0 || similar == "" || slices.Contains(known, r.PathOnly()) {
				continue
			}
			note := fmt.Sprintf("%s: note: the contract has no path %q; did you mean %q?",
				r.At.In(s.File), r.PathOnly(), similar)
			if !slices.Contains(notes, note) {
				notes = append(notes, note)
			}
		}
	}
	for _, note := range notes {
		a.messagef("%s", note)
	}
	if len(notes) > 0 {
		a.messagef("to send these requests to the servers, run: lab contract --scenario NAME " +
			"(lab run does it before it measures)")
	}
}

// selectFiles returns the scripts that the user named, as the library has them; all of
// them if the user named none.
func (c *checkCommand) selectFiles(library *script.Library) ([]string, error) {
	if len(c.Files) == 0 {
		return library.Files, nil
	}
	var selected []string
	for _, path := range c.Files {
		file, err := library.FileAt(path)
		if err != nil {
			return nil, err
		}
		selected = append(selected, file)
	}
	return selected, nil
}
