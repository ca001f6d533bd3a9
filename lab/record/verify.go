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
	"runtimelab/lab/message"
	"runtimelab/lab/metric"
)

// Verification is the result of Verify.
type Verification struct {
	RunID    string   `json:"run_id"`
	Dir      string   `json:"dir"`
	State    State    `json:"state"`
	Trials   int      `json:"trials"`  // ended trials of the plan; repeated attempts count once
	Planned  int      `json:"planned"` // all trials of the plan
	Rows     int      `json:"rows"`
	Files    int      `json:"files"`    // files that run.json lists
	Problems []string `json:"problems"` // what differs from what the run wrote or planned
	Missing  []string `json:"missing"`  // what is not measured yet, or belongs to an unfinished trial
}

// Consistent reports whether the folder holds only what the run wrote.
func (v Verification) Consistent() bool { return len(v.Problems) == 0 }

// Complete reports whether the folder is consistent and holds all that the plan asks for.
func (v Verification) Complete() bool {
	return v.Consistent() && v.State == Done && v.Trials == v.Planned
}

// Verify checks the folder of a run: every file against its sum in run.json, the rows against the
// plan, and the plan against the rows. It returns an error if run.json or a file cannot be read.
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
	stored, err := Read(dir)
	if err != nil {
		v.addProblem("%v", err)
		return v, nil
	}
	for _, doubt := range stored.Doubts {
		if info.State == Done {
			v.addProblem("%s", doubt)
		} else { // an incomplete line of a killed run is expected
			v.addMissing("%s", doubt)
		}
	}
	v.checkRows(stored)
	return v, nil
}

// addProblem adds a message to Problems.
func (v *Verification) addProblem(format string, args ...any) {
	v.Problems = append(v.Problems, fmt.Sprintf(format, args...))
}

// addMissing adds a message to Missing.
func (v *Verification) addMissing(format string, args ...any) {
	v.Missing = append(v.Missing, fmt.Sprintf(format, args...))
}

// checkFiles checks every file against its sum. An unfinished run may have written more than the
// sums cover.
func (v *Verification) checkFiles(info Info) error {
	if len(info.Files) == 0 {
		v.addProblem("run.json holds no sums of files: an older lab wrote it")
	}
	for _, name := range slices.Sorted(maps.Keys(info.Files)) {
		if !filepath.IsLocal(name) {
			v.addProblem("run.json lists %q, which is outside the folder", name)
			continue
		}
		extra, changed, err := compareFile(filepath.Join(v.Dir, name), info.Files[name])
		switch {
		case errors.Is(err, fs.ErrNotExist):
			v.addProblem("%s is missing", name)
		case err != nil:
			return err
		case changed:
			v.addProblem("%s has been changed since the run wrote it: its SHA-256 differs", name)
		case extra > 0 && info.State == Done:
			v.addProblem("%s has %s more than the run wrote", name, message.Count(int(extra), "byte", "bytes"))
		case extra > 0:
			v.addMissing("%s: %s to an unfinished trial", name,
				message.Count(int(extra), "byte belongs", "bytes belong"))
		}
	}
	return nil
}

// compareFile reports whether the beginning of a file differs from want, and returns the number of
// bytes that follow it.
func compareFile(path string, want FileSum) (extra int64, changed bool, err error) {
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
	if hex.EncodeToString(sum.Sum(nil)) != want.SHA256 { // also if the file is shorter
		return 0, true, nil
	}
	stat, err := f.Stat()
	if err != nil {
		return 0, false, err
	}
	return stat.Size() - n, false, nil
}

// maxRowProblems is the maximum number of reported problems with rows, because thousands of rows
// can share one.
const maxRowProblems = 10

// checkRows checks the rows against the plan, and the plan against the rows.
func (v *Verification) checkRows(r *StoredRun) {
	v.Rows = len(r.Rows)
	planned := make(map[lab.TrialID]lab.Trial)
	for _, t := range r.Info.Plan.Trials {
		planned[t.ID()] = t
	}
	seen := make(map[string]bool)
	found := 0
	for i, row := range r.Rows {
		for _, problem := range v.checkRow(i, row, r.Info, planned, seen) {
			if found++; found <= maxRowProblems {
				v.addProblem("row %d: %s", i+1, problem)
			}
		}
	}
	if found > maxRowProblems {
		v.addProblem("... and %s with rows", message.Count(found-maxRowProblems, "more problem", "more problems"))
	}
	v.Trials = r.MeasuredTrials()
	if n := v.Planned - v.Trials; n > 0 {
		v.addMissing("%d of %d trials have not been measured", n, v.Planned)
		if v.State == Done {
			v.addProblem("the state of the run is done, but %s no row",
				message.Count(n, "of its trials has", "of its trials have"))
		}
	}
}

// checkRow returns the problems of one row. It adds the row's phase to seen.
func (v *Verification) checkRow(
	i int, row metric.Row, info Info, planned map[lab.TrialID]lab.Trial, seen map[string]bool,
) (problems []string) {
	add := func(format string, args ...any) { problems = append(problems, fmt.Sprintf(format, args...)) }
	if n, ok := row.Int("row"); !ok || n != int64(i+1) {
		add("its number is %d", n)
	}
	if id := row.Text("run_id"); id != info.RunID {
		add("it belongs to run %s", id)
	}
	if host := row.Text("host_id"); host != info.Host.ID {
		add("it was measured on host %s, not on %s", host, info.Host.ID)
	}
	id := row.TrialID()
	first := id
	first.Attempt = 1
	t, known := planned[first]
	if !known {
		add("the plan has no trial of %s on %s with %s in block %d",
			id.Scenario, id.Variant, message.Count(id.Cores, "CPU", "CPUs"), id.Block)
		return problems
	}
	if p, _ := row.Int("position"); p != int64(t.Position) {
		add("its position is %d, the plan says %d", p, t.Position)
	}
	phase := fmt.Sprint(id, row.Text("phase"))
	if seen[phase] {
		add("an earlier row has the same trial and phase (%s)", row.Text("phase"))
	}
	seen[phase] = true
	content := row.Text("content_sha256")
	if content != "" && content != info.MeasuredVariants[id.Variant].Image.ContentSHA256 {
		add("its image is not the one that run.json names for %s", id.Variant)
	}
	return problems
}

// MeasuredTrials returns the number of the plan's trials that have ended, whatever their result.
// Repeated attempts count once. Trials of a refused variant count too, because they are never
// measured.
func (r *StoredRun) MeasuredTrials() (n int) {
	ended := r.EndedTrials()
	for _, t := range r.Info.Plan.Trials {
		_, hasRow := ended[t.ID()]
		if _, refused := r.Info.Refused[lab.OriginalOf(t.Variant)]; hasRow || refused {
			n++
		}
	}
	return n
}

// EndedTrials returns the trials that have rows, each attempt by itself, and whether it was
// disturbed.
func (r *StoredRun) EndedTrials() map[lab.TrialID]bool {
	ended := make(map[lab.TrialID]bool)
	for _, row := range r.Rows {
		id := row.TrialID()
		ended[id] = ended[id] || row.Text("validity") == string(lab.Disturbed)
	}
	return ended
}
