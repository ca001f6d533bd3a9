package report

import (
	"runtimelab/lab"
	"runtimelab/lab/metric"
)

// traits returns those of the row's phase; they are zero without a phase.
func traits(r metric.Row) lab.PhaseTraits { return lab.PhaseKind(r.Text("phase_kind")).Traits() }

func isOpen(r metric.Row) bool { return traits(r).Pacing == lab.OpenLoop && !isSearch(r) }

func isSearch(r metric.Row) bool { return traits(r).FindsCapacity() }

func isClosed(r metric.Row) bool {
	t := traits(r)
	return t.Kind != "" && t.Pacing != lab.OpenLoop && !t.Discarded
}

func validity(r metric.Row) lab.Validity { return lab.Validity(r.Text("validity")) }

// countTrials returns how many trials were measured, each attempt counted, and in how many of them
// every phase is valid or a bound.
func countTrials(rows []metric.Row) (usable, all int) {
	unusable := map[lab.TrialID]bool{}
	for _, r := range rows {
		unusable[r.TrialID()] = unusable[r.TrialID()] || !r.IsUsable()
	}
	for _, bad := range unusable {
		if !bad {
			usable++
		}
	}
	return usable, len(unusable)
}

func filterRows(rows []metric.Row, wanted func(metric.Row) bool) (out []metric.Row) {
	for _, r := range rows {
		if wanted(r) {
			out = append(out, r)
		}
	}
	return out
}
