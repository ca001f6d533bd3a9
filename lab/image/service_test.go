package image

import (
	"path/filepath"
	"slices"
	"testing"

	"runtimelab/lab"
)

// A runtime and a service may have the same name, and are built on bases of the same kind.
func TestAServiceIsBuiltAsARuntimeIs(t *testing.T) {
	h := newHarness(t, Debian)
	service := h.runtimes[0]
	service.Name, service.Title, service.Folder = lab.ServiceImageName("node"), "service node",
		"scenarios/services/node"
	service.ContextDir = t.TempDir()
	write(t, filepath.Join(service.ContextDir, "Dockerfile"), "ARG BASE_IMAGE\nFROM ${BASE_IMAGE}\n# a service")
	sources := append(h.runtimes, service)
	built := h.Ensure(t.Context(), sources)
	runtimes, services := built["node"], built["service/node"]
	if runtimes.Err != nil || services.Err != nil || services.Image.ID == runtimes.Image.ID {
		t.Fatalf("%+v\n%+v", runtimes, services)
	}
	if want := "runtime-lab/service/node:" + services.Image.ContentSHA256[:16]; services.Image.Ref != want {
		t.Errorf("image %s, want %s", services.Image.Ref, want)
	}
	stored, err := h.inspect(t.Context(), services.Image.Ref)
	if err != nil || stored == nil || stored.Config.Labels[sourceLabel] != "scenarios/services/node" {
		t.Errorf("%+v, %v", stored, err)
	}
	isSuperseded := func(sources []lab.ImageSource) bool {
		superseded, err := h.ListSuperseded(t.Context(), sources)
		if err != nil {
			t.Fatal(err)
		}
		return slices.ContainsFunc(superseded,
			func(s StoredImage) bool { return slices.Contains(s.Refs, services.Image.Ref) })
	}
	if isSuperseded(sources) {
		t.Error("lab clean would remove the image of a service in use")
	}
	if !isSuperseded(h.runtimes) {
		t.Error("lab clean would keep the image of a service whose folder is gone")
	}
}
