package metric

import (
	"fmt"
	"math"
	"strings"

	"runtimelab/lab"
)

// MostFailed is the share of a trial's requests that may fail for a finding to favour
// its arm: one in a thousand. Latencies are those of successes, so failing the slowest
// requests improves a tail. At this share the 99th percentile of the successes is at
// worst the 98.9th of all requests. A tenth of the requests beyond it is then missing,
// which changes a tail by less than it varies between trials. It is also the least
// difference between two error ratios that compare reports.
const MostFailed = 0.001

// Tolerates returns the error_ratio up to which a value of the metric may count in a
// server's favour. It is MostFailed, or a tenth of the requests beyond a tail that is
// deeper than the 99th percentile. For error_ratio itself it is infinite: failures are
// what that metric measures.
func (m Metric) Tolerates() float64 {
	switch {
	case m.Name == "error_ratio":
		return math.Inf(1)
	case strings.HasSuffix(m.Name, "_p999_ms"):
		return MostFailed / 10
	case m.Group == Latency && strings.HasSuffix(m.Name, "_max_ms"):
		return 0
	}
	return MostFailed
}

// Fails returns the share of the row's requests that failed, and whether it is more
// than the metric tolerates.
func (r Row) Fails(m Metric) (share float64, failing bool) {
	share, _ = r.Float("error_ratio")
	return share, share > m.Tolerates()
}

// Percent formats a share of requests as a percentage with two significant digits:
// "3.2 %".
func Percent(share float64) string {
	if share >= 0.1 {
		return fmt.Sprintf("%.0f %%", 100*share)
	}
	return fmt.Sprintf("%.2g %%", 100*share)
}

// failedRequests returns how many requests of an attack failed.
func failedRequests(a lab.AttackResult) Value { return Int(a.Failed) }

// failureLatency extracts a quantile of the latency of failures.
func failureLatency(quantile func(lab.Latency) *float64) source {
	return latencyBelowOverload(func(a lab.AttackResult) *lab.Latency { return a.Failures }, quantile)
}
