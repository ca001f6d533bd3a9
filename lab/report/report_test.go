package report_test

import (
	"flag"
	"fmt"
	"math"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"unicode/utf8"

	"runtimelab/lab"
	"runtimelab/lab/metric"
	"runtimelab/lab/report"
)

var update = flag.Bool("update", false, "rewrite the golden files")

// row returns a row of the scenario json: with peak over 64 connections, with steady at 2500
// requests per second.
func row(
	variant string, block int64, phase lab.PhaseKind, v lab.Validity, figures map[string]float64,
) metric.Row {
	r := metric.Row{
		"run_id":   metric.Text("20261123T231501Z-ab12"),
		"host_id":  metric.Text("h0123456789"),
		"scenario": metric.Text("json"),
		"variant":  metric.Text(variant),
		"block":    metric.Int(block),
		"attempt":  metric.Int(1),
		"phase":    metric.Text(string(phase)),
		"validity": metric.Text(string(v)),

		"phase_kind": metric.Text(string(phase)),
	}
	if phase != "" {
		r["connections"] = metric.Int(64)
	}
	if phase == lab.Steady {
		r["offered_rps"] = metric.Number(2500)
	}
	for name, f := range figures {
		r[name] = metric.Number(f)
	}
	return r
}

func peak(variant string, block int64, v lab.Validity, rps float64) metric.Row {
	return row(variant, block, lab.Peak, v, map[string]float64{
		"throughput_rps": rps, "cpu_us_per_request": 1e6 / rps,
		"memory_peak_mib": 60 + rps/1e4, "cold_start_ms": 300 + float64(block),
	})
}

func steady(variant string, block int64, v lab.Validity, p50 float64) metric.Row {
	return row(variant, block, lab.Steady, v, map[string]float64{
		"throughput_rps": 2500, "latency_p50_ms": p50, "latency_p99_ms": 10 * p50, "cpu_us_per_request": 20 * p50,
		"memory_peak_mib": 70, "cold_start_ms": 300 + float64(block),
	})
}

func withReason(r metric.Row, reason string) metric.Row {
	r["validity_reason"] = metric.Text(reason)
	return r
}

func inScenario(scenario string, rows ...metric.Row) []metric.Row {
	for _, r := range rows {
		r["scenario"] = metric.Text(scenario)
	}
	return rows
}

func secondAttempt(r metric.Row) metric.Row { return with(r, "attempt", metric.Int(2)) }

// inPhase changes the name of a row's phase, and its kind to the one that the name begins with.
func inPhase(r metric.Row, phase string) metric.Row {
	kind, _, _ := strings.Cut(phase, "-")
	return with(with(r, "phase", metric.Text(phase)), "phase_kind", metric.Text(kind))
}

func with(r metric.Row, name string, v metric.Value) metric.Row {
	r[name] = v
	return r
}

func smokeRun() []metric.Row {
	const n, p = "node/single", "python/single"
	return slices.Concat(
		inScenario("plaintext",
			peak(p, 1, lab.Valid, 47251.26),
			steady(p, 1, lab.Valid, 0.3114),
			withReason(peak(n, 1, lab.Censored, 82999.9), "generator: at 97.2 % of its ceiling of 85 391 req/s"),
			steady(n, 1, lab.Valid, 0.2107)),
		inScenario("json",
			peak(p, 1, lab.Valid, 44021.5),
			withReason(steady(p, 1, lab.Disturbed, 0.4), "foreign CPU 12.5 % of the CPUs used, more than 5 %"),
			peak(n, 1, lab.Valid, 65012.4),
			steady(n, 1, lab.Valid, 0.2251)),
		inScenario("echo",
			withReason(row(p, 1, "", lab.Failed, nil),
				"exited with 1 before it was ready | Traceback (most recent call last): | ModuleNotFoundError: No "+
					"module named 'uvloop' | "+strings.Repeat("and so on ", 40)),
			peak(n, 1, lab.Valid, 31000),
			withReason(steady(n, 1, lab.Failed, 0.3), "1.2 % of requests failed: body differs from the contract's")),
	)
}

