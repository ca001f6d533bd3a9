package image

import (
	"archive/tar"
	"bytes"
	"context"
	"errors"
	"io"
	"maps"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"runtimelab/lab"
	"runtimelab/lab/fault"
)

func TestContentSHA256(t *testing.T) {
	dir := t.TempDir()
	rt := lab.ImageSource{
		Name: "node", ContextDir: dir, Dockerfile: "Dockerfile", Ignore: []string{"node_modules", "__py*__"},
	}
	for name, text := range map[string]string{
		"Dockerfile": "FROM x", "app.js": "1", "lib/a.js": "2", "notes.md": "3", ".dockerignore": "*.md\n",
	} {
		write(t, filepath.Join(dir, name), text)
	}
	hash := func(base string) string {
		t.Helper()
		got, err := ContentSHA256(rt, base)
		if err != nil {
			t.Fatal(err)
		}
		return got
	}
	first := hash("base")
	if len(first) != 64 {
		t.Fatalf("hash %q", first)
	}
	same := map[string]func(){
		"an ignored file": func() { write(t, filepath.Join(dir, "notes.md"), "changed") },
		"node_modules":    func() { write(t, filepath.Join(dir, "lib/node_modules/x.js"), "x") },
		"__pycache__":     func() { write(t, filepath.Join(dir, "__pycache__/x.pyc"), "x") },
		"an empty folder": func() { _ = os.Mkdir(filepath.Join(dir, "empty"), 0o755) },
		"times": func() {
			_ = os.Chtimes(filepath.Join(dir, "app.js"), time.Unix(1, 0), time.Unix(1, 0))
		},
		"permissions of the group": func() { _ = os.Chmod(filepath.Join(dir, "app.js"), 0o600) },
		"the executable bit":       func() { _ = os.Chmod(filepath.Join(dir, "app.js"), 0o755) },
	}
	for what, change := range same {
		if change(); hash("base") != first {
			t.Errorf("%s: the hash changed", what)
		}
	}
	seen := map[string]string{first: "the original"}
	steps := []struct {
		what   string
		change func()
	}{
		{"bytes", func() { write(t, filepath.Join(dir, "app.js"), "10") }},
		{"an interpreter", func() { write(t, filepath.Join(dir, "app.js"), "#!/bin/x") }},
		{"the Dockerfile", func() { write(t, filepath.Join(dir, "Dockerfile"), "FROM y") }},
		{"a name", func() { _ = os.Rename(filepath.Join(dir, "lib/a.js"), filepath.Join(dir, "lib/b.js")) }},
		{"a link", func() { _ = os.Symlink("app.js", filepath.Join(dir, "link")) }},
		{"another link", func() {
			_ = os.Remove(filepath.Join(dir, "link"))
			_ = os.Symlink("lib", filepath.Join(dir, "link"))
		}},
		{".dockerignore", func() { write(t, filepath.Join(dir, ".dockerignore"), "") }},
		{"a name that is not ignored any more", func() { rt.Ignore = rt.Ignore[:1] }},
	}
	for _, step := range steps {
		step.change()
		got := hash("base")
		if before, ok := seen[got]; ok {
			t.Errorf("%s: same hash as %s", step.what, before)
		}
		seen[got] = step.what
	}
	if hash("base") == hash("other base") {
		t.Error("the base does not change the hash")
	}
	if err := os.Remove(filepath.Join(dir, "Dockerfile")); err != nil {
		t.Fatal(err)
	}
	if _, err := ContentSHA256(rt, "base"); err == nil {
		t.Error("a context without a Dockerfile has no error")
	}
}

