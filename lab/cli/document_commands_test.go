package cli

import (
	"fmt"
	"io"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"

	"github.com/alecthomas/kong"

	"runtimelab/lab"
	"runtimelab/lab/image"
	"runtimelab/lab/script"
	"runtimelab/lab/serve"
)

// TestDocumentsNameCommandsThatExist checks every command line in the documents, in blocks
// of code and in text: lab with its own parser, make with the Makefile, go test with the
// packages. It checks paths of this repository too.
func TestDocumentsNameCommandsThatExist(t *testing.T) {
	documents := readDocuments(t)
	checks := newCommandChecks(t, documents)
	for _, d := range documents {
		failEach(t, checks.problems(d))
	}
	if checks.counted < 50 {
		t.Errorf("only %d command lines were found", checks.counted)
	}
}

// commandChecks checks command lines.
type commandChecks struct {
	makefile  string
	scenarios []string // in scenarios/, and those that documents show or write with lab new
	counted   int      // command lines checked so far
}

func newCommandChecks(t *testing.T, documents []document) *commandChecks {
	t.Helper()
	makefile, err := os.ReadFile(filepath.Join(repository, "Makefile"))
	if err != nil {
		t.Fatal(err)
	}
	library, err := script.Load(t.Context(), repository, script.ParameterValues{})
	if err != nil {
		t.Fatal(err)
	}
	c := &commandChecks{makefile: string(makefile), scenarios: scenarioNames(library.Scenarios)}
	for _, d := range documents {
		for _, b := range d.blocks {
			for _, found := range newScenario.FindAllStringSubmatch(b.text, -1) {
				c.scenarios = append(c.scenarios, found[1])
			}
			if found := scenarioExample.FindStringSubmatch(b.text); found != nil {
				c.scenarios = append(c.scenarios, found[1])
			}
		}
	}
	return c
}

var newScenario = regexp.MustCompile(`(?m)^bin/lab new scenario ([a-z0-9-]+)`)

var scenarioExample = regexp.MustCompile(`^# scenarios/([a-z0-9-]+)\.star\n`)

// problems returns the mistakes in the command lines of a document.
func (c *commandChecks) problems(d document) (problems []string) {
	check := func(line int, command string, complete bool) {
		for _, problem := range c.check(command, complete) {
			problems = append(problems, d.problem(line, "%s", problem))
		}
	}
	for _, b := range d.blocks {
		for i, line := range strings.Split(b.text, "\n") {
			command, _, _ := strings.Cut(line, " #")
			check(b.line+i, strings.TrimSpace(command), true)
		}
	}
	for _, p := range d.text {
		for _, code := range inlineCode.FindAllStringSubmatch(p.text, -1) {
			check(p.line, code[1], false)
		}
	}
	return problems
}

var (
	assignment     = regexp.MustCompile(`^([A-Z_]+)=(\S+)$`)
	shellOperator  = regexp.MustCompile(`[|;>]|&&`)
	repositoryPath = regexp.MustCompile(`^(lab|\.ci)/[\w./-]+$`)
)

// check returns the mistakes in one command line, and none for other text. A command line
// that is not complete, as in text, may lack arguments.
func (c *commandChecks) check(command string, complete bool) (problems []string) {
	words := strings.Fields(shellOperator.Split(command, 2)[0])
	for i, word := range words {
		words[i] = strings.Trim(word, "[]…") // marks of optional and repeated arguments
	}
	variables := map[string]string{}
	for len(words) > 0 {
		found := assignment.FindStringSubmatch(words[0])
		if found == nil {
			break
		}
		variables[found[1]] = found[2]
		words = words[1:]
	}
	if len(words) == 1 && repositoryPath.MatchString(words[0]) {
		return checkPath(words[0])
	}
	var mistakes []string
	switch {
	case len(words) < 2:
	case words[0] == "lab", words[0] == "bin/lab":
		c.counted++
		mistakes = c.checkLab(words[1:], complete)
	case words[0] == "make":
		c.counted++
		mistakes = c.checkMake(words[1:])
	case words[0] == "go" && words[1] == "test":
		c.counted++
		mistakes = checkGoTest(words[2:])
	}
	for name, value := range variables {
		mistakes = append(mistakes, c.checkVariable(name, value)...)
	}
	for _, mistake := range mistakes {
		problems = append(problems, command+": "+mistake)
	}
	return problems
}

// checkPath returns a problem if a path of the repository does not exist. The ids of the
// lab's responders look like paths, and are none.
func checkPath(name string) []string {
	for _, v := range append(serve.References(), serve.Burn()) {
		if v.ID() == name {
			return nil
		}
	}
	if _, err := os.Stat(filepath.Join(repository, filepath.FromSlash(name))); err != nil {
		return []string{"there is no " + name}
	}
	return nil
}

// placeholder matches a word that the user replaces, such as RUN.
var placeholder = regexp.MustCompile(`^[A-Z]+$`)

