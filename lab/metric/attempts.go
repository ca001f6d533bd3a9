package metric

import (
	"cmp"
	"slices"

	"runtimelab/lab"
)

// TrialID is the trial that a row is of.
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

// IsUsable reports whether a row has figures to take: it is valid, or a bound.
func (r Row) IsUsable() bool {
	v := lab.Validity(r.Text("validity"))
	return v == lab.Valid || v == lab.Censored
}

// UsableRows are the rows that figures are taken from: of each phase of a trial the
// last attempt that counts. A trial that was repeated thus is one trial, whatever
// its attempts came to. They are in the order of their attempts.
func UsableRows(rows []Row) (counting []Row) {
	type phase struct {
		trial lab.TrialID // whichever attempt
		name  string
	}
	byAttempt := slices.Clone(rows)
	slices.SortStableFunc(byAttempt,
		func(a, b Row) int { return cmp.Compare(a.TrialID().Attempt, b.TrialID().Attempt) })
	taken := map[phase]bool{}
	for _, r := range slices.Backward(byAttempt) {
		of := phase{r.TrialID(), r.Text("phase")}
		of.trial.Attempt = 0
		if r.IsUsable() && !taken[of] {
			taken[of] = true
			counting = append(counting, r)
		}
	}
	slices.Reverse(counting)
	return counting
}