func TestContentSHA256DiffersInASharedContext(t *testing.T) {
	dir := t.TempDir()
	write(t, filepath.Join(dir, "Dockerfile"), "FROM x")
	write(t, filepath.Join(dir, "source.Dockerfile"), "FROM x")
	write(t, filepath.Join(dir, "app.py"), "1")
	write(t, filepath.Join(dir, ".dockerignore"), "*\n!app.py\n")
	runtimes := map[string]lab.ImageSource{
		"plain":              {Dockerfile: "Dockerfile"},
		"source":             {Dockerfile: "source.Dockerfile"},
		"source, an arg":     {Dockerfile: "source.Dockerfile", BuildArgs: map[string]string{"A": "BC"}},
		"source, longer arg": {Dockerfile: "source.Dockerfile", BuildArgs: map[string]string{"AB": "C"}},
		"source, empty arg":  {Dockerfile: "source.Dockerfile", BuildArgs: map[string]string{"A": ""}},
		"source, two args":   {Dockerfile: "source.Dockerfile", BuildArgs: map[string]string{"A": "BC", "AB": "C"}},
	}
	hashes := func() map[string]string {
		all := map[string]string{}
		for name, rt := range runtimes {
			rt.ContextDir = dir
			got, err := ContentSHA256(rt, "base")
			if err != nil {
				t.Fatal(err)
			}
			all[name] = got
		}
		return all
	}
	first := hashes()
	seen := map[string]string{}
	for name, hash := range first {
		if other, ok := seen[hash]; ok {
			t.Errorf("%s and %s have the same hash", name, other)
		}
		seen[hash] = name
	}
	for _, step := range []struct {
		file    string
		changes func(name string) bool
	}{
		{"Dockerfile", func(name string) bool { return name == "plain" }},
		{"source.Dockerfile", func(name string) bool { return name != "plain" }},
		{"app.py", func(string) bool { return true }},
		{"notes.md", func(string) bool { return false }},
	} {
		before := hashes()
		write(t, filepath.Join(dir, step.file), "changed")
		for name, hash := range hashes() {
			if changed := hash != before[name]; changed != step.changes(name) {
				t.Errorf("%s has changed; %s: changed %t", step.file, name, changed)
			}
		}
	}
}

func TestContentHashDistinguishesFields(t *testing.T) {
	one := contentHash(lab.ImageSource{}, []contextFile{{path: "a", link: "x"}}, "base")
	two := contentHash(lab.ImageSource{}, []contextFile{{path: "a", data: []byte("x")}}, "base")
	if one == two {
		t.Error("a link and a file with its target as content have the same hash")
	}
}

func TestContextTarDependsOnContentOnly(t *testing.T) {
	var archives [2]bytes.Buffer
	for i := range archives {
		dir := t.TempDir()
		write(t, filepath.Join(dir, "Dockerfile"), "FROM x")
		write(t, filepath.Join(dir, "a/b/c.txt"), "c")
		write(t, filepath.Join(dir, "a/run"), "#!/bin/sh")
		if err := os.Chmod(filepath.Join(dir, "a/run"), 0o700+os.FileMode(i)*0o55); err != nil {
			t.Fatal(err)
		}
		at := time.Unix(int64(i), 0)
		if err := os.Chtimes(filepath.Join(dir, "a/run"), at, at); err != nil {
			t.Fatal(err)
		}
		files, err := readContext(lab.ImageSource{ContextDir: dir, Dockerfile: "Dockerfile"})
		if err != nil {
			t.Fatal(err)
		}
		if err := writeTar(&archives[i], files); err != nil {
			t.Fatal(err)
		}
	}
	if !bytes.Equal(archives[0].Bytes(), archives[1].Bytes()) {
		t.Error("equal contexts give different archives")
	}
	modes := map[string]int64{}
	for in := tar.NewReader(&archives[0]); ; {
		header, err := in.Next()
		if errors.Is(err, io.EOF) {
			break
		}
		if err != nil {
			t.Fatal(err)
		}
		modes[header.Name] = header.Mode
		if header.Uid != 0 || header.ModTime.Unix() != 0 {
			t.Errorf("%s: owner %d, time %v", header.Name, header.Uid, header.ModTime)
		}
	}
	for name, want := range map[string]int64{
		"a/": 0o755, "a/b/": 0o755, "a/run": 0o755, "a/b/c.txt": 0o644, "Dockerfile": 0o644,
	} {
		if modes[name] != want {
			t.Errorf("%s has mode %o, want %o", name, modes[name], want)
		}
	}
}

func TestEnsureBuildsOnce(t *testing.T) {
	h := newHarness(t, Official)
	h.addOfficial("node", "python")
	first := h.Ensure(t.Context(), h.runtimes)
	for name, got := range first {
		if got.Err != nil || !got.Built || got.Image.Ref != repository+name+":"+got.Image.ContentSHA256[:16] {
			t.Errorf("%s: %+v", name, got)
		}
	}
	second := h.Ensure(t.Context(), h.runtimes)
	for name, got := range second {
		if got.Err != nil || got.Built || got.Image != first[name].Image {
			t.Errorf("%s, again: %+v, want %+v", name, got, first[name].Image)
		}
	}
	if len(h.engine.builds) != 2 || len(h.engine.pulled) != 0 {
		t.Errorf("%d builds, pulled %v", len(h.engine.builds), h.engine.pulled)
	}
	write(t, filepath.Join(h.runtimes[0].ContextDir, "app.js"), "new")
	third := h.Ensure(t.Context(), h.runtimes)
	if !third["node"].Built || third["python"].Built || third["node"].Image.Ref == first["node"].Image.Ref {
		t.Errorf("after a change to node: %+v", third)
	}
}

