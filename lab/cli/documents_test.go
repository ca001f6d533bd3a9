package cli

import (
	"fmt"
	"io/fs"
	"net/url"
	"os"
	"path"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"
	"unicode"
	"unicode/utf8"
)

// repository is the root of this checkout.
const repository = "../.."

// document is a parsed Markdown file.
type document struct {
	path   string // relative to the repository, with slashes
	lines  []string
	blocks []codeBlock
	text   []passage // paragraphs, list items, lines of tables, and headings
}

// codeBlock is a fenced block of code.
type codeBlock struct {
	line     int // number of its first line of code, from 1
	language string
	text     string
}

// passage is text outside of code blocks, with its lines joined.
type passage struct {
	line int
	text string
}

var (
	listItem   = regexp.MustCompile(`^ *([-*]|\d+\.) `)
	inlineCode = regexp.MustCompile("`([^`]+)`")
	link       = regexp.MustCompile(`\[[^\]]*\]\(([^)\s]*)\)`)
	heading    = regexp.MustCompile(`^#+ +(.*)$`)
)

// parseDocument parses a Markdown file into blocks of code and passages of text.
func parseDocument(name, text string) document {
	d := document{path: name, lines: strings.Split(strings.TrimSuffix(text, "\n"), "\n")}
	fenced, joining := false, false
	for i, line := range d.lines {
		switch language, fence := strings.CutPrefix(line, "```"); {
		case fence && fenced:
			fenced, joining = false, false
		case fence:
			fenced = true
			d.blocks = append(d.blocks, codeBlock{line: i + 2, language: language})
		case fenced:
			d.blocks[len(d.blocks)-1].text += line + "\n"
		case strings.TrimSpace(line) == "":
			joining = false
		case joining && !listItem.MatchString(line) && !strings.HasPrefix(line, "|"):
			d.text[len(d.text)-1].text += " " + strings.TrimSpace(line)
		default:
			d.text = append(d.text, passage{i + 1, strings.TrimSpace(line)})
			joining = !heading.MatchString(line)
		}
	}
	return d
}

// problem formats a mistake in a document, with its place.
func (d document) problem(line int, format string, args ...any) string {
	return fmt.Sprintf("%s:%d: %s", d.path, line, fmt.Sprintf(format, args...))
}

