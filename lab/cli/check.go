package cli

import (
	"errors"
	"fmt"

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
	_, library, err := a.loadScripts(c.Files...)
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
		return nil
	}
	return &fault.Error{
		Code: fault.ExitUsage, Err: errors.Join(mistakes...),
		Hint: "see scenarios/README.md for what a script can say",
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
