package image

import (
	"archive/tar"
	"context"
	"encoding/json"
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

	"github.com/containerd/errdefs"
	dockerspec "github.com/moby/docker-image-spec/specs-go/v1"
	"github.com/moby/moby/api/types/image"
	"github.com/moby/moby/client"
	ocispec "github.com/opencontainers/image-spec/specs-go/v1"

	"runtimelab/lab"
)

// fakeEngine is an Engine that keeps images in memory, by tag and id.
type fakeEngine struct {
	mu         sync.Mutex
	images     map[string]image.InspectResponse
	refused    string // a reference that ImageInspect refuses
	noBridge   bool
	containerd bool // whether it has containerd's image store

	// pullStream returns the messages of a pull. Nil: pulls succeed.
	pullStream func(ctx context.Context, ref string) (string, error)
	// buildFails holds errors of builds, by the text of the Dockerfile.
	buildFails map[string]string
	// buildHangs, if not nil, makes a step run until its container is removed.
	buildHangs chan struct{}

	// Calls that it received.
	pulled  []string
	builds  []client.ImageBuildOptions
	imports []client.ImageImportOptions
	loads   int
	removed []string
	pruned  []client.Filters
}

func newFakeEngine() *fakeEngine { return &fakeEngine{images: map[string]image.InspectResponse{}} }

// notFound returns an engine's error for an unknown image or container.
func notFound(ref string) error {
	return fmt.Errorf("no such image: %s: %w", ref, errdefs.ErrNotFound)
}

// put adds an image.
func (f *fakeEngine) put(ref, id string, labels map[string]string) {
	f.images[ref] = image.InspectResponse{
		ID: id, RepoTags: []string{ref}, RootFS: image.RootFS{Layers: []string{"sha256:layer-of-" + id}},
		Config: &dockerspec.DockerOCIImageConfig{ImageConfig: ocispec.ImageConfig{Labels: labels}},
	}
}

func (f *fakeEngine) ImageInspect(
	_ context.Context, ref string, _ ...client.ImageInspectOption,
) (client.ImageInspectResult, error) {
	f.mu.Lock()
	defer f.mu.Unlock()
	if ref == f.refused {
		return client.ImageInspectResult{}, errors.New("invalid reference format")
	}
	got, ok := f.images[ref]
	if !ok {
		return client.ImageInspectResult{}, notFound(ref)
	}
	return client.ImageInspectResult{InspectResponse: got}, nil
}

// pullBody is the response to a pull.
type pullBody struct {
	client.ImagePullResponse // the lab does not call its other methods
	io.Reader
}

func (p pullBody) Read(b []byte) (int, error) { return p.Reader.Read(b) }
func (pullBody) Close() error                 { return nil }

func (f *fakeEngine) ImagePull(
	ctx context.Context, ref string, _ client.ImagePullOptions,
) (client.ImagePullResponse, error) {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.pulled = append(f.pulled, ref)
	stream := `{"status":"Pulling from library/x"}`
	if f.pullStream != nil {
		var err error
		if stream, err = f.pullStream(ctx, ref); err != nil {
			return nil, err
		}
	}
	if !strings.Contains(stream, "error") {
		f.put(ref, "sha256:id-of-"+ref, nil)
		name, _, _ := strings.Cut(ref, ":")
		got := f.images[ref]
		got.RepoDigests = []string{"other/name@sha256:ffff", name + "@sha256:d1"}
		f.images[ref] = got
	}
	return pullBody{Reader: strings.NewReader(stream)}, nil
}

