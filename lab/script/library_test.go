package script_test

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"maps"
	"os"
	"path/filepath"
	"reflect"
	"slices"
	"strings"
	"syscall"
	"testing"

	"runtimelab/lab"
	"runtimelab/lab/fault"
	"runtimelab/lab/script"
)

const repository = "../.."

func scenarioNames(scenarios []lab.Scenario) []string {
	var all []string
	for _, s := range scenarios {
		all = append(all, s.Name)
	}
	return all
}

func variantIDs(variants []lab.Variant) []string {
	var all []string
	for _, v := range variants {
		all = append(all, v.ID())
	}
	return all
}

func TestShippedScriptsLoad(t *testing.T) {
	library := load(t, repository)
	if err := library.Err(); err != nil {
		t.Fatal(err)
	}
	claims := map[string]bool{}
	for _, s := range library.Scenarios {
		for _, h := range s.Hypotheses {
			claims[h.Claim] = true
		}
	}
	for _, claim := range []string{
		"arch-1", "arch-2", "arch-3", "arch-4", "speed-1", "speed-2", "speed-3",
		"scale-1", "scale-3", "scale-4",
	} {
		if !claims[claim] {
			t.Errorf("no shipped scenario has a hypothesis of %s", claim)
		}
	}
	for _, name := range []string{
		"json", "compute-integers", "wait", "callbacks", "parallel", "scaling",
		"capacity", "stream", "mixed",
	} {
		if _, err := library.Select(name); err != nil {
			t.Error(err)
		}
	}
	for _, r := range library.Runtimes {
		if _, err := os.Stat(filepath.Join(r.ContextDir, r.Dockerfile)); err != nil {
			t.Errorf("%s: its folder is not a build context: %v", r.Name, err)
		}
	}
}

// In an overload the goodput follows from the rate, the deadline and the duration,
// whatever the server. Claim scale-3 must therefore be judged by throughput.
func TestNoHypothesisIsAboutGoodputInAnOverload(t *testing.T) {
	var scale3 []string
	for _, s := range load(t, repository).Scenarios {
		overloads := map[string]bool{}
		for _, p := range s.Phases {
			overloads[p.Name] = p.Overloads()
		}
		for _, h := range s.Hypotheses {
			for _, a := range h.Arms() {
				if h.Metric == "goodput_rps" && overloads[a.Phase] {
					t.Errorf("%s is about goodput in an overload", h.ID())
				}
			}
			if h.Claim == "scale-3" {
				scale3 = append(scale3, fmt.Sprintf("%s, margin %v", h.ID(), h.Margin))
			}
		}
	}
	want := []string{"overload: throughput_rps of node/single steady-120% over node/single steady-100% is " +
		"not-lower, margin 0.1"}
	if !slices.Equal(scale3, want) {
		t.Errorf("scale-3 is judged by %q, want %q", scale3, want)
	}
}

func TestAnswersAreReadAsWritten(t *testing.T) {
	digest := strings.Repeat("0aF", 21) + "0"
	answers := []struct {
		text   string
		status int
		want   lab.Expectation
	}{
		{`answer()`, 200, lab.Expectation{Agree: true}},
		{`answer(agree = False)`, 200, lab.Expectation{}},
		{`answer(status = 404, body = "")`, 404, lab.Expectation{Body: []byte{}, Agree: true}},
		{`answer(body = b"\xff")`, 200, lab.Expectation{Body: []byte{0xff}, Agree: true}},
		{`answer(sha256 = "` + digest + `")`, 200, lab.Expectation{SHA256: strings.ToLower(digest), Agree: true}},
		{
			`answer(json = {"price": 12.5, "z": [1, None, {"ok": True}], "a": 1e300})`, 200,
			lab.Expectation{JSON: []byte(`{"price":12.5,"z":[1,null,{"ok":true}],"a":1e+300}`)},
		},
		{`answer(json = [], agree = True)`, 200, lab.Expectation{JSON: []byte(`[]`), Agree: true}},
		{
			`answer(status = 201, headers = {"X-Version": "2"}, json = {"id": 7})`, 201,
			lab.Expectation{Header: map[string]string{"x-version": "2"}, JSON: []byte(`{"id":7}`)},
		},
	}
	var requests []string
	for _, a := range answers {
		requests = append(requests, `get("/", expect = `+a.text+`)`)
	}
	library := load(t, checkout(t, map[string]string{
		"scenarios/x.star": scenarioWith(`get("/json")`, strings.Join(requests, ",\n        ")),
	}))
	if err := library.Err(); err != nil {
		t.Fatal(err)
	}
	for i, r := range library.Scenarios[0].Requests {
		a := answers[i]
		if r.Expect != a.status || !reflect.DeepEqual(r.Answer, &a.want) {
			t.Errorf("%s: status %d, %+v, want %d, %+v", a.text, r.Expect, r.Answer, a.status, a.want)
		}
	}
}