// repeatedTrialRun has six blocks. One trial of the second block was disturbed and repeated.
func repeatedTrialRun() []metric.Row {
	var rows []metric.Row
	for b := int64(1); b <= 6; b++ {
		rows = append(rows, peak("node/cluster", b, lab.Valid, 120000+1000*float64(b)),
			steady("node/cluster", b, lab.Valid, 0.15+0.01*float64(b)))
		single := []metric.Row{
			peak("node/single", b, lab.Valid, 60000+500*float64(b)),
			steady("node/single", b, lab.Valid, 0.2+0.01*float64(b)),
		}
		if b == 2 {
			rows = append(rows,
				withReason(peak("node/single", b, lab.Disturbed, 1),
					"the canary took 2.1 times its quiet 99th percentile"),
				steady("node/single", b, lab.Valid, 0.2))
			secondAttempt(single[0])
			secondAttempt(single[1])
		}
		rows = append(rows, single...)
	}
	return rows
}

// manyLoadsRun has several loads, long names and more notes than fit.
func manyLoadsRun() []metric.Row {
	var rows []metric.Row
	long := "python-free-threaded/uvicorn-with-four-workers"
	for b := int64(1); b <= 2; b++ {
		for _, v := range []string{"node/single", long} {
			failed := withReason(steady(v, b, lab.Failed, 9999), strings.Repeat("0123456789abcdef", 8))
			rows = append(rows,
				peak(v, b, lab.Valid, 123456+float64(b)),
				inPhase(with(peak(v, b, lab.Valid, 234567+float64(b)), "connections", metric.Int(256)), "peak-256"),
				steady(v, b, lab.Valid, 1234.5),
				inPhase(with(steady(v, b, lab.Valid, 0.0512), "offered_rps", metric.Number(12500.5)), "steady-12500.5"),
				inPhase(with(failed, "offered_rps", metric.Number(50000)), "steady-50000"))
		}
	}
	for b := range int64(15) {
		rows = append(rows, withReason(with(peak(long, b%2+1, lab.Disturbed, 1), "attempt", metric.Int(b+2)),
			fmt.Sprintf("steal 0.%d", b)))
	}
	return rows
}

// reportOf returns the report of a complete run.
func reportOf(p lab.Plan, rows []metric.Row) report.Report { return report.New(p, rows, len(p.Trials)) }

func TestGolden(t *testing.T) {
	for name, rows := range map[string][]metric.Row{
		"smoke": smokeRun(), "blocks": repeatedTrialRun(), "crowded": manyLoadsRun(), "nothing": nil,
	} {
		r := reportOf(lab.Plan{}, rows)
		golden(t, name+".txt", r.FullText())
		golden(t, name+".md", r.Markdown())
	}
}

func golden(t *testing.T, name, got string) {
	t.Helper()
	goldenAt(t, filepath.Join("testdata", name), got)
}

func TestHighStealInValidRowsIsADoubt(t *testing.T) {
	stolen := func(v lab.Validity, share float64) []metric.Row {
		return []metric.Row{with(steady("node/single", 1, v, 1), "steal_ratio", metric.Number(share))}
	}
	s := reportOf(lab.Plan{}, stolen(lab.Valid, 0.31))
	for form, shown := range map[string]string{"text": s.FullText(), "Markdown": s.Markdown()} {
		if !strings.Contains(shown, "31%") {
			t.Errorf("the %s does not report a steal of 31 %%:\n%s", form, shown)
		}
	}
	for _, quiet := range [][]metric.Row{stolen(lab.Valid, 0.05), stolen(lab.Disturbed, 0.31)} {
		if got := reportOf(lab.Plan{}, quiet).Doubts; len(got) > 0 {
			t.Errorf("doubts %v about %v, want none", got, quiet)
		}
	}
}

func TestTextIsAtMost100Wide(t *testing.T) {
	for name, rows := range map[string][]metric.Row{
		"smoke": smokeRun(), "blocks": repeatedTrialRun(), "crowded": manyLoadsRun(),
	} {
		for line := range strings.Lines(reportOf(lab.Plan{}, rows).FullText()) {
			line = strings.TrimSuffix(line, "\n")
			if n := utf8.RuneCountInString(line); n > 100 || strings.HasSuffix(line, " ") ||
				strings.ContainsRune(line, '\x1b') {
				t.Errorf("%s: %d characters: %q", name, n, line)
			}
		}
	}
}

