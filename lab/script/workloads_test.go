package script_test

import (
	"fmt"
	"slices"
	"strings"
	"testing"

	"runtimelab/lab"
	"runtimelab/lab/script"
)

// workloadFile returns the text of a workload with one path for each of its endpoints.
func workloadFile(name string, more string, paths ...string) string {
	var endpoints []string
	for _, path := range paths {
		endpoints = append(endpoints, fmt.Sprintf(`{"path": %[1]q, "methods": ["GET"], "about": "x", "answers": [],
			"vectors": [{"name": "%[2]s%[1]s", "about": "x", "request": {"method": "GET", "path": %[1]q},
			"response": {"status": 200, "headers": {"content-type": "x"}}}]}`, path, name))
	}
	return fmt.Sprintf(`{"version": 1, "about": "the work of %s", %s "endpoints": [%s]}`,
		name, more, strings.Join(endpoints, ",\n"))
}

// workloadFiles are three workloads, a runtime bun that offers some of them, and the runtimes of
// checkout with an API of their own.
func workloadFiles() map[string]string {
	return map[string]string{
		"scenarios/workloads/application/workload.json": workloadFile("application",
			`"headers": {"always": []}, "identity": {"path": "/identity", "about": "x", "fields": []},`,
			"/healthz", "/identity"),
		"scenarios/workloads/hello/workload.json": workloadFile("hello", "", "/json", "/plaintext"),
		"scenarios/workloads/wait/workload.json":  workloadFile("wait", `"needs": ["upstream"],`, "/wait"),
		"runtimes/node/runtime.star": `runtime(about = "Node", image = "node:24")
variant(name = "single", model = "single", about = "one")
variant(name = "cluster", model = "cluster", about = "many")
`,
		"runtimes/python/runtime.star": `runtime(about = "Python", image = "python:3.14")
variant(name = "uvloop", model = "single", about = "one")
`,
		"runtimes/bun/runtime.star": `variant(name = "serve", model = "single", about = "one", command = ["bun"])
runtime(
    about = "Bun",
    base = base(official = "bun:1", suite = "forky", packages = ["libc6"]),
    offers = ["hello"],
)
variant(name = "waits", model = "single", about = "one", command = ["bun"], offers = ["wait", "hello"])
`,
	}
}

func TestVariantsOfferWorkloads(t *testing.T) {
	library := load(t, checkout(t, workloadFiles()))
	if err := library.Err(); err != nil {
		t.Fatal(err)
	}
	for id, want := range map[string]string{
		"bun/serve": "[hello]", "bun/waits": "[wait hello]", "node/single": "[]",
	} {
		if v, err := library.Variant(id); err != nil || fmt.Sprint(v.Offers) != want {
			t.Errorf("%s offers %v, want %s, error %v", id, v.Offers, want, err)
		}
	}
	if library.Workloads.ByName("wait") == nil {
		t.Error("the library has no workload wait")
	}
}

// A runtime need not offer anything if all its variants do.
func TestEachVariantMayOfferItsOwnWorkloads(t *testing.T) {
	files := workloadFiles()
	const file = "runtimes/bun/runtime.star"
	files[file] = strings.NewReplacer(
		"    offers = [\"hello\"],\n", "",
		`"one", command = ["bun"])`, `"one", command = ["bun"], offers = ["hello"])`,
	).Replace(files[file])
	if got := messages(load(t, checkout(t, files))); got != "" {
		t.Error(got)
	}
}

