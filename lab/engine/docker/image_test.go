package docker

import (
	"archive/tar"
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"reflect"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/containerd/errdefs"
	dockerspec "github.com/moby/docker-image-spec/specs-go/v1"
	"github.com/moby/moby/api/types/build"
	dockerimage "github.com/moby/moby/api/types/image"
	"github.com/moby/moby/api/types/jsonstream"
	"github.com/moby/moby/client"
	ocispec "github.com/opencontainers/image-spec/specs-go/v1"

	"runtimelab/lab/image"
)

// fakeImageAPI is the API of an engine with a few images. Methods that a test does not need panic.
type fakeImageAPI struct {
	imageAPI
	images   map[string]dockerimage.InspectResponse
	noBridge bool
	stream   func() io.Reader // of a build or a pull

	// Calls that it received.
	built   client.ImageBuildOptions
	loaded  []byte
	tagged  client.ImageTagOptions
	removed []string
	filters client.Filters
	stopped chan string // ids of removed containers
}

func (f *fakeImageAPI) ImageInspect(
	_ context.Context, name string, _ ...client.ImageInspectOption,
) (client.ImageInspectResult, error) {
	got, ok := f.images[name]
	if !ok {
		return client.ImageInspectResult{}, fmt.Errorf("no such image: %s: %w", name, errdefs.ErrNotFound)
	}
	return client.ImageInspectResult{InspectResponse: got}, nil
}

func (f *fakeImageAPI) ImageBuild(
	ctx context.Context, _ io.Reader, o client.ImageBuildOptions,
) (client.ImageBuildResult, error) {
	f.built = o
	return client.ImageBuildResult{Body: io.NopCloser(f.stream())}, ctx.Err()
}

func (f *fakeImageAPI) ImageLoad(
	_ context.Context, archive io.Reader, _ ...client.ImageLoadOption,
) (client.ImageLoadResult, error) {
	var err error
	f.loaded, err = io.ReadAll(archive)
	return io.NopCloser(strings.NewReader(`{"stream":"Loaded image"}`)), err
}

func (f *fakeImageAPI) ImageTag(_ context.Context, o client.ImageTagOptions) (client.ImageTagResult, error) {
	f.tagged = o
	return client.ImageTagResult{}, nil
}

func (f *fakeImageAPI) ImageRemove(
	_ context.Context, name string, _ client.ImageRemoveOptions,
) (client.ImageRemoveResult, error) {
	f.removed = append(f.removed, name)
	if name == "shared" {
		return client.ImageRemoveResult{}, errors.New("conflict: image has dependent child images")
	}
	return client.ImageRemoveResult{}, nil
}

func (f *fakeImageAPI) ImagePrune(
	_ context.Context, o client.ImagePruneOptions,
) (client.ImagePruneResult, error) {
	f.filters = o.Filters
	return client.ImagePruneResult{}, nil
}

func (f *fakeImageAPI) ImageList(
	_ context.Context, o client.ImageListOptions,
) (client.ImageListResult, error) {
	f.filters = o.Filters
	return client.ImageListResult{Items: []dockerimage.Summary{
		{ID: "sha256:1", RepoTags: []string{"runtime-lab/x:1"}, Size: 5},
		{ID: "sha256:2", RepoTags: []string{"<none>:<none>"}},
	}}, nil
}

func (f *fakeImageAPI) ContainerRemove(
	_ context.Context, id string, _ client.ContainerRemoveOptions,
) (client.ContainerRemoveResult, error) {
	f.removed = append(f.removed, "container "+id)
	select {
	case f.stopped <- id:
	default:
	}
	return client.ContainerRemoveResult{}, fmt.Errorf("no such container: %w", errdefs.ErrNotFound)
}

func (f *fakeImageAPI) NetworkInspect(
	context.Context, string, client.NetworkInspectOptions,
) (client.NetworkInspectResult, error) {
	if f.noBridge {
		return client.NetworkInspectResult{}, errdefs.ErrNotFound
	}
	return client.NetworkInspectResult{}, nil
}

