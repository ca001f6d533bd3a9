package script

import (
	"context"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"
)

// TestMain makes this program the one that evaluates scripts, where it is
// started as that.
func TestMain(m *testing.M) {
	ServeEvaluation()
	os.Exit(m.Run())
}

const harmless = `scenario(name = "z", about = "a", requests = [get("/")], phases = [peak()], variants = ["rt/a"])` + "\n"

const aRuntime = `
runtime(about = "A runtime.", base = base(official = "rt:1", suite = "forky", packages = ["rt"]))
variant(name = "a", model = "single", about = "One.", command = ["rt"])
`

func loaded(t *testing.T, scripts map[string]string) *Library {
	t.Helper()
	root := t.TempDir()
	for name, text := range scripts {
		path := filepath.Join(root, name)
		if err := os.MkdirAll(filepath.Dir(path), 0o755); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(path, []byte(text), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	library, err := Load(t.Context(), root, ParameterValues{})
	if err != nil {
		t.Fatal(err)
	}
	return library
}

// What takes all memory, bit by bit or at once, is one file's mistake, in a
// runtime as in a scenario; the other files are read all the same.
func TestMemoryBombsAreMistakesOfTheirFile(t *testing.T) {
	const told = "more than 256 MiB of memory; a script describes, it does not compute"
	slowly := "def grow():\n    return [\"x\" * 1000000 + str(n) for n in range(100000)]\n\ngrow()\n"
	library := loaded(t, map[string]string{
		"runtimes/rt/runtime.star":   aRuntime,
		"runtimes/bomb/runtime.star": "x = [0] * 300000000\n",
		"scenarios/a.star":           slowly,
		"scenarios/b.star":           "x = [[0] * 3000000 for n in range(1000)]\n",
		"scenarios/z.star":           harmless,
	})
	var got []string
	for _, f := range library.Faults {
		got = append(got, f.Error())
	}
	if len(got) != 3 {
		t.Fatalf("faults %q", got)
	}
	for i, want := range []string{"runtimes/bomb/runtime.star:1:", "scenarios/a.star:", "scenarios/b.star:1:"} {
		if !strings.HasPrefix(got[i], want) || !strings.HasSuffix(got[i], told) {
			t.Errorf("%q, want %s… %s", got[i], want, told)
		}
	}
	if len(library.Scenarios) != 1 || library.Scenarios[0].Name != "z" || len(library.Files) != 5 {
		t.Errorf("scenarios %+v of files %v", library.Scenarios, library.Files)
	}
}

// Between two steps of the interpreter it looks at the clock; within one nobody does
// but the process that waits for it.
func TestOneEndlessStepIsAMistakeOfItsFile(t *testing.T) {
	files := []scriptFile{
		{Runtime: true, Name: "rt", DisplayName: "runtimes/rt/runtime.star", Source: []byte(aRuntime)},
		{Name: "a", DisplayName: "scenarios/a.star", Source: []byte("x = int(\"9\" * 10000000)\n")},
		{Name: "z", DisplayName: "scenarios/z.star", Source: []byte(harmless)},
	}
	ctx, cancel := context.WithTimeout(t.Context(), 30*time.Second)
	defer cancel()
	outcomes, err := evaluateInChild(ctx, files, ParameterValues{}, time.Second)
	if err != nil {
		t.Fatal(err)
	}
	const told = "scenarios/a.star:1:1: more than 1s of work; a script describes, it does not compute"
	if faults := outcomes[1].Faults; len(faults) != 1 || faults[0].Error() != told {
		t.Errorf("faults %v, want %s", faults, told)
	}
	if z := outcomes[2]; len(z.Faults) > 0 || z.Scenario == nil || z.Scenario.Name != "z" {
		t.Errorf("the file after it came out as %+v", z)
	}
}
