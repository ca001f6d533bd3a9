package cli

import (
	"context"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"runtimelab/lab"
	"runtimelab/lab/engine/docker"
	"runtimelab/lab/fault"
	"runtimelab/lab/image"
	"runtimelab/lab/script"
)

// nginxRuntime is a runtime whose image the lab knows nothing of: nginx as Debian packages it, which
// starts as root, listens on port 80 and writes to folders, two of which are volumes.
const nginxRuntime = `runtime(about = "nginx as Debian packages it")

folders = ["/run", "/var/lib/nginx", "/var/log/nginx"]

variant(name = "bare", about = "as it is")
variant(name = "sealed", about = "without folders to write to", user = "65532:65532", port = 80)
variant(name = "lost", about = "without its port", user = "65532:65532", writable = folders)
variant(
    name = "named", about = "measured", user = "65532:65532", port = 80, writable = folders,
    ready = get("/"),
)
`

const nginxDockerfile = `FROM BASE AS packages
USER root
RUN apt-get update && apt-get install -y --no-install-recommends nginx && rm -rf /var/lib/apt/lists/*
RUN echo "served" > /var/www/html/index.html
FROM packages
VOLUME /var/lib/nginx
VOLUME /var/www/html
EXPOSE 80
CMD ["nginx", "-g", "daemon off;"]
`

const nginxScenario = `scenario(
    name = "own", about = "a page", profile = "smoke", requests = [get("/")],
    phases = [warmup(connections = 8), peak(connections = 8)],
    variants = ["web/named", "again/same"],
)
`

// pythonImage returns the name of an image in which Debian's packages can be installed: Python's.
func pythonImage(ctx context.Context, t *testing.T) string {
	t.Helper()
	e, err := docker.Open(ctx)
	if err != nil {
		t.Fatal(err)
	}
	defer e.Close()
	library, err := script.Load(ctx, repository, script.ParameterValues{})
	if err != nil {
		t.Fatal(err)
	}
	python, err := library.Runtime("python")
	if err != nil {
		t.Fatal(err)
	}
	built := image.NewBuilder(e, image.Options{}).Ensure(ctx, []lab.ImageSource{python.Source()})[python.Name]
	if built.Err != nil {
		t.Fatal(built.Err)
	}
	return built.Image.Ref
}

// An image that the lab did not make is measured with user and writable, and refused with a message
// that says what is missing without them.
func TestIntegrationAnImageOfOnesOwnIsMeasured(t *testing.T) {
	c := needEngine(t)
	root := checkout(t)
	base := pythonImage(t.Context(), t)
	before := imageTags(t, c)
	t.Cleanup(func() { removeImagesExcept(t, c, before) })
	writeFile(t, filepath.Join(root, "runtimes/web/runtime.star"), nginxRuntime)
	writeFile(t, filepath.Join(root, "runtimes/web/Dockerfile"),
		strings.Replace(nginxDockerfile, "BASE", base, 1))

	code, refused, stderr := labContract(t, root, "web/bare", "web/sealed", "web/lost", "web/named")
	if code != fault.ExitFailed || !refused["web/named"].Passed {
		t.Fatalf("exit code %d, %+v\n%s", code, refused, stderr)
	}
	for variant, want := range map[string]string{
		"web/bare":   "its USER is root, and the lab runs no server as root",
		"web/sealed": "Read-only file system",
		"web/lost":   "nothing listens on 127.0.0.1:8080, but on 0.0.0.0:80 (user 65532)",
	} {
		if got := refused[variant]; got.Passed || !strings.Contains(got.Why, want) {
			t.Errorf("%s: %+v, want %s", variant, got, want)
		}
	}
	if !strings.Contains(stderr, `variant(user = "65532:65532")`) {
		t.Errorf("nothing says what to write:\n%s", stderr)
	}

	tags := imageTags(t, c)
	i := slices.IndexFunc(tags, func(tag string) bool { return strings.HasPrefix(tag, "runtime-lab/web:") })
	if i < 0 {
		t.Fatal("the image of web is missing")
	}
	writeFile(t, filepath.Join(root, "runtimes/again/runtime.star"),
		`runtime(about = "as it is", image = "`+tags[i]+`")
variant(
    name = "same", about = "the same image", user = "65532", port = 80,
    writable = ["/run", "/var/lib/nginx", "/var/log/nginx"], headers = {"Authorization": "Bearer secret"},
)
`)
	writeFile(t, filepath.Join(root, "scenarios/own.star"), nginxScenario)
	code, stdout, stderr := briefLabRun(t.Context(), "run", "--root", root, "--profile", "smoke", "own")
	if code != fault.ExitOK {
		t.Fatalf("exit code %d\n%s%s", code, stdout, stderr)
	}
	recorded := latestRun(t, root)
	measured, valid := map[string]bool{}, false
	for _, r := range recorded.Rows {
		rps, known := r.Float("throughput_rps")
		backlog, _ := r.Int("backlog")
		if cold, ready := r.Float("cold_start_ms"); !known || rps < 100 || backlog != 511 || !ready || cold <= 0 {
			t.Errorf("%s: %v requests a second, backlog %d, cold start %v: %s %s", r.Text("variant"), rps, backlog,
				cold, r.Text("validity"), r.Text("validity_reason"))
		}
		measured[r.Text("variant")] = true
		valid = valid || lab.Validity(r.Text("validity")) == lab.Valid
	}
	if !measured["web/named"] || !measured["again/same"] {
		t.Errorf("measured %v", measured)
	}
	// Other work on the machine may disturb every trial.
	if valid && !strings.Contains(stdout, "doubt: the lab does not know how many workers ") {
		t.Errorf("the report has no doubt about the servers:\n%s", stdout)
	}
	info, err := os.ReadFile(filepath.Join(recorded.Dir, "run.json"))
	if err != nil {
		t.Fatal(err)
	}
	if text := string(info); strings.Contains(text, "secret") || !strings.Contains(text,
		`"Authorization": "sha256:`) {
		t.Error("run.json has the value of a header")
	}
}
