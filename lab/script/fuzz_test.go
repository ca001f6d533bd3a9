package script

import (
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
	"time"
)

// brief keeps a script that a fuzzer makes from running for long.
var brief = limits{steps: 20_000, time: 2 * time.Second}

// greedy is what can take all memory in one step, which ends the process that
// evaluates: TestMemory has that, and a fuzzer would only find it again.
var greedy = regexp.MustCompile(`\*|<<|%|range|join|format|replace|[0-9]{6}`)

// FuzzScenario holds the host of scenarios to this: whatever a file says becomes a
// scenario or faults that have a place, and nothing else.
func FuzzScenario(f *testing.F) {
	ours := addScripts(f, "scenarios", "*.star")
	pool := variantPool{}
	f.Fuzz(func(t *testing.T, source string) {
		if !ours[source] && greedy.MatchString(source) {
			t.Skip()
		}
		s, faults, err := evaluateScenario(t.Context(), brief, "any", "scenarios/any.star", []byte(source), pool,
			nil)
		if err != nil {
			t.Fatal(err)
		}
		checkFaults(t, faults, source)
		if len(faults) == 0 && (s.Name == "" || len(s.Requests) == 0 || len(s.Phases) == 0) {
			t.Fatalf("neither a scenario nor a fault: %+v", s)
		}
	})
}

// FuzzRuntime is the same of runtime.star.
func FuzzRuntime(f *testing.F) {
	ours := addScripts(f, "runtimes", "*/runtime.star")
	f.Fuzz(func(t *testing.T, source string) {
		if !ours[source] && greedy.MatchString(source) {
			t.Skip()
		}
		r, faults, err := evaluateRuntime(t.Context(), brief, "any", "runtimes/any/runtime.star", []byte(source),
			[]string{"any", "node"})
		if err != nil {
			t.Fatal(err)
		}
		checkFaults(t, faults, source)
		if len(faults) == 0 && len(r.Variants) == 0 {
			t.Fatalf("neither a runtime nor a fault: %+v", r)
		}
		if len(faults) == 0 && (!filepath.IsLocal(r.Dockerfile) || strings.Contains(r.ContextRuntime, "..")) {
			t.Fatalf("it builds outside of its folder: %q in %q", r.Dockerfile, r.ContextRuntime)
		}
	})
}

// addScripts begins with the scripts that ship, and returns them: they are never
// passed over.
func addScripts(f *testing.F, folder, pattern string) map[string]bool {
	f.Helper()
	ours := make(map[string]bool)
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
		ours[string(text)] = true
	}
	return ours
}

// ends are the ends of lines that Starlark takes for such.
var ends = strings.NewReplacer("\r\n", "\n", "\r", "\n")

func checkFaults(t *testing.T, faults []Fault, source string) {
	t.Helper()
	lines := strings.Count(ends.Replace(source), "\n") + 1
	for _, fault := range faults {
		if fault.Text == "" || fault.Line < 0 || fault.Line > lines {
			t.Fatalf("a fault at line %d of %d: %q", fault.Line, lines, fault.Text)
		}
	}
}