// readDocuments reads every Markdown file of the checkout, except those in testdata, in
// folders of runs and of packages.
func readDocuments(t *testing.T) (all []document) {
	t.Helper()
	err := filepath.WalkDir(repository, func(file string, entry fs.DirEntry, err error) error {
		if err != nil {
			return err
		}
		name, err := filepath.Rel(repository, file)
		if err != nil {
			return err
		}
		name = filepath.ToSlash(name)
		if entry.IsDir() {
			skipped := []string{"bin", "node_modules", "testdata"}
			hidden := strings.HasPrefix(entry.Name(), ".") && file != repository && name != ".github"
			if hidden || slices.Contains(skipped, entry.Name()) || path.Dir(name) == "results" {
				return filepath.SkipDir
			}
			return nil
		}
		if path.Ext(name) != ".md" {
			return nil
		}
		text, err := os.ReadFile(file)
		if err != nil {
			return err
		}
		all = append(all, parseDocument(name, string(text)))
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
	for _, name := range []string{
		".github/CONTRIBUTING.md", "README.md", "lab/METHOD.md", "lab/README.md",
		"results/README.md", "runtimes/README.md", "scenarios/README.md", "scenarios/services/README.md",
	} {
		if !slices.ContainsFunc(all, func(d document) bool { return d.path == name }) {
			t.Fatalf("there is no %s", name)
		}
	}
	return all
}

// failEach reports each problem as an error of the test.
func failEach(t *testing.T, problems []string) {
	t.Helper()
	for _, p := range problems {
		t.Error(p)
	}
}

// TestDocumentsHaveNoDeadLinks checks that the files and headings of links exist. Of links
// to other sites it checks only the form.
func TestDocumentsHaveNoDeadLinks(t *testing.T) {
	documents := readDocuments(t)
	for _, d := range documents {
		failEach(t, deadLinks(d, func(file string) (document, bool) {
			i := slices.IndexFunc(documents, func(o document) bool { return o.path == file })
			if i < 0 {
				_, err := os.Stat(filepath.Join(repository, filepath.FromSlash(file)))
				return document{}, err == nil
			}
			return documents[i], true
		}))
	}
}

// deadLinks returns the links of a document whose file or heading does not exist. find
// returns the document in a file, or an empty one for other files and folders, and
// whether the file exists.
func deadLinks(d document, find func(file string) (document, bool)) (problems []string) {
	for _, p := range d.text {
		for _, found := range link.FindAllStringSubmatch(inlineCode.ReplaceAllString(p.text, ""), -1) {
			target := found[1]
			if strings.Contains(target, "://") {
				if u, err := url.Parse(target); err != nil || u.Scheme != "https" || u.Host == "" {
					problems = append(problems, d.problem(p.line, "the link %s is not an https address", target))
				}
				continue
			}
			file, anchor, _ := strings.Cut(target, "#")
			to, exists := d, true
			if file != "" {
				to, exists = find(path.Join(path.Dir(d.path), file))
			}
			switch {
			case !exists:
				problems = append(problems, d.problem(p.line, "the file of the link %s does not exist", file))
			case anchor != "" && !slices.Contains(anchors(to), anchor):
				problems = append(problems, d.problem(p.line, "%s has no heading #%s", to.path, anchor))
			}
		}
	}
	return problems
}

// anchors returns the anchors of a document's headings, as GitHub makes them.
func anchors(d document) (all []string) {
	times := map[string]int{}
	for _, p := range d.text {
		found := heading.FindStringSubmatch(p.text)
		if found == nil {
			continue
		}
		name := strings.Map(func(r rune) rune {
			switch {
			case r == ' ':
				return '-'
			case unicode.IsLetter(r), unicode.IsDigit(r), r == '-', r == '_':
				return unicode.ToLower(r)
			}
			return -1
		}, found[1])
		if times[name]++; times[name] > 1 {
			name += fmt.Sprintf("-%d", times[name]-1)
		}
		all = append(all, name)
	}
	return all
}

// Limits for the characters of a line, and for the lines of README.md.
const (
	maxProseWidth  = 100
	maxTableWidth  = 120
	maxCodeWidth   = 110
	maxReadmeLines = 150
)

// TestDocumentsKeepTheirWidth checks the width of lines, and the length of README.md.
func TestDocumentsKeepTheirWidth(t *testing.T) {
	for _, d := range readDocuments(t) {
		failEach(t, wideLines(d))
		if d.path == "README.md" && len(d.lines) > maxReadmeLines {
			t.Errorf("README.md has %d lines, limit %d: move what the first ten minutes do not need",
				len(d.lines), maxReadmeLines)
		}
	}
}

func wideLines(d document) (problems []string) {
	fenced, output := false, false
	for i, line := range d.lines {
		limit := maxProseWidth
		switch language, fence := strings.CutPrefix(line, "```"); {
		case fence:
			fenced, output = !fenced, !fenced && language == "text"
		case output:
			continue // output of a program is shown as it is
		case fenced:
			limit = maxCodeWidth
		case strings.HasPrefix(line, "|"):
			limit = maxTableWidth
		}
		if n := utf8.RuneCountInString(line); n > limit {
			problems = append(problems, d.problem(i+1, "%d characters, limit %d", n, limit))
		}
	}
	return problems
}

// TestDocumentsMistakesAreFound tests the checks on a document that breaks every rule.
func TestDocumentsMistakesAreFound(t *testing.T) {
	broken := parseDocument("lab/BROKEN.md", strings.Join([]string{
		"# A title, `code` and all",
		"See [gone](nowhere.md), [anchor](#a-title), [fine](#a-title-code-and-all), [unsafe](http://example.org).",
		"",
		strings.Repeat("wide ", 21),
		"| " + strings.Repeat("x", 119) + " |",
		"",
		"Run `lab mesure`, `lab run --sed 1`, `lab run nosuch --profile fast`, `lab compare A B --ignore weather`,",
		"`make lba`, `make lab PROFILE=fast`, `make bench BENCH=Nothing`, `go test -run TestNothing ./lab/cli`,",
		"`PROFILE=slow`, `lab/nothing`; but `lab compare`, `lab run --blocks N` and `lab report [RUN]` are right.",
		"",
		"```",
		"bin/lab export --tarball  # a comment",
		"lab compare OLD",
		"LAB_BASES=gold make lab",
		"```",
		"",
		"11 % (`gate.MaxDoublingGain`), 40 (`gate.MinCanaries`), `gate.Nothing`, 50 ms (`gate.MaxClockStep`).",
	}, "\n"))
	var found []string
	found = append(found, deadLinks(broken, func(string) (document, bool) { return document{}, false })...)
	found = append(found, wideLines(broken)...)
	found = append(found, newCommandChecks(t, nil).problems(broken)...)
	constants, _ := wrongConstants(broken, newConstants())
	found = append(found, constants...)
	wanted := []string{
		"lab/BROKEN.md:2: the file of the link nowhere.md does not exist",
		"lab/BROKEN.md:2: lab/BROKEN.md has no heading #a-title",
		"lab/BROKEN.md:2: the link http://example.org is not an https address",
		"lab/BROKEN.md:2: 104 characters, limit 100",
		"lab/BROKEN.md:4: 105 characters, limit 100",
		"lab/BROKEN.md:5: 123 characters, limit 120",
		"lab/BROKEN.md:7: 105 characters, limit 100",
		"lab/BROKEN.md:8: 102 characters, limit 100",
		"lab/BROKEN.md:9: 104 characters, limit 100",
		"lab/BROKEN.md:7: lab mesure: unexpected argument mesure",
		`lab/BROKEN.md:7: lab run --sed 1: unknown flag --sed, did you mean "--seed"?`,
		`lab/BROKEN.md:7: lab run nosuch --profile fast: there is no profile "fast"`,
		`lab/BROKEN.md:7: lab run nosuch --profile fast: there is no scenario "nosuch"`,
		`lab/BROKEN.md:7: lab compare A B --ignore weather: --ignore "weather": unknown`,
		`lab/BROKEN.md:7: make lba: the Makefile has no target "lba"`,
		`lab/BROKEN.md:7: make lab PROFILE=fast: there is no profile "fast"`,
		`lab/BROKEN.md:7: make bench BENCH=Nothing: there is no BenchmarkNothing in lab/cli`,
		`lab/BROKEN.md:7: go test -run TestNothing ./lab/cli: no test of lab/cli matches -run`,
		`lab/BROKEN.md:7: PROFILE=slow: there is no profile "slow"`,
		`lab/BROKEN.md:7: there is no lab/nothing`,
		"lab/BROKEN.md:12: bin/lab export --tarball: unknown flag --tarball",
		"lab/BROKEN.md:13: lab compare OLD: expected ",
		`lab/BROKEN.md:14: LAB_BASES=gold make lab: LAB_BASES is "gold"`,
		"lab/BROKEN.md:17: gate.MaxDoublingGain is 0.03, not 0.11",
		"lab/BROKEN.md:17: gate.MinCanaries is 20, not 40",
		"lab/BROKEN.md:17: there is no gate.Nothing",
	}
	for _, problem := range found {
		if !slices.ContainsFunc(wanted, func(begin string) bool { return strings.HasPrefix(problem, begin) }) {
			t.Errorf("not a mistake: %s", problem)
		}
	}
	for _, begin := range wanted {
		if !slices.ContainsFunc(found, func(problem string) bool { return strings.HasPrefix(problem, begin) }) {
			t.Errorf("not found: %s", begin)
		}
	}
}
