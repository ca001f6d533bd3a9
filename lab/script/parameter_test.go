package script

import (
	"maps"
	"strings"
	"testing"

	"runtimelab/lab"
)

const parameterScenario = `
rate = param("rate", 100)
share = param("share", 0.5)
alive = param("alive", True)
path = param("path", "/json")

def again(r):
    return get(path + "?n=%d" % param("rate", 100))

scenario(
    name = "x",
    about = "a",
    requests = pool(2, again),
    phases = [peak(keep_alive = alive), steady(rate = rate * share)],
)
`

func evaluateText(t *testing.T, text string, given map[string]string) (lab.Scenario, string) {
	t.Helper()
	result, err := evaluateScenario(t.Context(), defaultLimits, "x", "scenarios/x.star", []byte(text),
		variantPool{ids: []string{"rt/a"}}, given)
	if err != nil {
		t.Fatal(err)
	}
	var all []string
	for _, f := range result.Faults {
		all = append(all, f.Error())
	}
	if result.Scenario == nil {
		return lab.Scenario{}, strings.Join(all, "\n")
	}
	return *result.Scenario, strings.Join(all, "\n")
}

func TestParametersHaveDefaultsThatAUserMayReplace(t *testing.T) {
	s, faults := evaluateText(t, parameterScenario, nil)
	defaults := map[string]string{"rate": "100", "share": "0.5", "alive": "true", "path": "/json"}
	if faults != "" || s.Phases[1].RateRPS != 50 || s.Phases[0].ConnectionPerRequest ||
		s.Requests[0].Path != "/json?n=100" || !maps.Equal(s.Parameters, defaults) {
		t.Errorf("%s %+v", faults, s)
	}
	given := map[string]string{"rate": "30", "share": "0.1", "alive": "false", "path": "/plaintext"}
	s, faults = evaluateText(t, parameterScenario, given)
	if faults != "" || s.Phases[1].RateRPS != 3 || !s.Phases[0].ConnectionPerRequest ||
		s.Requests[1].Path != "/plaintext?n=30" || !maps.Equal(s.Parameters, given) {
		t.Errorf("%s %+v", faults, s)
	}
}

func TestMistakesInParametersAreLocated(t *testing.T) {
	for name, c := range map[string]struct {
		change []string
		given  map[string]string
		want   string
	}{
		"not a whole number": {
			nil,
			map[string]string{"rate": "1.5"},
			`2:8: param: parameter "rate" was given as "1.5", want a whole number`,
		},
		"not a number": {
			nil,
			map[string]string{"share": "x"},
			`3:9: param: parameter "share" was given as "x", want a number`,
		},
		"not a boolean": {
			nil,
			map[string]string{"alive": "1"},
			`4:9: param: parameter "alive" was given as "1", want true or false`,
		},
		"a value out of range": {
			nil,
			map[string]string{"rate": "-1"},
			`14:55: steady: rate is -0.5, want more than 0 and at most 1000000`,
		},
		"a list": {
			[]string{`0.5`, `[0.5]`},
			nil,
			`3:24: param: default is a list, want a string, a number, True or False`,
		},
		"a bad name": {[]string{`"share"`, `"Share"`}, nil, `3:15: param: name "Share" is not of the form`},
		"two defaults": {
			[]string{`param("rate", 100))`, `param("rate", 200))`},
			nil,
			`8:47: param: parameter "rate" has the default 100 elsewhere`,
		},
	} {
		text := parameterScenario
		if c.change != nil {
			text = strings.Replace(text, c.change[0], c.change[1], 1)
		}
		_, faults := evaluateText(t, text, c.given)
		if !strings.HasPrefix(faults, "scenarios/x.star:"+c.want) || strings.Contains(faults, "\n") {
			t.Errorf("%s: got %s, want %s", name, faults, c.want)
		}
	}
}

func TestParameterValuesApplyToTheirScenarios(t *testing.T) {
	g := ParameterValues{Scenarios: []string{"x"}, Values: map[string]string{"rate": "1"}}
	if g.forScenario("x")["rate"] != "1" || g.forScenario("y") != nil {
		t.Errorf("%v for x, %v for y", g.forScenario("x"), g.forScenario("y"))
	}
	scenarios := []lab.Scenario{{Name: "x", Parameters: map[string]string{"rate": "5"}}}
	if err := g.CheckNames(scenarios); err != nil {
		t.Error(err)
	}
	g.Values = map[string]string{"raet": "1"}
	err := g.CheckNames(scenarios)
	if err == nil || !strings.Contains(err.Error(), `unknown parameter "raet"`) ||
		!strings.Contains(err.Error(), `did you mean "rate"?`) {
		t.Errorf("error %v", err)
	}
	err = g.CheckNames(nil)
	if err == nil || !strings.Contains(err.Error(), "the chosen scenarios have no parameters") {
		t.Errorf("error %v", err)
	}
}
