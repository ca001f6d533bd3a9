package cli

import (
	"cmp"
	"fmt"
	"math"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"testing"
	"time"

	"runtimelab/lab"
	"runtimelab/lab/compare"
	"runtimelab/lab/record"
	"runtimelab/lab/stat"
	"runtimelab/lab/verdict"
)

// BenchmarkPairs measures error rates of verdicts and comparisons. It makes PAIRS pairs of
// runs of one server, and as many runs of a server that does 10 % more work. Each run has
// sixteen short blocks, with an A/A pair and two reference servers of a known ratio. Ten
// pairs take two hours and a quarter; without PAIRS the benchmark is skipped. The runs are
// kept in bin/pairs, and an interrupted benchmark continues with them.
func BenchmarkPairs(b *testing.B) {
	pairs, err := strconv.Atoi(cmp.Or(os.Getenv("PAIRS"), "0"))
	if err != nil || pairs < 0 {
		b.Fatalf("PAIRS is %q, want a number", os.Getenv("PAIRS"))
	}
	if pairs == 0 {
		b.Skip("takes minutes for each pair: make bench BENCH=Pairs PAIRS=10")
	}
	root, slowRoot := pairCheckout(b, false), pairCheckout(b, true)
	var same, slower []*record.StoredRun
	for i := range pairs {
		same = append(same, pairRun(b, root, fmt.Sprintf("a%d", i)), pairRun(b, root, fmt.Sprintf("b%d", i)))
		slower = append(slower, pairRun(b, slowRoot, fmt.Sprintf("slow%d", i)))
	}
	b.ReportMetric(0, "ns/op")
	reportControls(b, append(same, slower...))
	reportComparisons(b, same, slower)
}

// pairBlocks is the number of blocks of a run. If trials vary by 5 %, the ratios of blocks
// vary by 7 %. With eight blocks, eight of eleven A/A pairs came out equivalent: an
// interval of 90 % that is to lie within 5 % must be half as wide.
const pairBlocks = 16

// pairCheckout writes a checkout with one server and one scenario to bin/pairs, and
// returns its folder. If slowed is set, the server does 10 % more work.
func pairCheckout(b *testing.B, slowed bool) string {
	b.Helper()
	name := "same"
	if slowed {
		name = "slower"
	}
	root, err := filepath.Abs(filepath.Join("..", "..", "bin", "pairs", name))
	if err != nil {
		b.Fatal(err)
	}
	for _, folder := range []string{"runtimes", "scenarios"} {
		if err := os.RemoveAll(filepath.Join(root, folder)); err != nil {
			b.Fatal(err)
		}
	}
	copyRuntimes(b, root)
	if slowed {
		path := filepath.Join(root, "runtimes", "node", "runtime.star")
		text, err := os.ReadFile(path)
		if err != nil {
			b.Fatal(err)
		}
		changed := strings.Replace(string(text), `["node", "server.js"]`, slowedCommand(0.10), 1)
		if err := os.WriteFile(path, []byte(changed), 0o644); err != nil {
			b.Fatal(err)
		}
	}
	const scenario = `scenario(
    name = "work",
    about = "work in the language itself",
    requests = [get("/compute/integers?n=30000")],
    phases = [warmup(connections = 4), peak(connections = 4)],
    variants = ["node/single"],
)
`
	if err := os.WriteFile(filepath.Join(root, "scenarios", "work.star"), []byte(scenario), 0o644); err != nil {
		b.Fatal(err)
	}
	return root
}

// pairRun returns the run in results/name, which it measures if it is missing.
func pairRun(b *testing.B, root, name string) *record.StoredRun {
	b.Helper()
	link := filepath.Join(root, "results", name)
	if run, err := record.Read(link); err == nil {
		return run
	}
	run := shortRun(b, root, 1500*time.Millisecond, planFlags{Profile: "quick", Blocks: pairBlocks})
	if err := os.Rename(run.Dir, link); err != nil {
		b.Fatal(err)
	}
	run.Dir = link
	return run
}

// reportControls reports how often an A/A pair is equivalent, and how often the known
// ratio is found and covered. Each is judged as the only hypothesis of its run.
func reportControls(b *testing.B, runs []*record.StoredRun) {
	b.Helper()
	equivalent, found, covered := 0, 0, 0
	var widths []float64
	for _, run := range runs {
		aa, known := run.Info.Plan.Controls[0].Hypothesis, run.Info.Plan.Controls[1].Hypothesis
		if v := judgeAlone(run, aa); v.Low != nil && v.High != nil {
			widths = append(widths, math.Log(*v.High / *v.Low)/2)
			if v.Finding == lab.Supported {
				equivalent++
			}
		}
		known.Direction, known.Margin = lab.Higher, 0.05
		if v := judgeAlone(run, known); v.Low != nil && v.High != nil {
			if v.Finding == lab.Supported {
				found++
			}
			if *v.Low <= lab.ReferenceRatio && lab.ReferenceRatio <= *v.High {
				covered++
			}
		}
	}
	b.ReportMetric(float64(len(runs)), "A/A-pairs")
	b.ReportMetric(float64(equivalent), "A/A-equivalent")
	b.ReportMetric(100*stat.Median(widths), "%-median-half-width")
	b.ReportMetric(float64(found), "1.10-found")
	b.ReportMetric(float64(covered), "1.10-covered")
}

// judgeAlone returns the verdict on a hypothesis as if a run tested no other.
func judgeAlone(run *record.StoredRun, h lab.Hypothesis) lab.Verdict {
	p := run.Info.Plan
	h.Claim = "alone"
	p.Hypotheses, p.UntestedHypotheses, p.Controls = []lab.Hypothesis{h}, nil, nil
	p.Claims = nil
	return verdict.Judge(p, run.Rows, run.MeasuredTrials()).Claims[0].HypothesisVerdicts[0]
}

// reportComparisons reports how often lab compare finds a regression between two runs of
// one server, and between a run of it and one of the slower server.
func reportComparisons(b *testing.B, same, slower []*record.StoredRun) {
	b.Helper()
	falseAlarms, found := 0, 0
	for i, slow := range slower {
		first, second := same[2*i], same[2*i+1]
		if findsRegression(b, first, second, same) {
			falseAlarms++
		}
		if findsRegression(b, first, slow, same) {
			found++
		}
	}
	b.ReportMetric(float64(len(slower)), "pairs")
	b.ReportMetric(float64(falseAlarms), "false-alarms")
	b.ReportMetric(float64(found), "slower-found")
}

// findsRegression compares two runs like lab compare --fail-on regression, with other runs
// to estimate the variance between runs.
func findsRegression(b *testing.B, old, new *record.StoredRun, others []*record.StoredRun) bool {
	b.Helper()
	var sources []compare.Source
	for _, run := range append([]*record.StoredRun{old, new}, others...) {
		sources = append(sources, compare.FolderSource(filepath.Base(run.Dir), run.Dir, &run.Info))
	}
	runs, err := compare.Read(b.Context(), sources, compare.DefaultMetrics())
	if err != nil {
		b.Fatal(err)
	}
	// The slower server has another image. Runs whose reference servers differ too much
	// cannot be compared, and are not a regression.
	if err := compare.CheckComparable(runs[0], runs[1:2], []compare.DifferenceKind{compare.Image}); err != nil {
		b.Logf("%s and %s: %v", old.Dir, new.Dir, err)
		return false
	}
	c := compare.Compare(runs[0], runs[1], 0.05, runs[2:]...)
	b.Logf("%s and %s\n%s", old.Dir, new.Dir, c.Text())
	return len(c.WorseLines()) > 0
}
