package cli

import (
	"bytes"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"runtimelab/lab"
	"runtimelab/lab/record"
)

// What keeps a run from being recorded is said before anything is built or measured:
// here, before the engine is asked for.
func TestResultsAreLockedBeforeTheEngineIsAsked(t *testing.T) {
	t.Setenv("DOCKER_HOST", "unix://"+filepath.Join(t.TempDir(), "nobody.sock"))
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
		t.Cleanup(func() { _ = run.End(record.Interrupted, "", time.Now()) }) // until then it is locked
		return run
	}
	results := filepath.Join(root, "results")
	written := begin(results, "20261124T090000Z-aaaa")
	left := begin(t.TempDir(), "20261124T090000Z-bbbb") // the folder of a killed process, without its lock
	if err := os.CopyFS(filepath.Join(results, left.ID()), os.DirFS(left.Dir())); err != nil {
		t.Fatal(err)
	}
	for id, want := range map[string]string{
		written.ID(): "is being written by another lab",
		left.ID():    "nobody.sock",
	} {
		var said bytes.Buffer
		code := Run(t.Context(), Streams{Out: &said, Err: &said}, []string{"--root", root, "run", "--resume", id})
		if code != lab.ExitFailed || !strings.Contains(said.String(), want) {
			t.Errorf("lab run --resume %s: exit code %d\n%s\nwant %q", id, code, said.String(), want)
		}
	}
}
