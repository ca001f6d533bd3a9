package wording

import (
	"fmt"
	"maps"
	"slices"
	"strings"

	"runtimelab/lab"
	"runtimelab/lab/message"
	"runtimelab/lab/metric"
)

// Doubt returns a reason to trust figures or verdicts less as text, with the place where it occurs most
// and the number of the others.
func Doubt(r lab.Reason) string { return reason(r, 1) }

// doubt returns a reason to trust figures or verdicts less as text. It names so many places.
func doubt(r lab.Reason, named int) string {
	switch r.Kind {
	case lab.PermutationDisagrees:
		text := fmt.Sprintf("%s by t-test, but not by permutation of signs (p %.3f)", r.Subject, r.Value)
		return strings.Join(append(slices.Clone(r.Names), text), ": ")
	case lab.PilotDoubt:
		return fmt.Sprintf("the peak of %s on %s, on which rates depend, is doubtful: %s",
			strings.Join(r.Names, ", "), r.Subject, r.Text)
	case lab.PhasesFailed:
		return fmt.Sprintf("in %d of %s more than %s of requests failed, at worst %s: %s; no finding favours them",
			r.Count, message.Count(r.Total, "phase", "phases"), metric.Percent(r.Limit), metric.Percent(r.Value),
			places(r, named))
	case lab.MixedLatencies:
		return fmt.Sprintf("in %d of %s latencies include those of failed requests, "+
			"because this run has schema %.0f: %s", r.Count, message.Count(r.Total, "phase", "phases"), r.Value,
			places(r, named))
	case lab.UnknownIdentity:
		return "the lab does not know how many workers these servers have, nor how long they keep idle " +
			"connections, because it asks them for no identity: " + strings.Join(r.Names, ", ")
	case lab.UnequalBacklogs:
		return "servers queue different numbers of new connections (backlog): " + backlogs(r.Parts)
	case lab.UnsteadyWarmUp:
		return fmt.Sprintf("%d of %s began before throughput was steady (their warm-up used up its budget): %s",
			r.Count, message.Count(r.Total, "trial", "trials"), places(r, named))
	case lab.Drift:
		return fmt.Sprintf("throughput changed by more than %.0f %% from the first half to the second "+
			"in %d of %s: %s", 100*r.Limit, r.Count, message.Count(r.Total, "closed phase", "closed phases"),
			places(r, named))
	case lab.UnevenProcesses:
		return fmt.Sprintf("one of several server processes did more than %g times its share of the "+
			"work (busiest_process_ratio) in %d of %s: %s", r.Limit, r.Count,
			message.Count(r.Total, "closed phase", "closed phases"), places(r, named))
	case lab.LongSlices:
		return fmt.Sprintf("the generator shares its CPU and had no time slice of %g ms in %d of %s "+
			"(generator_slice_ms; it takes Linux 6.12): beside a busy service it sends requests in batches, "+
			"which cost the server less CPU: %s", r.Limit, r.Count, message.Count(r.Total, "phase", "phases"),
			places(r, named))
	case lab.HaltingCPUs:
		return fmt.Sprintf("the generator shares its CPU and no idle loop kept that from halting in %d of %s "+
			"(idle_loop_cpu_s): to wake it costs the server CPU, and less beside a busy service: %s",
			r.Count, message.Count(r.Total, "phase", "phases"), places(r, named))
	case lab.SpeedChanged:
		return speedChanged(r.Parts)
	case lab.CPUsStolen:
		return fmt.Sprintf("the hypervisor took up to %.0f%% of the CPUs (steal_ratio): latencies "+
			"include it and will differ elsewhere", 100*r.Value)
	case lab.UnreadableFile:
		return fmt.Sprintf("%s cannot be read: %s", r.Subject, r.Text)
	case lab.UnmatchedHistograms:
		return fmt.Sprintf("%s of %s belong to no row, or to several, and are not shown",
			message.Count(r.Count, "histogram", "histograms"), r.Subject)
	}
	return string(r.Kind)
}

// maxNamed is the number of places that a doubt names at most.
const maxNamed = 4

// places returns the places with most occurrences, so many at most, and how many each has.
func places(r lab.Reason, named int) string {
	var parts []string
	for _, p := range r.Parts[:min(len(r.Parts), named)] {
		parts = append(parts, fmt.Sprintf("%s (%d)", p.Name, p.Count))
	}
	if more := len(r.Parts) - len(parts); more > 0 {
		parts = append(parts, fmt.Sprintf("%d more", more))
	}
	return strings.Join(parts, ", ")
}

// backlogs returns the backlogs, each with the variants that have it.
func backlogs(variants []lab.Part) string {
	names := map[string][]string{} // by backlog
	for _, v := range variants {
		backlog := fmt.Sprintf("%.0f", v.Value)
		if v.Lacks != "" {
			backlog = "an unknown number of"
		}
		names[backlog] = append(names[backlog], v.Name)
	}
	var parts []string
	for _, backlog := range slices.Sorted(maps.Keys(names)) {
		parts = append(parts, fmt.Sprintf("%s connections by %s", backlog, strings.Join(names[backlog], ", ")))
	}
	return strings.Join(parts, "; ")
}

// speedChanged returns how long the fastest canaries took in two blocks.
func speedChanged(blocks []lab.Part) string {
	var times []string
	for _, b := range blocks {
		times = append(times, fmt.Sprintf("%.1f ms in block %d", b.Value, b.Block))
	}
	return "the machine's speed changed: the fastest canaries took " + strings.Join(times, " and ") +
		". Absolute figures mix both; ratios compare within blocks"
}
