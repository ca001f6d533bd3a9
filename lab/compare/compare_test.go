package compare_test

import (
	"bytes"
	"cmp"
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
	"runtimelab/lab/fault"
	"runtimelab/lab/metric"
	"runtimelab/lab/record"
	"runtimelab/lab/stat"
	"runtimelab/lab/wording"
)

// table holds the rows of a run by column.
type table []map[string]string

// trial returns a valid row of json on node/single. Pairs of a column and a value change it.
func trial(block int, pairs ...any) map[string]string {
	row := map[string]string{
		"schema_version": strconv.Itoa(metric.SchemaVersion), "run_id": "old", "host_id": "h1",
		"scenario": "json", "scenario_sha256": "s1", "variant": "node/single", "content_sha256": "c1",
		"block": strconv.Itoa(block), "attempt": "1", "phase": "peak",
		"connections": "64", "keep_alive": "true", "server_cpus": "1", "validity": "valid",
		"generator": "vegeta",
	}
	for i := 0; i < len(pairs); i += 2 {
		row[pairs[i].(string)] = fmt.Sprint(pairs[i+1])
	}
	return row
}

// trials returns one trial for each value of a metric, in blocks 1, 2, and so on.
func trials(name string, values []float64, pairs ...any) (t table) {
	for i, v := range values {
		t = append(t, trial(i+1, append([]any{name, v}, pairs...)...))
	}
	return t
}

// references returns trials of the light reference server with the given mean throughput.
func references(mean float64) table {
	return trials("throughput_rps", around(mean),
		"scenario", lab.ReferenceScenario, "variant", lab.LightReference)
}

// with returns the table with the same value of a column in every row.
func (t table) with(column, value string) (out table) {
	for _, row := range t {
		row = maps.Clone(row)
		row[column] = value
		out = append(out, row)
	}
	return out
}