func lineOf(t *testing.T, rows []metric.Row, variant string) report.Line {
	t.Helper()
	sections := reportOf(lab.Plan{}, rows).Figures
	if len(sections) != 1 {
		t.Fatalf("%d sections", len(sections))
	}
	i := slices.IndexFunc(sections[0].Lines, func(l report.Line) bool { return l.Variant == variant })
	if i < 0 {
		t.Fatalf("no line of %s", variant)
	}
	return sections[0].Lines[i]
}

func TestFiguresComeFromValidRows(t *testing.T) {
	l := lineOf(t, []metric.Row{
		peak("n/s", 1, lab.Valid, 100), steady("n/s", 1, lab.Valid, 1),
		peak("n/s", 2, lab.Failed, 9000), steady("n/s", 2, lab.Disturbed, 50),
		peak("n/s", 3, lab.Valid, 400), steady("n/s", 3, lab.Censored, 60),
	}, "n/s")
	if l.Valid != 2 || l.Trials != 3 {
		t.Errorf("%d of %d trials valid, want 2 of 3", l.Valid, l.Trials)
	}
	if l.Served.Median != 250 || l.Served.Lowest != 100 || l.Served.Highest != 400 || l.Served.N != 2 ||
		l.Served.Bound {
		t.Errorf("served %+v", l.Served)
	}
	if l.P50MS.Median != 1 || l.P99MS.Median != 10 || l.CPUUS.Median != 20 {
		t.Errorf("p50 %+v, p99 %+v, CPU %+v: want those of the one valid steady row", l.P50MS, l.P99MS, l.CPUUS)
	}
	if l.MemoryMiB.N != 2 || l.MemoryMiB.Median != 70 || l.ColdStartMS.Median != 302 {
		t.Errorf("memory %+v, cold start %+v: want one of each usable trial", l.MemoryMiB, l.ColdStartMS)
	}
}

func TestACensoredPeakIsABoundWithoutARatio(t *testing.T) {
	rows := []metric.Row{
		peak("a/s", 1, lab.Valid, 200), peak("b/s", 1, lab.Valid, 100),
		peak("a/s", 2, lab.Censored, 300.99), peak("b/s", 2, lab.Valid, 100),
		peak("a/s", 3, lab.Censored, 400), peak("b/s", 3, lab.Valid, 100),
	}
	a, b := lineOf(t, rows, "a/s"), lineOf(t, rows, "b/s")
	if got := a.Served.String(); got != ">= 300" { // 301 would be more than was measured
		t.Errorf("served %q", got)
	}
	for line := range strings.Lines(reportOf(lab.Plan{}, rows).FullText()) {
		if strings.Contains(line, ">= 300") && strings.Contains(line, "[") {
			t.Errorf("a bound has a range: %q", line)
		}
	}
	if b.RatioToFirst != nil {
		t.Errorf("the ratio to a bound is %v, want none", *b.RatioToFirst)
	}
	for i := range rows { // now the bound is the numerator
		rows[i]["variant"] = metric.Text(map[string]string{"a/s": "z/s", "b/s": "b/s"}[rows[i].Text("variant")])
	}
	if z := lineOf(t, rows, "z/s"); z.RatioToFirst != nil {
		t.Errorf("the ratio of a bound is %v, want none", *z.RatioToFirst)
	}
}

func TestRatiosArePairedByBlock(t *testing.T) {
	// Blocks differ by a factor of up to 3; within them b serves 1.5, 2 and 2.5 times a.
	l := lineOf(t, []metric.Row{
		peak("a/s", 1, lab.Valid, 100), peak("b/s", 1, lab.Valid, 150),
		peak("b/s", 2, lab.Valid, 600), peak("a/s", 2, lab.Valid, 300),
		peak("a/s", 3, lab.Valid, 200), peak("b/s", 3, lab.Valid, 500),
		peak("b/s", 4, lab.Valid, 9000), peak("a/s", 4, lab.Failed, 1),
		peak("b/s", 5, lab.Valid, 9000), peak("a/s", 5, lab.Valid, 0), // no ratio to zero
	}, "b/s")
	if l.RatioToFirst == nil || *l.RatioToFirst != 2 {
		t.Errorf("got %v, want 2", l.RatioToFirst)
	}
}

