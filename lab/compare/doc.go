// Package compare owns the comparison of one run with another: which rows of two
// trials.csv are of the same thing, whether the two runs may be compared at all,
// what is better or worse, and how that is shown. It needs no engine and keeps no
// rows: a run of millions is read as it passes, into moments.
//
// Trials of two runs are no pairs. Per scenario, variant, CPUs, phase and metric
// the logs of the trials' values are compared by Welch's test, with the variance
// that the host has between runs added for each side. Over all lines of a
// comparison Holm's procedure keeps the error at lab.Alpha on each side, and each
// interval is at the level that its line was tested at.
package compare
