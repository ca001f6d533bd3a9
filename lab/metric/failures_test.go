package metric_test

import (
	"math"
	"slices"
	"strings"
	"testing"

	"runtimelab/lab"
	"runtimelab/lab/metric"
)

// A server that fails fast may have a low latency of successes and a high throughput.
func TestCheckObjectivesMissesAnSLOIfTooManyFail(t *testing.T) {
	latency := lab.Objective{Metric: "latency_p99_ms", Below: true, Limit: 50}
	tail := lab.Objective{Metric: "latency_p999_ms", Below: true, Limit: 50}
	longest := lab.Objective{Metric: "latency_max_ms", Below: true, Limit: 50}
	throughput := lab.Objective{Metric: "throughput_rps", Limit: 1000}
	explicit := lab.Objective{Metric: "error_ratio", Below: true, Limit: 0.2}
	for name, c := range map[string]struct {
		failed     int64
		objectives []lab.Objective
		missed     string
	}{
		"9500 of 19000 fail":   {9500, []lab.Objective{latency}, "error_ratio at most 0.001 (0.500000000)"},
		"19 of 19000 fail":     {19, []lab.Objective{latency}, ""},
		"20 of 19000 fail":     {20, []lab.Objective{latency}, "error_ratio at most 0.001 (0.001052632)"},
		"p99.9 tolerates less": {2, []lab.Objective{latency, tail}, "error_ratio at most 0.0001 (0.000105263)"},
		"max tolerates none":   {1, []lab.Objective{longest}, "error_ratio at most 0 (0.000052632)"},
		"none fails":           {0, []lab.Objective{longest}, ""},
		"throughput":           {9500, []lab.Objective{throughput}, "error_ratio at most 0.001 (0.500000000)"},
		"an explicit limit":    {3000, []lab.Objective{latency, explicit}, ""},
		"above an explicit limit": {
			9500, []lab.Objective{latency, explicit}, "error_ratio below 0.2 (0.500000000)",
		},
		"no SLO": {9500, nil, ""},
		"a lower limit of error_ratio": {
			9500,
			[]lab.Objective{{Metric: "error_ratio", Limit: 0.1}},
			"error_ratio at most 0.001 (0.500000000)",
		},
	} {
		s := fullSample()
		s.Attack.Failed, s.Phase.Objectives = c.failed, c.objectives
		missed, unknown := metric.CheckObjectives(s.sample())
		if strings.Join(missed, "; ") != c.missed || len(unknown) > 0 {
			t.Errorf("%s: missed %q, want %q; unknown %q", name, missed, c.missed, unknown)
		}
	}
}

func TestFailuresHaveTheirOwnColumns(t *testing.T) {
	s := fullSample()
	got := cells(s.sample())
	if got["failed_requests"] != "3000" || got["latency_failed_p50_ms"] != "0.125000" {
		t.Errorf("%s failed, with a median of %q ms", got["failed_requests"], got["latency_failed_p50_ms"])
	}
	s.Attack.Failed, s.Attack.Failures = 0, nil
	if got := cells(s.sample()); got["failed_requests"] != "0" || got["latency_failed_p50_ms"] != "" {
		t.Errorf("without failures: %q, %q ms", got["failed_requests"], got["latency_failed_p50_ms"])
	}
	// Fast failures are not better, and error_ratio compares their number.
	for _, m := range metric.Table() {
		if strings.Contains(m.Name, "failed") && m.Better != metric.Neither {
			t.Errorf("%s is compared", m.Name)
		}
	}
}

func TestEveryMetricToleratesAShareOfFailures(t *testing.T) {
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
		t.Error("one in a thousand counts as failing")
	}
	r["error_ratio"] = metric.Number(0.0011)
	if share, failing := r.Fails(p99); !failing || share != 0.0011 {
		t.Errorf("%v, %v", share, failing)
	}
	delete(r, "error_ratio")
	if _, failing := r.Fails(p99); failing {
		t.Error("a row without an attack counts as failing")
	}
}

func TestReadsSchemas4To6(t *testing.T) {
	var read []int64
	for version := int64(0); version < 9; version++ {
		if metric.Reads(version) {
			read = append(read, version)
		}
	}
	if !slices.Equal(read, []int64{4, 5, 6}) || metric.SchemaVersion != 6 {
		t.Errorf("schemas %v are read, %d is written", read, metric.SchemaVersion)
	}
}
