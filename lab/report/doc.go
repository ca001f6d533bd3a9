// Package report owns how results are shown: the table at the end of a run,
// for a terminal and as Markdown. It computes nothing but medians, ranges and
// ratios of rows that are valid; whether a difference means anything is not for
// it to say.
package report
