package cli

import (
	"context"
	"crypto/rand"
	"encoding/json"
	"fmt"
	"net/http"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/moby/moby/client"

	"runtimelab/lab"
	"runtimelab/lab/experiment"
	"runtimelab/lab/session"
)

// settingsDockerfile makes volumes of folders that belong to the server's user, and sets
// ports and a signal. The ONBUILD instruction of its base sets another volume.
const settingsDockerfile = `ARG BASE_IMAGE
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

// settingsBase imports a base image with settings that images built on it inherit. The
// caller removes it.
func settingsBase(ctx context.Context, t *testing.T, c *client.Client) (ref string) {
	t.Helper()
	ref = "runtime-lab-test/sets:" + strings.ToLower(rand.Text())[:12]
	importProgram(ctx, t, c, "settings", ref,
		`HEALTHCHECK --interval=1s CMD ["/server", "health"]`, "ONBUILD VOLUME /late", "EXPOSE 7070")
	return ref
}

// settingsRuntime returns a runtime with a Dockerfile, on settingsBase.
func settingsRuntime(ctx context.Context, t *testing.T, c *client.Client, dockerfile string) lab.Runtime {
	t.Helper()
	r := lab.Runtime{
		Name: "sets", ContextDir: t.TempDir(), Dockerfile: "Dockerfile",
		Base:     lab.BaseImage{Official: settingsBase(ctx, t, c)},
		Variants: []lab.Variant{{Runtime: "sets", Name: "all", Command: []string{"/server"}}},
	}
	for name, text := range map[string]string{"Dockerfile": dockerfile, "seed": "of the image"} {
		if err := os.WriteFile(filepath.Join(r.ContextDir, name), []byte(text), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	return r
}

// removeSettingsImages removes the images of settingsBase and settingsRuntime.
func removeSettingsImages(t *testing.T, c *client.Client) {
	t.Helper()
	for _, tag := range imageTags(t, c) {
		if name, _, _ := strings.Cut(tag, ":"); !strings.HasSuffix(name, "/sets") {
			continue
		}
		options := client.ImageRemoveOptions{Force: true, PruneChildren: true}
		if _, err := c.ImageRemove(context.WithoutCancel(t.Context()), tag, options); err != nil {
			t.Error(err)
		}
	}
}

// rolesOf returns the roles of a run's containers, sorted.
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

// volumeNames returns the names of all volumes on an engine, sorted.
func volumeNames(t *testing.T, c *client.Client) (all []string) {
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

// expectNothingLeft expects that a run has no containers, and that the volumes are the
// same as before.
func expectNothingLeft(t *testing.T, c *client.Client, run string, before []string) {
	t.Helper()
	if roles := rolesOf(t, c, run); len(roles) > 0 {
		t.Errorf("containers are left: %q", roles)
	}
	if after := volumeNames(t, c); !slices.Equal(before, after) {
		t.Errorf("the volumes were %q before, and are %q after", before, after)
	}
}

// An image and its base set volumes, a health check, ports and a signal. The server still
// cannot write, no health check runs, and nothing is left behind.
func TestIntegrationSettingsOfAnImageHaveNoEffect(t *testing.T) {
	c := needEngine(t)
	defer removeSettingsImages(t, c)
	run, before := "", volumeNames(t, c)
	defer func() { expectNothingLeft(t, c, run, before) }()
	inTestSession(t, func(ctx context.Context, s *session.Session) {
		run = s.ID
		r := settingsRuntime(ctx, t, c, settingsDockerfile)
		images, err := s.EnsureImages(ctx, []lab.Runtime{r}, nil)
		if err != nil || len(images.Errors) > 0 {
			t.Fatalf("missing %q, error %v", images.Errors, err)
		}
		request := lab.Request{Method: http.MethodGet, Path: "/"}
		subj := subject{
			variant: r.Variants[0], image: images.Images["sets/all"],
			target: lab.Target{Request: request, Status: http.StatusOK},
		}
		for range 2 { // remains of the first server would disturb the second
			inCell(ctx, t, s, subj, func(cell experiment.Cell) {
				expectNoEffect(ctx, t, s, cell, request)
			})
		}
	})
}

// expectNoEffect expects that the server in a cell could not write to its volumes, that no
// health check ran, and that no container is exposed.
func expectNoEffect(
	ctx context.Context, t *testing.T, s *session.Session, cell experiment.Cell, request lab.Request,
) {
	t.Helper()
	time.Sleep(2500 * time.Millisecond) // time for two health checks
	answers, err := cell.Send(ctx, []lab.Request{request})
	if err != nil {
		t.Fatal(err)
	}
	result := map[string]any{}
	if err := json.Unmarshal(answers[0].Body, &result); err != nil {
		t.Fatalf("%v in %q %s", err, answers[0].Body, answers[0].Error)
	}
	if result["health"] != 0.0 {
		t.Errorf("%v health checks ran", result["health"])
	}
	for _, volume := range []string{"/data", "/late", "/none"} {
		got, _ := result[volume].([]any) // what was read, and the outcome of writing
		const refused = "read-only file system"
		if len(got) != 2 || got[0] != "of the image" || !strings.HasSuffix(fmt.Sprint(got[1]), refused) {
			t.Errorf("%s: read and wrote %q", volume, got)
		}
	}
	failEach(t, exposedContainers(ctx, t, s))
}

// A setting that the lab cannot override is refused before a container starts. The error
// names the setting and the Dockerfile.
func TestIntegrationForbiddenSettingsOfAnImageAreRefused(t *testing.T) {
	c := needEngine(t)
	defer removeSettingsImages(t, c)
	run, before := "", volumeNames(t, c)
	defer func() { expectNothingLeft(t, c, run, before) }()
	inTestSession(t, func(ctx context.Context, s *session.Session) {
		run = s.ID
		for instruction, want := range map[string]string{
			"VOLUME /data/deep":                 "VOLUME /data/deep is inside VOLUME /data",
			"LABEL io.runtime-lab.role=measure": "it has the label io.runtime-lab.role",
		} {
			r := settingsRuntime(ctx, t, c, settingsDockerfile+instruction+"\n")
			_, err := s.EnsureImages(ctx, []lab.Runtime{r}, nil)
			file := filepath.Join(r.ContextDir, "Dockerfile")
			if err == nil || !strings.Contains(err.Error(), want) || !strings.Contains(err.Error(), file) {
				t.Errorf("%s: %v, want %q", instruction, err, want)
			}
		}
		roles := rolesOf(t, c, s.ID)
		if !slices.Equal(roles, []string{"lease", "lock"}) {
			t.Errorf("the session has containers %q", roles)
		}
	})
}
