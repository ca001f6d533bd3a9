package compare_test

import (
	"encoding/json"
	"fmt"
	"maps"
	"math"
	"math/rand/v2"
	"slices"
	"strings"
	"testing"

	"runtimelab/lab"
	"runtimelab/lab/compare"
	"runtimelab/lab/record"
	"runtimelab/lab/stat"
)

// infoOf is what a complete run says of itself.
func infoOf() *record.Info {
	return &record.Info{
		State: record.Done, Profile: "quick", Host: record.Host{ID: "h1"},
		MeasuredVariants: map[string]record.MeasuredVariant{"node/single": {Variant: lab.Variant{Command: []string{"node", "server.js"}}}},
	}
}

// amid compares two runs where others of these rows lie beside them.
func amid(t tester, old, new table, others ...table) compare.Comparison {
	t.Helper()
	runs := read(t, compare.DefaultMetrics(), append([]table{old, new.with("run_id", "new")}, others...)...)
	for _, r := range runs {
		r.Info = infoOf()
	}
	return compare.Compare(runs[0], runs[1], 0.05, runs[2:]...)
}

// other is the rows of another run, with a mean of its own.
func other(id string, mean float64, pairs ...any) table {
	return trials("throughput_rps", around(mean), append([]any{"run_id", id}, pairs...)...)
}

func logs(values []float64) (m stat.Moments) {
	for _, x := range values {
		m.Add(math.Log(x))
	}
	return m
}

// Runs of 98, 100 and 103: what their logs vary by is added for each side, with two
// degrees of freedom.
func TestLineVarianceComesFromItsOwnRuns(t *testing.T) {
	old, new := trials("throughput_rps", around(100)), trials("throughput_rps", around(104))
	c := amid(t, old, new, other("r1", 98), other("r2", 100), other("r3", 103))
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
	if text := c.Text(); !strings.Contains(text,
		"varies by (1 lines) or its metric (0), in 3 other") || strings.Contains(text, "not known of") {
		t.Errorf("%s", text)
	}
}

// Only complete runs of the same thing tell how much runs of it differ.
func TestHistoryIgnoresRunsOfOtherSetups(t *testing.T) {
	bound := other("r3", 103)
	bound[1]["validity"] = "censored"
	for name, tt := range map[string]struct {
		rows   table
		change func(*record.Info)
	}{
		"host":             {other("r3", 103, "host_id", "h2"), func(*record.Info) {}},
		"image":            {other("r3", 103, "content_sha256", "c2"), func(*record.Info) {}},
		"script":           {other("r3", 103, "scenario_sha256", "s2"), func(*record.Info) {}},
		"load":             {other("r3", 103, "connections", "32"), func(*record.Info) {}},
		"phase":            {other("r3", 103, "phase", "ladder-1"), func(*record.Info) {}},
		"the old run":      {other("old", 103), func(*record.Info) {}},
		"the new run":      {other("new", 103), func(*record.Info) {}},
		"a run twice":      {other("r2", 103), func(*record.Info) {}},
		"a bound":          {bound, func(*record.Info) {}},
		"few trials":       {other("r3", 103)[:5], func(*record.Info) {}},
		"interrupted":      {other("r3", 103), func(i *record.Info) { i.State = record.Interrupted }},
		"profile":          {other("r3", 103), func(i *record.Info) { i.Profile = "full" }},
		"what host it was": {other("r3", 103), func(i *record.Info) { i.Host.ID = "h2" }},
		"command": {other("r3", 103), func(i *record.Info) {
			i.MeasuredVariants = maps.Clone(i.MeasuredVariants)
			i.MeasuredVariants["node/single"] = record.MeasuredVariant{Variant: lab.Variant{Command: []string{
				"node",
				"slow.js",
			}}}
		}},
	} {
		runs := read(t, compare.DefaultMetrics(), other("old", 100), other("new", 100), other("r1", 98),
			other("r2", 100), tt.rows)
		for _, r := range runs {
			r.Info = infoOf()
		}
		tt.change(runs[4].Info)
		c := compare.Compare(runs[0], runs[1], 0.05, runs[2:]...)
		if b := line(t, c, "throughput_rps").BetweenRuns; b.Source != compare.FromReferences || b.Variance != 0 {
			t.Errorf("%s: %+v", name, b)
		}
	}
	runs := read(t, compare.DefaultMetrics(), other("old", 100), other("new", 100), other("r1", 98),
		other("r2", 100), other("r3", 103))
	for _, r := range runs[1:] {
		r.Info = infoOf()
	}
	if b := line(t, compare.Compare(runs[0], runs[1], 0.05, runs[2:]...),
		"throughput_rps").BetweenRuns; b.Runs != 3 {
		t.Errorf("an old run that is a file alone: %+v, want what the new one's host tells", b)
	}
}

