package cli

import (
	"archive/tar"
	"bytes"
	"context"
	"crypto/rand"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/moby/moby/client"

	"runtimelab/lab"
	"runtimelab/lab/experiment"
)

// setDockerfile gives the server's user folders that it could write to, and
// makes volumes of them: the lab's build is the one that ONBUILD waits for.
const setDockerfile = `ARG BASE_IMAGE
FROM ${BASE_IMAGE}
LABEL io.runtime-lab.owner=runtime-lab
COPY --chown=65532:65532 seed /data/seed
COPY --chown=65532:65532 seed /late/seed
COPY --chown=65532:65532 seed /none/seed
VOLUME /data /none/
EXPOSE 8080 9090/udp
STOPSIGNAL SIGQUIT
USER 65532:65532
CMD ["/server"]
`

// setBase makes a base image that sets what the images built on it inherit. The
// caller removes it.
func setBase(ctx context.Context, t *testing.T, c *client.Client) (ref string) {
	t.Helper()
	program := filepath.Join(t.TempDir(), "server")
	build := exec.CommandContext(ctx, "go", "build", "-buildvcs=false", "-o", program, "./testdata/settings")
	build.Env = append(os.Environ(), "CGO_ENABLED=0", "GOOS=linux")
	if said, err := build.CombinedOutput(); err != nil {
		t.Fatalf("%v: %s", err, said)
	}
	server, err := os.ReadFile(program)
	if err != nil {
		t.Fatal(err)
	}
	var archive bytes.Buffer
	out := tar.NewWriter(&archive)
	if err := out.WriteHeader(&tar.Header{Name: "server", Mode: 0o755, Size: int64(len(server))}); err != nil {
		t.Fatal(err)
	}
	if _, err := out.Write(server); err != nil {
		t.Fatal(err)
	}
	if err := out.Close(); err != nil {
		t.Fatal(err)
	}
	ref = "runtime-lab-test/sets:" + strings.ToLower(rand.Text())[:12]
	source := client.ImageImportSource{Source: &archive, SourceName: "-"}
	imported, err := c.ImageImport(ctx, source, ref, client.ImageImportOptions{Changes: []string{
		`HEALTHCHECK --interval=1s CMD ["/server", "health"]`, "ONBUILD VOLUME /late", "EXPOSE 7070",
	}})
	if err != nil {
		t.Fatal(err)
	}
	if _, err := io.Copy(io.Discard, imported); err != nil {
		t.Fatal(err)
	}
	return ref
}

