package record

import (
	"bytes"
	"cmp"
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"time"

	"golang.org/x/sys/unix"

	"runtimelab/lab"
	"runtimelab/lab/metric"
)

// Resume opens the folder of a run that ended before its plan did, to be added to,
// and returns what its finished trials have left. What a trial wrote that did not
// end is taken off, which the doubts say: it is to be measured once more. decided
// is the run's plan as it was read before its folder was locked: another lab may
// have gone on with it since.
func Resume(dir string, decided lab.Plan, at time.Time) (*Run, *StoredRun, error) {
	// What is no run is left as it is.
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

func readResumable(dir string, decided lab.Plan) (Info, error) {
	info, err := ReadInfo(dir)
	if err != nil {
		return info, err
	}
	if err := CheckResumable(info); err != nil {
		return info, err
	}
	was, err := json.Marshal(decided)
	if err != nil {
		return info, err
	}
	is, err := json.Marshal(info.Plan)
	if err != nil {
		return info, err
	}
	if !bytes.Equal(was, is) {
		return info, &lab.Fault{
			Code: lab.ExitFailed, Err: fmt.Errorf("resuming run %s: another lab went on with it meanwhile, and "+
				"found rates for its plan", info.RunID),
			Hint: "lab run --resume " + info.RunID + " once more goes on with the plan as it is now",
		}
	}
	return info, nil
}

// CheckResumable says why a run cannot be gone on with, whatever its folder holds.
func CheckResumable(info Info) error {
	switch {
	case info.State == Done:
		return &lab.Fault{
			Code: lab.ExitUsage,
			Err:  fmt.Errorf("run %s is complete: there is nothing to resume", info.RunID),
			Hint: "lab report prints its tables; lab run --like repeats its plan",
		}
	case info.SchemaVersion != metric.SchemaVersion:
		return &lab.Fault{
			Code: lab.ExitUsage,
			Err: fmt.Errorf("run %s has rows of schema version %d, and this lab writes %d: its columns would mean "+
				"two things",
				info.RunID, info.SchemaVersion, metric.SchemaVersion),
			Hint: "finish it with the lab that began it (see \"versions\" in run.json); " +
				"lab run --like repeats its plan",
		}
	case len(info.Files) == 0:
		return &lab.Fault{
			Code: lab.ExitUsage,
			Err:  fmt.Errorf("run %s was written by a lab that did not keep account of its files", info.RunID),
			Hint: "lab run --like repeats its plan",
		}
	}
	return nil
}

func (r *Run) reopen(at time.Time) (*StoredRun, error) {
	doubts, err := r.reopenJournals()
	if err != nil {
		return nil, err
	}
	taken, err := r.removeUnfinished()
	if err != nil {
		return nil, err
	}
	earlier, err := Read(r.dir)
	if err != nil {
		return nil, err
	}
	earlier.Doubts = append(append(earlier.Doubts, doubts...), taken...)
	r.rows = len(earlier.Rows)
	r.info.State, r.info.Reason, r.info.EndedAt = Running, "", nil
	r.info.ResumedAt = append(r.info.ResumedAt, at)
	if err := writeInfo(r.dir, r.info); err != nil {
		return nil, err
	}
	return earlier, nil
}

func (r *Run) reopenJournals() (doubts []string, err error) {
	reopen := func(name string) *journal {
		finished, there := r.info.Files[name]
		if !there || err != nil {
			return nil
		}
		j, off, failed := reopenJournal(filepath.Join(r.dir, name), finished)
		if err = failed; off > 0 {
			doubts = append(doubts, fmt.Sprintf("%s: %d bytes of a trial that did not end were taken off", name, off))
		}
		return j
	}
	r.trials, r.timeline, r.searches = reopen(TrialsFile), reopen(timelineFile), reopen(capacityFile)
	if j := reopen(histogramsFile); j != nil {
		r.histograms = &histogramLog{j: j, base: r.info.StartedAt.Truncate(time.Second)}
	}
	if err == nil && (r.trials == nil || r.timeline == nil || r.histograms == nil) {
		err = fmt.Errorf("run.json does not account for all of %s, %s and %s", TrialsFile, timelineFile,
			histogramsFile)
	}
	return doubts, err
}

// removeUnfinished removes the files that a trial which did not end had begun.
func (r *Run) removeUnfinished() (doubts []string, err error) {
	// Behind a link in its place would be somebody else's files.
	if raw, err := os.Lstat(filepath.Join(r.dir, rawDir)); err == nil && !raw.IsDir() {
		return nil, fmt.Errorf("%s in it is no folder", rawDir)
	}
	begun, err := r.unfinishedFiles()
	if err != nil {
		return nil, err
	}
	for _, name := range begun {
		if _, finished := r.info.Files[name]; finished {
			continue
		}
		switch err := os.Remove(filepath.Join(r.dir, name)); {
		case err == nil:
			doubts = append(doubts, fmt.Sprintf("%s: of a trial that did not end, was removed", name))
		case !errors.Is(err, fs.ErrNotExist):
			return nil, err
		}
	}
	return doubts, nil
}

// unfinishedFiles are the files that may be of a trial which did not end, or of a run.json
// that was being written.
func (r *Run) unfinishedFiles() (names []string, err error) {
	names = []string{capacityFile}
	beside, err := os.ReadDir(r.dir)
	if err != nil {
		return nil, err
	}
	for _, file := range beside {
		if strings.HasPrefix(file.Name(), InfoFile+tempInfix) {
			names = append(names, file.Name())
		}
	}
	hits, err := os.ReadDir(filepath.Join(r.dir, rawDir))
	for _, file := range hits {
		names = append(names, rawDir+"/"+file.Name())
	}
	return names, ignoreMissing(err)
}

// CheckDiskSpace makes sure that a run's folder can be made in resultsDir, that files can be
// locked and so many bytes fit there: what would fail after an hour is better said
// before it.
func CheckDiskSpace(resultsDir string, bytes uint64) error {
	if err := os.MkdirAll(resultsDir, 0o755); err != nil {
		return diskFault(resultsDir, err)
	}
	probe, err := os.CreateTemp(resultsDir, ".room-*")
	if err != nil {
		return diskFault(resultsDir, err)
	}
	locked := lock(probe)
	_, err = probe.Write(make([]byte, 4096))
	err = errors.Join(err, probe.Sync(), probe.Close(), os.Remove(probe.Name()))
	if err != nil {
		return diskFault(resultsDir, err)
	}
	if locked != nil {
		return noLocks(resultsDir, locked)
	}
	var disk unix.Statfs_t
	if err := unix.Statfs(resultsDir, &disk); err != nil {
		return diskFault(resultsDir, err)
	}
	if free := uint64(disk.Bavail) * uint64(disk.Bsize); free < bytes { //nolint:unconvert // their types differ between systems
		return diskFault(resultsDir,
			fmt.Errorf("its disk has %d MiB left, and a run may need %d", free>>20, bytes>>20))
	}
	return nil
}

func diskFault(dir string, err error) error {
	return &lab.Fault{
		Code: lab.ExitFailed, Err: fmt.Errorf("nothing can be recorded in %s: %w", dir, err),
		Hint: cmp.Or(lab.Denied(err, dir), "make it writable and give it room before anything is measured"),
	}
}
