// Package record writes and reads the folder of a run, results/<run-id>/. It syncs every record to the
// disk before the next step.
//
//	trials.csv       one row per trial and phase, with the columns of lab/metric
//	timeline.csv     one-second buckets of every attack, warm-ups included
//	histograms.hlog  HdrHistogram log in nanoseconds, with a tag for each histogram
//	capacity.csv     one row per rate that a search for a capacity tried; missing without a search
//	verdicts.csv     one row per claim, hypothesis and phase of a promise; written at the end
//	report.html      the page of lab/page; written at the end, from the other files
//	run.json         host, engine, versions, seed, plan, calibration, profile and state
//	raw/*.bin        every hit of an attack in Vegeta's encoding, if requested
//	.lock            empty; the lab that writes the folder locks it
//
// The rows of a trial are written in one write, after the other files of the trial. If a row exists,
// all data of its phase exist. A killed process leaves at most one incomplete line at the end of each
// file. Read ignores such a line of trials.csv and reports it; EachSecond, EachHistogram and
// EachSearchStep read the other files up to the end of the last ended trial. If a write fails, it is
// undone, so that the next one does not continue a partial line.
//
// A trial counts as ended when run.json lists the size and the sum of each file after it. Verify and
// Resume rely on these. Data beyond them belong to an unfinished trial.
package record
