package script_test

import (
	"reflect"
	"strings"
	"testing"

	"runtimelab/lab"
)

// promising returns a scenario with promises at several rates. old, which must appear once, is replaced.
func promising(old, replacement string) string {
	const text = `claim("use-1", "Node suits it.")
claim("use-4", "Python does not.")
rates = ["steps-100", "steps-200"]
limits = [at_most("latency_p99_ms", 100), at_most("error_ratio", 0)]
node = promise(claim = "use-1", arm = "node/single", phases = rates, limits = limits)
python = promise(claim = "use-4", arm = "python/uvloop", highest_kept_by = node, broken = True)
scenario(
    name = "x", about = "an example", requests = [get("/json")],
    phases = [warmup(), peak(), steps(rates = [100, 200]), steady(rate = 50)],
    variants = ["node/single", "python/uvloop"],
    promises = [node, python],
)
`
	if old != "" && strings.Count(text, old) != 1 {
		panic(old + " is not in the scenario once")
	}
	return strings.Replace(text, old, replacement, 1)
}

func TestPromisesAreRead(t *testing.T) {
	l := load(t, checkout(t, map[string]string{"scenarios/x.star": promising("", "")}))
	if len(l.Faults) > 0 {
		t.Fatal(messages(l))
	}
	node := lab.Promise{
		Scenario: "x", Profile: "quick", Claim: "use-1", Variant: "node/single", Cores: 1,
		Phases: []string{"steps-100", "steps-200"},
		Limits: []lab.Limit{{Metric: "latency_p99_ms", Value: 100}, {Metric: "error_ratio"}},
	}
	python := node
	python.Claim, python.Variant, python.Broken = "use-4", "python/uvloop", true
	python.HighestKeptBy = "node/single"
	if got := l.Scenarios[0].Promises; !reflect.DeepEqual(got, []lab.Promise{node, python}) {
		t.Errorf("got %+v", got)
	}
	const id = "x: python/uvloop breaks latency_p99_ms <= 100 and error_ratio <= 0 at the highest that " +
		"node/single " +
		"keeps of steps-100, steps-200"
	if python.ID() != id || len(python.Arms()) != 4 {
		t.Errorf("%q needs %v", python.ID(), python.Arms())
	}
}

// A promise that says nothing about failures may not be kept by failing: its metrics say how many they
// tolerate.
func TestPromisesLimitFailures(t *testing.T) {
	for limits, want := range map[string]string{
		`[at_most("latency_p99_ms", 100)]`:  "latency_p99_ms <= 100 and error_ratio <= 0.001",
		`[at_most("latency_p999_ms", 100)]`: "latency_p999_ms <= 100 and error_ratio <= 0.0001",
		`[at_most("latency_max_ms", 100)]`:  "latency_max_ms <= 100 and error_ratio <= 0",
		`[at_least("throughput_rps", 90), at_most("memory_peak_mib", 64)]`: "throughput_rps >= 90 and " +
			"memory_peak_mib <= 64 and error_ratio <= 0.001",
		`[at_most("error_ratio", 0.02)]`: "error_ratio <= 0.02",
	} {
		l := load(t, checkout(t, map[string]string{
			"scenarios/x.star": promising(`[at_most("latency_p99_ms", 100), at_most("error_ratio", 0)]`, limits),
		}))
		if len(l.Faults) > 0 || l.Scenarios[0].Promises[0].LimitsText() != want {
			t.Errorf("%s: %v %s", limits, l.Scenarios, messages(l))
		}
	}
}

