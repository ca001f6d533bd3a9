package compare_test

import (
	"fmt"
	"maps"
	"math"
	"math/rand/v2"
	"reflect"
	"slices"
	"strings"
	"testing"

	"runtimelab/lab"
	"runtimelab/lab/compare"
	"runtimelab/lab/record"
	"runtimelab/lab/stat"
)

// completeRun returns the run.json of a complete run.
func completeRun() *record.Info {
	return &record.Info{
		State: record.Done, Profile: "quick", Host: record.Host{ID: "h1"},
		MeasuredVariants: map[string]record.MeasuredVariant{"node/single": startedBy("node", "server.js")},
		Services:         map[string]lab.Service{"postgres": {Name: "postgres", MemoryBytes: 1 << 30}},
	}
}

func startedBy(command ...string) record.MeasuredVariant {
	return record.MeasuredVariant{Variant: lab.Variant{Command: command}}
}

// comparedWithHistory compares two runs; others are earlier runs of the host.
func comparedWithHistory(t tester, old, new table, others ...table) compare.Comparison {
	t.Helper()
	runs := read(t, compare.DefaultMetrics(), append([]table{old, new.with("run_id", "new")}, others...)...)
	for _, r := range runs {
		r.Info = completeRun()
	}
	return compare.Compare(runs[0], runs[1], 0.05, runs[2:]...)
}

// otherRun returns the rows of another run with the given mean throughput.
func otherRun(id string, mean float64, pairs ...any) table {
	return trials("throughput_rps", around(mean), append([]any{"run_id", id}, pairs...)...)
}

func logs(values []float64) (m stat.Moments) {
	for _, x := range values {
		m.Add(math.Log(x))
	}
	return m
}

// The other runs have means 98, 100 and 103. The variance of the logs is added for each side,
// with two degrees of freedom.
func TestLineVarianceComesFromItsOwnRuns(t *testing.T) {
	old, new := trials("throughput_rps", around(100)), trials("throughput_rps", around(104))
	c := comparedWithHistory(t, old, new, otherRun("r1", 98), otherRun("r2", 100), otherRun("r3", 103))
	l := line(t, c, "throughput_rps")
	m := stat.MomentsOf(logs(around(98)).Mean, logs(around(100)).Mean, logs(around(103)).Mean)
	between := stat.Variance{Value: m.SD() * m.SD(), DF: 2}
	if l.BetweenRuns.Source != compare.FromLine || l.BetweenRuns.Runs != 3 ||
		math.Abs(l.BetweenRuns.Variance-between.Value) > 1e-15 {
		t.Errorf("%+v, want %v of 3 runs", l.BetweenRuns, between.Value)
	}
	low, high := stat.Welch(logs(around(104)), logs(around(100)), between).Interval(lab.Alpha)
	if !near(l.Low, math.Exp(low)) || !near(l.High, math.Exp(high)) {
		t.Errorf("[%v, %v], want [%v, %v]", *l.Low, *l.High, math.Exp(low), math.Exp(high))
	}
	const head = "between 3 other runs of this host, of the line itself (1 line) or of its metric (0)"
	text := singleSpaced(c.Text())
	if !strings.Contains(text, head) || strings.Contains(text, "have fewer than") {
		t.Errorf("%s", text)
	}
}

