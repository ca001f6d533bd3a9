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
