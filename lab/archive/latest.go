package archive

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"

	"runtimelab/lab/record"
)

// latestLink is the name of the link to the newest run, beside the runs' folders.
const latestLink = "latest"

// UpdateLatest points results/latest to a run, in one step, if the run's folder is in results. A
// run outside of it leaves the link as it is. An error does not affect the run.
func UpdateLatest(results string, run *record.Run) error {
	dir, err := realPath(run.Dir())
	if err != nil {
		return fmt.Errorf("pointing %s to run %s: %w", latestLink, run.ID(), err)
	}
	if results, err = realPath(results); err != nil {
		return fmt.Errorf("pointing %s to run %s: %w", latestLink, run.ID(), err)
	}
	if filepath.Dir(dir) != results {
		return nil
	}
	link := filepath.Join(results, latestLink)
	if err := replaceLink(link, filepath.Base(dir)); err != nil {
		return fmt.Errorf("pointing %s to %s: %w", link, filepath.Base(dir), err)
	}
	return nil
}

// realPath returns an absolute path without symbolic links.
func realPath(path string) (string, error) {
	path, err := filepath.Abs(path)
	if err != nil {
		return "", err
	}
	return filepath.EvalSymlinks(path)
}

// replaceLink creates or changes a link in one step. It does not replace a file or folder of that
// name.
func replaceLink(link, to string) error {
	switch existing, err := os.Lstat(link); {
	case err == nil && existing.Mode().Type() != fs.ModeSymlink:
		return errors.New("it exists and is not a link")
	case err != nil && !errors.Is(err, fs.ErrNotExist):
		return err
	}
	next := filepath.Join(filepath.Dir(link), "."+filepath.Base(link)+"-"+to)
	// A lab that was killed between these steps leaves such a file. renameio.Symlink would leave a
	// folder with a random name instead, which no later lab removes.
	if err := os.Remove(next); err != nil && !errors.Is(err, fs.ErrNotExist) {
		return err
	}
	if err := os.Symlink(to, next); err != nil {
		return err
	}
	if err := os.Rename(next, link); err != nil {
		return errors.Join(err, os.Remove(next))
	}
	return nil
}
