package cli

import (
	"fmt"
	"maps"
	"runtime"
	"runtime/debug"
	"slices"
)

type versionCommand struct{}

// Run prints the versions that a result depends on.
func (versionCommand) Run(a *app) error {
	v := versions()
	for _, name := range slices.Sorted(maps.Keys(v)) {
		fmt.Fprintf(a.Out, "%-24s %s\n", name, v[name])
	}
	return nil
}

// measuringModules are the modules whose version can change a figure.
var measuringModules = map[string]string{
	"github.com/tsenart/vegeta/v12":               "vegeta",
	"github.com/HdrHistogram/hdrhistogram-go":     "hdrhistogram",
	"github.com/testcontainers/testcontainers-go": "testcontainers",
	"github.com/moby/moby/client":                 "moby-client",
}

// versions is the lab's own, Go's, and those of the modules that measure.
func versions() map[string]string {
	v := map[string]string{"go": runtime.Version(), "lab": "unknown"}
	build, ok := debug.ReadBuildInfo()
	if !ok {
		return v
	}
	v["lab"] = build.Main.Version
	for _, m := range build.Deps {
		if name := measuringModules[m.Path]; name != "" {
			v[name] = m.Version
		}
	}
	for _, s := range build.Settings {
		if s.Key == "vcs.revision" || s.Key == "vcs.modified" {
			v["lab-"+s.Key[len("vcs."):]] = s.Value
		}
	}
	return v
}

// version is the lab's in one word: its module's, with the commit where that is
// known.
func version() string {
	all := versions()
	word := all["lab"]
	if revision := all["lab-revision"]; len(revision) > 12 {
		word += " " + revision[:12]
	}
	return word
}