// runtimeThatSets is a runtime with this Dockerfile, on a base that sets things.
func runtimeThatSets(ctx context.Context, t *testing.T, c *client.Client, dockerfile string) lab.Runtime {
	t.Helper()
	r := lab.Runtime{
		Name: "sets", ContextDir: t.TempDir(), Dockerfile: "Dockerfile",
		Base:     lab.BaseImage{Official: setBase(ctx, t, c)},
		Variants: []lab.Variant{{Runtime: "sets", Name: "all", Command: []string{"/server"}}},
	}
	for name, text := range map[string]string{"Dockerfile": dockerfile, "seed": "of the image"} {
		if err := os.WriteFile(filepath.Join(r.ContextDir, name), []byte(text), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	return r
}

// removeImagesThatSet removes what setBase and builds of runtimeThatSets have made.
func removeImagesThatSet(t *testing.T, c *client.Client) {
	t.Helper()
	for _, tag := range tagged(t, c) {
		if name, _, _ := strings.Cut(tag, ":"); !strings.HasSuffix(name, "/sets") {
			continue
		}
		options := client.ImageRemoveOptions{Force: true, PruneChildren: true}
		if _, err := c.ImageRemove(context.WithoutCancel(t.Context()), tag, options); err != nil {
			t.Error(err)
		}
	}
}

// rolesOf is the roles of the containers that a run has, sorted.
func rolesOf(t *testing.T, c *client.Client, run string) (roles []string) {
	t.Helper()
	listed, err := c.ContainerList(context.WithoutCancel(t.Context()), client.ContainerListOptions{
		All: true, Filters: make(client.Filters).Add("label", "io.runtime-lab.run="+run),
	})
	if err != nil {
		t.Fatal(err)
	}
	for _, x := range listed.Items {
		roles = append(roles, x.Labels["io.runtime-lab.role"])
	}
	slices.Sort(roles)
	return roles
}

func volumes(t *testing.T, c *client.Client) (all []string) {
	t.Helper()
	listed, err := c.VolumeList(context.WithoutCancel(t.Context()), client.VolumeListOptions{})
	if err != nil {
		t.Fatal(err)
	}
	for _, v := range listed.Items {
		all = append(all, v.Name)
	}
	slices.Sort(all)
	return all
}

// expectGone expects that a run has left no container, and no volume beside those
// that were there before.
func expectGone(t *testing.T, c *client.Client, run string, before []string) {
	t.Helper()
	if roles := rolesOf(t, c, run); len(roles) > 0 {
		t.Errorf("containers are left: %q", roles)
	}
	if after := volumes(t, c); !slices.Equal(before, after) {
		t.Errorf("there were volumes %q before and %q after", before, after)
	}
}

// An image sets volumes, a health check, ports and signals, itself and through
// its base: nothing of it lets a server write, runs beside it, or is left behind.
func TestIntegrationWhatAnImageSetsChangesNothing(t *testing.T) {
	c := needEngine(t).Client()
	defer removeImagesThatSet(t, c)
	run, before := "", volumes(t, c)
	defer func() { expectGone(t, c, run, before) }()
	inTestSession(t, func(ctx context.Context, s *session) {
		run = s.id
		sets := runtimeThatSets(ctx, t, c, setDockerfile)
		images, missing, err := s.images(ctx, []lab.Runtime{sets})
		if err != nil || len(missing) > 0 {
			t.Fatalf("missing %q, error %v", missing, err)
		}
		request := lab.Request{Method: http.MethodGet, Path: "/"}
		of := subject{
			variant: sets.Variants[0], image: images["sets/all"],
			target: lab.Target{Request: request, Status: http.StatusOK},
		}
		for range 2 { // what the first one left would be in the way of the second
			s.inCell(ctx, t, of, func(cell *cell, _ experiment.Server) { expectUnset(ctx, t, s, cell, request) })
		}
	})
}

// expectUnset asks the server in a cell what it could do.
func expectUnset(ctx context.Context, t *testing.T, s *session, cell *cell, request lab.Request) {
	t.Helper()
	time.Sleep(2500 * time.Millisecond) // two health checks
	answers, err := cell.Send(ctx, []lab.Request{request})
	if err != nil {
		t.Fatal(err)
	}
	told := map[string]any{}
	if err := json.Unmarshal(answers[0].Body, &told); err != nil {
		t.Fatalf("%v in %q %s", err, answers[0].Body, answers[0].Error)
	}
	if told["health"] != 0.0 {
		t.Errorf("its health was asked for %v times", told["health"])
	}
	for _, volume := range []string{"/data", "/late", "/none"} {
		found, _ := told[volume].([]any)
		const refused = "read-only file system"
		if len(found) != 2 || found[0] != "of the image" || !strings.HasSuffix(fmt.Sprint(found[1]), refused) {
			t.Errorf("%s: read and wrote %q", volume, found)
		}
	}
	for _, wrong := range openedOutwards(ctx, t, s) {
		t.Error(wrong)
	}
}

// What the lab cannot replace is refused by its name before a container starts,
// and where it is set.
func TestIntegrationWhatAnImageMayNotSetIsRefused(t *testing.T) {
	c := needEngine(t).Client()
	defer removeImagesThatSet(t, c)
	run, before := "", volumes(t, c)
	defer func() { expectGone(t, c, run, before) }()
	inTestSession(t, func(ctx context.Context, s *session) {
		run = s.id
		for instruction, says := range map[string]string{
			"VOLUME /data/deep":                 "VOLUME /data/deep is inside VOLUME /data",
			"LABEL io.runtime-lab.role=measure": "it has the label io.runtime-lab.role",
		} {
			sets := runtimeThatSets(ctx, t, c, setDockerfile+instruction+"\n")
			_, _, err := s.images(ctx, []lab.Runtime{sets})
			where := filepath.Join(sets.ContextDir, "Dockerfile")
			if err == nil || !strings.Contains(err.Error(), says) || !strings.Contains(err.Error(), where) {
				t.Errorf("%s: %v, want %q", instruction, err, says)
			}
		}
		roles := rolesOf(t, c, s.id)
		if !slices.Equal(roles, []string{"lease", "lock"}) {
			t.Errorf("the session has containers %q", roles)
		}
	})
}
