package cli

import (
	"cmp"
	"fmt"
	"go/ast"
	"go/build"
	"go/constant"
	"go/parser"
	"go/token"
	"go/types"
	"io"
	"math"
	"os"
	"path"
	"path/filepath"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"

	"runtimelab/lab"
	"runtimelab/lab/fault"
	"runtimelab/lab/metric"
	"runtimelab/lab/plan"
	"runtimelab/lab/record"
	"runtimelab/lab/script"
)

// TestDocumentsExamples runs `lab check` on every script that a document shows. Each
// python block is a complete file, whose first line names it. A text block after it holds
// the mistakes of that file.
func TestDocumentsExamples(t *testing.T) {
	root := t.TempDir()
	for _, folder := range []string{"runtimes", "scenarios"} {
		if err := os.CopyFS(filepath.Join(root, folder), os.DirFS(filepath.Join(repository, folder))); err != nil {
			t.Fatal(err)
		}
	}
	mistakes := map[string]string{} // by file
	var files []string
	for _, d := range readDocuments(t) {
		file := ""
		for _, b := range d.blocks {
			switch b.language {
			case "text":
				mistakes[file] = b.text
			case "python":
				found := exampleFile.FindStringSubmatch(b.text)
				if found == nil {
					t.Error(d.problem(b.line, "an example does not say which file it is, as in # scenarios/NAME.star"))
					continue
				}
				if file = found[1]; slices.Contains(files, file) {
					t.Error(d.problem(b.line, "%s is an example already", file))
				}
				files = append(files, file)
				target := filepath.Join(root, filepath.FromSlash(file))
				if err := os.MkdirAll(filepath.Dir(target), 0o755); err != nil {
					t.Fatal(err)
				}
				if err := os.WriteFile(target, []byte(b.text), 0o644); err != nil {
					t.Fatal(err)
				}
			}
		}
	}
	if len(files) < 10 || len(mistakes) == 0 {
		t.Fatalf("found only %d examples and %d of mistakes", len(files), len(mistakes))
	}
	for _, file := range files {
		wrong, wanted := mistakes[file], fault.ExitOK
		if wrong != "" {
			wanted = fault.ExitUsage
		}
		script := filepath.Join(root, filepath.FromSlash(file))
		code, _, stderr := labRun(t.Context(), "--root", root, "check", script)
		message, _, _ := strings.Cut(strings.TrimPrefix(stderr, "lab: "), "\n  ")
		if code != wanted || strings.TrimSpace(message) != strings.TrimSpace(wrong) {
			t.Errorf("lab check of the example %s exits with %d and prints\n%s\nwant %d and\n%s",
				file, code, message, wanted, wrong)
		}
	}
}

var exampleFile = regexp.MustCompile(
	`^# ((?:scenarios/[a-z0-9-]+|scenarios/services/[a-z0-9-]+/service|runtimes/[a-z0-9-]+/runtime)\.star)\n`)

// TestDocumentsHaveTheValuesOfTheCode checks names such as gate.MaxDoublingGain in the
// documents, and the values that stand before them.
func TestDocumentsHaveTheValuesOfTheCode(t *testing.T) {
	constants, compared := newConstants(), 0
	for _, d := range readDocuments(t) {
		problems, n := wrongConstants(d, constants)
		failEach(t, problems)
		compared += n
	}
	if compared < 60 {
		t.Errorf("only %d values were compared with the code", compared)
	}
}

var (
	codeName  = regexp.MustCompile("`([a-z]+)\\.([A-Za-z]\\w*)`")
	codeValue = regexp.MustCompile("([0-9][0-9.]*)((?: ?%| [a-zA-Zµ]+)?)(?: [a-z]+)*" +
		"\\s\\(`([a-z]+)\\.([A-Za-z]\\w*)`\\)")
)