func TestMistakesInPromises(t *testing.T) {
	const limits = `[at_most("latency_p99_ms", 100), at_most("error_ratio", 0)]`
	for name, c := range map[string]struct{ old, replacement, want string }{
		"unknown metric": {
			`"latency_p99_ms", 100`, `"latency_p9_ms", 100`,
			`4:19: at_most: unknown metric "latency_p9_ms"; did you mean "latency_p90_ms"?`,
		},
		"the wrong direction": {
			`at_most("latency_p99_ms", 100)`, `at_most("throughput_rps", 100)`,
			`4:11: at_most: throughput_rps is better the higher it is, so a promise is at_least of it`,
		},
		"the other wrong direction": {
			`at_most("latency_p99_ms", 100)`, `at_least("latency_p99_ms", 100)`,
			`4:11: at_least: latency_p99_ms is better the lower it is, so a promise is at_most of it`,
		},
		"a percentage": {
			`"error_ratio", 0`, `"error_ratio", 2`,
			`4:66: at_most: limit is 2, but error_ratio is a share from 0 to 1; 1 % is 0.01`,
		},
		"a negative limit": {
			`"error_ratio", 0`, `"error_ratio", -1`, `4:43: at_most: limit is -1, want 0 or more`,
		},
		"a limit of a wrong type": {
			`"error_ratio", 0`, `"error_ratio", "none"`, `4:66: at_most: limit is a string, want a number`,
		},
		"a limit twice": {
			limits, `[at_most("error_ratio", 0), at_most("error_ratio", 1)]`,
			`5:79: promise: limits holds error_ratio twice`,
		},
		"an objective as a limit": {
			limits, `[below("latency_p99_ms", 100)]`,
			`5:79: promise: limits holds an objective, want at_most(…) or at_least(…)`,
		},
		"no limits": {
			`, limits = limits`, ``, `5:8: promise: missing argument "limits"`,
		},
		"an empty list of limits": {
			limits, `[]`, `5:79: promise: limits is empty, want a list of at_most(…) and at_least(…)`,
		},
		"a metric that a phase does not have": {
			`["steps-100", "steps-200"]`, `["peak"]`,
			`4:11: scenario: latency_p99_ms has no value in peak, which has no schedule; use latency_raw_p99_ms`,
		},
		"an unknown phase": {
			`"steps-200"`, `"step-200"`, `5:63: scenario: unknown phase "step-200"; did you mean "steps-200"?`,
		},
		"rates that fall": {
			`["steps-100", "steps-200"]`, `["steps-100", "steady"]`,
			`5:63: scenario: phases holds steady after steps-100, whose load is not lower; ` +
				`write the lowest load first`,
		},
		"loads of two kinds": {
			`["steps-100", "steps-200"]`, `["peak", "steady"]`,
			`4:11: scenario: latency_p99_ms has no value in peak, which has no schedule; use latency_raw_p99_ms` +
				"\n" +
				at + `5:63: scenario: phases holds steady after peak, whose load is given in another way; ` +
				`write the lowest load first`,
		},
		"no phase": {
			`, phases = rates`, ``,
			`5:8: scenario: the promise does not name its phases; ` +
				`set phases to some of peak, steps-100, steps-200, steady`,
		},
		"a phase and phases": {
			`arm = "node/single"`, `arm = arm("node/single", phase = "steady")`,
			`5:66: scenario: phase is given, and phases of the promise; leave one out`,
		},
		"a phase of a wrong type": {
			`"steps-200"`, `7`, `5:63: scenario: phases holds a whole number, want names of phases`,
		},
		"an unknown variant": {
			`arm = "node/single"`, `arm = "node/singel"`,
			`5:39: scenario: unknown variant "node/singel" of this scenario; did you mean "node/single"?`,
		},
		"a ratio": {
			`arm = "node/single"`, `arm = arm("node/single", over = "python/uvloop")`,
			`5:65: promise: the arm of a promise is no ratio; leave out over`,
		},
		"an unknown claim": {
			`claim = "use-1"`, `claim = "use-l"`, `5:24: promise: unknown claim "use-l"; did you mean "use-1"?`,
		},
		"limits beside highest_kept_by": {
			`broken = True`, `broken = True, limits = limits`,
			`6:106: promise: limits are those of the promise in highest_kept_by; leave them out`,
		},
		"the highest of itself": {
			`arm = "python/uvloop"`, `arm = "node/single"`,
			`6:10: scenario: the promise and that in highest_kept_by are both of node/single`,
		},
		"the highest of a string": {
			`highest_kept_by = node`, `highest_kept_by = "node/single"`,
			`6:76: promise: highest_kept_by is a string, want a promise(…) of another variant`,
		},
		"the highest of a broken promise": {
			`limits = limits)`, `limits = limits, broken = True)`,
			`6:76: promise: highest_kept_by is a promise with highest_kept_by or broken, want one without`,
		},
		"something else among promises": {
			`[node, python]`, `[node, "python"]`, `11:23: scenario: promises holds a string, want promise(…)`,
		},
		"a profile that does not run the scenario": {
			`limits = limits)`, `limits = limits, profile = "smoke")`,
			`5:97: scenario: profile "smoke" does not run this scenario, whose shortest profile is "quick"`,
		},
		"an unknown argument": {
			`broken = True`, `brokn = True`, `6:82: promise: unknown argument "brokn"; did you mean "broken"?`,
		},
	} {
		l := load(t, checkout(t, map[string]string{"scenarios/x.star": promising(c.old, c.replacement)}))
		want := ""
		if c.want != "" {
			want = at + c.want
		}
		if got := messages(l); got != want {
			t.Errorf("%s: got\n%s\nwant\n%s", name, got, want)
		}
	}
}
