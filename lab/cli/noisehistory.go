package cli

import (
	"cmp"
	"context"
	"fmt"
	"math"
	"os"
	"path/filepath"
	"slices"

	"runtimelab/lab"
	"runtimelab/lab/calibrate"
	"runtimelab/lab/compare"
	"runtimelab/lab/record"
	"runtimelab/lab/report"
	"runtimelab/lab/stat"
	"runtimelab/lab/verdict"
)

// targetPower is the probability with which a detectable effect is found: Cohen's
// convention ("Statistical Power Analysis for the Behavioral Sciences", 1988).
const targetPower = 0.8

// noiseHistory holds earlier measurements of how much the log ratios of hypotheses vary
// between blocks on this host.
type noiseHistory struct {
	runs []*record.StoredRun // earlier runs, newest first
	// Standard deviation of the log ratio of two trials of one reference server; 0: unknown.
	bestSD float64
}

// readNoiseHistory reads the runs of a results folder and the newest full calibration.
func readNoiseHistory(results string) (h noiseHistory) {
	h.runs = readEarlierRuns(results)
	store, err := calibrate.UserStore()
	if err != nil {
		return h // without a folder for calibrations there is no calibration
	}
	if c, ok := store.NewestFull(); ok {
		h.bestSD = math.Sqrt2 * c.TrialCV
	}
	return h
}

// maxEarlierRuns bounds the number of earlier runs that are used.
const maxEarlierRuns = 20

// readEarlierRuns returns the newest readable runs of a results folder, newest first.
func readEarlierRuns(dir string) (all []*record.StoredRun) {
	entries, err := os.ReadDir(dir)
	if err != nil {
		return nil // there are none
	}
	slices.Reverse(entries) // ids begin with the time of the start
	for _, e := range entries {
		if len(all) == maxEarlierRuns {
			break
		}
		if !e.IsDir() {
			continue
		}
		if run, err := record.Read(filepath.Join(dir, e.Name())); err == nil {
			all = append(all, run)
		}
	}
	return all
}

// detectableText describes the smallest effect that one of several hypotheses detects in
// a number of blocks. It uses the variation of its log ratios in the newest run that has
// enough blocks, or that of a reference server.
func (s noiseHistory) detectableText(h lab.Hypothesis, blocks, hypotheses int) string {
	percent := func(sd float64) string {
		alpha := lab.Alpha / float64(hypotheses)
		effect := 100 * (math.Exp(stat.DetectableEffect(blocks, sd, alpha, targetPower)) - 1)
		return report.FormatDigits(effect) + "%"
	}
	for _, run := range s.runs {
		if sd, n := verdict.LogRatioSD(h, run.Rows); n >= lab.MinBlocks {
			return fmt.Sprintf("detects %s or more: the ratio varied by %s%% between the %d blocks of %s",
				percent(sd), report.FormatDigits(100*sd), n, run.Info.RunID)
		}
	}
	if s.bestSD == 0 {
		return "detectable effect unknown: no run in results/ compares these, and this host is not calibrated"
	}
	return fmt.Sprintf("detects %s at best: no run in results/ compares these, and two trials of a "+
		"reference server vary by %s%% here", percent(s.bestSD), report.FormatDigits(100*s.bestSD))
}

// runVariance estimates how much runs of this host differ, from the reference servers of
// the runs in a results folder. It returns nil if there are too few, or one cannot be
// read.
func runVariance(ctx context.Context, results string, host record.Host) *record.RunVariance {
	var sources []compare.Source
	for _, run := range readEarlierRuns(results) {
		if run.Info.Host.Same(host) {
			sources = append(sources, compare.FolderSource(run.Info.RunID, run.Dir, &run.Info))
		}
	}
	runs, err := compare.Read(ctx, sources, compare.DefaultMetrics())
	if err != nil {
		return nil // lab compare reports what is wrong with it
	}
	var means []stat.Moments
	for _, run := range runs {
		means = append(means, run.ReferenceThroughput())
	}
	return compare.EstimateRunVariance(means)
}

// maxHistoryBytes bounds the bytes of trials.csv that a comparison reads of other runs:
// reading them takes a second at most.
const maxHistoryBytes = 64 << 20

// maxInfosRead bounds the run.json files that are read in one folder to find other runs.
const maxInfosRead = 200

// readHistory reads other runs, from which the variance between runs is estimated. It
// looks in the results folder and in folders, and takes the newest first.
func (a *app) readHistory(
	folders []string, compared []*compare.Run, which compare.Selection,
) (others []*compare.Run, err error) {
	seen := map[string]bool{}
	var like *record.Info
	for _, run := range compared {
		seen[run.ID()] = true
		like = cmp.Or(like, run.Info)
	}
	bytesLeft := int64(maxHistoryBytes)
	for _, r := range findHistory(append([]string{a.resultsFolder()}, folders...), like) {
		if seen[r.info.RunID] || r.bytes > bytesLeft || len(others) == maxEarlierRuns {
			continue
		}
		seen[r.info.RunID] = true
		source := compare.FolderSource(r.info.RunID, r.dir, &r.info)
		runs, err := compare.Read(a.ctx, []compare.Source{source}, which)
		switch {
		case a.ctx.Err() != nil:
			return nil, context.Cause(a.ctx)
		case err != nil:
			a.messagef("skipped an earlier run: %v", err)
			continue
		}
		bytesLeft -= r.bytes
		others = append(others, runs...)
	}
	return others, nil
}

// historyRun is a run from which the variance between runs can be estimated.
type historyRun struct {
	dir   string
	info  record.Info
	bytes int64 // size of its trials.csv
}

// findHistory returns the runs of folders that are similar enough to a run with the info
// like, newest first. A folder that cannot be read has none.
func findHistory(folders []string, like *record.Info) (runs []historyRun) {
	for _, folder := range folders {
		entries, _ := os.ReadDir(folder)
		slices.Reverse(entries) // ids begin with the time of the start
		for _, e := range entries[:min(maxInfosRead, len(entries))] {
			dir := filepath.Join(folder, e.Name())
			info, err := record.ReadInfo(dir)
			if err != nil || !e.IsDir() || !compare.UsableAsHistory(&info, like) {
				continue
			}
			if trials, err := os.Stat(filepath.Join(dir, record.TrialsFile)); err == nil {
				runs = append(runs, historyRun{dir, info, trials.Size()})
			}
		}
	}
	slices.SortStableFunc(runs, func(a, b historyRun) int { return b.info.StartedAt.Compare(a.info.StartedAt) })
	return runs
}
