package record

import (
	"strconv"

	"runtimelab/lab"
	"runtimelab/lab/metric"
)

// timelineHeader is the columns of timeline.csv. started_at is that of the row
// in trials.csv, so that the two join on it; a warm-up has that of the first
// phase after it. Latencies are corrected ones in an open loop, raw ones in a
// closed loop, and missing in a second with too few answers for the quantile.
var timelineHeader = []string{
	"run_id", "scenario", "variant", "block", "started_at", "phase", "mode", "second",
	"sent", "succeeded", "failed", "latency_p50_ms", "latency_p99_ms",
}

func timelineRows(s lab.Sample, phase lab.Phase, a *lab.AttackResult) [][]string {
	s.Phase = phase
	row := metric.RowOf(s)
	cell := func(name string) string {
		m, _ := metric.Find(name)
		return m.Format(row[name])
	}
	rows := make([][]string, len(a.Buckets))
	for i, b := range a.Buckets {
		for _, name := range timelineHeader[:7] {
			rows[i] = append(rows[i], cell(name))
		}
		for _, n := range []int64{int64(b.Second), b.Sent, b.Succeeded, b.Failed} {
			rows[i] = append(rows[i], strconv.FormatInt(n, 10))
		}
		rows[i] = append(rows[i], milliseconds("latency_p50_ms", b.P50MS), milliseconds("latency_p99_ms", b.P99MS))
	}
	return rows
}

func milliseconds(column string, ms *float64) string {
	if ms == nil {
		return ""
	}
	m, _ := metric.Find(column)
	return m.Format(metric.Number(*ms))
}
