// Package metric holds the table of the columns of trials.csv: for each column its
// name with the unit, which direction is better, how to extract its value from a
// sample, and how to write it as text. The header of trials.csv, the types that the
// lab reads it with, the list of columns in results/README.md, statistics and
// reports use Table. To add a metric, add one row there.
//
// It also says which rows count (UsableRows, and Attempt for rows that are not kept), and
// which of their values are bounds (Bound).
//
// A figure that a sample does not support is missing: an empty cell, never a zero,
// NaN or infinity.
package metric
