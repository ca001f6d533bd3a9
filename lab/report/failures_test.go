package report_test

import (
	"encoding/json"
	"strings"
	"testing"
	"unicode/utf8"

	"runtimelab/lab"
	"runtimelab/lab/metric"
)

// failing is a run in which one variant fails in its steady phase, in one trial more
// than in the others.
func failing() (lab.Plan, []metric.Row) {
	const n, p = "node/single", "python/uvloop"
	var rows []metric.Row
	for b := int64(1); b <= 6; b++ {
		share := 0.02
		if b == 4 {
			share = 0.032
		}
		rows = append(rows,
			with(peak(n, b, lab.Valid, 60000+500*float64(b)), "error_ratio", metric.Number(0)), with(steady(n, b,
				lab.Valid, 0.2+0.01*float64(b)), "error_ratio", metric.Number(share)),
			with(peak(p, b, lab.Valid, 40000+300*float64(b)), "error_ratio",
				metric.Number(0)), with(steady(p, b, lab.Valid, 0.4+0.01*float64(b)), "error_ratio", metric.Number(0)))
	}
	for _, r := range rows {
		with(r, "server_cpus", metric.Int(1))
	}
	return lab.Plan{
		Profile: lab.Profile{Name: "quick", Blocks: 6},
		Hypotheses: []lab.Hypothesis{
			claims("speed-1", "json", "throughput_rps", lab.Higher, arm(n, "peak"), arm(p, "peak")),
			claims("speed-1", "json", "latency_p50_ms", lab.Lower, arm(n, "steady"), arm(p, "steady")),
			claims("speed-1", "json", "cpu_us_per_request", lab.Higher, arm(p, "steady"), arm(n, "steady")),
		},
	}, rows
}

// Failures are shown wherever there are any: in the table, with the claim, as a doubt.
func TestFailuresAreShown(t *testing.T) {
	plan, rows := failing()
	r := reportOf(plan, rows)
	golden(t, "failing.txt", r.Text())
	golden(t, "failing.md", r.Markdown())
	for form, text := range map[string]string{"text": r.Text(), "Markdown": r.Markdown()} {
		if strings.Count(text, "3.2") < 4 { // a line, two hypotheses, a doubt
			t.Errorf("the %s does not show failures wherever they are:\n%s", form, text)
		}
		for line := range strings.Lines(text) {
			if width := utf8.RuneCountInString(strings.TrimSuffix(line, "\n")); form == "text" && width > 100 {
				t.Errorf("%d characters: %q", width, line)
			}
		}
	}
	text, err := json.Marshal(r.Data())
	if err != nil {
		t.Fatal(err)
	}
	if !strings.Contains(string(text), `"failed_ratio":0.032`) || !strings.Contains(string(text),
		`"failed_ratio":0}`) && !strings.Contains(string(text), `"failed_ratio":0,`) {
		t.Errorf("JSON has no failures: %s", text)
	}
}

// A column of zeros tells nobody anything.
func TestNoFailuresNoColumn(t *testing.T) {
	plan, rows := failing()
	for _, r := range rows {
		with(r, "error_ratio", metric.Number(0))
	}
	if text := reportOf(plan, rows).Text(); strings.Contains(text, "failed") {
		t.Errorf("nothing failed:\n%s", text)
	}
	// One request of a million is shown all the same.
	with(rows[0], "error_ratio", metric.Number(1e-6))
	if text := reportOf(plan, rows).Text(); !strings.Contains(text, "0.0001") {
		t.Errorf("one request failed:\n%s", text)
	}
}

// What failed in trials that do not count is not of the figures.
func TestFailuresAreOfTrialsThatCount(t *testing.T) {
	l := lineOf(t, []metric.Row{
		with(peak("a", 1, lab.Failed, 1), "error_ratio", metric.Number(0.9)), with(peak("a", 2, lab.Disturbed, 1),
			"error_ratio", metric.Number(0.8)),
		with(again(peak("a", 2, lab.Valid, 1)), "error_ratio",
			metric.Number(0.1)), with(peak("a", 3, lab.Censored, 1), "error_ratio", metric.Number(0.2)),
		with(steady("a", 3, lab.Valid, 1), "error_ratio", metric.Number(0.3)),
	}, "a")
	if l.Failed == nil || *l.Failed != 0.3 {
		t.Errorf("failed %v, want the worst of a load of a trial that counts", l.Failed)
	}
	if l := lineOf(t, []metric.Row{with(peak("a", 1, lab.Failed, 1), "error_ratio", metric.Number(1))},
		"a"); l.Failed != nil {
		t.Errorf("failed %v of no trial", *l.Failed)
	}
}
