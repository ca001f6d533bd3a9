package cli

import (
	"context"
	"encoding/json"
	"os"
	"path"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/moby/moby/client"

	"runtimelab/lab"
	"runtimelab/lab/experiment"
	"runtimelab/lab/fault"
	"runtimelab/lab/session"
	"runtimelab/lab/workload"
)

// quickVariants are the variants of node and python. The two Pythons that are built from
// source are left out: they take minutes to compile, and run the same application.
var quickVariants = []string{
	"node/single", "node/jitless", "node/cluster", "node/worker-threads", "node/express", "node/fastify",
	"python/asyncio", "python/uvloop", "python/processes", "python/threads", "python/fastapi", "python/flask",
}

// labContract runs lab contract and returns its results by variant.
func labContract(
	t *testing.T, root string, variants ...string,
) (code int, results map[string]contractResult, stderr string) {
	t.Helper()
	code, stdout, stderr := labRun(t.Context(),
		append([]string{"contract", "--root", root, "--json"}, variants...)...)
	var list []contractResult
	if err := json.Unmarshal([]byte(stdout), &list); err != nil {
		t.Fatalf("exit code %d, %v\n%s%s", code, err, stdout, stderr)
	}
	results = map[string]contractResult{}
	for _, r := range list {
		results[r.Variant] = r
	}
	return code, results, stderr
}

// imageTags returns the tags of all images on an engine.
func imageTags(t *testing.T, c *client.Client) (tags []string) {
	t.Helper()
	images, err := c.ImageList(context.WithoutCancel(t.Context()), client.ImageListOptions{})
	if err != nil {
		t.Fatal(err)
	}
	for _, x := range images.Items {
		tags = append(tags, x.RepoTags...)
	}
	return tags
}

// removeImagesExcept removes all image tags of an engine that are not in keep.
func removeImagesExcept(t *testing.T, c *client.Client, keep []string) {
	t.Helper()
	for _, tag := range imageTags(t, c) {
		if slices.Contains(keep, tag) {
			continue
		}
		if _, err := c.ImageRemove(context.WithoutCancel(t.Context()), tag,
			client.ImageRemoveOptions{Force: true, PruneChildren: true}); err != nil {
			t.Error(err)
		}
	}
}

func TestIntegrationEveryVariantPassesTheContract(t *testing.T) {
	c := needEngine(t)
	before := inventory(t, c)
	expectContract(t, checkout(t), quickVariants)
	expectInventory(t, c, before)
}

// The variants of runtimes that share the folders of node and python, and whose images are others.
func TestIntegrationVariantsOfOtherImagesPassTheContract(t *testing.T) {
	needEngine(t)
	expectContract(t, repository, []string{
		"bun/serve", "bun/single", "bun/express", "deno/serve", "python-django/uvicorn", "python-granian/uvloop",
	})
}

// expectContract expects that all of the variants pass lab contract.
func expectContract(t *testing.T, root string, variants []string) {
	t.Helper()
	code, got, stderr := labContract(t, root, variants...)
	if code != fault.ExitOK || len(got) != len(variants) {
		t.Errorf("exit code %d, %d variants\n%s", code, len(got), stderr)
	}
	for id, x := range got {
		if !x.Passed {
			t.Errorf("%s: %s", id, x.Why)
		}
	}
}

// The servers of runtimes from npm are the programs of their packages for a platform, and not the
// wrappers that start these.
func TestIntegrationProgramsFromNpmRunWithoutAWrapper(t *testing.T) {
	inTestSession(t, func(ctx context.Context, s *session.Session) {
		if !seesEngineProcesses(t) {
			t.Log("skipped: reading what another user's process runs needs root, and the engine's machine")
			return
		}
		for runtime, program := range map[string]string{
			"bun":  "/opt/bun/node_modules/@oven/bun-linux-*/bin/bun",
			"deno": "/opt/deno/node_modules/@deno/linux-*/deno",
		} {
			inCell(ctx, t, s, application(ctx, t, s, runtime), func(experiment.Cell) {
				got, err := os.Readlink(filepath.Join(firstProcess(ctx, t, s, "server"), "exe"))
				if err != nil {
					t.Fatal(err)
				}
				if direct, err := path.Match(program, got); err != nil || !direct {
					t.Errorf("%s runs %s, want %s", runtime, got, program)
				}
			})
		}
	})
}

