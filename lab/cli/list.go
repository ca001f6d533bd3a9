package cli

import (
	"encoding/json"
	"fmt"
	"io"
	"maps"
	"slices"
	"strings"

	"runtimelab/lab"
	"runtimelab/lab/script"
)

type listCommand struct {
	JSON bool `help:"Print JSON." name:"json"`
}

// listed is what lab list --json prints.
type listed struct {
	Scenarios []listedScenario `json:"scenarios"`
	Runtimes  []listedRuntime  `json:"runtimes"`
	Faults    []string         `json:"faults"` // of scripts that could not be read: file:line:column and why
}

type listedScenario struct {
	Name     string      `json:"name"`
	About    string      `json:"about"`
	File     string      `json:"file"`
	Variants []string    `json:"variants"`
	Phases   []lab.Phase `json:"phases"`

	Parameters map[string]string `json:"parameters,omitempty"` // with their defaults
}

type listedRuntime struct {
	Name     string          `json:"name"`
	About    string          `json:"about"`
	Base     string          `json:"base"`
	Variants []listedVariant `json:"variants"`
}

type listedVariant struct {
	ID    string `json:"id"`
	Model string `json:"model"`
	About string `json:"about"`
}

// Run lists what there is. A broken script does not hide the others: it is
// listed with its faults, and the exit code is 2.
func (c *listCommand) Run(a *app) error {
	root, err := a.folder()
	if err != nil {
		return err
	}
	library, err := script.Load(a.ctx, root, script.Given{})
	if err != nil {
		return err
	}
	l := listing(library)
	if c.JSON {
		encoder := json.NewEncoder(a.Out)
		encoder.SetIndent("", "  ")
		encoder.SetEscapeHTML(false)
		if err := encoder.Encode(l); err != nil {
			return fmt.Errorf("writing the list: %w", err)
		}
	} else {
		l.print(a.Out)
	}
	return library.Err()
}

func listing(library *script.Library) listed {
	l := listed{Scenarios: []listedScenario{}, Runtimes: []listedRuntime{}, Faults: []string{}}
	for _, s := range library.Scenarios {
		l.Scenarios = append(l.Scenarios, listedScenario{s.Name, s.About, s.File, s.Variants, s.Phases, s.Parameters})
	}
	for _, r := range library.Runtimes {
		listed := listedRuntime{Name: r.Name, About: r.About, Base: r.Base.Official}
		for _, v := range r.Variants {
			listed.Variants = append(listed.Variants, listedVariant{v.ID(), v.Model, v.About})
		}
		l.Runtimes = append(l.Runtimes, listed)
	}
	for _, f := range library.Faults {
		l.Faults = append(l.Faults, f.Error())
	}
	return l
}

func (l listed) print(w io.Writer) {
	fmt.Fprintln(w, "Scenarios")
	for _, s := range l.Scenarios {
		fmt.Fprintf(w, "  %-12s %s\n", s.Name, s.About)
		fmt.Fprintf(w, "  %-12s on %s; %s\n", "", strings.Join(s.Variants, ", "), phases(s.Phases))
		for _, name := range slices.Sorted(maps.Keys(s.Parameters)) {
			fmt.Fprintf(w, "  %-12s -p %s=%s\n", "", name, s.Parameters[name])
		}
	}
	fmt.Fprintln(w, "Variants")
	for _, r := range l.Runtimes {
		for _, v := range r.Variants {
			fmt.Fprintf(w, "  %-20s %s\n", v.ID, v.About)
		}
	}
}

// phases is a scenario's load in a few words.
func phases(all []lab.Phase) string {
	var words []string
	for _, p := range all {
		switch p.Kind {
		case lab.Steady:
			words = append(words, fmt.Sprintf("steady %.0f/s (%s)", p.RateRPS, p.Arrivals))
		default:
			words = append(words, fmt.Sprintf("%s on %d connections", p.Kind, p.Connections))
		}
		if p.PerRequest {
			words[len(words)-1] += ", one for each request"
		}
	}
	return strings.Join(words, ", ")
}
