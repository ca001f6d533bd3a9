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
	"runtimelab/lab/fault"
	"runtimelab/lab/message"
)

// ParameterValues holds the values that a user gives to parameters of scenarios,
// in place of their defaults.
type ParameterValues struct {
	Scenarios []string          // names of the scenarios that the values are for
	Values    map[string]string // by the parameter's name
}

// forScenario returns the values for the scenario of that name.
func (g ParameterValues) forScenario(scenario string) map[string]string {
	if slices.Contains(g.Scenarios, scenario) {
		return g.Values
	}
	return nil
}

// CheckNames returns a *fault.Error for the first value whose name is not a parameter
// of any of the scenarios.
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
		hint := "the chosen scenarios have no parameters; param(…) in a script defines one"
		if len(names) > 0 {
			hint = message.Suggest(name, names)
		}
		return &fault.Error{Code: fault.ExitUsage, Err: fmt.Errorf("unknown parameter %q", name), Hint: hint}
	}
	return nil
}

var parameterPattern = regexp.MustCompile(`^[a-z][a-z0-9_]*$`)

// makeParam returns a parameter's value: the user's, or else the default. The
// value has the type of the default. A script may call param(…) for one parameter
// several times, with the same default.
func (s *scenarioScript) makeParam(c *call) starlark.Value {
	name := c.lineMatching("name", parameterPattern)
	arg, ok := c.validArgument("default")
	if _, named := c.validArgument("name"); !ok || !named {
		return starlark.None
	}
	if !isParameterValue(arg.value) {
		c.wrongType(arg, "default", "a string, a number, True or False")
		return starlark.None
	}
	before, again := s.parameters[name]
	if again && before.String() != arg.value.String() {
		c.fault(arg.at, "parameter %q has the default %s elsewhere", name, before)
		return starlark.None
	}
	s.parameters[name] = arg.value
	value := arg.value
	if text, given := s.givenValues[name]; given {
		var want string
		value, want = parseParameter(text, arg.value)
		if want != "" && again {
			return invalidValue{} // the first call has reported it
		}
		if want != "" {
			c.fault(c.at, "parameter %q was given as %q, want %s", name, text, want)
			return starlark.None
		}
	}
	s.parameterValues[name] = formatParameter(value)
	return value
}

func isParameterValue(v starlark.Value) bool {
	switch v.(type) {
	case starlark.String, starlark.Int, starlark.Float, starlark.Bool:
		return true
	}
	return false
}

// parseParameter parses text as a value of the type of example. If that fails, it
// returns in want what the text must be.
func parseParameter(text string, example starlark.Value) (v starlark.Value, want string) {
	switch example.(type) {
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

// formatParameter returns a value as a user would give it.
func formatParameter(v starlark.Value) string {
	switch v := v.(type) {
	case starlark.String:
		return string(v)
	case starlark.Bool:
		return strings.ToLower(v.String())
	}
	return v.String()
}
