package record

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"time"

	"runtimelab/lab"
	"runtimelab/lab/fault"
	"runtimelab/lab/message"
	"runtimelab/lab/metric"
)

// Resume reopens the folder of an unfinished run and returns what its ended trials have written. It
// removes the data of unfinished trials, which are measured again, and reports that as doubts.
// decided is the run's plan as it was read before the folder was locked. Resume fails if another
// lab has changed the plan since. at becomes the last of ResumedAt.
func Resume(dir string, decided lab.Plan, at time.Time) (*Run, *StoredRun, error) {
	// Check first, so that a folder without a run gets no lock file.
	if _, err := ReadInfo(dir); err != nil {
		return nil, nil, err
	}
	lock, err := lockRun(dir)
	if err != nil {
		return nil, nil, fmt.Errorf("resuming a run: %w", err)
	}
	r := &Run{dir: dir, lock: lock}
	if r.info, err = readResumable(dir, decided); err != nil {
		return nil, nil, errors.Join(err, r.close())
	}
	earlier, err := r.reopen(at.UTC())
	if err != nil {
		return nil, nil, errors.Join(fmt.Errorf("resuming run %s: %w", r.info.RunID, err), r.close())
	}
	return r, earlier, nil
}

// readResumable reads run.json and checks that the run can be resumed by the plan decided.
func readResumable(dir string, decided lab.Plan) (Info, error) {
	info, err := ReadInfo(dir)
	if err != nil {
		return info, err
	}
	if err := CheckResumable(info); err != nil {
		return info, err
	}
	before, err := json.Marshal(decided)
	if err != nil {
		return info, err
	}
	now, err := json.Marshal(info.Plan)
	if err != nil {
		return info, err
	}
	if !bytes.Equal(before, now) {
		return info, &fault.Error{
			Code: fault.ExitFailed,
			Err: fmt.Errorf("resuming run %s: another lab resumed it meanwhile and changed its plan",
				info.RunID),
			Hint: "run lab run --resume " + info.RunID + " again to continue with the changed plan",
		}
	}
	return info, nil
}

// finishElsewhere is the hint for a run whose files another version of the lab writes.
const finishElsewhere = "finish it with the lab that started it (see \"versions\" in run.json); " +
	"lab run --like repeats its plan"

// CheckResumable returns why a run cannot be resumed, whatever its folder holds, or nil.
func CheckResumable(info Info) error {
	switch {
	case info.State == Done:
		return &fault.Error{
			Code: fault.ExitUsage,
			Err:  fmt.Errorf("run %s is complete: there is nothing to resume", info.RunID),
			Hint: "lab report prints its tables; lab run --like repeats its plan",
		}
	case info.SchemaVersion != metric.SchemaVersion:
		return &fault.Error{
			Code: fault.ExitUsage,
			Err: fmt.Errorf("run %s has rows of schema version %d and this lab writes version %d: "+
				"one file cannot hold both", info.RunID, info.SchemaVersion, metric.SchemaVersion),
			Hint: finishElsewhere,
		}
	case len(info.Files) == 0:
		return &fault.Error{
			Code: fault.ExitUsage,
			Err:  fmt.Errorf("run %s cannot be resumed: an older lab wrote it without file sums", info.RunID),
			Hint: "lab run --like repeats its plan",
		}
	}
	return nil
}

// reopen opens the files of the run, removes unfinished trials, and marks the run as running.
func (r *Run) reopen(at time.Time) (*StoredRun, error) {
	doubts, err := r.reopenJournals()
	if err != nil {
		return nil, err
	}
	removed, err := r.removeUnfinished()
	if err != nil {
		return nil, err
	}
	earlier, err := Read(r.dir)
	if err != nil {
		return nil, err
	}
	if !slices.Equal(earlier.header, metric.Header()) {
		return nil, &fault.Error{
			Code: fault.ExitUsage,
			Err:  fmt.Errorf("%s has other columns than this lab writes: one file cannot hold both", TrialsFile),
			Hint: finishElsewhere,
		}
	}
	earlier.Doubts = append(append(earlier.Doubts, doubts...), removed...)
	r.rows = len(earlier.Rows)
	r.info.State, r.info.Reason, r.info.EndedAt = Running, "", nil
	r.info.ResumedAt = append(r.info.ResumedAt, at)
	if err := writeInfo(r.dir, r.info); err != nil {
		return nil, err
	}
	return earlier, nil
}

// reopenJournals opens the files that grow with every trial, and reports what it removed from them.
func (r *Run) reopenJournals() (doubts []string, err error) {
	reopen := func(name string) *journal {
		ended, ok := r.info.Files[name]
		if !ok || err != nil {
			return nil
		}
		j, removed, failed := reopenJournal(filepath.Join(r.dir, name), ended)
		if err = failed; removed > 0 {
			doubts = append(doubts, fmt.Sprintf("%s: removed %s of an unfinished trial", name,
				message.Count(int(removed), "byte", "bytes")))
		}
		return j
	}
	r.trials, r.timeline, r.searches = reopen(TrialsFile), reopen(TimelineFile), reopen(CapacityFile)
	if j := reopen(HistogramsFile); j != nil {
		r.histograms = &histogramLog{j: j, base: r.info.StartedAt.Truncate(time.Second)}
	}
	if err == nil && (r.trials == nil || r.timeline == nil || r.histograms == nil) {
		err = fmt.Errorf("run.json does not list the sums of %s, %s and %s",
			TrialsFile, TimelineFile, HistogramsFile)
	}
	return doubts, err
}

// removeUnfinished removes the files that only an unfinished trial has written, and reports them.
func (r *Run) removeUnfinished() (doubts []string, err error) {
	// Do not follow a link: its files are not the run's.
	if raw, err := os.Lstat(filepath.Join(r.dir, rawDir)); err == nil && !raw.IsDir() {
		return nil, fmt.Errorf("%s is not a folder", filepath.Join(r.dir, rawDir))
	}
	candidates, err := r.unfinishedFiles()
	if err != nil {
		return nil, err
	}
	for _, name := range candidates {
		if _, ended := r.info.Files[name]; ended {
			continue
		}
		switch err := os.Remove(filepath.Join(r.dir, name)); {
		case err == nil:
			doubts = append(doubts, fmt.Sprintf("%s: removed, because it belongs to an unfinished trial", name))
		case !errors.Is(err, fs.ErrNotExist):
			return nil, err
		}
	}
	return doubts, nil
}

// unfinishedFiles returns the names of files that an unfinished trial or an interrupted write of
// run.json may have left.
func (r *Run) unfinishedFiles() (names []string, err error) {
	names = []string{CapacityFile}
	files, err := os.ReadDir(r.dir)
	if err != nil {
		return nil, err
	}
	for _, file := range files {
		if strings.HasPrefix(file.Name(), tempPrefix+InfoFile) {
			names = append(names, file.Name())
		}
	}
	hits, err := os.ReadDir(filepath.Join(r.dir, rawDir))
	for _, file := range hits {
		names = append(names, rawDir+"/"+file.Name())
	}
	return names, ignoreMissing(err)
}