// A line that is new takes what the others of its metric vary by, and no more
// degrees of freedom than the fewest runs: lines of a run are no runs.
func TestLineVarianceFallsBackToItsMetric(t *testing.T) {
	const fresh, cost = "node/fresh", "cpu_us_per_request"
	rows := func(id string, a, b float64) table {
		return slices.Concat(other(id, a), other(id, b, "variant", "node/b"))
	}
	both := func(id string) table {
		return slices.Concat(rows(id, 100, 50), other(id, 10, "variant", fresh, cost, 5))
	}
	c := amid(t, both("old"), both("new"), rows("r1", 98, 50), rows("r2", 100, 51), rows("r3", 103, 53),
		other("r4", 101))
	a := stat.MomentsOf(logs(around(98)).Mean, logs(around(100)).Mean, logs(around(103)).Mean,
		logs(around(101)).Mean)
	b := stat.MomentsOf(logs(around(50)).Mean, logs(around(51)).Mean, logs(around(53)).Mean)
	want := (a.M2 + b.M2) / 5
	for _, l := range c.Lines {
		got := l.BetweenRuns
		switch {
		case l.Metric == cost:
			if got.Source != compare.FromReferences {
				t.Errorf("%s: %+v, though no line of the metric is known", l.Key, got)
			}
		case l.Variant == fresh:
			if got.Source != compare.FromMetric || got.Runs != 3 || math.Abs(got.Variance-want) > 1e-15 {
				t.Errorf("%+v, want %v of 3 runs", got, want)
			}
		case got.Source != compare.FromLine:
			t.Errorf("%s: %+v", l.Key, got)
		}
	}
	if text := strings.Join(strings.Fields(c.Text()), " "); !strings.Contains(text,
		"] (3)") || !strings.Contains(text, "varies by (2 lines) or its metric (1), in 3 to 4 other runs") {
		t.Errorf("%s", text)
	}
}

// A ratio is compared by difference, and varies between runs on its own scale.
func TestRatioMetricsUseDifferenceVariance(t *testing.T) {
	errors := func(id string, mean float64) table {
		return trials("error_ratio", []float64{mean, mean, mean, mean, mean, mean}, "run_id", id)
	}
	c := amid(t, errors("old", 0), errors("new", 0.002), errors("r1", 0.001), errors("r2", 0.002),
		errors("r3", 0.003))
	if l := line(t, c, "error_ratio"); l.BetweenRuns.Source != compare.FromLine ||
		math.Abs(l.BetweenRuns.Variance-1e-6) > 1e-15 || l.Mark != compare.Undecided {
		t.Errorf("%+v, %s", l.BetweenRuns, l.Mark)
	}
}

// Where nothing is known of a line every form of the comparison says so.
func TestUnknownRunVarianceIsADoubt(t *testing.T) {
	rows := slices.Concat(trials("throughput_rps", around(100), "cpu_us_per_request", 3),
		trials("throughput_rps", around(100), "scenario", lab.ReferenceScenario, "variant", lab.LightReference))
	runs := read(t, compare.DefaultMetrics(), rows, rows.with("run_id", "new"))
	runs[0].Info, runs[1].Info = infoOf(), infoOf()
	runs[0].Info.BetweenRuns = &record.RunVariance{Runs: 4, VarianceLog: 1e-4}
	c := compare.Compare(runs[0], runs[1], 0.05)
	const says = "how much it varies between runs is not known of 2 of 2 lines"
	text, err := json.Marshal(c)
	if err != nil {
		t.Fatal(err)
	}
	for form, got := range map[string]string{"text": c.Text(), "Markdown": c.Markdown(), "JSON": string(text)} {
		got = strings.ReplaceAll(strings.Join(strings.Fields(got), " "), `\_`, "_")
		if !strings.Contains(got, says) || !strings.Contains(got,
			"1.00% (the throughput of a reference server in 4 runs of the host)") ||
			!strings.Contains(got, "(throughput_rps, cpu_us_per_request)") {
			t.Errorf("%s does not say it:\n%s", form, got)
		}
	}
	if b := c.Lines[0].BetweenRuns; b.Source != compare.FromReferences || b.Runs != 4 || b.Variance != 1e-4 {
		t.Errorf("%+v", b)
	}
	one := compare.Compare(runs[0], runs[0], 0.05)
	if text := one.Text(); strings.Contains(text, "not known") && strings.Contains(text,
		says) || one.Lines[0].BetweenRuns.Source != compare.FromSameRun || one.Count(compare.Equivalent) != 2 {
		t.Errorf("a run against itself:\n%s", text)
	}
}

// Runs of one server differ by three percent, and their trials by one. However few
// runs tell of it, equal runs are not called different.
func TestRunsThatDifferAreNotCalledWorse(t *testing.T) {
	const comparisons, lines = 120, 4
	for _, runs := range []int{3, 5, 12} {
		r := rand.New(rand.NewPCG(11, uint64(runs)))
		draw := func(id string) table { return simulated(r, id, lines, 6, 0.03*r.NormFloat64(), 0.01) }
		worse := 0
		for range comparisons {
			var others []table
			for i := range runs {
				others = append(others, draw(fmt.Sprintf("r%d", i)))
			}
			if len(amid(t, draw("old"), draw("new"), others...).WorseLines()) > 0 {
				worse++
			}
		}
		if worse > most(comparisons, lab.Alpha) {
			t.Errorf("amid %d runs %d of %d equal pairs have a line that is worse", runs, worse, comparisons)
		}
	}
}
