package cli

import (
	"encoding/json"
	"go/ast"
	"go/parser"
	"go/token"
	"io/fs"
	"maps"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"testing"

	"runtimelab/lab"
)

// tableOfKinds is the file that may name kinds of phase. All other code asks for their traits.
const tableOfKinds = "phasekind.go"

// namesOutsideTheTable are the exceptions: a file and the name in it, with the reason.
var namesOutsideTheTable = map[string]string{
	"attack/steadiness.go steady": "why a warm-up ended: a value of warmup_end",
	"calibrate/attack.go Peak":    "the instrument is calibrated without a plan, by a closed loop",
	"calibrate/attack.go Steady":  "and by an open loop",
	"calibrate/attack.go peak":    "the name of that attack, for messages",
	"cli/progress.go steps":       "a noun: how many steps a search took",
	"plan/control.go WarmUp":      "controls have no script: their scenario is written in Go",
	"plan/control.go Peak":        "the same",
	"plan/pilot.go Peak":          "a pilot measures a peak, also if its scenario has none",
}

// TestOnlyTheTableNamesKindsOfPhase reads all code but tests, and looks for the constants of kinds
// and for text that is one, begins like the name of a phase, or is a call in a script.
func TestOnlyTheTableNamesKindsOfPhase(t *testing.T) {
	constants := kindConstants(t)
	var kinds []string
	for _, kind := range lab.PhaseKinds() {
		kinds = append(kinds, string(kind.Kind))
	}
	declared := slices.Sorted(maps.Values(constants))
	if !slices.Equal(declared, slices.Sorted(slices.Values(kinds))) {
		t.Errorf("%s declares the kinds %v, and its table has %v", tableOfKinds, declared, kinds)
	}
	anyKind := "(?:" + strings.Join(kinds, "|") + ")"
	asText := regexp.MustCompile("^" + anyKind + `(?:-|$)|\b` + anyKind + `\(`)
	root := filepath.Join(repository, "lab")
	found, files := map[string]bool{}, 0
	err := filepath.WalkDir(root, func(path string, entry fs.DirEntry, err error) error {
		if err != nil || entry.IsDir() || !strings.HasSuffix(path, ".go") || strings.HasSuffix(path, "_test.go") {
			return err
		}
		file, err := filepath.Rel(root, path)
		if err != nil || file == tableOfKinds {
			return err
		}
		files++
		set := token.NewFileSet()
		parsed, err := parser.ParseFile(set, path, nil, parser.SkipObjectResolution)
		if err != nil {
			return err
		}
		file = filepath.ToSlash(file)
		for _, name := range namedKinds(parsed, constants, asText, filepath.Dir(path) == root) {
			place := file + " " + name.text
			if found[place] = true; namesOutsideTheTable[place] == "" {
				t.Errorf("%s names the kind of phase %s; ask for a trait of the kind instead (lab/%s)",
					set.Position(name.at), name.text, tableOfKinds)
			}
		}
		return nil
	})
	if err != nil || files < 100 {
		t.Fatalf("read %d files, error %v", files, err)
	}
	for place := range namesOutsideTheTable {
		if !found[place] {
			t.Errorf("%s is an exception, but the file does not have the name: remove it here", place)
		}
	}
}

// kindName is the name of a kind in a file.
type kindName struct {
	text string // of a constant, or what a string begins with
	at   token.Pos
}

// namedKinds returns the kinds that a file names. A file of the vocabulary names constants without
// the package.
func namedKinds(
	file *ast.File, constants map[string]string, asText *regexp.Regexp, vocabulary bool,
) (names []kindName) {
	notConstants := map[*ast.Ident]bool{} // names of fields
	ast.Inspect(file, func(n ast.Node) bool {
		switch n := n.(type) {
		case *ast.Field:
			for _, id := range n.Names {
				notConstants[id] = true
			}
			if n.Tag != nil {
				n.Tag.Value = "``"
			}
		case *ast.KeyValueExpr:
			if id, ok := n.Key.(*ast.Ident); ok {
				notConstants[id] = true
			}
		case *ast.SelectorExpr:
			notConstants[n.Sel] = true
			if pkg, ok := n.X.(*ast.Ident); ok && pkg.Name == "lab" && constants[n.Sel.Name] != "" {
				names = append(names, kindName{n.Sel.Name, n.Pos()})
			}
		case *ast.Ident:
			if vocabulary && constants[n.Name] != "" && !notConstants[n] {
				names = append(names, kindName{n.Name, n.Pos()})
			}
		case *ast.BasicLit:
			if n.Kind != token.STRING {
				return true
			}
			text, _ := strconv.Unquote(n.Value) // the parser has accepted it
			if kind := asText.FindString(text); kind != "" {
				names = append(names, kindName{strings.Trim(kind, "-("), n.Pos()})
			}
		}
		return true
	})
	return names
}

