package script

import (
	_ "embed"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path"
	"path/filepath"
	"strings"

	"runtimelab/lab"
)

// template is a scenario that works, with comments; its name is templateName.
//
//go:embed template.star
var template string

const templateName = "NAME"

// NewScenario writes a scenario of a name into a checkout and returns its file,
// as messages name it. A name that is none, or is taken, is a *lab.Fault.
func NewScenario(root, name string) (file string, err error) {
	if !nameForm.MatchString(name) {
		return "", &lab.Fault{
			Code: lab.ExitUsage, Err: fmt.Errorf("%q is no name of a scenario", name),
			Hint: "lower-case letters, digits and -, a letter first",
		}
	}
	file = path.Join(scenariosDir, name+extension)
	f, err := os.OpenFile(filepath.Join(root, file), os.O_WRONLY|os.O_CREATE|os.O_EXCL, 0o644)
	if errors.Is(err, fs.ErrExist) {
		return "", &lab.Fault{
			Code: lab.ExitUsage, Err: fmt.Errorf("%s is there already", file),
			Hint: "choose another name, or remove it first",
		}
	}
	if err != nil {
		return "", fmt.Errorf("writing a scenario: %w", err)
	}
	_, err = f.WriteString(strings.ReplaceAll(template, templateName, name))
	if err = errors.Join(err, f.Close()); err != nil {
		return "", fmt.Errorf("writing %s: %w", file, err)
	}
	return file, nil
}
