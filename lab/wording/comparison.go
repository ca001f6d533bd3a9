package wording

import (
	"fmt"
	"strings"

	"runtimelab/lab"
	"runtimelab/lab/message"
	"runtimelab/lab/metric"
)

// comparison returns a note or a doubt about a comparison of two runs as text, or "" if the reason is
// another.
func comparison(r lab.Reason) string {
	switch r.Kind {
	case lab.DataIgnored:
		return r.Subject + ": " + r.Text
	case lab.MetricsNotCompared:
		return fmt.Sprintf("%s: not compared, because the file has no column %s", r.Subject,
			strings.Join(r.Names, ", "))
	case lab.RunNotDone:
		return fmt.Sprintf("%s: the run is %s", r.Subject, r.Text)
	case lab.ColumnMissing, lab.ValuesMissing:
		return Gap(r) + ": " + gapConsequences[strings.Join(r.Names, "")]
	case lab.ProfilesDiffer:
		return fmt.Sprintf("profiles %s: their trials have different durations", strings.Join(r.Names, " and "))
	case lab.LabsDiffer:
		return "measured by lab " + strings.Join(r.Names, " and ")
	case lab.SidesFailed:
		return sidesFailed(r)
	case lab.MixedLatencySchemas:
		return mixedSchemas(r)
	case lab.LineWithoutTrial:
		return fmt.Sprintf("%s: no valid trial in either run, of %d and %d", r.Subject, r.Count, r.Total)
	case lab.LinesWithoutHistory:
		return fmt.Sprintf("%d of %d lines (%s) have fewer than %d comparable other runs of this host: their "+
			"intervals include a standard deviation of %s, and may be too narrow", r.Count, r.Total,
			strings.Join(r.Names, ", "), r.Needed, deviation(r))
	case lab.VarianceOfHost:
		return fmt.Sprintf("from a reference server's throughput in %d runs of this host", r.Count)
	}
	return ""
}

// Gap returns what a run lacks that the checks of a comparison need, without what follows from it.
func Gap(r lab.Reason) string {
	if r.Kind == lab.ColumnMissing {
		return fmt.Sprintf("%s has no column %s", r.Subject, strings.Join(r.Names, ", "))
	}
	return fmt.Sprintf("%s has no %s in %d of %s", r.Subject, strings.Join(r.Names, ", "), r.Count,
		message.Count(r.Total, "row", "rows"))
}

// gapConsequences says what it means that a run lacks a column.
var gapConsequences = map[string]string{
	"run_id":          "it is compared as a different run, although both may be the same",
	"host_id":         "the runs may be of different hosts",
	"scenario_sha256": "the scripts may differ",
	"parameters":      "the scripts may have different parameters",
	"content_sha256":  "the images may differ",
	"offered_rps":     "the offered loads may differ",
	"connections":     "the offered loads may differ",
	"keep_alive":      "the offered loads may differ",
	"deadline_ms":     "the offered loads may differ",
	"generator":       "the loads may be by different generators",
	"error_ratio":     "it is compared as if no request failed, although some may have",
	"throughput_rps":  "the reference servers cannot be compared",
}

// sidesFailed returns the lines of which a side failed too much.
func sidesFailed(r lab.Reason) string {
	var parts []string
	for i := 0; i+1 < len(r.Parts); i += 2 {
		parts = append(parts, fmt.Sprintf("%s (OLD %s, NEW %s)", r.Parts[i].Name,
			metric.Percent(r.Parts[i].Value), metric.Percent(r.Parts[i+1].Value)))
	}
	return fmt.Sprintf("more than %s of requests failed in the worst trial of %s: such a side is never better "+
		"or equivalent", metric.Percent(r.Limit), strings.Join(parts, "; "))
}

// mixedSchemas returns which of two runs has latencies of failed requests too, and whether it matters.
func mixedSchemas(r lab.Reason) string {
	if len(r.Names) < 2 {
		return "latencies of one run include failed requests, those of the other do not"
	}
	text := fmt.Sprintf("latencies of %s (schema %d) include failed requests, those of %s (schema %d) do not",
		r.Names[0], r.Count, r.Names[1], r.Total)
	if len(r.Parts) == 0 {
		return fmt.Sprintf("%s. No request failed in %s, so they are comparable", text, r.Names[0])
	}
	var parts []string
	for _, p := range r.Parts {
		parts = append(parts, fmt.Sprintf("%s (%s failed)", p.Name, metric.Percent(p.Value)))
	}
	return text + ": they are of different requests in " + strings.Join(parts, "; ")
}

// deviation returns a standard deviation between runs, and where it is from.
func deviation(r lab.Reason) string {
	var source lab.Reason
	if len(r.Parts) > 0 {
		source = lab.Reason{Kind: lab.ReasonKind(r.Parts[0].Name), Count: r.Parts[0].Count}
	}
	return Deviation(r.Value, source)
}

// Deviation returns a standard deviation between runs, with the reason for its value.
func Deviation(share float64, source lab.Reason) string {
	return fmt.Sprintf("%.2f%% (%s)", 100*share, Reason(source))
}
