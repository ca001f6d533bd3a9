// Package record owns the folder of a run, results/<run-id>/: it writes the
// files as things happen, each record synced to the disk before the next step,
// and reads them back.
//
//	trials.csv       a row per trial and phase, the columns of lab/metric
//	timeline.csv     one-second buckets of every attack, warm-ups included
//	histograms.hlog  HdrHistogram log, nanoseconds, a tag for each histogram
//	capacity.csv     a row per rate that a search for a capacity tried; made with the first
//	verdicts.csv     a row per claim and hypothesis; made at the end
//	run.json         host, engine, versions, seed, plan, calibration, profile and state
//	raw/*.bin        every hit of an attack in Vegeta's encoding, where asked for
//	.lock            empty; locked by the lab that writes the folder
//
// results/latest is a relative link to the newest run.
//
// The rows of a trial are written after the buckets, histograms and steps of its
// phases, in one write, so that a row that can be read is a phase that is all there.
// A process that is killed leaves at most one unterminated last line in each file;
// Read leaves that of trials.csv out and says so. A write that fails is taken back,
// so that the next one does not continue a torn line.
//
// A trial has ended when run.json accounts for what it wrote: for each file its
// length and sum until then. By these a folder is verified, and a run resumed: what
// files hold beyond them is of a trial that did not end.
package record
