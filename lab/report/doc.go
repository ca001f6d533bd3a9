// Package report has one model of all that is shown of a run, Report, and formats it as text,
// Markdown and JSON. The model holds values of trials, and verdicts with their reasons as data; only
// renderings have prose. Medians, ranges and ratios are those of valid rows only; package verdict
// decides what differences mean.
package report
