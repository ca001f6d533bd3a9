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

	"runtimelab/lab/fault"
)

// template is a working scenario with comments. Its name is templateName.
//
//go:embed template.star
var template string

const templateName = "NAME"

// NewScenario writes the template of a scenario into the checkout at root, and
// returns the path of its file, relative to root. The error is a *fault.Error if the
// name is invalid or the file exists.
func NewScenario(root, name string) (file string, err error) {
	if !namePattern.MatchString(name) {
		return "", &fault.Error{
			Code: fault.ExitUsage, Err: fmt.Errorf("%q is not a valid name of a scenario", name),
			Hint: "use lower-case letters, digits and -, and begin with a letter",
		}
	}
	file = path.Join(scenariosDir, name+extension)
	f, err := os.OpenFile(filepath.Join(root, file), os.O_WRONLY|os.O_CREATE|os.O_EXCL, 0o644)
	if errors.Is(err, fs.ErrExist) {
		return "", &fault.Error{
			Code: fault.ExitUsage, Err: fmt.Errorf("%s already exists", file),
			Hint: "choose another name, or remove the file first",
		}
	}
	if err != nil {
		return "", fmt.Errorf("write a scenario: %w", err)
	}
	_, err = f.WriteString(strings.ReplaceAll(template, templateName, name))
	if err = errors.Join(err, f.Close()); err != nil {
		return "", fmt.Errorf("write %s: %w", file, err)
	}
	return file, nil
}
