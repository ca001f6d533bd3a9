package gate

import (
	"fmt"
	"maps"
	"slices"
	"strings"

	"runtimelab/lab"
)

// otherDatabaseWork returns a result if the server did other work at a database than its answers
// take: if it sent more or fewer statements, if what it stored is not what it answered, or if the books
// do not balance.
func otherDatabaseWork(s lab.Sample) *lab.GateResult {
	statements := workOf(s, func(w lab.DatabaseWork) int { return w.Statements })
	stores := workOf(s, func(w lab.DatabaseWork) int { return w.Stores })
	for _, service := range s.Measured.Accounts.Beside {
		counts := service.Counts
		if counts == nil {
			continue
		}
		succeeded := s.Measured.Attack.Succeeded
		if len(counts.Unbalanced) > 0 {
			return newResult(lab.Failed, "the books of the %s %s do not balance: %s", service.Role, service.Name,
				listCounts(counts.Unbalanced))
		}
		if statements.known && !statements.contains(counts.Statements) {
			return newResult(lab.Failed, "the server sent %d statements to the tables of the %s %s for %d answers, "+
				"which take %s", counts.Statements, service.Role, service.Name, succeeded, statements)
		}
		if stores.known && !stores.contains(counts.Stored) {
			return newResult(lab.Failed, "the %s %s stored %d orders for %d answers, which store %s", service.Role,
				service.Name, counts.Stored, succeeded, stores)
		}
	}
	return nil
}

// listCounts returns named counts, sorted by name.
func listCounts(counts map[string]int64) string {
	var all []string
	for _, name := range slices.Sorted(maps.Keys(counts)) {
		all = append(all, fmt.Sprintf("%d %s", counts[name], strings.ReplaceAll(name, "_", " ")))
	}
	return strings.Join(all, ", ")
}

// workRange is what the hits of a window take of a database. It is known if all requests say it.
type workRange struct {
	least, most int64
	known       bool
}

func (r workRange) contains(count int64) bool { return r.least <= count && count <= r.most }

// String returns the range for a message: "60000", or "59995 to 60000".
func (r workRange) String() string {
	if r.least == r.most {
		return fmt.Sprint(r.most)
	}
	return fmt.Sprintf("%d to %d", r.least, r.most)
}

// workOf returns what the hits of a sample take, by what each request takes. Requests are sent in turn,
// so the number of hits tells how often each was sent. A hit that failed may have taken all of it or
// nothing; one that was not sent may have been any.
func workOf(s lab.Sample, of func(lab.DatabaseWork) int) (r workRange) {
	requests := s.Scenario.RequestsOf(s.Phase)
	attack := s.Measured.Attack
	if len(requests) == 0 || s.Search != nil {
		return r
	}
	var cycle, largest int64
	smallest := int64(of(requests[0].DatabaseWork))
	for _, request := range requests {
		if request.Statements == 0 {
			return r
		}
		n := int64(of(request.DatabaseWork))
		cycle, largest, smallest = cycle+n, max(largest, n), min(smallest, n)
	}
	size := int64(len(requests))
	sent := attack.Sent / size * cycle
	for _, request := range requests[:attack.Sent%size] {
		sent += int64(of(request.DatabaseWork))
	}
	anyOther := (attack.Intended - attack.Sent) * (largest - smallest)
	return workRange{
		least: sent - (attack.Sent-attack.Succeeded)*largest - anyOther, most: sent + anyOther, known: true,
	}
}
