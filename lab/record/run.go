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

	"github.com/gofrs/flock"

	"runtimelab/lab"
	"runtimelab/lab/metric"
)

// Files in a run's folder. The package comment describes them.
const (
	TrialsFile     = "trials.csv"
	TimelineFile   = "timeline.csv"
	HistogramsFile = "histograms.hlog"
	CapacityFile   = "capacity.csv"
	InfoFile       = "run.json"
	PageFile       = "report.html"
)

// Run writes the folder of a run. Its methods are safe for concurrent use.
type Run struct {
	dir string

	lock *flock.Flock // against a second lab

	mu         sync.Mutex
	info       Info
	rows       int                // number of rows in trials.csv
	hits       map[string]FileSum // files of raw hits of the current trial, by name
	trials     *journal
	timeline   *journal
	histograms *histogramLog
	searches   *journal          // capacity.csv; nil before the first search
	lastWarmUp *lab.AttackResult // the last warm-up that timeline.csv has
	ended      bool
}

// Create creates results/<run-id>/ with its files. It sets SchemaVersion, RunID, State, EndedAt,
// Profile, Seed and Files of info; the caller sets the others.
func Create(resultsDir, runID string, info Info) (*Run, error) {
	if info.StartedAt.IsZero() {
		return nil, fmt.Errorf("creating the folder of run %s: Info.StartedAt is not set", runID)
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

// openFiles locks the folder and creates the files with their headers.
func (r *Run) openFiles(resultsDir string) (err error) {
	if r.lock, err = lockRun(r.dir); err != nil {
		return err
	}
	if r.trials, err = r.createTable(TrialsFile, metric.Header()); err != nil {
		return err
	}
	if r.timeline, err = r.createTable(TimelineFile, timelineHeader); err != nil {
		return err
	}
	histogramsPath := filepath.Join(r.dir, HistogramsFile)
	if r.histograms, err = createHistogramLog(histogramsPath, r.info.StartedAt); err != nil {
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

// createTable creates a CSV file with a header.
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

// ID returns the run's id.
func (r *Run) ID() string { return r.info.RunID }

// Dir returns the path of the run's folder.
func (r *Run) Dir() string { return r.dir }

// AddTrial writes the samples of a trial that has ended. For each sample it writes the one-second
// buckets, the histograms and the steps of its search. Then it writes all rows in one write, and
// last the sums of the files. If one file cannot be written, the others still are; the error names
// every incomplete file.
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

// checkpoint writes the size and the sum of every file to run.json. That ends the trial: a resumed
// run removes later data.
func (r *Run) checkpoint() error {
	files := maps.Clone(r.info.Files)
	if files == nil {
		files = make(map[string]FileSum)
	}
	maps.Copy(files, r.hits)
	for _, j := range r.journals() {
		files[filepath.Base(j.path)] = j.fileSum()
	}
	r.info.Files, r.hits = files, nil
	return writeInfo(r.dir, r.info)
}

// journals returns the files that grow with every trial.
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

// addTimeline writes the one-second buckets of a sample.
func (r *Run) addTimeline(s lab.Sample) error {
	var rows [][]string
	// Every sample of a trial has the trial's warm-up, which is written once.
	if s.WarmUp != nil && !sameAttack(s.WarmUp, r.lastWarmUp) {
		r.lastWarmUp = s.WarmUp
		warmUp := lab.Phase{Kind: s.Phase.Kind.Traits().WarmedUpBy}
		rows = append(rows, timelineRows(s, warmUp, *s.WarmUp)...)
	}
	if s.Measured != nil {
		rows = append(rows, timelineRows(s, s.Phase, s.Measured.Attack)...)
	}
	if len(rows) == 0 {
		return nil
	}
	return r.timeline.append(csvLines(rows...))
}

// sameAttack reports whether a and b are results of the same attack.
func sameAttack(a, b *lab.AttackResult) bool {
	return b != nil && a.StartedAt.Equal(b.StartedAt) && a.Elapsed == b.Elapsed && a.Sent == b.Sent
}

// Update changes run.json in one step.
func (r *Run) Update(change func(*Info)) error {
	r.mu.Lock()
	defer r.mu.Unlock()
	change(&r.info)
	return writeInfo(r.dir, r.info)
}

// AddNote adds a note to the run unless it has it already: every session of a resumed run adds the
// same notes.
func (r *Run) AddNote(note string) error {
	return r.Update(func(i *Info) {
		if !slices.Contains(i.Notes, note) {
			i.Notes = append(i.Notes, note)
		}
	})
}

// End writes how and why the run ended, and closes its files. A second call does nothing, so that
// the first reason stays.
func (r *Run) End(state State, reason string, at time.Time) error {
	r.mu.Lock()
	defer r.mu.Unlock()
	if r.ended {
		return nil
	}
	r.ended = true
	at = at.UTC()
	r.info.State, r.info.Reason, r.info.EndedAt = state, reason, &at
	// close releases the lock. It comes after run.json, so that no other lab resumes the run too
	// early.
	return errors.Join(writeInfo(r.dir, r.info), r.close())
}

// close closes the files and releases the lock.
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

// csvLines returns records as lines of RFC 4180, but with Unix line ends.
func csvLines(records ...[]string) []byte {
	var b bytes.Buffer
	w := csv.NewWriter(&b)
	for _, record := range records {
		cells := make([]string, len(record))
		for i, cell := range record {
			cells[i] = EscapeFormula(cell)
		}
		_ = w.Write(cells) // writing to a buffer never fails
	}
	w.Flush()
	return b.Bytes()
}

// EscapeFormula returns a cell that no spreadsheet takes for a formula: it prefixes such a cell
// with an apostrophe, unless it is a number. Servers choose the content of some cells, and cannot
// be trusted (OWASP, CSV Injection).
func EscapeFormula(cell string) string {
	if cell == "" || !strings.ContainsRune("=+-@\t\r", rune(cell[0])) {
		return cell
	}
	if _, err := strconv.ParseFloat(cell, 64); err == nil {
		return cell
	}
	return "'" + cell
}
