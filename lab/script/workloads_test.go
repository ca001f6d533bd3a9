package script_test

import (
	"fmt"
	"maps"
	"strings"
	"testing"
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

// workloadFiles are three workloads, and a runtime bun that offers some of them.
func workloadFiles() map[string]string {
	return map[string]string{
		"scenarios/workloads/application/workload.json": workloadFile("application",
			`"headers": {"always": []}, "identity": {"path": "/identity", "about": "x", "fields": []},`,
			"/healthz", "/identity"),
		"scenarios/workloads/hello/workload.json": workloadFile("hello", "", "/json", "/plaintext"),
		"scenarios/workloads/wait/workload.json":  workloadFile("wait", `"needs": ["upstream"],`, "/wait"),
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

// All variants that ship offer every workload, as they did when there was one contract.
func TestShippedWorkloadsAreOffered(t *testing.T) {
	library := load(t, repository)
	for _, v := range library.Variants() {
		if v.Runtime != "node" && !strings.HasPrefix(v.Runtime, "python") {
			continue
		}
		if got, want := len(library.Workloads.OfferedBy(v)), len(library.Workloads.All()); got != want {
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
	files := maps.Clone(workloadFiles())
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
