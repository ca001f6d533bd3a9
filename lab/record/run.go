package record

import (
	"bytes"
	"encoding/csv"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"sync"
	"time"

	"runtimelab/lab"
	"runtimelab/lab/metric"
)

// Files of a run's folder, and the link beside it.
const (
	trialsFile     = "trials.csv"
	timelineFile   = "timeline.csv"
	histogramsFile = "histograms.hlog"
	capacityFile   = "capacity.csv"
	infoFile       = "run.json"
	latestLink     = "latest"
)

// Run is the folder of a run that is being written. Its methods may be called
// from several goroutines.
type Run struct {
	dir string

	mu         sync.Mutex
	info       Info
	trials     *journal
	timeline   *journal
	histograms *histogramLog
	searches   *journal          // nil until there is a search
	warmed     *lab.AttackResult // the last warm-up in the timeline
	ended      bool
}

// Create makes results/<run-id>/ with its files and points results/latest to
// it. info needs all but SchemaVersion, RunID, State, EndedAt, Profile and
// Seed, which follow from the rest.
func Create(resultsDir, runID string, info Info) (*Run, error) {
	if info.StartedAt.IsZero() {
		return nil, fmt.Errorf("creating the folder of run %s: its start is not known", runID)
	}
	info.SchemaVersion = metric.SchemaVersion
	info.RunID, info.State, info.EndedAt = runID, Running, nil
	info.Profile, info.Seed = info.Plan.Profile.Name, info.Plan.Seed
	info.StartedAt = info.StartedAt.UTC()

	r := &Run{dir: filepath.Join(resultsDir, runID), info: info}
	if err := os.MkdirAll(resultsDir, 0o755); err != nil {
		return nil, fmt.Errorf("creating %s: %w", resultsDir, err)
	}
	if err := os.Mkdir(r.dir, 0o755); err != nil {
		return nil, fmt.Errorf("creating the folder of run %s: %w", runID, err)
	}
	if err := r.open(resultsDir); err != nil {
		return nil, errors.Join(err, r.close())
	}
	return r, nil
}

func (r *Run) open(resultsDir string) (err error) {
	if err = writeInfo(r.dir, r.info); err != nil {
		return err
	}
	if r.trials, err = r.table(trialsFile, metric.Header()); err != nil {
		return err
	}
	if r.timeline, err = r.table(timelineFile, timelineHeader); err != nil {
		return err
	}
	if r.histograms, err = createHistogramLog(filepath.Join(r.dir, histogramsFile), r.info.StartedAt); err != nil {
		return err
	}
	for _, dir := range []string{r.dir, resultsDir} {
		if err = syncDir(dir); err != nil {
			return fmt.Errorf("syncing %s: %w", dir, err)
		}
	}
	return pointLatest(resultsDir, r.info.RunID)
}

func (r *Run) table(name string, header []string) (*journal, error) {
	j, err := createJournal(filepath.Join(r.dir, name))
	if err != nil {
		return nil, err
	}
	if err := j.append(csvLines(header)); err != nil {
		return nil, errors.Join(err, j.close())
	}
	return j, nil
}

// Dir is the run's folder.
func (r *Run) Dir() string { return r.dir }

// Add writes samples: for each its one-second buckets, its histograms, the steps of
// its search, then its row, synced. What cannot be written does not keep the rest from being
// written; the error names every file that is short of something.
func (r *Run) Add(samples ...lab.Sample) error {
	r.mu.Lock()
	defer r.mu.Unlock()
	if r.ended {
		return fmt.Errorf("adding to run %s: it has ended", r.info.RunID)
	}
	var errs []error
	for _, s := range samples {
		errs = append(errs, r.addTimeline(s), r.histograms.add(s), r.addSearch(s),
			r.trials.append(csvLines(metric.RowOf(s).Record())))
	}
	return errors.Join(errs...)
}

func (r *Run) addTimeline(s lab.Sample) error {
	var rows [][]string
	// Every phase of a trial carries the trial's warm-up; it is written once.
	if s.WarmUp != nil && !sameAttack(s.WarmUp, r.warmed) {
		r.warmed = s.WarmUp
		rows = append(rows, timelineRows(s, lab.Phase{Kind: lab.WarmUp}, s.WarmUp)...)
	}
	if s.Attack != nil {
		rows = append(rows, timelineRows(s, s.Phase, s.Attack)...)
	}
	if len(rows) == 0 {
		return nil
	}
	return r.timeline.append(csvLines(rows...))
}

func sameAttack(a, b *lab.AttackResult) bool {
	return b != nil && a.StartedAt.Equal(b.StartedAt) && a.Elapsed == b.Elapsed && a.Sent == b.Sent
}

// Update changes run.json, in one step.
func (r *Run) Update(change func(*Info)) error {
	r.mu.Lock()
	defer r.mu.Unlock()
	change(&r.info)
	return writeInfo(r.dir, r.info)
}

// End marks the run with how it ended and why, and closes its files. A second
// call does nothing: the first reason to end is the one that counts.
func (r *Run) End(state State, reason string, at time.Time) error {
	r.mu.Lock()
	defer r.mu.Unlock()
	if r.ended {
		return nil
	}
	r.ended = true
	at = at.UTC()
	r.info.State, r.info.Reason, r.info.EndedAt = state, reason, &at
	return errors.Join(r.close(), writeInfo(r.dir, r.info))
}

func (r *Run) close() error {
	var errs []error
	for _, j := range []*journal{r.trials, r.timeline, r.searches} {
		if j != nil {
			errs = append(errs, j.close())
		}
	}
	if r.histograms != nil {
		errs = append(errs, r.histograms.j.close())
	}
	return errors.Join(errs...)
}

// pointLatest swaps results/latest to a run; the link never dangles nor lacks.
func pointLatest(resultsDir, runID string) error {
	link := filepath.Join(resultsDir, latestLink)
	next := filepath.Join(resultsDir, "."+latestLink+"-"+runID)
	if err := os.Symlink(runID, next); err != nil {
		return fmt.Errorf("pointing %s to %s: %w", link, runID, err)
	}
	if err := os.Rename(next, link); err != nil {
		return errors.Join(fmt.Errorf("pointing %s to %s: %w", link, runID, err), os.Remove(next))
	}
	return nil
}

// csvLines is records as RFC 4180 has them but for the line ends, which are
// those of Unix.
func csvLines(records ...[]string) []byte {
	var b bytes.Buffer
	w := csv.NewWriter(&b)
	_ = w.WriteAll(records) // a buffer takes everything
	return b.Bytes()
}
