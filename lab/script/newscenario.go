package script

import (
	_ "embed"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"text/template"

	"runtimelab/lab/fault"
)

//go:embed template/scenario.star
var scenarioText string

var scenarioTemplate = template.Must(template.New("scenario").Parse(scenarioText))

// newScenario is what the template of a scenario needs to know.
type newScenario struct {
	Name     string
	Variants []string // empty: the template selects some
	Own      bool     // a variant has an API of its own, which the user must say how to ask
}

// First returns the variant that the others are compared with.
func (n newScenario) First() string { return n.Variants[0] }

// Others returns the variants that are compared with the first.
func (n newScenario) Others() []string { return n.Variants[min(1, len(n.Variants)):] }

// OneOther reports whether one variant is compared with the first.
func (n newScenario) OneOther() bool { return len(n.Others()) == 1 }

// NewScenario writes a scenario that works, with comments, and returns its file as messages
// show it. place is its name, for a file in scenarios/, or the path of a file. It runs on
// the variants of these ids, and compares them with the first; without ids it runs on those
// of a worker model. The error is a *fault.Error if the name is invalid, if a variant is
// unknown, or if the file exists.
func (l *Library) NewScenario(place string, ids []string) (file string, err error) {
	name, path := place, filepath.Join(l.checkout, scenariosDir, place+extension)
	if filepath.Ext(place) == extension {
		name = strings.TrimSuffix(filepath.Base(place), extension)
		if path, err = filepath.Abs(place); err != nil {
			return "", fmt.Errorf("write a scenario: %w", err)
		}
	}
	if err := checkNewName("scenario", name, "a path that ends in "+extension); err != nil {
		return "", err
	}
	scenario := newScenario{Name: name, Variants: ids}
	for _, id := range ids {
		v, err := l.Variant(id)
		if err != nil {
			return "", err
		}
		scenario.Own = scenario.Own || len(v.Offers) == 0
	}
	var text strings.Builder
	if err := scenarioTemplate.Execute(&text, scenario); err != nil {
		return "", fmt.Errorf("write a scenario: %w", err)
	}
	return DisplayName(l.checkout, path), writeNewFile(l.checkout, path, text.String())
}

// checkNewName returns a *fault.Error if a name is not valid for something of a kind. path
// says which path can be given in place of the name.
func checkNewName(kind, name, path string) error {
	if namePattern.MatchString(name) {
		return nil
	}
	return &fault.Error{
		Code: fault.ExitUsage, Err: fmt.Errorf("%q is not a valid name of a %s", name, kind),
		Hint: "use lower-case letters, digits and -, and begin with a letter; or give " + path,
	}
}

// writeNewFile writes a file. It is an error if it exists.
func writeNewFile(checkout, path, text string) error {
	f, err := os.OpenFile(path, os.O_WRONLY|os.O_CREATE|os.O_EXCL, 0o644)
	if errors.Is(err, fs.ErrExist) {
		return alreadyExists(checkout, path)
	}
	if err != nil {
		return fmt.Errorf("write %s: %w", DisplayName(checkout, path), err)
	}
	_, err = f.WriteString(text)
	if err = errors.Join(err, f.Close()); err != nil {
		return fmt.Errorf("write %s: %w", DisplayName(checkout, path), err)
	}
	return nil
}

func alreadyExists(checkout, path string) error {
	return &fault.Error{
		Code: fault.ExitUsage, Err: fmt.Errorf("%s already exists", DisplayName(checkout, path)),
		Hint: "choose another name, or remove it first",
	}
}
