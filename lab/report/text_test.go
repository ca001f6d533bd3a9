package report_test

import (
	"strings"
	"testing"
	"unicode/utf8"

	"runtimelab/lab"
	"runtimelab/lab/metric"
)

func TestShortTextGolden(t *testing.T) {
	plan, rows := fullRun()
	failedPlan, failedRows := failingRun()
	broken, brokenRows := fullRun()
	for _, row := range brokenRows {
		if row.Text("variant") == lab.TwinOf("node/single") {
			rps, _ := row.Float("throughput_rps")
			row["throughput_rps"] = metric.Number(0.8 * rps)
		}
	}
	for name, r := range map[string]interface{ Text() string }{
		"claims": reportOf(plan, rows), "failing": reportOf(failedPlan, failedRows),
		"smoke": reportOf(lab.Plan{}, smokeRun()), "nothing": reportOf(lab.Plan{}, nil),
		"control-failed": reportOf(broken, brokenRows),
	} {
		text := r.Text()
		golden(t, "short-"+name+".txt", text)
		if n := strings.Count(text, "\n"); n > 40 {
			t.Errorf("%s has %d lines", name, n)
		}
		for line := range strings.Lines(text) {
			if n := utf8.RuneCountInString(strings.TrimSuffix(line, "\n")); n > 100 {
				t.Errorf("%s: %d characters: %q", name, n, line)
			}
		}
	}
}

// The short text has whole doubts: as many as fit, and the first in any case.
func TestShortTextHasWholeDoubts(t *testing.T) {
	plan, rows := fullRun()
	r := reportOf(plan, rows)
	drift := lab.Reason{Kind: lab.Drift, Count: 9, Total: 20, Limit: 0.1}
	for range 9 {
		place := lab.Part{Name: "scenario node/worker-threads ladder-integers-2", Count: 2}
		drift.Parts = append(drift.Parts, place)
	}
	r.Doubts = []lab.Reason{drift, drift, drift, drift, drift}
	text := r.Text()
	if n := strings.Count(text, "\n"); n > 40 {
		t.Errorf("%d lines", n)
	}
	if strings.Contains(text, "…") {
		t.Errorf("something is cut:\n%s", text)
	}
	words := strings.Join(strings.Fields(text), " ")
	if n := strings.Count(words, "(2), 8 more"); n != 3 || !strings.Contains(words, "2 more doubts lab") &&
		!strings.Contains(words, "2 more doubts served") {
		t.Errorf("%d whole doubts, want 3 of 5:\n%s", n, text)
	}
}
