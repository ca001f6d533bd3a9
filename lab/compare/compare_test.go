package compare_test

import (
	"bytes"
	"context"
	"encoding/csv"
	"fmt"
	"io"
	"maps"
	"math"
	"math/rand/v2"
	"slices"
	"strconv"
	"strings"
	"testing"

	"pgregory.net/rapid"

	"runtimelab/lab"
	"runtimelab/lab/compare"
	"runtimelab/lab/metric"
	"runtimelab/lab/record"
	"runtimelab/lab/stat"
)

// table is the rows of a run, by column.
type table []map[string]string

// trial is a valid row of json on node/single, with other values where pairs of a
// column and its value say so.
func trial(block int, pairs ...any) map[string]string {
	row := map[string]string{
		"schema_version": strconv.Itoa(metric.SchemaVersion), "run_id": "old", "host_id": "h1", "scenario": "json", "scenario_sha256": "s1",
		"variant": "node/single", "content_sha256": "c1", "block": strconv.Itoa(block), "attempt": "1", "phase": "peak",
		"connections": "64", "keep_alive": "true", "server_cpus": "1", "validity": "valid",
	}
	for i := 0; i < len(pairs); i += 2 {
		row[pairs[i].(string)] = fmt.Sprint(pairs[i+1])
	}
	return row
}

// trials are those of as many blocks as there are values of a metric.
func trials(name string, values []float64, pairs ...any) (t table) {
	for i, v := range values {
		t = append(t, trial(i+1, append([]any{name, v}, pairs...)...))
	}
	return t
}

// with is the table with a column's value in every row.
func (t table) with(column, value string) (out table) {
	for _, row := range t {
		row = maps.Clone(row)
		row[column] = value
		out = append(out, row)
	}
	return out
}

func (t table) csv() []byte {
	var b bytes.Buffer
	w := csv.NewWriter(&b)
	_ = w.Write(metric.Header())
	for _, row := range t {
		var cells []string
		for _, name := range metric.Header() {
			cells = append(cells, row[name])
		}
		_ = w.Write(cells)
	}
	w.Flush()
	return b.Bytes()
}

func (t table) source(label string) compare.Source {
	text := t.csv()
	return compare.Source{
		Label: label,
		Open:  func() (io.ReadCloser, error) { return io.NopCloser(bytes.NewReader(text)), nil },
	}
}

type tester interface {
	Helper()
	Fatal(...any)
}

func read(t tester, which compare.Selection, tables ...table) []*compare.Run {
	t.Helper()
	var sources []compare.Source
	for i, rows := range tables {
		sources = append(sources, rows.source(string(rune('A'+i))))
	}
	runs, err := compare.Read(context.Background(), sources, which)
	if err != nil {
		t.Fatal(err)
	}
	return runs
}

func compared(t tester, old, new table) compare.Comparison {
	t.Helper()
	runs := read(t, compare.DefaultMetrics(), old, new)
	return compare.Compare(runs[0], runs[1], compare.DefaultThreshold)
}

// line is the one line of a metric.
func line(t tester, c compare.Comparison, name string) compare.Line {
	t.Helper()
	for _, l := range c.Lines {
		if l.Metric == name {
			return l
		}
	}
	t.Fatal(fmt.Sprintf("no line of %s in %+v", name, c.Lines))
	return compare.Line{}
}

func near(a *float64, b float64) bool { return a != nil && math.Abs(*a-b) <= 1e-9*math.Abs(b) }

// around are six values about a mean, within a percent of it.
func around(mean float64) []float64 {
	return []float64{mean, 1.01 * mean, mean / 1.01, 1.005 * mean, mean / 1.005, mean}
}

func TestMarks(t *testing.T) {
	wide := []float64{60, 140, 90, 120, 80, 115}
	for _, tt := range []struct {
		name, metric string
		old, new     []float64
		want         compare.Mark
	}{
		{"the same", "throughput_rps", around(100), around(100), compare.Equivalent},
		{"more is better", "throughput_rps", around(100), around(120), compare.Better},
		{"less is worse", "throughput_rps", around(100), around(80), compare.Worse},
		{"of a cost more is worse", "cpu_us_per_request", around(100), around(120), compare.Worse},
		{"of a cost less is better", "cpu_us_per_request", around(100), around(80), compare.Better},
		{"sure, but too little to matter", "throughput_rps", around(100), around(103), compare.Equivalent},
		{"at the threshold", "throughput_rps", around(100), around(104.5), compare.Undecided},
		{"too wide", "throughput_rps", around(100), wide, compare.Undecided},
		{"five trials", "throughput_rps", around(100), around(80)[:5], compare.TooFewTrials},
		{"none", "throughput_rps", around(100), []float64{}, compare.TooFewTrials},
		{"no failure", "error_ratio", make([]float64, 6), make([]float64, 6), compare.Equivalent},
		{
			"one failure in a thousand does not matter", "error_ratio", make([]float64, 6),
			[]float64{0, 1e-4, 0, 2e-4, 0, 1e-4},
			compare.Equivalent,
		},
		{
			"one in a hundred does", "error_ratio", make([]float64, 6),
			[]float64{.011, .012, .011, .012, .011, .012},
			compare.Worse,
		},
		{
			"fewer failures are better", "error_ratio",
			[]float64{.011, .012, .011, .012, .011, .012},
			make([]float64, 6), compare.Better,
		},
		{
			"a zero has no logarithm, and is no reason to leave it out", "throughput_rps", around(100),
			make([]float64, 6), compare.Worse,
		},
	} {
		t.Run(tt.name, func(t *testing.T) {
			new := trials(tt.metric, tt.new)
			for i := len(tt.new); i < 6; i++ {
				new = append(new, trial(i+1, tt.metric, 100, "validity", "failed"))
			}
			l := line(t, compared(t, trials(tt.metric, tt.old), new.with("run_id", "new")), tt.metric)
			if l.Mark != tt.want || l.New.Blocks != 6 || l.New.Trials != len(tt.new) {
				t.Errorf("%s, %d of %d; want %s", l.Mark, l.New.Trials, l.New.Blocks, tt.want)
			}
		})
	}
}

