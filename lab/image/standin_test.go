package image

import (
	"errors"
	"slices"
	"strings"
	"sync"
	"testing"

	"runtimelab/lab"
)

// shareStandIn gives both runtimes of h the same suite and packages, in different orders.
func shareStandIn(h *harness) {
	h.runtimes[1].Base.Suite = h.runtimes[0].Base.Suite
	h.runtimes[1].Base.Packages = slices.Clone(h.runtimes[0].Base.Packages)
	slices.Reverse(h.runtimes[1].Base.Packages)
}

func TestRuntimesShareAStandIn(t *testing.T) {
	h := newHarness(t, Debian)
	shareStandIn(h)
	other := NewBuilder(h.engine, h.opts) // another lab on this host
	other.goos, other.euid, other.hasTools, other.bootstrap = h.goos, h.euid, h.hasTools, h.bootstrap
	other.opts.Log = new(strings.Builder)
	var results [2]map[string]Result
	var labs sync.WaitGroup
	for i, b := range []*Builder{h.Builder, other} {
		labs.Go(func() { results[i] = b.Ensure(t.Context(), h.runtimes) })
	}
	labs.Wait()
	if len(h.made) != 1 {
		t.Errorf("stand-ins were made for %v, want one for both", h.made)
	}
	for _, result := range results {
		for name, origin := range map[string]string{
			"node": "debian forky: node 1.0-node, node-tools 1.0-node-tools",
			// The order is the runtime's, whichever runtime was first.
			"python": "debian forky: node-tools 1.0-node-tools, node 1.0-node",
		} {
			got := result[name]
			if got.Err != nil || got.Image.BaseOrigin != origin {
				t.Errorf("%s: origin %q, %v; want %q", name, got.Image.BaseOrigin, got.Err, origin)
			}
		}
	}
	one, two := h.engine.builds[0].Args, h.engine.builds[1].Args
	if one[lab.BaseImageArg] != two[lab.BaseImageArg] {
		t.Error("the runtimes are built on different images")
	}
}

func TestASharedStandInFailsEachOfItsRuntimes(t *testing.T) {
	h := newHarness(t, Debian)
	shareStandIn(h)
	h.finishErr = errors.New("mmdebstrap: exit status 25")
	for name, got := range h.Ensure(t.Context(), h.runtimes) {
		if !errors.Is(got.Err, h.finishErr) || !strings.Contains(got.Err.Error(), "stand-in for "+name+":") {
			t.Errorf("%s: %v", name, got.Err)
		}
	}
}

// Earlier labs set the variables of every runtime in every stand-in.
func TestAStandInOfAnEarlierLabIsUsedIfItHasTheCAVariables(t *testing.T) {
	const other = "OTHER_CERT=" + debianBundle
	for name, tt := range map[string]struct {
		env  []string
		made int
	}{
		"more variables": {[]string{other, "A_CERT=" + debianBundle, openSSLBundle}, 0},
		"fewer":          {[]string{other, openSSLBundle}, 1},
		"another file":   {[]string{"A_CERT=/a.pem", openSSLBundle}, 1},
	} {
		t.Run(name, func(t *testing.T) {
			h := newHarness(t, Debian)
			h.runtimes[0].Base.CAVariables = []string{"A_CERT"}
			node := newStandIn(h.runtimes[0], []byte("certificates"))
			earlierRef := repository + "base:" + node.hash()[:16]
			h.engine.put(earlierRef, "sha256:earlier",
				map[string]string{ownerLabel: owner, baseLabel: "debian forky: node 0.9, node-tools 0.8"})
			h.engine.images[earlierRef].Config.Env = append([]string{"PATH=" + binaryPath}, tt.env...)
			got := h.Ensure(t.Context(), h.runtimes[:1])["node"]
			if got.Err != nil || len(h.made) != tt.made {
				t.Fatalf("%v; stand-ins were made for %v, want %d", got.Err, h.made, tt.made)
			}
			env := h.engine.images[got.Image.Ref].Config.Env
			if want := []string{"PATH=" + binaryPath, "A=b"}; !slices.Equal(env, want) {
				t.Errorf("environment of the runtime's image %v, want %v", env, want)
			}
		})
	}
}

// Earlier labs named a stand-in after its runtime. A new one would hold newer packages, and so
// change content_sha256.
func TestAStandInOfAnEarlierLabIsUsed(t *testing.T) {
	h := newHarness(t, Debian)
	shareStandIn(h)
	node := newStandIn(h.runtimes[0], []byte("certificates"))
	earlierRef := repository + "base-node:" + node.hash()[:16]
	const origin = "debian forky: node 0.9, node-tools 0.8"
	h.engine.put(earlierRef, "sha256:earlier", map[string]string{ownerLabel: owner, baseLabel: origin})
	content, err := ContentSHA256(h.runtimes[0], origin+"\n"+node.hash())
	if err != nil {
		t.Fatal(err)
	}
	for _, runtimes := range [][]lab.ImageSource{h.runtimes[:1], h.runtimes, h.runtimes[:1]} {
		results := h.Ensure(t.Context(), runtimes)
		if got := results["node"]; got.Err != nil || got.Image.BaseOrigin != origin ||
			got.Image.ContentSHA256 != content {
			t.Errorf("node: %+v, want origin %q and content %s", got, origin, content)
		}
		const pythonOrigin = "debian forky: node-tools 0.8, node 0.9"
		if got, ok := results["python"]; ok && (got.Err != nil || got.Image.BaseOrigin != pythonOrigin) {
			t.Errorf("python: %+v, want origin %q", got, pythonOrigin)
		}
		superseded, err := h.ListSuperseded(t.Context(), runtimes)
		if err != nil {
			t.Fatal(err)
		}
		for _, image := range superseded {
			if slices.Contains(image.Refs, earlierRef) || slices.Contains(image.Refs, node.ref()) {
				t.Errorf("superseded: %v", image)
			}
		}
	}
	if len(h.made) != 0 {
		t.Errorf("stand-ins were made for %v, want none", h.made)
	}
	for _, built := range h.engine.builds {
		if base := built.Args[lab.BaseImageArg]; base != "sha256:earlier" {
			t.Errorf("built on %s, want sha256:earlier", base)
		}
	}
}
