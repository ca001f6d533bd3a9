package image

import (
	"archive/tar"
	"context"
	"errors"
	"fmt"
	"io"
	"maps"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"runtimelab/lab"
)

// fakeEngine is an Engine on linux/arm64 that keeps images in memory, by tag and id.
type fakeEngine struct {
	mu          sync.Mutex
	images      map[string]Description
	refused     string // a reference that InspectImage refuses
	losesLayers bool   // whether it registers images without their layers

	// pullFails returns the error of a pull. Nil: pulls succeed.
	pullFails func(ctx context.Context, ref string, progress func()) error
	// buildFails holds errors of builds, by the text of the Dockerfile.
	buildFails map[string]string

	// Calls that it received.
	pulled     []string
	builds     []Build
	imports    [][]string // changes
	registered []string
	discarded  []Built
	pruned     []string
}

func newFakeEngine() *fakeEngine { return &fakeEngine{images: map[string]Description{}} }

// notFound returns an engine's error for an unknown image.
func notFound(name string) error {
	return WithKind(ErrNotFound, fmt.Errorf("no such image: %s", name))
}

// put adds an image.
func (f *fakeEngine) put(ref, id string, labels map[string]string) {
	f.images[ref] = Description{
		ID: id, Layers: []string{"sha256:layer-of-" + id}, Config: &Config{Labels: labels},
	}
}

func (*fakeEngine) Platform(context.Context) (Platform, error) {
	return Platform{OS: "linux", Architecture: "arm64"}, nil
}

func (f *fakeEngine) InspectImage(_ context.Context, name string) (Description, error) {
	f.mu.Lock()
	defer f.mu.Unlock()
	if name == f.refused {
		return Description{}, errors.New("invalid reference format")
	}
	got, ok := f.images[name]
	if !ok {
		return Description{}, notFound(name)
	}
	return got, nil
}

// isID reports whether a name of an image is its id.
func isID(name string) bool { return strings.HasPrefix(name, "sha256:") }

func (f *fakeEngine) ListImages(_ context.Context, label string) ([]StoredImage, error) {
	f.mu.Lock()
	defer f.mu.Unlock()
	name, value, _ := strings.Cut(label, "=")
	byID := map[string]StoredImage{}
	for ref, got := range f.images {
		if got.label(name) != value {
			continue
		}
		stored := byID[got.ID]
		stored.ID = got.ID
		if !isID(ref) {
			stored.Refs = append(stored.Refs, ref)
		}
		byID[got.ID] = stored
	}
	return slices.Collect(maps.Values(byID)), nil
}

func (f *fakeEngine) PullImage(ctx context.Context, ref string, progress func()) error {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.pulled = append(f.pulled, ref)
	if f.pullFails != nil {
		if err := f.pullFails(ctx, ref, progress); err != nil {
			return err
		}
	}
	f.put(ref, "sha256:id-of-"+ref, nil)
	name, _, _ := strings.Cut(ref, ":")
	got := f.images[ref]
	got.Digests = []string{"other/name@sha256:ffff", name + "@sha256:d1"}
	f.images[ref] = got
	return nil
}

func (f *fakeEngine) ImportImage(_ context.Context, rootFS io.Reader, ref string, changes []string) error {
	if _, err := io.Copy(io.Discard, rootFS); err != nil {
		return err
	}
	f.mu.Lock()
	defer f.mu.Unlock()
	f.imports = append(f.imports, changes)
	labels, env := map[string]string{}, []string(nil)
	for _, change := range changes {
		if variable, ok := strings.CutPrefix(change, "ENV "); ok {
			env = append(env, variable)
		}
		if text, ok := strings.CutPrefix(change, "LABEL "); ok {
			name, value, _ := strings.Cut(text, "=")
			labels[name] = strings.Trim(value, `"`)
		}
	}
	f.put(ref, "sha256:imported-"+ref, labels)
	f.images[ref].Config.Env = env
	return nil
}

// BuildImage makes an untagged image.
func (f *fakeEngine) BuildImage(ctx context.Context, b Build) (built Built, err error) {
	dockerfile, err := readTarFile(b.Context, b.Dockerfile)
	if err != nil {
		return built, err
	}
	f.mu.Lock()
	defer f.mu.Unlock()
	f.builds = append(f.builds, b)
	n := len(f.builds)
	built = Built{Output: dockerfile, Steps: []string{fmt.Sprintf("step %d", n)}}
	if ctx.Err() != nil {
		return built, errors.New("the build was stopped")
	}
	if message := f.buildFails[dockerfile]; message != "" {
		return built, errors.New(message)
	}
	described := Description{
		ID: fmt.Sprintf("sha256:built-%d", n), Layers: []string{"sha256:base", "sha256:top"},
		Platform: Platform{OS: "linux", Architecture: "arm64"},
		Config:   &Config{Labels: b.Labels, User: "1:1"},
	}
	for _, img := range f.images {
		if img.ID == b.Base && img.Config != nil {
			described.Config.Env = slices.Clone(img.Config.Env)
		}
	}
	described.Config.Env = append(described.Config.Env, "A=b")
	if strings.Contains(dockerfile, "--platform=linux/amd64") {
		described.Platform.Architecture = "amd64"
	}
	for name := range b.Args {
		if !strings.Contains(dockerfile, "ARG "+name) && !slices.Contains(lab.ProxyArgs, strings.ToUpper(name)) {
			built.UnusedArgs = append(built.UnusedArgs, name)
		}
	}
	built.ID = described.ID
	f.images[built.ID] = described
	return built, nil
}

