package cli

import (
	"encoding/json"
	"fmt"
	"maps"
	"os"
	"path/filepath"
	"reflect"
	"slices"
	"strings"
	"testing"

	"runtimelab/lab"
	"runtimelab/lab/contract"
	"runtimelab/lab/image"
	"runtimelab/lab/metric"
	"runtimelab/lab/plan"
	"runtimelab/lab/script"
	"runtimelab/lab/verdict"
	"runtimelab/lab/wording"
	"runtimelab/lab/workload"
)

// rubyFiles are the files of a checkout with a language that the lab has no runtime of: two builds
// of it, of which the second is compared with the first only.
var rubyFiles = map[string]string{
	"runtimes/ruby/runtime.star": `runtime(
    about = "Ruby",
    base = base(official = "ruby:4", suite = "forky", packages = ["ruby"], ca_env = ["RUBY_CA"]),
    ignore = ["vendor", "*.rbc"],
)
variant(
    name = "yjit", model = "single", about = "one process", command = ["ruby", "--yjit", "app.rb"],
    identity = {"gil": True, "build.yjit": "on"},
)
`,
	"runtimes/ruby/Dockerfile": "ARG BASE_IMAGE\nFROM ${BASE_IMAGE}\n",
	"runtimes/ruby/app.rb":     "puts 1\n",
	"runtimes/ruby-debug/runtime.star": `runtime(
    about = "Ruby with assertions",
    base = base(official = "ruby:4", suite = "forky", packages = ["ruby"]),
    context = "ruby",
    compare_with = only(["ruby"], reason = "is built with assertions"),
)
variant(name = "single", model = "single", about = "one process", command = ["ruby", "app.rb"])
`,
	"runtimes/other/runtime.star": `runtime(
    about = "another language",
    base = base(official = "other:1", suite = "forky", packages = ["other"]),
)
variant(name = "single", model = "single", about = "one process", command = ["other"])
`,
	"scenarios/x.star": `claim("speed-1", "Ruby is fast.")
scenario(
    name = "x", about = "three runtimes", profile = "quick",
    requests = [get("/json")], phases = [peak()],
    variants = ["ruby/yjit", "ruby-debug/single", "other/single"],
    hypotheses = [
        hypothesis(claim = "speed-1", metric = "throughput_rps", numerator = a, denominator = b)
        for a, b in [("ruby/yjit", "ruby-debug/single"), ("other/single", "ruby-debug/single")]
    ],
)
`,
}

// A language is a folder: its facts come from runtime.star, and no step of a run knows its name.
func TestANewLanguageIsAFolder(t *testing.T) {
	root := t.TempDir()
	for name, text := range rubyFiles {
		writeFile(t, filepath.Join(root, name), text)
	}
	library, err := script.Load(t.Context(), root, script.ParameterValues{})
	if err == nil {
		err = library.Err()
	}
	if err != nil {
		t.Fatal(err)
	}
	t.Run("build context", func(t *testing.T) { checkIgnored(t, root, library) })
	t.Run("identity", func(t *testing.T) { checkRequiredIdentity(t, library) })
	t.Run("verdict", func(t *testing.T) { checkPeers(t, library) })
}

// checkIgnored checks that what the tools of the language leave changes no image.
func checkIgnored(t *testing.T, root string, library *script.Library) {
	hashes := func() (all []string) {
		for _, name := range []string{"ruby", "ruby-debug"} {
			r, err := library.Runtime(name)
			if err != nil {
				t.Fatal(err)
			}
			hash, err := image.ContentSHA256(r.Source(), "base")
			if err != nil {
				t.Fatal(err)
			}
			all = append(all, hash)
		}
		return all
	}
	before := hashes()
	writeFile(t, filepath.Join(root, "runtimes/ruby/vendor/gem.rb"), "x")
	writeFile(t, filepath.Join(root, "runtimes/ruby/app.rbc"), "x")
	if after := hashes(); !slices.Equal(after, before) {
		t.Errorf("contents %v, were %v before the tools left files", after, before)
	}
	writeFile(t, filepath.Join(root, "runtimes/ruby/app.rb"), "puts 2\n")
	if after := hashes(); after[0] == before[0] || after[1] == before[1] {
		t.Errorf("contents %v, were %v before the application changed", after, before)
	}
}

