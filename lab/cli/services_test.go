package cli

import (
	"context"
	"encoding/json"
	"fmt"
	"net/http"
	"slices"
	"strings"
	"testing"

	"runtimelab/lab"
	"runtimelab/lab/experiment"
	"runtimelab/lab/fault"
	"runtimelab/lab/session"
)

// storeDockerfile makes an image as official databases have it: root is its user, its data folder a
// volume, and a script its entrypoint, which prepares the folder and then runs the command.
const storeDockerfile = `FROM %s
USER root
COPY entrypoint.sh store.py /
RUN chmod 755 /entrypoint.sh && mkdir /seed && echo seeded > /seed/rows && chown -R 65532 /seed
VOLUME /var/lib/store
ENV STORE=/var/lib/store
ENTRYPOINT ["/entrypoint.sh"]
CMD ["store"]
`

const storeEntrypoint = `#!/bin/sh
set -e
if [ "$1" = store ]; then
    cp /seed/rows "$STORE/rows"
    echo "the store is prepared"
    shift
    exec python /store.py "$@"
fi
exec "$@"
`

// storeScript answers with what the store can do. It ends when it is asked for /crash.
const storeScript = `
import http.server, json, os, sys

def write(folder):
    try:
        open(folder + "/x", "w").close()
        return "done"
    except OSError as e:
        return e.strerror

def first(*paths):
    for path in paths:
        if os.path.exists(path):
            return open(path).read().strip()

class Store(http.server.BaseHTTPRequestHandler):
    def do_GET(self):
        if self.path == "/crash":
            print("asked to end", flush=True)
            os._exit(3)
        folders = {p: write(p) for p in ["/", "/tmp", "/seed", "/var/lib/store", os.environ["STORE"]]}
        body = json.dumps({
            "uid": os.getuid(), "gid": os.getgid(), "arguments": sys.argv[1:], "writes": folders,
            "rows": first(os.environ["STORE"] + "/rows"), "size": os.statvfs(os.environ["STORE"]).f_blocks
                * os.statvfs(os.environ["STORE"]).f_frsize,
            "memory": first("/sys/fs/cgroup/memory/memory.limit_in_bytes", "/sys/fs/cgroup/memory.max"),
            "cpus": sorted(os.sched_getaffinity(0)),
        }).encode()
        self.send_response(200)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, *args):
        pass

http.server.ThreadingHTTPServer(("127.0.0.1", 5432), Store).serve_forever()
`

// clientScript is a server that asks the store, as its environment tells it to.
const clientScript = `
import http.server, os, urllib.request

class Client(http.server.BaseHTTPRequestHandler):
    def do_GET(self):
        try:
            body = urllib.request.urlopen(os.environ["STORE_URL"] + self.path).read()
        except Exception as e:
            body = repr(e).encode()
        self.send_response(200)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

http.server.ThreadingHTTPServer((os.environ["HOST"], int(os.environ["PORT"])), Client).serve_forever()
`

// storeService returns the store as a service that runs the command.
func storeService(l lab.Layout, image string, command ...string) lab.Service {
	return lab.Service{
		Role: lab.RoleDatabase, Name: "store", Image: lab.Image{Ref: image}, Command: command,
		Env: map[string]string{"STORE": "/data"}, User: "65532:65531",
		Writable: []lab.WritableFolder{{Path: "/data", SizeBytes: 8 << 20}},
		CPUs:     lab.CPURequest{SharedWith: lab.RoleGenerator, Pinned: l.Generator},
		Port:     5432, MemoryBytes: 128 << 20,
		Ready:     &lab.Readiness{Request: &lab.Request{Method: http.MethodGet, Path: "/"}},
		ServerEnv: map[string]string{"STORE_URL": "http://127.0.0.1:5432"},
	}
}

