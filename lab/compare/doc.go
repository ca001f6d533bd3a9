// Package compare compares two runs: it matches the rows of two trials.csv, checks that
// the runs are comparable, and marks what is better or worse. It needs no engine. It
// keeps no rows but their moments, so that a run may have millions of them.
//
// # What is tested
//
// Trials of two runs are not paired. For each scenario, variant, number of CPUs, phase
// and metric, Welch's test compares the logs of the trials' values. The standard error
// includes, for each side, the variance of the line between other runs of the host
// (history.go). That variance has as many degrees of freedom as runs, less one.
//
// Each line is asked two questions: is there an effect, and is the effect too small to
// matter (Schuirmann's two one-sided tests)? A small effect that is certain answers both
// with yes. The two hypotheses are therefore not a partition, as they are in package
// verdict, and one Holm procedure over the smaller p of both would guarantee nothing.
// So each question has its own Holm procedure over all lines that can be judged.
//
// # What is guaranteed
//
// For a whole comparison the chance is at most
//   - 2 lab.Alpha that any line is marked better or worse on the wrong side, lab.Alpha for
//     each side,
//   - lab.Alpha that any line is marked ~ whose true effect is at the threshold or beyond,
//   - 3 lab.Alpha, 7.5 %, that either happens.
//
// Holm's proof covers that an effect exists. That its side is right too is proven for
// independent tests only (Shaffer, "Control of Directional Errors with Stagewise Multiple
// Test Procedures", Annals of Statistics 8(6), 1980).
//
// The interval of a line is at the level at which Holm tested the question that decided
// it. An undecided line has the interval at the smaller of both levels.
package compare
