package cli

import (
	"errors"
	"fmt"
	"path/filepath"
	"slices"

	"runtimelab/lab/fault"
	"runtimelab/lab/message"
)

type checkCommand struct {
	Files []string `arg:"" optional:"" help:"${check_files_help}"`
}

// Run prints for each script how many mistakes it has. It returns all mistakes as one
// error, with exit code 2.
func (c *checkCommand) Run(a *app) error {
	root, library, err := a.loadScripts()
	if err != nil {
		return err
	}
	files, err := c.selectFiles(root, library.Files)
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
		return nil
	}
	return &fault.Error{
		Code: fault.ExitUsage, Err: errors.Join(mistakes...),
		Hint: "see scenarios/README.md for what a script can say",
	}
}

// selectFiles returns the scripts that the user named, relative to root and with slashes;
// all of them if the user named none.
func (c *checkCommand) selectFiles(root string, all []string) ([]string, error) {
	if len(c.Files) == 0 {
		return all, nil
	}
	if absolute, err := filepath.Abs(root); err == nil {
		root = absolute
	}
	var selected []string
	for _, name := range c.Files {
		path, err := filepath.Abs(name)
		if err != nil {
			return nil, fmt.Errorf("finding %s: %w", name, err)
		}
		file, err := filepath.Rel(root, path)
		if file = filepath.ToSlash(file); err != nil || !slices.Contains(all, file) {
			return nil, &fault.Error{
				Code: fault.ExitUsage, Err: fmt.Errorf("%s is not a script of the checkout %s", name, root),
				Hint: message.Suggest(file, all),
			}
		}
		selected = append(selected, file)
	}
	return selected, nil
}
