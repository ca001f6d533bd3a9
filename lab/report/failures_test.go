package report_test

import (
	"encoding/json"
	"strings"
	"testing"
	"unicode/utf8"

	"runtimelab/lab"
	"runtimelab/lab/metric"
)

// withFailed sets the share of failed requests of a row.
func withFailed(r metric.Row, share float64) metric.Row {
	return with(r, "error_ratio", metric.Number(share))
}

// failingRun returns a run in which requests of one variant's steady phase fail, most in block 4.
func failingRun() (lab.Plan, []metric.Row) {
	const n, p = "node/single", "python/uvloop"
	var rows []metric.Row
	for b := int64(1); b <= 6; b++ {
		share := 0.02
		if b == 4 {
			share = 0.032
		}
		rows = append(rows,
			withFailed(peak(n, b, lab.Valid, 60000+500*float64(b)), 0),
			withFailed(steady(n, b, lab.Valid, 0.2+0.01*float64(b)), share),
			withFailed(peak(p, b, lab.Valid, 40000+300*float64(b)), 0),
			withFailed(steady(p, b, lab.Valid, 0.4+0.01*float64(b)), 0))
	}
	for _, r := range rows {
		with(r, "server_cpus", metric.Int(1))
	}
	return withClaims(lab.Plan{
		Profile: lab.Profile{Name: "quick", Blocks: 6},
		Hypotheses: []lab.Hypothesis{
			hypothesis("speed-1", "json", "throughput_rps", lab.Higher, arm(n, "peak"), arm(p, "peak")),
			hypothesis("speed-1", "json", "latency_p50_ms", lab.Lower, arm(n, "steady"), arm(p, "steady")),
			hypothesis("speed-1", "json", "cpu_us_per_request", lab.Higher, arm(p, "steady"), arm(n, "steady")),
		},
	}), rows
}

// Failures must appear in the table, with each hypothesis, and as a doubt.
func TestReportShowsFailures(t *testing.T) {
	plan, rows := failingRun()
	r := reportOf(plan, rows)
	golden(t, "failing.txt", r.FullText())
	golden(t, "failing.md", r.Markdown())
	for form, text := range map[string]string{"text": r.FullText(), "Markdown": r.Markdown()} {
		if strings.Count(text, "3.2") < 4 { // a line of the table, two hypotheses, a doubt
			t.Errorf("the %s does not show all failures:\n%s", form, text)
		}
		for line := range strings.Lines(text) {
			if width := utf8.RuneCountInString(strings.TrimSuffix(line, "\n")); form == "text" && width > 100 {
				t.Errorf("%d characters: %q", width, line)
			}
		}
	}
	text, err := json.Marshal(r)
	if err != nil {
		t.Fatal(err)
	}
	for _, want := range []string{`"failed_ratio":0.032}`, `"failed_ratio":0}`} {
		if !strings.Contains(string(text), want) {
			t.Errorf("%s is not in the JSON: %s", want, text)
		}
	}
}

func TestTableHasNoColumnOfFailuresWithoutFailures(t *testing.T) {
	plan, rows := failingRun()
	for _, r := range rows {
		withFailed(r, 0)
	}
	if text := reportOf(plan, rows).FullText(); strings.Contains(text, "failed") {
		t.Errorf("nothing failed, but the report has\n%s", text)
	}
	// One request of a million must appear.
	withFailed(rows[0], 1e-6)
	if text := reportOf(plan, rows).FullText(); !strings.Contains(text, "0.0001") {
		t.Errorf("one request failed, but the report has\n%s", text)
	}
}

func TestFailuresComeFromTrialsThatCount(t *testing.T) {
	l := lineOf(t, []metric.Row{
		withFailed(peak("a", 1, lab.Failed, 1), 0.9),
		withFailed(peak("a", 2, lab.Disturbed, 1), 0.8),
		withFailed(secondAttempt(peak("a", 2, lab.Valid, 1)), 0.1),
		withFailed(peak("a", 3, lab.Censored, 1), 0.2),
		withFailed(steady("a", 3, lab.Valid, 1), 0.3),
	}, "a")
	if l.Failed == nil || *l.Failed != 0.3 {
		t.Errorf("failed %v, want 0.3, the worst of the trials that count", l.Failed)
	}
	l = lineOf(t, []metric.Row{withFailed(peak("a", 1, lab.Failed, 1), 1)}, "a")
	if l.Failed != nil {
		t.Errorf("failed %v without a trial that counts, want nil", *l.Failed)
	}
}
