package session

import (
	"encoding/json"
	"fmt"
	"hash/fnv"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"runtimelab/lab"
	"runtimelab/lab/engine/memory"
	"runtimelab/lab/experiment"
	"runtimelab/lab/page"
	"runtimelab/lab/plan"
	"runtimelab/lab/record"
	"runtimelab/lab/report"
	"runtimelab/lab/script"
	"runtimelab/lab/serve"
)

// TestMain evaluates scripts if this program is started as the evaluator.
func TestMain(m *testing.M) {
	script.ServeEvaluation()
	os.Exit(m.Run())
}

// plannedRun is a run on an engine in memory, without faults.
type plannedRun struct {
	plan     func(*Session) (lab.Plan, error)
	variants map[string]lab.Variant
	services map[string]lab.Service
}

// write measures the run, with the histograms and the seconds of its attacks, and returns its folder.
func (r plannedRun) write(t *testing.T, results string) (dir string) {
	synctest.Test(t, func(t *testing.T) {
		w := &wholeRun{t: t, engine: memory.New()}
		w.engine.Answer, w.engine.PeakRPS, w.engine.Detailed = answerWithClock, peakOf, true
		err := w.withSession(func(s *Session) error {
			p, err := r.plan(s)
			if err != nil {
				return err
			}
			run, err := record.Create(results, s.ID, record.Info{StartedAt: time.Now(), Plan: p})
			if err != nil {
				return err
			}
			dir = run.Dir()
			e := &experiment.Experiment{
				RunID: run.ID(), HostID: "h0123456789", Plan: p, RecheckDelay: time.Second,
				Variants: r.variants, Services: r.services, ResponderTarget: serve.Target(), Cells: s.Cells(),
				Checker: pathChecker{}, Recorder: record.Recorder{Run: run}, Observer: faultyTrials{w},
			}
			if err := e.Run(t.Context()); err != nil {
				return err
			}
			return run.End(record.Done, "", time.Now())
		})
		if err != nil {
			t.Fatal(err)
		}
	})
	return dir
}

// peakOf returns the peak of a server: that of the lab's own servers is known, and others differ by
// their names.
func peakOf(s lab.Service) float64 {
	const reference, burn = 140, 15
	switch s.Name {
	case lab.LightReference:
		return reference
	case lab.HeavyReference:
		return reference / lab.ReferenceRatio
	case lab.BurnVariant:
		return burn
	}
	sum := fnv.New32()
	fmt.Fprint(sum, lab.OriginalOf(s.Name))
	return 3000 + float64(sum.Sum32()%12_000)
}

// answerWithClock returns what services answer, and the service times of a reference server by its clock.
func answerWithClock(s lab.Service, r lab.Request) lab.Answer {
	if r.Path != lab.ServiceTimesPath {
		return answerOf(s, r)
	}
	mean := time.Duration(float64(time.Second) / peakOf(s))
	body, err := json.Marshal(lab.ServiceTimes{Count: 1, Mean: mean})
	if err != nil {
		return lab.Answer{Error: err.Error()}
	}
	return lab.Answer{Status: 200, Body: body}
}

