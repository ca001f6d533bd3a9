// Package report formats a run's results as text, Markdown and JSON: controls, claims, scaling and
// the table of figures. It computes medians, ranges and ratios of valid rows only; package verdict
// decides what differences mean.
package report