func TestCountsOfTrials(t *testing.T) {
	tests := []struct {
		name          string
		rows          []metric.Row
		valid, trials int
	}{
		{"one trial", []metric.Row{peak("a", 1, lab.Valid, 1), steady("a", 1, lab.Valid, 1)}, 1, 1},
		{"a bound counts", []metric.Row{peak("a", 1, lab.Censored, 1), steady("a", 1, lab.Valid, 1)}, 1, 1},
		{
			"failed in its second phase",
			[]metric.Row{peak("a", 1, lab.Valid, 1), steady("a", 1, lab.Failed, 1)},
			0, 1,
		},
		{"ended in its first phase, repeated", []metric.Row{
			peak("a", 1, lab.Disturbed, 1),
			secondAttempt(peak("a", 1, lab.Valid, 1)),
			secondAttempt(steady("a", 1, lab.Valid, 1)),
		}, 1, 2},
		{"failed before its first phase, repeated", []metric.Row{
			row("a", 1, "", lab.Failed, nil),
			secondAttempt(peak("a", 1, lab.Valid, 1)),
			secondAttempt(steady("a", 1, lab.Valid, 1)),
		}, 1, 2},
		{"two blocks, mixed", []metric.Row{
			peak("a", 2, lab.Valid, 1), peak("a", 1, lab.Valid, 1),
			steady("a", 2, lab.Valid, 1), steady("a", 1, lab.Valid, 1),
		}, 2, 2},
	}
	for _, tt := range tests {
		if l := lineOf(t, tt.rows, "a"); l.Valid != tt.valid || l.Trials != tt.trials {
			t.Errorf("%s: %d of %d, want %d of %d", tt.name, l.Valid, l.Trials, tt.valid, tt.trials)
		}
	}
}

// Each phase counts once, by the last attempt in which it is valid or a bound.
func TestARepeatedTrialCountsOnce(t *testing.T) {
	l := lineOf(t, []metric.Row{
		peak("n/s", 1, lab.Censored, 900), steady("n/s", 1, lab.Disturbed, 5),
		secondAttempt(with(peak("n/s", 1, lab.Valid, 100), "cold_start_ms", metric.Number(200))),
		secondAttempt(steady("n/s", 1, lab.Valid, 1)),
		peak("n/s", 2, lab.Valid, 300), steady("n/s", 2, lab.Disturbed, 5),
		secondAttempt(peak("n/s", 2, lab.Disturbed, 900)),
		secondAttempt(with(steady("n/s", 2, lab.Valid, 3), "memory_peak_mib", metric.Number(80))),
	}, "n/s")
	if l.Served.N != 2 || l.Served.Median != 200 || l.Served.Bound {
		t.Errorf("served %+v: want 100 of the second attempt and 300 of the first", l.Served)
	}
	if l.P50MS.N != 2 || l.P50MS.Median != 2 || l.CPUUS.N != 2 {
		t.Errorf("p50 %+v, CPU %+v", l.P50MS, l.CPUUS)
	}
	if l.MemoryMiB.N != 2 || l.MemoryMiB.Lowest != 70 || l.MemoryMiB.Highest != 80 || l.ColdStartMS.N != 2 ||
		l.ColdStartMS.Highest != 302 {
		t.Errorf("memory %+v, cold start %+v", l.MemoryMiB, l.ColdStartMS)
	}
	if l.Valid != 1 || l.Trials != 4 {
		t.Errorf("%d of %d", l.Valid, l.Trials)
	}
}

// A trial under several loads appears in several sections.
func TestATrialCountsOnceInTheTitle(t *testing.T) {
	s := reportOf(lab.Plan{}, []metric.Row{
		inPhase(peak("a", 1, lab.Valid, 1), "peak-64"), inPhase(peak("a", 1, lab.Failed, 1), "peak-256"),
		inPhase(peak("a", 2, lab.Valid, 1), "peak-64"), inPhase(peak("a", 2, lab.Valid, 1), "peak-256"),
	})
	if s.Valid != 1 || s.Trials != 2 || len(s.Figures) != 2 {
		t.Errorf("%d of %d in %d sections, want 1 of 2 in 2", s.Valid, s.Trials, len(s.Figures))
	}
	if first := s.Figures[0].Lines[0]; first.Valid != 2 {
		t.Errorf("the first section has %d valid trials, want 2: the failure is in the second", first.Valid)
	}
}