// standardRun returns the run that `make lab PROFILE=standard` measures on the machine of an engine in
// memory.
func standardRun(t testing.TB) plannedRun {
	t.Helper()
	checkout, err := filepath.Abs(filepath.Join("..", ".."))
	if err != nil {
		t.Fatal(err)
	}
	library, err := script.Sources{Checkout: checkout}.Load(t.Context(), script.ParameterValues{})
	if err != nil {
		t.Fatal(err)
	}
	if err := library.Err(); err != nil {
		t.Fatal(err)
	}
	profile, err := plan.ProfileByName("standard")
	if err != nil {
		t.Fatal(err)
	}
	for _, s := range library.Scenarios {
		for i := range s.Requests { // servers in memory answer with the path
			s.Requests[i].Expect, s.Requests[i].Answer = 0, nil
		}
	}
	scenarios := plan.DefaultScenarios(profile.Name, library.Scenarios)
	r := plannedRun{
		variants: make(map[string]lab.Variant),
		services: map[string]lab.Service{lab.UpstreamName: trialServices[lab.UpstreamName]},
	}
	r.addVariants(library.Variants())
	definitions, err := library.ServicesOf(library.Variants(), scenarios)
	if err != nil {
		t.Fatal(err)
	}
	for _, d := range definitions {
		r.services[d.Service.Name] = d.Service
	}
	r.plan = func(s *Session) (lab.Plan, error) {
		fitting, _ := plan.FitToMachine(scenarios, len(s.Topology.CPUs), s.Nofile)
		for i := range fitting { // no service in memory counts statements
			for j := range fitting[i].Requests {
				fitting[i].Requests[j].DatabaseWork = lab.DatabaseWork{}
			}
		}
		wider, err := plan.WiderLayouts(s.Topology, s.Layout, fitting)
		if err != nil {
			return lab.Plan{}, err
		}
		return plan.New(plan.Options{
			Profile: profile, Seed: 1, Scenarios: fitting, Peers: library.Peers(), Layout: s.Layout,
			WiderLayouts: wider, Claims: library.Claims, UntestableTopics: library.UntestableTopics,
		})
	}
	return r
}

// addVariants adds variants with their twins, and the lab's own.
func (r *plannedRun) addVariants(all []lab.Variant) {
	for _, v := range all {
		twin := v.Twin()
		r.variants[v.ID()], r.variants[twin.ID()] = v, twin
	}
	for _, v := range append(serve.References(), serve.Burn()) {
		r.variants[v.ID()] = v
	}
}

// largeRun returns a run of 200 cells in 25 blocks: 5,000 trials, and those of the controls.
func largeRun() plannedRun {
	const scenarios, variants = 40, 5
	profile := lab.Profile{
		Name: "large", Blocks: 25, RunAll: true, WarmUpMax: 5 * time.Second,
		PeakDuration: 3500 * time.Millisecond, SteadyDuration: 6 * time.Second,
	}
	r := plannedRun{variants: make(map[string]lab.Variant)}
	var all []lab.Variant
	for i := range variants {
		all = append(all, lab.Variant{Runtime: fmt.Sprintf("rt%d", i/2), Name: fmt.Sprintf("variant%d", i)})
	}
	r.addVariants(all)
	r.plan = func(s *Session) (lab.Plan, error) {
		o := plan.Options{Profile: profile, Seed: 1, RunAll: true, Layout: s.Layout}
		for i := range scenarios {
			scenario := lab.Scenario{
				Name:     fmt.Sprintf("scenario-%d", i+1),
				Requests: []lab.Request{{Method: "GET", Path: fmt.Sprintf("/%d", i)}},
				Phases: []lab.Phase{
					{Name: "warmup", Kind: lab.WarmUp, Connections: 64},
					{Name: "peak", Kind: lab.Peak, Connections: 64},
					{Name: "steady", Kind: lab.Steady, Connections: 64, RateRPS: 1000},
				},
				Cores: []int{1},
			}
			for _, v := range all {
				scenario.Variants = append(scenario.Variants, v.ID())
			}
			o.Scenarios = append(o.Scenarios, scenario)
		}
		return plan.New(o)
	}
	return r
}

// maxStandardPage is the size of the page of a run with the profile standard.
const maxStandardPage = 1_500_000