// Only complete runs of the same setup show how much its runs vary.
func TestHistoryIgnoresRunsOfOtherSetups(t *testing.T) {
	bound := otherRun("r3", 103)
	bound[1]["validity"] = "censored"
	for name, tt := range map[string]struct {
		rows   table
		change func(*record.Info)
	}{
		"host":              {otherRun("r3", 103, "host_id", "h2"), func(*record.Info) {}},
		"image":             {otherRun("r3", 103, "content_sha256", "c2"), func(*record.Info) {}},
		"script":            {otherRun("r3", 103, "scenario_sha256", "s2"), func(*record.Info) {}},
		"load":              {otherRun("r3", 103, "connections", "32"), func(*record.Info) {}},
		"phase":             {otherRun("r3", 103, "phase", "ladder-1"), func(*record.Info) {}},
		"the old run":       {otherRun("old", 103), func(*record.Info) {}},
		"the new run":       {otherRun("new", 103), func(*record.Info) {}},
		"a run twice":       {otherRun("r2", 103), func(*record.Info) {}},
		"a bound":           {bound, func(*record.Info) {}},
		"few trials":        {otherRun("r3", 103)[:5], func(*record.Info) {}},
		"interrupted":       {otherRun("r3", 103), func(i *record.Info) { i.State = record.Interrupted }},
		"generator of rows": {otherRun("r3", 103, "generator", "loop"), func(*record.Info) {}},
		"generator":         {otherRun("r3", 103), func(i *record.Info) { i.Plan.Generator = lab.EventLoop }},
		"profile":           {otherRun("r3", 103), func(i *record.Info) { i.Profile = "full" }},
		"host of run.json":  {otherRun("r3", 103), func(i *record.Info) { i.Host.ID = "h2" }},
		"service": {otherRun("r3", 103), func(i *record.Info) {
			i.Services = map[string]lab.Service{"postgres": {Name: "postgres", MemoryBytes: 2 << 30}}
		}},
		"command": {otherRun("r3", 103), func(i *record.Info) {
			i.MeasuredVariants = maps.Clone(i.MeasuredVariants)
			i.MeasuredVariants["node/single"] = startedBy("node", "slow.js")
		}},
	} {
		runs := read(t, compare.DefaultMetrics(), otherRun("old", 100), otherRun("new", 100), otherRun("r1", 98),
			otherRun("r2", 100), tt.rows)
		for _, r := range runs {
			r.Info = completeRun()
		}
		tt.change(runs[4].Info)
		c := compare.Compare(runs[0], runs[1], 0.05, runs[2:]...)
		if b := line(t, c, "throughput_rps").BetweenRuns; b.Source != compare.FromReferences || b.Variance != 0 {
			t.Errorf("%s: %+v", name, b)
		}
	}
	runs := read(t, compare.DefaultMetrics(), otherRun("old", 100), otherRun("new", 100), otherRun("r1", 98),
		otherRun("r2", 100), otherRun("r3", 103))
	for _, r := range runs[1:] {
		r.Info = completeRun()
	}
	c := compare.Compare(runs[0], runs[1], 0.05, runs[2:]...)
	if b := line(t, c, "throughput_rps").BetweenRuns; b.Runs != 3 {
		t.Errorf("an old run without run.json: %+v, want the history of the new one's host", b)
	}
}

// A line without history has the pooled variance of its metric, with the degrees of freedom of
// the fewest runs: lines of one run are not independent.
func TestLineVarianceFallsBackToItsMetric(t *testing.T) {
	const fresh, cost = "node/fresh", "cpu_us_per_request"
	known := func(id string, a, b float64) table {
		return slices.Concat(otherRun(id, a), otherRun(id, b, "variant", "node/b"))
	}
	withFresh := func(id string) table {
		return slices.Concat(known(id, 100, 50), otherRun(id, 10, "variant", fresh, cost, 5))
	}
	c := comparedWithHistory(t, withFresh("old"), withFresh("new"),
		known("r1", 98, 50), known("r2", 100, 51), known("r3", 103, 53), otherRun("r4", 101))
	means := func(runs ...float64) (m stat.Moments) {
		for _, mean := range runs {
			m.Add(logs(around(mean)).Mean)
		}
		return m
	}
	a, b := means(98, 100, 103, 101), means(50, 51, 53)
	want := (a.M2 + b.M2) / 5
	for _, l := range c.Lines {
		got := l.BetweenRuns
		switch {
		case l.Metric == cost:
			if got.Source != compare.FromReferences {
				t.Errorf("%s: %+v, although no line of the metric has history", l.Key, got)
			}
		case l.Variant == fresh:
			if got.Source != compare.FromMetric || got.Runs != 3 || math.Abs(got.Variance-want) > 1e-15 {
				t.Errorf("%+v, want %v of 3 runs", got, want)
			}
		case got.Source != compare.FromLine:
			t.Errorf("%s: %+v", l.Key, got)
		}
	}
	const head = "between 3 to 4 other runs of this host, of the line itself (2 lines) or of its metric (1)"
	if text := singleSpaced(c.Text()); !strings.Contains(text, "] (3)") || !strings.Contains(text, head) {
		t.Errorf("%s", text)
	}
}