func TestScenarioIsReadAsWritten(t *testing.T) {
	text := `print("goes to the debug log")
def order(n):
    return {"z": n, "a": [True, False, None, "<é\n\"\\&\u2028>"], "big": -9007199254740991, "t": (), "d": {}}

scenario(
    name = "x",
    about = "every argument",
    requests = [
        get("/a?b=%20c", headers = {"accept": "text/plain"}, expect = 304),
        post("/j", json = order(1)),
        post("/k", json = None, headers = {"content-type": "text/json"}),
        post(path = "/b", body = b"\x00\xff"),
        post("/s", body = ""),
    ],
    phases = [
        warmup(),
        peak(connections = 7, timeout = 1.5, keep_alive = False),
        steady(rate = 0.5, connections = 9, arrivals = "constant", timeout = 3),
    ],
    variants = ["python/*", "node/single", "*/single"],
)
`
	library := load(t, checkout(t, map[string]string{"scenarios/x.star": text}))
	if err := library.Err(); err != nil {
		t.Fatal(err)
	}
	sum := sha256.Sum256([]byte(text))
	want := lab.Scenario{
		Name: "x", About: "every argument", File: "scenarios/x.star", SHA256: hex.EncodeToString(sum[:]),
		Requests: []lab.Request{
			{
				Method: "GET", Path: "/a?b=%20c", Header: map[string]string{"Accept": "text/plain"}, Expect: 304,
				At: lab.Place{Line: 9, Column: 9},
			},
			{
				Method: "POST", Path: "/j", Header: map[string]string{"Content-Type": "application/json"},
				Body: []byte(`{"z":1,"a":[true,false,null,"<é\n\"\\&\u2028>"],"big":-9007199254740991,"t":[],"d":{}}`),
				At:   lab.Place{Line: 10, Column: 9},
			},
			{
				Method: "POST", Path: "/k", Header: map[string]string{"Content-Type": "text/json"},
				Body: []byte("null"), At: lab.Place{Line: 11, Column: 9},
			},
			{Method: "POST", Path: "/b", Body: []byte("\x00\xff"), At: lab.Place{Line: 12, Column: 9}},
			{Method: "POST", Path: "/s", At: lab.Place{Line: 13, Column: 9}},
		},
		Phases: []lab.Phase{
			{Name: "warmup", Kind: lab.WarmUp, Connections: 64, TimeoutS: 10},
			{Name: "peak", Kind: lab.Peak, Connections: 7, TimeoutS: 1.5, ConnectionPerRequest: true},
			{Name: "steady", Kind: lab.Steady, Connections: 9, RateRPS: 0.5, Arrivals: lab.Constant, TimeoutS: 3},
		},
		Profile:  "quick",
		Cores:    []int{1},
		Variants: []string{"python/uvloop", "node/single"},
	}
	if got := library.Scenarios[0]; !reflect.DeepEqual(got, want) {
		t.Errorf("got\n%+v\nwant\n%+v", got, want)
	}
}

func TestScenarioHasAllVariantsByDefault(t *testing.T) {
	every := []string{"node/single", "node/cluster", "python/uvloop"}
	for name, text := range map[string]string{
		"left out": scenarioWith(`    variants = ["node/single"],`+"\n", ""),
		"all":      scenarioWith(`["node/single"]`, "all"),
	} {
		library := load(t, checkout(t, map[string]string{"scenarios/x.star": text}))
		if err := library.Err(); err != nil {
			t.Fatal(err)
		}
		if got := library.Scenarios[0].Variants; !slices.Equal(got, every) {
			t.Errorf("%s: %v, want %v", name, got, every)
		}
		if p := library.Scenarios[0].Phases[2]; p.Arrivals != lab.Poisson || p.Connections != 128 {
			t.Errorf("%s: steady is %+v, want poisson on 128 connections", name, p)
		}
	}
}

