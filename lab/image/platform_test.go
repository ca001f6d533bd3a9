package image

import (
	"path/filepath"
	"strings"
	"testing"
)

// An image of another platform is refused before anything is built on it or run
// from it, with both names.
func TestAnotherPlatformIsRefused(t *testing.T) {
	for name, c := range map[string]struct {
		os, arch string
		says     string // empty: it is not refused
	}{
		"the engine's":         {"linux", "arm64", ""},
		"none that it says":    {"", "", ""},
		"another architecture": {"linux", "amd64", "image node:1-slim is linux/amd64, the engine runs linux/arm64"},
		"another system": {
			"windows", "arm64",
			"image node:1-slim is windows/arm64, the engine runs linux/arm64",
		},
		"a narrower one": {"linux", "arm", "image node:1-slim is linux/arm, the engine runs linux/arm64"},
	} {
		t.Run(name, func(t *testing.T) {
			w := newBench(t, Auto)
			w.haveOfficial("node", "python")
			w.haveStandIns(t, w.runtimes...) // which a refused image is not replaced by
			base := w.engine.images["node:1-slim"]
			base.Os, base.Architecture = c.os, c.arch
			w.engine.images["node:1-slim"] = base
			got := w.Ensure(t.Context(), w.runtimes)
			err := got["node"].Err
			if refused := err != nil; refused != (c.says != "") || refused && !strings.Contains(err.Error(), c.says) {
				t.Errorf("error %v, want %q", err, c.says)
			}
			if err := got["python"].Err; err != nil {
				t.Errorf("python, on the engine's platform: %v", err)
			}
			if built := len(w.engine.builds); c.says != "" && built != 1 {
				t.Errorf("%d images were built, want python's", built)
			}
		})
	}
}

func TestABuiltImageOfAnotherPlatformIsRefused(t *testing.T) {
	w := newBench(t, Official)
	w.haveOfficial("node")
	node := w.runtimes[0]
	write(t, filepath.Join(node.ContextDir, "Dockerfile"), "ARG BASE_IMAGE\nFROM --platform=linux/amd64 x\n")
	const says = "is linux/amd64, the engine runs linux/arm64"
	err := w.Ensure(t.Context(), w.runtimes[:1])["node"].Err
	if err == nil || !strings.Contains(err.Error(), "image of runtime node "+says) {
		t.Errorf("built: %v", err)
	}
	if w.engine.loads > 0 {
		t.Error("it was registered")
	}
	// The same for one that an earlier lab has left on the engine.
	content, err := ContentSHA256(node, "node:1-slim (no registry digest; image id sha256:official-node)")
	if err != nil {
		t.Fatal(err)
	}
	w.engine.put(runtimeRef("node", content), "sha256:old", map[string]string{contentLabel: content})
	old := w.engine.images[runtimeRef("node", content)]
	old.Os, old.Architecture = "linux", "amd64"
	w.engine.images[runtimeRef("node", content)] = old
	builds := len(w.engine.builds)
	err = w.Ensure(t.Context(), w.runtimes[:1])["node"].Err
	if err == nil || !strings.Contains(err.Error(), says) || len(w.engine.builds) > builds {
		t.Errorf("found: %v", err)
	}
}
