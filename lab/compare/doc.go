// Package compare owns the comparison of one run with another: which rows of two
// trials.csv are of the same thing, whether the two runs may be compared at all,
// what is better or worse, and how that is shown. It needs no engine and keeps no
// rows: a run of millions is read as it passes, into moments.
//
// Trials of two runs are no pairs. Per scenario, variant, CPUs, phase and metric
// the logs of the trials' values are compared by Welch's test, with the variance
// that the line has between other runs of the host added for each side (history.go):
// an estimate, of as many degrees of freedom as runs, less one.
//
// Two things are asked of each line: whether there is an effect, and whether it is
// too small to matter (Schuirmann's two one-sided tests). A small effect that is
// sure answers both with yes, so that the lines' hypotheses are no partition as
// those of package verdict are, and one Holm procedure over the smaller p of both
// promises nothing. Each question has a Holm procedure of its own over all lines
// that can be judged. Promised of a whole comparison is: that any line is called
// better or worse whose truth is not on that side has a chance of twice lab.Alpha at
// most, one for each side; that any line is called ~ whose truth is at the threshold
// or beyond, of lab.Alpha. That either happens: at most three times lab.Alpha, or
// 7.5 %. Holm's own proof is that an effect is there; that its side holds too was
// shown for independent tests (Shaffer, "Control of Directional Errors with
// Stagewise Multiple Test Procedures", Annals of Statistics 8(6), 1980). The
// interval of a line is at the level that the question which decided it was tested
// at; where none did, at the smaller of both levels.
package compare