func TestRuntimeIsReadAsWritten(t *testing.T) {
	root := checkout(t, nil)
	library := load(t, root)
	if err := library.Err(); err != nil {
		t.Fatal(err)
	}
	want := lab.Runtime{
		Name: "python", About: "Python", File: "runtimes/python/runtime.star",
		ContextRuntime: "python", ContextDir: filepath.Join(root, "runtimes", "python"), Dockerfile: "Dockerfile",
		Base: lab.BaseImage{Official: "python:3.14", Suite: "forky", Packages: []string{"python3"}},
		Variants: []lab.Variant{{
			Runtime: "python", Name: "uvloop", About: "one", Model: "single", Application: "python",
			Command: []string{"python3"}, Env: map[string]string{"A": "b"},
		}},
	}
	got, err := library.Runtime("python")
	if err != nil || !reflect.DeepEqual(got, want) {
		t.Errorf("%v\n%+v\nwant\n%+v", err, got, want)
	}
	if !filepath.IsAbs(load(t, repository).Runtimes[0].ContextDir) {
		t.Error("a runtime's folder is not absolute when the root is not")
	}
}

func TestFactsOfARuntimeAreRead(t *testing.T) {
	library := load(t, checkout(t, map[string]string{
		"runtimes/ruby/runtime.star": `runtime(
    about = "Ruby",
    base = base(official = "ruby:4", suite = "forky", packages = ["ruby"], ca_env = ["B_CERT", "A_CERT"]),
    ignore = [".bundle", "*.rbc"],
)
variant(
    name = "jit", model = "single", about = "one", command = ["ruby"],
    identity = {"gil": None, "workers": 2, "build.jit": "on", "runtime_version": "4.0.0"},
)
variant(name = "plain", model = "single", about = "one", command = ["ruby"], identity = {"gil": True})
`,
		"runtimes/ruby-jit/runtime.star": `runtime(
    about = "Ruby, built otherwise",
    base = base(official = "ruby:4", suite = "forky", packages = ["ruby"]),
    context = "ruby",
    compare_with = only(("ruby", "node"), reason = "has other flags"),
)
variant(name = "v", model = "single", about = "one", command = ["ruby"])
`,
	}))
	if err := library.Err(); err != nil {
		t.Fatal(err)
	}
	ruby, err := library.Runtime("ruby")
	if err != nil {
		t.Fatal(err)
	}
	patterns, variables := []string{".bundle", "*.rbc"}, []string{"B_CERT", "A_CERT"}
	if !slices.Equal(ruby.Ignore, patterns) || !slices.Equal(ruby.Base.CAVariables, variables) ||
		ruby.Peers != nil {
		t.Errorf("%+v", ruby)
	}
	for i, want := range []map[string]any{
		{"gil": nil, "workers": 2.0, "build.jit": "on", "runtime_version": "4.0.0"}, {"gil": true},
	} {
		if got := ruby.Variants[i].Identity; !reflect.DeepEqual(got, want) {
			t.Errorf("identity %v, want %v", got, want)
		}
	}
	built, err := library.Runtime("ruby-jit")
	if err != nil || !slices.Equal(built.Ignore, patterns) || built.Variants[0].Identity != nil {
		t.Errorf("a runtime that is built from the folder: %+v, %v", built, err)
	}
	peers := map[string]lab.Peers{"ruby-jit": {Runtimes: []string{"ruby", "node"}, Reason: "has other flags"}}
	if got := library.Peers(); !reflect.DeepEqual(got, peers) {
		t.Errorf("peers %v, want %v", got, peers)
	}
}