func TestTheRatioIsOfGeometricMeansByWelch(t *testing.T) {
	a, b := []float64{100, 110, 90, 105, 95, 102}, []float64{150, 130, 140, 150, 135, 160}
	l := line(t, compared(t, trials("throughput_rps", a), trials("throughput_rps", b).with("run_id", "new")),
		"throughput_rps")
	logs := func(xs []float64) (m stat.Moments) {
		for _, x := range xs {
			m.Add(math.Log(x))
		}
		return m
	}
	e := stat.Welch(logs(b), logs(a), stat.Variance{})
	low, high := e.Interval(lab.Alpha) // the only line
	if !near(l.Effect, math.Exp(e.Mean)) || !near(l.Low, math.Exp(low)) || !near(l.High, math.Exp(high)) {
		t.Errorf("%v [%v, %v], want %v [%v, %v]", *l.Effect, *l.Low, *l.High, math.Exp(e.Mean), math.Exp(low),
			math.Exp(high))
	}
	if !near(l.Old.Mean, math.Exp(logs(a).Mean)) || !near(l.PHolm, min(e.PAbove(0), e.PBelow(0))) {
		t.Errorf("old %v, p %v", *l.Old.Mean, *l.PHolm)
	}
}

// Each side's interval is its own: Student's of its trials, and with an estimate of
// the variance between runs that of the sum of both.
func TestEachSideHasItsOwnInterval(t *testing.T) {
	values := []float64{100, 110, 90, 105, 95, 102}
	var logs []float64
	for _, x := range values {
		logs = append(logs, math.Log(x))
	}
	own := stat.PairedEffect(logs)
	old := trials("throughput_rps", values)
	for _, between := range []float64{0, own.SE * own.SE} {
		runs := read(t, compare.DefaultMetrics(), old, old.with("run_id", "new"))
		runs[0].Info, runs[1].Info = &record.Info{BetweenRuns: &record.RunVariance{
			Runs:        3,
			VarianceLog: between,
		}}, &record.Info{}
		want := own
		if between > 0 { // as much again, of 3 runs
			want.SE, want.DF = own.SE*math.Sqrt2, 4/(1/own.DF+1.0/2)
		}
		low, high := want.Interval(lab.Alpha)
		if l := line(t, compare.Compare(runs[0], runs[1], 0.05), "throughput_rps"); !near(l.Old.Low,
			math.Exp(low)) || !near(l.Old.High, math.Exp(high)) {
			t.Errorf("between %v: [%v, %v], want [%v, %v]", between, *l.Old.Low, *l.Old.High, math.Exp(low),
				math.Exp(high))
		}
	}
	alike := trials("throughput_rps", []float64{100, 100, 100, 100, 100, 100})
	if l := line(t, compared(t, alike, alike.with("run_id", "new")), "throughput_rps"); !near(l.Old.Low,
		100) || !near(l.Old.High, 100) {
		t.Errorf("of what does not vary: %v to %v", l.Old.Low, l.Old.High)
	}
}

func TestDoubtsOfAComparison(t *testing.T) {
	rows := trials("throughput_rps", around(100))
	of := func(profile, version string, state record.State) *record.Info {
		return &record.Info{Profile: profile, Versions: map[string]string{"lab": version}, State: state}
	}
	for _, tt := range []struct {
		old, new *record.Info
		want     string // empty: none but that there is no reference, and no other run
	}{
		{of("quick", "v1", record.Done), of("quick", "v1", record.Done), ""},
		{
			of("quick", "v1", record.Done), of("full", "v1", record.Done),
			"profiles quick and full: trials do not last equally long",
		},
		{of("quick", "v1", record.Done), of("quick", "v2", record.Done), "measured by lab v1 and v2"},
		{of("quick", "v1", record.Interrupted), of("quick", "v1", record.Done), "A: the run is interrupted"},
		{of("quick", "v1", record.Done), nil, ""},
	} {
		runs := read(t, compare.DefaultMetrics(), rows, rows.with("run_id", "new"))
		runs[0].Info, runs[1].Info = tt.old, tt.new
		doubts := compare.Compare(runs[0], runs[1], 0.05).Doubts
		if i := slices.Index(doubts, tt.want); tt.want != "" && (i < 0 ||
			len(doubts) != 3) || tt.want == "" && len(doubts) != 2 {
			t.Errorf("%+v and %+v: %q", tt.old, tt.new, doubts)
		}
	}
}

func TestReadingEndsWhenItIsToldTo(t *testing.T) {
	ctx, cancel := context.WithCancel(context.Background())
	cancel()
	many := make(table, 10_000)
	for i := range many {
		many[i] = trial(i+1, "throughput_rps", 100)
	}
	if _, err := compare.Read(ctx, []compare.Source{many.source("A")}, compare.DefaultMetrics()); err == nil {
		t.Error("an interrupted comparison went on")
	}
}

