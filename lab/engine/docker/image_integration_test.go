package docker

import (
	"archive/tar"
	"bytes"
	"context"
	"crypto/rand"
	"errors"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/moby/moby/client"

	"runtimelab/lab"
	"runtimelab/lab/image"
)

// testEngine is a real engine with a test's base image. The image holds one static program, which
// sleeps, or fails if it has an argument.
type testEngine struct {
	engine *client.Client
	store  imageStore
	base   string
	label  string // of all images and containers of the test
}

// sleeper is the source of the program in the base image.
const sleeper = `package main

import (
	"fmt"
	"os"
	"time"
)

func main() {
	if len(os.Args) > 1 {
		fmt.Println("broken on purpose")
		os.Exit(3)
	}
	time.Sleep(time.Hour)
}
`

// newTestEngine connects to the engine, makes the base image, and removes the test's images at the
// end.
func newTestEngine(t *testing.T) *testEngine {
	t.Helper()
	engine, err := client.New(client.FromEnv)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = engine.Close() })
	if _, err := engine.Ping(t.Context(), client.PingOptions{}); err != nil {
		t.Fatalf("this test needs a Docker engine: %v", err)
	}
	id := strings.ToLower(rand.Text())[:12]
	s := &testEngine{
		engine: engine, store: imageStore{engine}, base: "runtime-lab-test/base:" + id,
		label: "io.runtime-lab.test=" + id,
	}
	t.Cleanup(func() {
		ctx, cancel := context.WithTimeout(context.Background(), time.Minute)
		defer cancel()
		for _, ref := range append(s.tags(ctx, t), s.base) {
			if err := s.store.RemoveImage(ctx, ref); err != nil && !errors.Is(err, image.ErrNotFound) {
				t.Error(err)
			}
		}
	})
	s.makeBase(t)
	return s
}

// makeBase compiles sleeper and makes the base image.
func (s *testEngine) makeBase(t *testing.T) {
	t.Helper()
	version, err := s.engine.ServerVersion(t.Context(), client.ServerVersionOptions{})
	if err != nil {
		t.Fatal(err)
	}
	dir := t.TempDir()
	writeFile(t, filepath.Join(dir, "main.go"), sleeper)
	program := filepath.Join(dir, "sleeper")
	compile := exec.CommandContext(t.Context(), "go", "build", "-o", program, filepath.Join(dir, "main.go"))
	compile.Env = append(os.Environ(), "CGO_ENABLED=0", "GOOS=linux", "GOARCH="+version.Arch)
	if out, err := compile.CombinedOutput(); err != nil {
		t.Fatalf("%v\n%s", err, out)
	}
	data, err := os.ReadFile(program)
	if err != nil {
		t.Fatal(err)
	}
	var archive bytes.Buffer
	out := tar.NewWriter(&archive)
	if err := out.WriteHeader(&tar.Header{Name: "sleeper", Mode: 0o755, Size: int64(len(data))}); err != nil {
		t.Fatal(err)
	}
	if _, err := out.Write(data); err != nil {
		t.Fatal(err)
	}
	if err := out.Close(); err != nil {
		t.Fatal(err)
	}
	if err := s.store.ImportImage(t.Context(), &archive, s.base, nil); err != nil {
		t.Fatal(err)
	}
}

// runtime returns a runtime whose Dockerfile ends with lines.
func (s *testEngine) runtime(t *testing.T, name, lines string) lab.ImageSource {
	t.Helper()
	dir := t.TempDir()
	writeFile(t, filepath.Join(dir, "Dockerfile"),
		"ARG BASE_IMAGE\nFROM ${BASE_IMAGE}\nLABEL io.runtime-lab.owner=runtime-lab "+s.label+"\n"+lines)
	writeFile(t, filepath.Join(dir, "app/file.txt"), name)
	return lab.ImageSource{
		Name: "test-" + name, ContextDir: dir, Dockerfile: "Dockerfile",
		Base: lab.BaseImage{Official: s.base},
	}
}

// tags returns the tags of the test's images.
func (s *testEngine) tags(ctx context.Context, t *testing.T) []string {
	t.Helper()
	tagged, _ := s.images(ctx, t)
	return tagged
}

// images returns the tags of the test's images, and the number of untagged ones.
func (s *testEngine) images(ctx context.Context, t *testing.T) (tags []string, untagged int) {
	t.Helper()
	listed, err := s.engine.ImageList(ctx,
		client.ImageListOptions{All: true, Filters: make(client.Filters).Add("label", s.label)})
	if err != nil {
		t.Fatal(err)
	}
	for _, img := range listed.Items {
		if len(img.RepoTags) == 0 || img.RepoTags[0] == "<none>:<none>" {
			untagged++
			continue
		}
		tags = append(tags, img.RepoTags...)
	}
	return tags, untagged
}