// messages returns lines of a builder's output as the engine streams them.
func messages(lines ...string) io.Reader {
	var out bytes.Buffer
	for _, line := range lines {
		_ = json.NewEncoder(&out).Encode(map[string]string{"stream": line + "\n"})
	}
	return &out
}

func TestReadStream(t *testing.T) {
	tests := []struct {
		name, stream, want string
		messages           int
	}{
		{"good", `{"stream":"a"}{"stream":"b"}`, "", 2},
		{
			"error in the middle", `{"stream":"a"}{"errorDetail":{"message":"broken"},"error":"broken"}{"stream":"b"}`,
			"broken", 3,
		},
		{"old error", `{"error":"broken"}`, "broken", 1},
		{"cut off", `{"stream":"a"}{"str`, "unexpected EOF", 1},
	}
	for _, tt := range tests {
		n := 0
		err := readStream(strings.NewReader(tt.stream), func(jsonstream.Message) { n++ })
		if (err == nil) != (tt.want == "") || err != nil && !strings.Contains(err.Error(), tt.want) {
			t.Errorf("%s: error %v, want %q", tt.name, err, tt.want)
		}
		if n != tt.messages {
			t.Errorf("%s: %d messages, want %d", tt.name, n, tt.messages)
		}
	}
}

func TestBuildImageReadsTheClassicBuilder(t *testing.T) {
	api := &fakeImageAPI{stream: func() io.Reader {
		return messages("Step 1/3 : FROM x", " ---> aaaaaaaaaaaa", " ---> Running in c00000000001",
			" ---> 500000000001", "[Warning] One or more build-args [B C] were not consumed",
			" ---> e00000000001", "Successfully built e00000000001")
	}}
	got, err := imageStore{api}.BuildImage(t.Context(), image.Build{
		Dockerfile: "x.Dockerfile", Base: "sha256:aaaaaaaaaaaabbbb", Args: map[string]string{"A": "1", "B": ""},
		Labels: map[string]string{"l": "v"},
	})
	if err != nil || got.ID != "e00000000001" || !slices.Equal(got.UnusedArgs, []string{"B", "C"}) ||
		!slices.Equal(got.Containers, []string{"c00000000001"}) {
		t.Errorf("%+v, %v", got, err)
	}
	if want := []string{"500000000001", "e00000000001"}; !slices.Equal(got.Steps, want) {
		t.Errorf("steps %v, want %v, without the base", got.Steps, want)
	}
	o := api.built
	if o.Version != build.BuilderV1 || !o.Remove || !o.ForceRemove || o.PullParent || len(o.Tags) > 0 ||
		o.Dockerfile != "x.Dockerfile" || o.Labels["l"] != "v" || *o.BuildArgs["A"] != "1" ||
		*o.BuildArgs["B"] != "" {
		t.Errorf("options %+v", o)
	}
}

func TestAFailedBuildSaysWhatItLeft(t *testing.T) {
	for name, c := range map[string]struct {
		stream io.Reader
		err    string
	}{
		"a step that fails": {
			io.MultiReader(messages(" ---> Running in c00000000001", "npm ERR!"),
				strings.NewReader(`{"error":"returned a non-zero code: 1"}`)),
			"returned a non-zero code: 1",
		},
		"no image": {
			messages(" ---> Running in c00000000001", "npm ERR!"), "does not name the image that it built",
		},
	} {
		api := &fakeImageAPI{stream: func() io.Reader { return c.stream }}
		got, err := imageStore{api}.BuildImage(t.Context(), image.Build{})
		if err == nil || !strings.Contains(err.Error(), c.err) {
			t.Errorf("%s: error %v, want %q", name, err, c.err)
		}
		if !strings.Contains(got.Output, "npm ERR!") || len(got.Containers) != 1 || got.ID != "" {
			t.Errorf("%s: %+v", name, got)
		}
	}
}