func TestBoundsAreNeverCalledBetter(t *testing.T) {
	bound := func(values []float64) table {
		rows := trials("throughput_rps", values)
		rows[2]["validity"] = "censored"
		return rows
	}
	plain := func(values []float64) table { return trials("throughput_rps", values) }
	for _, tt := range []struct {
		name     string
		old, new table
		bound    compare.EffectBound
		mark     compare.Mark
	}{
		{"new serves at least as much", plain(around(100)), bound(around(120)), compare.AtLeast, compare.Better},
		{"new may serve as much", plain(around(100)), bound(around(80)), compare.AtLeast, compare.Undecided},
		{"new may serve more", plain(around(100)), bound(around(100)), compare.AtLeast, compare.Undecided},
		{"old served at least as much", bound(around(100)), plain(around(80)), compare.AtMost, compare.Worse},
		{"old may have served as much", bound(around(100)), plain(around(120)), compare.AtMost, compare.Undecided},
		{"nothing is known", bound(around(100)), bound(around(150)), compare.BothBounds, compare.Undecided},
	} {
		t.Run(tt.name, func(t *testing.T) {
			l := line(t, compared(t, tt.old, tt.new.with("run_id", "new")), "throughput_rps")
			if l.Bound != tt.bound || l.Mark != tt.mark {
				t.Errorf("bound %q, mark %s; want %q, %s", l.Bound, l.Mark, tt.bound, tt.mark)
			}
			if openLow, openHigh := tt.bound != compare.AtLeast, tt.bound != compare.AtMost; (l.Low == nil) != openLow || (l.High == nil) != openHigh {
				t.Errorf("interval from %v to %v", l.Low, l.High)
			}
			if (l.Effect == nil) != (tt.bound == compare.BothBounds) {
				t.Errorf("effect %v", l.Effect)
			}
		})
	}
	l := line(t, compared(t, trials("cpu_us_per_request", around(100)), trials("cpu_us_per_request", around(80),
		"validity", "censored").with("run_id", "new")), "cpu_us_per_request")
	if l.Mark != compare.TooFewTrials || l.New.Trials != 0 {
		t.Errorf("a cost of a censored row counts: %s of %d trials", l.Mark, l.New.Trials)
	}
}

func TestTheLastUsableAttemptCounts(t *testing.T) {
	rows := table{
		trial(1, "throughput_rps", 50, "validity", "disturbed"), trial(1, "throughput_rps", 100, "attempt", 2),
		trial(2, "throughput_rps", 100), trial(2, "throughput_rps", 50, "attempt", 2, "validity", "disturbed"),
		trial(3, "throughput_rps", 50), trial(3, "throughput_rps", 100, "attempt", 2),
		trial(4, "throughput_rps", 50, "validity", "failed"),
	}
	l := line(t, compared(t, rows, rows), "throughput_rps")
	if !near(l.Old.Mean, 100) || l.Old.Trials != 3 || l.Old.Blocks != 4 {
		t.Errorf("mean %v of %d of %d trials, want 100 of 3 of 4", *l.Old.Mean, l.Old.Trials, l.Old.Blocks)
	}
}

func TestARunIsEqualToItselfHoweverFewItsTrials(t *testing.T) {
	rows := trials("throughput_rps", []float64{100, 130}, "cold_start_ms", 12, "error_ratio", 0.5)
	rows = append(rows,
		trials("throughput_rps", []float64{100, 130}, "variant", "node/bound", "validity", "censored")...)
	c := compared(t, rows, rows)
	if len(c.Lines) != 4 || c.Count(compare.Equivalent) != 4 {
		t.Errorf("%+v", c.Lines)
	}
	if l := line(t, c, "throughput_rps"); *l.Effect != 1 || *l.Low != 1 || *l.High != 1 {
		t.Errorf("ratio %v [%v, %v]", *l.Effect, *l.Low, *l.High)
	}
}

func TestOneRunVariesFromItselfByItsTrialsOnly(t *testing.T) {
	rows := trials("throughput_rps", around(100))
	runs := read(t, compare.DefaultMetrics(), rows, rows[:5]) // one of its files was cut
	runs[0].Info = &record.Info{BetweenRuns: &record.RunVariance{Runs: 9, VarianceLog: 1}}
	if c := compare.Compare(runs[0], runs[1],
		0.05); c.BetweenRuns.VarianceLog != 0 || c.Lines[0].Mark != compare.TooFewTrials {
		t.Errorf("%+v, %s", c.BetweenRuns, c.Lines[0].Mark)
	}
}

func TestABoundInOnePhaseKeepsPerTrialMetrics(t *testing.T) {
	var rows table
	for b := 1; b <= 6; b++ {
		rows = append(rows, trial(b, "cold_start_ms", 30, "throughput_rps", 9, "phase", "steady"),
			trial(b, "cold_start_ms", 30, "throughput_rps", 9, "validity", "censored"))
	}
	if l := line(t, compared(t, rows, rows.with("run_id", "new")),
		"cold_start_ms"); l.Old.Trials != 6 || l.Mark != compare.Equivalent {
		t.Errorf("%+v", l)
	}
}

func TestPerTrialMetricsAreOneLine(t *testing.T) {
	rows := trials("cold_start_ms", around(30), "throughput_rps", 5)
	rows = append(rows, trials("cold_start_ms", around(30), "phase", "steady")...)
	slices.SortStableFunc(rows,
		func(a, b map[string]string) int { return strings.Compare(a["block"], b["block"]) })
	c := compared(t, rows, rows.with("run_id", "new"))
	if n := len(slices.DeleteFunc(slices.Clone(c.Lines),
		func(l compare.Line) bool { return l.Metric != "cold_start_ms" })); n != 1 {
		t.Errorf("%d lines of cold_start_ms", n)
	}
	if l := line(t, c, "cold_start_ms"); l.Phase != "" || l.Old.Trials != 6 {
		t.Errorf("%+v", l)
	}
}

func TestAServerThatNeverStartedIsListed(t *testing.T) {
	failed := table{}
	for b := 1; b <= 6; b++ {
		failed = append(failed, trial(b, "run_id", "new", "phase", "", "validity", "failed"))
	}
	for _, swap := range []bool{false, true} {
		old, new := trials("throughput_rps", around(100)), failed
		if swap {
			old, new = new, old
		}
		c := compared(t, old, new)
		l := line(t, c, "throughput_rps")
		if l.Mark != compare.TooFewTrials || min(l.Old.Trials,
			l.New.Trials) != 0 || l.Old.Blocks != 6 || l.New.Blocks != 6 || len(c.OnlyOld)+len(c.OnlyNew) > 0 {
			t.Errorf("%+v; only in old %v, in new %v", l, c.OnlyOld, c.OnlyNew)
		}
	}
}