// These are the facts that the code of earlier labs held.
func TestShippedRuntimesDeclareTheirFacts(t *testing.T) {
	library := load(t, repository)
	peers := map[string]lab.Peers{
		"python-freethreaded": {
			Runtimes: []string{"python-gil-twin"}, Reason: "is built from source with its own flags",
		},
		"python-gil-twin": {
			Runtimes: []string{"python-freethreaded"}, Reason: "is built from source with its own flags",
		},
	}
	if got := library.Peers(); !reflect.DeepEqual(got, peers) {
		t.Errorf("peers %v, want %v", got, peers)
	}
	identities, variables, ignored := map[string]map[string]any{}, map[string]bool{}, map[string]bool{}
	for _, r := range library.Runtimes {
		for _, v := range r.Variants {
			if v.Identity != nil {
				identities[v.ID()] = v.Identity
			}
		}
		for _, name := range r.Base.CAVariables {
			variables[name] = true
		}
		for _, pattern := range r.Ignore {
			ignored[pattern] = true
		}
	}
	if want := map[string]map[string]any{
		"python-freethreaded/threads": {"gil": false}, "python-gil-twin/threads": {"gil": true},
	}; !reflect.DeepEqual(identities, want) {
		t.Errorf("required identities %v, want %v", identities, want)
	}
	if got, want := slices.Sorted(maps.Keys(variables)), []string{
		"NODE_EXTRA_CA_CERTS", "NPM_CONFIG_CAFILE", "PIP_CERT",
	}; !slices.Equal(got, want) {
		t.Errorf("CA variables %v, want %v", got, want)
	}
	if got, want := slices.Sorted(maps.Keys(ignored)), []string{
		".mypy_cache", ".pytest_cache", ".ruff_cache", "__pycache__", "node_modules",
	}; !slices.Equal(got, want) {
		t.Errorf("ignored %v, want %v", got, want)
	}
}

func TestRuntimeMayBuildFromAnotherRuntimesFolder(t *testing.T) {
	root := checkout(t, map[string]string{"runtimes/a-twin/runtime.star": `runtime(
    about = "the same, built otherwise",
    base = base(official = "debian:1", suite = "trixie", packages = ["libc6"]),
    context = "python",
    dockerfile = "source.Dockerfile",
    args = {"FLAGS": "--with-a --with-b", "EMPTY": ""},
)
variant(name = "v", model = "single", about = "one", command = ["python3"])
`})
	library := load(t, root)
	if err := library.Err(); err != nil {
		t.Fatal(err)
	}
	got, err := library.Runtime("a-twin")
	if err != nil {
		t.Fatal(err)
	}
	args := map[string]string{"FLAGS": "--with-a --with-b", "EMPTY": ""}
	if got.Name != "a-twin" || got.ContextRuntime != "python" ||
		got.ContextDir != filepath.Join(root, "runtimes", "python") ||
		got.Dockerfile != "source.Dockerfile" || !maps.Equal(got.BuildArgs, args) ||
		got.Variants[0].ID() != "a-twin/v" || got.Variants[0].Application != "python" {
		t.Errorf("%+v", got)
	}
}

