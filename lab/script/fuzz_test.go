package script

import (
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
	"time"
)

// fuzzLimits stops the scripts of the fuzzer early.
var fuzzLimits = limits{steps: 20_000, time: 2 * time.Second}

// allocates matches what can take all memory in one step, which ends the process.
// TestTooMuchMemoryIsAFaultOfItsFile covers that; the fuzzer would only find it again.
var allocates = regexp.MustCompile(`\*|<<|%|range|join|format|replace|[0-9]{6}`)

// FuzzScenario checks that any file gives either a scenario, claims or faults with a place.
func FuzzScenario(f *testing.F) {
	shipped := addScripts(f, "scenarios", "*.star")
	pool := variantPool{}
	f.Fuzz(func(t *testing.T, source string) {
		if !shipped[source] && allocates.MatchString(source) {
			t.Skip()
		}
		result, err := evaluateScenario(t.Context(), fuzzLimits, "any", "scenarios/any.star",
			[]byte(source), pool, nil)
		if err != nil {
			t.Fatal(err)
		}
		checkFaults(t, result.Faults, source)
		if len(result.Faults) > 0 {
			return
		}
		if s := result.Scenario; s == nil && len(result.Claims) == 0 ||
			s != nil && (s.Name == "" || len(s.Requests) == 0 || len(s.Phases) == 0) {
			t.Fatalf("neither a scenario nor a claim nor a fault: %+v", s)
		}
		for _, d := range result.Claims {
			if !namePattern.MatchString(d.id()) || d.Claim.Statement == "" && d.Topic.Reason == "" {
				t.Fatalf("a claim without an id or a text: %+v", d)
			}
		}
	})
}

// FuzzRuntime checks that any file gives either a runtime or faults with a place.
func FuzzRuntime(f *testing.F) {
	shipped := addScripts(f, "runtimes", "*/runtime.star")
	f.Fuzz(func(t *testing.T, source string) {
		if !shipped[source] && allocates.MatchString(source) {
			t.Skip()
		}
		r, faults, err := evaluateRuntime(t.Context(), fuzzLimits, "any", "runtimes/any/runtime.star",
			[]byte(source), []string{"any", "node"}, workloadIndex{Names: []string{"hello"}})
		if err != nil {
			t.Fatal(err)
		}
		checkFaults(t, faults, source)
		if len(faults) == 0 && len(r.Variants) == 0 {
			t.Fatalf("neither a runtime nor a fault: %+v", r)
		}
		if len(faults) == 0 && (!filepath.IsLocal(r.Dockerfile) || strings.Contains(r.ContextRuntime, "..")) {
			t.Fatalf("the runtime builds outside of its folder: %q in %q", r.Dockerfile, r.ContextRuntime)
		}
	})
}

// addScripts adds the scripts of this repository to the corpus and returns them,
// so that none of them is skipped.
func addScripts(f *testing.F, folder, pattern string) map[string]bool {
	f.Helper()
	shipped := make(map[string]bool)
	files, err := filepath.Glob(filepath.Join("..", "..", folder, pattern))
	if err != nil || len(files) == 0 {
		f.Fatalf("no script to begin with: %v", err)
	}
	for _, file := range files {
		text, err := os.ReadFile(file)
		if err != nil {
			f.Fatal(err)
		}
		f.Add(string(text))
		shipped[string(text)] = true
	}
	return shipped
}

// lineEnds replaces all line ends that Starlark knows by a line feed.
var lineEnds = strings.NewReplacer("\r\n", "\n", "\r", "\n")

func checkFaults(t *testing.T, faults []Fault, source string) {
	t.Helper()
	lines := strings.Count(lineEnds.Replace(source), "\n") + 1
	for _, fault := range faults {
		if fault.Text == "" || fault.Line < 0 || fault.Line > lines {
			t.Fatalf("a fault at line %d of %d: %q", fault.Line, lines, fault.Text)
		}
	}
}
