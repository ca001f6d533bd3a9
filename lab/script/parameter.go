package script

import (
	"fmt"
	"maps"
	"regexp"
	"slices"
	"strconv"
	"strings"

	"go.starlark.net/starlark"

	"runtimelab/lab"
)

// ParameterValues is values that a user gives to parameters of scenarios, in place of
// their defaults.
type ParameterValues struct {
	Scenarios []string          // whose parameters are meant
	Values    map[string]string // by the parameter's name
}

// values are what is given to the scenario of a name.
func (g ParameterValues) values(scenario string) map[string]string {
	if slices.Contains(g.Scenarios, scenario) {
		return g.Values
	}
	return nil
}

// CheckNames says which of the values none of the scenarios takes, as a *lab.Fault.
func (g ParameterValues) CheckNames(scenarios []lab.Scenario) error {
	known := map[string]bool{}
	for _, s := range scenarios {
		for name := range s.Parameters {
			known[name] = true
		}
	}
	names := slices.Sorted(maps.Keys(known))
	for _, name := range slices.Sorted(maps.Keys(g.Values)) {
		if known[name] {
			continue
		}
		hint := "none of the scenarios chosen has a parameter: param(…) in a script makes one"
		if len(names) > 0 {
			hint = lab.Suggest(name, names)
		}
		return &lab.Fault{Code: lab.ExitUsage, Err: fmt.Errorf("unknown parameter %q", name), Hint: hint}
	}
	return nil
}

var parameterForm = regexp.MustCompile(`^[a-z][a-z0-9_]*$`)

// makeParam is a parameter's value: what the user gave, or its default. The
// default's type is the parameter's. A function of the script may ask for one
// again and again.
func (s *scenarioScript) makeParam(c *call) starlark.Value {
	name := c.lineMatching("name", parameterForm)
	arg, ok := c.validArgument("default")
	if _, named := c.validArgument("name"); !ok || !named {
		return starlark.None
	}
	if !isParameter(arg.value) {
		c.wrongType(arg, "default", "a string, a number, True or False")
		return starlark.None
	}
	if before, again := s.parameters[name]; again && before.String() != arg.value.String() {
		c.fault(arg.at, "parameter %q has the default %s elsewhere", name, before)
		return starlark.None
	}
	_, again := s.parameters[name]
	s.parameters[name] = arg.value
	value := arg.value
	if text, given := s.givenValues[name]; given {
		var why string
		value, why = parseParameter(text, arg.value)
		if why != "" && again {
			return invalidValue{} // told where it was first asked for
		}
		if why != "" {
			c.fault(c.at, "parameter %q was given as %q, want %s", name, text, why)
			return starlark.None
		}
	}
	s.parameterValues[name] = formatParameter(value)
	return value
}

func isParameter(v starlark.Value) bool {
	switch v.(type) {
	case starlark.String, starlark.Int, starlark.Float, starlark.Bool:
		return true
	}
	return false
}

// parseParameter reads a value of the type of another, or says what it must be.
func parseParameter(text string, like starlark.Value) (v starlark.Value, why string) {
	switch like.(type) {
	case starlark.Int:
		n, err := strconv.ParseInt(text, 10, 64)
		if err != nil {
			return nil, "a whole number"
		}
		return starlark.MakeInt64(n), ""
	case starlark.Float:
		x, err := strconv.ParseFloat(text, 64)
		if err != nil {
			return nil, "a number"
		}
		return starlark.Float(x), ""
	case starlark.Bool:
		switch strings.ToLower(text) {
		case "true":
			return starlark.True, ""
		case "false":
			return starlark.False, ""
		}
		return nil, "true or false"
	}
	return starlark.String(text), ""
}

// formatParameter is a value as a user would give it.
func formatParameter(v starlark.Value) string {
	switch v := v.(type) {
	case starlark.String:
		return string(v)
	case starlark.Bool:
		return strings.ToLower(v.String())
	}
	return v.String()
}
