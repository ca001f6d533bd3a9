// Package record owns the folder of a run, results/<run-id>/: it writes the
// files as things happen, each record synced to the disk before the next step,
// and reads them back.
//
//	trials.csv       a row per trial and phase, the columns of lab/metric
//	timeline.csv     one-second buckets of every attack, warm-ups included
//	histograms.hlog  HdrHistogram log, nanoseconds, a tag for each histogram
//	capacity.csv     a row per rate that a search for a capacity tried; made with the first
//	run.json         host, engine, versions, seed, plan, calibration, profile and state
//	raw/*.bin        every hit of an attack in Vegeta's encoding, where asked for
//
// results/latest is a relative link to the newest run.
//
// A row of trials.csv is written after the buckets, histograms and steps of its phase
// and is one line of the file, so that a row that can be read is a phase that
// is all there. A process that is killed leaves at most one unterminated last
// line in each file; Read leaves that of trials.csv out and says so. A write
// that fails is taken back, so that the next one does not continue a torn line.
package record
