package account

import "runtimelab/lab"

// CountReadings holds what a database had counted before and after a window of load.
type CountReadings struct{ Before, After lab.DatabaseCounts }

// countsBetween returns what a database counted between two readings, or nil if it was not asked or a
// counter fell.
func countsBetween(r *CountReadings) *lab.DatabaseCounts {
	if r == nil || r.After.Statements < r.Before.Statements || r.After.Rows < r.Before.Rows ||
		r.After.Stored < r.Before.Stored {
		return nil
	}
	return &lab.DatabaseCounts{
		Statements: r.After.Statements - r.Before.Statements,
		Rows:       r.After.Rows - r.Before.Rows,
		Stored:     r.After.Stored - r.Before.Stored,
		Unbalanced: r.After.Unbalanced,
	}
}
