package gate

import (
	"strings"
	"testing"

	"runtimelab/lab"
)

// shopSample is a sample of a phase whose requests are two readings and an order, in turn: of 7 hits
// that were sent the last is a reading.
func shopSample(counts lab.DatabaseCounts) lab.Sample {
	reading := lab.Request{DatabaseWork: lab.DatabaseWork{Statements: 1}}
	order := lab.Request{DatabaseWork: lab.DatabaseWork{Statements: 5, Stores: 1}}
	return lab.Sample{
		Subject: lab.Subject{Scenario: lab.Scenario{Requests: []lab.Request{reading, order, reading}}},
		Measured: &lab.Window{
			Attack: lab.AttackResult{HitCounts: lab.HitCounts{Intended: 7, Sent: 7, Succeeded: 7}},
			Accounts: lab.Accounts{Beside: []lab.ServiceAccount{
				{Role: lab.RoleDatabase, Name: "postgres", Counts: &counts},
			}},
		},
	}
}

func TestOtherDatabaseWorkIsFound(t *testing.T) {
	right := lab.DatabaseCounts{Statements: 15, Stored: 2}
	for name, c := range map[string]struct {
		change func(*lab.Sample, *lab.DatabaseCounts)
		want   string // "": nothing is wrong
	}{
		"the right work": {func(*lab.Sample, *lab.DatabaseCounts) {}, ""},
		"answers from a cache": {
			func(_ *lab.Sample, c *lab.DatabaseCounts) { c.Statements = 12 },
			"the server sent 12 statements to the tables of the database postgres for 7 answers, which take 15",
		},
		"twenty queries in the place of one": {
			func(_ *lab.Sample, c *lab.DatabaseCounts) { c.Statements = 15 + 5*19 },
			"the server sent 110 statements",
		},
		"one statement too many": {
			func(_ *lab.Sample, c *lab.DatabaseCounts) { c.Statements++ },
			"sent 16 statements",
		},
		"an order that is not stored": {
			func(_ *lab.Sample, c *lab.DatabaseCounts) { c.Stored = 1 },
			"the database postgres stored 1 orders for 7 answers, which store 2",
		},
		"an order that nobody asked for": {
			func(_ *lab.Sample, c *lab.DatabaseCounts) { c.Stored = 3 },
			"stored 3 orders",
		},
		"books that do not balance": {
			func(_ *lab.Sample, c *lab.DatabaseCounts) {
				c.Unbalanced = map[string]int64{"orders_without_lines": 2, "lines_elsewhere": 1}
			},
			"the books of the database postgres do not balance: 1 lines elsewhere, 2 orders without lines",
		},
		"a hit that failed after its work": {func(s *lab.Sample,
			_ *lab.DatabaseCounts,
		) {
			s.Measured.Attack.Succeeded = 6
		}, ""},
		"a hit that failed before its work": {
			func(s *lab.Sample, c *lab.DatabaseCounts) {
				s.Measured.Attack.Succeeded, c.Statements, c.Stored = 6, 10, 1
			}, "",
		},
		"more missing than a failed hit takes": {
			func(s *lab.Sample, c *lab.DatabaseCounts) { s.Measured.Attack.Succeeded, c.Statements = 6, 9 },
			"which take 10 to 15",
		},
		"hits that were not sent": {
			func(s *lab.Sample, c *lab.DatabaseCounts) { s.Measured.Attack.Intended, c.Statements = 8, 19 }, "",
		},
		"a phase with its own requests": {
			func(s *lab.Sample, _ *lab.DatabaseCounts) { s.Phase.Requests = s.Scenario.Requests[:1] },
			"which take 7",
		},
		"requests that no workload knows": {
			func(s *lab.Sample, _ *lab.DatabaseCounts) { s.Phase.Requests = []lab.Request{{Path: "/other"}} }, "",
		},
		"a database that is not asked": {
			func(s *lab.Sample, _ *lab.DatabaseCounts) { s.Measured.Accounts.Beside[0].Counts = nil }, "",
		},
	} {
		counts := right
		s := shopSample(counts)
		c.change(&s, &counts)
		if s.Measured.Accounts.Beside[0].Counts != nil {
			s.Measured.Accounts.Beside[0].Counts = &counts
		}
		switch got := otherDatabaseWork(s); {
		case c.want == "" && got != nil:
			t.Errorf("%s: %v", name, got)
		case c.want != "" && (got == nil || got.Validity != lab.Failed || !strings.Contains(got.Reason, c.want)):
			t.Errorf("%s: %v, want %q", name, got, c.want)
		}
	}
}