func (f *fakeEngine) ImageImport(
	_ context.Context, source client.ImageImportSource, ref string, options client.ImageImportOptions,
) (client.ImageImportResult, error) {
	if _, err := io.Copy(io.Discard, source.Source); err != nil {
		return nil, err
	}
	f.mu.Lock()
	defer f.mu.Unlock()
	f.imports = append(f.imports, options)
	labels, env := map[string]string{}, []string(nil)
	for _, change := range options.Changes {
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
	return io.NopCloser(strings.NewReader(`{"status":"sha256:imported"}`)), nil
}

// ImageBuild makes one untagged image and one untagged intermediate image per build.
func (f *fakeEngine) ImageBuild(
	ctx context.Context, archive io.Reader, options client.ImageBuildOptions,
) (client.ImageBuildResult, error) {
	dockerfile, err := readTarFile(archive, options.Dockerfile)
	if err != nil {
		return client.ImageBuildResult{}, err
	}
	f.mu.Lock()
	defer f.mu.Unlock()
	f.builds = append(f.builds, options)
	n := len(f.builds)
	baseImage := "sha256:555555555555" // a tagged one, as of a Dockerfile that names it
	if arg := options.BuildArgs["BASE_IMAGE"]; arg != nil {
		baseImage = *arg
	}
	baseID := strings.TrimPrefix(baseImage, "sha256:")
	var env []string
	for _, img := range f.images {
		if img.ID == baseImage {
			env = slices.Clone(img.Config.Env)
		}
	}
	step, result := fmt.Sprintf("5%011d", n), fmt.Sprintf("e%011d", n)
	f.images[step] = image.InspectResponse{ID: "sha256:" + step}
	text := fmt.Sprintf(" ---> %.12s\n ---> Running in c%011d\n ---> %s\n%s\n", baseID, n, step, dockerfile)
	if f.buildHangs != nil {
		return client.ImageBuildResult{Body: f.hangingBuild(ctx, text)}, nil
	}
	if message := f.buildFails[dockerfile]; message != "" {
		return client.ImageBuildResult{
			Body: stream(map[string]string{"stream": text}, map[string]string{"error": message}),
		}, nil
	}
	architecture := "arm64"
	if strings.Contains(dockerfile, "--platform=linux/amd64") {
		architecture = "amd64"
	}
	config := &dockerspec.DockerOCIImageConfig{ImageConfig: ocispec.ImageConfig{
		Labels: options.Labels, Env: append(env, "A=b"), User: "1:1",
	}}
	built := image.InspectResponse{
		ID: "sha256:" + result, Config: config, Os: "linux", Architecture: architecture,
		RootFS: image.RootFS{Layers: []string{"sha256:base", "sha256:top"}},
	}
	if f.containerd {
		built.Descriptor = &ocispec.Descriptor{}
	}
	f.images[result] = built
	f.images[built.ID] = built
	for name := range options.BuildArgs {
		if !strings.Contains(dockerfile, "ARG "+name) && !slices.Contains(lab.ProxyArgs, strings.ToUpper(name)) {
			text += fmt.Sprintf("[Warning] One or more build-args [%s] were not consumed\n", name)
		}
	}
	text += fmt.Sprintf(" ---> %s\nSuccessfully built %s\n", result, result)
	return client.ImageBuildResult{Body: stream(map[string]string{"stream": text})}, nil
}

// hangingBuild returns the output of a build that waits until its step is ended and then reports
// one more image.
func (f *fakeEngine) hangingBuild(ctx context.Context, text string) io.ReadCloser {
	r, w := io.Pipe()
	go func() {
		_ = json.NewEncoder(w).Encode(map[string]string{"stream": text})
		select {
		case <-ctx.Done():
			_ = w.CloseWithError(ctx.Err())
			return
		case <-f.buildHangs:
		}
		f.mu.Lock()
		f.images["5aaaaaaaaaaa"] = image.InspectResponse{ID: "sha256:5aaaaaaaaaaa"}
		f.mu.Unlock()
		_, _ = io.Copy(w, stream(map[string]string{"stream": " ---> 5aaaaaaaaaaa\n"},
			map[string]string{"error": "returned a non-zero code: 137"}))
		_ = w.Close()
	}()
	return r
}

// stream returns messages as an engine's response.
func stream(messages ...map[string]string) io.ReadCloser {
	var out strings.Builder
	for _, message := range messages {
		_ = json.NewEncoder(&out).Encode(message)
	}
	return io.NopCloser(strings.NewReader(out.String()))
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

func (f *fakeEngine) ImageLoad(
	_ context.Context, archive io.Reader, _ ...client.ImageLoadOption,
) (client.ImageLoadResult, error) {
	data, err := io.ReadAll(archive)
	if err != nil {
		return nil, err
	}
	var manifest []struct {
		RepoTags, Layers []string
	}
	var config struct {
		Config       *dockerspec.DockerOCIImageConfig
		Architecture string
		RootFS       struct {
			DiffIDs []string `json:"diff_ids"`
		}
	}
	for name, into := range map[string]any{"manifest.json": &manifest, "config.json": &config} {
		text, err := readTarFile(strings.NewReader(string(data)), name)
		if err == nil {
			err = json.Unmarshal([]byte(text), into)
		}
		if err != nil {
			return nil, err
		}
	}
	if len(manifest[0].Layers) != len(config.RootFS.DiffIDs) {
		return nil, errors.New("invalid manifest, layers length mismatch")
	}
	f.mu.Lock()
	defer f.mu.Unlock()
	f.loads++
	ref := manifest[0].RepoTags[0]
	f.images[ref] = image.InspectResponse{
		ID: "sha256:loaded-" + ref, RepoTags: []string{ref}, Config: config.Config,
		Architecture: config.Architecture, RootFS: image.RootFS{Layers: config.RootFS.DiffIDs},
	}
	return io.NopCloser(strings.NewReader(`{"stream":"Loaded image"}`)), nil
}

func (f *fakeEngine) ImageTag(
	_ context.Context, options client.ImageTagOptions,
) (client.ImageTagResult, error) {
	f.mu.Lock()
	defer f.mu.Unlock()
	got := f.images[options.Source]
	got.RepoTags = append(got.RepoTags, options.Target)
	for name, img := range f.images {
		if img.ID == got.ID {
			f.images[name] = got
		}
	}
	f.images[options.Target] = got
	return client.ImageTagResult{}, nil
}

func (f *fakeEngine) ImageList(
	_ context.Context, options client.ImageListOptions,
) (client.ImageListResult, error) {
	f.mu.Lock()
	defer f.mu.Unlock()
	var result client.ImageListResult
	if !options.Filters["label"][ownerLabel+"="+owner] {
		return result, errors.New("listed without the owner's label")
	}
	for _, got := range f.images {
		if got.Config != nil && got.Config.Labels[ownerLabel] == owner {
			result.Items = append(result.Items, image.Summary{ID: got.ID, RepoTags: got.RepoTags, Size: 5})
		}
	}
	return result, nil
}

func (f *fakeEngine) ImageRemove(
	_ context.Context, ref string, _ client.ImageRemoveOptions,
) (client.ImageRemoveResult, error) {
	f.mu.Lock()
	defer f.mu.Unlock()
	if _, ok := f.images[ref]; !ok {
		return client.ImageRemoveResult{}, notFound(ref)
	}
	delete(f.images, ref)
	f.removed = append(f.removed, ref)
	return client.ImageRemoveResult{}, nil
}

func (f *fakeEngine) ImagePrune(
	_ context.Context, options client.ImagePruneOptions,
) (client.ImagePruneResult, error) {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.pruned = append(f.pruned, options.Filters)
	return client.ImagePruneResult{}, nil
}

func (f *fakeEngine) ContainerRemove(
	_ context.Context, id string, _ client.ContainerRemoveOptions,
) (client.ContainerRemoveResult, error) {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.removed = append(f.removed, "container "+id)
	select {
	case f.buildHangs <- struct{}{}:
	default:
	}
	return client.ContainerRemoveResult{}, notFound(id)
}

func (f *fakeEngine) NetworkInspect(
	context.Context, string, client.NetworkInspectOptions,
) (client.NetworkInspectResult, error) {
	if f.noBridge {
		return client.NetworkInspectResult{}, errdefs.ErrNotFound
	}
	return client.NetworkInspectResult{}, nil
}

// ServerVersion describes an engine on linux/arm64.
func (f *fakeEngine) ServerVersion(
	context.Context, client.ServerVersionOptions,
) (client.ServerVersionResult, error) {
	return client.ServerVersionResult{Os: "linux", Arch: "arm64"}, nil
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
		h.made = append(h.made, s.runtime)
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
