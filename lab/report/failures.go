package report

import (
	"slices"
	"strings"

	"runtimelab/lab/metric"
)

// failedColumn is shown if any request failed.
var failedColumn = column{"failed", "%", func(l Line) string {
	if l.Failed == nil {
		return noValue
	}
	return strings.TrimSuffix(metric.Percent(*l.Failed), " %")
}}

// tableColumns returns the table's columns, with that of failures after the served requests if any
// request failed.
func (r Report) tableColumns() []column {
	const after = 3
	if !r.hasFailures() {
		return columns
	}
	return slices.Insert(slices.Clone(columns), after, failedColumn)
}

// hasFailures reports whether any request failed in a trial that counts.
func (r Report) hasFailures() bool {
	return slices.ContainsFunc(r.Figures, func(section Section) bool {
		return slices.ContainsFunc(section.Lines, func(l Line) bool { return l.Failed != nil && *l.Failed > 0 })
	})
}

// failuresLegend explains the column of failures; nil without that column.
func (r Report) failuresLegend() []string {
	if !r.hasFailures() {
		return nil
	}
	return []string{"failed: share of the requests that failed, in the worst phase of the worst trial that " +
		"counts. Above " + metric.Percent(metric.MostFailed) +
		" no claim about that phase is decided in the variant's favour."}
}

// worstFailed returns the largest share of failed requests in a row that counts, or nil if no row
// counts.
func worstFailed(rows []metric.Row) (worst *float64) {
	for _, r := range metric.UsableRows(rows) {
		if share, ok := r.Float("error_ratio"); ok && (worst == nil || share > *worst) {
			worst = &share
		}
	}
	return worst
}