// wrongConstants returns the names in a document that no package declares, and the values
// that differ from the code. It also returns how many values it compared.
func wrongConstants(d document, known *constants) (problems []string, compared int) {
	for _, p := range d.text {
		for _, found := range codeName.FindAllStringSubmatch(p.text, -1) {
			if found[1]+"."+found[2] == record.PageFile {
				continue // a file of a run, whose name is also that of a package
			}
			_, err := os.Stat(filepath.Join(repository, path.Dir(d.path), found[1]+"."+found[2]))
			if pkg := known.load(found[1]); err != nil && pkg != nil && pkg.Scope().Lookup(found[2]) == nil {
				problems = append(problems, d.problem(p.line, "there is no %s.%s", found[1], found[2]))
			}
		}
		for _, found := range codeValue.FindAllStringSubmatch(p.text, -1) {
			written, err := quantity(found[1], strings.TrimSpace(found[2]))
			value, ok := known.value(found[3], found[4])
			if !ok {
				continue // not a constant, or not a number
			}
			compared++
			if err != nil || math.Abs(written-value) > 1e-9*math.Abs(value) {
				problems = append(problems,
					d.problem(p.line, "%s.%s is %v, not %v", found[3], found[4], value, written))
			}
		}
	}
	return problems, compared
}

// quantity returns a number with its unit in seconds, bytes, or as a fraction for %.
func quantity(number, unit string) (float64, error) {
	n, err := strconv.ParseFloat(strings.TrimSuffix(number, "."), 64)
	if err != nil {
		return 0, fmt.Errorf("reading %q: %w", number, err)
	}
	factors := map[string]float64{
		"%": 0.01, "µs": 1e-6, "ms": 1e-3, "hour": 3600, "days": 86400, "MiB": 1 << 20, "GiB": 1 << 30,
	}
	return n * cmp.Or(factors[unit], 1), nil // any other word names the things that are counted
}

// constants loads the declarations of the lab's packages, by package name.
type constants struct{ packages map[string]*types.Package }

func newConstants() *constants { return &constants{map[string]*types.Package{}} }

// value returns a constant as a number; a duration is in seconds.
func (c *constants) value(pkg, name string) (float64, bool) {
	loaded := c.load(pkg)
	if loaded == nil {
		return 0, false
	}
	declared, ok := loaded.Scope().Lookup(name).(*types.Const)
	if !ok || declared.Val() == nil {
		return 0, false
	}
	value, _ := constant.Float64Val(constant.ToFloat(declared.Val()))
	if declared.Type().String() == "time.Duration" {
		value /= float64(time.Second)
	}
	return value, declared.Val().Kind() == constant.Int || declared.Val().Kind() == constant.Float
}

// load returns a package of the lab, nil if there is none of that name. It skips function
// bodies and most imports, which constants do not need.
func (c *constants) load(name string) *types.Package {
	if pkg, known := c.packages[name]; known {
		return pkg
	}
	c.packages[name] = nil
	folder := filepath.Join(repository, "lab", name)
	if name == "lab" {
		folder = filepath.Join(repository, "lab")
	}
	listed, err := build.ImportDir(folder, 0)
	if err != nil {
		return nil
	}
	var files []*ast.File
	set := token.NewFileSet()
	for _, file := range listed.GoFiles {
		parsed, err := parser.ParseFile(set, filepath.Join(folder, file), nil, parser.SkipObjectResolution)
		if err != nil {
			return nil
		}
		files = append(files, parsed)
	}
	config := types.Config{Importer: c, IgnoreFuncBodies: true, Error: func(error) {}}
	c.packages[name], _ = config.Check(listed.Name, set, files, nil) // errors come from skipped imports
	return c.packages[name]
}