func TestThePageOfAStandardRunIsSmallAndShowsEveryTrial(t *testing.T) {
	if testing.Short() || underRaceDetector {
		t.Skip("measures some 400 trials in memory; make test runs it without the race detector")
	}
	dir := standardRun(t).write(t, fastTempDir(t))
	r, text := readPage(t, dir)
	if !r.Complete() || r.Planned < 250 || r.Valid != r.Trials || len(r.Doubts) > 0 {
		t.Errorf("%d of %d trials are valid, %d of %d planned; doubts %+v", r.Valid, r.Trials, r.Measured,
			r.Planned, r.Doubts)
	}
	if !r.ControlsPassed() {
		t.Errorf("controls %+v", r.Controls)
	}
	t.Logf("%d trials, %d figures, %d histograms, %d attacks: %d bytes", r.Trials, len(r.Figures),
		len(r.Latencies), len(r.Timeline), len(text))
	if len(text) > maxStandardPage {
		t.Errorf("%d bytes, at most %d wanted", len(text), maxStandardPage)
	}
	served, attacks := 0, 0
	for _, s := range r.Figures {
		for _, l := range s.Lines {
			if l.Served != nil {
				served += len(l.Served.Trials)
			}
		}
	}
	for _, attack := range r.Timeline {
		if attack.Phase != "warmup" && !strings.HasPrefix(attack.Variant, "lab/") &&
			lab.OriginalOf(attack.Variant) == attack.Variant {
			attacks++
		}
	}
	for section, want := range map[string]int{"throughput": served, "time": attacks, "validity": r.Trials} {
		if got := marksOf(text, section); got != want || got == 0 {
			t.Errorf("%s has %d marks, the model %d values", section, got, want)
		}
	}
}

var mark = regexp.MustCompile(`class="m[ "]`)

// marksOf counts the marks of a section of a page.
func marksOf(text, section string) int {
	_, text, _ = strings.Cut(text, `<section id="`+section+`"`)
	text, _, _ = strings.Cut(text, "</section>")
	return len(mark.FindAllString(text, -1))
}

// readPage reads a run and returns its page.
func readPage(t testing.TB, dir string) (r report.Report, text string) {
	t.Helper()
	run, err := record.Read(dir)
	if err != nil {
		t.Fatal(err)
	}
	r = report.Read(run)
	content, err := page.Report(r)
	if err != nil {
		t.Fatal(err)
	}
	return r, string(content)
}

// BenchmarkPage prints how long it takes to read a run and to write its page, and its text.
func BenchmarkPage(b *testing.B) {
	for _, name := range []string{"standard", "large"} {
		dir := writtenRun(b, name)
		b.Run(name, func(b *testing.B) {
			for b.Loop() {
				r, text := readPage(b, dir)
				b.ReportMetric(float64(r.Trials), "trials")
				b.ReportMetric(float64(len(text)), "bytes")
			}
		})
		b.Run(name+"-text", func(b *testing.B) {
			for b.Loop() {
				run, err := record.Read(dir)
				if err != nil {
					b.Fatal(err)
				}
				b.ReportMetric(float64(len(report.ReadRows(run).Text())), "bytes")
			}
		})
	}
}

// runToWrite names the run that TestWriteRun writes, and resultsFolder where.
const (
	runToWrite    = "RUNTIMELAB_RUN"
	resultsFolder = "RUNTIMELAB_RESULTS"
)

// writtenRun writes a run by TestWriteRun in a process of its own, because a benchmark has no fake time.
func writtenRun(b *testing.B, name string) (dir string) {
	b.Helper()
	results := b.TempDir()
	program, err := os.Executable()
	if err != nil {
		b.Fatal(err)
	}
	write := exec.CommandContext(b.Context(), program, "-test.run", "^TestWriteRun$")
	write.Env = append(os.Environ(), runToWrite+"="+name, resultsFolder+"="+results)
	if out, err := write.CombinedOutput(); err != nil {
		b.Fatalf("writing the run %s: %v\n%s", name, err, out)
	}
	folders, err := filepath.Glob(filepath.Join(results, "*", record.InfoFile))
	if err != nil || len(folders) != 1 {
		b.Fatalf("%d runs in %s: %v", len(folders), results, err)
	}
	return filepath.Dir(folders[0])
}

// TestWriteRun writes a run for BenchmarkPage.
func TestWriteRun(t *testing.T) {
	switch name := os.Getenv(runToWrite); name {
	case "":
		t.Skip("BenchmarkPage needs it")
	case "standard":
		standardRun(t).write(t, os.Getenv(resultsFolder))
	case "large":
		largeRun().write(t, os.Getenv(resultsFolder))
	default:
		t.Fatalf("unknown run %q", name)
	}
}
