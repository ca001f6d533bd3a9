package cli

import (
	"fmt"
	"maps"
	"runtime"
	"runtime/debug"
	"slices"

	"runtimelab/lab/table"
)

type versionCommand struct{}

// Run prints the versions that can change a figure.
func (versionCommand) Run(a *app) error {
	v := versions()
	t := table.Text{Columns: []table.Column{{MinWidth: 23}}}
	for _, name := range slices.Sorted(maps.Keys(v)) {
		t.Row(name, v[name])
	}
	fmt.Fprint(a.Out, t.String())
	return nil
}

// measuringModules maps modules whose version can change a figure to their short names.
var measuringModules = map[string]string{
	"github.com/tsenart/vegeta/v12":               "vegeta",
	"github.com/HdrHistogram/hdrhistogram-go":     "hdrhistogram",
	"github.com/testcontainers/testcontainers-go": "testcontainers",
	"github.com/moby/moby/client":                 "moby-client",
}

// versions returns the versions of the lab, of Go and of measuringModules, by name.
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

// version returns the version of the lab, with its commit if that is known.
func version() string {
	all := versions()
	text := all["lab"]
	if revision := all["lab-revision"]; len(revision) > 12 {
		text += " " + revision[:12]
	}
	return text
}
