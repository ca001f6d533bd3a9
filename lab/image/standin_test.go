package image

import (
	"errors"
	"slices"
	"strings"
	"sync"
	"testing"

	"runtimelab/lab"
)

// alike makes the bench's runtimes two of one suite and the same packages.
func alike(w *bench) {
	w.runtimes[1].Base.Suite = w.runtimes[0].Base.Suite
	w.runtimes[1].Base.Packages = slices.Clone(w.runtimes[0].Base.Packages)
	slices.Reverse(w.runtimes[1].Base.Packages)
}

func TestRuntimesShareAStandIn(t *testing.T) {
	w := newBench(t, Debian)
	alike(w)
	other := NewBuilder(w.engine, w.opts) // another lab on this host
	other.goos, other.euid, other.hasTools, other.bootstrap = w.goos, w.euid, w.hasTools, w.bootstrap
	other.opts.Log = new(strings.Builder)
	var results [2]map[string]Result
	var labs sync.WaitGroup
	for i, b := range []*Builder{w.Builder, other} {
		labs.Go(func() { results[i] = b.Ensure(t.Context(), w.runtimes) })
	}
	labs.Wait()
	if len(w.made) != 1 {
		t.Errorf("stand-ins were made for %v, want one for all", w.made)
	}
	for _, result := range results {
		for name, origin := range map[string]string{
			"node": "debian forky: node 1.0-node, node-tools 1.0-node-tools",
			// In the runtime's order, whoever was first.
			"python": "debian forky: node-tools 1.0-node-tools, node 1.0-node",
		} {
			got := result[name]
			if got.Err != nil || got.Image.BaseOrigin != origin {
				t.Errorf("%s: origin %q, %v; want %q", name, got.Image.BaseOrigin, got.Err, origin)
			}
		}
	}
	one, two := w.engine.builds[0].BuildArgs, w.engine.builds[1].BuildArgs
	if *one[lab.BaseImageArg] != *two[lab.BaseImageArg] {
		t.Error("the runtimes are built on two images")
	}
}

func TestASharedStandInFailsEachOfItsRuntimes(t *testing.T) {
	w := newBench(t, Debian)
	alike(w)
	w.finishErr = errors.New("mmdebstrap: exit status 25")
	for name, got := range w.Ensure(t.Context(), w.runtimes) {
		if !errors.Is(got.Err, w.finishErr) || !strings.Contains(got.Err.Error(), "stand-in for "+name+":") {
			t.Errorf("%s: %v", name, got.Err)
		}
	}
}

// Earlier labs named a stand-in after its runtime. Making it anew would take newer
// packages: another base, and another content_sha256.
func TestAStandInOfAnEarlierLabIsUsed(t *testing.T) {
	w := newBench(t, Debian)
	alike(w)
	node := newStandIn(w.runtimes[0], []byte("certificates"))
	was := repository + "base-node:" + node.hash()[:16]
	const origin = "debian forky: node 0.9, node-tools 0.8"
	w.engine.put(was, "sha256:earlier", map[string]string{ownerLabel: owner, baseLabel: origin})
	content, err := ContentSHA256(w.runtimes[0], origin+"\n"+node.hash())
	if err != nil {
		t.Fatal(err)
	}
	for _, runtimes := range [][]lab.Runtime{w.runtimes[:1], w.runtimes, w.runtimes[:1]} {
		results := w.Ensure(t.Context(), runtimes)
		if got := results["node"]; got.Err != nil || got.Image.BaseOrigin != origin ||
			got.Image.ContentSHA256 != content {
			t.Errorf("node: %+v, want origin %q and content %s", got, origin, content)
		}
		if got, there := results["python"]; there && (got.Err != nil ||
			got.Image.BaseOrigin != "debian forky: node-tools 0.8, node 0.9") {
			t.Errorf("python: %+v", got)
		}
		superseded, err := w.ListSuperseded(t.Context(), runtimes)
		if err != nil {
			t.Fatal(err)
		}
		for _, image := range superseded {
			if slices.Contains(image.Refs, was) || slices.Contains(image.Refs, node.ref()) {
				t.Errorf("superseded: %v", image)
			}
		}
	}
	if len(w.made) != 0 {
		t.Errorf("made for %v", w.made)
	}
	for _, built := range w.engine.builds {
		if base := *built.BuildArgs[lab.BaseImageArg]; base != "sha256:earlier" {
			t.Errorf("built on %s", base)
		}
	}
}