// containers returns the number of the test's containers.
func (s *testEngine) containers(t *testing.T) int {
	t.Helper()
	listed, err := s.engine.ContainerList(t.Context(),
		client.ContainerListOptions{All: true, Filters: make(client.Filters).Add("label", s.label)})
	if err != nil {
		t.Fatal(err)
	}
	return len(listed.Items)
}

// checkImages checks that the test has this number of tags, no untagged image, and no container.
func (s *testEngine) checkImages(t *testing.T, tags int) {
	t.Helper()
	tagged, untagged := s.images(t.Context(), t)
	if len(tagged) != tags || untagged != 0 {
		t.Errorf("images %v and %d untagged ones, want %d and 0", tagged, untagged, tags)
	}
	if n := s.containers(t); n != 0 {
		t.Errorf("%d containers remain", n)
	}
}

// writeFile writes a file, and makes its folder.
func writeFile(t *testing.T, path, text string) {
	t.Helper()
	if err := os.MkdirAll(filepath.Dir(path), 0o755); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(path, []byte(text), 0o644); err != nil {
		t.Fatal(err)
	}
}

func TestIntegrationBuildsOnceAndLeavesNothing(t *testing.T) {
	if testing.Short() {
		t.Skip("needs a Docker engine")
	}
	s := newTestEngine(t)
	good := s.runtime(t, "good", "ENV A=b\nCOPY app /app\nWORKDIR /app\nUSER 65532:65532\nCMD [\"/sleeper\"]\n")
	bad := s.runtime(t, "bad", "COPY app /app\nRUN [\"/sleeper\", \"fail\"]\n")
	b := image.NewBuilder(s.store, image.Options{Bases: image.Official})

	first := b.Ensure(t.Context(), []lab.ImageSource{good, bad})
	made := first[good.Name]
	if made.Err != nil || !made.Built {
		t.Fatalf("good: %+v", made)
	}
	if err := first[bad.Name].Err; err == nil || !strings.Contains(err.Error(), "broken on purpose") {
		t.Errorf("bad: %v; want the build's output", err)
	}
	s.checkImages(t, 1)

	stored, err := s.engine.ImageInspect(t.Context(), made.Image.Ref)
	if err != nil {
		t.Fatal(err)
	}
	config := stored.Config
	if stored.ID != made.Image.ID ||
		config.Labels["io.runtime-lab.content_sha256"] != made.Image.ContentSHA256 ||
		config.User != "65532:65532" || config.WorkingDir != "/app" ||
		strings.Join(config.Cmd, " ") != "/sleeper" || !slices.Contains(config.Env, "A=b") {
		t.Errorf("image %+v with configuration %+v", made.Image, config)
	}
	created, err := s.engine.ContainerCreate(t.Context(), client.ContainerCreateOptions{Image: made.Image.Ref})
	if err != nil {
		t.Fatal(err)
	}
	copied, err := s.engine.CopyFromContainer(t.Context(), created.ID,
		client.CopyFromContainerOptions{SourcePath: "/app/file.txt"})
	if err != nil {
		t.Error(err)
	} else {
		in := tar.NewReader(copied.Content)
		if _, err := in.Next(); err != nil {
			t.Error(err)
		}
		if text, err := io.ReadAll(in); string(text) != "good" || err != nil {
			t.Errorf("/app/file.txt holds %q, %v", text, err)
		}
		_ = copied.Content.Close()
	}
	if _, err := s.engine.ContainerRemove(t.Context(), created.ID,
		client.ContainerRemoveOptions{Force: true}); err != nil {
		t.Fatal(err)
	}

	again := b.Ensure(t.Context(), []lab.ImageSource{good})[good.Name]
	if again.Err != nil || again.Built || again.Image != made.Image {
		t.Errorf("again: %+v, want %+v", again, made.Image)
	}
}

