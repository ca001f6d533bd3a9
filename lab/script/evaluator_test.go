package script

import (
	"context"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"
)

// TestMain evaluates scripts if this program is started as the evaluator.
func TestMain(m *testing.M) {
	ServeEvaluation()
	os.Exit(m.Run())
}

const validScenario = `
scenario(name = "z", about = "a", requests = [get("/")], phases = [peak()], variants = ["rt/a"])
`

const validRuntime = `
runtime(about = "A runtime.", base = base(official = "rt:1", suite = "forky", packages = ["rt"]))
variant(name = "a", model = "single", about = "One.", command = ["rt"])
`

func loadScripts(t *testing.T, scripts map[string]string) *Library {
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

// A script that takes too much memory, step by step or in one step, must not
// prevent the evaluation of other files.
func TestTooMuchMemoryIsAFaultOfItsFile(t *testing.T) {
	const text = "the script used more than 256 MiB of memory; make it do less work"
	slowly := "def grow():\n    return [\"x\" * 1000000 + str(n) for n in range(100000)]\n\ngrow()\n"
	library := loadScripts(t, map[string]string{
		"runtimes/rt/runtime.star":   validRuntime,
		"runtimes/bomb/runtime.star": "x = [0] * 300000000\n",
		"scenarios/a.star":           slowly,
		"scenarios/b.star":           "x = [[0] * 3000000 for n in range(1000)]\n",
		"scenarios/z.star":           validScenario,
	})
	var got []string
	for _, f := range library.Faults {
		got = append(got, f.Error())
	}
	if len(got) != 3 {
		t.Fatalf("faults %q", got)
	}
	for i, want := range []string{"runtimes/bomb/runtime.star:1:", "scenarios/a.star:", "scenarios/b.star:1:"} {
		if !strings.HasPrefix(got[i], want) || !strings.HasSuffix(got[i], text) {
			t.Errorf("%q, want %s… %s", got[i], want, text)
		}
	}
	if len(library.Scenarios) != 1 || library.Scenarios[0].Name != "z" || len(library.Files) != 5 {
		t.Errorf("scenarios %+v of files %v", library.Scenarios, library.Files)
	}
}

// The interpreter checks its time limit only between steps. The parent process
// must end a step that takes too long.
func TestOneEndlessStepIsAFaultOfItsFile(t *testing.T) {
	files := []scriptFile{
		{Kind: runtimeKind, Name: "rt", DisplayName: "runtimes/rt/runtime.star", Source: []byte(validRuntime)},
		{
			Kind: scenarioKind, Name: "a", DisplayName: "scenarios/a.star",
			Source: []byte("x = int(\"9\" * 10000000)\n"),
		},
		{Kind: scenarioKind, Name: "z", DisplayName: "scenarios/z.star", Source: []byte(validScenario)},
	}
	ctx, cancel := context.WithTimeout(t.Context(), 30*time.Second)
	defer cancel()
	outcomes, err := evaluateInChild(ctx, files, workloadIndex{}, ParameterValues{}, time.Second)
	if err != nil {
		t.Fatal(err)
	}
	const want = "scenarios/a.star:1:1: the script ran for more than 1s; make it do less work"
	if faults := outcomes[1].Faults; len(faults) != 1 || faults[0].Error() != want {
		t.Errorf("faults %v, want %s", faults, want)
	}
	if z := outcomes[2]; len(z.Faults) > 0 || z.Scenario == nil || z.Scenario.Name != "z" {
		t.Errorf("the next file gave %+v", z)
	}
}
