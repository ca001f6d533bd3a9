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

// BenchmarkPairs measures whether verdicts and comparisons can be believed, by so
// many pairs of runs of one server, and as many runs of one that does a tenth
// more: sixteen short blocks each, with an A/A pair and two reference servers of a known
// ratio in it. Ten take two hours and a quarter, and none are asked for without PAIRS. What was
// measured is kept in bin/pairs; a benchmark that was ended goes on where it was.
func BenchmarkPairs(b *testing.B) {
	pairs, err := strconv.Atoi(cmp.Or(os.Getenv("PAIRS"), "0"))
	if err != nil || pairs < 0 {
		b.Fatalf("PAIRS is %q, want a number", os.Getenv("PAIRS"))
	}
	if pairs == 0 {
		b.Skip("takes minutes for each pair: make bench BENCH=Pairs PAIRS=10")
	}
	root, slow := pairCheckout(b, false), pairCheckout(b, true)
	var same, slower []*record.StoredRun
	for i := range pairs {
		same = append(same, pairRun(b, root, fmt.Sprintf("a%d", i)), pairRun(b, root, fmt.Sprintf("b%d", i)))
		slower = append(slower, pairRun(b, slow, fmt.Sprintf("slow%d", i)))
	}
	b.ReportMetric(0, "ns/op")
	reportControls(b, append(same, slower...))
	reportComparisons(b, same, slower)
}

// pairBlocks is how many a run has. Where trials vary by 5 %, a block's ratio varies by
// 7 %, and eight of eleven A/A pairs came out equivalent of eight blocks: an interval
// of 90 % that is to lie within 5 % has to be half as wide.
const pairBlocks = 16

// pairCheckout is a checkout with one server on one scenario, in a folder that
// stays.
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
	if err := os.RemoveAll(filepath.Join(root, "runtimes")); err != nil {
		b.Fatal(err)
	}
	if err := os.CopyFS(filepath.Join(root, "runtimes"),
		os.DirFS(filepath.Join("..", "..", "runtimes"))); err != nil {
		b.Fatal(err)
	}
	if slowed {
		path := filepath.Join(root, "runtimes", "node", "runtime.star")
		text, err := os.ReadFile(path)
		if err != nil {
			b.Fatal(err)
		}
		changed := strings.Replace(string(text), `["node", "server.js"]`, slower(0.10), 1)
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
	if err := os.MkdirAll(filepath.Join(root, "scenarios"), 0o755); err != nil {
		b.Fatal(err)
	}
	if err := os.WriteFile(filepath.Join(root, "scenarios", "work.star"), []byte(scenario), 0o644); err != nil {
		b.Fatal(err)
	}
	return root
}

// pairRun is the run of a name, measured where there is none yet.
func pairRun(b *testing.B, root, name string) *record.StoredRun {
	b.Helper()
	link := filepath.Join(root, "results", name)
	if run, err := record.Read(link); err == nil {
		return run
	}
	run := short(b, root, 1500*time.Millisecond, planFlags{Profile: "quick", Blocks: pairBlocks})
	if err := os.Rename(run.Dir, link); err != nil {
		b.Fatal(err)
	}
	run.Dir = link
	return run
}

// reportControls says how often an A/A pair comes out equivalent, and how often a
// known ratio is found and covered: each judged as the only hypothesis of a run.
func reportControls(b *testing.B, runs []*record.StoredRun) {
	b.Helper()
	equivalent, found, covered := 0, 0, 0
	var widths []float64
	for _, run := range runs {
		aa, known := run.Info.Plan.Controls[0].Hypothesis, run.Info.Plan.Controls[1].Hypothesis
		if v := alone(run, aa); v.Low != nil && v.High != nil {
			widths = append(widths, math.Log(*v.High / *v.Low)/2)
			if v.Finding == lab.Supported {
				equivalent++
			}
		}
		known.Direction, known.Margin = lab.Higher, 0.05
		if v := alone(run, known); v.Low != nil && v.High != nil {
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

// alone is the verdict on a hypothesis that a run tests no other beside.
func alone(run *record.StoredRun, h lab.Hypothesis) lab.Verdict {
	p := run.Info.Plan
	h.Claim = lab.ClaimIDs()[0]
	p.Hypotheses, p.UntestedHypotheses, p.Controls = []lab.Hypothesis{h}, nil, nil
	return verdict.Judge(p, run.Rows, run.MeasuredTrials()).Claims[0].HypothesisVerdicts[0]
}

// reportComparisons says how often two runs of one server are called a
// regression, and how often a server that does a tenth more is.
func reportComparisons(b *testing.B, same, slower []*record.StoredRun) {
	b.Helper()
	alarms, found := 0, 0
	for i, slow := range slower {
		old, again := same[2*i], same[2*i+1]
		if regressed(b, old, again, same) {
			alarms++
		}
		if regressed(b, old, slow, same) {
			found++
		}
	}
	b.ReportMetric(float64(len(slower)), "pairs")
	b.ReportMetric(float64(alarms), "false-alarms")
	b.ReportMetric(float64(found), "slower-found")
}

// regressed compares two runs as lab compare --fail-on regression does, where
// others of one server lie beside the old one.
func regressed(b *testing.B, old, later *record.StoredRun, others []*record.StoredRun) bool {
	b.Helper()
	var sources []compare.Source
	for _, run := range append([]*record.StoredRun{old, later}, others...) {
		sources = append(sources, folderSource(filepath.Base(run.Dir), run.Dir, &run.Info))
	}
	runs, err := compare.Read(b.Context(), sources, compare.DefaultMetrics())
	if err != nil {
		b.Fatal(err)
	}
	// The slowed server is in an image of its own. References that are further
	// apart than they may be are no finding, and no figure of this benchmark's.
	if err := compare.CheckComparable(runs[0], runs[1:2], []compare.DifferenceKind{compare.Image}); err != nil {
		b.Logf("%s and %s: %v", old.Dir, later.Dir, err)
		return false
	}
	c := compare.Compare(runs[0], runs[1], 0.05, runs[2:]...)
	b.Logf("%s and %s\n%s", old.Dir, later.Dir, c.Text())
	return len(c.WorseLines()) > 0
}