func TestIntegrationSharedContext(t *testing.T) {
	if testing.Short() {
		t.Skip("needs a Docker engine")
	}
	s := newTestEngine(t)
	one := s.runtime(t, "one", "RUN [\"/sleeper\", \"fail\"]\n") // the Dockerfile that must not be used
	writeFile(t, filepath.Join(one.ContextDir, ".dockerignore"), "*\n")
	writeFile(t, filepath.Join(one.ContextDir, "source.Dockerfile"),
		"ARG BASE_IMAGE\nFROM ${BASE_IMAGE}\nLABEL io.runtime-lab.owner=runtime-lab "+s.label+
			"\nARG FLAGS\nENV FLAGS=${FLAGS}\n")
	one.Dockerfile, one.BuildArgs = "source.Dockerfile", map[string]string{"FLAGS": "--one"}
	two, other := one, one
	two.Name, two.BuildArgs = "test-two", map[string]string{"FLAGS": ""}
	other.Name, other.BuildArgs = "test-other", map[string]string{"FLAG": "--one"}

	results := image.NewBuilder(s.store, image.Options{Bases: image.Official}).Ensure(t.Context(),
		[]lab.ImageSource{one, two, other})
	for _, rt := range []lab.ImageSource{one, two} {
		if err := results[rt.Name].Err; err != nil {
			t.Fatal(err)
		}
		stored, err := s.engine.ImageInspect(t.Context(), results[rt.Name].Image.Ref)
		if err != nil {
			t.Fatal(err)
		}
		if want := "FLAGS=" + rt.BuildArgs["FLAGS"]; !slices.Contains(stored.Config.Env, want) {
			t.Errorf("%s: environment %v, want %s", rt.Name, stored.Config.Env, want)
		}
	}
	if err := results[other.Name].Err; err == nil ||
		!strings.Contains(err.Error(), "source.Dockerfile takes no argument FLAG") {
		t.Errorf("an argument that the Dockerfile does not take: %v", err)
	}
	s.checkImages(t, 2)
}

// An editor's lock is a dangling link: a COPY that matches it fails.
func TestIntegrationEditedFileIsCopied(t *testing.T) {
	if testing.Short() {
		t.Skip("needs a Docker engine")
	}
	s := newTestEngine(t)
	edited := s.runtime(t, "edited", "COPY app/*.txt /app/\n")
	lockLink := filepath.Join(edited.ContextDir, "app/.#file.txt")
	if err := os.Symlink("me@machine.4711:1700000000", lockLink); err != nil {
		t.Fatal(err)
	}
	results := image.NewBuilder(s.store, image.Options{Bases: image.Official}).Ensure(t.Context(),
		[]lab.ImageSource{edited})
	if got := results[edited.Name]; got.Err != nil || !got.Built {
		t.Errorf("%+v", got)
	}
}

func TestIntegrationCancelledBuildLeavesNothing(t *testing.T) {
	if testing.Short() {
		t.Skip("needs a Docker engine")
	}
	s := newTestEngine(t)
	slow := s.runtime(t, "slow", "COPY app /app\nENV A=b\nRUN [\"/sleeper\"]\n")
	ctx, cancel := context.WithCancel(t.Context())
	defer cancel()
	done := make(chan image.Result, 1)
	go func() {
		done <- image.NewBuilder(s.store, image.Options{Bases: image.Official}).Ensure(ctx,
			[]lab.ImageSource{slow})[slow.Name]
	}()
	for s.countRunning(t) == 0 {
		select {
		case got := <-done:
			t.Fatalf("the build ended before it was cancelled: %+v", got)
		case <-time.After(20 * time.Millisecond):
		}
	}
	cancel()
	if got := <-done; got.Err == nil || ctx.Err() == nil {
		t.Errorf("cancelled: %+v", got)
	}
	s.checkImages(t, 0)
}

// countRunning returns the number of the test's running containers.
func (s *testEngine) countRunning(t *testing.T) int {
	t.Helper()
	listed, err := s.engine.ContainerList(t.Context(),
		client.ContainerListOptions{Filters: make(client.Filters).Add("label", s.label).Add("status", "running")})
	if err != nil {
		t.Fatal(err)
	}
	return len(listed.Items)
}

func TestIntegrationAgent(t *testing.T) {
	if testing.Short() {
		t.Skip("needs a Docker engine")
	}
	s := newTestEngine(t)
	b := image.NewBuilder(s.store, image.Options{})
	binary := []byte("not a program: " + s.label)
	got, err := b.EnsureAgent(t.Context(), binary)
	if err != nil {
		t.Fatal(err)
	}
	defer func() {
		if err := b.Remove(context.Background(),
			[]image.StoredImage{{ID: got.ID, Refs: []string{got.Ref}}}); err != nil {
			t.Error(err)
		}
	}()
	all, err := b.List(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	found := false
	for _, img := range all {
		found = found || img.ID == got.ID && len(img.Refs) == 1 && img.Refs[0] == got.Ref
	}
	if !found || got.ID == "" {
		t.Errorf("%+v is not among %+v", got, all)
	}
	if again, err := b.EnsureAgent(t.Context(), binary); again != got || err != nil {
		t.Errorf("again: %+v, %v; want %+v", again, err, got)
	}
}
