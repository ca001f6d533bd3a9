package record

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
)

const latestLink = "latest" // beside the runs' folders

// UpdateLatestLink swaps resultsDir/latest to the run, if that is where the run's folder
// is: what lies beside another one is not the lab's. The link never dangles nor
// lacks. A run is as good without it.
func (r *Run) UpdateLatestLink(resultsDir string) error {
	dir, err := realPath(r.dir)
	if err != nil {
		return fmt.Errorf("pointing %s to run %s: %w", latestLink, r.info.RunID, err)
	}
	results, err := realPath(resultsDir)
	if err != nil {
		return fmt.Errorf("pointing %s to run %s: %w", latestLink, r.info.RunID, err)
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

func realPath(path string) (string, error) {
	path, err := filepath.Abs(path)
	if err != nil {
		return "", err
	}
	return filepath.EvalSymlinks(path)
}

// replaceLink makes or changes a link in one step. What is no link is somebody's.
func replaceLink(link, to string) error {
	switch was, err := os.Lstat(link); {
	case err == nil && was.Mode().Type() != fs.ModeSymlink:
		return errors.New("what has this name is no link")
	case err != nil && !errors.Is(err, fs.ErrNotExist):
		return err
	}
	next := filepath.Join(filepath.Dir(link), "."+filepath.Base(link)+"-"+to)
	// A lab that was killed between these steps has left it.
	if err := ignoreMissing(os.Remove(next)); err != nil {
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
