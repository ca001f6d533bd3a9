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

// targetPower is the probability with which a smallest effect is found: Cohen's
// convention ("Statistical Power Analysis for the Behavioral Sciences", 1988).
const targetPower = 0.8

// noiseHistory knows how much the log ratios of hypotheses vary between blocks on this
// host.
type noiseHistory struct {
	runs []*record.StoredRun // earlier ones, the newest first
	// standard deviation of the log ratio of two trials of one reference server; 0: not known
	bestSD float64
}

func readNoiseHistory(results string) (s noiseHistory) {
	s.runs = earlierRuns(results)
	store, err := calibrate.UserStore()
	if err != nil {
		return s // nothing is kept where there is no such folder
	}
	if c, ok := store.NewestFull(); ok {
		s.bestSD = math.Sqrt2 * c.TrialCV
	}
	return s
}

// maxEarlierRuns is how many earlier runs are looked at.
const maxEarlierRuns = 20

// earlierRuns are the runs of a results folder that can be read.
func earlierRuns(dir string) (all []*record.StoredRun) {
	entries, err := os.ReadDir(dir)
	if err != nil {
		return nil // there are none
	}
	slices.Reverse(entries) // ids begin with the start
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

// detectable says which effect a hypothesis of several finds in so many blocks,
// by how its log ratios varied in the newest run that has enough of them, or else
// by how a reference server varies.
func (s noiseHistory) detectable(h lab.Hypothesis, blocks, of int) string {
	finds := func(sd float64) float64 {
		return 100 * (math.Exp(stat.DetectableEffect(blocks, sd, lab.Alpha/float64(of), targetPower)) - 1)
	}
	for _, run := range s.runs {
		if sd, n := verdict.LogRatioSD(h, run.Rows); n >= lab.MinBlocks {
			return fmt.Sprintf("finds %s%% and more: the ratio varied by %s%% between the %d blocks of %s",
				report.FormatDigits(finds(sd)), report.FormatDigits(100*sd), n, run.Info.RunID)
		}
	}
	if s.bestSD == 0 {
		return "what it finds is not known: no run in results/ has compared these, and this host is not calibrated"
	}
	return fmt.Sprintf("finds %s%% at the best: no run in results/ has compared these, and two trials of a "+
		"reference server vary by %s%% here",
		report.FormatDigits(finds(s.bestSD)), report.FormatDigits(100*s.bestSD))
}

// betweenRuns is how much this host's runs differ where they should not, by the
// reference servers of those in a results folder; nil where there are too few, or
// they cannot be read.
func betweenRuns(ctx context.Context, results string, host record.Host) *record.RunVariance {
	var sources []compare.Source
	for _, run := range earlierRuns(results) {
		if run.Info.Host.Same(host) {
			sources = append(sources, folderSource(run.Info.RunID, run.Dir, &run.Info))
		}
	}
	runs, err := compare.Read(ctx, sources, compare.DefaultMetrics())
	if err != nil {
		return nil // what one of them is lacking is said where it is compared
	}
	var means []stat.Moments
	for _, run := range runs {
		means = append(means, run.ReferenceThroughput())
	}
	return compare.EstimateRunVariance(means)
}

// maxHistoryBytes bounds what is read of other runs for a comparison, in bytes: a second's
// work at most.
const maxHistoryBytes = 64 << 20

// maxRunsLookedAt bounds the run.json that are read of a folder to find those runs.
const maxRunsLookedAt = 200

// historyRuns are the runs that may tell how much runs like the compared ones differ:
// those in the results folder and beside the compared ones, the newest first.
func (a *app) historyRuns(folders []string, compared []*compare.Run,
	which compare.Selection,
) (others []*compare.Run, err error) {
	seen := map[string]bool{}
	var like *record.Info
	for _, run := range compared {
		seen[run.ID()] = true
		like = cmp.Or(like, run.Info)
	}
	left := int64(maxHistoryBytes)
	for _, r := range findHistory(append([]string{a.results()}, folders...), like) {
		if seen[r.info.RunID] || r.bytes > left || len(others) == maxEarlierRuns {
			continue
		}
		seen[r.info.RunID] = true
		runs, err := compare.Read(a.ctx, []compare.Source{folderSource(r.info.RunID, r.dir, &r.info)}, which)
		switch {
		case a.ctx.Err() != nil:
			return nil, context.Cause(a.ctx)
		case err != nil:
			a.messagef("left out of what runs differ by: %v", err)
			continue
		}
		left -= r.bytes
		others = append(others, runs...)
	}
	return others, nil
}

// historyRun is a run that can tell of another.
type historyRun struct {
	dir   string
	info  record.Info
	bytes int64 // of its trials.csv
}

// findHistory are the runs in some folders that can tell of one like them, the newest
// first. A folder that cannot be read has none.
func findHistory(folders []string, like *record.Info) (runs []historyRun) {
	for _, folder := range folders {
		entries, _ := os.ReadDir(folder)
		slices.Reverse(entries) // ids begin with the start
		for _, e := range entries[:min(maxRunsLookedAt, len(entries))] {
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