func TestBuildOptions(t *testing.T) {
	h := newHarness(t, Official)
	h.addOfficial("node", "python")
	plain, err := ContentSHA256(h.runtimes[0], officialOrigin("node:1-slim", "sha256:official-node", nil))
	if err != nil {
		t.Fatal(err)
	}
	h.env = map[string]string{"HTTPS_PROXY": "http://proxy.test:1", "no_proxy": "localhost", "HOME": "/h"}
	got := h.Ensure(t.Context(), h.runtimes[:1])["node"]
	if got.Err != nil || got.Image.ContentSHA256 != plain {
		t.Errorf("hash %s, error %v; want %s, which does not depend on proxies",
			got.Image.ContentSHA256, got.Err, plain)
	}
	options := h.engine.builds[0]
	if want := map[string]string{
		"BASE_IMAGE": "sha256:official-node", "HTTPS_PROXY": "http://proxy.test:1", "no_proxy": "localhost",
	}; !maps.Equal(options.Args, want) {
		t.Errorf("arguments %v, want %v", options.Args, want)
	}
	if options.Base != "sha256:official-node" || options.HostNetwork || options.StopTimeout != h.cleanupTimeout {
		t.Errorf("options %+v", options)
	}
	if options.Labels[ownerLabel] != owner || options.Labels[contentLabel] != plain ||
		options.Labels[originLabel] == "" {
		t.Errorf("labels %v", options.Labels)
	}
}

// shareContext gives both runtimes one build context and Dockerfile, with different build
// arguments.
func (h *harness) shareContext(t *testing.T, dockerfile string) {
	t.Helper()
	dir := t.TempDir()
	write(t, filepath.Join(dir, "Dockerfile"), "FROM another")
	write(t, filepath.Join(dir, "source.Dockerfile"), dockerfile)
	write(t, filepath.Join(dir, ".dockerignore"), "*\n")
	for i, flags := range []string{"", "--fast"} {
		rt := &h.runtimes[i]
		rt.ContextDir, rt.Dockerfile = dir, "source.Dockerfile"
		rt.BuildArgs = map[string]string{"FLAGS": flags}
	}
}

func TestRuntimesMayShareAContext(t *testing.T) {
	h := newHarness(t, Official)
	h.addOfficial("node", "python")
	h.env = map[string]string{"HTTPS_PROXY": "http://proxy.test:1"}
	h.shareContext(t, "ARG BASE_IMAGE\nARG FLAGS\n")
	first := h.Ensure(t.Context(), h.runtimes)
	for name, got := range first {
		if got.Err != nil || !got.Built || got.Image.Ref != repository+name+":"+got.Image.ContentSHA256[:16] {
			t.Errorf("%s: %+v", name, got)
		}
	}
	if first["node"].Image.ContentSHA256 == first["python"].Image.ContentSHA256 {
		t.Error("images with different arguments have the same content_sha256")
	}
	var flags []string
	for _, options := range h.engine.builds {
		if options.Dockerfile != "source.Dockerfile" || len(options.Args) != 3 {
			t.Errorf("built from %s with %v", options.Dockerfile, options.Args)
		}
		flags = append(flags, options.Args["FLAGS"])
	}
	if slices.Sort(flags); !slices.Equal(flags, []string{"", "--fast"}) {
		t.Errorf("built with FLAGS %q", flags)
	}
	for name, got := range h.Ensure(t.Context(), h.runtimes) {
		if got.Err != nil || got.Built || got.Image != first[name].Image {
			t.Errorf("%s, again: %+v, want %+v", name, got, first[name].Image)
		}
	}
	h.runtimes[1].BuildArgs = map[string]string{"FLAGS": "--faster"}
	if third := h.Ensure(t.Context(), h.runtimes); third["node"].Built || !third["python"].Built {
		t.Errorf("after a change to python's arguments: %+v", third)
	}
}

func TestAnArgumentThatTheDockerfileDoesNotTakeIsRefused(t *testing.T) {
	h := newHarness(t, Official)
	h.addOfficial("node", "python")
	h.shareContext(t, "ARG BASE_IMAGE\nARG FLAG\n")
	for name, got := range h.Ensure(t.Context(), h.runtimes) {
		if got.Err == nil || !strings.Contains(got.Err.Error(), "source.Dockerfile takes no argument FLAGS") {
			t.Errorf("%s: %v", name, got.Err)
		}
	}
	for name := range h.engine.images {
		if strings.HasPrefix(name, repository) {
			t.Errorf("%s was kept", name)
		}
	}
}