// An image with a volume, root as its user and an entrypoint works as a service beside a server. It
// gets what its description says and nothing more, and its end is its own.
func TestIntegrationAnImageLikeADatabasesWorksAsAService(t *testing.T) {
	c := needEngine(t)
	const image = "runtime-lab-test/store:1"
	buildImage(t, c, image, map[string]string{
		"Dockerfile":    fmt.Sprintf(storeDockerfile, pythonImage(t.Context(), t)),
		"entrypoint.sh": storeEntrypoint, "store.py": storeScript,
	})
	run, before := "", volumeNames(t, c)
	defer func() { expectNothingLeft(t, c, run, before) }()
	inTestSession(t, func(ctx context.Context, s *session.Session) {
		run = s.ID
		python := application(ctx, t, s, "python")
		python.variant = lab.Variant{
			Runtime: "test", Name: "client", Command: []string{"python", "-c", clientScript},
		}
		openBeside := func(store lab.Service) (experiment.Cell, error) {
			server := experiment.Server(python.variant, python.image, store)
			server.CPUs.Pinned = s.Layout.Server
			return s.Cells().Open(ctx, lab.CellRequest{
				Generator: lab.CPURequest{Pinned: s.Layout.Generator}, Services: []lab.Service{store, server},
			})
		}
		cell, err := openBeside(storeService(s.Layout, image, "store", "-c", "fsync=on"))
		if err != nil {
			t.Fatal(err)
		}
		defer func() {
			if err := cell.Close(ctx); err != nil {
				t.Error(err)
			}
		}()
		ready := lab.Target{Request: lab.Request{Method: http.MethodGet, Path: "/"}, Status: http.StatusOK}
		if _, err := cell.AwaitFirstAnswer(ctx, ready, firstAnswerTimeout); err != nil {
			t.Fatal(experiment.CauseInCell(ctx, cell, err))
		}
		expectStore(ctx, t, s, cell)
		if _, err := cell.Send(ctx, []lab.Request{{Method: http.MethodGet, Path: "/crash"}}); err != nil {
			t.Fatal(err)
		}
		store := cell.Services()[0]
		if err := <-store.Done(ctx); err != nil {
			t.Fatal(err)
		}
		broken := fault.By(fault.Server, fmt.Errorf("it has no store"))
		err = experiment.CauseInCell(ctx, cell, broken)
		const ended = "the database store exited with code 3; it last printed: the store is prepared | asked to end"
		if fault.PartyOf(err) != (fault.Party{Role: "database", Name: "store"}) ||
			!strings.HasPrefix(err.Error(), ended) {
			t.Errorf("the cause is %v by %+v", err, fault.PartyOf(err))
		}
		roles := rolesOf(t, c, s.ID)
		_, err = openBeside(storeService(s.Layout, image, "sh", "-c", "echo no store here; exit 4"))
		const unready = "the database store exited with code 4; it last printed: no store here"
		if err == nil || err.Error() != unready || fault.PartyOf(err).Role != "database" {
			t.Errorf("a service that ends at its start: %v by %+v", err, fault.PartyOf(err))
		}
		if after := rolesOf(t, c, s.ID); !slices.Equal(after, roles) {
			t.Errorf("containers %q before a cell that did not open, %q after it", roles, after)
		}
	})
}

// expectStore expects that the server in a cell reaches the store, and that the store has what its
// description says.
func expectStore(ctx context.Context, t *testing.T, s *session.Session, cell experiment.Cell) {
	t.Helper()
	answers, err := cell.Send(ctx, []lab.Request{{Method: http.MethodGet, Path: "/"}})
	if err != nil {
		t.Fatal(err)
	}
	var got struct {
		UID, GID     int
		Arguments    []string
		Writes       map[string]string
		Rows, Memory string
		Size         int64
		CPUs         []int
	}
	if err := json.Unmarshal(answers[0].Body, &got); err != nil {
		t.Fatalf("%v in %q %s", err, answers[0].Body, answers[0].Error)
	}
	if got.UID != 65532 || got.GID != 65531 || !slices.Equal(got.Arguments, []string{"-c", "fsync=on"}) ||
		got.Rows != "seeded" || got.Size != 8<<20 || got.Memory != fmt.Sprint(128<<20) ||
		!slices.Equal(got.CPUs, s.Layout.Generator) {
		t.Errorf("the store is %+v", got)
	}
	for folder, result := range got.Writes {
		if (result == "done") != (folder == "/data") {
			t.Errorf("writing to %s: %s", folder, result)
		}
	}
	store := cell.Services()[0]
	if usage, err := store.Usage(ctx); err != nil || usage.CPU <= 0 {
		t.Errorf("its usage is %+v, error %v", usage, err)
	}
	if calls, err := store.Calls(ctx); err != nil || calls != nil {
		t.Errorf("its calls are %v, error %v; it does not count them", calls, err)
	}
	if store.Grant().ContainerID == "" || store.StartedAt().After(cell.Services()[1].StartedAt()) {
		t.Errorf("it was granted %+v, and started after the server", store.Grant())
	}
	failEach(t, exposedContainers(ctx, t, s))
}
