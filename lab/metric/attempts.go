package metric

import (
	"cmp"
	"maps"
	"slices"

	"runtimelab/lab"
)

// Attempt is what decides whether a row counts: its attempt at the trial, and its validity.
type Attempt struct {
	Number   int64
	Validity lab.Validity
}

// IsUsable reports whether rows of the attempt have figures: they are valid or censored.
func (a Attempt) IsUsable() bool { return a.Validity == lab.Valid || a.Validity == lab.Censored }

// Supersedes reports whether a counts instead of held, another attempt at the same trial: the
// last usable attempt does.
func (a Attempt) Supersedes(held Attempt) bool {
	return a.IsUsable() && (!held.IsUsable() || a.Number > held.Number)
}

// Replaces reports whether a row of attempt a, read after a row of held, counts instead of
// it. Rows of one attempt are phases of a trial: where one of them stands for the trial, a
// valid one counts rather than a bound, and otherwise the later one.
func (a Attempt) Replaces(held Attempt) bool {
	if a.Number != held.Number || a.IsUsable() != held.IsUsable() {
		return a.Supersedes(held)
	}
	return a.IsUsable() && (a.Validity == lab.Valid || held.Validity == lab.Censored)
}

// Attempt returns the row's attempt.
func (r Row) Attempt() Attempt {
	number, _ := r.Int("attempt")
	return Attempt{number, lab.Validity(r.Text("validity"))}
}

// IsUsable reports whether the row has figures: it is valid or censored.
func (r Row) IsUsable() bool { return r.Attempt().IsUsable() }

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

// UsableRows returns, for each phase of a trial, the row of the last usable attempt,
// in the order of attempts. A repeated trial counts once.
func UsableRows(rows []Row) (usable []Row) {
	type phaseID struct {
		trial lab.TrialID // with Attempt 0
		name  string
	}
	counting := map[phaseID]int{} // indexes in rows
	for i, r := range rows {
		id := phaseID{r.TrialID(), r.Text("phase")}
		id.trial.Attempt = 0
		held, known := counting[id]
		if !known && r.IsUsable() || known && r.Attempt().Replaces(rows[held].Attempt()) {
			counting[id] = i
		}
	}
	for _, i := range slices.Sorted(maps.Values(counting)) {
		usable = append(usable, rows[i])
	}
	slices.SortStableFunc(usable,
		func(a, b Row) int { return cmp.Compare(a.Attempt().Number, b.Attempt().Number) })
	return usable
}
