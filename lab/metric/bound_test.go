package metric_test

import (
	"slices"
	"testing"

	"runtimelab/lab"
	"runtimelab/lab/metric"
)

var bounds = []metric.Bound{metric.Exact, metric.AtLeast, metric.AtMost, metric.Open}

func TestBoundsOfProductsOpenTheSidesOfBoth(t *testing.T) {
	for _, a := range bounds {
		for _, b := range bounds {
			p := a.Times(b)
			if p.OpensLow() != (a.OpensLow() || b.OpensLow()) || p.OpensHigh() != (a.OpensHigh() || b.OpensHigh()) {
				t.Errorf("%q times %q is %q", a, b, p)
			}
		}
		if i := a.Inverse(); i.OpensLow() != a.OpensHigh() || i.OpensHigh() != a.OpensLow() {
			t.Errorf("the reciprocal of %q is %q", a, i)
		}
	}
	if metric.AtLeast.OpensLow() || !metric.AtLeast.OpensHigh() || metric.Exact.OpensHigh() {
		t.Error(">= must open the high side only, a value none")
	}
}

// Only completed work has a lower bound: a censored server may have answered more. Other metrics
// of a censored row say nothing, and no metric of a disturbed or failed row does.
func TestWhichValuesCountAndAreBounds(t *testing.T) {
	throughput := []string{"throughput_rps", "goodput_rps", "capacity_rps"}
	for _, m := range metric.Table() {
		isThroughput := slices.Contains(throughput, m.Name)
		for _, c := range []struct {
			validity lab.Validity
			counts   bool
			bound    metric.Bound
		}{
			{lab.Valid, true, metric.Exact},
			{lab.Censored, isThroughput, metric.AtLeast},
			{lab.Disturbed, false, metric.Exact},
			{lab.Failed, false, metric.Exact},
			{"", false, metric.Exact},
		} {
			bound, counts := m.Bound(c.validity)
			if counts != c.counts || counts && bound != c.bound {
				t.Errorf("%s of a row that is %q: bound %q, counts %v", m.Name, c.validity, bound, counts)
			}
			row := metric.Row{"validity": metric.Text(string(c.validity))}
			if _, _, ok := row.Figure(m); ok {
				t.Errorf("%s is missing and has a figure", m.Name)
			}
			row[m.Name] = metric.Number(2)
			if m.Name == "validity" {
				continue
			}
			if value, b, ok := row.Figure(m); ok != c.counts || ok && (b != c.bound || value != 2) {
				t.Errorf("%s of a row that is %q: %v, bound %q, %v", m.Name, c.validity, value, b, ok)
			}
		}
	}
}

func TestTheFigureOfAFailingServerIsAtBestTheMeasuredOne(t *testing.T) {
	for name, want := range map[string]metric.Bound{
		"throughput_rps": metric.AtMost, "latency_p99_ms": metric.AtLeast, "error_ratio": metric.AtLeast,
		"connections": metric.Open,
	} {
		if m, _ := metric.Find(name); m.FailingBound() != want {
			t.Errorf("%s: %q, want %q", name, m.FailingBound(), want)
		}
	}
}
