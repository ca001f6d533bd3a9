package compare_test

import (
	"strings"
	"testing"

	"runtimelab/lab"
	"runtimelab/lab/compare"
	"runtimelab/lab/record"
)

// A variant's command is in runtime.star and not in its image: a change of it must not pass
// as the same thing measured again.
func TestAnotherCommandIsADifference(t *testing.T) {
	rows := func(mean float64) (all table) {
		for _, variant := range []string{"node/single", "node/single~twin", "lab/reference"} {
			all = append(all, trials("throughput_rps", around(mean), "variant", variant)...)
		}
		return all
	}
	old, new := rows(100), rows(104)
	runs := read(t, compare.DefaultMetrics(), old, new.with("run_id", "new"))
	runs[0].Info, runs[1].Info = completeRun(), completeRun()
	if found := compare.Differences(runs[0], runs[1]); len(found) != 0 {
		t.Fatalf("the same command is a difference: %v", found)
	}
	started := startedBy("node", "--max-semi-space-size=1", "server.js")
	started.Variant.Model, started.Variant.Env = "cluster", map[string]string{"WORKERS": "2", "A": "1"}
	// A twin is its original, and the lab's own responders come with the lab.
	runs[1].Info.MeasuredVariants = map[string]record.MeasuredVariant{
		"node/single": started, "node/single~twin": started, "lab/reference": started,
	}
	runs[1].Info.Services = map[string]lab.Service{
		"postgres": {Name: "postgres", MemoryBytes: 2 << 30}, "cache": {Image: lab.Image{ContentSHA256: "c2"}},
	}
	runs[0].Info.Services["cache"] = lab.Service{Image: lab.Image{ContentSHA256: "c1"}}
	for _, id := range []string{"node/single~twin", "lab/reference"} {
		runs[0].Info.MeasuredVariants[id] = startedBy("server", "of", "before")
	}
	var words []string
	for _, d := range compare.Differences(runs[0], runs[1]) {
		words = append(words, d.String())
	}
	const want = "script: node/single command: node server.js against node --max-semi-space-size=1 server.js\n" +
		"script: node/single environment: none against A=1 WORKERS=2\n" +
		"script: node/single model: none against cluster\n" +
		"image: service cache content_sha256: c1 against c2\n" +
		"script: service postgres: one service.star against another"
	if got := strings.Join(words, "\n"); got != want {
		t.Errorf("%s\nwant\n%s", got, want)
	}
	runs[1].Info = nil // a file alone does not know its commands
	if found := compare.Differences(runs[0], runs[1]); len(found) != 0 {
		t.Errorf("without run.json: %v", found)
	}
}

// Rows of two generators differ by what these cost and by their errors.
func TestAnotherGeneratorIsADifference(t *testing.T) {
	rows := trials("throughput_rps", around(100))
	loop := rows.with("generator", "loop").with("run_id", "new")
	earlier := rows.with("schema_version", "5").with("run_id", "new")
	mixed := rows.with("run_id", "new")
	mixed[2]["generator"] = "loop"
	for _, tt := range []struct {
		name string
		new  compare.Source
		want string // empty: comparable
	}{
		{"the same", rows.with("run_id", "new").source("B"), ""},
		{"another", loop.source("B"), "A, B: generator: json node/single peak generator: vegeta against loop"},
		{
			"both", mixed.source("B"),
			"A, B: generator: json node/single peak generator: vegeta against loop or vegeta",
		},
		{"a row of an earlier schema", earlier.without("B", "generator"), ""},
		{"no column", loop.without("B", "generator"), "identity: B has no column generator"},
	} {
		runs := readSources(t, rows.source("A"), tt.new)
		err := compare.CheckComparable(runs[0], runs[1:], []compare.DifferenceKind{compare.Reference})
		switch {
		case tt.want == "" && err != nil:
			t.Errorf("%s: %v", tt.name, err)
		case tt.want != "" && (err == nil || !strings.Contains(err.Error(), tt.want)):
			t.Errorf("%s: error %v, want %q", tt.name, err, tt.want)
		}
		if err := compare.CheckComparable(runs[0], runs[1:], []compare.DifferenceKind{
			compare.Identity, compare.Generator, compare.Reference,
		}); err != nil {
			t.Errorf("%s: not ignored: %v", tt.name, err)
		}
	}
	// Two runs that mix generators in the same way are not the same load either.
	runs := readSources(t, mixed.source("A"), mixed.source("B"))
	if err := compare.CheckComparable(runs[0], runs[1:], nil); err == nil ||
		!strings.Contains(err.Error(), "generator: loop or vegeta against loop or vegeta") {
		t.Errorf("mixed on both sides: %v", err)
	}
}
