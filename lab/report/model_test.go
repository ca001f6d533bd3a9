package report_test

import (
	"math"
	"strings"
	"testing"

	"runtimelab/lab"
	"runtimelab/lab/metric"
	"runtimelab/lab/report"
)

func near(t *testing.T, what string, got *float64, want float64) {
	t.Helper()
	if got == nil || math.Abs(*got/want-1) > 1e-4 {
		t.Errorf("%s is %v, want %v", what, got, want)
	}
}

// The values of trials and their mean have the interval of Student's t on the log scale: the
// half-width is 4.3027 ln 2 / √3 for three trials, each twice the one before.
func TestAFigureHasTheValuesOfItsTrials(t *testing.T) {
	rows := []metric.Row{
		peak("a/s", 3, lab.Valid, 400), peak("a/s", 1, lab.Valid, 100), peak("a/s", 2, lab.Failed, 1),
		secondAttempt(peak("a/s", 2, lab.Valid, 200)),
	}
	served := lineOf(t, rows, "a/s").Served
	near(t, "the mean", served.Mean, 200)
	near(t, "its lower end", served.Low, 200*math.Exp(-4.30265*math.Ln2/math.Sqrt(3)))
	near(t, "its upper end", served.High, 200*math.Exp(4.30265*math.Ln2/math.Sqrt(3)))
	want := []report.TrialValue{
		{Block: 1, Attempt: 1, Value: 100}, {Block: 2, Attempt: 2, Value: 200}, {Block: 3, Attempt: 1, Value: 400},
	}
	for i, v := range served.Trials {
		if v != want[i] {
			t.Errorf("value %d is %+v, want %+v", i, v, want[i])
		}
	}
	rows = append(rows, peak("a/s", 4, lab.Censored, 900))
	if bound := lineOf(t, rows, "a/s").Served; bound.Mean != nil || bound.Trials[3].Bound != metric.AtLeast {
		t.Errorf("with a bound: mean %v, values %+v", bound.Mean, bound.Trials)
	}
	if one := lineOf(t, rows[:1], "a/s").Served; one.Mean != nil || one.Low != nil {
		t.Errorf("one trial has a mean of %v", one.Mean)
	}
}

func TestAnAttemptIsAsValidAsTheWorstOfItsPhases(t *testing.T) {
	rows := []metric.Row{
		peak("a/s", 1, lab.Valid, 1), withReason(steady("a/s", 1, lab.Disturbed, 1), "a neighbour"),
		peak("b/s", 1, lab.Censored, 1), steady("b/s", 1, lab.Valid, 1),
		secondAttempt(peak("a/s", 1, lab.Valid, 1)), secondAttempt(steady("a/s", 1, lab.Valid, 1)),
		withReason(row("b/s", 2, "", lab.Failed, nil), "exited"),
	}
	attempts := reportOf(lab.Plan{}, rows).Attempts
	want := []lab.Validity{lab.Disturbed, lab.Censored, lab.Valid, lab.Failed}
	if len(attempts) != len(want) {
		t.Fatalf("%+v", attempts)
	}
	for i, a := range attempts {
		if a.Validity != want[i] {
			t.Errorf("attempt %d is %s, want %s", i, a.Validity, want[i])
		}
	}
	if p := attempts[0].Phases[1]; p.Phase != "steady" || p.Kind != lab.Steady || p.Reason != "a neighbour" {
		t.Errorf("%+v", p)
	}
}

func TestLoadsAreThoseOfOpenLoops(t *testing.T) {
	rows := []metric.Row{
		peak("a/s", 1, lab.Valid, 1), inPhase(steady("a/s", 1, lab.Valid, 0.5), "steady-2500"),
		with(steady("a/s", 2, lab.Disturbed, 9), "goodput_rps", metric.Number(2400)),
		row("a/s", 1, lab.Capacity, lab.Valid, map[string]float64{"offered_rps": 800}),
	}
	loads := reportOf(lab.Plan{}, rows).Loads
	if len(loads) != 2 {
		t.Fatalf("%+v", loads)
	}
	if l := loads[0]; l.Phase != "steady-2500" || l.OfferedRPS != 2500 || *l.P50MS != 0.5 || *l.P99MS != 5 ||
		l.GoodputRPS != nil || l.Validity != lab.Valid {
		t.Errorf("%+v", l)
	}
	if l := loads[1]; l.Validity != lab.Disturbed || *l.GoodputRPS != 2400 || l.Block != 2 {
		t.Errorf("%+v", l)
	}
}

// The short text has the figures of the arms that claims compare, and no others.
func TestShortTextHasTheFiguresThatClaimsUse(t *testing.T) {
	plan, rows := fullRun()
	plan.Hypotheses = plan.Hypotheses[:1] // json peak of node/single and python/uvloop
	plan.UntestedHypotheses = nil
	text := reportOf(plan, rows).Text()
	if !strings.Contains(text, "\njson: peak") || !strings.Contains(text, "\n  python/uvloop ") ||
		strings.Contains(text, "node/express") || strings.Contains(text, "\nscaling") {
		t.Errorf("the figures are not those of the claim:\n%s", text)
	}
	plan.Hypotheses = nil
	if text := reportOf(plan, rows).Text(); !strings.Contains(text, "node/express") {
		t.Errorf("a run without claims has no figures:\n%s", text)
	}
}
