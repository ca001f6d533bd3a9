package record

import (
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"maps"
	"os"
	"path/filepath"
	"slices"

	"runtimelab/lab"
	"runtimelab/lab/metric"
)

// Verification is what the folder of a run has been found to be.
type Verification struct {
	RunID    string   `json:"run_id"`
	Dir      string   `json:"dir"`
	State    State    `json:"state"`
	Trials   int      `json:"trials"`  // that have ended, each once however often it was tried
	Planned  int      `json:"planned"` // trials in all
	Rows     int      `json:"rows"`
	Files    int      `json:"files"`    // that run.json accounts for
	Problems []string `json:"problems"` // what is wrong with what is there
	Missing  []string `json:"missing"`  // what is not there yet, or not part of the run
}

// Consistent reports whether all that is there is what the run wrote.
func (v Verification) Consistent() bool { return len(v.Problems) == 0 }

// Complete reports whether it is all that the plan asked for, too.
func (v Verification) Complete() bool {
	return v.Consistent() && v.State == Done && v.Trials == v.Planned
}

// Verify proves the folder of a run complete and consistent, or says what is wrong:
// every file against its sum in run.json, every row against the plan, and the plan
// against the rows. What cannot be read at all is an error.
func Verify(dir string) (v Verification, err error) {
	info, err := ReadInfo(dir)
	if err != nil {
		return v, err
	}
	v = Verification{
		RunID: info.RunID, Dir: dir, State: info.State, Planned: len(info.Plan.Trials),
		Files: len(info.Files),
	}
	if err := v.checkFiles(info); err != nil {
		return v, err
	}
	recorded, err := Read(dir)
	if err != nil {
		v.addProblem("%v", err)
		return v, nil
	}
	for _, doubt := range recorded.Doubts {
		if info.State == Done {
			v.addProblem("%s", doubt)
		} else { // a line that was torn when it was killed is nobody's doing
			v.addMissing("%s", doubt)
		}
	}
	v.checkRows(recorded)
	return v, nil
}

func (v *Verification) addProblem(format string, args ...any) {
	v.Problems = append(v.Problems, fmt.Sprintf(format, args...))
}

func (v *Verification) addMissing(format string, args ...any) {
	v.Missing = append(v.Missing, fmt.Sprintf(format, args...))
}

// checkFiles holds every file against its sum. A run that has not ended may have
// written more than its finished trials did.
func (v *Verification) checkFiles(info Info) error {
	if len(info.Files) == 0 {
		v.addProblem("run.json holds no sums: it was written by a lab that did not keep any")
	}
	for _, name := range slices.Sorted(maps.Keys(info.Files)) {
		if !filepath.IsLocal(name) {
			v.addProblem("run.json accounts for %q, which is outside the folder", name)
			continue
		}
		beyond, changed, err := compareFile(filepath.Join(v.Dir, name), info.Files[name])
		switch {
		case errors.Is(err, fs.ErrNotExist):
			v.addProblem("%s is gone", name)
		case err != nil:
			return err
		case changed:
			v.addProblem("%s is not what the run wrote: its sum differs", name)
		case beyond > 0 && info.State == Done:
			v.addProblem("%s has %d bytes more than the run wrote", name, beyond)
		case beyond > 0:
			v.addMissing("%s: %d bytes are of a trial that did not end", name, beyond)
		}
	}
	return nil
}

// compareFile compares the beginning of a file with what it should be, and counts what
// follows.
func compareFile(path string, want FileSum) (beyond int64, changed bool, err error) {
	f, err := os.Open(path)
	if err != nil {
		return 0, false, err
	}
	defer f.Close()
	sum := sha256.New()
	n, err := io.CopyN(sum, f, want.Bytes)
	if err != nil && !errors.Is(err, io.EOF) {
		return 0, false, fmt.Errorf("reading %s: %w", path, err)
	}
	if hex.EncodeToString(sum.Sum(nil)) != want.SHA256 { // also where it is shorter
		return 0, true, nil
	}
	whole, err := f.Stat()
	if err != nil {
		return 0, false, err
	}
	return whole.Size() - n, false, nil
}

// maxRowProblems is how many of one kind of problem are told: thousands of rows can
// share one.
const maxRowProblems = 10

// checkRows holds the rows against the plan.
func (v *Verification) checkRows(r *StoredRun) {
	v.Rows = len(r.Rows)
	planned := make(map[lab.TrialID]lab.Trial)
	for _, t := range r.Info.Plan.Trials {
		planned[t.ID()] = t
	}
	seen := make(map[string]bool)
	told := 0
	for i, row := range r.Rows {
		for _, problem := range v.checkRow(i, row, r.Info, planned, seen) {
			if told++; told <= maxRowProblems {
				v.addProblem("row %d: %s", i+1, problem)
			}
		}
	}
	if told > maxRowProblems {
		v.addProblem("... and %d more problems with rows", told-maxRowProblems)
	}
	v.Trials = r.MeasuredTrials()
	if n := v.Planned - v.Trials; n > 0 {
		v.addMissing("%d of %d trials have not been measured", n, v.Planned)
		if v.State == Done {
			v.addProblem("the run says that it is done, and %d of its trials have no row", n)
		}
	}
}

// checkRow says what is wrong with one row.
func (v *Verification) checkRow(i int, row metric.Row, info Info, planned map[lab.TrialID]lab.Trial,
	seen map[string]bool,
) (problems []string) {
	wrong := func(format string, args ...any) { problems = append(problems, fmt.Sprintf(format, args...)) }
	if n, ok := row.Int("row"); !ok || n != int64(i+1) {
		wrong("its number is %d", n)
	}
	if id := row.Text("run_id"); id != info.RunID {
		wrong("is of run %s", id)
	}
	if host := row.Text("host_id"); host != info.Host.ID {
		wrong("was measured on host %s, not on %s", host, info.Host.ID)
	}
	id := row.TrialID()
	first := id
	first.Attempt = 1
	t, known := planned[first]
	if !known {
		wrong("the plan has no trial of %s on %s with %d CPUs in block %d", id.Scenario, id.Variant, id.Cores,
			id.Block)
		return problems
	}
	if p, _ := row.Int("position"); p != int64(t.Position) {
		wrong("its position is %d, planned is %d", p, t.Position)
	}
	phase := fmt.Sprint(id, row.Text("phase"))
	if seen[phase] {
		wrong("%s of that trial has a row already", row.Text("phase"))
	}
	seen[phase] = true
	if built := row.Text("content_sha256"); built != "" &&
		built != info.MeasuredVariants[id.Variant].Image.ContentSHA256 {
		wrong("its image is not the run's of %s", id.Variant)
	}
	return problems
}

// MeasuredTrials is how many of the plan's trials have ended, each once however often it
// was tried and whatever came of it. Those of a variant that is refused have, too:
// there is nothing to measure.
func (r *StoredRun) MeasuredTrials() (n int) {
	ended := r.EndedTrials()
	for _, t := range r.Info.Plan.Trials {
		_, has := ended[t.ID()]
		if _, refused := r.Info.Refused[lab.OriginalOf(t.Variant)]; has || refused {
			n++
		}
	}
	return n
}

// EndedTrials is the trials that have rows, each attempt, and whether something
// disturbed it.
func (r *StoredRun) EndedTrials() map[lab.TrialID]bool {
	ended := make(map[lab.TrialID]bool)
	for _, row := range r.Rows {
		id := row.TrialID()
		ended[id] = ended[id] || row.Text("validity") == string(lab.Disturbed)
	}
	return ended
}
