package cli

import (
	"cmp"
	"fmt"
	"maps"
	"math"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strconv"
	"testing"

	"runtimelab/lab"
	"runtimelab/lab/archive"
	"runtimelab/lab/metric"
	"runtimelab/lab/record"
	"runtimelab/lab/stat"
)

// BenchmarkVersions measures whether this program measures what an earlier one did. OLD is
// the earlier commit. Both programs measure eight scenarios of their own checkouts at the
// length of a smoke run, in PAIRS pairs of runs, one after the other in alternating order.
// For throughput and CPU time per request of each scenario the benchmark prints the ratio
// of the new program to the old, with its confidence interval of 95 %. It fails if an
// interval is not within 5 % of 1. A pair counts for a scenario if both trials are usable;
// up to a half more pairs replace those that were disturbed. Twelve pairs take twenty
// minutes.
func BenchmarkVersions(b *testing.B) {
	commit := os.Getenv("OLD")
	if commit == "" {
		b.Skip("needs an earlier commit: make bench BENCH=Versions OLD=<commit> PAIRS=12")
	}
	pairs, err := strconv.Atoi(cmp.Or(os.Getenv("PAIRS"), "12"))
	if err != nil || pairs < 2 {
		b.Fatalf("PAIRS is %q, want a number from 2", os.Getenv("PAIRS"))
	}
	programs := []versionProgram{buildVersion(b, "old", commit), buildVersion(b, "new", "HEAD")}
	ratios := map[versionFigure][]float64{} // logarithms, one for each pair
	for i := 0; i < pairs+pairs/2 && !enoughPairs(ratios, pairs); i++ {
		measured := make([]map[versionFigure]float64, 2)
		for n := range programs {
			which := (n + i) % 2
			measured[which] = programs[which].measure(b, i)
		}
		for figure, old := range measured[0] {
			if x, ok := measured[1][figure]; ok && len(ratios[figure]) < pairs {
				ratios[figure] = append(ratios[figure], math.Log(x/old))
			}
		}
	}
	b.ReportMetric(0, "ns/op")
	reportVersions(b, ratios)
}

// enoughPairs reports whether every figure has so many ratios.
func enoughPairs(ratios map[versionFigure][]float64, pairs int) bool {
	for scenario := range versionScenarios {
		for _, name := range versionMetrics {
			if len(ratios[versionFigure{scenario, name}]) < pairs {
				return false
			}
		}
	}
	return true
}

// versionScenarios are what both versions measure: mostly hashing, of some milliseconds for each
// request, which varies least between processes; closed loops and a rate, one CPU and two. They
// have no warm-up, so that a run is short: both versions measure the same beginning.
var versionScenarios = map[string]string{
	"one-node": `variants = ["node/jitless"], requests = [get("/compute/native?n=200")],
		phases = [ladder(connections = 1)]`,
	"one-python": `variants = ["python/uvloop"], requests = [get("/compute/native?n=200")],
		phases = [ladder(connections = 1)]`,
	"peak": `variants = ["node/single"], requests = [get("/compute/native?n=100")],
		phases = [peak(connections = 4)]`,
	"rate": `variants = ["node/single"], requests = [get("/compute/native?n=200")],
		phases = [steady(rate = 40)]`,
	"callbacks": `variants = ["python/uvloop"], requests = [get("/callbacks/chained?n=1000")],
		phases = [peak(connections = 8)]`,
	"split-python": `variants = ["python/threads"], cores = [2],
		requests = [get("/parallel/native?workers=2&n=500")], phases = [ladder(connections = 1)]`,
	"cores": `variants = ["node/cluster"], cores = [2], requests = [get("/compute/native?n=200")],
		phases = [ladder(connections = 8)]`,
	"split-node": `variants = ["node/worker-threads"], cores = [2],
		requests = [get("/parallel/native?workers=2&n=500")], phases = [ladder(connections = 1)]`,
}

// versionFigure is a figure of one scenario.
type versionFigure struct{ scenario, metric string }

// versionProgram is one version of the program with its checkout.
type versionProgram struct{ name, root string }