// kindConstants returns the constants of kinds that the table's file declares, with their values.
func kindConstants(t *testing.T) map[string]string {
	t.Helper()
	file, err := parser.ParseFile(token.NewFileSet(), filepath.Join(repository, "lab", tableOfKinds), nil, 0)
	if err != nil {
		t.Fatal(err)
	}
	constants := map[string]string{}
	ast.Inspect(file, func(n ast.Node) bool {
		spec, ok := n.(*ast.ValueSpec)
		if !ok {
			return true
		}
		if kind, ok := spec.Type.(*ast.Ident); ok && kind.Name == "PhaseKind" {
			value, err := strconv.Unquote(spec.Values[0].(*ast.BasicLit).Value)
			if err != nil {
				t.Fatal(err)
			}
			constants[spec.Names[0].Name] = value
		}
		return true
	})
	return constants
}

// soakRow is the row of a kind that the lab does not have.
const soakRow = `
	{
		Kind: "soak", About: "open loop for a long time", Pacing: OpenLoop, Load: LoadRate,
		Duration: func(p Profile) time.Duration { return 3 * p.SteadyDuration },
		Headline: "latency_p99_ms", Compared: []string{"latency_p99_ms"}, WarmedUpBy: WarmUp,
	},
`

// TestANewKindOfPhaseIsOneRow builds the lab with another row in the table and no other change, and
// uses the kind: in a script, a plan, a report and a comparison.
func TestANewKindOfPhaseIsOneRow(t *testing.T) {
	if testing.Short() {
		t.Skip("builds the lab")
	}
	program, root := buildWithKind(t, soakRow), soakCheckout(t)
	soaked := filepath.Join(root, "results", "20261124T100000Z-00aa")
	for _, tt := range []struct {
		arguments []string
		want      []string
	}{
		{[]string{"plan", "soaked", "--profile", "smoke"}, []string{
			"9s: soak at 500/s (poisson)", "at most 12s",
		}},
		{[]string{"list"}, []string{"soak at 500/s (poisson)"}},
		{[]string{"report", soaked}, []string{"p50 and p99 at ", "(soak-50%)"}},
		{[]string{"compare", soaked, soaked}, []string{"soak-50%", "latency_p99_ms"}},
	} {
		run := exec.CommandContext(t.Context(), program, append([]string{"--root", root}, tt.arguments...)...)
		output, err := run.CombinedOutput()
		if err != nil {
			t.Errorf("lab %v: %v\n%s", tt.arguments, err, output)
			continue
		}
		for _, want := range tt.want {
			if !strings.Contains(string(output), want) {
				t.Errorf("lab %v does not print %q:\n%s", tt.arguments, want, output)
			}
		}
	}
}

// buildWithKind builds the command lab with another row in the table of kinds of phase.
func buildWithKind(t *testing.T, row string) (program string) {
	t.Helper()
	table, err := filepath.Abs(filepath.Join(repository, "lab", tableOfKinds))
	if err != nil {
		t.Fatal(err)
	}
	source, err := os.ReadFile(table)
	if err != nil {
		t.Fatal(err)
	}
	const first = "var phaseKinds = []PhaseTraits{"
	if strings.Count(string(source), first) != 1 {
		t.Fatalf("%s has no table that begins with %s", table, first)
	}
	dir := t.TempDir()
	replaced, overlay, program := filepath.Join(dir, tableOfKinds), filepath.Join(dir, "overlay.json"),
		filepath.Join(dir, "lab")
	content, err := json.Marshal(map[string]map[string]string{"Replace": {table: replaced}})
	if err != nil {
		t.Fatal(err)
	}
	for file, text := range map[string]string{
		replaced: strings.Replace(string(source), first, first+row, 1), overlay: string(content),
	} {
		if err := os.WriteFile(file, []byte(text), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	build := exec.CommandContext(t.Context(), "go", "build", "-buildvcs=false", "-overlay", overlay,
		"-o", program, "./lab/cmd/lab")
	build.Dir = repository
	if output, err := build.CombinedOutput(); err != nil {
		t.Fatalf("%v: %s", err, output)
	}
	return program
}

// soakCheckout returns a copy of the checkout with a scenario of the kind soak, and a recorded run
// that an older lab would have written with it.
func soakCheckout(t *testing.T) (root string) {
	t.Helper()
	root = t.TempDir()
	const run = "20261124T100000Z-00aa"
	for from, to := range map[string]string{
		"runtimes": "runtimes", "scenarios": "scenarios", "lab/compare/testdata/" + run: "results/" + run,
	} {
		if err := os.CopyFS(filepath.Join(root, to), os.DirFS(filepath.Join(repository, from))); err != nil {
			t.Fatal(err)
		}
	}
	scenario := `scenario(
    name = "soaked",
    about = "a kind of phase that only this test has",
    requests = [get("/json")],
    phases = [warmup(), soak(rate = 500)],
    variants = ["node/single"],
)
`
	trials := filepath.Join(root, "results", run, "trials.csv")
	text, err := os.ReadFile(trials)
	if err != nil {
		t.Fatal(err)
	}
	rows := strings.ReplaceAll(string(text), ",steady-50%,", ",soak-50%,")
	if rows == string(text) {
		t.Fatalf("%s has no phase steady-50%%", trials)
	}
	for file, text := range map[string]string{
		trials: rows, filepath.Join(root, "scenarios", "soaked.star"): scenario,
	} {
		if err := os.WriteFile(file, []byte(text), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	return root
}
