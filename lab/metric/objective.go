package metric

import (
	"fmt"
	"strings"

	"runtimelab/lab"
)

// CheckObjectives returns the objectives of the sample's phase that were missed, with
// their values, and the metrics that have no value. An SLO without a limit of error_ratio
// is missed if more requests failed than its metrics tolerate. Otherwise a server could
// meet it by failing.
func CheckObjectives(s lab.Sample) (missed, unknown []string) {
	if tooMany := tooManyFailures(s); tooMany != "" {
		missed = append(missed, tooMany)
	}
	for _, o := range s.Phase.Objectives {
		m, known := Find(o.Metric)
		if !known {
			unknown = append(unknown, o.Metric)
			continue
		}
		value, ok := m.Extract(s).Float()
		switch {
		case !ok:
			unknown = append(unknown, o.Metric)
		case o.Below && value >= o.Limit, !o.Below && value <= o.Limit:
			missed = append(missed, fmt.Sprintf("%s (%s)", o, m.Format(Number(value))))
		}
	}
	return missed, unknown
}

// tooManyFailures returns a missed objective if more requests failed than the metrics of
// the sample's objectives tolerate, or "". An explicit limit of error_ratio takes its
// place.
func tooManyFailures(s lab.Sample) string {
	if s.Measured == nil {
		return ""
	}
	ratio, sent := ErrorRatio(*s.Measured)
	limit := 1.0
	for _, o := range s.Phase.Objectives {
		if o.Metric == "error_ratio" && o.Below {
			return ""
		}
		m, _ := Find(o.Metric)
		limit = min(limit, m.Tolerates())
		if o.Metric == "error_ratio" {
			limit = min(limit, MostFailed)
		}
	}
	if !sent || len(s.Phase.Objectives) == 0 || ratio <= limit {
		return ""
	}
	m, _ := Find("error_ratio")
	return fmt.Sprintf("error_ratio at most %v (%s)", limit, m.Format(Number(ratio)))
}

// requestsForQuantile maps each quantile to the least number of requests that it needs:
// ten must lie beyond it.
var requestsForQuantile = map[string]int{"p50": 20, "p90": 100, "p99": 1000, "p999": 10_000}

// RequestsNeeded returns how many requests an attack must time for all objectives to have
// values.
func RequestsNeeded(objectives []lab.Objective) (requests int) {
	for _, o := range objectives {
		for _, word := range strings.Split(o.Metric, "_") {
			requests = max(requests, requestsForQuantile[word])
		}
	}
	return requests
}