// Import returns packages of the lab, package time with only its units, and empty packages
// for other paths.
func (c *constants) Import(name string) (*types.Package, error) {
	if name == "runtimelab/lab" || strings.HasPrefix(name, "runtimelab/lab/") {
		if pkg := c.load(path.Base(name)); pkg != nil {
			return pkg, nil
		}
	}
	pkg := types.NewPackage(name, path.Base(name))
	if name == "time" {
		duration := types.NewTypeName(token.NoPos, pkg, "Duration", nil)
		kind := types.NewNamed(duration, types.Typ[types.Int64], nil)
		pkg.Scope().Insert(duration)
		for unit, length := range map[string]time.Duration{
			"Nanosecond": time.Nanosecond, "Microsecond": time.Microsecond, "Millisecond": time.Millisecond,
			"Second": time.Second, "Minute": time.Minute, "Hour": time.Hour,
		} {
			pkg.Scope().Insert(types.NewConst(token.NoPos, pkg, unit, kind, constant.MakeInt64(int64(length))))
		}
	}
	pkg.MarkComplete()
	return pkg, nil
}

// TestDocumentsHaveTheListsOfTheCode checks the lists that are generated from the code.
// UPDATE_DOCUMENTS=1 rewrites them.
func TestDocumentsHaveTheListsOfTheCode(t *testing.T) {
	library, err := script.Load(t.Context(), repository, script.ParameterValues{})
	if err != nil {
		t.Fatal(err)
	}
	for _, generated := range []struct{ file, name, list string }{
		{"results/README.md", "columns", listOfColumns()},
		{"lab/METHOD.md", "profiles", tableOfProfiles()},
		{"runtimes/README.md", "workloads", listOfWorkloads(library.Workloads)},
		{"scenarios/README.md", "phases", tableOfPhases()},
		{"scenarios/README.md", "scenarios", listOfScenarios(library.Scenarios)},
	} {
		file := filepath.Join(repository, filepath.FromSlash(generated.file))
		text, err := os.ReadFile(file)
		if err != nil {
			t.Fatal(err)
		}
		name := generated.name
		place := regexp.MustCompile(`(?s)(<!-- ` + name + `: [^\n]* -->\n).*(<!-- /` + name + ` -->)`)
		if !place.Match(text) {
			t.Errorf("%s has no place for the %s of the code: <!-- %[2]s: ... --> and <!-- /%[2]s -->",
				generated.file, name)
			continue
		}
		list := strings.ReplaceAll(generated.list, "$", "$$")
		want := place.ReplaceAllString(string(text), "${1}\n"+list+"\n${2}")
		switch {
		case want == string(text):
		case os.Getenv("UPDATE_DOCUMENTS") != "":
			if err := os.WriteFile(file, []byte(want), 0o644); err != nil {
				t.Fatal(err)
			}
		default:
			t.Errorf("%s does not have the %s of the code; to write them, run: "+
				"UPDATE_DOCUMENTS=1 go test -run TestDocuments ./lab/cli", generated.file, name)
		}
	}
}

// listOfColumns returns a list of the columns of trials.csv, by group.
func listOfColumns() string {
	var groups []metric.Group
	members := map[metric.Group][]metric.Metric{}
	for _, m := range metric.Table() {
		if members[m.Group] == nil {
			groups = append(groups, m.Group)
		}
		members[m.Group] = append(members[m.Group], m)
	}
	var b strings.Builder
	for i, group := range groups {
		if i > 0 {
			b.WriteByte('\n')
		}
		fmt.Fprintf(&b, "Group %s:\n\n", group)
		for _, m := range members[group] {
			words := []string{string(m.Kind)}
			if m.Better != metric.Neither {
				words = append(words, string(m.Better)+" is better")
			}
			if m.Rows != metric.EveryRow {
				words = append(words, "only: "+string(m.Rows))
			}
			writeItem(&b, fmt.Sprintf("`%s` (%s): %s", m.Name, strings.Join(words, "; "), m.About))
		}
	}
	return b.String()
}

// writeItem writes an item of a list, wrapped at the width of prose.
func writeItem(w io.Writer, text string) { writeWrapped(w, " - ", "   ", text) }

