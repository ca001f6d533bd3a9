package script

import (
	"maps"
	"strings"
	"testing"

	"runtimelab/lab"
)

const parameterised = `
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

func evaluated(t *testing.T, text string, given map[string]string) (lab.Scenario, string) {
	t.Helper()
	s, faults, err := evaluateScenario(t.Context(), defaultLimits, "x", "scenarios/x.star", []byte(text),
		variantPool{ids: []string{"rt/a"}}, given)
	if err != nil {
		t.Fatal(err)
	}
	var all []string
	for _, f := range faults {
		all = append(all, f.Error())
	}
	return s, strings.Join(all, "\n")
}

func TestParametersHaveDefaultsThatAUserMayReplace(t *testing.T) {
	s, faults := evaluated(t, parameterised, nil)
	defaults := map[string]string{"rate": "100", "share": "0.5", "alive": "true", "path": "/json"}
	if faults != "" || s.Phases[1].RateRPS != 50 || s.Phases[0].ConnectionPerRequest ||
		s.Requests[0].Path != "/json?n=100" || !maps.Equal(s.Parameters, defaults) {
		t.Errorf("%s %+v", faults, s)
	}
	given := map[string]string{"rate": "30", "share": "0.1", "alive": "false", "path": "/plaintext"}
	s, faults = evaluated(t, parameterised, given)
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
		"no whole number": {
			nil,
			map[string]string{"rate": "1.5"},
			`2:8: param: parameter "rate" was given as "1.5", want a whole number`,
		},
		"no number": {
			nil,
			map[string]string{"share": "x"},
			`3:9: param: parameter "share" was given as "x", want a number`,
		},
		"no truth": {
			nil,
			map[string]string{"alive": "1"},
			`4:9: param: parameter "alive" was given as "1", want true or false`,
		},
		"of its own type": {
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
		text := parameterised
		if c.change != nil {
			text = strings.Replace(text, c.change[0], c.change[1], 1)
		}
		if _, faults := evaluated(t, text, c.given); !strings.HasPrefix(faults,
			"scenarios/x.star:"+c.want) || strings.Contains(faults, "\n") {
			t.Errorf("%s: got %s, want %s", name, faults, c.want)
		}
	}
}

func TestParameterValuesApplyToTheirScenarios(t *testing.T) {
	g := ParameterValues{Scenarios: []string{"x"}, Values: map[string]string{"rate": "1"}}
	if g.values("x")["rate"] != "1" || g.values("y") != nil {
		t.Errorf("%v for x, %v for y", g.values("x"), g.values("y"))
	}
	with := []lab.Scenario{{Name: "x", Parameters: map[string]string{"rate": "5"}}}
	if err := g.CheckNames(with); err != nil {
		t.Error(err)
	}
	g.Values = map[string]string{"raet": "1"}
	if err := g.CheckNames(with); err == nil || !strings.Contains(err.Error(),
		`unknown parameter "raet"`) || !strings.Contains(err.Error(), `did you mean "rate"?`) {
		t.Errorf("error %v", err)
	}
	if err := g.CheckNames(nil); err == nil || !strings.Contains(err.Error(),
		"none of the scenarios chosen has a parameter") {
		t.Errorf("error %v", err)
	}
}