func TestMistakesInRuntimesAreReported(t *testing.T) {
	const (
		head = `runtime(about = "R", base = base(official = "r:1", suite = "forky", packages = ["rb"]))` + "\n"
		tail = `variant(name = "v", model = "single", about = "V", command = ["r"])` + "\n"
	)
	// withBuild returns a runtime with arguments that say what its image is built from.
	withBuild := func(arguments string) string {
		return strings.Replace(head, "))\n", "), "+arguments+")\n", 1) + tail
	}
	withIdentity := func(value string) string {
		return head + strings.ReplaceAll(tail, `["r"]`, `["r"], identity = `+value)
	}
	for name, c := range map[string]struct{ text, want string }{
		"empty":         {"", "1:1: there is no runtime() in the file"},
		"no variant":    {head, "1:1: there is no variant() in the file"},
		"two runtimes":  {head + tail + head, "3:1: runtime: called twice; the first is in line 1"},
		"variant twice": {head + tail + tail, `3:16: variant: there is already a variant "v"`},
		"misspelt":      {head + "varient(name = 1)\n", `2:1: unknown name "varient"; did you mean "variant"?`},
		"base of a wrong type": {
			"runtime(about = \"R\", base = \"r:1\")\n" + tail,
			"1:29: runtime: base is a string, want base(…)",
		},
		"no command": {
			head + strings.ReplaceAll(tail, `["r"]`, "[]"),
			"2:62: variant: command is empty, want a list of strings",
		},
		"command of words": {
			head + strings.ReplaceAll(tail, `["r"]`, `["r", 1]`),
			"2:68: variant: command holds a whole number, want a list of strings",
		},
		"empty word": {
			head + strings.ReplaceAll(tail, `["r"]`, `[""]`),
			"2:63: variant: command holds an empty string",
		},
		"bad model": {
			head + strings.ReplaceAll(tail, `"single"`, `"Single"`),
			`2:29: variant: model "Single" is not of the form ^[a-z][a-z0-9-]*$`,
		},
		"upstream": {
			head + strings.ReplaceAll(tail, `["r"]`, `["r"], env = {"UPSTREAM_URL": "http://x"}`),
			"2:75: variant: env sets UPSTREAM_URL, which the lab sets",
		},
		"identity of a wrong type": {
			withIdentity(`"gil"`), "2:80: variant: identity is a string, want a dict of fields and their values",
		},
		"identity with a wrong value": {
			withIdentity(`{"workers": 2, "gil": "off"}`),
			`2:95: variant: identity has a string for "gil", want True, False or None`,
		},
		"identity with a value that is too large": {
			withIdentity(`{"workers": 1000001}`),
			`2:81: variant: identity has a whole number for "workers", want a whole number up to 1000000`,
		},
		"identity with an unknown field": {
			withIdentity(`{"gli": True}`),
			`2:81: variant: identity has the unknown field "gli"; did you mean "gil"?`,
		},
		"identity with a field that the lab checks": {
			withIdentity(`{"access_log": False}`),
			`2:81: variant: identity has the unknown field "access_log"; ` +
				"valid: gil, parallelism, runtime_version, workers, build.NAME",
		},
		"identity with a version of nothing": {
			withIdentity(`{"build.": "1"}`),
			`2:81: variant: identity has the unknown field "build."; ` +
				"valid: gil, parallelism, runtime_version, workers, build.NAME",
		},
		"identity with a number as its field": {
			withIdentity(`{1: True}`), "2:81: variant: identity has the key 1, want the name of a field",
		},
		"identity that is computed": {
			withIdentity(`dict(gil = 1)`),
			`2:80: variant: identity has a whole number for "gil", want True, False or None`,
		},
		"peers of a wrong type": {
			withBuild(`compare_with = ["python"]`),
			"1:104: runtime: compare_with is a list, want only(…)",
		},
		"peers without a reason": {
			withBuild(`compare_with = only(["python"])`), `1:104: only: missing argument "reason"`,
		},
		"unknown peer": {
			withBuild(`compare_with = only(["node", "pyhton"], reason = "is slow")`),
			`1:118: only: runtimes holds "pyhton", which is not the folder of a runtime; did you mean "python"?`,
		},
		"itself as a peer": {
			withBuild(`compare_with = only(["r"], reason = "is slow")`),
			`1:110: only: runtimes holds "r", which is this runtime`,
		},
		"peer twice": {
			withBuild(`compare_with = only(["node", "node"], reason = "is slow")`),
			`1:118: only: runtimes holds "node", which it has twice`,
		},
		"ignored paths and bad patterns": {
			withBuild(`ignore = ["vendor/bundle", "[a", ".bundle"]`),
			`1:99: runtime: ignore holds "vendor/bundle", which is a path; ` +
				`a pattern is matched against names, in every folder
1:116: runtime: ignore holds "[a", which is not a valid pattern`,
		},
		"ignored Dockerfile": {
			withBuild(`ignore = ["Docker*"]`),
			`1:99: runtime: ignore holds "Docker*", which matches the Dockerfile`,
		},
		"ignored in another folder": {
			withBuild(`context = "python", ignore = [".bundle"]`),
			"1:118: runtime: ignore is given beside context; give it in runtimes/python/runtime.star",
		},
		"CA variables": {
			strings.ReplaceAll(head, `["rb"]`, `["rb"], ca_env = ["PATH", "A B", "GEM_CERT", 1]`) + tail,
			`1:98: base: ca_env holds "PATH", which the lab sets
1:106: base: ca_env holds "A B", which is not a valid name of a variable
1:125: base: ca_env holds a whole number, want a list of names of variables`,
		},
		"port": {
			head + strings.ReplaceAll(tail, `["r"]`, `["r"], env = {"PORT": "1"}`),
			"2:75: variant: env sets PORT, which the lab sets",
		},
		"bad variable": {
			head + strings.ReplaceAll(tail, `["r"]`, `["r"], env = {"a b": "1"}`),
			`2:75: variant: env has "a b", which is not a valid name of a variable`,
		},
		"number in env": {
			head + strings.ReplaceAll(tail, `["r"]`, `["r"], env = {"A": 1}`),
			`2:75: variant: env has "A": 1, want strings`,
		},
		"bad package": {
			strings.ReplaceAll(head, `["rb"]`, `["R r"]`) + tail,
			`1:80: base: packages holds "R r", which is not a valid name of a Debian package`,
		},
		"bad image": {
			strings.ReplaceAll(head, `"r:1"`, `"r 1"`) + tail,
			`1:45: base: official "r 1" is not of the form ^[a-z0-9][a-zA-Z0-9._/:@-]*$`,
		},
		"context elsewhere": {
			withBuild(`context = "../python"`),
			`1:99: runtime: context "../python" is not of the form ^[a-z][a-z0-9-]*$`,
		},
		"context unknown": {
			withBuild(`context = "pyhton"`),
			`1:99: runtime: context "pyhton" is not the folder of a runtime; did you mean "python"?`,
		},
		"context far from any": {
			withBuild(`context = "perl"`),
			`1:99: runtime: context "perl" is not the folder of a runtime; valid: node, python, r`,
		},
		"context of a wrong type": {
			withBuild(`context = None`),
			`1:99: runtime: context is None, want a string`,
		},
		"dockerfile elsewhere": {
			withBuild(`context = "python", dockerfile = "../node/Dockerfile"`),
			`1:122: runtime: dockerfile "../node/Dockerfile" is not of the form ^[A-Za-z0-9][A-Za-z0-9._-]*$`,
		},
		"dockerfile that is hidden": {
			withBuild(`dockerfile = ".."`),
			`1:102: runtime: dockerfile ".." is not of the form ^[A-Za-z0-9][A-Za-z0-9._-]*$`,
		},
		"args, each once and in order": {
			withBuild(`args = {"https_proxy": "", "BASE_IMAGE": "x", "NO_PROXY": "", "A-B": "", "GOOD_1": ""}`),
			`1:96: runtime: args has "A-B", which is not of the form ^[A-Z][A-Z0-9_]*$
1:96: runtime: args sets BASE_IMAGE, which the lab sets from base
1:96: runtime: args sets NO_PROXY, which the lab sets
1:96: runtime: args has "https_proxy", which is not of the form ^[A-Z][A-Z0-9_]*$`,
		},
		"number in args": {
			withBuild(`args = {"JOBS": 2}`),
			`1:96: runtime: args has "JOBS": 2, want strings`,
		},
		"args of a wrong type": {
			withBuild(`args = ["JOBS"]`),
			`1:96: runtime: args is a list, want a dict of strings`,
		},
		"all at once": {
			"runtime(abuot = 1, base = bas())\nvariant(name = 1, model = \"m\", about = \"a\", command = [\"c\"])\n",
			"1:9: runtime: unknown argument \"abuot\"; did you mean \"about\"?\n1:27: unknown name \"bas\"; did you " +
				"mean \"base\"?\n2:16: variant: name is a whole number, want a string",
		},
	} {
		t.Run(name, func(t *testing.T) {
			library := load(t, checkout(t, map[string]string{"runtimes/r/runtime.star": c.text}))
			file := "runtimes/r/runtime.star:"
			if got, want := messages(library), file+strings.ReplaceAll(c.want, "\n", "\n"+file); got != want {
				t.Errorf("got\n%s\nwant\n%s", got, want)
			}
			if got := variantIDs(library.Variants()); !slices.Equal(got,
				[]string{"node/single", "node/cluster", "python/uvloop"}) {
				t.Errorf("variants are %v", got)
			}
		})
	}
}

