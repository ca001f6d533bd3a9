package metric_test

import (
	"math"
	"slices"
	"strings"
	"testing"

	"runtimelab/lab"
	"runtimelab/lab/metric"
)

// A server must not keep an SLO by failing fast: the latency of its successes is low
// then, and its throughput may be high.
func TestAnSLOIsNotMetByFailing(t *testing.T) {
	latency := lab.Objective{Metric: "latency_p99_ms", Below: true, Limit: 50}
	tail := lab.Objective{Metric: "latency_p999_ms", Below: true, Limit: 50}
	longest := lab.Objective{Metric: "latency_max_ms", Below: true, Limit: 50}
	throughput := lab.Objective{Metric: "throughput_rps", Limit: 1000}
	promised := lab.Objective{Metric: "error_ratio", Below: true, Limit: 0.2}
	for name, c := range map[string]struct {
		failed     int64
		objectives []lab.Objective
		missed     string
	}{
		"half fail":               {9500, []lab.Objective{latency}, "error_ratio at most 0.001 (0.500000000)"},
		"one in a thousand fails": {19, []lab.Objective{latency}, ""},
		"one more":                {20, []lab.Objective{latency}, "error_ratio at most 0.001 (0.001052632)"},
		"the tail is deeper": {
			2,
			[]lab.Objective{latency, tail},
			"error_ratio at most 0.0001 (0.000105263)",
		},
		"the longest is all of it": {1, []lab.Objective{longest}, "error_ratio at most 0 (0.000052632)"},
		"none fails":               {0, []lab.Objective{longest}, ""},
		"throughput": {
			9500,
			[]lab.Objective{throughput},
			"error_ratio at most 0.001 (0.500000000)",
		},
		"an SLO that says how many": {3000, []lab.Objective{latency, promised}, ""},
		"more than that": {
			9500,
			[]lab.Objective{latency, promised},
			"error_ratio below 0.2 (0.500000000)",
		},
		"no SLO, so none is missed": {9500, nil, ""},
		"above is no promise of any": {
			9500,
			[]lab.Objective{{Metric: "error_ratio", Limit: 0.1}},
			"error_ratio at most 0.001 (0.500000000)",
		},
	} {
		s := steady()
		s.Attack.Failed, s.Phase.Objectives = c.failed, c.objectives
		missed, unknown := metric.CheckObjectives(s)
		if strings.Join(missed, "; ") != c.missed || len(unknown) > 0 {
			t.Errorf("%s: missed %q, want %q; unknown %q", name, missed, c.missed, unknown)
		}
	}
}

func TestFailuresAreColumnsOfTheirOwn(t *testing.T) {
	s := steady()
	got := cells(s)
	if got["failed_requests"] != "3000" || got["latency_failed_p50_ms"] != "0.125000" {
		t.Errorf("%s failed, with a median of %q ms", got["failed_requests"], got["latency_failed_p50_ms"])
	}
	s.Attack.Failed, s.Attack.Failures = 0, nil
	if got := cells(s); got["failed_requests"] != "0" || got["latency_failed_p50_ms"] != "" {
		t.Errorf("where none failed: %q, %q ms", got["failed_requests"], got["latency_failed_p50_ms"])
	}
	// That failures are fast is no merit, and that they are few is error_ratio.
	for _, m := range metric.Table() {
		if strings.Contains(m.Name, "failed") && m.Better != metric.Neither {
			t.Errorf("%s is compared", m.Name)
		}
	}
}

// Whatever can be compared says how many failures it bears.
func TestWhatAMetricTolerates(t *testing.T) {
	for _, m := range metric.Table() {
		want := metric.MostFailed
		switch m.Name {
		case "error_ratio":
			want = math.Inf(1)
		case "latency_p999_ms":
			want = metric.MostFailed / 10
		case "latency_max_ms":
			want = 0
		}
		if got := m.Tolerates(); got != want {
			t.Errorf("%s tolerates %v, want %v", m.Name, got, want)
		}
	}
	r := metric.Row{"error_ratio": metric.Number(0.001)}
	p99, _ := metric.Find("latency_p99_ms")
	if _, failing := r.Fails(p99); failing {
		t.Error("one in a thousand is failing")
	}
	r["error_ratio"] = metric.Number(0.0011)
	if share, failing := r.Fails(p99); !failing || share != 0.0011 {
		t.Errorf("%v, %v", share, failing)
	}
	delete(r, "error_ratio")
	if _, failing := r.Fails(p99); failing {
		t.Error("a row without an attack is failing")
	}
}

func TestSchemasThatAreRead(t *testing.T) {
	var read []int64
	for version := int64(0); version < 9; version++ {
		if metric.Reads(version) {
			read = append(read, version)
		}
	}
	if !slices.Equal(read, []int64{4, 5}) || metric.SchemaVersion != 5 {
		t.Errorf("schemas %v are read, %d is written", read, metric.SchemaVersion)
	}
}
