package image

import (
	"context"
	"errors"
	"path/filepath"
	"reflect"
	"slices"
	"strings"
	"testing"

	"runtimelab/lab"
	"runtimelab/lab/fault"
)

func TestStageImages(t *testing.T) {
	for name, c := range map[string]struct {
		dockerfile string
		args       map[string]string
		want       []string
		err        string
	}{
		"one stage": {"FROM nginx:1.29\nFROM_HERE=1\nRUN echo FROM x\n", nil, []string{"nginx:1.29"}, ""},
		"several": {
			"# FROM comment\nfrom --platform=linux/amd64 node:24 AS Build\nRUN make\nFROM build AS test\n" +
				"FROM scratch\nCOPY --from=build /a /a\nFROM node:24\nFROM gcr.io/x/y@sha256:ab\n",
			nil,
			[]string{"node:24", "gcr.io/x/y@sha256:ab"},
			"",
		},
		"arguments": {
			"ARG NODE=24\nARG OS=\"trixie\"\nARG HUB\nARG SLIM\n" +
				"FROM ${HUB:-docker.io}/node:$NODE-${OS}${SLIM:--slim} \\\n  AS b\nARG NODE=1\nFROM b\nFROM a:$NODE\n",
			map[string]string{"NODE": "26"},
			[]string{"docker.io/node:26-trixie-slim", "a:26"},
			"",
		},
		"no value": {"ARG TAG\nFROM a:${TAG}\n", nil, nil, "FROM a:${TAG}: ${TAG} has no value"},
		"scratch":  {"FROM scratch\nCOPY a /a\n", nil, nil, ""},
	} {
		got, err := stageImages(c.dockerfile, c.args)
		if !slices.Equal(got, c.want) || (err == nil) != (c.err == "") || err != nil && err.Error() != c.err {
			t.Errorf("%s: %q, error %v; want %q, error %q", name, got, err, c.want, c.err)
		}
	}
}

// An image that is used as it is is pulled once, and is known by what runs in it.
func TestAnImageIsUsedAsItIs(t *testing.T) {
	b := newHarness(t, Official)
	engine := b.engine
	shop := lab.ImageSource{
		Name: "shop", Title: "runtime shop", File: "runtimes/shop/runtime.star", Image: "hub.test/shop:2",
	}
	first := b.Ensure(t.Context(), []lab.ImageSource{shop})["shop"]
	want := lab.Image{
		Ref: "sha256:id-of-hub.test/shop:2", ID: "sha256:id-of-hub.test/shop:2",
		ContentSHA256: first.Image.ContentSHA256, BaseOrigin: "hub.test/shop:2@sha256:d1",
	}
	if first.Err != nil || first.Image != want || first.Built || len(first.Image.ContentSHA256) != 64 {
		t.Errorf("%+v, want %+v", first, want)
	}
	again := b.Ensure(t.Context(), []lab.ImageSource{shop})["shop"]
	if !reflect.DeepEqual(again, first) || len(engine.pulled) != 1 || len(engine.builds) > 0 {
		t.Errorf("%+v, then %+v; pulled %q, built %d", first, again, engine.pulled, len(engine.builds))
	}
	content := func(change func(*Description)) string {
		got := engine.images[shop.Image]
		config := *got.Config
		got.Config = &config
		change(&got)
		engine.images[shop.Image] = got
		return b.Ensure(t.Context(), []lab.ImageSource{shop})["shop"].Image.ContentSHA256
	}
	rebuilt := content(func(i *Description) {
		i.ID = "sha256:another"
		i.Config.Labels = map[string]string{"revision": "1"}
	})
	if rebuilt != want.ContentSHA256 {
		t.Error("a rebuild of equal layers is another content")
	}
	seen := []string{rebuilt}
	for name, change := range map[string]func(*Description){
		"layers":     func(i *Description) { i.Layers = []string{"sha256:other"} },
		"env":        func(i *Description) { i.Config.Env = []string{"A=1"} },
		"entrypoint": func(i *Description) { i.Config.Entrypoint = []string{"/a"} },
		"cmd":        func(i *Description) { i.Config.Command = []string{"/a"} },
		"user":       func(i *Description) { i.Config.User = "7" },
		"folder":     func(i *Description) { i.Config.WorkingDir = "/x" },
		"volumes":    func(i *Description) { i.Config.Volumes = []string{"/v"} },
	} {
		hash := content(change)
		if slices.Contains(seen, hash) {
			t.Errorf("another %s is the same content", name)
		}
		seen = append(seen, hash)
	}
}

func TestAnImageThatCannotBeUsedIsNamed(t *testing.T) {
	b := newHarness(t, Official)
	missing := lab.ImageSource{
		Name: "shop", Title: "runtime shop", File: "runtimes/shop/runtime.star", Image: "hub.test/shop:2",
	}
	b.engine.pullFails = func(context.Context, string, func()) error { return errors.New("manifest unknown") }
	err := b.Ensure(t.Context(), []lab.ImageSource{missing})["shop"].Err
	if err == nil || !strings.HasPrefix(err.Error(),
		"runtime shop (runtimes/shop/runtime.star): pull hub.test/shop:2: ") ||
		!errors.As(err, new(*fault.Error)) {
		t.Errorf("error %v", err)
	}
}

// A Dockerfile without a base of the lab may have any stages. What they start from is part of the
// content.
func TestAnyDockerfileIsBuilt(t *testing.T) {
	b := newHarness(t, Official)
	engine := b.engine
	rt := lab.ImageSource{
		Name: "own", File: "runtimes/own/runtime.star", ContextDir: t.TempDir(), Dockerfile: "Dockerfile",
		BuildArgs: map[string]string{"TAG": "2"},
	}
	write(t, filepath.Join(rt.ContextDir, "Dockerfile"),
		"ARG TAG=1\nFROM make:$TAG AS make\nFROM run:1\nCOPY --from=make /a /a\n")
	first := b.Ensure(t.Context(), []lab.ImageSource{rt})["own"]
	if first.Err != nil || !first.Built {
		t.Fatal(first.Err)
	}
	if want := "make:2@sha256:d1, run:1@sha256:d1"; first.Image.BaseOrigin != want {
		t.Errorf("base %q, want %q", first.Image.BaseOrigin, want)
	}
	if _, given := engine.builds[0].Args[lab.BaseImageArg]; given {
		t.Error("the build has BASE_IMAGE")
	}
	again := b.Ensure(t.Context(), []lab.ImageSource{rt})["own"]
	if again.Err != nil || again.Built || again.Image != first.Image {
		t.Errorf("%+v, then %+v", first, again)
	}
	superseded, err := b.ListSuperseded(t.Context(), []lab.ImageSource{rt})
	if err != nil || slices.ContainsFunc(superseded, func(s StoredImage) bool { return len(s.Refs) > 0 }) {
		t.Errorf("superseded %+v, %v", superseded, err)
	}
	moved := engine.images["run:1"]
	moved.Digests = []string{"run@sha256:d2"}
	engine.images["run:1"] = moved
	later := b.Ensure(t.Context(), []lab.ImageSource{rt})["own"]
	if later.Err != nil || later.Image.ContentSHA256 == first.Image.ContentSHA256 {
		t.Errorf("with another base %+v, want other content than %+v", later, first)
	}
}
