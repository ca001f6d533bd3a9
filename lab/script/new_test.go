package script_test

import (
	"maps"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"runtimelab/lab"
	"runtimelab/lab/script"
)

// written returns the files of a folder by their paths in it.
func written(t *testing.T, folder string) map[string]string {
	t.Helper()
	files := map[string]string{}
	err := filepath.WalkDir(folder, func(path string, entry os.DirEntry, err error) error {
		if err != nil || entry.IsDir() {
			return err
		}
		name, err := filepath.Rel(folder, path)
		if err != nil {
			return err
		}
		if entry.Type() == os.ModeSymlink {
			files[name], err = os.Readlink(path)
			return err
		}
		text, err := os.ReadFile(path)
		files[name] = string(text)
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
	return files
}

func TestACopyOfARuntimeHasItsOwnName(t *testing.T) {
	root := checkout(t, map[string]string{
		"runtimes/ruby/runtime.star": `# Ruby, as in runtimes/ruby/README: see runtimes/node for another.
runtime(
    about = "Ruby",
    base = base(official = "ruby:4", suite = "forky", packages = ["ruby"]),
    ignore = ["vendor", "*.rbc"],
)
variant(name = "puma", model = "single", about = "one", command = ["ruby", "puma.rb"])
`,
		"runtimes/ruby/Dockerfile":      "FROM ruby\n",
		"runtimes/ruby/lib/identity.rb": `IDENTITY = {"runtime": "ruby", "runtime_version": "ruby 4"}` + "\n",
		"runtimes/ruby/puma.rb":         "# runtimes/ruby is ruby\n",
		"runtimes/ruby/vendor/gem.rb":   "x",
		"runtimes/ruby/app.rbc":         "x",
	})
	if err := os.Chmod(filepath.Join(root, "runtimes", "ruby", "puma.rb"), 0o755); err != nil {
		t.Fatal(err)
	}
	if err := os.Symlink("lib/identity.rb", filepath.Join(root, "runtimes", "ruby", "link.rb")); err != nil {
		t.Fatal(err)
	}
	made, err := load(t, root).NewRuntime(script.NewRuntime{Place: "jewel", Like: "ruby"})
	if err != nil {
		t.Fatal(err)
	}
	if made.Folder != "runtimes/jewel" || made.Name != "jewel" || made.Unnamed ||
		!slices.Equal(made.Renamed, []string{"runtimes/jewel/lib/identity.rb"}) {
		t.Errorf("made %+v", made)
	}
	want := map[string]string{
		"runtime.star": `# jewel is a copy of ruby.
# Ruby, as in runtimes/jewel/README: see runtimes/node for another.
runtime(
    about = "jewel, a copy of ruby: Ruby",
    base = base(official = "ruby:4", suite = "forky", packages = ["ruby"]),
    ignore = ["vendor", "*.rbc"],
)
variant(name = "puma", model = "single", about = "one", command = ["ruby", "puma.rb"])
`,
		"Dockerfile":      "FROM ruby\n",
		"lib/identity.rb": `IDENTITY = {"runtime": "jewel", "runtime_version": "ruby 4"}` + "\n",
		"puma.rb":         "# runtimes/ruby is ruby\n",
		"link.rb":         "lib/identity.rb",
	}
	if got := written(t, filepath.Join(root, "runtimes", "jewel")); !maps.Equal(got, want) {
		t.Errorf("wrote %q, want %q", got, want)
	}
	for _, name := range []string{"", "puma.rb"} {
		info, err := os.Stat(filepath.Join(root, "runtimes", "jewel", name))
		if err != nil || info.Mode().Perm() != 0o755 {
			t.Errorf("mode of %q: %v (%v)", name, info.Mode(), err)
		}
	}
	library := load(t, root)
	if v, err := library.Variant("jewel/puma"); library.Err() != nil || err != nil || v.Application != "jewel" {
		t.Errorf("%v, %v, %+v", library.Err(), err, v)
	}
	if got, err := filepath.Glob(filepath.Join(root, "runtimes", ".new*")); len(got) > 0 || err != nil {
		t.Errorf("left %q (%v)", got, err)
	}
}

// A runtime that is built from the folder of another keeps that folder and its application.
func TestACopyKeepsTheContextOfItsOriginal(t *testing.T) {
	root := checkout(t, map[string]string{
		"runtimes/young/runtime.star": strings.Replace(shopRuntime, "a shop", "young", 1),
	})
	made, err := load(t, root).NewRuntime(script.NewRuntime{Place: "old", Like: "young"})
	if err != nil || made.Unnamed || len(made.Renamed) > 0 {
		t.Fatalf("%+v, %v", made, err)
	}
	library := load(t, root)
	if v, err := library.Variant("old/v1"); library.Err() != nil || err != nil || v.Application != "node" {
		t.Errorf("%v, %v, %+v", library.Err(), err, v)
	}
	made, err = library.NewRuntime(script.NewRuntime{Place: "node-two", Like: "node"})
	if err != nil || !made.Unnamed {
		t.Errorf("a copy whose application names no runtime is %+v, %v", made, err)
	}
}

// A copy passes the contract only if its application reports its name.
func TestCopiesOfShippedRuntimesReportTheirNames(t *testing.T) {
	root := t.TempDir()
	for _, folder := range []string{"runtimes", "scenarios"} {
		if err := os.CopyFS(filepath.Join(root, folder), os.DirFS(filepath.Join(repository, folder))); err != nil {
			t.Fatal(err)
		}
	}
	library := load(t, root)
	for _, r := range library.Runtimes {
		made, err := library.NewRuntime(script.NewRuntime{Place: r.Name + "-copy", Like: r.Name})
		if own := r.ContextRuntime == r.Name; err != nil || made.Unnamed || own != (len(made.Renamed) == 1) {
			t.Errorf("a copy of %s is %+v, %v", r.Name, made, err)
		}
	}
	if err := load(t, root).Err(); err != nil {
		t.Error(err)
	}
}

func TestARuntimeIsNotWrittenOverAnother(t *testing.T) {
	dir := t.TempDir()
	for name, c := range map[string]struct {
		runtime script.NewRuntime
		want    string
	}{
		"exists": {script.NewRuntime{Place: "node"}, "runtimes/node already exists\n  choose another name"},
		"a file": {script.NewRuntime{Place: "notes"}, "runtimes/notes already exists"},
		"elsewhere": {
			script.NewRuntime{Place: dir + "/node"}, `runtimes/node/runtime.star is already the runtime "node"`,
		},
		"a wrong name": {
			script.NewRuntime{Place: "Shop"},
			"\"Shop\" is not a valid name of a runtime\n  use lower-case letters, digits and -, " +
				"and begin with a letter; or give the path of its folder",
		},
		"a wrong path": {script.NewRuntime{Place: dir + "/a.b"}, `"a.b" is not a valid name of a runtime`},
		"a wrong image": {
			script.NewRuntime{Place: "shop", Image: `a"b`},
			"--image \"a\\\"b\" is not the reference of an image\n  an example: " +
				"--image registry.example.com/team/shop:1.2",
		},
		"like a misspelt": {
			script.NewRuntime{Place: "shop", Like: "nod"}, "unknown runtime \"nod\"\n  did you mean \"node\"?",
		},
	} {
		t.Run(name, func(t *testing.T) {
			root := checkout(t, map[string]string{"runtimes/notes": "x"})
			before := written(t, root)
			if _, err := load(t, root).NewRuntime(c.runtime); err == nil {
				t.Error("no error")
			} else {
				checkFault(t, err, c.want)
			}
			if after := written(t, root); !maps.Equal(after, before) {
				t.Errorf("the checkout is %q, was %q", after, before)
			}
			if left := written(t, dir); len(left) > 0 {
				t.Errorf("left %q", left)
			}
		})
	}
}

// What is written must be right before a user fills it in.
func TestWhatIsWrittenHasNoMistakes(t *testing.T) {
	root, dir := checkout(t, nil), t.TempDir()
	library := load(t, root)
	for _, n := range []script.NewRuntime{
		{Place: "shop-v1", Image: "registry.example.com:5000/team/shop:1"},
		{Place: "shop-v2", Image: "shop@sha256:" + strings.Repeat("0a", 32)},
		{Place: "built"},
		{Place: "node-two", Like: "node"},
		{Place: filepath.Join(dir, "till"), Image: "till"},
	} {
		if _, err := library.NewRuntime(n); err != nil {
			t.Error(err)
		}
	}
	sources := script.Sources{Checkout: root, RuntimeFolders: []string{dir}}
	library = loadFrom(t, sources)
	if err := library.Err(); err != nil {
		t.Fatal(err)
	}
	if r, err := library.Runtime("shop-v1"); err != nil || r.Image != "registry.example.com:5000/team/shop:1" {
		t.Errorf("%+v, %v", r, err)
	}
	if files := written(t, filepath.Join(root, "runtimes", "built")); len(files) != 2 ||
		!strings.Contains(files["Dockerfile"], "USER 65532") {
		t.Errorf("wrote %q", files)
	}
	for name, ids := range map[string][]string{
		"one":   {"shop-v1/server"},
		"two":   {"shop-v1/server", "till/server"},
		"three": {"shop-v1/server", "shop-v2/server", "built/server"},
		"app":   {"node/single", "node-two/cluster"},
		"mixed": {"node/single", "shop-v1/server"},
		"none":  nil,
	} {
		file, err := library.NewScenario(name, ids)
		if err != nil || file != "scenarios/"+name+".star" {
			t.Errorf("%s: %s, %v", name, file, err)
		}
	}
	file, err := library.NewScenario(filepath.Join(dir, "away.star"), []string{"till/server", "built/server"})
	if err != nil || file != filepath.Join(dir, "away.star") {
		t.Errorf("%s, %v", file, err)
	}
	sources.Files = []string{file}
	library = loadFrom(t, sources)
	if err := library.Err(); err != nil {
		t.Fatal(err)
	}
	for _, s := range library.Scenarios {
		if wanted := max(0, len(s.Variants)-1); s.Name != "none" && len(s.Hypotheses) != wanted {
			t.Errorf("%s has the hypotheses %+v, want %d", s.Name, s.Hypotheses, wanted)
		}
		for _, h := range s.Hypotheses {
			if h.Denominator.Variant != s.Variants[0] || h.Claim != s.Name || h.Direction != lab.NotLower {
				t.Errorf("%s has the hypothesis %+v", s.Name, h)
			}
		}
	}
}

func TestAScenarioIsNotWrittenOverAnother(t *testing.T) {
	root := checkout(t, map[string]string{"scenarios/x.star": scenarioWith()})
	library := load(t, root)
	for place, want := range map[string]string{
		"x": "scenarios/x.star already exists\n  choose another name, or remove it first",
		"X": "\"X\" is not a valid name of a scenario\n  use lower-case letters, digits and -, " +
			"and begin with a letter; or give a path that ends in .star",
		"../prices":                      `"../prices" is not a valid name of a scenario`,
		filepath.Join(root, "X.star"):    `"X" is not a valid name of a scenario`,
		filepath.Join(root, "no/x.star"): "write no/x.star: open ",
	} {
		if _, err := library.NewScenario(place, nil); err == nil || !strings.HasPrefix(err.Error(), want) {
			t.Errorf("%s: %v, want %s", place, err, want)
		}
	}
	_, err := library.NewScenario("new", []string{"node/single", "node/clutser"})
	checkFault(t, err, "unknown variant \"node/clutser\"\n  did you mean \"node/cluster\"?")
	if _, err := os.Stat(filepath.Join(root, "scenarios", "new.star")); err == nil {
		t.Error("a scenario was written for a variant that does not exist")
	}
}