// buildVersion writes the checkout of a commit to bin/versions, with the scenarios of the
// comparison only, and builds its program.
func buildVersion(b *testing.B, name, commit string) versionProgram {
	b.Helper()
	root, err := filepath.Abs(filepath.Join("..", "..", "bin", "versions", name))
	if err != nil {
		b.Fatal(err)
	}
	if err := os.RemoveAll(root); err != nil {
		b.Fatal(err)
	}
	if err := os.MkdirAll(root, 0o755); err != nil {
		b.Fatal(err)
	}
	runCommand := func(dir, line string) {
		command := exec.CommandContext(b.Context(), "bash", "-euo", "pipefail", "-c", line)
		command.Dir, command.Stdout, command.Stderr = dir, os.Stderr, os.Stderr
		if err := command.Run(); err != nil {
			b.Fatalf("%s (commit %s): %v", line, commit, err)
		}
	}
	runCommand(filepath.Join("..", ".."), fmt.Sprintf("git archive %q | tar -x -C %q", commit, root))
	runCommand(root, "make build")
	scripts, err := filepath.Glob(filepath.Join(root, "scenarios", "*.star"))
	if err != nil {
		b.Fatal(err)
	}
	for _, path := range scripts {
		if filepath.Base(path) == "claims.star" {
			continue
		}
		if err := os.Remove(path); err != nil {
			b.Fatal(err)
		}
	}
	for scenario, arguments := range versionScenarios {
		text := fmt.Sprintf("scenario(name = %q, about = \"a comparison of versions\", %s)\n", scenario, arguments)
		path := filepath.Join(root, "scenarios", scenario+".star")
		if err := os.WriteFile(path, []byte(text), 0o644); err != nil {
			b.Fatal(err)
		}
	}
	return versionProgram{name, root}
}

// measure runs all scenarios once and returns the figures of those whose trial is usable.
func (p versionProgram) measure(b *testing.B, pair int) map[versionFigure]float64 {
	b.Helper()
	command := exec.CommandContext(b.Context(), filepath.Join(p.root, "bin", "lab"), "run", "--root", p.root,
		"--profile", "smoke", "--seed", strconv.Itoa(pair+1))
	command.Args = append(command.Args, slices.Sorted(maps.Keys(versionScenarios))...)
	if output, err := command.CombinedOutput(); err != nil {
		b.Fatalf("%s program: %v\n%s", p.name, err, output)
	}
	dir, err := archive.Resolve(filepath.Join(p.root, "results"), "")
	if err != nil {
		b.Fatal(err)
	}
	run, err := record.Read(dir)
	if err != nil {
		b.Fatal(err)
	}
	figures := map[versionFigure]float64{}
	for _, row := range metric.UsableRows(run.Rows) {
		for _, name := range versionMetrics {
			if x, ok := row.Float(name); ok && x > 0 {
				figures[versionFigure{row.Text("scenario"), name}] = x
			}
		}
	}
	return figures
}

// versionMetrics are the metrics that both versions must measure alike.
var versionMetrics = []string{"throughput_rps", "cpu_us_per_request"}

// reportVersions prints the interval of every ratio, and fails for each that is not within
// 5 % of 1.
func reportVersions(b *testing.B, ratios map[versionFigure][]float64) {
	b.Helper()
	const limit = 0.05
	widest := 0.0
	// Not b.Logf: go test cuts the log of a benchmark that passes after ten lines.
	for _, scenario := range slices.Sorted(maps.Keys(versionScenarios)) {
		for _, name := range versionMetrics {
			logs := ratios[versionFigure{scenario, name}]
			effect := stat.PairedEffect(logs)
			low, high := effect.Interval(lab.Alpha)
			m, _ := metric.Find(name)
			fmt.Printf("%-12s %-18s new / old %.4f [%.4f, %.4f] of %d pairs\n", scenario, m.Name,
				math.Exp(effect.Mean), math.Exp(low), math.Exp(high), len(logs))
			widest = max(widest, math.Exp(high)-1, 1-math.Exp(low))
			if math.Exp(low) < 1-limit || math.Exp(high) > 1+limit {
				b.Errorf("%s %s: the interval is not within %.0f%% of 1", scenario, name, 100*limit)
			}
		}
	}
	b.ReportMetric(100*widest, "%-widest-limit")
}