// readTarFile returns the text of a file in an archive.
func readTarFile(archive io.Reader, name string) (string, error) {
	for in := tar.NewReader(archive); ; {
		header, err := in.Next()
		if err != nil {
			return "", fmt.Errorf("%s: %w", name, err)
		}
		if header.Name == name {
			data, err := io.ReadAll(in)
			return string(data), err
		}
	}
}

func (f *fakeEngine) RegisterImage(_ context.Context, id, ref string, withoutEnv []string) error {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.registered = append(f.registered, ref)
	got := f.images[id]
	config := *got.Config
	config.Env = slices.DeleteFunc(slices.Clone(config.Env),
		func(variable string) bool { return slices.Contains(withoutEnv, variable) })
	got.Config = &config
	if f.losesLayers {
		got.Layers = nil
	}
	f.images[ref] = got
	return nil
}

func (f *fakeEngine) DiscardBuild(_ context.Context, b Built) error {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.discarded = append(f.discarded, b)
	delete(f.images, b.ID)
	return nil
}

func (f *fakeEngine) TagImage(_ context.Context, name, tag string) error {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.images[tag] = f.images[name]
	return nil
}

func (f *fakeEngine) RemoveImage(_ context.Context, name string) error {
	f.mu.Lock()
	defer f.mu.Unlock()
	if _, ok := f.images[name]; !ok {
		return notFound(name)
	}
	delete(f.images, name)
	return nil
}

func (f *fakeEngine) PruneImages(_ context.Context, label string) error {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.pruned = append(f.pruned, label)
	return nil
}

// names returns all tags and ids.
func (f *fakeEngine) names() []string { return slices.Sorted(maps.Keys(f.images)) }

// harness is a Builder on a fake engine, as root on Linux, with the runtimes node and python.
type harness struct {
	*Builder
	engine    *fakeEngine
	runtimes  []lab.ImageSource
	log       *strings.Builder
	env       map[string]string
	made      []string // runtimes whose stand-ins were made
	finishErr error    // the error with which making a stand-in ends
}

func newHarness(t *testing.T, mode BaseMode) *harness {
	t.Helper()
	h := &harness{engine: newFakeEngine(), log: new(strings.Builder), env: map[string]string{}}
	bundle := filepath.Join(t.TempDir(), "ca.crt")
	write(t, bundle, "certificates")
	h.Builder = NewBuilder(h.engine, Options{
		Bases: mode, Log: h.log, CABundle: bundle, LockFile: filepath.Join(t.TempDir(), "lock"),
		Getenv: func(name string) string { return h.env[name] },
	})
	h.goos, h.euid = "linux", 0
	h.firstAnswerTimeout, h.stallTimeout = 50*time.Millisecond, 50*time.Millisecond
	h.cleanupTimeout = 50 * time.Millisecond
	h.backoff = []time.Duration{time.Millisecond, time.Millisecond}
	h.hasTools = func() bool { return true }
	var mu sync.Mutex
	h.bootstrap = func(_ context.Context, s standIn) (*rootFS, error) {
		mu.Lock()
		defer mu.Unlock()
		h.made = append(h.made, s.name)
		versions := map[string]string{}
		for _, name := range s.packages {
			versions[name] = "1.0-" + name
		}
		return &rootFS{
			Reader: strings.NewReader("tar"), versions: versions,
			finish: func() error { return h.finishErr },
		}, nil
	}
	for _, name := range []string{"node", "python"} {
		dir := t.TempDir()
		write(t, filepath.Join(dir, "Dockerfile"), "ARG BASE_IMAGE\nFROM ${BASE_IMAGE}\n# "+name)
		h.runtimes = append(h.runtimes, lab.ImageSource{
			Name: name, Title: "runtime " + name, Folder: "runtimes/" + name,
			File:       "runtimes/" + name + "/runtime.star",
			ContextDir: dir, Dockerfile: "Dockerfile",
			Base: lab.BaseImage{
				Official: name + ":1-slim", Suite: "forky", Packages: []string{name, name + "-tools"},
			},
		})
	}
	return h
}

// write writes a file, and makes its folder.
func write(t *testing.T, path, text string) {
	t.Helper()
	if err := os.MkdirAll(filepath.Dir(path), 0o755); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(path, []byte(text), 0o644); err != nil {
		t.Fatal(err)
	}
}

// addOfficial puts the official images of runtimes on the engine.
func (h *harness) addOfficial(names ...string) {
	for _, name := range names {
		h.engine.put(name+":1-slim", "sha256:official-"+name, nil)
	}
}

// addStandIns puts the stand-ins of runtimes on the engine.
func (h *harness) addStandIns(t *testing.T, runtimes ...lab.ImageSource) {
	t.Helper()
	bundle, err := h.caBundle()
	if err != nil {
		t.Fatal(err)
	}
	for _, rt := range runtimes {
		s := newStandIn(rt, bundle)
		h.engine.put(s.ref(), "sha256:stand-in-"+rt.Name,
			map[string]string{ownerLabel: owner, baseLabel: "debian forky: " + rt.Name + " 1"})
	}
}
