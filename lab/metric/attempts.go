package metric

import (
	"cmp"
	"slices"

	"runtimelab/lab"
)

// TrialID returns the identity of the row's trial.
func (r Row) TrialID() lab.TrialID {
	number := func(name string) int {
		n, _ := r.Int(name)
		return int(n)
	}
	return lab.TrialID{
		Scenario: r.Text("scenario"), Variant: r.Text("variant"),
		Cores: number("server_cpus"), Block: number("block"), Attempt: number("attempt"),
	}
}

// IsUsable reports whether the row has figures: it is valid or censored.
func (r Row) IsUsable() bool {
	v := lab.Validity(r.Text("validity"))
	return v == lab.Valid || v == lab.Censored
}

// UsableRows returns, for each phase of a trial, the row of the last usable attempt,
// in the order of attempts. A repeated trial counts once.
func UsableRows(rows []Row) (usable []Row) {
	type phaseID struct {
		trial lab.TrialID // with Attempt 0
		name  string
	}
	byAttempt := slices.Clone(rows)
	slices.SortStableFunc(byAttempt,
		func(a, b Row) int { return cmp.Compare(a.TrialID().Attempt, b.TrialID().Attempt) })
	taken := map[phaseID]bool{}
	for _, r := range slices.Backward(byAttempt) {
		id := phaseID{r.TrialID(), r.Text("phase")}
		id.trial.Attempt = 0
		if r.IsUsable() && !taken[id] {
			taken[id] = true
			usable = append(usable, r)
		}
	}
	slices.Reverse(usable)
	return usable
}
