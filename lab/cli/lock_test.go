package cli

import (
	"bytes"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"runtimelab/lab/fault"
	"runtimelab/lab/record"
)

// An error that prevents recording comes before building and measuring: here, before the
// lab connects to the engine.
func TestResultsAreLockedBeforeTheEngineIsNeeded(t *testing.T) {
	t.Setenv("DOCKER_HOST", "unix://"+filepath.Join(t.TempDir(), "missing.sock"))
	root := t.TempDir()
	for _, name := range []string{"runtimes", "scenarios"} {
		if err := os.CopyFS(filepath.Join(root, name), os.DirFS(filepath.Join("../..", name))); err != nil {
			t.Fatal(err)
		}
	}
	begin := func(results, id string) *record.Run {
		t.Helper()
		run, err := record.Create(results, id, record.Info{StartedAt: time.Now()})
		if err != nil {
			t.Fatal(err)
		}
		t.Cleanup(func() { _ = run.End(record.Interrupted, "", time.Now()) }) // releases the lock
		return run
	}
	results := filepath.Join(root, "results")
	locked := begin(results, "20261124T090000Z-aaaa")
	// A copy has no lock, as the folder of a killed process.
	killed := begin(t.TempDir(), "20261124T090000Z-bbbb")
	if err := os.CopyFS(filepath.Join(results, killed.ID()), os.DirFS(killed.Dir())); err != nil {
		t.Fatal(err)
	}
	for id, want := range map[string]string{
		locked.ID(): "is being written by another lab",
		killed.ID(): "missing.sock",
	} {
		var output bytes.Buffer
		code := Run(t.Context(), Streams{Out: &output, Err: &output},
			[]string{"--root", root, "run", "--resume", id})
		if code != fault.ExitFailed || !strings.Contains(output.String(), want) {
			t.Errorf("lab run --resume %s: exit code %d\n%s\nwant %q", id, code, output.String(), want)
		}
	}
}