// All variants that ship offer every workload, with these exceptions: rooms are programs of their own,
// Django reads a body whole, and variants of several processes or without a driver have no shop.
func TestShippedWorkloadsAreOffered(t *testing.T) {
	library := load(t, repository)
	for _, v := range library.Variants() {
		want := len(library.Workloads.All()) - 1 // rooms
		if v.Runtime == "python-django" {
			want-- // stream
		}
		switch {
		case slices.Equal(v.Offers, []string{"chat"}):
			want = 2 // rooms, and what every application has
		case !slices.Contains(v.Offers, "shop"):
			want--
			if named := []string{
				"node/single", "node/express", "node/fastify", "bun/serve", "python/uvloop",
				"python/fastapi", "python/flask", "python-django/uvicorn",
			}; slices.Contains(named, v.ID()) {
				t.Errorf("%s has no shop", v.ID())
			}
		}
		if got := len(library.Workloads.OfferedBy(v)); got != want {
			t.Errorf("%s is asked %d workloads, want %d", v.ID(), got, want)
		}
	}
}

func TestMistakesInOffers(t *testing.T) {
	for name, c := range map[string]struct{ before, after, want string }{
		"an unknown workload of a runtime": {
			`["hello"]`, `["helo"]`,
			`5:15: runtime: offers holds "helo", which is not a workload; did you mean "hello"?`,
		},
		"an unknown workload of a variant": {
			`["wait", "hello"]`, `["wait", "orders"]`,
			`7:95: variant: offers holds "orders", which is not a workload; valid: application, hello, wait`,
		},
		"twice": {
			`["wait", "hello"]`, `["wait", "wait"]`, `7:95: variant: offers holds "wait", which it has twice`,
		},
		"missing": {
			"    offers = [\"hello\"],\n", "",
			`2:1: runtime: missing argument "offers", which variant "serve" lacks too: name the workloads that its ` +
				"application answers (hello, wait), or leave out base if it has an API of its own",
		},
		"misspelt": {
			`    offers = `, `    ofers = `, `5:5: runtime: unknown argument "ofers"; did you mean "offers"?`,
		},
		"none": {
			`["wait", "hello"]`, `[]`, "7:86: variant: offers is empty, want a list of workloads",
		},
	} {
		files := workloadFiles()
		const file = "runtimes/bun/runtime.star"
		text := strings.Replace(files[file], c.before, c.after, 1)
		if text == files[file] {
			t.Fatalf("%s: nothing to replace", name)
		}
		files[file] = text
		if got, want := messages(load(t, checkout(t, files))), file+":"+c.want; got != want {
			t.Errorf("%s: got\n%s\nwant\n%s", name, got, want)
		}
	}
}

// A mistake in a workload is reported with the scripts, and hides no variant that offers it.
func TestMistakesInWorkloadsAreReported(t *testing.T) {
	files := workloadFiles()
	const file = "scenarios/workloads/hello/workload.json"
	files[file] = strings.Replace(files[file], `"about"`, `"abuot"`, 1)
	library := load(t, checkout(t, files))
	if got, want := messages(library), file+`:1:16: unknown field "abuot"`; got != want {
		t.Errorf("got\n%s\nwant\n%s", got, want)
	}
	if v, err := library.Variant("bun/serve"); err != nil || len(v.Offers) != 1 {
		t.Errorf("%+v, %v", v, err)
	}
}

