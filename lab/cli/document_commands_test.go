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

// TestDocumentsNameCommandsThatExist checks every command line of the documents, in
// blocks of code and within text: lab by its own parser, make by the Makefile, go
// test by the packages; and paths of this repository.
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

// commandChecks is what command lines are checked by.
type commandChecks struct {
	makefile  string
	scenarios []string // that ship, or are an example
	counted   int      // command lines so far
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
			if found := scenarioExample.FindStringSubmatch(b.text); found != nil {
				c.scenarios = append(c.scenarios, found[1])
			}
		}
	}
	return c
}

var scenarioExample = regexp.MustCompile(`^# scenarios/([a-z0-9-]+)\.star\n`)

// problems returns what is wrong with the command lines of a document.
func (c *commandChecks) problems(d document) (problems []string) {
	check := func(line int, command string, whole bool) {
		for _, what := range c.check(command, whole) {
			problems = append(problems, d.problem(line, "%s", what))
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
	assignment = regexp.MustCompile(`^([A-Z_]+)=(\S+)$`)
	shell      = regexp.MustCompile(`[|;>]|&&`)
	ownPath    = regexp.MustCompile(`^(lab|\.ci)/[\w./-]+$`)
)

// check returns what is wrong with one command line; nothing of what is none. One that
// is not whole, as within text, may lack arguments.
func (c *commandChecks) check(command string, whole bool) (problems []string) {
	words := strings.Fields(shell.Split(command, 2)[0])
	for i, word := range words {
		words[i] = strings.Trim(word, "[]…") // optional arguments, and several
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
	if len(words) == 1 && ownPath.MatchString(words[0]) {
		return missingPath(words[0])
	}
	var wrong []string
	switch {
	case len(words) < 2:
	case words[0] == "lab", words[0] == "bin/lab":
		c.counted++
		wrong = c.lab(words[1:], whole)
	case words[0] == "make":
		c.counted++
		wrong = c.make(words[1:])
	case words[0] == "go" && words[1] == "test":
		c.counted++
		wrong = goTest(words[2:])
	}
	for name, value := range variables {
		wrong = append(wrong, c.variable(name, value)...)
	}
	for _, what := range wrong {
		problems = append(problems, command+": "+what)
	}
	return problems
}

// missingPath says that a path of the repository leads nowhere. The ids of the lab's
// own servers look like paths.
func missingPath(name string) []string {
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

// placeholder is a word that stands for what a user chooses.
var placeholder = regexp.MustCompile(`^[A-Z]+$`)

// lab checks the arguments of a lab command line.
func (c *commandChecks) lab(words []string, whole bool) (problems []string) {
	var args []string
	for _, word := range words {
		switch word {
		case "--help": // shows the help of what is left, and ends
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
		if !whole && strings.HasPrefix(err.Error(), "expected ") && commandExists(parser, args) {
			return nil
		}
		return []string{err.Error()}
	}
	command, _, _ := strings.Cut(context.Command(), " ")
	var choices []planFlags
	switch command {
	case "run":
		_, err := image.ParseBaseMode(parsed.Run.Bases)
		problems = append(problems, messageOf(err)...)
		choices = append(choices, parsed.Run.planFlags)
	case "plan":
		choices = append(choices, parsed.Plan.planFlags)
	case "contract":
		_, err := image.ParseBaseMode(parsed.Contract.Bases)
		problems = append(problems, messageOf(err)...)
	case "compare":
		_, err := parsed.Compare.check()
		problems = append(problems, messageOf(err)...)
		_, err = parsed.Compare.selection()
		problems = append(problems, messageOf(err)...)
	}
	for _, chosen := range choices {
		problems = append(problems, c.profile(chosen.Profile)...)
		for _, name := range chosen.Scenarios {
			if !placeholder.MatchString(name) && !slices.Contains(c.scenarios, name) {
				problems = append(problems, fmt.Sprintf("there is no scenario %q", name))
			}
		}
	}
	return problems
}

// commandExists reports whether the words that begin arguments name a command of
// the parser, and all that follow it are none of its flags.
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

func messageOf(err error) []string {
	if err == nil {
		return nil
	}
	return []string{err.Error()}
}

func (c *commandChecks) profile(name string) []string {
	if name == "" || placeholder.MatchString(name) || slices.Contains(lab.ProfileNames(), name) {
		return nil
	}
	return []string{fmt.Sprintf("there is no profile %q", name)}
}

// make checks the targets and variables of a make command line.
func (c *commandChecks) make(words []string) (problems []string) {
	for _, word := range words {
		found := assignment.FindStringSubmatch(word)
		target := regexp.MustCompile(`(?m)^` + regexp.QuoteMeta(word) + `:`)
		switch {
		case found != nil:
			problems = append(problems, c.variable(found[1], found[2])...)
		case placeholder.MatchString(word):
		case !target.MatchString(c.makefile):
			problems = append(problems, fmt.Sprintf("the Makefile has no target %q", word))
		}
	}
	return problems
}

// variable checks a value that the Makefile or lab itself takes from the environment.
func (c *commandChecks) variable(name, value string) []string {
	switch name {
	case "PROFILE":
		return c.profile(value)
	case "LAB_BASES":
		_, err := image.ParseBaseMode(value)
		return messageOf(err)
	case "ARGS":
		return c.lab([]string{"run", value}, true)
	case "BENCH":
		return declared("Benchmark"+value, filepath.Join("lab", "cli"))
	case "UPDATE_DOCUMENTS", "UPDATE_SCRIPTS":
		return nil // of tests
	}
	if !regexp.MustCompile(`(?m)^(export )?` + name + ` \?=`).MatchString(c.makefile) {
		return []string{fmt.Sprintf("nothing reads the variable %q", name)}
	}
	return nil
}

// declared says that no test file of a package declares a function.
func declared(function, folder string) []string {
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

// goTest checks the packages and the -run pattern of a go test command line.
func goTest(words []string) (problems []string) {
	pattern := ""
	for i, word := range words {
		switch {
		case word == "-run" && i+1 < len(words):
			pattern = words[i+1]
		case strings.HasPrefix(word, "./"):
			folder := strings.TrimSuffix(strings.TrimPrefix(word, "./"), "/...")
			if missing := missingPath(folder); missing != nil {
				return missing
			}
			problems = append(problems, untested(folder, pattern)...)
		}
	}
	return problems
}

// untested says that no test of a folder matches a pattern.
func untested(folder, pattern string) []string {
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
		return nil // all packages of a folder
	}
	return []string{"no test of " + folder + " is called so"}
}

var testFunction = regexp.MustCompile(`(?m)^func (Test\w*)\(`)