func TestCPUComesFromThePeakWithoutAnOpenLoop(t *testing.T) {
	if l := lineOf(t, []metric.Row{peak("a", 1, lab.Valid, 50000)}, "a"); l.CPUUS.Median != 20 {
		t.Errorf("got %+v", l.CPUUS)
	}
}

func TestFigureString(t *testing.T) {
	tests := []struct {
		f    report.Figure
		want string
	}{
		{report.Figure{}, "-"},
		{report.Figure{Bound: true}, "-"},
		{report.Figure{N: 1, Median: 65012.5}, "65013"},
		{report.Figure{N: 1, Median: 65012.9, Bound: true}, ">= 65012"},
		{report.Figure{N: 1, Median: 1234567890}, "1234567890"},
		{report.Figure{N: 1, Median: 99.94}, "99.9"},
		{report.Figure{N: 1, Median: 1.239}, "1.24"},
		{report.Figure{N: 1, Median: 1.239, Bound: true}, ">= 1.23"},
		{report.Figure{N: 1, Median: 0.2107}, "0.211"},
		{report.Figure{N: 1, Median: 0}, "0.000"},
	}
	for _, tt := range tests {
		if got := tt.f.String(); got != tt.want {
			t.Errorf("%+v: got %q, want %q", tt.f, got, tt.want)
		}
	}
}

// A ladder's section shows the clients' waiting times; an overload's shows goodput, and variants
// may have different rates.
func TestLaddersAndGoodput(t *testing.T) {
	ladder := func(v string, clients int64, p50 float64) metric.Row {
		r := row(v, 1, "ladder", lab.Valid, map[string]float64{
			"throughput_rps":     float64(clients) / 2,
			"latency_raw_p50_ms": p50, "latency_raw_p99_ms": 2 * p50,
		})
		return with(inPhase(r, fmt.Sprintf("ladder-%d", clients)), "connections", metric.Int(clients))
	}
	overload := func(v string, rate, goodput float64) metric.Row {
		r := row(v, 1, lab.Steady, lab.Valid,
			map[string]float64{"throughput_rps": rate, "goodput_rps": goodput, "deadline_ms": 250})
		return with(inPhase(r, "steady-120%"), "offered_rps", metric.Number(rate))
	}
	r := reportOf(lab.Plan{}, slices.Concat(
		inScenario("wait", ladder("node/single", 1, 2000), ladder("node/single", 1000, 2100)),
		inScenario("overload", overload("node/single", 60000, 45000), overload("python/uvloop", 40000, 30000)),
		inScenario("gil", with(peak("python/threads", 1, lab.Valid, 10), "connections", metric.Int(1))),
	))
	s := r.Figures
	if len(s) != 4 || r.Valid != 4 {
		t.Fatalf("%d sections and %d valid trials: %+v", len(s), r.Valid, s)
	}
	if l := s[1].Lines[0]; l.Served.Median != 500 || l.P50MS.Median != 2100 || l.P99MS.Median != 4200 {
		t.Errorf("the ladder of 1000 clients: %+v", l)
	}
	if l := s[2].Lines[1]; l.Served.Median != 30000 || l.P50MS != nil ||
		math.Abs(*l.RatioToFirst-30000.0/45000) > 1e-9 {
		t.Errorf("the overload: %+v", l)
	}
	for _, title := range []string{
		"wait: one client at a time, p50 and p99 from the actual send (ladder-1)",
		"wait: 1000 clients at once, p50 and p99 from the actual send (ladder-1000)",
		"overload: goodput within 250 ms, at 40000 to 60000 req/s (steady-120%)",
		"gil: peak over 1 connection\n",
	} {
		if !strings.Contains(r.FullText(), title) {
			t.Errorf("%q is not in\n%s", title, r.FullText())
		}
	}
}