func singleSpaced(text string) string { return strings.Join(strings.Fields(text), " ") }

// A ratio is compared by difference, so its variance between runs is that of means, not of logs.
func TestRatioMetricsUseDifferenceVariance(t *testing.T) {
	errors := func(id string, mean float64) table {
		return trials("error_ratio", []float64{mean, mean, mean, mean, mean, mean}, "run_id", id)
	}
	c := comparedWithHistory(t, errors("old", 0), errors("new", 0.002),
		errors("r1", 0.001), errors("r2", 0.002), errors("r3", 0.003))
	if l := line(t, c, "error_ratio"); l.BetweenRuns.Source != compare.FromLine ||
		math.Abs(l.BetweenRuns.Variance-1e-6) > 1e-15 || l.Mark != compare.Undecided {
		t.Errorf("%+v, %s", l.BetweenRuns, l.Mark)
	}
}

func TestEveryFormDoubtsLinesWithoutHistory(t *testing.T) {
	rows := slices.Concat(trials("throughput_rps", around(100), "cpu_us_per_request", 3), references(100))
	runs := read(t, compare.DefaultMetrics(), rows, rows.with("run_id", "new"))
	runs[0].Info, runs[1].Info = completeRun(), completeRun()
	runs[0].Info.BetweenRuns = &record.RunVariance{Runs: 4, VarianceLog: 1e-4}
	c := compare.Compare(runs[0], runs[1], 0.05)
	want := lab.Reason{
		Kind: lab.LinesWithoutHistory, Count: 2, Total: 2, Needed: compare.MinRuns,
		Names: []string{"throughput_rps", "cpu_us_per_request"}, Value: 0.01,
		Parts: []lab.Part{{Name: string(lab.VarianceOfHost), Count: 4}},
	}
	if len(c.Doubts) != 1 || !reflect.DeepEqual(c.Doubts[0], want) {
		t.Errorf("doubts %+v, want %+v", c.Doubts, want)
	}
	for form, got := range map[string]string{"text": c.Text(), "Markdown": c.Markdown()} {
		got = strings.ReplaceAll(singleSpaced(got), `\_`, "_")
		for _, part := range []string{
			"2 of 2 lines (throughput_rps, cpu_us_per_request) have fewer than 3 comparable other runs",
			"1.00% (from a reference server's throughput in 4 runs of this host)",
		} {
			if !strings.Contains(got, part) {
				t.Errorf("%s has no %q:\n%s", form, part, got)
			}
		}
	}
	if b := c.Lines[0].BetweenRuns; b.Source != compare.FromReferences || b.Runs != 4 || b.Variance != 1e-4 {
		t.Errorf("%+v", b)
	}
	one := compare.Compare(runs[0], runs[0], 0.05)
	if text := one.Text(); strings.Contains(text, "have fewer than") ||
		one.Lines[0].BetweenRuns.Source != compare.FromSameRun || one.Count(compare.Equivalent) != 2 {
		t.Errorf("a run against itself:\n%s", text)
	}
}

// Runs of one server vary by 3 %, and their trials by 1 %.
func TestRunsThatVaryAreNotCalledWorse(t *testing.T) {
	const comparisons, lines = 120, 4
	for _, runs := range []int{3, 5, 12} {
		r := rand.New(rand.NewPCG(11, uint64(runs)))
		draw := func(id string) table { return simulatedRun(r, id, lines, 6, 0.03*r.NormFloat64(), 0.01) }
		worse := 0
		for range comparisons {
			var others []table
			for i := range runs {
				others = append(others, draw(fmt.Sprintf("r%d", i)))
			}
			if len(comparedWithHistory(t, draw("old"), draw("new"), others...).WorseLines()) > 0 {
				worse++
			}
		}
		if worse > maxByChance(comparisons, lab.Alpha) {
			t.Errorf("with %d other runs %d of %d equal pairs have a line that is worse", runs, worse, comparisons)
		}
	}
}
