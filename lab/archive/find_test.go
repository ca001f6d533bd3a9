package archive_test

import (
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"runtimelab/lab/archive"
	"runtimelab/lab/fault"
	"runtimelab/lab/record"
)

func TestLatestPointsToTheNewestRun(t *testing.T) {
	results := t.TempDir()
	stop := make(chan struct{})
	var watcher sync.WaitGroup
	createLatest(t, results, "20261123T231501Z-0000")
	watcher.Go(func() {
		for {
			select {
			case <-stop:
				return
			default:
				if _, err := os.Stat(filepath.Join(results, "latest", "run.json")); err != nil {
					t.Errorf("while latest is replaced: %v", err)
					return
				}
			}
		}
	})
	for i := 1; i <= 20; i++ {
		id := fmt.Sprintf("20261123T231501Z-%04d", i)
		// A lab that was killed while it made the link leaves this.
		if err := os.Symlink("nowhere", filepath.Join(results, ".latest-"+id)); err != nil {
			t.Fatal(err)
		}
		createLatest(t, results, id)
		if to, err := os.Readlink(filepath.Join(results, "latest")); err != nil || to != id {
			t.Errorf("latest points to %q (%v), want the relative %q", to, err, id)
		}
	}
	close(stop)
	watcher.Wait()
	if files, _ := filepath.Glob(filepath.Join(results, ".*")); len(files) > 0 {
		t.Errorf("temporary files remain: %q", files)
	}
}

// createLatest creates a run and points latest to it.
func createLatest(t *testing.T, results, id string) *record.Run {
	t.Helper()
	run, err := record.Create(results, id, record.Info{StartedAt: time.Now()})
	if err != nil {
		t.Fatal(err)
	}
	if err := archive.UpdateLatest(results, run); err != nil {
		t.Fatal(err)
	}
	return run
}

func TestLatestReplacesOnlyALink(t *testing.T) {
	const runID = "20261123T231501Z-ab12"
	results := t.TempDir()
	run := createLatest(t, results, runID)
	if err := os.Remove(filepath.Join(results, "latest")); err != nil {
		t.Fatal(err)
	}
	for name, make := range map[string]func(path string) error{
		"folder": func(path string) error { return os.MkdirAll(filepath.Join(path, "kept"), 0o755) },
		"file":   func(path string) error { return os.WriteFile(path, []byte("kept"), 0o644) },
	} {
		latest := filepath.Join(results, "latest")
		if err := make(latest); err != nil {
			t.Fatal(err)
		}
		if err := archive.UpdateLatest(results, run); err == nil ||
			!strings.Contains(err.Error(), "latest") || !strings.Contains(err.Error(), "not a link") {
			t.Errorf("update latest, which is a %s: %v", name, err)
		}
		_, err := archive.Resolve(results, "")
		if fault.ExitCode(err) != fault.ExitUsage || !strings.Contains(err.Error(), runID) {
			t.Errorf("resolve latest, which is a %s: %v", name, err)
		}
		if info, err := os.Lstat(latest); err != nil || info.Mode().Type() == os.ModeSymlink {
			t.Errorf("the %s named latest was replaced: %v", name, err)
		}
		if err := os.RemoveAll(latest); err != nil {
			t.Fatal(err)
		}
	}
	// A run outside of the folder gets no link.
	elsewhere := t.TempDir()
	if err := archive.UpdateLatest(elsewhere, run); err != nil {
		t.Error(err)
	}
	for folder, want := range map[string]int{results: 1, elsewhere: 0} {
		if files, err := os.ReadDir(folder); err != nil || len(files) != want {
			t.Errorf("%s holds %v, %v; want only the run", folder, files, err)
		}
	}
	// Through a link to results/ the run's folder is the same.
	linked := filepath.Join(t.TempDir(), "results")
	if err := os.Symlink(results, linked); err != nil {
		t.Fatal(err)
	}
	if err := archive.UpdateLatest(linked, run); err != nil {
		t.Error(err)
	}
	if to, err := os.Readlink(filepath.Join(results, "latest")); err != nil || to != runID {
		t.Errorf("latest points to %q, %v", to, err)
	}
}

func TestResolveFindsARunByIDFolderOrAge(t *testing.T) {
	results := t.TempDir()
	for _, name := range []string{"", "x"} {
		_, err := archive.Resolve(results, name)
		if fault.ExitCode(err) != fault.ExitUsage || !strings.Contains(err.Error(), "make lab") {
			t.Errorf("%q in a folder without runs: %v", name, err)
		}
	}
	older, newer := "20261123T231501Z-0001", "20261123T231502Z-0000"
	for _, id := range []string{older, newer} {
		createLatest(t, results, id)
	}
	for name, want := range map[string]string{
		"": newer, "latest": newer, older: older, filepath.Join(results, older): older,
	} {
		got, err := archive.Resolve(results, name)
		if err != nil || got != filepath.Join(results, want) {
			t.Errorf("%q: got %s, %v, want %s", name, got, err, want)
		}
	}
	_, err := archive.Resolve(results, "nope")
	if fault.ExitCode(err) != fault.ExitUsage || !strings.Contains(err.Error(), older+", "+newer) {
		t.Errorf("an unknown run: %v", err)
	}
}
