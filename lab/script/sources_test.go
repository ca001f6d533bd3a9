package script_test

import (
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"runtimelab/lab"
	"runtimelab/lab/script"
)

// shopRuntime is a runtime outside of the checkout that is built from the folder of one in it.
const shopRuntime = `runtime(
    about = "a shop",
    base = base(official = "shop:1", suite = "forky", packages = ["shop"]),
    context = "node",
)
variant(name = "v1", model = "single", about = "version 1", command = ["shop"])
`

// team returns a folder outside of any checkout, with these files.
func team(t *testing.T, files map[string]string) string {
	t.Helper()
	dir := t.TempDir()
	for name, text := range files {
		path := filepath.Join(dir, name)
		if err := os.MkdirAll(filepath.Dir(path), 0o755); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(path, []byte(text), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	return dir
}

func loadFrom(t *testing.T, s script.Sources) *script.Library {
	t.Helper()
	library, err := s.Load(t.Context(), script.ParameterValues{})
	if err != nil {
		t.Fatal(err)
	}
	return library
}

func TestScriptsMayLieAnywhere(t *testing.T) {
	root := checkout(t, map[string]string{
		"scenarios/a.star": scenarioWith(`"x"`, `"a"`, "node/single", "*/v1"),
	})
	dir := team(t, map[string]string{
		"runtimes/shop/runtime.star": shopRuntime,
		"runtimes/till/runtime.star": strings.ReplaceAll(shopRuntime, `"node"`, `"shop"`),
		"till/runtime.star":          "not read",
		"sale.star": "claim(\"mine\", \"It is.\")\n" +
			scenarioWith(`"x"`, `"sale"`, "node/single", "shop/v1"),
		"other.star": "not read",
	})
	file := filepath.Join(dir, "sale.star")
	library := loadFrom(t, script.Sources{
		Checkout: root, RuntimeFolders: []string{filepath.Join(dir, "runtimes")}, Files: []string{file},
	})
	if err := library.Err(); err != nil {
		t.Fatal(err)
	}
	for name, context := range map[string]string{
		"shop": filepath.Join(root, "runtimes", "node"),
		"till": filepath.Join(dir, "runtimes", "shop"),
	} {
		if r, err := library.Runtime(name); err != nil || r.ContextDir != context {
			t.Errorf("%s is built from %s (%v), want %s", name, r.ContextDir, err, context)
		}
	}
	if got := scenarioNames(library.Scenarios); !slices.Equal(got, []string{"a", "sale"}) {
		t.Fatalf("scenarios are %q", got)
	}
	if got := library.Scenarios[0].Variants; !slices.Equal(got, []string{"shop/v1", "till/v1"}) {
		t.Errorf("a pattern of the checkout brings %q", got)
	}
	if got := library.Scenarios[1].File; got != file {
		t.Errorf("the file of the scenario is %q, want %q", got, file)
	}
	if !slices.ContainsFunc(library.Claims, func(c lab.Claim) bool { return c.ID == "mine" }) {
		t.Errorf("claims are %+v, want one of %s", library.Claims, file)
	}
	chosen, err := library.Select(file, "a", "sale")
	if got := scenarioNames(chosen); err != nil || !slices.Equal(got, []string{"sale", "a"}) {
		t.Errorf("selected %q (%v)", got, err)
	}
}

// The checkout's own files can be named by their paths too, and are the same files then.
func TestAPathMayNameAFileOfTheCheckout(t *testing.T) {
	root := checkout(t, map[string]string{
		"scenarios/json.star": scenarioWith(`"x"`, `"json"`), "scenarios/broken.star": "scenario(",
	})
	link := filepath.Join(t.TempDir(), "link")
	if err := os.Symlink(root, link); err != nil {
		t.Fatal(err)
	}
	t.Chdir(filepath.Join(root, "scenarios"))
	sources := script.Sources{
		Checkout:       root,
		RuntimeFolders: []string{filepath.Join(link, "runtimes")},
		Files: []string{
			"json.star", filepath.Join(link, "scenarios", "json.star"), "../runtimes/node",
			filepath.Join(link, "runtimes", "python", "runtime.star"), "broken.star", "claims.star",
		},
	}
	library := loadFrom(t, sources)
	want := loadFrom(t, script.Sources{Checkout: root})
	if !slices.Equal(library.Files, want.Files) || messages(library) != messages(want) {
		t.Errorf("the files are %q with the mistakes\n%s\nwant %q", library.Files, messages(library), want.Files)
	}
	for path, name := range map[string]string{
		"json.star": "scenarios/json.star", "../runtimes/python": "runtimes/python/runtime.star",
	} {
		if got, err := library.FileAt(path); err != nil || got != name {
			t.Errorf("FileAt(%q) = %q, %v", path, got, err)
		}
	}
	for path, problem := range map[string]string{
		"json.star":        "",
		"broken.star":      "scenarios/broken.star:1:10: got end of file",
		"claims.star":      "scenarios/claims.star describes no scenario\n  name the script of a scenario",
		"../runtimes/node": "runtimes/node/runtime.star describes no scenario",
		"./jsn.star":       "there is no script ./jsn.star\n  ",
	} {
		chosen, err := library.Select(path)
		if checkFault(t, err, problem); problem == "" && !slices.Equal(scenarioNames(chosen), []string{"json"}) {
			t.Errorf("%s selects %q", path, scenarioNames(chosen))
		}
	}
}

func TestNamesThatCollideAreFaultsThatNameBothFiles(t *testing.T) {
	root := checkout(t, map[string]string{
		"scenarios/json.star": scenarioWith(`"x"`, `"json"`), "scenarios/bad.star": "scenario()\n",
	})
	dir := team(t, map[string]string{
		"runtimes/node/runtime.star": shopRuntime,
		"runtimes/shop/runtime.star": shopRuntime,
		"more/shop/runtime.star":     shopRuntime,
		"json.star":                  scenarioWith(`"x"`, `"json"`),
		"bad.star":                   scenarioWith(`"x"`, `"bad"`),
		"claims.star":                `claim("mine", "It is.")` + "\n", // a name of no scenario
		"use.star":                   scenarioWith(`"x"`, `"use"`, "node/single", "shop/v1"),
	})
	library := loadFrom(t, script.Sources{
		Checkout:       root,
		RuntimeFolders: []string{filepath.Join(dir, "runtimes"), filepath.Join(dir, "more")},
		Files: []string{
			filepath.Join(dir, "json.star"), filepath.Join(dir, "bad.star"), filepath.Join(dir, "claims.star"),
			filepath.Join(dir, "use.star"),
		},
	})
	twice := func(file, what, first string) string {
		return fmt.Sprintf("%s/%s: the %s is already defined in %s; rename one of them", dir, file, what, first)
	}
	want := strings.Join([]string{
		twice("runtimes/node/runtime.star", `runtime "node"`, "runtimes/node/runtime.star"),
		twice("more/shop/runtime.star", `runtime "shop"`, dir+"/runtimes/shop/runtime.star"),
		messages(load(t, root)),
		twice("json.star", `scenario "json"`, "scenarios/json.star"),
		twice("bad.star", `scenario "bad"`, "scenarios/bad.star"),
	}, "\n")
	if got := messages(library); got != want {
		t.Errorf("got\n%s\nwant\n%s", got, want)
	}
	if r, err := library.Runtime("node"); err != nil || r.File != "runtimes/node/runtime.star" {
		t.Errorf("node is %s (%v)", r.File, err)
	}
	if v, err := library.Variant("shop/v1"); err != nil || v.Runtime != "shop" {
		t.Errorf("shop/v1 is %+v (%v)", v, err)
	}
}

func TestSourcesThatAreMissingAreRefused(t *testing.T) {
	root := checkout(t, map[string]string{"scenarios/json.star": scenarioWith(`"x"`, `"json"`)})
	dir := team(t, map[string]string{"shop/runtime.star": shopRuntime, "notes/notes.txt": "x"})
	for name, c := range map[string]struct {
		sources script.Sources
		want    string
	}{
		"file of the checkout": {
			script.Sources{Files: []string{filepath.Join(root, "scenarios", "jsn.star")}},
			"there is no script scenarios/jsn.star\n  did you mean \"scenarios/json.star\"?",
		},
		"file": {
			script.Sources{Files: []string{filepath.Join(dir, "jsn.star")}},
			"there is no script " + dir + "/jsn.star\n  ",
		},
		"folder without a runtime": {
			script.Sources{Files: []string{filepath.Join(dir, "notes")}},
			"there is no script " + dir + "/notes/runtime.star\n  ",
		},
		"file in a file": {
			script.Sources{Files: []string{filepath.Join(dir, "notes", "notes.txt", "x.star")}},
			"there is no script " + dir + "/notes/notes.txt/x.star\n  ",
		},
		"not a script": {
			script.Sources{Files: []string{filepath.Join(dir, "notes", "notes.txt")}},
			dir + "/notes/notes.txt is not a script\n  a script is a file NAME.star, or a folder with runtime.star",
		},
		"folder of runtimes": {
			script.Sources{RuntimeFolders: []string{filepath.Join(dir, "runtimes")}},
			"look for runtimes in " + dir + "/runtimes: open ",
		},
		"folder that holds no runtimes": {
			script.Sources{RuntimeFolders: []string{filepath.Join(dir, "notes")}},
			"look for runtimes in " + dir + "/notes: none of its folders has a runtime.star\n" +
				"  --runtimes names a folder",
		},
		"runtime for a folder of runtimes": {
			script.Sources{RuntimeFolders: []string{filepath.Join(dir, "shop")}},
			"look for runtimes in " + dir + "/shop: none of its folders has a runtime.star\n  this is a runtime: " +
				"name the folder that holds it, --runtimes " + dir,
		},
	} {
		c.sources.Checkout = root
		if _, err := c.sources.Load(t.Context(), script.ParameterValues{}); err == nil {
			t.Errorf("%s: no error", name)
		} else {
			checkFault(t, err, c.want)
		}
	}
}
