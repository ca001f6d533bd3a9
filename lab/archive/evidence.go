package archive

import (
	"os"
	"path/filepath"
	"slices"

	"runtimelab/lab"
	"runtimelab/lab/record"
	"runtimelab/lab/verdict"
)

// MaxRuns bounds the number of earlier runs that are used.
const MaxRuns = 20

// NewestRuns returns the newest readable runs of a results folder, newest first.
func NewestRuns(results string) (all []*record.StoredRun) {
	entries, err := os.ReadDir(results)
	if err != nil {
		return nil // there are none
	}
	slices.Reverse(entries) // ids begin with the time of the start
	for _, e := range entries {
		if len(all) == MaxRuns {
			break
		}
		if !e.IsDir() {
			continue
		}
		if run, err := record.Read(filepath.Join(results, e.Name())); err == nil {
			all = append(all, run)
		}
	}
	return all
}

// RunsOfHost returns those of the newest runs of a results folder that were measured on a host.
func RunsOfHost(results string, host record.Host) []*record.StoredRun {
	return slices.DeleteFunc(NewestRuns(results), func(r *record.StoredRun) bool {
		return !r.Info.Host.Same(host)
	})
}

// Noise is how much the log ratio of a hypothesis varied between the blocks of a run.
type Noise struct {
	RunID  string
	SD     float64 // standard deviation
	Blocks int     // from which it was estimated
}

// NoiseOf returns the noise of a hypothesis in the first of runs that has enough blocks of it,
// and false if none has.
func NoiseOf(h lab.Hypothesis, runs []*record.StoredRun) (Noise, bool) {
	for _, run := range runs {
		if sd, n := verdict.LogRatioSD(h, run.Rows); n >= lab.MinBlocks {
			return Noise{run.Info.RunID, sd, n}, true
		}
	}
	return Noise{}, false
}

// maxInfosRead bounds the run.json files that are read in one folder to find other runs.
const maxInfosRead = 200

// Entry is the folder of a run whose rows have not been read.
type Entry struct {
	Dir   string
	Info  record.Info
	Bytes int64 // size of its trials.csv
}

// Find returns the runs of folders that usable accepts, newest first. A folder that cannot be
// read has none.
func Find(folders []string, usable func(*record.Info) bool) (runs []Entry) {
	for _, folder := range folders {
		entries, _ := os.ReadDir(folder)
		slices.Reverse(entries) // ids begin with the time of the start
		for _, e := range entries[:min(maxInfosRead, len(entries))] {
			dir := filepath.Join(folder, e.Name())
			info, err := record.ReadInfo(dir)
			if err != nil || !e.IsDir() || !usable(&info) {
				continue
			}
			if trials, err := os.Stat(filepath.Join(dir, record.TrialsFile)); err == nil {
				runs = append(runs, Entry{dir, info, trials.Size()})
			}
		}
	}
	slices.SortStableFunc(runs, func(a, b Entry) int { return b.Info.StartedAt.Compare(a.Info.StartedAt) })
	return runs
}
