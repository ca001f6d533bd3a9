package cli

import (
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"maps"
	"runtime"
	"runtime/debug"
	"slices"

	"runtimelab/lab/agent/binary"
	"runtimelab/lab/metric"
	"runtimelab/lab/table"
)

type versionCommand struct {
	JSON bool `help:"Print JSON." name:"json"`
}

// labVersion is what lab version tells: all of it can change a figure.
type labVersion struct {
	Lab      string            `json:"lab"`
	Commit   string            `json:"commit"`   // empty if Go saw no git repository when it built lab
	Modified bool              `json:"modified"` // whether the tree differed from the commit
	Go       string            `json:"go"`
	Schema   int64             `json:"schema_version"` // of trials.csv
	Agents   map[string]string `json:"agents"`         // sha256 of each agent in lab, by architecture
	Modules  map[string]string `json:"modules"`        // versions of measuringModules, by short name
}

// Run prints the versions that can change a figure.
func (c *versionCommand) Run(a *app) error {
	v, err := readLabVersion()
	if err != nil {
		return err
	}
	if c.JSON {
		return a.printJSON(v)
	}
	commit := v.Commit
	switch {
	case commit == "":
		commit = "unknown: Go saw no git repository when it built lab"
	case v.Modified:
		commit += ", and changes that are not committed"
	}
	t := table.Text{Columns: []table.Column{{MinWidth: 23}}}
	t.Row("lab", v.Lab)
	t.Row("commit", commit)
	t.Row("go", v.Go)
	t.Row("schema version", fmt.Sprint(v.Schema))
	for _, arch := range slices.Sorted(maps.Keys(v.Agents)) {
		t.Row("agent for "+arch, "sha256:"+v.Agents[arch])
	}
	for _, name := range slices.Sorted(maps.Keys(v.Modules)) {
		t.Row(name, v.Modules[name])
	}
	fmt.Fprint(a.Out, t.String())
	return nil
}

// readLabVersion returns the versions of this program. The commit is the one that Go's build
// recorded: the same for the same tree, so that two builds of it have the same bytes.
func readLabVersion() (labVersion, error) {
	all := versions()
	v := labVersion{
		Lab: all["lab"], Commit: all["lab-revision"], Modified: all["lab-modified"] == "true", Go: all["go"],
		Schema: metric.SchemaVersion, Agents: map[string]string{}, Modules: map[string]string{},
	}
	for _, name := range measuringModules {
		if version := all[name]; version != "" {
			v.Modules[name] = version
		}
	}
	for _, arch := range binary.Built() {
		program, err := binary.ForArch(arch)
		if err != nil {
			return labVersion{}, err
		}
		sum := sha256.Sum256(program)
		v.Agents[arch] = hex.EncodeToString(sum[:])
	}
	return v, nil
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