// checkRequiredIdentity checks that a server must report what its variant requires.
func checkRequiredIdentity(t *testing.T, library *script.Library) {
	workloads, mistakes, err := workload.Load(repository)
	if err != nil || len(mistakes) > 0 {
		t.Fatal(mistakes, err)
	}
	suite := contract.NewSuite(workloads, 1, contract.ExpectedIdentity{})
	v, err := library.Variant("ruby/yjit")
	if err != nil {
		t.Fatal(err)
	}
	on := true
	id := lab.Identity{
		Runtime: "ruby", RuntimeVersion: "4.0.0", Build: map[string]string{"yjit": "on"}, GIL: &on,
		Model: "single", Workers: 1, Parallelism: 1, Backlog: 4096, KeepAliveS: 75,
		Process: lab.ProcessLimits{
			UID: 65532, NofileSoft: 65536, NofileHard: 65536, CapEff: "0000000000000000", NoNewPrivs: true,
			RootReadOnly: true, CPUsAllowed: "1", MemoryLimitBytes: 512 << 20, Somaxconn: 4096,
			PortRange: "1024 65535", Interfaces: []string{"lo"},
		},
	}
	for yjit, want := range map[string][]string{
		"on": nil, "off": {`it says build.yjit "off", the variant's build.yjit is "on"`},
	} {
		id.Build = map[string]string{"yjit": yjit}
		body, err := json.Marshal(id)
		if err != nil {
			t.Fatal(err)
		}
		answer := lab.Answer{Status: 200, Body: body}
		if _, found := suite.CheckIdentity(answer, v, []int{1}); !reflect.DeepEqual(found, want) {
			t.Errorf("yjit %s: %q, want %q", yjit, found, want)
		}
	}
}

// checkPeers checks that a plan and its verdicts keep to the peers of a runtime.
func checkPeers(t *testing.T, library *script.Library) {
	profile, err := plan.ProfileByName("quick")
	if err != nil {
		t.Fatal(err)
	}
	setup := &runSetup{library: library, profile: profile, scenarios: library.Scenarios, seed: 1}
	p, err := setup.newPlan(library.Scenarios, lab.Layout{Server: []int{1}, Generator: []int{0}})
	if err != nil {
		t.Fatal(err)
	}
	if names := slices.Collect(maps.Keys(p.Peers)); !slices.Equal(names, []string{"ruby-debug"}) {
		t.Errorf("the plan has peers of %v", names)
	}
	p.Controls = nil
	var rows []metric.Row
	for i, trial := range p.Trials {
		rows = append(rows, metric.Row{
			"scenario": metric.Text("x"), "variant": metric.Text(trial.Variant), "phase": metric.Text("peak"),
			"mode": metric.Text("closed"), "server_cpus": metric.Int(1), "attempt": metric.Int(1),
			"block": metric.Int(int64(trial.Block)), "throughput_rps": metric.Number(1000 + float64(i)),
			"validity": metric.Text(string(lab.Valid)),
		})
	}
	reasons := map[string]string{} // of verdicts, by numerator
	for _, c := range verdict.Judge(p, rows, len(p.Trials)).Claims {
		for _, v := range c.HypothesisVerdicts {
			hasInterval := v.Ratio != nil && v.Low != nil
			reasons[v.Numerator.Variant] = fmt.Sprint(hasInterval, " ", wording.Reasons(v.Reasons...))
		}
	}
	want := "false ruby-debug is built with assertions: compare it with ruby only, or with others by speed-up"
	if len(reasons) != 2 || reasons["other/single"] != want ||
		!strings.HasPrefix(reasons["ruby/yjit"], "true ") {
		t.Errorf("compared, and why not: %q", reasons)
	}
}

// writeFile writes a file, and makes its folder.
func writeFile(t *testing.T, path, text string) {
	t.Helper()
	if err := os.MkdirAll(filepath.Dir(path), 0o755); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(path, []byte(text), 0o644); err != nil {
		t.Fatal(err)
	}
}
