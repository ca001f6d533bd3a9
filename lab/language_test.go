package lab_test

import (
	"go/scanner"
	"go/token"
	"io/fs"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
)

// languageException is a file whose code may name a language or one of its tools.
type languageException struct {
	file   string
	reason string
}

var languageExceptions = []languageException{
	{"cli/cli.go", "help: what the lab does"},
	{"cli/help.go", "help: an example of a variant"},
	{"contract/document.go", "a node of a document's tree"},
	{"metric/table.go", "description of a column: an example of a variant"},
	{"metric/extract.go", "the column gil: the field gil of the contract's identity"},
	{"runtime.go", "the field gil of the contract's identity, and of variants in older run.json files"},
	{"record/older.go", "runtimes that older labs knew by name and did not record as peers"},
	{"script/evaluate.go", "a node of a script's syntax tree"},
	{"script/facts.go", "the field gil of the contract's identity"},
	{"script/hypothesis.go", "message: an example of a variant"},
	{"script/variants.go", "message: an example of a variant"},
}

var (
	// languageWords matches words that are about one language. Digits and underscores end a word.
	languageWords = regexp.MustCompile(`(?i)(?:^|[^a-z])(node|nodejs|npm|python|pip|gil)(?:$|[^a-z])`)
	lowerToUpper  = regexp.MustCompile(`([a-z])([A-Z])`)
)

// languageWordIn returns the first such word of Go code outside of comments, and its line.
func languageWordIn(source []byte) (word string, line int) {
	files := token.NewFileSet()
	file := files.AddFile("", -1, len(source))
	var s scanner.Scanner
	s.Init(file, source, nil, 0)
	for {
		pos, kind, text := s.Scan()
		if kind == token.EOF {
			return "", 0
		}
		if found := languageWords.FindStringSubmatch(lowerToUpper.ReplaceAllString(text, "$1 $2")); found != nil {
			return found[1], files.Position(pos).Line
		}
	}
}

// A language is a folder under runtimes/ with facts in its runtime.star: adding one needs no edit of
// the code. So the code must not know any language.
func TestCodeNamesNoLanguage(t *testing.T) {
	excepted := map[string]bool{}
	for _, e := range languageExceptions {
		excepted[e.file] = true
		source, err := os.ReadFile(filepath.FromSlash(e.file))
		if err != nil || e.reason == "" {
			t.Errorf("exception %+v: %v", e, err)
		} else if word, _ := languageWordIn(source); word == "" {
			t.Errorf("%s names no language any more: remove its exception", e.file)
		}
	}
	err := filepath.WalkDir(".", func(path string, entry fs.DirEntry, err error) error {
		if err != nil {
			return err
		}
		if entry.IsDir() && entry.Name() == "testdata" {
			return filepath.SkipDir
		}
		name := filepath.ToSlash(path)
		if !strings.HasSuffix(name, ".go") || strings.HasSuffix(name, "_test.go") || excepted[name] {
			return nil
		}
		source, err := os.ReadFile(path)
		if word, line := languageWordIn(source); word != "" {
			t.Errorf("lab/%s:%d says %q: make it a fact of runtime.star, see runtimes/README.md", name, line, word)
		}
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
}

func TestLanguageWordsAreFoundOutsideOfComments(t *testing.T) {
	for source, want := range map[string]string{
		`x := "node_modules"`: "node", `const PIP_CERT = 1`: "PIP", `var NodeVersion int`: "Node",
		`v.GIL`: "GIL", "`\npython3`": "python", `f("nodejs")`: "nodejs", `usesPython = true`: "Python",
		`io.Pipe() // for node`: "", `unix.TCP_NODELAY`: "", `pipeline(nodes, "agile")`: "", `/* npm */`: "",
	} {
		if got, _ := languageWordIn([]byte(source)); got != want {
			t.Errorf("%s: %q, want %q", source, got, want)
		}
	}
}