func TestAMissingDockerfileIsRefused(t *testing.T) {
	h := newHarness(t, Official)
	h.addOfficial("node", "python")
	h.runtimes[1].ContextDir, h.runtimes[1].Dockerfile = h.runtimes[0].ContextDir, "sorce.Dockerfile"
	got := h.Ensure(t.Context(), h.runtimes)
	if got["node"].Err != nil {
		t.Errorf("node: %v", got["node"].Err)
	}
	err := got["python"].Err
	var userErr *fault.Error
	if !errors.As(err, &userErr) {
		t.Fatalf("python: %v", err)
	}
	for _, want := range []string{
		"runtime python", "no sorce.Dockerfile in " + h.runtimes[0].ContextDir,
		"runtimes/python/runtime.star",
	} {
		if !strings.Contains(err.Error(), want) {
			t.Errorf("%v\ndoes not contain %q", err, want)
		}
	}
}

func TestBuildsReachAProxyOnLoopback(t *testing.T) {
	tests := []struct {
		env  map[string]string
		want bool
	}{
		{nil, false},
		{map[string]string{"HTTP_PROXY": "http://10.0.0.1:3128"}, false},
		{map[string]string{"http_proxy": "http://127.0.0.1:3128"}, true},
		{map[string]string{"https_proxy": "localhost:3128"}, true},
		{map[string]string{"NO_PROXY": "localhost"}, false},
	}
	for _, tt := range tests {
		h := newHarness(t, Official)
		h.env = tt.env
		h.addOfficial("node")
		h.Ensure(t.Context(), h.runtimes[:1])
		if got := h.engine.builds[0].HostNetwork; got != tt.want {
			t.Errorf("%v: the host's network is %t, want %t", tt.env, got, tt.want)
		}
	}
}

func TestAFailedBuildDoesNotStopTheOthers(t *testing.T) {
	h := newHarness(t, Official)
	h.addOfficial("node", "python")
	dockerfile, err := os.ReadFile(filepath.Join(h.runtimes[0].ContextDir, "Dockerfile"))
	if err != nil {
		t.Fatal(err)
	}
	h.engine.buildFails = map[string]string{string(dockerfile): "npm ci returned 1"}
	results := h.Ensure(t.Context(), h.runtimes)
	if results["python"].Err != nil || !results["python"].Built {
		t.Errorf("python: %+v", results["python"])
	}
	var userErr *fault.Error
	if err := results["node"].Err; !errors.As(err, &userErr) ||
		!strings.Contains(err.Error(), "npm ci returned 1") || !strings.Contains(err.Error(), "# node") {
		t.Errorf("node: %v; want the error and the build's output", err)
	}
	if strings.Contains(h.log.String(), "# python") {
		t.Errorf("the log shows the output of a successful build:\n%s", h.log)
	}
	tags := slices.DeleteFunc(h.engine.names(), isID)
	want := []string{"node:1-slim", "python:1-slim", results["python"].Image.Ref}
	if !slices.Equal(tags, slices.Sorted(slices.Values(want))) {
		t.Errorf("on the engine: %v, want %v", tags, want)
	}
	if !slices.Equal(h.engine.pruned, []string{ownerLabel + "=" + owner}) {
		t.Errorf("pruned images with labels %v", h.engine.pruned)
	}
	if n := len(h.engine.discarded); n != 2 {
		t.Errorf("%d builds were discarded, want both", n)
	}
}

func TestACancelledBuildIsDiscarded(t *testing.T) {
	h := newHarness(t, Official)
	h.addOfficial("node", "python")
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	got := h.Ensure(ctx, h.runtimes[:1])["node"]
	if !errors.Is(got.Err, context.Canceled) {
		t.Errorf("error %v, want context.Canceled", got.Err)
	}
	if len(h.engine.discarded) != 1 || !slices.Equal(h.engine.discarded[0].Steps, []string{"step 1"}) {
		t.Errorf("discarded %+v", h.engine.discarded)
	}
}

func TestARegisteredImageKeepsItsConfiguration(t *testing.T) {
	h := newHarness(t, Debian)
	h.runtimes[0].Base.CAVariables = []string{"NODE_EXTRA_CA_CERTS"}
	got := h.Ensure(t.Context(), h.runtimes[:1])["node"]
	if got.Err != nil {
		t.Fatal(got.Err)
	}
	config := h.engine.images[got.Image.Ref].Config
	if config.User != "1:1" || config.Labels[contentLabel] != got.Image.ContentSHA256 {
		t.Errorf("configuration %+v", config)
	}
	if !slices.Equal(config.Env, []string{"PATH=" + binaryPath, "A=b"}) {
		t.Errorf("environment %v, want it without the variables that only builds need", config.Env)
	}
}

