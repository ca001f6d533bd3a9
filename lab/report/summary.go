package report

import (
	"cmp"
	"fmt"
	"slices"
	"strings"

	"runtimelab/lab"
	"runtimelab/lab/metric"
)

// Summary holds the figures of a run, for its table.
type Summary struct {
	RunID       string
	HostID      string
	Blocks      int
	Valid       int // trials in which every phase is valid or a bound
	Trials      int
	Sections    []Section
	InvalidRows []string // rows that are not valid, worst first: where, validity, reason
	Doubts      []string // reasons to trust valid figures less
}

// Summarise returns the summary of the rows of a trials.csv, in their order.
func Summarise(rows []metric.Row) Summary {
	var s Summary
	blocks := map[int64]bool{}
	var scenarios []string
	byScenario := map[string][]metric.Row{}
	for _, r := range rows {
		s.RunID, s.HostID = r.Text("run_id"), r.Text("host_id")
		if b, ok := r.Int("block"); ok {
			blocks[b] = true
		}
		name := r.Text("scenario")
		if _, seen := byScenario[name]; !seen {
			scenarios = append(scenarios, name)
		}
		byScenario[name] = append(byScenario[name], r)
	}
	s.Blocks = len(blocks)
	for _, name := range scenarios {
		s.Sections = append(s.Sections, sections(name, byScenario[name])...)
	}
	s.Valid, s.Trials = countTrials(rows)
	s.InvalidRows = invalidRows(rows)
	s.Doubts = doubts(rows)
	return s
}

// maxSteal is the share of the CPUs that the hypervisor may take before the report says so: 10 % of
// one of two CPUs.
const maxSteal = 0.05

func doubts(rows []metric.Row) []string {
	highest := 0.0
	for _, r := range metric.UsableRows(rows) {
		if steal, ok := r.Float("steal_ratio"); ok {
			highest = max(highest, steal)
		}
	}
	if highest <= maxSteal {
		return nil
	}
	return []string{fmt.Sprintf("the hypervisor took up to %.0f%% of the CPUs (steal_ratio): latencies "+
		"include it and will differ elsewhere", 100*highest)}
}

// traits returns those of the row's phase; they are zero without a phase.
func traits(r metric.Row) lab.PhaseTraits { return lab.PhaseKind(r.Text("phase_kind")).Traits() }

func isOpen(r metric.Row) bool { return traits(r).Pacing == lab.OpenLoop && !isSearch(r) }

func isSearch(r metric.Row) bool { return traits(r).FindsCapacity() }

func isClosed(r metric.Row) bool {
	t := traits(r)
	return t.Kind != "" && t.Pacing != lab.OpenLoop && !t.Discarded
}

func validity(r metric.Row) lab.Validity { return lab.Validity(r.Text("validity")) }

func isValid(r metric.Row) bool { return validity(r) == lab.Valid }

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

// invalidRows returns a line for each row that is not valid, worst first: where, validity, reason.
func invalidRows(rows []metric.Row) []string {
	rank := map[lab.Validity]int{lab.Failed: 0, lab.Disturbed: 1, lab.Censored: 2}
	invalid := filterRows(rows, func(r metric.Row) bool { return !isValid(r) })
	slices.SortStableFunc(invalid,
		func(a, b metric.Row) int { return cmp.Compare(rank[validity(a)], rank[validity(b)]) })
	out := make([]string, len(invalid))
	for i, r := range invalid {
		block, _ := r.Int("block")
		where := fmt.Sprintf("%s %s block %d %s", r.Text("scenario"), r.Text("variant"), block, r.Text("phase"))
		out[i] = fmt.Sprintf("%s: %s: %s", strings.TrimSpace(where), validity(r),
			cmp.Or(r.Text("validity_reason"), "no reason recorded"))
	}
	return out
}
