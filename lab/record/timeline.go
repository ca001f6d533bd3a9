package record

import (
	"slices"
	"strconv"

	"runtimelab/lab"
	"runtimelab/lab/metric"
)

// timelineHeader holds the columns of timeline.csv. started_at is as in trials.csv, so that the two
// tables can be joined; a warm-up has that of the first phase after it. Latencies are corrected in
// an open loop and raw in a closed loop. They are empty in a second with too few responses for the
// quantile.
var timelineHeader = []string{
	"run_id", "scenario", "variant", "block", "started_at", "phase", "mode", "second",
	"sent", "succeeded", "failed", "latency_p50_ms", "latency_p99_ms",
}

// timelineRows returns one row for each one-second bucket of an attack in a phase of a sample's
// trial.
func timelineRows(s lab.Sample, phase lab.Phase, a lab.AttackResult) [][]string {
	var identity []string
	for _, name := range timelineHeader[:5] {
		m, _ := metric.Find(name)
		identity = append(identity, m.Format(m.Extract(s)))
	}
	identity = append(identity, phase.ID(), metric.LoopMode(phase.Kind))
	rows := make([][]string, len(a.Buckets))
	for i, b := range a.Buckets {
		rows[i] = slices.Clone(identity)
		for _, n := range []int64{int64(b.Second), b.Sent, b.Succeeded, b.Failed} {
			rows[i] = append(rows[i], strconv.FormatInt(n, 10))
		}
		rows[i] = append(rows[i], milliseconds("latency_p50_ms", b.P50MS), milliseconds("latency_p99_ms", b.P99MS))
	}
	return rows
}

// milliseconds formats a latency as its column does, or returns "" if there is none.
func milliseconds(column string, ms *float64) string {
	if ms == nil {
		return ""
	}
	m, _ := metric.Find(column)
	return m.Format(metric.Number(*ms))
}

// Second is one second of an attack, read back.
type Second struct {
	Trial lab.TrialID
	Phase string // "warmup", or the name of the measured phase
	Mode  string // "open" or "closed"
	lab.Bucket
}

// EachSecond calls each for every row of timeline.csv that belongs to a trial with rows.
func (r *StoredRun) EachSecond(each func(Second) error) error {
	type attack struct {
		scenario, variant string
		block             int
		startedAt         string
	}
	trials := make(map[attack]lab.TrialID)
	for _, row := range r.Rows {
		id := row.TrialID()
		trials[attack{id.Scenario, id.Variant, id.Block, row.Text("started_at")}] = id
	}
	return r.eachRecord(TimelineFile, func(row *storedRecord) error {
		key := attack{
			row.text("scenario"), row.text("variant"), int(row.integer("block")), row.text("started_at"),
		}
		id, known := trials[key]
		if !known {
			return nil
		}
		return each(Second{
			Trial: id, Phase: row.text("phase"), Mode: row.text("mode"),
			Bucket: lab.Bucket{
				Second: int(row.integer("second")), Sent: row.integer("sent"),
				Succeeded: row.integer("succeeded"), Failed: row.integer("failed"),
				P50MS: row.number("latency_p50_ms"), P99MS: row.number("latency_p99_ms"),
			},
		})
	})
}
