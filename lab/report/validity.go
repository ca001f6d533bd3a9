package report

import (
	"cmp"
	"fmt"
	"slices"
	"strings"

	"runtimelab/lab"
	"runtimelab/lab/metric"
)

// severity orders validities, the worst first.
var severity = map[lab.Validity]int{lab.Failed: 0, lab.Disturbed: 1, lab.Censored: 2, lab.Valid: 3}

// attempts returns the attempts at trials in the order of their first rows.
func attempts(rows []metric.Row) []Attempt {
	out, index := []Attempt{}, map[lab.TrialID]int{}
	for _, r := range rows {
		id := r.TrialID()
		i, known := index[id]
		if !known {
			i = len(out)
			position, _ := r.Int("position")
			index[id] = i
			out = append(out, Attempt{
				TrialID: id, Position: int(position), StartedAt: r.Text("started_at"), Validity: lab.Valid,
			})
		}
		a, phase := &out[i], PhaseValidity{
			r.Text("phase"), lab.PhaseKind(r.Text("phase_kind")), validity(r), r.Text("validity_reason"),
		}
		a.Phases = append(a.Phases, phase)
		if severity[phase.Validity] < severity[a.Validity] {
			a.Validity = phase.Validity
		}
	}
	return out
}

// InvalidPhases returns a line for each phase that is not valid, worst first: where, validity, reason.
func (r Report) InvalidPhases() []string {
	type invalidPhase struct {
		trial lab.TrialID
		phase PhaseValidity
	}
	var invalid []invalidPhase
	for _, a := range r.Attempts {
		for _, p := range a.Phases {
			if p.Validity != lab.Valid {
				invalid = append(invalid, invalidPhase{a.TrialID, p})
			}
		}
	}
	slices.SortStableFunc(invalid, func(a, b invalidPhase) int {
		return cmp.Compare(severity[a.phase.Validity], severity[b.phase.Validity])
	})
	out := make([]string, len(invalid))
	for i, p := range invalid {
		where := fmt.Sprintf("%s %s block %d %s", p.trial.Scenario, p.trial.Variant, p.trial.Block, p.phase.Phase)
		out[i] = fmt.Sprintf("%s: %s: %s", strings.TrimSpace(where), p.phase.Validity,
			cmp.Or(p.phase.Reason, "no reason recorded"))
	}
	return out
}
