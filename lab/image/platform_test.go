package image

import (
	"path/filepath"
	"strings"
	"testing"
)

func TestABaseOfAnotherPlatformIsRefused(t *testing.T) {
	for name, c := range map[string]struct {
		os, arch string
		want     string // part of the error; empty: the image is accepted
	}{
		"the engine's platform": {"linux", "arm64", ""},
		"no stated platform":    {"", "", ""},
		"another architecture": {
			"linux", "amd64", "image node:1-slim is linux/amd64, the engine runs linux/arm64",
		},
		"another system": {
			"windows", "arm64", "image node:1-slim is windows/arm64, the engine runs linux/arm64",
		},
		"32 bits": {"linux", "arm", "image node:1-slim is linux/arm, the engine runs linux/arm64"},
	} {
		t.Run(name, func(t *testing.T) {
			h := newHarness(t, Auto)
			h.addOfficial("node", "python")
			h.addStandIns(t, h.runtimes...) // they must not replace a refused image
			base := h.engine.images["node:1-slim"]
			base.Platform = Platform{OS: c.os, Architecture: c.arch}
			h.engine.images["node:1-slim"] = base
			got := h.Ensure(t.Context(), h.runtimes)
			err := got["node"].Err
			if refused := err != nil; refused != (c.want != "") || refused && !strings.Contains(err.Error(), c.want) {
				t.Errorf("error %v, want %q", err, c.want)
			}
			if err := got["python"].Err; err != nil {
				t.Errorf("python, on the engine's platform: %v", err)
			}
			if built := len(h.engine.builds); c.want != "" && built != 1 {
				t.Errorf("%d images were built, want only python's", built)
			}
		})
	}
}

func TestABuiltImageOfAnotherPlatformIsRefused(t *testing.T) {
	h := newHarness(t, Official)
	h.addOfficial("node")
	node := h.runtimes[0]
	write(t, filepath.Join(node.ContextDir, "Dockerfile"), "ARG BASE_IMAGE\nFROM --platform=linux/amd64 x\n")
	const want = "is linux/amd64, the engine runs linux/arm64"
	err := h.Ensure(t.Context(), h.runtimes[:1])["node"].Err
	if err == nil || !strings.Contains(err.Error(), "image of runtime node "+want) {
		t.Errorf("built: %v", err)
	}
	if len(h.engine.registered) > 0 {
		t.Error("the image was registered")
	}
	// An image that an earlier lab left on the engine is refused too.
	content, err := ContentSHA256(node, "node:1-slim (no registry digest; image id sha256:official-node)")
	if err != nil {
		t.Fatal(err)
	}
	h.engine.put(imageRef("node", content), "sha256:old", map[string]string{contentLabel: content})
	old := h.engine.images[imageRef("node", content)]
	old.Platform = Platform{OS: "linux", Architecture: "amd64"}
	h.engine.images[imageRef("node", content)] = old
	builds := len(h.engine.builds)
	err = h.Ensure(t.Context(), h.runtimes[:1])["node"].Err
	if err == nil || !strings.Contains(err.Error(), want) || len(h.engine.builds) > builds {
		t.Errorf("found: %v", err)
	}
}