// The variants of a broken runtime are unknown, so a scenario that names one has
// no fault. A scenario that names a variant of a valid runtime wrongly has one.
func TestFaultsOfAFileDoNotHideOthers(t *testing.T) {
	library := load(t, checkout(t, map[string]string{
		"runtimes/node/runtime.star": "runtime(\n",
		"scenarios/a.star":           scenarioWith(`"x"`, `"a"`),
		"scenarios/b.star":           scenarioWith(`"x"`, `"b"`, `"node/single"`, `"python/uvloop", "n*/single"`),
		"scenarios/c.star":           scenarioWith(`"x"`, `"c"`, `"node/single"`, `"python/single"`),
		"scenarios/d.star":           "nonsense\n",
	}))
	want := `runtimes/node/runtime.star:2:1: got end of file, want ')'
scenarios/c.star:6:17: scenario: unknown variant "python/single"; valid: python/uvloop
scenarios/d.star:1:1: unknown name "nonsense"; valid: ` + scenarioFunctions
	if got := messages(library); got != want {
		t.Errorf("got\n%s\nwant\n%s", got, want)
	}
	if got := scenarioNames(library.Scenarios); !slices.Equal(got, []string{"a", "b"}) {
		t.Errorf("scenarios are %v", got)
	}
	err := library.Err()
	var userErr *fault.Error
	if !errors.As(err, &userErr) || userErr.Code != fault.ExitUsage {
		t.Fatalf("%v is not a fault with exit %d", err, fault.ExitUsage)
	}
	if !strings.HasPrefix(err.Error(), want) {
		t.Errorf("%v does not show all faults", err)
	}
}

