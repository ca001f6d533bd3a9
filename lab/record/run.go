package record

import (
	"bytes"
	"encoding/csv"
	"errors"
	"fmt"
	"maps"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"sync"
	"time"

	"runtimelab/lab"
	"runtimelab/lab/metric"
)

// Files of a run's folder.
const (
	TrialsFile     = "trials.csv" // its rows
	timelineFile   = "timeline.csv"
	histogramsFile = "histograms.hlog"
	capacityFile   = "capacity.csv"
	InfoFile       = "run.json" // what they have in common
)

// Run is the folder of a run that is being written. Its methods may be called
// from several goroutines.
type Run struct {
	dir string

	lock *os.File // locked against a second lab

	mu         sync.Mutex
	info       Info
	rows       int                // in trials.csv
	hits       map[string]FileSum // that the trial under way has kept, by file
	trials     *journal
	timeline   *journal
	histograms *histogramLog
	searches   *journal          // nil until there is a search
	lastWarmUp *lab.AttackResult // the last warm-up in the timeline
	ended      bool
}

// Create makes results/<run-id>/ with its files. info needs all but SchemaVersion,
// RunID, State, EndedAt, Profile, Seed and Files, which follow from the rest.
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
	if err := r.openFiles(resultsDir); err != nil {
		return nil, errors.Join(err, r.close())
	}
	return r, nil
}

func (r *Run) openFiles(resultsDir string) (err error) {
	if r.lock, err = lockRun(r.dir); err != nil {
		return err
	}
	if r.trials, err = r.createTable(TrialsFile, metric.Header()); err != nil {
		return err
	}
	if r.timeline, err = r.createTable(timelineFile, timelineHeader); err != nil {
		return err
	}
	if r.histograms, err = createHistogramLog(filepath.Join(r.dir, histogramsFile),
		r.info.StartedAt); err != nil {
		return err
	}
	if err = r.checkpoint(); err != nil {
		return err
	}
	for _, dir := range []string{r.dir, resultsDir} {
		if err = syncDir(dir); err != nil {
			return fmt.Errorf("syncing %s: %w", dir, err)
		}
	}
	return nil
}

func (r *Run) createTable(name string, header []string) (*journal, error) {
	j, err := createJournal(filepath.Join(r.dir, name))
	if err != nil {
		return nil, err
	}
	if err := j.append(csvLines(header)); err != nil {
		return nil, errors.Join(err, j.close())
	}
	return j, nil
}

// ID is the run's.
func (r *Run) ID() string { return r.info.RunID }

// Dir is the run's folder.
func (r *Run) Dir() string { return r.dir }

// AddTrial writes the samples of a trial, which has ended with them: for each its
// one-second buckets, its histograms and the steps of its search, then the rows
// of all in one, synced; and last, what the files now hold. What cannot be written
// does not keep the rest from being written; the error names every file that is
// short of something.
func (r *Run) AddTrial(samples ...lab.Sample) error {
	r.mu.Lock()
	defer r.mu.Unlock()
	if r.ended {
		return fmt.Errorf("adding to run %s: it has ended", r.info.RunID)
	}
	var errs []error
	var rows [][]string
	for _, s := range samples {
		s.Row = r.rows + len(rows) + 1
		errs = append(errs, r.addTimeline(s), r.histograms.add(s), r.addSearch(s))
		rows = append(rows, metric.RowOf(s).CSVRecord())
	}
	if err := r.trials.append(csvLines(rows...)); err != nil {
		return errors.Join(append(errs, err)...)
	}
	r.rows += len(rows)
	if err := errors.Join(errs...); err != nil {
		return err
	}
	return r.checkpoint()
}

// checkpoint notes in run.json what the files hold. A trial has ended when that
// says so: what they hold beyond it a resumed run measures once more.
func (r *Run) checkpoint() error {
	files := maps.Clone(r.info.Files)
	if files == nil {
		files = make(map[string]FileSum)
	}
	maps.Copy(files, r.hits)
	for _, j := range r.journals() {
		files[filepath.Base(j.path)] = j.content()
	}
	r.info.Files, r.hits = files, nil
	return writeInfo(r.dir, r.info)
}

// journals are the files that grow with every trial.
func (r *Run) journals() (all []*journal) {
	if r.histograms != nil {
		all = append(all, r.histograms.j)
	}
	for _, j := range []*journal{r.timeline, r.searches, r.trials} {
		if j != nil {
			all = append(all, j)
		}
	}
	return all
}

func (r *Run) addTimeline(s lab.Sample) error {
	var rows [][]string
	// Every phase of a trial carries the trial's warm-up; it is written once.
	if s.WarmUp != nil && !sameAttack(s.WarmUp, r.lastWarmUp) {
		r.lastWarmUp = s.WarmUp
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

// AddNote adds words to the run's notes, once: every session of a resumed run finds the
// same.
func (r *Run) AddNote(words string) error {
	return r.Update(func(i *Info) {
		if !slices.Contains(i.Notes, words) {
			i.Notes = append(i.Notes, words)
		}
	})
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
	// The lock goes with the files: after run.json, so that nobody goes on with a run
	// whose end is being written.
	return errors.Join(writeInfo(r.dir, r.info), r.close())
}

func (r *Run) close() error {
	var errs []error
	for _, j := range r.journals() {
		errs = append(errs, j.close())
	}
	if r.lock != nil {
		errs = append(errs, r.lock.Close())
	}
	return errors.Join(errs...)
}

// csvLines is records as RFC 4180 has them but for the line ends, which are
// those of Unix.
func csvLines(records ...[]string) []byte {
	var b bytes.Buffer
	w := csv.NewWriter(&b)
	for _, record := range records {
		cells := make([]string, len(record))
		for i, cell := range record {
			cells[i] = EscapeFormula(cell)
		}
		_ = w.Write(cells) // a buffer takes everything
	}
	w.Flush()
	return b.Bytes()
}

// EscapeFormula is a cell of a CSV file that no spreadsheet takes for a formula: one
// that begins like it, and is no number, gets an apostrophe before it. Servers,
// which write some of the cells, are strangers (OWASP, CSV Injection).
func EscapeFormula(cell string) string {
	if cell == "" || !strings.ContainsRune("=+-@\t\r", rune(cell[0])) {
		return cell
	}
	if _, err := strconv.ParseFloat(cell, 64); err == nil {
		return cell
	}
	return "'" + cell
}
