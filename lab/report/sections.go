package report

import (
	"slices"

	"runtimelab/lab"
	"runtimelab/lab/metric"
)

// sections returns the sections of a scenario, for each number of CPUs. Scenarios and twins of
// controls have none, because their verdicts precede the figures.
func sections(scenario string, rows []metric.Row) (out []Section) {
	if scenario == lab.ReferenceScenario || scenario == lab.BurnScenario {
		return nil
	}
	rows = filterRows(rows, func(r metric.Row) bool {
		return lab.OriginalOf(r.Text("variant")) == r.Text("variant")
	})
	if len(rows) == 0 {
		return nil
	}
	counts := cpuCounts(rows)
	if len(counts) < 2 {
		return splitByLoad(Section{Scenario: scenario}, rows)
	}
	for _, n := range counts {
		sameCPUs := filterRows(rows, func(r metric.Row) bool {
			cpus, ok := r.Int("server_cpus")
			return cpus == n || !ok && n == counts[0]
		})
		out = append(out, splitByLoad(Section{Scenario: scenario, CPUs: n}, sameCPUs)...)
	}
	return out
}

// cpuCounts returns the numbers of CPUs that servers had, ascending.
func cpuCounts(rows []metric.Row) (counts []int64) {
	for _, r := range rows {
		if n, ok := r.Int("server_cpus"); ok && !slices.Contains(counts, n) {
			counts = append(counts, n)
		}
	}
	slices.Sort(counts)
	return counts
}

// splitByLoad makes one section for each pair of closed and open phase, in order, and one for each
// search. Each begins as a copy of base. A row without a phase, from a trial that failed before its
// first, goes to the first section.
func splitByLoad(base Section, rows []metric.Row) []Section {
	closed, open := phaseNames(rows, isClosed), phaseNames(rows, isOpen)
	var out []Section
	for i := range max(len(closed), len(open)) {
		s := base
		if i < len(closed) {
			s.ClosedPhase = closed[i]
		}
		if i < len(open) {
			s.OpenPhase = open[i]
		}
		out = append(out, s)
	}
	for _, name := range phaseNames(rows, isSearch) {
		s := base
		s.OpenPhase = name
		out = append(out, s)
	}
	if len(out) == 0 {
		out = append(out, base)
	}
	parts := make([][]metric.Row, len(out))
	for _, r := range rows {
		phase := r.Text("phase")
		i := max(0, slices.IndexFunc(out, func(s Section) bool {
			return phase != "" && (s.ClosedPhase == phase || s.OpenPhase == phase)
		}))
		parts[i] = append(parts[i], r)
		out[i].addLoad(r)
	}
	for i := range out {
		out[i].Lines = lines(parts[i])
	}
	return out
}

// phaseNames returns the phases of the rows for which wanted returns true, in order, without
// repetition.
func phaseNames(rows []metric.Row, wanted func(metric.Row) bool) (all []string) {
	for _, r := range rows {
		if name := r.Text("phase"); wanted(r) && !slices.Contains(all, name) {
			all = append(all, name)
		}
	}
	return all
}

// addLoad adds the load of one of the section's rows.
func (s *Section) addLoad(r metric.Row) {
	if n, ok := r.Int("connections"); ok && isClosed(r) {
		s.Connections = n
	}
	s.ArrivingClients = s.ArrivingClients || traits(r).Pacing == lab.ArrivingClients
	s.Search = s.Search || isSearch(r)
	if rps, ok := r.Float("offered_rps"); ok && !isSearch(r) && !slices.Contains(s.RatesRPS, rps) {
		s.RatesRPS = append(s.RatesRPS, rps)
	}
	if ms, ok := r.Float("deadline_ms"); ok {
		s.DeadlineMS = ms
	}
}
