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

	"runtimelab/lab"
)

// pretendEngine answers what cleaning asks an engine, and notes what it removes.
type pretendEngine struct {
	lease   string // its container's state
	asked   func() // when it is asked for containers; may be nil
	removed []string
}

func (p *pretendEngine) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	if r.Method == http.MethodDelete {
		p.removed = append(p.removed, filepath.Base(r.URL.Path))
	}
	w.Header().Set("Api-Version", "1.41")
	w.Header().Set("Content-Type", "application/json")
	switch path := r.URL.Path; {
	case strings.HasSuffix(path, "/version"):
		fmt.Fprint(w, `{"Os": "linux"}`)
	case strings.HasSuffix(path, "/info"):
		fmt.Fprint(w, `{"CPUSet": true, "MemoryLimit": true, "PidsLimit": true}`)
	case strings.HasSuffix(path, "/containers/json"):
		if p.asked != nil {
			p.asked()
		}
		fmt.Fprintf(w,
			`[{"Id": "c1", "State": %q, "Created": %d, "Labels": {"io.runtime-lab.owner": "runtime-lab", "io.runtime-lab.run": "run-7", "io.runtime-lab.role": "lease"}}]`,
			p.lease, time.Now().Add(-time.Hour).Unix())
	case strings.HasSuffix(path, "/images/json"):
		fmt.Fprint(w,
			`[{"Id": "sha256:1", "RepoTags": ["runtime-lab/node:abc"], "Labels": {"io.runtime-lab.owner": "runtime-lab"}}]`)
	case strings.HasSuffix(path, "/_ping"):
	default:
		fmt.Fprint(w, `[]`)
	}
}

// use makes the lab find an engine where it looks first.
func use(t *testing.T, engine http.Handler) {
	t.Helper()
	dir, err := os.MkdirTemp("/tmp", "lab-test-") // short, as the path of a socket in it must be
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
	t.Setenv("XDG_CACHE_HOME", dir) // with the build lock, which somebody may hold for minutes
}

// The next server of a run that is measuring has to find its image.
func TestNoImageGoesWhileARunIsMeasuring(t *testing.T) {
	for lease, c := range map[string]struct {
		code    int
		removed string
	}{
		"running": {lab.ExitFailed, ""},
		"exited":  {lab.ExitOK, "c1 node:abc"},
	} {
		engine := &pretendEngine{lease: lease}
		use(t, engine)
		code, _, stderr := labRun(t.Context(), "clean", "--images", "--root", filepath.Join("..", ".."))
		if got := strings.Join(engine.removed, " "); code != c.code || got != c.removed {
			t.Errorf("with a lease that is %s clean exits with %d and removes %q, want %d and %q\n%s", lease, code,
				got, c.code, c.removed, stderr)
		}
		if c.code == lab.ExitFailed && !strings.Contains(stderr,
			"1 image was not removed: run run-7 is measuring on this engine\n  wait until it has ended, or stop it, "+
				"and clean again") {
			t.Errorf("clean says\n%s", stderr)
		}
	}
}