func TestAnImageThatLostItsLayersIsRefused(t *testing.T) {
	h := newHarness(t, Official)
	h.addOfficial("node")
	h.engine.losesLayers = true
	err := h.Ensure(t.Context(), h.runtimes[:1])["node"].Err
	if err == nil || !strings.Contains(err.Error(), "the engine did not keep its layers") {
		t.Errorf("error %v", err)
	}
}

func TestLastLines(t *testing.T) {
	if got := lastLines("a\nb\n"); got != "a\nb" {
		t.Errorf("short output: %q", got)
	}
	long := lastLines(strings.Repeat("x\n", tailLines+5) + "last\n")
	lines := strings.Split(long, "\n")
	if len(lines) != tailLines+1 || lines[tailLines] != "last" || lines[0] != "(6 lines before these)" {
		t.Errorf("long output: %q", long)
	}
}

func TestEnsureAgentBuildsEachBinaryOnce(t *testing.T) {
	h := newHarness(t, Auto)
	binary := []byte("binary")
	first, err := h.EnsureAgent(t.Context(), binary)
	if err != nil || first.Ref != repository+"agent:"+sha256Hex(binary)[:16] ||
		first.ContentSHA256 != sha256Hex(binary) {
		t.Fatalf("%+v, %v", first, err)
	}
	again, err := h.EnsureAgent(t.Context(), binary)
	if again != first || err != nil || len(h.engine.imports) != 1 {
		t.Errorf("again: %+v, %v, %d imports", again, err, len(h.engine.imports))
	}
	if other, err := h.EnsureAgent(t.Context(), []byte("other")); other.Ref == first.Ref || err != nil {
		t.Errorf("another binary: %+v, %v", other, err)
	}
}

func TestListSuperseded(t *testing.T) {
	h := newHarness(t, Debian)
	refs := func(images []StoredImage) (all []string) {
		for _, img := range images {
			all = append(all, img.Refs...)
		}
		return all
	}
	old := h.Ensure(t.Context(), h.runtimes)["node"].Image.Ref
	if _, err := h.EnsureAgent(t.Context(), []byte("old agent")); err != nil {
		t.Fatal(err)
	}
	oldAgent := imageRef(agentName, sha256Hex([]byte("old agent")))
	write(t, filepath.Join(h.runtimes[0].ContextDir, "app.js"), "new")
	now := h.Ensure(t.Context(), h.runtimes)
	if _, err := h.EnsureAgent(t.Context(), []byte("agent")); err != nil {
		t.Fatal(err)
	}
	// A user built this image on one of the lab's.
	h.engine.put("mine/app:1", "sha256:mine", map[string]string{ownerLabel: owner})
	got, err := h.ListSuperseded(t.Context(), h.runtimes, []byte("agent"))
	if want := []string{oldAgent, old}; err != nil || !slices.Equal(refs(got), want) {
		t.Fatalf("superseded %v, %v; want %v", refs(got), err, want)
	}
	if err := h.Remove(t.Context(), got); err != nil {
		t.Fatal(err)
	}
	all, err := h.List(t.Context())
	if err != nil || slices.Contains(refs(all), old) || slices.Contains(refs(all), "mine/app:1") {
		t.Errorf("all %v, %v", refs(all), err)
	}
	for _, rt := range h.runtimes {
		if !slices.Contains(refs(all), now[rt.Name].Image.Ref) {
			t.Errorf("%s was removed", now[rt.Name].Image.Ref)
		}
	}
	if n := len(all); n != 5 { // two runtimes, two stand-ins, one agent
		t.Errorf("%d images: %v", n, refs(all))
	}
}

func TestOneLabBuildsAtATime(t *testing.T) {
	h := newHarness(t, Auto)
	unlock, err := h.lock(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	interrupted := errors.New("interrupted")
	ctx, cancel := context.WithTimeoutCause(t.Context(), 20*time.Millisecond, interrupted)
	defer cancel()
	if _, err := h.lock(ctx); !errors.Is(err, interrupted) {
		t.Fatalf("a second lock: %v", err)
	}
	if !strings.Contains(h.log.String(), "waiting for another lab") {
		t.Errorf("log %q", h.log)
	}
	unlock()
	again, err := h.lock(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	again()
}
