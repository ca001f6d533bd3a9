package script_test

import (
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"runtimelab/lab/metric"
	"runtimelab/lab/script"
)

// shippedClaims are the claims of the scenarios in these tests.
const shippedClaims = `claim("arch-2", "Node can run work in parallel on threads.")
claim("speed-1", "Node serves the same application faster.")
claim("scale-4", "Python scales worse because it lacks threads.")
`

// checkout returns a new folder with the given files, shippedClaims and two runtimes,
// unless the files replace them: node with single and cluster, python with uvloop.
func checkout(t *testing.T, files map[string]string) string {
	t.Helper()
	root := t.TempDir()
	all := map[string]string{
		"runtimes/node/runtime.star": `runtime(
    about = "Node",
    base = base(official = "node:24", suite = "forky", packages = ["nodejs"]),
)
variant(name = "single", model = "single", about = "one", command = ["node", "server.js"])
variant(name = "cluster", model = "cluster", about = "many", command = ["node", "cluster.js"])
`,
		"runtimes/python/runtime.star": `runtime(
    about = "Python",
    base = base(official = "python:3.14", suite = "forky", packages = ["python3"]),
)
variant(name = "uvloop", model = "single", about = "one", command = ["python3"], env = {"A": "b"})
`,
		"scenarios/README.md":   "not a script",
		"scenarios/claims.star": shippedClaims,
	}
	for name, text := range files {
		all[name] = text
	}
	for name, text := range all {
		path := filepath.Join(root, filepath.FromSlash(name))
		if err := os.MkdirAll(filepath.Dir(path), 0o755); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(path, []byte(text), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	return root
}

func load(t *testing.T, root string) *script.Library {
	t.Helper()
	library, err := script.Load(t.Context(), root, script.ParameterValues{})
	if err != nil {
		t.Fatal(err)
	}
	return library
}

func messages(l *script.Library) string {
	var all []string
	for _, f := range l.Faults {
		all = append(all, f.Error())
	}
	return strings.Join(all, "\n")
}

// scenarioWith returns a valid scenario x, in which the first string of each pair
// is replaced by the second.
func scenarioWith(pairs ...string) string {
	text := `scenario(
    name = "x",
    about = "an example",
    requests = [get("/json")],
    phases = [warmup(), peak(), steady(rate = 100)],
    variants = ["node/single"],
)
`
	for i := 0; i < len(pairs); i += 2 {
		if !strings.Contains(text, pairs[i]) {
			panic("nothing to replace: " + pairs[i])
		}
		text = strings.ReplaceAll(text, pairs[i], pairs[i+1])
	}
	return text
}

const at = "scenarios/x.star:"

const (
	scenarioFunctions = "above, answer, arm, at_least, at_most, below, capacity, claim, collection, get, " +
		"hypothesis, " +
		"ladder, param, peak, pool, post, promise, ramp, scenario, share, steady, steps, untestable, warmup, where"
	measuredCalls = "peak(…), ladder(…), steady(…), steps(…), ramp(…) or capacity(…)"
	phaseCalls    = "warmup(…), " + measuredCalls
)

// One evaluation must report all mistakes of a file, each with its exact place and text.
func TestMistakesInScenarios(t *testing.T) {
	for name, c := range map[string]struct {
		text string
		want string // lines, each after the file's name
	}{
		"syntax": {
			"scenario(\n    name = = 1)\n",
			`2:12: got '=', want primary expression`,
		},
		"unclosed": {
			"scenario(\n",
			`2:1: got end of file, want ')'`,
		},
		"unknown function": {
			scenarioWith(`get("/json")`, `pst("/json")`),
			`4:17: unknown name "pst"; did you mean "post"?`,
		},
		"unknown function, all its arguments too": {
			scenarioWith(`get("/json")`, `pots("/json", bdy = "")`, `rate = 100`, `rte = 100`),
			`4:17: unknown name "pots"; did you mean "post"?
5:40: steady: unknown argument "rte"; did you mean "rate"?`,
		},
		"unknown name far from any": {
			scenarioWith(`get("/json")`, `frobnicate`),
			`4:17: unknown name "frobnicate"; valid: ` + scenarioFunctions,
		},
		"unknown name in a list of loads, after another phase": {
			scenarioWith(`peak()`, `peak(connections = [fast])`),
			`5:45: unknown name "fast"; valid: ` + scenarioFunctions,
		},
		"misspelt name of a function in the file": {
			"def items():\n    return [get(\"/a\")]\n\n" + scenarioWith(`[get("/json")]`, `itms()`),
			`7:16: unknown name "itms"; did you mean "items"?`,
		},
		"misspelt argument": {
			scenarioWith(`get("/json")`, `post("/echo", bdy = "a")`),
			`4:31: post: unknown argument "bdy"; did you mean "body"?`,
		},
		"misspelt argument of scenario": {
			scenarioWith(`about`, `abuot`),
			`3:5: scenario: unknown argument "abuot"; did you mean "about"?`,
		},
		"misspelt required argument": {
			scenarioWith(`rate`, `rat`),
			`5:40: steady: unknown argument "rat"; did you mean "rate"?`,
		},
		"an argument of earlier labs": {
			scenarioWith(`"node/single"],`, `"node/single"], upstream = True`),
			`6:33: scenario: unknown argument "upstream"; write services = ["upstream"]`,
		},
		"unknown service": {
			scenarioWith(`"node/single"],`, `"node/single"], services = ["upstraem"]`),
			`6:45: scenario: services holds "upstraem", which is not a service; did you mean "upstream"?`,
		},
		"a service twice": {
			scenarioWith(`"node/single"],`, `"node/single"], services = ["upstream", "upstream"]`),
			`6:57: scenario: services holds "upstream", which it has twice`,
		},
		"unknown argument far from any": {
			scenarioWith(`peak()`, `peak(qqqq = 1)`),
			`5:30: peak: unknown argument "qqqq"; valid: connections, keep_alive, timeout, name, requests, slo`,
		},
		"unknown variant": {
			scenarioWith(`node/single`, `node/singel`),
			`6:17: scenario: unknown variant "node/singel"; did you mean "node/single"?`,
		},
		"unknown variant far from any": {
			scenarioWith(`node/single`, `ruby`),
			`6:17: scenario: unknown variant "ruby"; valid: node/single, node/cluster, python/uvloop`,
		},
		"unknown variant pattern": {
			scenarioWith(`node/single`, `nod/*`),
			`6:17: scenario: unknown variant "nod/*"; valid: node/single, node/cluster, python/uvloop`,
		},
		"two unknown variants": {
			scenarioWith(`["node/single"]`, `["node/single", "a/b",
                "python/uvlop"]`),
			`6:32: scenario: unknown variant "a/b"; valid: node/single, node/cluster, python/uvloop
7:17: scenario: unknown variant "python/uvlop"; did you mean "python/uvloop"?`,
		},
		"variant twice": {
			scenarioWith(`["node/single"]`, `["node/single", "node/single"]`),
			`6:32: scenario: variants has "node/single" twice`,
		},
		"variants of a wrong type": {
			scenarioWith(`["node/single"]`, `"node/single"`),
			`6:16: scenario: variants is a string, want all, where(…) or a list of variants such as "node/single"`,
		},
		"variants hold a wrong type": {
			scenarioWith(`["node/single"]`, `[all]`),
			`6:17: scenario: variants holds a function, want strings or where(…)`,
		},
		"no variants": {
			scenarioWith(`["node/single"]`, `[]`),
			`6:16: scenario: variants is empty, want a list of variants`,
		},
		"wrong type of name": {
			scenarioWith(`"x"`, `1`),
			`2:12: scenario: name is a whole number, want a string`,
		},
		"wrong type of about": {
			scenarioWith(`"an example"`, `None`),
			`3:13: scenario: about is None, want a string`,
		},
		"wrong type of requests": {
			scenarioWith(`[get("/json")]`, `get("/json")`),
			`4:16: scenario: requests is a request, want a list of get(…) and post(…)`,
		},
		"dict of requests": {
			scenarioWith(`[get("/json")]`, `{"a": 1}`),
			`4:16: scenario: requests is a dict, want a list of get(…) and post(…)`,
		},
		"wrong type in requests": {
			scenarioWith(`get("/json")`, `"/json"`),
			`4:17: scenario: requests holds a string, want get(…) or post(…)`,
		},
		"phase among requests": {
			scenarioWith(`get("/json")`, `peak()`),
			`4:17: scenario: requests holds a phase, want get(…) or post(…)`,
		},
		"request among phases": {
			scenarioWith(`peak()`, `get("/a")`),
			`5:25: scenario: phases holds a request, want ` + phaseCalls,
		},
		"phase that is not called": {
			scenarioWith(`peak()`, `peak`),
			`5:25: scenario: phases holds a function, want ` + phaseCalls,
		},
		"expect of a wrong type": {
			scenarioWith(`get("/json")`, `get("/json", expect = "404")`),
			`4:39: get: expect is a string, want a status, 200 to 599, or answer(…)`,
		},
		"expect is not a status": {
			scenarioWith(`get("/json")`,
				`get("/json", expect = 42), post("/echo", body = "", expect = 600), get("/a", expect = -1)`),
			`4:39: get: expect is 42, want 200 to 599
4:78: post: expect is 600, want 200 to 599
4:103: get: expect is -1, want 200 to 599`,
		},
		"answer of wrong types": {
			scenarioWith(`get("/json")`, `get("/", expect = answer(status = "x", body = 1, headers = [], agree = 1))`),
			`4:51: answer: status is a string, want a whole number
4:63: answer: body is a whole number, want a string or bytes
4:76: answer: headers is a list, want a dict of strings
4:88: answer: agree is a whole number, want True or False`,
		},
		"answer with an interim status": {
			scenarioWith(`get("/json")`, `get("/", expect = answer(status = 101))`),
			`4:51: answer: status is 101, and a status of 1xx is never final, want 200 to 599`,
		},
		"answer with two bodies": {
			scenarioWith(`get("/json")`, `get("/", expect = answer(body = "x", json = {}))`),
			`4:35: answer: body and json are given, want one of them`,
		},
		"answer with a hash that is none": {
			scenarioWith(`get("/json")`, `get("/", expect = answer(sha256 = "abc"))`),
			`4:51: answer: sha256 is not of 64 hexadecimal digits, as sha256sum prints them`,
		},
		"answer with a body that has none": {
			scenarioWith(`get("/json")`,
				`get("/", expect = answer(status = 204, body = "")), get("/", expect = answer(status = 304, json = {}))`),
			`4:115: answer: an answer with status 304 has no body; leave out json`,
		},
		"answer on which variants need not agree": {
			scenarioWith(`get("/json")`, `get("/", expect = answer(body = "x", agree = False))`),
			`4:62: answer: agree is False, but with body all variants give the same answer`,
		},
		"answer with JSON that has no form": {
			scenarioWith(`get("/json")`, `get("/", expect = answer(json = {"a": [get]}))`),
			`4:49: answer: json["a"][0] is a function; answers have strings, numbers, True, False, None, lists ` +
				`and dicts`,
		},
		"answer with a number that JSON does not have": {
			scenarioWith(`get("/json")`, `get("/", expect = answer(json = {"a": float("nan")}))`),
			`4:49: answer: json["a"] is NaN, which JSON does not have`,
		},
		"answer with too many members": {
			scenarioWith(`get("/json")`, `get("/", expect = answer(json = {"m%d" % i: i for i in range(65)}))`),
			`4:49: answer: json cannot be compared: an expected dict has 65 members, at most 64 are allowed; ` +
				`name those that tell a right answer from a wrong one`,
		},
		"answer with headers that are not compared": {
			scenarioWith(`get("/json")`, `get("/", expect = answer(headers = {`+
				`"Content-Length": "3", "a b": "c", "d": "é", "E": "1", "e": "1"}))`),
			`4:52: answer: headers has "Content-Length", which says how the answer is sent, not what it is
4:52: answer: headers has "a b", which is not a valid name of a header
4:52: answer: headers has "é" for "d", which is not a valid value of a header
4:52: answer: headers has "e" twice`,
		},
		"two collections": {
			"collection(\"a\")\ncollection(\"b\")\n" + scenarioWith(`"x"`, `"x"`),
			`2:1: collection: called twice; the claims of a file are of one collection, "a"`,
		},
		"expect of an interim answer": {
			scenarioWith(`get("/json")`, `get("/json", expect = 100), get("/json", expect = 101)`),
			`4:39: get: expect is 100, and a status of 1xx is never final, want 200 to 599
4:67: get: expect is 101, and a status of 1xx is never final, want 200 to 599`,
		},
		"wrong type of rate": {
			scenarioWith(`rate = 100`, `rate = "100"`),
			`5:47: steady: rate is a string, want a number`,
		},
		"wrong type of connections": {
			scenarioWith(`peak()`, `peak(connections = 1.5)`),
			`5:44: peak: connections is a float, want a whole number`,
		},
		"wrong type of keep_alive": {
			scenarioWith(`peak()`, `peak(keep_alive = 1)`),
			`5:43: peak: keep_alive is a whole number, want True or False`,
		},
		"bool for connections": {
			scenarioWith(`peak()`, `peak(connections = True)`),
			`5:44: peak: connections is True, want a whole number`,
		},
		"missing field": {
			scenarioWith(`    about = "an example",
`, ``),
			`1:1: scenario: missing argument "about"`,
		},
		"all fields missing": {
			"scenario()\n",
			`1:1: scenario: missing argument "name"
1:1: scenario: missing argument "about"
1:1: scenario: missing argument "requests"
1:1: scenario: missing argument "phases"`,
		},
		"missing rate": {
			scenarioWith(`rate = 100`, ``),
			`5:33: steady: missing argument "rate"`,
		},
		"missing path": {
			scenarioWith(`get("/json")`, `get()`),
			`4:17: get: missing argument "path"`,
		},
		"missing body": {
			scenarioWith(`get("/json")`, `post("/echo")`),
			`4:17: post: missing argument "json" or "body"`,
		},
		"two bodies": {
			scenarioWith(`get("/json")`, `post("/echo", body = "", json = 1)`),
			`4:17: post: both json and body are given, want one`,
		},
		"empty about": {
			scenarioWith(`an example`, ` `),
			`3:13: scenario: about is empty`,
		},
		"two lines about": {
			scenarioWith(`an example`, `a\nb`),
			`3:13: scenario: about has more than one line`,
		},
		"negative rate": {
			scenarioWith(`rate = 100`, `rate = -1`),
			`5:47: steady: rate is -1, want more than 0 and at most 1000000`,
		},
		"rate of 0": {
			scenarioWith(`rate = 100`, `rate = 0`),
			`5:47: steady: rate is 0, want more than 0 and at most 1000000`,
		},
		"rate that is not a number": {
			scenarioWith(`rate = 100`, `rate = float("nan")`),
			`5:47: steady: rate is nan, want more than 0 and at most 1000000`,
		},
		"infinite rate": {
			scenarioWith(`rate = 100`, `rate = float("inf")`),
			`5:47: steady: rate is +inf, want more than 0 and at most 1000000`,
		},
		"no connections": {
			scenarioWith(`peak()`, `peak(connections = 0)`),
			`5:44: peak: connections is 0, want 1 to 60000`,
		},
		"too many connections": {
			scenarioWith(`peak()`, `peak(connections = 100000)`),
			`5:44: peak: connections is 100000, want 1 to 60000`,
		},
		"connections beyond 64 bits": {
			scenarioWith(`peak()`, `peak(connections = 1 << 70)`),
			`5:44: peak: connections is 1180591620717411303424, want 1 to 60000`,
		},
		"no timeout": {
			scenarioWith(`peak()`, `peak(timeout = 0)`),
			`5:40: peak: timeout is 0, want more than 0 and at most 600`,
		},
		"unknown arrivals": {
			scenarioWith(`rate = 100`, `rate = 100, arrivals = "poison"`),
			`5:63: steady: unknown arrivals "poison"; did you mean "poisson"?`,
		},
		"wrong type of arrivals": {
			scenarioWith(`rate = 100`, `rate = 100, arrivals = 1`),
			`5:63: steady: arrivals is a whole number, want a string`,
		},
		"infinite work": {
			"def f():\n    for _ in range(1 << 40):\n        pass\n\nf()\n" + scenarioWith(),
			`2:5: the script took more than 1000000 steps; make it do less work`,
		},
		"recursion": {
			"def f():\n    f()\n\nf()\n",
			`2:5: function f called recursively`,
		},
		"while": {
			"def f():\n    while True:\n        pass\n",
			`2:5: this Starlark dialect does not support while loops`,
		},
		"an endless list of requests": {
			scenarioWith(`[get("/json")]`, `range(1 << 40)`),
			`4:16: scenario: requests has 1099511627776 elements, at most 10000 are allowed`,
		},
		"a list longer than memory": {
			"x = list(range(1 << 60))\n",
			` the interpreter failed: runtime error: makeslice: cap out of range`,
		},
		"two scenarios": {
			scenarioWith() + scenarioWith(),
			`8:1: scenario: called twice; the first is in line 1, and a file holds one scenario`,
		},
		"no scenario": {
			"x = 1\n",
			`1:1: there is no scenario() in the file`,
		},
		"empty file": {
			"",
			`1:1: there is no scenario() in the file`,
		},
		"bad name": {
			scenarioWith(`"x"`, `"X y"`),
			`2:12: scenario: name "X y" is not of the form ^[a-z][a-z0-9-]*$`,
		},
		"name of another file": {
			scenarioWith(`"x"`, `"y"`),
			`2:12: scenario: name "y" differs from the file's, "x"; change one of them`,
		},
		"empty requests": {
			scenarioWith(`[get("/json")]`, `[]`),
			`4:16: scenario: requests is empty, want a list of get(…) and post(…)`,
		},
		"empty phases": {
			scenarioWith(`[warmup(), peak(), steady(rate = 100)]`, `[]`),
			`5:14: scenario: phases is empty, want a list of ` + phaseCalls,
		},
		"warm-up not first": {
			scenarioWith(`warmup(), peak()`, `peak(), warmup()`),
			`5:23: scenario: phases has warmup after another phase, want it first`,
		},
		"duplicate phases": {
			scenarioWith(`peak(), steady(rate = 100)`, `peak(), peak(timeout = 2)`),
			`5:33: scenario: phases has peak-64 twice; set name in one of them`,
		},
		"a rung twice": {
			scenarioWith(`peak()`, `ladder(connections = [1, 10, 1])`),
			`5:54: ladder: connections holds 1 twice`,
		},
		"a rung that is not a number": {
			scenarioWith(`steady(rate = 100)`, `steps(rates = [100, "200"])`),
			`5:53: steps: rates holds a string, want numbers`,
		},
		"a negative step": {
			scenarioWith(`steady(rate = 100)`, `steps(rates = [100, -200])`),
			`5:53: steps: rates holds -200, want more than 0 and at most 1000000`,
		},
		"too many rungs": {
			scenarioWith(`peak()`, `peak(connections = range(1, 99))`),
			`5:44: peak: connections has 98 elements, at most 20 are allowed; each is measured on its own`,
		},
		"a ladder without rungs": {
			scenarioWith(`peak()`, `ladder()`),
			`5:25: ladder: missing argument "connections"`,
		},
		"a share of 0": {
			scenarioWith(`rate = 100`, `rate = share(0)`),
			`5:53: share: of is 0, want more than 0 and at most 10`,
		},
		"a name that is not a label": {
			scenarioWith(`peak()`, `peak(name = "Two words")`),
			`5:37: peak: name "Two words" is not of the form ^[a-z0-9][a-z0-9%.-]*$`,
		},
		"only background requests": {
			scenarioWith(`get("/json")`, `get("/json", background = True)`),
			`4:16: scenario: all requests are background, want at least one whose latency counts`,
		},
		"objective of an unknown metric": {
			scenarioWith(`rate = 100`, `rate = 100, slo = [below("latency_p9_ms", 50)]`),
			`5:65: below: unknown metric "latency_p9_ms"; did you mean "latency_p90_ms"?`,
		},
		"objective without a limit": {
			scenarioWith(`rate = 100`, `rate = 100, slo = [above("throughput_rps")]`),
			`5:59: above: missing argument "limit"`,
		},
		"objective of a wrong type": {
			scenarioWith(`rate = 100`, `rate = 100, slo = ["fast"]`),
			`5:59: steady: slo holds a string, want below(…) or above(…)`,
		},
		"unknown metric": {
			hypothesisWith(`"throughput_rps"`, `"throughput"`),
			`8:44: hypothesis: unknown metric "throughput"; did you mean "throughput_rps"?`,
		},
		"a metric without a better direction": {
			hypothesisWith(`"throughput_rps"`, `"variant"`),
			`8:44: hypothesis: unknown metric "variant"; valid: ` + judgedMetrics(),
		},
		"unknown claim": {
			hypothesisWith(`"speed-1"`, `"speed-l"`),
			`8:24: hypothesis: unknown claim "speed-l"; did you mean "speed-1"?`,
		},
		"unknown claim, and another mistake": {
			hypothesisWith(`"speed-1", metric = "throughput_rps"`, `"speed-l", metric = "throughput"`),
			`8:24: hypothesis: unknown claim "speed-l"; did you mean "speed-1"?
8:44: hypothesis: unknown metric "throughput"; did you mean "throughput_rps"?`,
		},
		"a claim that is not a string": {
			hypothesisWith(`"speed-1"`, `1`),
			`8:24: hypothesis: claim is a whole number, want a string`,
		},
		"a claim without a statement": {
			"claim(\"mine\")\n" + scenarioWith(),
			`1:1: claim: missing argument "statement"`,
		},
		"a claim with an empty statement and nothing that it lacks": {
			"claim(\"mine\", \"\", lacks = \" \")\n" + scenarioWith(),
			`1:15: claim: statement is empty
1:27: claim: lacks is empty`,
		},
		"a claim's id that is not a name": {
			"claim(\"Mine, of course\", \"It is.\")\n" + scenarioWith(),
			`1:7: claim: id "Mine, of course" is not of the form ^[a-z][a-z0-9-]*$`,
		},
		"an untestable topic without a reason": {
			"untestable(\"beauty\")\n" + scenarioWith(),
			`1:1: untestable: missing argument "reason"`,
		},
		"a claim defined twice in one file": {
			"claim(\"mine\", \"It is.\")\n" +
				"[claim(id, \"It is.\") for id in [\"other\", \"mine\", \"mine\"]]\n" + scenarioWith(),
			`2:2: claim: "mine" is already defined in scenarios/x.star:1:1`,
		},
		"unknown profile": {
			scenarioWith(`"an example",`, `"an example", profile = "qick",`),
			`3:37: scenario: unknown profile "qick"; did you mean "quick"?`,
		},
		"unknown direction": {
			hypothesisWith(`phase =`, `direction = "faster", phase =`),
			`9:52: hypothesis: unknown direction "faster"; valid: higher, lower, not-higher, not-lower, same`,
		},
		"margin above 1": {
			hypothesisWith(`phase =`, `margin = 5, phase =`),
			`9:49: hypothesis: margin is 5, want more than 0 and at most 1`,
		},
		"unknown variant of a hypothesis": {
			hypothesisWith(`numerator = "node/single"`, `numerator = "node/singel"`),
			`8:74: scenario: unknown variant "node/singel" of this scenario; did you mean "node/single"?`,
		},
		"unknown phase of a hypothesis": {
			hypothesisWith(`phase = "peak"`, `phase = "paek"`),
			`9:48: scenario: unknown phase "paek"; did you mean "peak"?`,
		},
		"a hypothesis without a phase": {
			hypothesisWith(`, phase = "peak"`, ``),
			`8:5: scenario: the hypothesis does not name its phase; set phase to one of peak, steady`,
		},
		"a hypothesis that compares a ratio with a value": {
			hypothesisWith(`numerator = "node/single"`, `numerator = arm("node/single", over = "node/cluster")`),
			`8:5: scenario: one arm of the hypothesis is a ratio and the other is not; ` +
				`give over to both arms or to neither`,
		},
		"a variant that the scenario leaves out": {
			strings.Replace(hypothesisWith(`"python/uvloop"`, `"node/cluster"`), "all",
				`["node/single", "node/single~twin"]`, 1),
			`9:23: scenario: variant "node/cluster" is not in this scenario; add it to variants`,
		},
		"a twin that the scenario leaves out": {
			hypothesisWith(`"python/uvloop"`, `"node/single~twin"`),
			`9:23: scenario: variant "node/single~twin" is not in this scenario; add it to variants`,
		},
		"a twin of an unknown variant": {
			scenarioWith(`"node/single"`, `"node/singel~twin"`),
			`6:17: scenario: unknown variant "node/singel~twin"; valid: node/single, node/cluster, python/uvloop`,
		},
		"a twin of a twin": {
			scenarioWith(`"node/single"`, `"node/single~twin~twin"`),
			`6:17: scenario: unknown variant "node/single~twin~twin"; valid: node/single, node/cluster, python/uvloop`,
		},
		"a corrected latency of a closed loop": {
			hypothesisWith(`"throughput_rps"`, `"latency_p99_ms"`),
			`8:44: scenario: latency_p99_ms has no value in peak, which has no schedule; use latency_raw_p99_ms`,
		},
		"a corrected latency that has no raw one": {
			hypothesisWith(`"throughput_rps"`, `"latency_p999_ms"`),
			`8:44: scenario: latency_p999_ms has no value in peak, which has no schedule`,
		},
		"goodput without a deadline": {
			hypothesisWith(`"throughput_rps"`, `"goodput_rps"`),
			`8:44: scenario: goodput_rps has no value in peak, which has no deadline; ` +
				`use throughput_rps, or set deadline`,
		},
		"a capacity of a peak": {
			hypothesisWith(`"throughput_rps"`, `"capacity_rps"`),
			`8:44: scenario: capacity_rps has no value in peak, which is not a capacity search`,
		},
		"a latency of an overload": {
			strings.NewReplacer("peak(), steady(rate = 100)", `steady(name = "all", rate = share(1, own = True))`,
				`"peak"`, `"steady-all"`).
				Replace(hypothesisWith(`"throughput_rps"`, `"latency_raw_p50_ms"`)),
			`8:44: scenario: latency_raw_p50_ms has no value in steady-all, ` +
				`which is an overload: latency grows with its duration; use goodput_rps with a deadline`,
		},
		"a profile shorter than the scenario's": {
			hypothesisWith(`phase =`, `profile = "smoke", phase =`),
			`9:50: scenario: profile "smoke" does not run this scenario, whose shortest profile is "quick"`,
		},
		"an unknown profile of a hypothesis": {
			hypothesisWith(`phase =`, `profile = "fully", phase =`),
			`9:50: hypothesis: unknown profile "fully"; did you mean "full"?`,
		},
		"cores that a scenario does not have": {
			hypothesisWith(`numerator = "node/single"`, `numerator = arm("node/single", cores = 2)`),
			`8:101: scenario: cores is 2, which the scenario does not have; want one of 1`,
		},
		"an arm without cores": {
			strings.Replace(hypothesisWith(`"python/uvloop"`, `arm("node/single", cores = 4)`), `"an example",`,
				`"an example", cores = [4, 1],`, 1),
			`8:74: scenario: the arm does not give its number of CPUs; ` +
				`add cores = one of 1, 4, as in arm("node/single", cores = 1)`,
		},
		"an arm over one without cores": {
			strings.Replace(hypothesisWith(`"python/uvloop"`, `arm("node/single", cores = 4, over = "node/cluster")`),
				`"an example",`, `"an example", cores = [4, 1],`, 1),
			`8:74: scenario: the arm does not give its number of CPUs; ` +
				`add cores = one of 1, 4, as in arm("node/single", cores = 1)`,
		},
		"an arm over itself": {
			hypothesisWith(`numerator = "node/single"`,
				`numerator = arm("node/single", over = arm("node/single", phase = "peak"))`),
			`8:100: scenario: the arm divides node/single peak by itself`,
		},
		"a ratio over a ratio": {
			hypothesisWith(`numerator = "node/single"`,
				`numerator = arm("node/single", over = arm("node/cluster", over = "python/uvloop"))`),
			`8:100: arm: over is itself a ratio, want an arm without over`,
		},
		"an arm over a value of a wrong type": {
			hypothesisWith(`numerator = "node/single"`, `numerator = arm("node/single", over = 2)`),
			`8:100: arm: over is a whole number, want a variant such as "node/single", or arm(…)`,
		},
		"an unknown phase of an arm": {
			hypothesisWith(`numerator = "node/single"`, `numerator = arm("node/single", phase = "paek")`),
			`8:101: scenario: unknown phase "paek"; did you mean "peak"?`,
		},
		"cores of a wrong type": {
			scenarioWith(`"an example",`, `"an example", cores = [1, "2"],`),
			`3:39: scenario: cores holds a string, want whole numbers`,
		},
		"a number of CPUs twice": {
			scenarioWith(`"an example",`, `"an example", cores = [1, 2, 1],`),
			`3:42: scenario: cores holds 1 twice`,
		},
		"no CPUs": {
			scenarioWith(`"an example",`, `"an example", cores = [],`),
			`3:35: scenario: cores is empty, want a list of whole numbers`,
		},
		"a capacity without an SLO": {
			scenarioWith(`steady(rate = 100)`, `capacity(start = 100)`),
			`5:33: capacity: missing argument "slo"`,
		},
		"a capacity with an empty SLO": {
			scenarioWith(`steady(rate = 100)`, `capacity(start = 100, slo = [])`),
			`5:61: capacity: slo is empty, want a list of below(…) and above(…)`,
		},
		"a capacity without a start": {
			scenarioWith(`steady(rate = 100)`, `capacity(slo = [below("latency_p99_ms", 50)])`),
			`5:33: capacity: missing argument "start"`,
		},
		"a capacity that starts at 0": {
			scenarioWith(`steady(rate = 100)`, `capacity(start = 0, slo = [below("latency_p99_ms", 50)])`),
			`5:50: capacity: start is 0, want more than 0 and at most 1000000`,
		},
		"capacity as an objective of a search": {
			scenarioWith(`steady(rate = 100)`, `capacity(start = 9, slo = [above("capacity_rps", 50)])`),
			`5:60: capacity: capacity_rps has no value in a single rate of capacity(…), ` +
				`which is not a capacity search`,
		},
		"goodput as an objective of a search without a deadline": {
			scenarioWith(`steady(rate = 100)`, `capacity(start = 9, slo = [above("goodput_rps", 50)])`),
			`5:60: capacity: goodput_rps has no value in a single rate of capacity(…), which has no deadline; ` +
				`use throughput_rps, or set deadline`,
		},
		"a corrected latency as an objective of a closed loop": {
			scenarioWith(`peak()`, `peak(connections = [1, 2], slo = [below("latency_p50_ms", 50)])`),
			`5:59: peak: latency_p50_ms has no value in peak, which has no schedule; use latency_raw_p50_ms`,
		},
		"a hypothesis that compares an arm with itself": {
			hypothesisWith(`"python/uvloop"`, `"node/single"`),
			`8:5: scenario: the hypothesis compares node/single peak with itself`,
		},
		"nothing measured": {
			scenarioWith(`warmup(), peak(), steady(rate = 100)`, `warmup()`),
			`5:14: scenario: phases has no measured phase, want ` + measuredCalls,
		},
		"path without slash": {
			scenarioWith(`/json`, `json`),
			`4:21: get: path "json" does not begin with /`,
		},
		"path with a space": {
			scenarioWith(`/json`, `/a b`),
			`4:21: get: path "/a b" has a character that has to be percent-encoded, or a fragment`,
		},
		"path with a bad escape": {
			scenarioWith(`/json`, `/%zz`),
			`4:21: get: path "/%zz" is not a valid path and query`,
		},
		"header of the generator": {
			scenarioWith(`get("/json")`, `get("/json", headers = {"host": "a"})`),
			`4:40: get: headers has "host", which the generator sets`,
		},
		"invalid name of a header": {
			scenarioWith(`get("/json")`, `get("/json", headers = {"a b": "c"})`),
			`4:40: get: headers has "a b", which is not a valid name of a header`,
		},
		"header with a line break": {
			scenarioWith(`get("/json")`, `get("/json", headers = {"a": "b\nc"})`),
			`4:40: get: headers has "b\nc" for "a", which is not a valid value of a header`,
		},
		"header twice": {
			scenarioWith(`get("/json")`, `get("/json", headers = {"x-a": "1", "X-A": "2"})`),
			`4:40: get: headers has "X-A" twice`,
		},
		"header of a wrong type": {
			scenarioWith(`get("/json")`, `get("/json", headers = {"a": 1})`),
			`4:40: get: headers has "a": 1, want strings`,
		},
		"headers of a wrong type": {
			scenarioWith(`get("/json")`, `get("/json", headers = ["a"])`),
			`4:40: get: headers is a list, want a dict of strings`,
		},
		"float in json": {
			scenarioWith(`get("/json")`, `post("/echo", json = {"a": [1, 2.5]})`),
			`4:38: post: json["a"][1] is a float; ` +
				`bodies have strings, whole numbers, True, False, None, lists and dicts`,
		},
		"function in json": {
			scenarioWith(`get("/json")`, `post("/echo", json = {"a": len})`),
			`4:38: post: json["a"] is a function; ` +
				`bodies have strings, whole numbers, True, False, None, lists and dicts`,
		},
		"large number in json": {
			scenarioWith(`get("/json")`, `post("/echo", json = [9007199254740992])`),
			`4:38: post: json[0] is 9007199254740992; whole numbers go to 2^53-1, which every runtime holds exactly`,
		},
		"key that is not a string": {
			scenarioWith(`get("/json")`, `post("/echo", json = {1: 2})`),
			`4:38: post: json has the key 1; keys are strings`,
		},
		"json that contains itself": {
			"a = []\na.append(a)\n" + scenarioWith(`get("/json")`, `post("/echo", json = a)`),
			`6:38: post: json is nested deeper than 100`,
		},
		"json with too many values": {
			"def f():\n    a = []\n    for _ in range(60):\n        a = [a, a]\n    return a\n\n" +
				scenarioWith(`get("/json")`, `post("/echo", json = f())`),
			`10:38: post: json is longer than 16 MiB or has more than 200000 values`,
		},
		"invalid text in json": {
			scenarioWith(`get("/json")`, `post("/echo", json = ["ë"[:1]])`),
			`4:38: post: json[0] is not valid UTF-8`,
		},
		"invalid key in json": {
			scenarioWith(`get("/json")`, `post("/echo", json = {"a": {"ë"[:1]: 1}})`),
			`4:38: post: json["a"] has the key "\xc3", which is not valid UTF-8`,
		},
		"body of a wrong type": {
			scenarioWith(`get("/json")`, `post("/echo", body = 1)`),
			`4:38: post: body is a whole number, want a string or bytes`,
		},
		"without names": {
			scenarioWith(`peak()`, `peak(64)`),
			`5:30: peak: an argument without a name; ` +
				`give arguments by name: connections, keep_alive, timeout, name, requests, slo`,
		},
		"too many without names": {
			scenarioWith(`get("/json")`, `get("/json", {})`),
			`4:30: get: more than 1 argument without a name; ` +
				`give arguments by name: path, headers, background, expect`,
		},
		"argument twice": {
			scenarioWith(`get("/json")`, `get("/json", path = "/a")`),
			`4:30: get: argument "path" is given twice`,
		},
		"argument twice by name": {
			scenarioWith(`rate = 100`, `rate = 1, rate = 2`),
			`5:50: keyword argument "rate" is repeated`,
		},
		"load": {
			"load(\"a.star\", \"b\")\n",
			`1:1: load: a script cannot load other files; write all of it in this file`,
		},
		"clock": {
			"x = time.now()\n" + scenarioWith(),
			`1:5: unknown name "time"; valid: ` + scenarioFunctions,
		},
		"division by nothing": {
			"x = 1 // 0\n",
			`1:7: floored division by zero`,
		},
		"fail": {
			"fail(\"not today\")\n",
			`1:1: fail: not today`,
		},
		"attribute of a request": {
			scenarioWith(`get("/json")`, `get("/json").path`),
			`4:29: request has no .path field or method`,
		},
		"name assigned twice": {
			"x = 1\nx = 2\n",
			`2:1: cannot reassign global x declared at scenarios/x.star:1:1`,
		},
		"loop at top level": {
			"for x in []:\n    pass\n",
			`1:1: for loop not within a function`,
		},
		"in a function, reported once": {
			"def f(n):\n    return get(\"json\")\n\n" + scenarioWith(`get("/json")`, `f(1), f(2)`),
			`2:16: get: path "json" does not begin with /`,
		},
		"by keywords that are unpacked": {
			scenarioWith(`get("/json")`, `get(**{"pth": "/a"})`),
			`4:17: get: unknown argument "pth"; did you mean "path"?`,
		},
		"value of an unknown name": {
			"x = nothing.at_all\n" + scenarioWith(),
			`1:5: unknown name "nothing"; valid: ` + scenarioFunctions,
		},
		"unknown name in json": {
			scenarioWith(`get("/json")`, `post("/echo", json = {"a": nul})`),
			`4:44: unknown name "nul"; valid: ` + scenarioFunctions,
		},
		"called by a built-in function": {
			"x = sorted([\"json\"], key = get)\n" + scenarioWith(),
			`1:5: get: path "json" does not begin with /`,
		},
		"headers, each once and in order": {
			scenarioWith(`get("/json")`, `get("/json", headers = {"d d": "", "c c": "", "b b": "", "a a": ""})`),
			`4:40: get: headers has "a a", which is not a valid name of a header
4:40: get: headers has "b b", which is not a valid name of a header
4:40: get: headers has "c c", which is not a valid name of a header
4:40: get: headers has "d d", which is not a valid name of a header`,
		},
		"unknown name in headers": {
			scenarioWith(`get("/json")`, `get("/json", headers = {"a": nothing})`),
			`4:46: unknown name "nothing"; valid: ` + scenarioFunctions,
		},
		"unknown phase beside a warm-up": {
			scenarioWith(`peak(), steady(rate = 100)`, `pek()`),
			`5:25: unknown name "pek"; did you mean "peak"?`,
		},
		"very negative number in json": {
			scenarioWith(`get("/json")`, `post("/echo", json = -9007199254740992)`),
			`4:38: post: json is -9007199254740992; whole numbers go to 2^53-1, which every runtime holds exactly`,
		},
		"all at once": {
			scenarioWith(`"an example"`, `3`, `get("/json")`, `get("json"), post("/echo", bdy = "")`,
				`steady(rate = 100)`, `steady(rate = -5, arivals = "poisson")`, `node/single`, `node/singl`),
			`3:13: scenario: about is a whole number, want a string
4:21: get: path "json" does not begin with /
4:44: post: unknown argument "bdy"; did you mean "body"?
5:47: steady: rate is -5, want more than 0 and at most 1000000
5:51: steady: unknown argument "arivals"; did you mean "arrivals"?
6:17: scenario: unknown variant "node/singl"; did you mean "node/single"?`,
		},
	} {
		t.Run(name, func(t *testing.T) {
			library := load(t, checkout(t, map[string]string{"scenarios/x.star": c.text}))
			want := at + strings.ReplaceAll(c.want, "\n", "\n"+at)
			if got := messages(library); got != want {
				t.Errorf("got\n%s\nwant\n%s", got, want)
			}
			if len(library.Scenarios) > 0 {
				t.Error("a scenario with a fault is among the scenarios")
			}
		})
	}
}

// hypothesisWith returns a scenario with a hypothesis in line 7, in which old,
// which must appear once, is replaced.
func hypothesisWith(old, replacement string) string {
	text := strings.Replace(scenarioWith(`["node/single"]`, "all"), "\n)", `
    hypotheses = [
    hypothesis(claim = "speed-1", metric = "throughput_rps", numerator = "node/single",
        denominator = "python/uvloop", phase = "peak"),
    ],
)`, 1)
	if strings.Count(text, old) != 1 {
		panic(old + " is not in the scenario once")
	}
	return strings.Replace(text, old, replacement, 1)
}

// judgedMetrics lists the metrics that have a better direction, for a message.
func judgedMetrics() string {
	var names []string
	for _, m := range metric.Table() {
		if m.Kind != metric.String && m.Better != metric.Neither {
			names = append(names, m.Name)
		}
	}
	slices.Sort(names)
	return strings.Join(names, ", ")
}
