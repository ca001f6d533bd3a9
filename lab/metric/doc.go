// Package metric owns the one table of what a run records: each column's name
// with its unit, which direction is better, how it is extracted from a sample
// and written as text. The header of trials.csv, the types it is read back
// with, the list of columns in results/README.md, statistics and reports all
// derive from Table: adding a metric is one row there.
//
// A figure that a sample cannot support is missing: an empty cell, never a
// zero, NaN or infinity.
package metric