func TestControlsAndUnmatchedRowsAreNoResults(t *testing.T) {
	common := slices.Concat(trials("throughput_rps", around(100)),
		trials("throughput_rps", around(100), "scenario", lab.ReferenceScenario, "variant", lab.LightReference),
		trials("throughput_rps", around(100), "scenario", lab.BurnScenario, "variant", lab.BurnVariant),
		trials("throughput_rps", around(100), "variant", lab.TwinOf("node/single")))
	old := slices.Concat(common, trials("latency_p50_ms", around(3), "phase", "steady"))
	new := slices.Concat(common,
		trials("throughput_rps", around(100), "variant", "node/cluster", "server_cpus", 2)).with("run_id", "new")
	c := compared(t, old, new)
	if len(c.Lines) != 1 || c.Lines[0].Variant != "node/single" {
		t.Errorf("%+v", c.Lines)
	}
	if fmt.Sprint(c.OnlyOld) != "[json node/single steady]" ||
		fmt.Sprint(c.OnlyNew) != "[json node/cluster on 2 CPUs]" {
		t.Errorf("only in old %v, only in new %v", c.OnlyOld, c.OnlyNew)
	}
	if c.ReferenceRatio == nil || *c.ReferenceRatio != 1 {
		t.Errorf("reference servers %v", c.ReferenceRatio)
	}
}

func TestDifferences(t *testing.T) {
	base := slices.Concat(trials("throughput_rps", around(100)),
		trials("throughput_rps", around(50), "phase", "steady", "offered_rps", 50),
		trials("capacity_rps", around(50), "phase", "capacity", "offered_rps", 50)).with("parameters", "n=1")
	base = append(base, trials("throughput_rps", around(20), "scenario", lab.ReferenceScenario, "variant",
		lab.LightReference, "scenario_sha256", "")...)
	change := func(column, value string, of func(map[string]string) bool) table {
		var out table
		for _, row := range base.with("run_id", "new") {
			if of(row) {
				row[column] = value
			}
			out = append(out, row)
		}
		return out
	}
	all := func(map[string]string) bool { return true }
	of := func(phase string) func(map[string]string) bool {
		return func(r map[string]string) bool { return r["phase"] == phase }
	}
	references := func(r map[string]string) bool { return r["scenario"] == lab.ReferenceScenario }
	for _, tt := range []struct {
		name string
		new  table
		kind compare.DifferenceKind // none: there is no difference
		says string
	}{
		{"the same", base.with("run_id", "new"), "", ""},
		{"host", change("host_id", "h2", all), compare.Host, "host_id: h1 against h2"},
		{
			"image", change("content_sha256", "c2", func(r map[string]string) bool { return !references(r) }),
			compare.Image, "node/single content_sha256: c1 against c2",
		},
		{
			"script", change("scenario_sha256", "s2", func(r map[string]string) bool { return !references(r) }),
			compare.Script, "s1",
		},
		{
			"parameters", change("parameters", "n=2", func(r map[string]string) bool { return r["parameters"] != "" }),
			compare.Script, "s1 n=1 against s1 n=2",
		},
		{
			"rate", change("offered_rps", "60", of("steady")), compare.Load,
			"json node/single steady offered_rps: 50.000 against 60.000",
		},
		{"rates that trials found", change("offered_rps", "60",
			func(r map[string]string) bool { return r["phase"] == "steady" && r["block"] == "1" }), "", ""},
		{"rate of a search", change("offered_rps", "60", of("capacity")), "", ""},
		{
			"connections", change("connections", "32", of("peak")), compare.Load,
			"json node/single peak connections: 64 against 32",
		},
		{"references 2.9% apart", change("throughput_rps", "20.5", references), "", ""},
		{
			"references 5% apart", change("throughput_rps", "21", references), compare.Reference,
			"+5.0%, where 3% are allowed",
		},
		{"the lab's own image", change("content_sha256", "c2", references), "", ""},
	} {
		t.Run(tt.name, func(t *testing.T) {
			runs := read(t, compare.DefaultMetrics(), base, tt.new)
			err := compare.CheckComparable(runs[0], runs[1:], nil)
			if tt.kind == "" {
				if err != nil {
					t.Fatal(err)
				}
				return
			}
			if err == nil || lab.ExitCode(err) != lab.ExitUsage || !strings.Contains(err.Error(),
				tt.says) || !strings.Contains(err.Error(), "--ignore "+string(tt.kind)) {
				t.Fatalf("error %v, want one that says %q", err, tt.says)
			}
			others := slices.DeleteFunc(compare.DifferenceKinds(),
				func(k compare.DifferenceKind) bool { return k == tt.kind })
			if compare.CheckComparable(runs[0], runs[1:], others) == nil {
				t.Error("ignored with the others")
			}
			if err := compare.CheckComparable(runs[0], runs[1:], []compare.DifferenceKind{tt.kind}); err != nil {
				t.Errorf("not ignored: %v", err)
			}
			if text := compare.Compare(runs[0], runs[1], 0.05).Text(); !strings.Contains(text,
				"ignored: "+string(tt.kind)) {
				t.Errorf("the report does not say what was ignored:\n%s", text)
			}
		})
	}
}

