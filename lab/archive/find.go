package archive

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strings"

	"runtimelab/lab/fault"
	"runtimelab/lab/record"
)

// Latest returns the folder that results/latest points to.
func Latest(results string) (string, error) {
	name, err := os.Readlink(filepath.Join(results, latestLink))
	if err == nil {
		dir := filepath.Join(results, name)
		if _, err = os.Stat(dir); err == nil {
			return dir, nil
		}
	}
	if errors.Is(err, fs.ErrNotExist) {
		return "", &fault.Error{
			Code: fault.ExitUsage,
			Err:  fmt.Errorf("looking for the newest run in %s: there is none", results),
			Hint: "run: make lab",
		}
	}
	return "", &fault.Error{
		Code: fault.ExitUsage,
		Err:  fmt.Errorf("looking for the newest run in %s: %w", results, err),
		Hint: newestRunsHint(results),
	}
}

// Resolve returns the folder of the run that a user names: by its id, the path of its folder, or
// "latest" or "" for the newest run.
func Resolve(results, name string) (string, error) {
	if name == "" || name == latestLink {
		return Latest(results)
	}
	for _, dir := range []string{filepath.Join(results, name), name} {
		if _, err := os.Stat(filepath.Join(dir, record.InfoFile)); err == nil {
			return dir, nil
		}
	}
	return "", &fault.Error{
		Code: fault.ExitUsage,
		Err:  fmt.Errorf("looking for run %q: it is neither in %s nor the path of a run", name, results),
		Hint: newestRunsHint(results),
	}
}

// newestRunsHint returns a hint with the ids of the three newest runs.
func newestRunsHint(results string) string {
	found, _ := filepath.Glob(filepath.Join(results, "*", record.InfoFile))
	var ids []string
	for _, path := range found {
		if id := filepath.Base(filepath.Dir(path)); id != latestLink {
			ids = append(ids, id)
		}
	}
	if len(ids) == 0 {
		return "run: make lab"
	}
	slices.Sort(ids)
	return "newest runs: " + strings.Join(ids[max(0, len(ids)-3):], ", ")
}