func TestScenariosRunOnVariantsThatOfferWhatTheyAsk(t *testing.T) {
	own := []string{"node/single", "node/cluster", "python/uvloop"} // with an API of their own
	for name, c := range map[string]struct {
		pairs   []string // of scenarioWith
		want    []string // variants
		leftOut string
	}{
		"all that offer it": {
			[]string{`["node/single"]`, "all"}, append([]string{"bun/serve", "bun/waits"}, own...), "[]",
		},
		"all, one of which does not": {
			[]string{`get("/json")`, `get("/wait?ms=1")`, `["node/single"]`, `all, services = ["upstream"]`},
			append([]string{"bun/waits"}, own...), "[bun/serve, which does not offer wait]",
		},
		"a pattern": {
			[]string{
				`get("/json")`, `get("/json"), get("/wait")`, `["node/single"]`,
				`["bun/*"], services = ["upstream"]`,
			},
			[]string{"bun/waits"},
			"[bun/serve, which does not offer wait]",
		},
		"a filter": {
			[]string{
				`get("/json")`, `get("/wait")`, `["node/single"]`,
				`where(runtime = "bun"), services = ["upstream"]`,
			},
			[]string{"bun/waits"},
			"[bun/serve, which does not offer wait]",
		},
		"a request of one phase": {
			[]string{
				`peak()`, `peak(requests = [get("/wait")])`, `["node/single"]`, `["bun/*"], services = ["upstream"]`,
			},
			[]string{"bun/waits"},
			"[bun/serve, which does not offer wait]",
		},
		"a twin": {
			[]string{`["node/single"]`, `["bun/serve", "bun/serve~twin"]`},
			[]string{"bun/serve", "bun/serve~twin"},
			"[]",
		},
		"what every application has": {
			[]string{`"/json"`, `"/healthz"`, `"node/single"`, `"bun/serve"`}, []string{"bun/serve"}, "[]",
		},
		"a path that no workload has, refused": {
			[]string{`"/json"`, `"/nowhere", expect = 404`, `"node/single"`, `"bun/serve"`},
			[]string{"bun/serve"},
			"[]",
		},
		"any path of an API of one's own": {
			[]string{`"/json"`, `"/prices/7"), get("/wait"`}, []string{"node/single"}, "[]",
		},
	} {
		t.Run(name, func(t *testing.T) {
			files := workloadFiles()
			files["scenarios/x.star"] = scenarioWith(c.pairs...)
			library := load(t, checkout(t, files))
			if err := library.Err(); err != nil {
				t.Fatal(err)
			}
			s := library.Scenarios[0]
			if !slices.Equal(s.Variants, c.want) || fmt.Sprint(s.LeftOut) != c.leftOut {
				t.Errorf("runs on %v, leaves out %v; want %v and %s", s.Variants, s.LeftOut, c.want, c.leftOut)
			}
		})
	}
}

func TestMistakesInWhatScenariosAsk(t *testing.T) {
	for name, c := range map[string]struct {
		pairs []string // of scenarioWith
		want  string
	}{
		"a path that no workload has": {
			[]string{`"/json"`, `"/jsn?a=1"`, `"node/single"`, `"bun/serve"`},
			`4:17: get: no workload has the path "/jsn"; did you mean "/json"?`,
		},
		"a path that resembles none": {
			[]string{`"/json"`, `"/prices/of/all/things"`, `"node/single"`, `"node/single", "bun/serve"`},
			`4:17: get: no workload has the path "/prices/of/all/things"; ` +
				"valid: /healthz, /identity, /json, /plaintext, /wait",
		},
		"a path of a phase": {
			[]string{`peak()`, `peak(requests = [get("/jsno")])`, `"node/single"`, `"bun/*"`},
			`5:42: get: no workload has the path "/jsno"; did you mean "/json"?`,
		},
		"a variant that does not offer it": {
			[]string{`"/json"`, `"/wait"`, `["node/single"]`, `["node/single", "bun/serve"], services = ["upstream"]`},
			`6:32: scenario: variant "bun/serve" does not offer wait, the workload of /wait; ` +
				"it is offered by bun/waits",
		},
		"a twin that does not offer it": {
			[]string{`"/json"`, `"/wait"`, `["node/single"]`, `["bun/serve~twin"], services = ["upstream"]`},
			`6:17: scenario: variant "bun/serve~twin" does not offer wait, the workload of /wait; ` +
				"it is offered by bun/waits",
		},
		"a variant that a pattern selects too": {
			[]string{`"/json"`, `"/wait"`, `["node/single"]`, `["bun/*", "bun/serve"], services = ["upstream"]`},
			`6:26: scenario: variant "bun/serve" does not offer wait, the workload of /wait; ` +
				"it is offered by bun/waits",
		},
		"no variant that offers it": {
			[]string{`"/json"`, `"/wait"`, `["node/single"]`, `["bun/s*"], services = ["upstream"]`},
			"1:1: scenario: no variant is left: the scenario leaves out bun/serve, which does not offer wait",
		},
		"no upstream": {
			[]string{`"/json"`, `"/wait?ms=5"`, `"node/single"`, `"bun/waits"`},
			"1:1: scenario: /wait needs the service upstream; write services = [\"upstream\"]",
		},
		"an arm that is left out": {
			[]string{
				`"/json"`, `"/wait"`, `["node/single"]`, `["bun/*"], services = ["upstream"],
    hypotheses = [hypothesis(
        claim = "speed-1", metric = "throughput_rps", phase = "peak",
        numerator = "bun/waits", denominator = "bun/serve",
    )]`,
			},
			"9:48: scenario: the scenario leaves out bun/serve, which does not offer wait",
		},
	} {
		t.Run(name, func(t *testing.T) {
			files := workloadFiles()
			files["scenarios/x.star"] = scenarioWith(c.pairs...)
			if got, want := messages(load(t, checkout(t, files))), at+c.want; got != want {
				t.Errorf("got\n%s\nwant\n%s", got, want)
			}
		})
	}
}

