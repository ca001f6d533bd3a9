package metric_test

import (
	"testing"

	"runtimelab/lab"
	"runtimelab/lab/metric"
)

func attempt(variant, phase string, cpus, block, n int64, v lab.Validity) metric.Row {
	return metric.Row{
		"scenario": metric.Text("json"), "variant": metric.Text(variant), "phase": metric.Text(phase),
		"server_cpus": metric.Int(cpus), "block": metric.Int(block), "attempt": metric.Int(n), "validity": metric.Text(string(v)),
	}
}

func TestOfEachPhaseTheLastAttemptThatCountsIsTaken(t *testing.T) {
	for name, c := range map[string]struct {
		rows []metric.Row
		want []int // of rows, in order
	}{
		"repeated": {[]metric.Row{
			attempt("a", "peak", 1, 1, 1, lab.Disturbed),
			attempt("a", "peak", 1, 1, 2, lab.Valid),
		}, []int{1}},
		"in vain": {[]metric.Row{
			attempt("a", "peak", 1, 1, 1, lab.Valid),
			attempt("a", "peak", 1, 1, 2, lab.Disturbed),
		}, []int{0}},
		"failed": {[]metric.Row{
			attempt("a", "peak", 1, 1, 1, lab.Valid),
			attempt("a", "peak", 1, 1, 2, lab.Failed),
		}, []int{0}},
		"a bound": {[]metric.Row{
			attempt("a", "peak", 1, 1, 1, lab.Valid),
			attempt("a", "peak", 1, 1, 2, lab.Censored),
		}, []int{1}},
		"backward": {[]metric.Row{
			attempt("a", "peak", 1, 1, 2, lab.Valid),
			attempt("a", "peak", 1, 1, 1, lab.Valid),
		}, []int{0}},
		"by phase": {[]metric.Row{
			attempt("a", "peak", 1, 1, 1, lab.Disturbed), attempt("a", "steady", 1, 1, 1, lab.Valid),
			attempt("a", "peak", 1, 1, 2, lab.Valid), attempt("a", "steady", 1, 1, 2, lab.Disturbed),
		}, []int{1, 2}},
		"others": {[]metric.Row{
			attempt("a", "peak", 1, 1, 1, lab.Valid), attempt("a", "peak", 2, 1, 1, lab.Valid), attempt("a", "peak", 1,
				2, 1, lab.Valid), attempt("b", "peak", 1, 1, 1, lab.Valid),
		}, []int{0, 1, 2, 3}},
		"nothing": {[]metric.Row{attempt("a", "", 1, 1, 1, lab.Failed)}, nil},
	} {
		got := metric.UsableRows(c.rows)
		if len(got) != len(c.want) {
			t.Errorf("%s: %d rows, want %d", name, len(got), len(c.want))
			continue
		}
		for i, j := range c.want {
			if got[i].TrialID() != c.rows[j].TrialID() || got[i].Text("phase") != c.rows[j].Text("phase") {
				t.Errorf("%s: row %d is %+v %s", name, i, got[i].TrialID(), got[i].Text("phase"))
			}
		}
	}
}

func TestATrialOfARow(t *testing.T) {
	want := lab.TrialID{Scenario: "json", Variant: "a/b", Cores: 2, Block: 3, Attempt: 4}
	if got := attempt("a/b", "peak", 2, 3, 4, lab.Valid).TrialID(); got != want {
		t.Errorf("%+v", got)
	}
}
