package compare_test

import (
	"math"
	"strconv"
	"testing"

	"pgregory.net/rapid"

	"runtimelab/lab"
	"runtimelab/lab/compare"
	"runtimelab/lab/metric"
	"runtimelab/lab/stat"
)

// compare reads a file row by row and keeps none, while reports and verdicts have all rows of a
// run. Both must count the same attempts, in whatever order the rows of a block are.
func TestTheSameAttemptsCountAsInReports(t *testing.T) {
	validities := []lab.Validity{lab.Valid, lab.Censored, lab.Disturbed, lab.Failed}
	throughput, _ := metric.Find("throughput_rps")
	rapid.Check(t, func(t *rapid.T) {
		var file table
		var rows []metric.Row
		for block := 1; block <= 6; block++ {
			attempts := rapid.Permutation([]int{1, 2, 3}).Draw(t, "attempts")
			for _, attempt := range attempts[:rapid.IntRange(1, 3).Draw(t, "number of attempts")] {
				validity := rapid.SampledFrom(validities).Draw(t, "validity")
				rps := rapid.Float64Range(50, 150).Draw(t, "throughput")
				row := trial(block, "attempt", attempt, "validity", validity,
					"throughput_rps", strconv.FormatFloat(rps, 'f', 3, 64))
				file = append(file, row)
				var header []string
				var cells [][]byte
				for name, cell := range row {
					header, cells = append(header, name), append(cells, []byte(cell))
				}
				parsed, err := metric.ParseRow(header, cells)
				if err != nil {
					t.Fatal(err)
				}
				rows = append(rows, parsed)
			}
		}
		var logs stat.Moments
		bound := false
		for _, r := range metric.UsableRows(rows) {
			rps, b, _ := r.Figure(throughput)
			logs.Add(math.Log(rps))
			bound = bound || b == metric.AtLeast
		}
		runs := read(t, compare.DefaultMetrics(), file, file)
		for _, l := range compare.Compare(runs[0], runs[1], compare.DefaultThreshold).Lines {
			if l.Metric != throughput.Name {
				continue
			}
			if l.Old.Trials != logs.N || l.Old.LowerBound != bound || !near(l.Old.Mean, math.Exp(logs.Mean)) {
				t.Errorf("%d trials, mean %v, bound %v; want %d, %v, %v",
					l.Old.Trials, *l.Old.Mean, l.Old.LowerBound, logs.N, math.Exp(logs.Mean), bound)
			}
			return
		}
		if logs.N > 0 {
			t.Errorf("no line, but %d usable rows", logs.N)
		}
	})
}
