package report

import (
	"slices"
	"strings"

	"runtimelab/lab/metric"
)

// failedColumn is in tables where any request failed.
var failedColumn = column{"failed", "%", func(l Line) string {
	if l.Failed == nil {
		return noValue
	}
	return strings.TrimSuffix(metric.Percent(*l.Failed), " %")
}}

// columns are those of a table: that of failures after what was served.
func (s Summary) columns() []column {
	const after = 3
	if !s.fails() {
		return columns
	}
	return slices.Insert(slices.Clone(columns), after, failedColumn)
}

// fails reports whether any request of a figure's trials failed.
func (s Summary) fails() bool {
	return slices.ContainsFunc(s.Sections, func(section Section) bool {
		return slices.ContainsFunc(section.Lines, func(l Line) bool { return l.Failed != nil && *l.Failed > 0 })
	})
}

// failuresLegend says what the column of failures is; nothing where there is none.
func (s Summary) failuresLegend() []string {
	if !s.fails() {
		return nil
	}
	return []string{"failed: of the requests, in the worst load of the worst trial that counts. Above " +
		metric.Percent(metric.MostFailed) + " no claim about that load is decided in the variant's favour."}
}

// worstFailed is the largest share of requests that failed in a row that counts; nil
// where none counts.
func worstFailed(rows []metric.Row) (worst *float64) {
	for _, r := range metric.UsableRows(rows) {
		if share, ok := r.Float("error_ratio"); ok && (worst == nil || share > *worst) {
			worst = &share
		}
	}
	return worst
}
