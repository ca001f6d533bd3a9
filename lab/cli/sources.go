package cli

import (
	"fmt"
	"os"
	"path/filepath"
	"slices"

	"runtimelab/lab/fault"
	"runtimelab/lab/record"
	"runtimelab/lab/script"
)

// sources returns where scripts lie: in the root, in the folders of --runtimes, and the
// given files.
func (a *app) sources(files ...string) (script.Sources, error) {
	root, err := a.rootDir()
	return script.Sources{Checkout: root, RuntimeFolders: a.runtimes, Files: files}, err
}

// scriptPaths returns those arguments that are paths of scripts, and not names.
func scriptPaths(arguments []string) []string {
	return slices.DeleteFunc(slices.Clone(arguments), func(arg string) bool { return !script.IsPath(arg) })
}

// addSourcesOf adds the scripts of an earlier run that lie outside scenarios/, and its
// folders of runtimes, which --runtimes replaces. It is an error if one is missing.
func (c *runSetup) addSourcesOf(earlier record.Info) error {
	for _, s := range earlier.Plan.Scenarios {
		if s.File == "" {
			continue // a control comes from no script
		}
		file := c.resolvePath(s.File)
		if _, err := os.Stat(file); err != nil {
			return missingSource(earlier, "the script", file, "restore the script, or start a new run")
		}
		c.sources.Files = append(c.sources.Files, file)
	}
	if len(c.sources.RuntimeFolders) > 0 {
		return nil
	}
	for _, name := range earlier.RuntimeFolders {
		folder := c.resolvePath(name)
		if _, err := os.Stat(folder); err != nil {
			return missingSource(earlier, "the folder of runtimes", folder,
				"restore the folder, or say where it is now: --runtimes DIR")
		}
		c.sources.RuntimeFolders = append(c.sources.RuntimeFolders, folder)
	}
	return nil
}

// missingSource returns the error for a file or folder of an earlier run that is missing.
func missingSource(earlier record.Info, what, path, hint string) error {
	return &fault.Error{
		Code: fault.ExitUsage,
		Err:  fmt.Errorf("run %s used %s %s, which is missing", earlier.RunID, what, path),
		Hint: hint,
	}
}

// resolvePath returns a recorded path, which is relative to the checkout or absolute.
func (c *runSetup) resolvePath(recorded string) string {
	path := filepath.FromSlash(recorded)
	if filepath.IsAbs(path) {
		return path
	}
	return filepath.Join(c.sources.Checkout, path)
}

// recordedRuntimeFolders returns the folders of runtimes as run.json has them.
func (c *runSetup) recordedRuntimeFolders() (names []string) {
	for _, folder := range c.sources.RuntimeFolders {
		names = append(names, script.DisplayName(c.sources.Checkout, folder))
	}
	return names
}