func TestBuildNetwork(t *testing.T) {
	for _, c := range []struct {
		hostNetwork, noBridge bool
		want                  string
	}{{false, false, ""}, {true, false, "host"}, {false, true, "host"}} {
		store := imageStore{&fakeImageAPI{noBridge: c.noBridge}}
		got, err := store.buildNetwork(t.Context(), image.Build{HostNetwork: c.hostNetwork})
		if got != c.want || err != nil {
			t.Errorf("%+v: network %q, %v", c, got, err)
		}
	}
}

// The engine commits the running step after its container is removed: its id must be read.
func TestACancelledBuildIsReadToItsEnd(t *testing.T) {
	api := &fakeImageAPI{stopped: make(chan string)}
	api.stream = func() io.Reader {
		r, w := io.Pipe()
		go func() {
			_, _ = io.Copy(w, messages(" ---> Running in c00000000001"))
			<-api.stopped
			_, _ = io.Copy(w, messages(" ---> 5aaaaaaaaaaa"))
			_, _ = io.WriteString(w, `{"error":"returned a non-zero code: 137"}`)
			_ = w.Close()
		}()
		return r
	}
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	got, err := imageStore{api}.BuildImage(ctx, image.Build{StopTimeout: time.Minute})
	if err == nil || !slices.Equal(got.Steps, []string{"5aaaaaaaaaaa"}) {
		t.Errorf("%+v, %v", got, err)
	}
}

// builtImageResponse describes an image as the classic builder leaves it.
func builtImageResponse() dockerimage.InspectResponse {
	return dockerimage.InspectResponse{
		ID: "sha256:e1", Os: "linux", Architecture: "arm64",
		RootFS: dockerimage.RootFS{Layers: []string{"sha256:base", "sha256:top"}},
		Config: &dockerspec.DockerOCIImageConfig{
			ImageConfig: ocispec.ImageConfig{
				User: "1:1", Env: []string{"A=b", "CERT=x"}, Labels: map[string]string{"l": "v"},
			},
			DockerOCIImageConfigExt: dockerspec.DockerOCIImageConfigExt{Shell: []string{"/sh"}},
		},
	}
}

func TestRegisterImageLoadsTheConfigurationWithoutLayers(t *testing.T) {
	api := &fakeImageAPI{images: map[string]dockerimage.InspectResponse{"e1": builtImageResponse()}}
	if err := (imageStore{api}).RegisterImage(t.Context(), "e1", "lab/x:1", []string{"CERT=x"}); err != nil {
		t.Fatal(err)
	}
	var manifest []struct {
		RepoTags, Layers []string
	}
	var config struct {
		Config           dockerspec.DockerOCIImageConfig
		Architecture, OS string
		RootFS           struct {
			DiffIDs []string `json:"diff_ids"`
		}
	}
	files := map[string]any{"manifest.json": &manifest, "config.json": &config}
	for in := tar.NewReader(bytes.NewReader(api.loaded)); ; {
		header, err := in.Next()
		if errors.Is(err, io.EOF) {
			break
		}
		if err != nil {
			t.Fatal(err)
		}
		if err := json.NewDecoder(in).Decode(files[header.Name]); err != nil {
			t.Errorf("%s: %v", header.Name, err)
		}
	}
	if len(manifest) != 1 || !slices.Equal(manifest[0].RepoTags, []string{"lab/x:1"}) ||
		len(manifest[0].Layers) != 2 || !slices.Equal(config.RootFS.DiffIDs,
		[]string{"sha256:base", "sha256:top"}) {
		t.Errorf("manifest %+v, layers %v", manifest, config.RootFS.DiffIDs)
	}
	if c := config.Config; c.User != "1:1" || c.Labels["l"] != "v" || !slices.Equal(c.Shell, []string{"/sh"}) ||
		!slices.Equal(c.Env, []string{"A=b"}) || config.Architecture != "arm64" || config.OS != "linux" {
		t.Errorf("configuration %+v", config)
	}
}

