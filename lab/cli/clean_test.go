package cli

import (
	"fmt"
	"net"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"runtimelab/lab/fault"
)

// fakeEngine is a Docker API with one container, the lease of a run, and one image. It
// records what is removed.
type fakeEngine struct {
	leaseState string // of the container: running or exited
	onList     func() // called when containers are listed; may be nil
	removed    []string
}

func (e *fakeEngine) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	if r.Method == http.MethodDelete {
		e.removed = append(e.removed, filepath.Base(r.URL.Path))
	}
	w.Header().Set("Api-Version", "1.41")
	w.Header().Set("Content-Type", "application/json")
	switch path := r.URL.Path; {
	case strings.HasSuffix(path, "/version"):
		fmt.Fprint(w, `{"Os": "linux"}`)
	case strings.HasSuffix(path, "/info"):
		fmt.Fprint(w, `{"CPUSet": true, "MemoryLimit": true, "PidsLimit": true}`)
	case strings.HasSuffix(path, "/containers/json"):
		if e.onList != nil {
			e.onList()
		}
		fmt.Fprintf(w, `[{"Id": "c1", "State": %q, "Created": %d, "Labels": {
			"io.runtime-lab.owner": "runtime-lab", "io.runtime-lab.run": "run-7",
			"io.runtime-lab.role": "lease"}}]`, e.leaseState, time.Now().Add(-time.Hour).Unix())
	case strings.HasSuffix(path, "/images/json"):
		fmt.Fprint(w, `[{"Id": "sha256:1", "RepoTags": ["runtime-lab/node:abc"],
			"Labels": {"io.runtime-lab.owner": "runtime-lab"}}]`)
	case strings.HasSuffix(path, "/_ping"):
	default:
		fmt.Fprint(w, `[]`)
	}
}

// serveEngine serves an engine on a socket, and points DOCKER_HOST to it.
func serveEngine(t *testing.T, engine http.Handler) {
	t.Helper()
	dir, err := os.MkdirTemp("/tmp", "lab-test-") // the path of a socket must be short
	if err != nil {
		t.Fatal(err)
	}
	socket := filepath.Join(dir, "docker.sock")
	listener, err := net.Listen("unix", socket)
	if err != nil {
		t.Fatal(err)
	}
	server := &http.Server{Handler: engine, ReadHeaderTimeout: time.Minute}
	go func() { _ = server.Serve(listener) }()
	t.Cleanup(func() {
		_ = server.Close()
		_ = os.RemoveAll(dir)
	})
	t.Setenv("DOCKER_HOST", "unix://"+socket)
	t.Setenv("XDG_CACHE_HOME", dir) // the real one holds the build lock, which may be taken for minutes
}

func TestCleanKeepsImagesWhileARunIsMeasuring(t *testing.T) {
	for state, c := range map[string]struct {
		code    int
		removed string
	}{
		"running": {fault.ExitFailed, ""},
		"exited":  {fault.ExitOK, "c1 node:abc"},
	} {
		engine := &fakeEngine{leaseState: state}
		serveEngine(t, engine)
		code, _, stderr := labRun(t.Context(), "clean", "--images", "--root", filepath.Join("..", ".."))
		if got := strings.Join(engine.removed, " "); code != c.code || got != c.removed {
			t.Errorf("with a lease that is %s, clean exits with %d and removes %q, want %d and %q\n%s",
				state, code, got, c.code, c.removed, stderr)
		}
		const want = "1 image was not removed: run run-7 is measuring on this engine\n" +
			"  wait until it has ended, or stop it, and run lab clean again"
		if c.code == fault.ExitFailed && !strings.Contains(stderr, want) {
			t.Errorf("clean prints\n%s\nwant\n%s", stderr, want)
		}
	}
}
