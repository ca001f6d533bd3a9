package cli

import (
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

// power is the probability with which a smallest effect is found: Cohen's
// convention ("Statistical Power Analysis for the Behavioral Sciences", 1988).
const power = 0.8

// spreads knows how much the log ratios of hypotheses vary between blocks on this
// host.
type spreads struct {
	runs  []*record.Recorded // earlier ones, the newest first
	least float64            // standard deviation of the log ratio of two trials of one reference server; 0: not known
}

func hostSpreads(results string) (s spreads) {
	s.runs = earlierRuns(results)
	store, err := calibrate.UserStore()
	if err != nil {
		return s // nothing is kept where there is no such folder
	}
	if c, ok := store.Newest(); ok {
		s.least = math.Sqrt2 * c.TrialCV
	}
	return s
}

// manyRuns is how many earlier runs are looked at.
const manyRuns = 20

// earlierRuns are the runs of a results folder that can be read.
func earlierRuns(dir string) (all []*record.Recorded) {
	entries, err := os.ReadDir(dir)
	if err != nil {
		return nil // there are none
	}
	slices.Reverse(entries) // ids begin with the start
	for _, e := range entries {
		if len(all) == manyRuns {
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
func (s spreads) detectable(h lab.Hypothesis, blocks, of int) string {
	finds := func(sd float64) float64 {
		return 100 * (math.Exp(stat.Detectable(blocks, sd, lab.Alpha/float64(of), power)) - 1)
	}
	for _, run := range s.runs {
		if sd, n := verdict.Spread(h, run.Rows); n >= lab.FewestBlocks {
			return fmt.Sprintf("finds %s%% and more: the ratio varied by %s%% between the %d blocks of %s",
				report.Digits(finds(sd)), report.Digits(100*sd), n, run.Info.RunID)
		}
	}
	if s.least == 0 {
		return "what it finds is not known: no run in results/ has compared these, and this host is not calibrated"
	}
	return fmt.Sprintf("finds %s%% at the best: no run in results/ has compared these, and two trials of a reference server vary by %s%% here",
		report.Digits(finds(s.least)), report.Digits(100*s.least))
}

// betweenRuns is how much this host's runs differ where they should not, by the
// reference servers of those in a results folder; nil where there are too few, or
// they cannot be read.
func betweenRuns(ctx context.Context, results, host string) *record.Between {
	var sources []compare.Source
	for _, run := range earlierRuns(results) {
		if run.Info.Host.ID == host {
			sources = append(sources, folder(run.Info.RunID, run.Dir, &run.Info))
		}
	}
	runs, err := compare.Read(ctx, sources, compare.Default())
	if err != nil {
		return nil // what one of them is lacking is said where it is compared
	}
	var means []stat.Moments
	for _, run := range runs {
		means = append(means, run.Reference())
	}
	return compare.BetweenRuns(means)
}