// csv writes the rows as the lab does. A phase without a kind has the one that its name begins with.
func (t table) csv() []byte {
	var b bytes.Buffer
	w := csv.NewWriter(&b)
	_ = w.Write(metric.Header())
	for _, row := range t {
		var cells []string
		kind, _, _ := strings.Cut(row["phase"], "-")
		for _, name := range metric.Header() {
			if name == "phase_kind" {
				cells = append(cells, cmp.Or(row[name], kind))
				continue
			}
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

func read(t tester, selection compare.Selection, tables ...table) []*compare.Run {
	t.Helper()
	var sources []compare.Source
	for i, rows := range tables {
		sources = append(sources, rows.source(string(rune('A'+i))))
	}
	runs, err := compare.Read(context.Background(), sources, selection)
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

// failsWith reports whether err contains text.
func failsWith(err error, text string) bool { return err != nil && strings.Contains(err.Error(), text) }

// words returns reasons as text.
func words(reasons []lab.Reason) (all []string) {
	for _, r := range reasons {
		all = append(all, wording.Reason(r))
	}
	return all
}

// line returns the first line of a metric.
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

// around returns six values within 1 % of a mean.
func around(mean float64) []float64 {
	return []float64{mean, 1.01 * mean, mean / 1.01, 1.005 * mean, mean / 1.005, mean}
}

func TestMarksFollowTheIntervalAndTheThreshold(t *testing.T) {
	wide := []float64{60, 140, 90, 120, 80, 115}
	for _, tt := range []struct {
		name, metric string
		old, new     []float64
		want         compare.Mark
	}{
		{"the same", "throughput_rps", around(100), around(100), compare.Equivalent},
		{"more is better", "throughput_rps", around(100), around(120), compare.Better},
		{"less is worse", "throughput_rps", around(100), around(80), compare.Worse},
		{"a higher cost is worse", "cpu_us_per_request", around(100), around(120), compare.Worse},
		{"a lower cost is better", "cpu_us_per_request", around(100), around(80), compare.Better},
		{"a certain but small effect", "throughput_rps", around(100), around(103), compare.Equivalent},
		{"at the threshold", "throughput_rps", around(100), around(104.5), compare.Undecided},
		{"too wide", "throughput_rps", around(100), wide, compare.Undecided},
		{"five trials on a side", "throughput_rps", around(100), around(80)[:5], compare.TooFewTrials},
		{"no trials on a side", "throughput_rps", around(100), []float64{}, compare.TooFewTrials},
		{"no failures", "error_ratio", make([]float64, 6), make([]float64, 6), compare.Equivalent},
		{
			"one failure in ten thousand does not matter", "error_ratio",
			make([]float64, 6),
			[]float64{0, 1e-4, 0, 2e-4, 0, 1e-4},
			compare.Equivalent,
		},
		{
			"one failure in a hundred matters", "error_ratio",
			make([]float64, 6),
			[]float64{.011, .012, .011, .012, .011, .012},
			compare.Worse,
		},
		{
			"fewer failures are better", "error_ratio",
			[]float64{.011, .012, .011, .012, .011, .012},
			make([]float64, 6), compare.Better,
		},
		{
			"zeros have no logarithm, but count", "throughput_rps",
			around(100), make([]float64, 6), compare.Worse,
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

func TestTheRatioIsOfGeometricMeansWithWelchsInterval(t *testing.T) {
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
	low, high := e.Interval(lab.Alpha) // not adjusted for a single line
	if !near(l.Effect, math.Exp(e.Mean)) || !near(l.Low, math.Exp(low)) || !near(l.High, math.Exp(high)) {
		t.Errorf("%v [%v, %v], want %v [%v, %v]",
			*l.Effect, *l.Low, *l.High, math.Exp(e.Mean), math.Exp(low), math.Exp(high))
	}
	if !near(l.Old.Mean, math.Exp(logs(a).Mean)) || !near(l.PHolm, min(e.PAbove(0), e.PBelow(0))) {
		t.Errorf("old %v, p %v", *l.Old.Mean, *l.PHolm)
	}
}

// The interval is Student's, of the trials of one side. An estimated variance between runs is
// added, with Satterthwaite's degrees of freedom.
func TestEachSideHasItsOwnInterval(t *testing.T) {
	values := []float64{100, 110, 90, 105, 95, 102}
	var logs []float64
	for _, x := range values {
		logs = append(logs, math.Log(x))
	}
	trialsOnly := stat.PairedEffect(logs)
	old := trials("throughput_rps", values)
	for _, between := range []float64{0, trialsOnly.SE * trialsOnly.SE} {
		runs := read(t, compare.DefaultMetrics(), old, old.with("run_id", "new"))
		runs[0].Info = &record.Info{BetweenRuns: &record.RunVariance{Runs: 3, VarianceLog: between}}
		runs[1].Info = &record.Info{}
		want := trialsOnly
		if between > 0 { // the same variance once more, from 3 runs
			want.SE, want.DF = trialsOnly.SE*math.Sqrt2, 4/(1/trialsOnly.DF+1.0/2)
		}
		low, high := want.Interval(lab.Alpha)
		l := line(t, compare.Compare(runs[0], runs[1], 0.05), "throughput_rps")
		if !near(l.Old.Low, math.Exp(low)) || !near(l.Old.High, math.Exp(high)) {
			t.Errorf("between %v: [%v, %v], want [%v, %v]",
				between, *l.Old.Low, *l.Old.High, math.Exp(low), math.Exp(high))
		}
	}
	same := trials("throughput_rps", []float64{100, 100, 100, 100, 100, 100})
	l := line(t, compared(t, same, same.with("run_id", "new")), "throughput_rps")
	if !near(l.Old.Low, 100) || !near(l.Old.High, 100) {
		t.Errorf("equal values have an interval: %v to %v", l.Old.Low, l.Old.High)
	}
}

func TestDifferencesOfRunInfosAreDoubts(t *testing.T) {
	rows := trials("throughput_rps", around(100))
	info := func(profile, version string, state record.State) *record.Info {
		return &record.Info{Profile: profile, Versions: map[string]string{"lab": version}, State: state}
	}
	done := info("quick", "v1", record.Done)
	for _, tt := range []struct {
		old, new *record.Info
		want     string // empty: only the doubts about reference servers and history, which are missing
	}{
		{done, info("quick", "v1", record.Done), ""},
		{done, info("full", "v1", record.Done), "profiles quick and full: their trials have different durations"},
		{done, info("quick", "v2", record.Done), "measured by lab v1 and v2"},
		{info("quick", "v1", record.Interrupted), done, "A: the run is interrupted"},
		{done, nil, ""},
	} {
		runs := read(t, compare.DefaultMetrics(), rows, rows.with("run_id", "new"))
		runs[0].Info, runs[1].Info = tt.old, tt.new
		doubts := words(compare.Compare(runs[0], runs[1], 0.05).Doubts)
		if tt.want == "" && len(doubts) != 2 ||
			tt.want != "" && (len(doubts) != 3 || !slices.Contains(doubts, tt.want)) {
			t.Errorf("%+v and %+v: %q", tt.old, tt.new, doubts)
		}
	}
}

func TestReadEndsWhenItsContextIsCancelled(t *testing.T) {
	ctx, cancel := context.WithCancel(context.Background())
	cancel()
	many := make(table, 10_000)
	for i := range many {
		many[i] = trial(i+1, "throughput_rps", 100)
	}
	if _, err := compare.Read(ctx, []compare.Source{many.source("A")}, compare.DefaultMetrics()); err == nil {
		t.Error("reading went on")
	}
}

func TestABoundIsMarkedOnlyOnItsKnownSide(t *testing.T) {
	bound := func(values []float64) table {
		rows := trials("throughput_rps", values)
		rows[2]["validity"] = "censored"
		return rows
	}
	plain := func(values []float64) table { return trials("throughput_rps", values) }
	for _, tt := range []struct {
		name     string
		old, new table
		bound    metric.Bound
		mark     compare.Mark
	}{
		{"new serves at least as much", plain(around(100)), bound(around(120)), metric.AtLeast, compare.Better},
		{"new may serve as much", plain(around(100)), bound(around(80)), metric.AtLeast, compare.Undecided},
		{"new may serve more", plain(around(100)), bound(around(100)), metric.AtLeast, compare.Undecided},
		{"old served at least as much", bound(around(100)), plain(around(80)), metric.AtMost, compare.Worse},
		{"old may have served as much", bound(around(100)), plain(around(120)), metric.AtMost, compare.Undecided},
		{"nothing is known", bound(around(100)), bound(around(150)), metric.Open, compare.Undecided},
	} {
		t.Run(tt.name, func(t *testing.T) {
			l := line(t, compared(t, tt.old, tt.new.with("run_id", "new")), "throughput_rps")
			if l.Bound != tt.bound || l.Mark != tt.mark {
				t.Errorf("bound %q, mark %s; want %q, %s", l.Bound, l.Mark, tt.bound, tt.mark)
			}
			if (l.Low == nil) != (tt.bound != metric.AtLeast) || (l.High == nil) != (tt.bound != metric.AtMost) {
				t.Errorf("interval from %v to %v", l.Low, l.High)
			}
			if (l.Effect == nil) != (tt.bound == metric.Open) {
				t.Errorf("effect %v", l.Effect)
			}
		})
	}
	censored := trials("cpu_us_per_request", around(80), "validity", "censored", "run_id", "new")
	l := line(t, compared(t, trials("cpu_us_per_request", around(100)), censored), "cpu_us_per_request")
	if l.Mark != compare.TooFewTrials || l.New.Trials != 0 {
		t.Errorf("the cost of a censored row counts: %s of %d trials", l.Mark, l.New.Trials)
	}
}

func TestTheLastUsableAttemptCounts(t *testing.T) {
	rows := table{
		trial(1, "throughput_rps", 50, "validity", "disturbed"),
		trial(1, "throughput_rps", 100, "attempt", 2),
		trial(2, "throughput_rps", 100),
		trial(2, "throughput_rps", 50, "attempt", 2, "validity", "disturbed"),
		trial(3, "throughput_rps", 50),
		trial(3, "throughput_rps", 100, "attempt", 2),
		trial(4, "throughput_rps", 50, "validity", "failed"),
	}
	l := line(t, compared(t, rows, rows), "throughput_rps")
	if !near(l.Old.Mean, 100) || l.Old.Trials != 3 || l.Old.Blocks != 4 {
		t.Errorf("mean %v from %d of %d trials, want 100 from 3 of 4", *l.Old.Mean, l.Old.Trials, l.Old.Blocks)
	}
}

func TestARunWithFewTrialsIsEquivalentToItself(t *testing.T) {
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

func TestTwoFilesOfOneRunHaveNoVarianceBetweenRuns(t *testing.T) {
	rows := trials("throughput_rps", around(100))
	runs := read(t, compare.DefaultMetrics(), rows, rows[:5]) // the second file lacks a row
	runs[0].Info = &record.Info{BetweenRuns: &record.RunVariance{Runs: 9, VarianceLog: 1}}
	c := compare.Compare(runs[0], runs[1], 0.05)
	if c.BetweenRuns.VarianceLog != 0 || c.Lines[0].Mark != compare.TooFewTrials {
		t.Errorf("%+v, %s", c.BetweenRuns, c.Lines[0].Mark)
	}
}

func TestABoundInOnePhaseDoesNotAffectPerTrialMetrics(t *testing.T) {
	var rows table
	for b := 1; b <= 6; b++ {
		rows = append(rows,
			trial(b, "cold_start_ms", 30, "throughput_rps", 9, "phase", "steady"),
			trial(b, "cold_start_ms", 30, "throughput_rps", 9, "validity", "censored"))
	}
	l := line(t, compared(t, rows, rows.with("run_id", "new")), "cold_start_ms")
	if l.Old.Trials != 6 || l.Mark != compare.Equivalent {
		t.Errorf("%+v", l)
	}
}

func TestPerTrialMetricsHaveOneLine(t *testing.T) {
	rows := trials("cold_start_ms", around(30), "throughput_rps", 5)
	rows = append(rows, trials("cold_start_ms", around(30), "phase", "steady")...)
	slices.SortStableFunc(rows,
		func(a, b map[string]string) int { return strings.Compare(a["block"], b["block"]) })
	c := compared(t, rows, rows.with("run_id", "new"))
	n := 0
	for _, l := range c.Lines {
		if l.Metric == "cold_start_ms" {
			n++
		}
	}
	if n != 1 {
		t.Errorf("%d lines of cold_start_ms, want 1", n)
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
		if l.Mark != compare.TooFewTrials || min(l.Old.Trials, l.New.Trials) != 0 ||
			l.Old.Blocks != 6 || l.New.Blocks != 6 || len(c.OnlyOld)+len(c.OnlyNew) > 0 {
			t.Errorf("%+v; only in old %v, in new %v", l, c.OnlyOld, c.OnlyNew)
		}
	}
}

func TestControlsAndUnmatchedRowsHaveNoLines(t *testing.T) {
	common := slices.Concat(trials("throughput_rps", around(100)), references(100),
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
		t.Errorf("reference ratio %v, want 1", c.ReferenceRatio)
	}
}

func TestDifferencesForbidAComparisonUnlessIgnored(t *testing.T) {
	base := slices.Concat(trials("throughput_rps", around(100)),
		trials("throughput_rps", around(50), "phase", "steady", "offered_rps", 50),
		trials("capacity_rps", around(50), "phase", "capacity", "offered_rps", 50)).with("parameters", "n=1")
	base = append(base, references(20).with("scenario_sha256", "")...)
	type condition func(row map[string]string) bool
	changed := func(column, value string, applies condition) (out table) {
		for _, row := range base.with("run_id", "new") {
			if applies(row) {
				row[column] = value
			}
			out = append(out, row)
		}
		return out
	}
	everyRow := func(map[string]string) bool { return true }
	inPhase := func(phase string) condition {
		return func(row map[string]string) bool { return row["phase"] == phase }
	}
	isReference := func(row map[string]string) bool { return row["scenario"] == lab.ReferenceScenario }
	isResult := func(row map[string]string) bool { return !isReference(row) }
	inFirstBlock := func(row map[string]string) bool { return row["phase"] == "steady" && row["block"] == "1" }
	for _, tt := range []struct {
		name string
		new  table
		kind compare.DifferenceKind // empty: there is no difference
		text string
	}{
		{"the same", base.with("run_id", "new"), "", ""},
		{"host", changed("host_id", "h2", everyRow), compare.Host, "host_id: h1 against h2"},
		{
			"image", changed("content_sha256", "c2", isResult),
			compare.Image, "node/single content_sha256: c1 against c2",
		},
		{"script", changed("scenario_sha256", "s2", isResult), compare.Script, "s1"},
		{"parameters", changed("parameters", "n=2", isResult), compare.Script, "s1 n=1 against s1 n=2"},
		{
			"rate", changed("offered_rps", "60", inPhase("steady")),
			compare.Load, "json node/single steady offered_rps: 50.000 against 60.000",
		},
		{"rates found by trials", changed("offered_rps", "60", inFirstBlock), "", ""},
		{"rate of a search", changed("offered_rps", "60", inPhase("capacity")), "", ""},
		{
			"connections", changed("connections", "32", inPhase("peak")),
			compare.Load, "json node/single peak connections: 64 against 32",
		},
		{"references that differ by 2.9%", changed("throughput_rps", "20.5", isReference), "", ""},
		{
			"references that differ by 5%", changed("throughput_rps", "21", isReference),
			compare.Reference, "+5.0%, more than the 3% allowed",
		},
		{"the lab's own image", changed("content_sha256", "c2", isReference), "", ""},
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
			if !failsWith(err, tt.text) || !failsWith(err, "--ignore "+string(tt.kind)) ||
				fault.ExitCode(err) != fault.ExitUsage {
				t.Fatalf("error %v, want one with %q", err, tt.text)
			}
			others := slices.DeleteFunc(compare.DifferenceKinds(),
				func(k compare.DifferenceKind) bool { return k == tt.kind })
			if compare.CheckComparable(runs[0], runs[1:], others) == nil {
				t.Error("ignored, although only other kinds are")
			}
			if err := compare.CheckComparable(runs[0], runs[1:], []compare.DifferenceKind{tt.kind}); err != nil {
				t.Errorf("not ignored: %v", err)
			}
			text := compare.Compare(runs[0], runs[1], 0.05).Text()
			if !strings.Contains(text, "ignored: "+string(tt.kind)) {
				t.Errorf("the report does not name what was ignored:\n%s", text)
			}
		})
	}
}

// A reference server may have some bounds. If all of its trials are bounds, nothing shows that
// the machine was equally fast, and the runs are refused.
func TestReferenceServersWithoutValidTrialsForbidAComparison(t *testing.T) {
	withBounds := func(mean float64, bounds int) table {
		rows := references(mean)
		for _, row := range rows[:bounds] {
			row["validity"] = "censored"
			row["throughput_rps"] = "1"
		}
		return append(rows, trials("throughput_rps", around(50))...)
	}
	neverStarted := trials("throughput_rps", around(50))
	for b := 1; b <= 6; b++ {
		neverStarted = append(neverStarted, trial(b, "scenario", lab.ReferenceScenario,
			"variant", lab.LightReference, "phase", "", "validity", "failed"))
	}
	const none = "no reference server has a valid trial in both runs"
	const unmeasured = "no reference server is in both runs"
	for _, tt := range []struct {
		name     string
		old, new table
		newID    string
		refused  string // the error; empty: the runs are compared
		hasRatio bool   // of reference servers
		doubt    string
	}{
		{"one bound, equally fast", withBounds(100, 1), withBounds(100, 0), "new", "", true, ""},
		{
			"one bound, too different", withBounds(100, 1), withBounds(110, 0), "new",
			"reference servers differ by +10", true, "",
		},
		{
			"only bounds", withBounds(100, 6), withBounds(110, 0), "new",
			none + ", valid: 0 of 6 trials against 6 of 6 trials", false, none,
		},
		{"only bounds, swapped", withBounds(100, 0), withBounds(110, 6), "new", none, false, none},
		{"never started", neverStarted, withBounds(110, 0), "new", none, false, none},
		{
			"none on one side", trials("throughput_rps", around(50)), withBounds(110, 0), "new",
			"", false, unmeasured,
		},
		{"a run against itself", withBounds(100, 6), withBounds(100, 6), "old", "", false, none},
	} {
		t.Run(tt.name, func(t *testing.T) {
			runs := read(t, compare.DefaultMetrics(), tt.old, tt.new.with("run_id", tt.newID))
			err := compare.CheckComparable(runs[0], runs[1:], nil)
			if (err != nil) != (tt.refused != "") || err != nil && !failsWith(err, tt.refused) {
				t.Errorf("error %v, want %q", err, tt.refused)
			}
			ignored := []compare.DifferenceKind{compare.Reference}
			if err := compare.CheckComparable(runs[0], runs[1:], ignored); err != nil {
				t.Errorf("not ignored: %v", err)
			}
			c := compare.Compare(runs[0], runs[1], 0.05)
			doubts := strings.Join(words(c.Doubts), "; ")
			if (c.ReferenceRatio != nil) != tt.hasRatio || !strings.Contains(doubts, tt.doubt) {
				t.Errorf("ratio %v, doubts %q", c.ReferenceRatio, doubts)
			}
			if tt.doubt == none && strings.Contains(doubts, unmeasured) {
				t.Errorf("doubts %q, although both runs have reference servers", doubts)
			}
		})
	}
	runs := read(t, compare.DefaultMetrics(), withBounds(100, 1))
	if m := runs[0].ReferenceThroughput(); m.N != 5 {
		t.Errorf("%d values of the reference server, want the 5 that are no bounds", m.N)
	}
}

func TestVarianceBetweenRunsWidensEveryInterval(t *testing.T) {
	results := trials("throughput_rps", around(100))
	compareWith := func(a, b *record.RunVariance, reference float64) compare.Comparison {
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
		{"only one is known", nil, &record.RunVariance{Runs: 3, VarianceLog: 1e-4}, 102, 1e-4, "3 runs"},
		{
			"two runs are too few", &record.RunVariance{Runs: 2, VarianceLog: 1}, nil, 102, d * d / 2,
			"reference servers of these two runs",
		},
		{"none is known, and reference servers are equal", nil, nil, 100, 0, "reference servers of these two runs"},
	} {
		c := compareWith(tt.a, tt.b, tt.reference)
		if math.Abs(c.BetweenRuns.VarianceLog-tt.want) > 1e-12 ||
			!strings.Contains(wording.Reason(c.BetweenRuns.Source), tt.source) {
			t.Errorf("%s: %+v, want %v from %q", tt.name, c.BetweenRuns, tt.want, tt.source)
		}
		narrow := line(t, compareWith(nil, nil, 100), "throughput_rps")
		if l := line(t, c, "throughput_rps"); (*l.High > *narrow.High) != (tt.want > 0) ||
			(*l.Old.High > *narrow.Old.High) != (tt.want > 0) {
			t.Errorf("%s: intervals up to %v and %v, without variance between runs %v and %v",
				tt.name, *l.High, *l.Old.High, *narrow.High, *narrow.Old.High)
		}
	}
	without := compared(t, results, results.with("run_id", "new"))
	if without.BetweenRuns.VarianceLog != 0 || without.BetweenRuns.Source.Kind != lab.VarianceUnknown ||
		!strings.Contains(strings.Join(words(without.Doubts), " "), "no reference server") {
		t.Errorf("without reference servers: %+v, doubts %q", without.BetweenRuns, words(without.Doubts))
	}
}

// By hand: means 10, 12 and 17 of 3 trials each, with a sum of squares within runs of 6. Among
// runs: 3 x (9 + 1 + 16) / 2 = 39; within: 6 / 6 = 1; between: (39 - 1) / 3.
func TestEstimateRunVarianceIsTheAnalysisOfVariance(t *testing.T) {
	runs := []stat.Moments{stat.MomentsOf(9, 10, 11), stat.MomentsOf(11, 12, 13), stat.MomentsOf(16, 17, 18)}
	if got := compare.EstimateRunVariance(runs); got == nil || got.Runs != 3 ||
		math.Abs(got.VarianceLog-38.0/3) > 1e-12 {
		t.Errorf("got %+v, want 12.67 from 3 runs", got)
	}
	// Runs of 4 and 3 trials: n0 = 7 - (16 + 9) / 7.
	a, b := stat.MomentsOf(9, 10, 11, 10), stat.MomentsOf(13, 15, 14)
	mean := (4*10.0 + 3*14) / 7
	among := 4*(10-mean)*(10-mean) + 3*(14-mean)*(14-mean)
	want := (among - 4.0/5) / ((7 - 25.0/7) / 1)
	if got := compare.EstimateRunVariance([]stat.Moments{a, {}, b}); got == nil || got.Runs != 2 ||
		math.Abs(got.VarianceLog-want) > 1e-12 {
		t.Errorf("got %+v, want %v from 2 runs", got, want)
	}
	similar := []stat.Moments{stat.MomentsOf(1, 5), stat.MomentsOf(2, 4)}
	if got := compare.EstimateRunVariance(similar); got == nil || got.VarianceLog != 0 {
		t.Errorf("runs that differ less than their trials: %+v, want 0", got)
	}
	for _, few := range [][]stat.Moments{nil, {a}, {stat.MomentsOf(1), stat.MomentsOf(2)}} {
		if got := compare.EstimateRunVariance(few); got != nil {
			t.Errorf("estimated from %v: %+v", few, got)
		}
	}
	// 400 simulated runs have a standard deviation of 2 % between and 1 % within.
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
		t.Errorf("estimated %v, want 0.02", got)
	}
}

// The same difference is found in a single line, but not among 61.
func TestHolmAdjustsForTheNumberOfLines(t *testing.T) {
	old, new := table{}, table{}
	r := rand.New(rand.NewPCG(3, 4))
	noise := func(mean float64) (xs []float64) {
		for range 6 {
			xs = append(xs, mean*math.Exp(0.055*r.NormFloat64()))
		}
		return xs
	}
	values, higher := []float64{100, 108, 93, 104, 97, 99}, []float64{112, 121, 103, 117, 108, 110}
	old = append(old, trials("throughput_rps", values)...)
	new = append(new, trials("throughput_rps", higher)...)
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
		decided := l.Mark == compare.Better || l.Mark == compare.Worse || l.Mark == compare.Equivalent
		if decided && *l.PHolm > lab.Alpha {
			t.Errorf("%s is %s at p %v", l.Key, l.Mark, *l.PHolm)
		}
	}
}

// simulatedRun returns the rows of a run. The logs of its throughput are level plus noise.
func simulatedRun(r *rand.Rand, id string, lines, blocks int, level, noise float64) (rows table) {
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

// maxByChance returns the number of errors that n cases with the given chance of an error may
// have: the mean plus three standard deviations.
func maxByChance(n int, chance float64) int {
	return int(float64(n)*chance + 3*math.Sqrt(float64(n)*chance*(1-chance)))
}

// Trials vary so much that differences beyond the threshold are common. Only the level and
// Holm's procedure keep them from being marked: without it, a third of the comparisons had a
// line that is worse.
func TestEqualRunsAreNotCalledWorse(t *testing.T) {
	const pairs, lines = 600, 20
	r := rand.New(rand.NewPCG(5, 6))
	worse := 0
	for range pairs {
		c := compared(t, simulatedRun(r, "old", lines, 8, 0, 0.06), simulatedRun(r, "new", lines, 8, 0, 0.06))
		if len(c.WorseLines()) > 0 {
			worse++
		}
	}
	if worse > maxByChance(pairs, lab.Alpha) {
		t.Errorf("%d of %d equal pairs have a line that is worse, want a share of %v", worse, pairs, lab.Alpha)
	}
	if worse == 0 {
		t.Error("no pair has a line that is worse: there is too little noise for a test")
	}
}

// Every line is at the threshold. It is certain that they differ, which must not make it easier
// to call one of them equivalent.
func TestLinesAtTheThresholdAreNotCalledEquivalent(t *testing.T) {
	const pairs, lines = 600, 11
	r := rand.New(rand.NewPCG(7, 8))
	equivalent := 0
	for range pairs {
		c := compared(t, simulatedRun(r, "old", lines, 10, 0, 0.01),
			simulatedRun(r, "new", lines, 10, math.Log(0.95), 0.01))
		if c.Count(compare.Equivalent) > 0 {
			equivalent++
		}
	}
	if equivalent > maxByChance(pairs, lab.Alpha) {
		t.Errorf("%d of %d comparisons call a line at the threshold equivalent, want a share of %v",
			equivalent, pairs, lab.Alpha)
	}
	if equivalent == 0 {
		t.Error("no line is called equivalent: there is too little noise for a test")
	}
}

func TestASlowerLineIsFoundAmongTwenty(t *testing.T) {
	const pairs, lines = 100, 20
	r := rand.New(rand.NewPCG(9, 10))
	found := 0
	for range pairs {
		slower := simulatedRun(r, "new", 1, 6, math.Log(0.9), 0.01)
		new := append(simulatedRun(r, "new", lines, 6, 0, 0.01)[6:], slower...)
		worse := compared(t, simulatedRun(r, "old", lines, 6, 0, 0.01), new).WorseLines()
		if len(worse) == 1 && worse[0].Variant == "node/v00" {
			found++
		}
	}
	if found < pairs*9/10 {
		t.Errorf("a line that is 10%% slower was found in %d of %d pairs", found, pairs)
	}
}

func TestALineShowsTheIntervalAndPOfTheDecidingTest(t *testing.T) {
	old, new := table{}, table{}
	for i, mean := range []float64{100, 104.5, 80, 103, 100} {
		variant := fmt.Sprintf("node/v%d", i)
		old = append(old, trials("throughput_rps", around(100), "variant", variant)...)
		new = append(new, trials("throughput_rps", around(mean), "variant", variant)...)
	}
	c := compared(t, old, new.with("run_id", "new"))
	limit := 1 / 0.95
	for i, want := range []compare.Mark{
		compare.Equivalent, compare.Undecided, compare.Worse, compare.Equivalent, compare.Equivalent,
	} {
		l := c.Lines[i]
		withinLimit := *l.Low > 0.95 && *l.High < limit
		excludesOne := *l.Low > 1 || *l.High < 1
		if l.Mark != want || withinLimit != (want == compare.Equivalent) || want == compare.Worse && !excludesOne {
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
	// In the order of equivalence the two lines at 100 come first, with equal p.
	if p := 5 * e(100).PWithin(math.Log(limit)); !near(c.Lines[0].PHolm, p) || !near(c.Lines[4].PHolm, p) {
		t.Errorf("p of equal lines is %v and %v, want %v", *c.Lines[0].PHolm, *c.Lines[4].PHolm, p)
	}
	// In the order of difference the line at 80 comes first, then the one at 104.5.
	if p := 5 * e(80).PBelow(0); !near(c.Lines[2].PHolm, p) || c.Lines[2].Level != lab.Alpha/5 {
		t.Errorf("p of the worse line is %v at level %v, want %v", *c.Lines[2].PHolm, c.Lines[2].Level, p)
	}
	p, level := 4*e(104.5).PAbove(0), c.Lines[1].Level
	if !near(c.Lines[1].PHolm, p) || level != lab.Alpha/4 && level != lab.Alpha/2 {
		t.Errorf("p of the undecided line is %v at level %v, want %v", *c.Lines[1].PHolm, level, p)
	}
}

// Eleven lines certainly differ, each by an effect that is equivalent in a single line. No
// interval may look as if its line was equivalent.
func TestAnUndecidedLineShowsTheWiderInterval(t *testing.T) {
	old, new := table{}, table{}
	for i := range 11 {
		variant := fmt.Sprintf("node/v%02d", i)
		old = append(old, trials("throughput_rps", around(100), "variant", variant)...)
		new = append(new, trials("throughput_rps", around(96), "variant", variant)...)
	}
	if l := compared(t, old[:6], new[:6].with("run_id", "new")).Lines[0]; l.Mark != compare.Equivalent {
		t.Fatalf("a single line is %s", l.Mark)
	}
	for _, l := range compared(t, old, new.with("run_id", "new")).Lines {
		if l.Mark != compare.Undecided || *l.Low > 0.95 || *l.High >= 1 {
			t.Errorf("%s is %s by [%v, %v]", l.Variant, l.Mark, *l.Low, *l.High)
		}
	}
}

func TestHolmLeavesOutLinesThatCannotBeJudged(t *testing.T) {
	rows := func(id string) table {
		return slices.Concat(trials("throughput_rps", around(100), "run_id", id),
			trials("throughput_rps", around(100), "variant", "node/v1", "run_id", id),
			trials("throughput_rps", around(100)[:5], "variant", "node/few", "run_id", id),
			trials("throughput_rps", around(100), "variant", "node/bound", "validity", "censored", "run_id", id))
	}
	c := compared(t, rows("old"), rows("new"))
	text := c.Markdown()
	if len(c.Lines) != 4 || !strings.Contains(text, "Holm over the 2 lines that could be judged") {
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

func TestReadRefusesFilesThatAreNotOneRun(t *testing.T) {
	twoRuns := append(trials("throughput_rps", around(1)), trial(7, "run_id", "new"))
	text := table{trial(1, "throughput_rps", "many")}
	otherSchema := table{trial(1, "schema_version", 1)}
	for _, tt := range []struct {
		rows  table
		error string
		code  int
	}{
		{twoRuns, "reading A: line 8: rows of several runs: new after old", fault.ExitUsage},
		{table{}, "reading A: the file has no rows", fault.ExitUsage},
		{text, `reading A: line 2: column throughput_rps: "many" is not a number`, fault.ExitFailed},
		{otherSchema, "reading A: line 2: schema version 1", fault.ExitUsage},
	} {
		sources := []compare.Source{tt.rows.source("A")}
		_, err := compare.Read(context.Background(), sources, compare.DefaultMetrics())
		if !failsWith(err, tt.error) || fault.ExitCode(err) != tt.code {
			t.Errorf("error %v, code %d; want %q and %d", err, fault.ExitCode(err), tt.error, tt.code)
		}
	}
	ctx, cancel := context.WithCancelCause(context.Background())
	cancel(fmt.Errorf("enough"))
	_, err := compare.Read(ctx, []compare.Source{twoRuns.source("A")}, compare.DefaultMetrics())
	if !failsWith(err, "enough") {
		t.Errorf("error %v", err)
	}
}

func TestSelectionsChooseMetricsByPhaseOrByName(t *testing.T) {
	_, err := compare.SelectMetrics("throughput_rsp")
	if !failsWith(err, `did you mean "throughput_rps"?`) || fault.ExitCode(err) != fault.ExitUsage {
		t.Errorf("error %v", err)
	}
	if _, err := compare.SelectMetrics("steal_ratio"); !failsWith(err, "neither more nor less") {
		t.Errorf("error %v", err)
	}
	rows := trials("throughput_rps", around(50), "phase", "steady",
		"latency_p50_ms", 3, "latency_max_ms", 9, "cold_start_ms", 4)
	names := func(selection compare.Selection, err error) (names []string) {
		if err != nil {
			t.Fatal(err)
		}
		runs := read(t, selection, rows, rows)
		for _, l := range compare.Compare(runs[0], runs[1], 0.05).Lines {
			names = append(names, l.Metric)
		}
		return names
	}
	byName := func(metrics ...string) []string { return names(compare.SelectMetrics(metrics...)) }
	for want, got := range map[string][]string{
		// without throughput, which in a steady phase is the offered rate
		"[cold_start_ms latency_p50_ms]": names(compare.DefaultMetrics(), nil),
		"[throughput_rps]":               byName("throughput_rps"),
		"[cold_start_ms latency_max_ms]": byName("latency_max_ms", "cold_start_ms"),

		"[cold_start_ms throughput_rps latency_p50_ms latency_max_ms]": names(compare.AllMetrics(), nil),
	} {
		if fmt.Sprint(got) != want {
			t.Errorf("%v, want %s", got, want)
		}
	}
}

// drawRun draws a run of two variants with bounds, failures and repeats among its rows.
func drawRun(t *rapid.T, id string) table {
	var rows table
	sd := rapid.Float64Range(0.001, 0.2).Draw(t, "sd")
	level := rapid.Float64Range(0.5, 2).Draw(t, "level")
	r := rand.New(rand.NewPCG(rapid.Uint64().Draw(t, "seed"), 1))
	for block := 1; block <= rapid.IntRange(5, 9).Draw(t, "blocks"); block++ {
		for _, variant := range []string{"node/single", "python/uvloop"} {
			for attempt := 1; attempt <= 1+r.IntN(5)/4; attempt++ {
				validity := []string{
					"valid", "valid", "valid", "valid", "valid", "valid", "valid", "valid",
					"censored", "disturbed", "failed",
				}[r.IntN(11)]
				errors := 0.0
				if r.IntN(6) == 0 {
					errors = r.Float64() / 100
				}
				rows = append(rows, trial(block, "run_id", id, "variant", variant, "attempt", attempt,
					"validity", validity, "error_ratio", errors,
					"throughput_rps", level*1000*math.Exp(sd*r.NormFloat64()),
					"cpu_us_per_request", math.Exp(sd*r.NormFloat64())/level))
			}
		}
	}
	return rows
}

func TestSwappingTheRunsInvertsTheRatios(t *testing.T) {
	inverse := map[compare.Mark]compare.Mark{compare.Better: compare.Worse, compare.Worse: compare.Better}
	rapid.Check(t, func(t *rapid.T) {
		a, b := drawRun(t, "old"), drawRun(t, "new")
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
			if !inverted(l.Effect, m.Effect, l.Scale) ||
				!inverted(l.Low, m.High, l.Scale) || !inverted(l.High, m.Low, l.Scale) {
				t.Fatalf("%s: %v, and swapped %v", l.Metric, l, m)
			}
		}
	})
}

func inverted(x, y *float64, scale compare.Scale) bool {
	switch {
	case x == nil || y == nil:
		return x == nil && y == nil
	case scale == compare.DifferenceScale:
		return math.Abs(*x+*y) < 1e-12
	}
	return math.Abs(*x**y-1) < 1e-9
}

func TestUnitsAndTheOrderOfRowsChangeNothing(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		a, b := drawRun(t, "old"), drawRun(t, "new")
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
				if m.Mark != l.Mark || (m.Effect == nil) != (l.Effect == nil) ||
					l.Effect != nil && math.Abs(*m.Effect-*l.Effect) > 1e-9 {
					t.Fatalf("%s: %+v, want %+v", name, m, l)
				}
				if name == "order" && (l.Effect != nil && *m.Effect != *l.Effect || m.New.Blocks != l.New.Blocks) {
					t.Fatalf("the order of rows changes %+v to %+v", l, m)
				}
			}
		}
	})
}