func TestFilesThatAreNotScriptsAreSkippedOrReported(t *testing.T) {
	root := checkout(t, map[string]string{
		"scenarios/Bad_name.star":  scenarioWith(),
		"scenarios/.#x.star":       "an editor's backup",
		"scenarios/notes.txt":      "not a script",
		"runtimes/README.md":       "a file beside the runtimes",
		"runtimes/notes/README.md": "no runtime",
		"runtimes/.x/runtime.star": "hidden",
	})
	if err := os.Mkdir(filepath.Join(root, "scenarios", "dir.star"), 0o755); err != nil {
		t.Fatal(err)
	}
	library := load(t, root)
	if len(library.Faults) != 4 {
		t.Fatalf("want four faults:\n%s", messages(library))
	}
	for i, want := range []string{
		"runtimes/notes/runtime.star: read the script: it is missing, and every folder of runtimes/ is a runtime",
		`scenarios/Bad_name.star: the file's name "Bad_name" is not of the form ^[a-z][a-z0-9-]*$`,
		`scenarios/Bad_name.star:2:12: scenario: name "x" differs from the file's, "Bad_name"; change one of them`,
		"scenarios/dir.star: read the script: ",
	} {
		if got := library.Faults[i].Error(); !strings.HasPrefix(got, want) {
			t.Errorf("%s\nwant %s", got, want)
		}
	}
	if len(library.Runtimes) != 2 || len(library.Scenarios) != 0 {
		t.Errorf("%d runtimes and %v", len(library.Runtimes), scenarioNames(library.Scenarios))
	}
}

func TestANewScenarioAppears(t *testing.T) {
	root := checkout(t, map[string]string{"scenarios/x.star": scenarioWith()})
	before := scenarioNames(load(t, root).Scenarios)
	text := scenarioWith(`"x"`, `"another-1"`)
	if err := os.WriteFile(filepath.Join(root, "scenarios", "another-1.star"), []byte(text), 0o644); err != nil {
		t.Fatal(err)
	}
	library := load(t, root)
	if err := library.Err(); err != nil {
		t.Fatal(err)
	}
	after := scenarioNames(library.Scenarios)
	if !slices.Equal(before, []string{"x"}) || !slices.Equal(after, []string{"another-1", "x"}) {
		t.Errorf("before %v, after %v", before, after)
	}
}

func TestSelectReturnsTheNamedScenarios(t *testing.T) {
	library := load(t, checkout(t, map[string]string{
		"scenarios/json.star":      scenarioWith(`"x"`, `"json"`),
		"scenarios/plaintext.star": scenarioWith(`"x"`, `"plaintext"`),
		"scenarios/broken.star":    scenarioWith(`"x"`, `"broken"`, "rate = 100", ""),
	}))
	for _, c := range []struct {
		ask, want []string
		fault     string
	}{
		{nil, []string{"json", "plaintext"}, ""},
		{[]string{"plaintext", "json", "plaintext"}, []string{"plaintext", "json"}, ""},
		{[]string{"json", "plantext"}, nil, "unknown scenario \"plantext\"\n  did you mean \"plaintext\"?"},
		{[]string{"x"}, nil, "unknown scenario \"x\"\n  valid: json, plaintext"},
		{[]string{"broken"}, nil, `scenarios/broken.star:5:33: steady: missing argument "rate"`},
	} {
		got, err := library.Select(c.ask...)
		if !slices.Equal(scenarioNames(got), c.want) {
			t.Errorf("Select(%q) = %v, want %v", c.ask, scenarioNames(got), c.want)
		}
		checkFault(t, err, c.fault)
	}
}