// checkLab checks the arguments of a lab command line.
func (c *commandChecks) checkLab(words []string, complete bool) (problems []string) {
	var args []string
	for _, word := range words {
		switch word {
		case "--help": // would end the parser
		case "N":
			args = append(args, "7")
		default:
			args = append(args, word)
		}
	}
	var parsed commands
	parser, err := newParser(&parsed, Streams{Out: io.Discard, Err: io.Discard})
	if err != nil {
		return []string{err.Error()}
	}
	context, err := parser.Parse(args)
	if err != nil {
		if !complete && strings.HasPrefix(err.Error(), "expected ") && commandExists(parser, args) {
			return nil
		}
		return []string{err.Error()}
	}
	command, _, _ := strings.Cut(context.Command(), " ")
	var planned []planFlags
	switch command {
	case "run":
		_, err := image.ParseBaseMode(parsed.Run.Bases)
		problems = append(problems, messageOf(err)...)
		planned = append(planned, parsed.Run.planFlags)
	case "plan":
		planned = append(planned, parsed.Plan.planFlags)
	case "contract":
		_, err := image.ParseBaseMode(parsed.Contract.Bases)
		problems = append(problems, messageOf(err)...)
	case "compare":
		_, err := parsed.Compare.checkFlags()
		problems = append(problems, messageOf(err)...)
		_, err = parsed.Compare.selectMetrics()
		problems = append(problems, messageOf(err)...)
	}
	for _, flags := range planned {
		problems = append(problems, checkProfile(flags.Profile)...)
		for _, name := range flags.Scenarios {
			if !placeholder.MatchString(name) && !slices.Contains(c.scenarios, name) {
				problems = append(problems, fmt.Sprintf("there is no scenario %q", name))
			}
		}
	}
	return problems
}

// commandExists reports whether arguments begin with the name of a command, which other
// words may follow.
func commandExists(parser *kong.Kong, args []string) bool {
	node := parser.Model.Node
	for _, word := range args {
		i := slices.IndexFunc(node.Children, func(child *kong.Node) bool { return child.Name == word })
		if i < 0 {
			return node != parser.Model.Node
		}
		node = node.Children[i]
	}
	return true
}

// messageOf returns the message of an error as a list, empty for nil.
func messageOf(err error) []string {
	if err == nil {
		return nil
	}
	return []string{err.Error()}
}

func checkProfile(name string) []string {
	if name == "" || placeholder.MatchString(name) || slices.Contains(lab.ProfileNames(), name) {
		return nil
	}
	return []string{fmt.Sprintf("there is no profile %q", name)}
}

// checkMake checks the targets and variables of a make command line.
func (c *commandChecks) checkMake(words []string) (problems []string) {
	for _, word := range words {
		found := assignment.FindStringSubmatch(word)
		target := regexp.MustCompile(`(?m)^` + regexp.QuoteMeta(word) + `:`)
		switch {
		case found != nil:
			problems = append(problems, c.checkVariable(found[1], found[2])...)
		case placeholder.MatchString(word):
		case !target.MatchString(c.makefile):
			problems = append(problems, fmt.Sprintf("the Makefile has no target %q", word))
		}
	}
	return problems
}

// checkVariable checks an environment variable that the Makefile or lab reads.
func (c *commandChecks) checkVariable(name, value string) []string {
	switch name {
	case "PROFILE":
		return checkProfile(value)
	case "LAB_BASES":
		_, err := image.ParseBaseMode(value)
		return messageOf(err)
	case "ARGS":
		return c.checkLab([]string{"run", value}, true)
	case "BENCH":
		if checkTestFunction("Benchmark"+value, filepath.Join("lab", "session")) == nil {
			return nil
		}
		return checkTestFunction("Benchmark"+value, filepath.Join("lab", "cli"))
	case "UPDATE_DOCUMENTS", "UPDATE_SCRIPTS":
		return nil // tests read them
	}
	if !regexp.MustCompile(`(?m)^(export )?` + name + ` \?=`).MatchString(c.makefile) {
		return []string{fmt.Sprintf("nothing reads the variable %q", name)}
	}
	return nil
}

// checkTestFunction returns a problem if no test file of a package declares a function.
func checkTestFunction(function, folder string) []string {
	// Only a malformed pattern is an error.
	tests, _ := filepath.Glob(filepath.Join(repository, folder, "*_test.go"))
	for _, file := range tests {
		text, err := os.ReadFile(file)
		if err == nil && strings.Contains(string(text), "func "+function+"(") {
			return nil
		}
	}
	return []string{fmt.Sprintf("there is no %s in %s", function, filepath.ToSlash(folder))}
}

// checkGoTest checks the packages and the -run pattern of a go test command line.
func checkGoTest(words []string) (problems []string) {
	pattern := ""
	for i, word := range words {
		switch {
		case word == "-run" && i+1 < len(words):
			pattern = words[i+1]
		case strings.HasPrefix(word, "./"):
			folder := strings.TrimSuffix(strings.TrimPrefix(word, "./"), "/...")
			if missing := checkPath(folder); missing != nil {
				return missing
			}
			problems = append(problems, checkPattern(folder, pattern)...)
		}
	}
	return problems
}

// checkPattern returns a problem if no test of a folder matches a -run pattern.
func checkPattern(folder, pattern string) []string {
	wanted, err := regexp.Compile(strings.Trim(pattern, "'"))
	if err != nil {
		return []string{err.Error()}
	}
	tests, _ := filepath.Glob(filepath.Join(repository, filepath.FromSlash(folder), "*_test.go"))
	for _, file := range tests {
		text, err := os.ReadFile(file)
		if err != nil {
			return []string{err.Error()}
		}
		for _, found := range testFunction.FindAllStringSubmatch(string(text), -1) {
			if wanted.MatchString(found[1]) {
				return nil
			}
		}
	}
	if pattern == "" {
		return nil // without -run, the folder need not have tests itself
	}
	return []string{"no test of " + folder + " matches -run"}
}

var testFunction = regexp.MustCompile(`(?m)^func (Test\w*)\(`)