// The paths of a workload with a mistake are unknown.
func TestABrokenWorkloadHidesItsPaths(t *testing.T) {
	files := workloadFiles()
	const file = "scenarios/workloads/hello/workload.json"
	files[file] = strings.Replace(files[file], `"about"`, `"abuot"`, 1)
	files["scenarios/x.star"] = scenarioWith(`"node/single"`, `"bun/serve"`)
	if got := messages(load(t, checkout(t, files))); !strings.HasPrefix(got, file+":1:16") ||
		strings.Count(got, "\n") > 0 {
		t.Errorf("got\n%s\nwant one mistake of %s", got, file)
	}
}

func TestVariantsAreShortenedByRuntime(t *testing.T) {
	all := []string{"a/x", "a/y", "b/x", "c/x", "c/y"}
	for _, c := range []struct {
		ids  []string
		want string
	}{{all, "[a/* b/x c/*]"}, {[]string{"a/y", "c/x", "c/y"}, "[a/y c/*]"}, {nil, "[]"}} {
		if got := fmt.Sprint(script.ShortenVariants(c.ids, all)); got != c.want {
			t.Errorf("%v become %s, want %s", c.ids, got, c.want)
		}
	}
}

// A request says what its answer takes of the database, unless an error is expected.
func TestRequestsSayWhatTheyTakeOfADatabase(t *testing.T) {
	library := load(t, repository)
	for name, want := range map[string]string{
		"shop-product": "[{1 0}]", "shop-category": "[{1 0}]", "shop-page": "[{1 0}]", "shop-order": "[{5 1}]",
		"shop": "[{1 0} {5 1}]", "json": "[{0 0}]",
	} {
		scenarios, err := library.Select(name)
		if err != nil {
			t.Fatal(err)
		}
		var work []lab.DatabaseWork
		for _, r := range scenarios[0].AllRequests() {
			if !slices.Contains(work, r.DatabaseWork) {
				work = append(work, r.DatabaseWork)
			}
		}
		slices.SortFunc(work, func(a, b lab.DatabaseWork) int { return a.Statements - b.Statements })
		if got := fmt.Sprint(work); got != want {
			t.Errorf("%s takes %s, want %s", name, got, want)
		}
	}
	files := workloadFiles()
	files["scenarios/workloads/hello/workload.json"] = strings.Replace(
		workloadFile("hello", "", "/q"), `"path": "/q"`, `"path": "/q", "statements": 3`, 1)
	files["scenarios/a.star"] = `scenario(
    name = "a", about = "refused", phases = [warmup(), peak()],
    requests = [get("/q", expect = 409), get("/q")], variants = ["bun/serve"],
)
`
	scenarios, err := load(t, checkout(t, files)).Select("a")
	if err != nil {
		t.Fatal(err)
	}
	if r := scenarios[0].Requests; r[0].Statements != 0 || r[1].Statements != 3 {
		t.Errorf("a refusal takes %d statements, an answer %d", r[0].Statements, r[1].Statements)
	}
}