func TestLookupsSuggestKnownNames(t *testing.T) {
	library := load(t, checkout(t, map[string]string{"runtimes/ruby/runtime.star": "rutime()\n"}))
	v, err := library.Variant("node/cluster")
	if err != nil || v.ID() != "node/cluster" || v.Command[1] != "cluster.js" {
		t.Errorf("%+v, %v", v, err)
	}
	_, err = library.Variant("node/clutser")
	checkFault(t, err, "unknown variant \"node/clutser\"\n  did you mean \"node/cluster\"?")
	_, err = library.Variant("ruby/puma")
	checkFault(t, err, `runtimes/ruby/runtime.star:1:1: unknown name "rutime"; did you mean "runtime"?`)
	_, err = library.Runtime("pyhton")
	checkFault(t, err, "unknown runtime \"pyhton\"\n  did you mean \"python\"?")
}

func TestARuntimesFolderMayBeALink(t *testing.T) {
	root, elsewhere := checkout(t, nil), filepath.Join(t.TempDir(), "mine")
	if err := os.Rename(filepath.Join(root, "runtimes", "node"), elsewhere); err != nil {
		t.Fatal(err)
	}
	if err := os.Symlink(elsewhere, filepath.Join(root, "runtimes", "node")); err != nil {
		t.Fatal(err)
	}
	r, err := load(t, root).Runtime("node")
	if err != nil {
		t.Fatal(err)
	}
	if info, err := os.Lstat(r.ContextDir); err != nil || !info.IsDir() {
		t.Errorf("%s is built from %s, which is not a folder: %v", r.Name, r.ContextDir, err)
	}
}

// The lab's own process reads the scripts, so it must not read devices, pipes or
// huge files. Other files must still be read.
func TestDevicesPipesAndHugeFilesAreRefused(t *testing.T) {
	root := checkout(t, map[string]string{
		"scenarios/large.star": "#" + strings.Repeat("x", 1<<20),
		"scenarios/y.star":     scenarioWith(`"x"`, `"y"`),
	})
	if err := os.Symlink("/dev/zero", filepath.Join(root, "scenarios", "endless.star")); err != nil {
		t.Fatal(err)
	}
	if err := syscall.Mkfifo(filepath.Join(root, "scenarios", "pipe.star"), 0o600); err != nil {
		t.Fatal(err)
	}
	library := load(t, root)
	want := `scenarios/endless.star: read the script: not a regular file (Dc---------)
scenarios/large.star: read the script: the file is larger than 1 MiB; make it shorter
scenarios/pipe.star: read the script: not a regular file (p---------)`
	if got := messages(library); got != want {
		t.Errorf("got\n%s\nwant\n%s", got, want)
	}
	if got := scenarioNames(library.Scenarios); !slices.Equal(got, []string{"y"}) {
		t.Errorf("scenarios %v, want only y", got)
	}
}

// checkFault checks that err is a usage fault whose text begins with prefix, or nil
// if prefix is empty.
func checkFault(t *testing.T, err error, prefix string) {
	t.Helper()
	if prefix == "" {
		if err != nil {
			t.Errorf("unexpected: %v", err)
		}
		return
	}
	if err == nil || !strings.HasPrefix(err.Error(), prefix) || fault.ExitCode(err) != fault.ExitUsage {
		t.Errorf("exit %d: %v\nwant %s", fault.ExitCode(err), err, prefix)
	}
}

func TestLoadFailsOutsideACheckout(t *testing.T) {
	_, err := script.Load(t.Context(), t.TempDir(), script.ParameterValues{})
	checkFault(t, err, "look for scripts: ")
	if !strings.Contains(err.Error(), "run lab in a checkout") {
		t.Errorf("%v does not say what to do", err)
	}
}

func TestLoadEndsWithItsContext(t *testing.T) {
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	endless := "def f():\n    for _ in range(1 << 40):\n        pass\n\nf()\n"
	_, err := script.Load(ctx, checkout(t, map[string]string{"scenarios/x.star": endless}),
		script.ParameterValues{})
	if !errors.Is(err, context.Canceled) {
		t.Errorf("got %v", err)
	}
}
