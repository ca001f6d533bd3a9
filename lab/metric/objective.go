package metric

import (
	"fmt"
	"strings"

	"runtimelab/lab"
)

// CheckObjectives says which objectives of a sample's phase were missed, each with the
// value that was seen, and of which nothing is known: a quantile that the count
// does not support shows neither. An SLO that does not limit error_ratio is missed
// where more requests failed than its metrics tolerate: else failing would keep it.
func CheckObjectives(s lab.Sample) (missed, unknown []string) {
	if text := failing(s); text != "" {
		missed = append(missed, text)
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

// failing says that more requests failed than the sample's objectives allow by what
// they are about; empty where one of them says itself how many may.
func failing(s lab.Sample) string {
	ratio, sent := ErrorRatio(s)
	most := 1.0
	for _, o := range s.Phase.Objectives {
		if o.Metric == "error_ratio" && o.Below {
			return ""
		}
		m, _ := Find(o.Metric)
		most = min(most, m.Tolerates())
		if o.Metric == "error_ratio" {
			most = min(most, MostFailed)
		}
	}
	if !sent || len(s.Phase.Objectives) == 0 || ratio <= most {
		return ""
	}
	m, _ := Find("error_ratio")
	return fmt.Sprintf("error_ratio at most %v (%s)", most, m.Format(Number(ratio)))
}

// requestsForQuantile are the requests of which one quantile has a value: ten must lie
// beyond it.
var requestsForQuantile = map[string]int{"p50": 20, "p90": 100, "p99": 1000, "p999": 10_000}

// RequestsNeeded is how many requests an attack must time for each of the objectives to
// have a value.
func RequestsNeeded(objectives []lab.Objective) (requests int) {
	for _, o := range objectives {
		for _, word := range strings.Split(o.Metric, "_") {
			requests = max(requests, requestsForQuantile[word])
		}
	}
	return requests
}
