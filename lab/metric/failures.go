package metric

import (
	"fmt"
	"math"
	"strings"

	"runtimelab/lab"
)

// MostFailed is the share of a trial's requests that may fail before no finding may
// favour its arm: one in a thousand. Latencies are of successes, so that failing the
// slowest requests improves a tail. At one in a thousand the 99th percentile of the
// successes is at worst the 98.9th of all requests: a tenth of what lies beyond it
// is missing, which is less than a tail varies by from trial to trial. It is also by
// how much two error ratios must differ for compare to tell them apart.
const MostFailed = 0.001

// Tolerates returns the error_ratio up to which a value of the metric may be held in
// a server's favour: MostFailed, and where a tail is deeper than the 99th percentile
// again a tenth of what lies beyond it. Of error_ratio it has no end: failures are what
// that counts.
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

// Percent writes a share of requests as a percentage, in two digits that count:
// "3.2 %".
func Percent(share float64) string {
	if share >= 0.1 {
		return fmt.Sprintf("%.0f %%", 100*share)
	}
	return fmt.Sprintf("%.2g %%", 100*share)
}

// failedRequests is how many requests of an attack failed.
func failedRequests(a lab.AttackResult) Value { return Int(a.Failed) }

func failed(of func(lab.Latency) *float64) func(lab.Sample) Value {
	return latencyBelowOverload(func(a lab.AttackResult) *lab.Latency { return a.Failures }, of)
}
