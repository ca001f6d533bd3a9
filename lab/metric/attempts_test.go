package metric_test

import (
	"testing"

	"runtimelab/lab"
	"runtimelab/lab/metric"
)

// attempt returns a row of the n-th attempt at a trial.
func attempt(variant, phase string, cpus, block, n int64, v lab.Validity) metric.Row {
	return metric.Row{
		"scenario": metric.Text("json"), "variant": metric.Text(variant), "phase": metric.Text(phase),
		"server_cpus": metric.Int(cpus), "block": metric.Int(block), "attempt": metric.Int(n),
		"validity": metric.Text(string(v)),
	}
}

func TestUsableRowsTakesTheLastUsableAttemptOfEachPhase(t *testing.T) {
	for name, c := range map[string]struct {
		rows []metric.Row
		want []int // indices of rows, in order
	}{
		"the second is valid": {[]metric.Row{
			attempt("a", "peak", 1, 1, 1, lab.Disturbed),
			attempt("a", "peak", 1, 1, 2, lab.Valid),
		}, []int{1}},
		"the second is disturbed": {[]metric.Row{
			attempt("a", "peak", 1, 1, 1, lab.Valid),
			attempt("a", "peak", 1, 1, 2, lab.Disturbed),
		}, []int{0}},
		"the second failed": {[]metric.Row{
			attempt("a", "peak", 1, 1, 1, lab.Valid),
			attempt("a", "peak", 1, 1, 2, lab.Failed),
		}, []int{0}},
		"the second is a bound": {[]metric.Row{
			attempt("a", "peak", 1, 1, 1, lab.Valid),
			attempt("a", "peak", 1, 1, 2, lab.Censored),
		}, []int{1}},
		"rows in reverse order": {[]metric.Row{
			attempt("a", "peak", 1, 1, 2, lab.Valid),
			attempt("a", "peak", 1, 1, 1, lab.Valid),
		}, []int{0}},
		"each phase by itself": {[]metric.Row{
			attempt("a", "peak", 1, 1, 1, lab.Disturbed), attempt("a", "steady", 1, 1, 1, lab.Valid),
			attempt("a", "peak", 1, 1, 2, lab.Valid), attempt("a", "steady", 1, 1, 2, lab.Disturbed),
		}, []int{1, 2}},
		"different trials": {[]metric.Row{
			attempt("a", "peak", 1, 1, 1, lab.Valid), attempt("a", "peak", 2, 1, 1, lab.Valid),
			attempt("a", "peak", 1, 2, 1, lab.Valid), attempt("b", "peak", 1, 1, 1, lab.Valid),
		}, []int{0, 1, 2, 3}},
		"phases of different attempts in the order of attempts": {[]metric.Row{
			attempt("a", "peak", 1, 1, 2, lab.Valid), attempt("a", "steady", 1, 1, 1, lab.Valid),
		}, []int{1, 0}},
		"no usable row": {[]metric.Row{attempt("a", "", 1, 1, 1, lab.Failed)}, nil},
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

func TestTrialIDReadsTheRow(t *testing.T) {
	want := lab.TrialID{Scenario: "json", Variant: "a/b", Cores: 2, Block: 3, Attempt: 4}
	if got := attempt("a/b", "peak", 2, 3, 4, lab.Valid).TrialID(); got != want {
		t.Errorf("%+v", got)
	}
}

// Of two attempts the last usable one counts. Of the phases of one attempt a valid one does rather
// than a bound, and otherwise the later one.
func TestTheLastUsableAttemptReplacesOthers(t *testing.T) {
	of := func(n int64, v lab.Validity) metric.Attempt { return metric.Attempt{Number: n, Validity: v} }
	for _, c := range []struct {
		row, held            metric.Attempt
		supersedes, replaces bool
	}{
		{of(1, lab.Valid), of(1, lab.Disturbed), true, true},
		{of(1, lab.Censored), of(1, lab.Failed), true, true},
		{of(1, lab.Valid), of(2, lab.Disturbed), true, true},
		{of(2, lab.Valid), of(1, lab.Valid), true, true},
		{of(2, lab.Censored), of(1, lab.Valid), true, true},
		{of(1, lab.Valid), of(2, lab.Censored), false, false},
		{of(2, lab.Disturbed), of(1, lab.Valid), false, false},
		{of(2, lab.Failed), of(1, lab.Censored), false, false},
		{of(2, lab.Failed), of(1, lab.Disturbed), false, false},
		{of(1, lab.Failed), of(1, lab.Failed), false, false},
		{of(1, lab.Valid), of(1, lab.Valid), false, true},
		{of(1, lab.Valid), of(1, lab.Censored), false, true},
		{of(1, lab.Censored), of(1, lab.Censored), false, true},
		{of(1, lab.Censored), of(1, lab.Valid), false, false},
		{of(1, lab.Valid), metric.Attempt{}, true, true},
		{of(0, lab.Disturbed), metric.Attempt{}, false, false},
	} {
		if c.row.Supersedes(c.held) != c.supersedes || c.row.Replaces(c.held) != c.replaces {
			t.Errorf("%v after %v: supersedes %v, replaces %v",
				c.row, c.held, c.row.Supersedes(c.held), c.row.Replaces(c.held))
		}
	}
}