// Bounds of a reference server leave it the figures that it has; where it has none
// left, two runs are refused, and not let pass.
func TestCensoredReferenceServersRefuseComparison(t *testing.T) {
	references := func(value float64, bounds int) table {
		rows := trials("throughput_rps", around(value), "scenario", lab.ReferenceScenario, "variant",
			lab.LightReference)
		for _, row := range rows[:bounds] {
			row["validity"] = "censored"
			row["throughput_rps"] = "1"
		}
		return append(rows, trials("throughput_rps", around(50))...)
	}
	early := trials("throughput_rps", around(50))
	for b := 1; b <= 6; b++ {
		early = append(early, trial(b, "scenario", lab.ReferenceScenario, "variant", lab.LightReference, "phase",
			"", "validity", "failed"))
	}
	const none, unmeasured = "no reference server has a valid trial in both runs", "no reference server is in " +
		"both runs"
	for _, tt := range []struct {
		name      string
		old, new  table
		id        string
		refused   string // why; empty: it is not
		ratio     bool   // that references have
		otherwise string // doubt
	}{
		{"one bound, and as fast", references(100, 1), references(100, 0), "new", "", true, ""},
		{
			"one bound, and too far apart", references(100, 1), references(110, 0), "new",
			"reference servers differ by +10", true, "",
		},
		{"bounds only", references(100, 6), references(110, 0), "new", none +
			", valid: 0 of 6 trials against 6 of 6 trials", false, none},
		{"bounds only, swapped", references(100, 0), references(110, 6), "new", none, false, none},
		{"never started", early, references(110, 0), "new", none, false, none},
		{
			"none on one side", trials("throughput_rps", around(50)), references(110, 0), "new", "", false,
			unmeasured,
		},
		{"a run against itself", references(100, 6), references(100, 6), "old", "", false, none},
	} {
		t.Run(tt.name, func(t *testing.T) {
			runs := read(t, compare.DefaultMetrics(), tt.old, tt.new.with("run_id", tt.id))
			err := compare.CheckComparable(runs[0], runs[1:], nil)
			if (err != nil) != (tt.refused != "") || err != nil && !strings.Contains(err.Error(), tt.refused) {
				t.Errorf("refused by %v, want %q", err, tt.refused)
			}
			if err := compare.CheckComparable(runs[0], runs[1:],
				[]compare.DifferenceKind{compare.Reference}); err != nil {
				t.Errorf("not ignored: %v", err)
			}
			c := compare.Compare(runs[0], runs[1], 0.05)
			if (c.ReferenceRatio != nil) != tt.ratio || !strings.Contains(strings.Join(c.Doubts, "; "), tt.otherwise) {
				t.Errorf("ratio %v, doubts %q", c.ReferenceRatio, c.Doubts)
			}
			if tt.otherwise == none && strings.Contains(strings.Join(c.Doubts, "; "), unmeasured) {
				t.Errorf("doubts %q: there are reference servers in both", c.Doubts)
			}
		})
	}
	runs := read(t, compare.DefaultMetrics(), references(100, 1))
	if m := runs[0].ReferenceThroughput(); m.N != 5 {
		t.Errorf("%d figures of the reference server, want the 5 that are no bounds", m.N)
	}
}

func TestBetweenRunsWidensEveryInterval(t *testing.T) {
	references := func(value float64) table {
		return trials("throughput_rps", around(value), "scenario", lab.ReferenceScenario, "variant",
			lab.LightReference)
	}
	results := trials("throughput_rps", around(100))
	with := func(a, b *record.RunVariance, reference float64) compare.Comparison {
		runs := read(t, compare.DefaultMetrics(), slices.Concat(results, references(100)),
			slices.Concat(results, references(reference)).with("run_id", "new"))
		runs[0].Info, runs[1].Info = &record.Info{BetweenRuns: a}, &record.Info{BetweenRuns: b}
		return compare.Compare(runs[0], runs[1], 0.05)
	}
	d := math.Log(1.02)
	for _, tt := range []struct {
		name      string
		a, b      *record.RunVariance
		reference float64
		want      float64
		source    string
	}{
		{
			"the larger of two", &record.RunVariance{Runs: 3, VarianceLog: 1e-4},
			&record.RunVariance{Runs: 5, VarianceLog: 4e-4}, 102, 4e-4, "5 runs",
		},
		{"the one that is known", nil, &record.RunVariance{Runs: 3, VarianceLog: 1e-4}, 102, 1e-4, "3 runs"},
		{
			"two runs are too few", &record.RunVariance{Runs: 2, VarianceLog: 1}, nil, 102, d * d / 2,
			"reference servers of these two runs",
		},
		{"nothing known, nothing seen", nil, nil, 100, 0, "reference servers of these two runs"},
	} {
		c := with(tt.a, tt.b, tt.reference)
		if math.Abs(c.BetweenRuns.VarianceLog-tt.want) > 1e-12 || !strings.Contains(c.BetweenRuns.Source,
			tt.source) {
			t.Errorf("%s: %+v, want %v of %q", tt.name, c.BetweenRuns, tt.want, tt.source)
		}
		narrow := line(t, with(nil, nil, 100), "throughput_rps")
		if l := line(t, c, "throughput_rps"); (*l.High > *narrow.High) != (tt.want > 0) ||
			(*l.Old.High > *narrow.Old.High) != (tt.want > 0) {
			t.Errorf("%s: intervals up to %v and %v, without it %v and %v", tt.name, *l.High, *l.Old.High,
				*narrow.High, *narrow.Old.High)
		}
	}
	without := compared(t, results, results.with("run_id", "new"))
	if without.BetweenRuns.VarianceLog != 0 || !strings.Contains(without.BetweenRuns.Source,
		"too narrow") || !strings.Contains(strings.Join(without.Doubts, " "), "no reference server") {
		t.Errorf("without reference servers: %+v, doubts %q", without.BetweenRuns, without.Doubts)
	}
}

// The example is worked by hand: means 10, 12 and 17 of 3 trials each, whose
// squares within sum to 6. Among: 3 x (9 + 1 + 16) / 2 = 39; within: 6 / 6 = 1;
// between: (39 - 1) / 3.
func TestBetweenRunsIsTheAnalysisOfVariance(t *testing.T) {
	runs := []stat.Moments{stat.MomentsOf(9, 10, 11), stat.MomentsOf(11, 12, 13), stat.MomentsOf(16, 17, 18)}
	if got := compare.EstimateRunVariance(runs); got == nil || got.Runs != 3 ||
		math.Abs(got.VarianceLog-38.0/3) > 1e-12 {
		t.Errorf("got %+v, want 12.67 of 3 runs", got)
	}
	// Of 4 trials and 3: n0 = 7 - (16 + 9) / 7.
	a, b := stat.MomentsOf(9, 10, 11, 10), stat.MomentsOf(13, 15, 14)
	mean := (4*10.0 + 3*14) / 7
	among := 4*(10-mean)*(10-mean) + 3*(14-mean)*(14-mean)
	want := (among - 4.0/5) / ((7 - 25.0/7) / 1)
	if got := compare.EstimateRunVariance([]stat.Moments{a, {}, b}); got == nil || got.Runs != 2 ||
		math.Abs(got.VarianceLog-want) > 1e-12 {
		t.Errorf("got %+v, want %v of 2 runs", got, want)
	}
	if got := compare.EstimateRunVariance([]stat.Moments{
		stat.MomentsOf(1, 5),
		stat.MomentsOf(2, 4),
	}); got == nil || got.VarianceLog != 0 {
		t.Errorf("runs that differ less than their trials: %+v, want 0", got)
	}
	for _, few := range [][]stat.Moments{nil, {a}, {stat.MomentsOf(1), stat.MomentsOf(2)}} {
		if got := compare.EstimateRunVariance(few); got != nil {
			t.Errorf("of %v: %+v", few, got)
		}
	}
	// Simulated: 400 runs with a standard deviation of 2 % between and 1 % within.
	r := rand.New(rand.NewPCG(1, 2))
	runs = nil
	for range 400 {
		level := 0.02 * r.NormFloat64()
		var m stat.Moments
		for range 6 {
			m.Add(level + 0.01*r.NormFloat64())
		}
		runs = append(runs, m)
	}
	if got := math.Sqrt(compare.EstimateRunVariance(runs).VarianceLog); math.Abs(got-0.02) > 0.002 {
		t.Errorf("found %v, where 0.02 was put in", got)
	}
}

