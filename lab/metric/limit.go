package metric

import (
	"strings"

	"runtimelab/lab"
)

// MaxSendLagShare is the share of a latency up to which the generator of a valid row may be
// late.
const MaxSendLagShare = 0.05

// FigureForLimit returns the row's value of a metric for the limit of a promise, and which
// bound it is. ok is false if the row has none that counts. Beside throughput, a censored
// row of an open loop has bounds of latencies and failures: the instrument can only have
// added to them, because the schedule is the same whatever it does.
func (r Row) FigureForLimit(m Metric) (value float64, b Bound, ok bool) {
	value, b, ok = r.Figure(m)
	if !ok && r.Attempt().Validity == lab.Censored && r.Text("mode") == openMode && m.instrumentAddsTo() {
		b = AtMost
		value, ok = r.Float(m.Name)
	}
	return value, b, ok
}

// instrumentAddsTo reports whether the metric is one of requests that a slow instrument can
// make larger, and never smaller.
func (m Metric) instrumentAddsTo() bool {
	return m.Name == "error_ratio" || m.IsRequestLatency()
}

// IsRequestLatency reports whether the metric is a latency of requests.
func (m Metric) IsRequestLatency() bool {
	return strings.HasPrefix(m.Name, "latency_") || strings.HasPrefix(m.Name, "first_byte_")
}

// Lateness returns how much of the row's value of a metric may be due to the generator
// although the row is valid. Only latencies that count from the intended send time have any.
// Requests that wait for a connection are late because of the server, so no more than the
// share counts that the gates let pass.
func (r Row) Lateness(m Metric) float64 {
	if !m.IsRequestLatency() || m.Rows != OpenLoopRows && m.Rows != ManyRequestRows {
		return 0
	}
	value, _ := r.Float(m.Name)
	lag, _ := r.Float("send_lag_p99_ms")
	return min(lag, MaxSendLagShare*value)
}

// SentTooLittle returns the share of the row's schedule that was sent, and whether the rest
// is more than failures may be: the load was then less than the phase's.
func (r Row) SentTooLittle() (share float64, tooLittle bool) {
	share, known := r.Float("sent_ratio")
	return share, known && share < 1-MostFailed
}

// ShareOf returns the column that counts what the metric is a share of, or "" if the metric
// is no such share.
func (m Metric) ShareOf() string {
	if m.Name == "error_ratio" {
		return "requests"
	}
	return ""
}