// One byte of an answer is changed in each file that produces it.
func TestIntegrationABrokenByteIsCaughtInEveryVariant(t *testing.T) {
	c := needEngine(t)
	defer removeImagesExcept(t, c, imageTags(t, c))
	root := helloCheckout(t)
	for _, file := range []string{
		"node/app.js", "node/express.js", "node/fastify.js",
		"python/lab_app/asgi.py", "python/lab_app/fastapi_app.py", "python/lab_app/flask_app.py",
	} {
		edit(t, filepath.Join(root, "runtimes", filepath.FromSlash(file)), func(s string) string {
			return strings.Replace(s, "Hello, World!", "Hello, world!", 1)
		})
	}
	code, got, stderr := labContract(t, root, quickVariants...)
	if code != fault.ExitFailed || !strings.Contains(stderr, "12 variants fail the contract") {
		t.Errorf("exit code %d\n%s", code, stderr)
	}
	for _, id := range quickVariants {
		x := got[id]
		if x.Passed || !strings.Contains(x.Why, "plaintext") ||
			!strings.Contains(x.Why, "body differs at byte 7") {
			t.Errorf("%s: passed %v: %s", id, x.Passed, x.Why)
		}
	}
	code, stdout, _ := labRun(t.Context(), "contract", "--root", root, "node/single", "python/flask")
	if code != fault.ExitFailed || strings.Count(stdout, "FAILED: contract: ") != 2 {
		t.Errorf("exit code %d\n%s", code, stdout)
	}
}

// A runtime needs no more than a folder with a runtime.star, a Dockerfile and a server.
func TestIntegrationAThirdRuntimeIsAFolder(t *testing.T) {
	c := needEngine(t)
	defer removeImagesExcept(t, c, imageTags(t, c))
	root := checkout(t)
	folder := filepath.Join(root, "runtimes", "tiny")
	if err := os.Mkdir(folder, 0o755); err != nil {
		t.Fatal(err)
	}
	compileProgram(t.Context(), t, "static", filepath.Join(folder, "server"))
	for _, dir := range []string{workload.Dir, workload.ServicesDir} { // workloads name services
		dir = filepath.FromSlash(dir)
		if err := os.CopyFS(filepath.Join(folder, dir), os.DirFS(filepath.Join(root, dir))); err != nil {
			t.Fatal(err)
		}
	}
	for name, text := range map[string]string{
		"Dockerfile": `ARG BASE_IMAGE
FROM ${BASE_IMAGE}
LABEL io.runtime-lab.owner=runtime-lab
COPY server /
COPY scenarios /scenarios
USER 65532:65532
CMD ["/server"]
`,
		"runtime.star": `runtime(
    about = "answers from a table",
    base = base(official = "debian:trixie-slim", suite = "trixie", packages = ["libc6"]),
    offers = ["hello", "orders"],
)
variant(name = "static", model = "single", about = "one process", command = ["/server"])
`,
	} {
		if err := os.WriteFile(filepath.Join(folder, name), []byte(text), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	code, stdout, stderr := labRun(t.Context(), "list", "--root", root)
	if code != fault.ExitOK || !strings.Contains(stdout, "tiny/static") {
		t.Fatalf("exit code %d\n%s%s", code, stdout, stderr)
	}
	edit(t, filepath.Join(root, "scenarios", "json.star"), func(s string) string {
		return strings.Replace(s, `["node/single", "python/uvloop"]`, `where(runtime = "tiny")`, 1)
	})
	code, stdout, stderr = briefLabRun(t.Context(), "run", "--root", root, "--profile", "smoke", "json")
	if code != fault.ExitOK || !strings.Contains(stdout, "tiny/static") {
		t.Fatalf("exit code %d\n%s%s", code, stdout, stderr)
	}
	var phases []string
	for _, row := range latestRun(t, root).Rows {
		if attempt, _ := row.Int("attempt"); attempt > 1 {
			continue // repeated, because something else disturbed it
		}
		phases = append(phases, row.Text("variant")+" "+row.Text("phase"))
		if row.Text("validity") == string(lab.Failed) {
			t.Errorf("%s: %s", row.Text("phase"), row.Text("validity_reason"))
		}
	}
	if want := []string{"tiny/static peak", "tiny/static steady"}; !slices.Equal(phases, want) {
		t.Errorf("rows %v, want %v", phases, want)
	}
}