// writeWrapped writes words, wrapped at the width of prose: the first line after one prefix, the
// others after another.
func writeWrapped(w io.Writer, first, others, text string) {
	line, begun := first, false
	for _, word := range strings.Fields(text) {
		switch {
		case begun && len([]rune(line))+1+len([]rune(word)) > maxProseWidth:
			fmt.Fprintln(w, line)
			line = others + word
		case begun:
			line += " " + word
		default:
			line, begun = line+word, true
		}
	}
	fmt.Fprintln(w, line)
}

func tableOfProfiles() string {
	var b strings.Builder
	b.WriteString("| profile | blocks | warm-up, at most | peak, ladder | steady | limit |\n")
	b.WriteString("|---|---|---|---|---|---|\n")
	for _, p := range plan.Profiles() {
		limit := "none"
		if p.TimeLimit > 0 {
			limit = p.TimeLimit.String()
		}
		fmt.Fprintf(&b, "| %s | %d | %v | %v | %v | %s |\n", p.Name, p.Blocks, p.WarmUpMax, p.PeakDuration,
			p.SteadyDuration, limit)
	}
	return b.String()
}

// tableOfPhases returns a table of the kinds of phase, with the arguments that are their load.
func tableOfPhases() string {
	arguments := map[lab.LoadForm]string{
		lab.LoadRate: "`rate`", lab.LoadRates: "`rates`, a list", lab.LoadStartStop: "`start`, `stop`",
		lab.LoadStart: "`slo`, `start` (the first rate)",
	}
	var b strings.Builder
	b.WriteString("| phase | what it does | arguments |\n|---|---|---|\n")
	for _, kind := range lab.PhaseKinds() {
		load := arguments[kind.Load]
		switch {
		case kind.Discarded:
			load = "`connections = 64`"
		case kind.Pacing == lab.ArrivingClients:
			load = "`connections`, or a list"
		case kind.Load == lab.LoadConnections:
			load = "`connections = 64`, or a list"
		}
		fmt.Fprintf(&b, "| `%s` | %s | %s |\n", kind.Kind, kind.About, load)
	}
	return b.String()
}

func listOfScenarios(scenarios []lab.Scenario) string {
	var b strings.Builder
	for _, s := range scenarios {
		tests := "no hypotheses"
		if claims := claimsWithProfiles(lab.Tests(s.Hypotheses, s.Promises)); len(claims) > 0 {
			tests = "tests " + strings.Join(claims, ", ")
		}
		writeItem(&b, fmt.Sprintf("[%s](%s): %s; %s", s.Name, path.Base(s.File), s.About, tests))
	}
	return b.String()
}

// TestDocumentsListPackagesAndModules checks that lab/README.md names each package, and
// each direct dependency in go.mod.
func TestDocumentsListPackagesAndModules(t *testing.T) {
	text, err := os.ReadFile(filepath.Join(repository, "lab", "README.md"))
	if err != nil {
		t.Fatal(err)
	}
	has := func(name string) bool { return strings.Contains(string(text), "`"+name+"`") }
	// Only a malformed pattern is an error.
	folders, _ := filepath.Glob(filepath.Join(repository, "lab", "*", "doc.go"))
	for _, file := range folders {
		if name := "lab/" + filepath.Base(filepath.Dir(file)); !has(name) {
			t.Errorf("lab/README.md does not name the package %s", name)
		}
	}
	modules, err := os.ReadFile(filepath.Join(repository, "go.mod"))
	if err != nil {
		t.Fatal(err)
	}
	direct := regexp.MustCompile(`(?m)^\t(\S+) v\S+$`).FindAllStringSubmatch(string(modules), -1)
	if len(folders) < 10 || len(direct) < 10 {
		t.Fatalf("found only %d packages and %d modules", len(folders), len(direct))
	}
	for _, found := range direct {
		if !has(found[1]) {
			t.Errorf("lab/README.md does not name the module %s", found[1])
		}
	}
}