func TestHolmIsOverAllLines(t *testing.T) {
	// A difference that alone is one, and among many is none.
	old, new := table{}, table{}
	r := rand.New(rand.NewPCG(3, 4))
	noise := func(mean float64) (xs []float64) {
		for range 6 {
			xs = append(xs, mean*math.Exp(0.055*r.NormFloat64()))
		}
		return xs
	}
	one, other := []float64{100, 108, 93, 104, 97, 99}, []float64{112, 121, 103, 117, 108, 110}
	old = append(old, trials("throughput_rps", one)...)
	new = append(new, trials("throughput_rps", other)...)
	alone := line(t, compared(t, old, new.with("run_id", "new")), "throughput_rps")
	for i := range 60 {
		variant := fmt.Sprintf("node/v%d", i)
		old = append(old, trials("throughput_rps", noise(100), "variant", variant)...)
		new = append(new, trials("throughput_rps", noise(100), "variant", variant)...)
	}
	c := compared(t, old, new.with("run_id", "new"))
	among := line(t, c, "throughput_rps")
	if alone.Mark != compare.Better || among.Mark != compare.Undecided || *among.Low >= *alone.Low ||
		*among.PHolm <= *alone.PHolm {
		t.Errorf("alone %s from %v, among 61 %s from %v", alone.Mark, *alone.Low, among.Mark, *among.Low)
	}
	for _, l := range c.Lines { // the test and the interval agree
		if decided := l.Mark == compare.Better || l.Mark == compare.Worse ||
			l.Mark == compare.Equivalent; decided && *l.PHolm > lab.Alpha {
			t.Errorf("%s is %s at p %v", l.Key, l.Mark, *l.PHolm)
		}
	}
}

// simulated are the rows of a run of so many lines, of whose throughput the logs
// have a level of the run's own, and noise.
func simulated(r *rand.Rand, id string, lines, blocks int, level, noise float64) (rows table) {
	for i := range lines {
		var values []float64
		for range blocks {
			values = append(values, 1000*math.Exp(level+noise*r.NormFloat64()))
		}
		rows = append(rows,
			trials("throughput_rps", values, "variant", fmt.Sprintf("node/v%02d", i), "run_id", id)...)
	}
	return rows
}

// most is how many of n may be wrong where each is with a chance: by three standard
// deviations of their number.
func most(n int, chance float64) int {
	return int(float64(n)*chance + 3*math.Sqrt(float64(n)*chance*(1-chance)))
}

// Trials vary by so much that a difference beyond the threshold is common, and
// nothing but Holm and the level keep it from being called one: without Holm a
// third of the comparisons had a line that is worse.
func TestEqualRunsAreNotCalledWorse(t *testing.T) {
	const pairs, lines = 600, 20
	r := rand.New(rand.NewPCG(5, 6))
	worse := 0
	for range pairs {
		c := compared(t, simulated(r, "old", lines, 8, 0, 0.06), simulated(r, "new", lines, 8, 0, 0.06))
		if len(c.WorseLines()) > 0 {
			worse++
		}
	}
	if worse > most(pairs, lab.Alpha) {
		t.Errorf("%d of %d equal pairs have a line that is worse, where %v are promised", worse, pairs, lab.Alpha)
	}
	if worse == 0 {
		t.Error("no pair has a line that is worse: the noise is too little to test anything")
	}
}

// Every line is at the threshold. That they all differ is sure, and must make it no
// easier to call one of them equivalent.
func TestLinesAtTheThresholdAreNotCalledEquivalent(t *testing.T) {
	const pairs, lines = 600, 11
	r := rand.New(rand.NewPCG(7, 8))
	equivalent := 0
	for range pairs {
		c := compared(t, simulated(r, "old", lines, 10, 0, 0.01),
			simulated(r, "new", lines, 10, math.Log(0.95), 0.01))
		if c.Count(compare.Equivalent) > 0 {
			equivalent++
		}
	}
	if equivalent > most(pairs, lab.Alpha) {
		t.Errorf("%d of %d comparisons call a line at the threshold equivalent, where %v are promised", equivalent,
			pairs, lab.Alpha)
	}
	if equivalent == 0 {
		t.Error("none is called equivalent: nothing is tested")
	}
}

func TestALineThatIsSlowerIsFoundAmongTwenty(t *testing.T) {
	const pairs, lines = 100, 20
	r := rand.New(rand.NewPCG(9, 10))
	found := 0
	for range pairs {
		new := append(simulated(r, "new", lines, 6, 0, 0.01)[6:], simulated(r, "new", 1, 6, math.Log(0.9), 0.01)...)
		if worse := compared(t, simulated(r, "old", lines, 6, 0, 0.01),
			new).WorseLines(); len(worse) == 1 && worse[0].Variant == "node/v00" {
			found++
		}
	}
	if found < pairs*9/10 {
		t.Errorf("a line that is 10%% slower was found in %d of %d pairs", found, pairs)
	}
}