func TestRegisterImageTagsInContainerdsStore(t *testing.T) {
	stored := builtImageResponse()
	stored.Descriptor = &ocispec.Descriptor{}
	api := &fakeImageAPI{images: map[string]dockerimage.InspectResponse{"e1": stored}}
	err := imageStore{api}.RegisterImage(t.Context(), "e1", "lab/x:1", []string{"CERT=x"})
	if want := (client.ImageTagOptions{Source: "sha256:e1", Target: "lab/x:1"}); err != nil ||
		api.tagged != want {
		t.Errorf("tagged %+v, %v", api.tagged, err)
	}
	if api.loaded != nil {
		t.Error("an archive without layers was loaded into containerd's store")
	}
}

func TestDiscardBuildKeepsTaggedImages(t *testing.T) {
	api := &fakeImageAPI{images: map[string]dockerimage.InspectResponse{
		"first": {}, "second": {}, "shared": {}, "tagged": {RepoTags: []string{"mine:1"}},
		"pulled": {RepoDigests: []string{"mine@sha256:1"}},
	}}
	err := imageStore{api}.DiscardBuild(t.Context(), image.Built{
		Steps:      []string{"first", "tagged", "shared", "pulled", "removed already", "second"},
		Containers: []string{"c1"},
	})
	if want := []string{"container c1", "second", "shared", "first"}; err != nil || !slices.Equal(api.removed,
		want) {
		t.Errorf("removed %q, want %q; error %v", api.removed, want, err)
	}
}

func TestImagesAreListedAndPrunedByLabel(t *testing.T) {
	api := &fakeImageAPI{}
	all, err := imageStore{api}.ListImages(t.Context(), "owner=lab")
	if err != nil || len(all) != 2 || !slices.Equal(all[0].Refs, []string{"runtime-lab/x:1"}) ||
		len(all[1].Refs) != 0 || !api.filters["label"]["owner=lab"] {
		t.Errorf("%+v with filters %v, %v", all, api.filters, err)
	}
	if err := (imageStore{api}).PruneImages(t.Context(), "owner=lab"); err != nil ||
		!api.filters["label"]["owner=lab"] || !api.filters["dangling"]["true"] {
		t.Errorf("pruned with filters %v, %v", api.filters, err)
	}
}

// Everything that decides what runs is described: it is part of the content of an image.
func TestInspectImage(t *testing.T) {
	stored := builtImageResponse()
	stored.Variant, stored.RepoDigests = "v8", []string{"x@sha256:1"}
	stored.Config.Entrypoint, stored.Config.Cmd = []string{"/e"}, []string{"/c"}
	stored.Config.WorkingDir, stored.Config.Volumes = "/w", map[string]struct{}{"/b": {}, "/a": {}}
	api := &fakeImageAPI{images: map[string]dockerimage.InspectResponse{"e1": stored, "empty": {}}}
	got, err := imageStore{api}.InspectImage(t.Context(), "e1")
	if err != nil || got.ID != "sha256:e1" ||
		got.Platform != (image.Platform{OS: "linux", Architecture: "arm64", Variant: "v8"}) ||
		!slices.Equal(got.Layers, stored.RootFS.Layers) || !slices.Equal(got.Digests, stored.RepoDigests) {
		t.Errorf("%+v, %v", got, err)
	}
	want := image.Config{
		Env: []string{"A=b", "CERT=x"}, Entrypoint: []string{"/e"}, Command: []string{"/c"},
		Volumes: []string{"/a", "/b"}, User: "1:1", WorkingDir: "/w", Labels: map[string]string{"l": "v"},
	}
	if !reflect.DeepEqual(*got.Config, want) {
		t.Errorf("configuration %+v, want %+v", *got.Config, want)
	}
	if got, err := (imageStore{api}).InspectImage(t.Context(), "empty"); got.Config != nil || err != nil {
		t.Errorf("no configuration: %+v, %v", got, err)
	}
	if _, err := (imageStore{api}).InspectImage(t.Context(), "absent"); !errors.Is(err, image.ErrNotFound) {
		t.Errorf("absent: %v", err)
	}
}