// What is printed of a line is of the question that decided it.
func TestTheIntervalIsThatOfTheDecidingTest(t *testing.T) {
	old, new := table{}, table{}
	for i, mean := range []float64{100, 104.5, 80, 103, 100} {
		variant := fmt.Sprintf("node/v%d", i)
		old = append(old, trials("throughput_rps", around(100), "variant", variant)...)
		new = append(new, trials("throughput_rps", around(mean), "variant", variant)...)
	}
	c := compared(t, old, new.with("run_id", "new"))
	limit := 1 / 0.95
	for i, want := range []compare.Mark{
		compare.Equivalent, compare.Undecided, compare.Worse, compare.Equivalent,
		compare.Equivalent,
	} {
		l := c.Lines[i]
		inside := *l.Low > 0.95 && *l.High < limit
		beside := *l.Low > 1 || *l.High < 1
		if l.Mark != want || inside != (want == compare.Equivalent) || want == compare.Worse && !beside {
			t.Errorf("%s is %s by [%v, %v], want %s", l.Variant, l.Mark, *l.Low, *l.High, want)
		}
	}
	logs := func(mean float64) (m stat.Moments) {
		for _, x := range around(mean) {
			m.Add(math.Log(x))
		}
		return m
	}
	e := func(mean float64) stat.Effect { return stat.Welch(logs(mean), logs(100), stat.Variance{}) }
	// Of equivalence the two at 100 come first and share a p, then that at 103.
	if p := 5 * e(100).PWithin(math.Log(limit)); !near(c.Lines[0].PHolm, p) || !near(c.Lines[4].PHolm, p) {
		t.Errorf("p %v and %v of lines that are equal, want %v", *c.Lines[0].PHolm, *c.Lines[4].PHolm, p)
	}
	// Of difference that at 80 comes first, then that at 104.5.
	if p := 5 * e(80).PBelow(0); !near(c.Lines[2].PHolm, p) || c.Lines[2].Level != lab.Alpha/5 {
		t.Errorf("p %v of the line that is worse, at %v; want %v", *c.Lines[2].PHolm, c.Lines[2].Level, p)
	}
	if p := 4 * e(104.5).PAbove(0); !near(c.Lines[1].PHolm,
		p) || c.Lines[1].Level != lab.Alpha/4 && c.Lines[1].Level != lab.Alpha/2 {
		t.Errorf("p %v of the line that nothing decided, at %v; want %v", *c.Lines[1].PHolm, c.Lines[1].Level, p)
	}
}

// Eleven lines that surely differ, each by as much as alone would be equivalent:
// no interval may look as if it was.
func TestTheIntervalOfAnUndecidedLineIsTheWiderOne(t *testing.T) {
	old, new := table{}, table{}
	for i := range 11 {
		variant := fmt.Sprintf("node/v%02d", i)
		old = append(old, trials("throughput_rps", around(100), "variant", variant)...)
		new = append(new, trials("throughput_rps", around(96), "variant", variant)...)
	}
	if l := compared(t, old[:6], new[:6].with("run_id", "new")).Lines[0]; l.Mark != compare.Equivalent {
		t.Fatalf("alone it is %s", l.Mark)
	}
	for _, l := range compared(t, old, new.with("run_id", "new")).Lines {
		if l.Mark != compare.Undecided || *l.Low > 0.95 || *l.High >= 1 {
			t.Errorf("%s is %s by [%v, %v]", l.Variant, l.Mark, *l.Low, *l.High)
		}
	}
}

// Lines that are not judged take no part in Holm's procedure, and are not counted.
func TestOnlyLinesThatAreJudgedAreCounted(t *testing.T) {
	rows := func(id string) table {
		return slices.Concat(trials("throughput_rps", around(100), "run_id", id),
			trials("throughput_rps", around(100), "variant", "node/v1", "run_id", id),
			trials("throughput_rps", around(100)[:5], "variant", "node/few", "run_id", id),
			trials("throughput_rps", around(100), "variant", "node/bound", "validity", "censored", "run_id", id))
	}
	c := compared(t, rows("old"), rows("new"))
	if text := c.Markdown(); len(c.Lines) != 4 || !strings.Contains(text,
		"Holm over the 2 lines that could be judged") {
		t.Errorf("%d lines\n%s", len(c.Lines), text)
	}
}

func TestPhasesAreOrderedByTheirNumbers(t *testing.T) {
	var rows table
	for _, phase := range []string{"ladder-1000", "ladder-2", "ladder-100", "peak", "steady-80%", "steady-50%"} {
		rows = append(rows, trials("error_ratio", make([]float64, 6), "phase", phase)...)
	}
	var got []string
	for _, l := range compared(t, rows, rows.with("run_id", "new")).Lines {
		got = append(got, l.Phase)
	}
	if want := "[ladder-2 ladder-100 ladder-1000 peak steady-50% steady-80%]"; fmt.Sprint(got) != want {
		t.Errorf("%v, want %s", got, want)
	}
}

func TestFilesThatAreNoSingleRunAreRefused(t *testing.T) {
	two := append(trials("throughput_rps", around(1)), trial(7, "run_id", "new"))
	wrong := table{trial(1, "throughput_rps", "many")}
	other := table{trial(1, "schema_version", 1)}
	for _, tt := range []struct {
		rows table
		says string
		code int
	}{
		{two, "reading A: line 8: rows of several runs: new after old", lab.ExitUsage},
		{table{}, "reading A: it has no rows", lab.ExitUsage},
		{wrong, `reading A: line 2: column throughput_rps: "many" is not a number`, lab.ExitFailed},
		{other, "reading A: line 2: schema version 1", lab.ExitUsage},
	} {
		_, err := compare.Read(context.Background(), []compare.Source{tt.rows.source("A")},
			compare.DefaultMetrics())
		if err == nil || !strings.Contains(err.Error(), tt.says) || lab.ExitCode(err) != tt.code {
			t.Errorf("error %v, code %d; want %q and %d", err, lab.ExitCode(err), tt.says, tt.code)
		}
	}
	ctx, cancel := context.WithCancelCause(context.Background())
	cancel(fmt.Errorf("enough"))
	if _, err := compare.Read(ctx, []compare.Source{two.source("A")},
		compare.DefaultMetrics()); err == nil || !strings.Contains(err.Error(), "enough") {
		t.Errorf("error %v", err)
	}
}

func TestSelection(t *testing.T) {
	if _, err := compare.SelectMetrics("throughput_rsp"); err == nil || !strings.Contains(err.Error(),
		`did you mean "throughput_rps"?`) || lab.ExitCode(err) != lab.ExitUsage {
		t.Errorf("error %v", err)
	}
	if _, err := compare.SelectMetrics("steal_ratio"); err == nil || !strings.Contains(err.Error(),
		"neither more nor less") {
		t.Errorf("error %v", err)
	}
	rows := trials("throughput_rps", around(50), "phase", "steady", "latency_p50_ms", 3, "latency_max_ms", 9,
		"cold_start_ms", 4)
	names := func(which compare.Selection, err error) (names []string) {
		if err != nil {
			t.Fatal(err)
		}
		runs := read(t, which, rows, rows)
		for _, l := range compare.Compare(runs[0], runs[1], 0.05).Lines {
			names = append(names, l.Metric)
		}
		return names
	}
	for want, got := range map[string][]string{
		// its throughput is what was offered
		"[cold_start_ms latency_p50_ms]":                               names(compare.DefaultMetrics(), nil),
		"[throughput_rps]":                                             names(compare.SelectMetrics("throughput_rps")),
		"[cold_start_ms latency_max_ms]":                               names(compare.SelectMetrics("latency_max_ms", "cold_start_ms")),
		"[cold_start_ms throughput_rps latency_p50_ms latency_max_ms]": names(compare.AllMetrics(), nil),
	} {
		if fmt.Sprint(got) != want {
			t.Errorf("%v, want %s", got, want)
		}
	}
}

// anyRun draws a run of two variants, with bounds, failures, repeats and zeros
// among its rows.
func anyRun(t *rapid.T, id string) table {
	var rows table
	sd := rapid.Float64Range(0.001, 0.2).Draw(t, "sd")
	level := rapid.Float64Range(0.5, 2).Draw(t, "level")
	r := rand.New(rand.NewPCG(rapid.Uint64().Draw(t, "seed"), 1))
	for block := 1; block <= rapid.IntRange(5, 9).Draw(t, "blocks"); block++ {
		for _, variant := range []string{"node/single", "python/uvloop"} {
			for attempt := 1; attempt <= 1+r.IntN(5)/4; attempt++ {
				validity := []string{
					"valid", "valid", "valid", "valid", "valid", "valid", "valid", "valid", "censored",
					"disturbed", "failed",
				}[r.IntN(11)]
				errors := 0.0
				if r.IntN(6) == 0 {
					errors = r.Float64() / 100
				}
				rows = append(rows, trial(block, "run_id", id, "variant", variant, "attempt", attempt, "validity",
					validity, "error_ratio", errors,
					"throughput_rps", level*1000*math.Exp(sd*r.NormFloat64()), "cpu_us_per_request", math.Exp(sd*r.NormFloat64())/level))
			}
		}
	}
	return rows
}

func TestSwappingTheRunsInvertsTheRatios(t *testing.T) {
	inverse := map[compare.Mark]compare.Mark{compare.Better: compare.Worse, compare.Worse: compare.Better}
	rapid.Check(t, func(t *rapid.T) {
		a, b := anyRun(t, "old"), anyRun(t, "new")
		there, back := compared(t, a, b), compared(t, b, a)
		for i, l := range there.Lines {
			m := back.Lines[i]
			mark := l.Mark
			if other, ok := inverse[mark]; ok {
				mark = other
			}
			if m.Mark != mark {
				t.Fatalf("%s is %s, and swapped %s", l.Metric, l.Mark, m.Mark)
			}
			if !inverted(l.Effect, m.Effect, l.Scale) || !inverted(l.Low, m.High, l.Scale) || !inverted(l.High, m.Low,
				l.Scale) {
				t.Fatalf("%s: %v, and swapped %v", l.Metric, l, m)
			}
		}
	})
}

func inverted(x, y *float64, by compare.Scale) bool {
	switch {
	case x == nil || y == nil:
		return x == nil && y == nil
	case by == compare.DifferenceScale:
		return math.Abs(*x+*y) < 1e-12
	}
	return math.Abs(*x**y-1) < 1e-9
}

func TestUnitsAndTheOrderOfRowsChangeNothing(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		a, b := anyRun(t, "old"), anyRun(t, "new")
		want := compared(t, a, b)
		scale := math.Exp(rapid.Float64Range(-5, 5).Draw(t, "log scale"))
		scaled := func(rows table) (out table) {
			for _, row := range rows {
				row = maps.Clone(row)
				x, _ := strconv.ParseFloat(row["throughput_rps"], 64)
				row["throughput_rps"] = fmt.Sprint(x * scale)
				out = append(out, row)
			}
			return out
		}
		shuffled := rapid.Permutation(b).Draw(t, "order")
		for name, got := range map[string]compare.Comparison{
			"units": compared(t, scaled(a), scaled(b)),
			"order": compared(t, a, shuffled),
		} {
			for i, l := range want.Lines {
				m := got.Lines[i]
				if m.Mark != l.Mark || (m.Effect == nil) != (l.Effect == nil) || l.Effect != nil &&
					math.Abs(*m.Effect-*l.Effect) > 1e-9 {
					t.Fatalf("%s: %+v, want %+v", name, m, l)
				}
				if name == "order" && (l.Effect != nil && *m.Effect != *l.Effect || m.New.Blocks != l.New.Blocks) {
					t.Fatalf("order changes %+v to %+v", l, m)
				}
			}
		}
	})
}
