package record

import (
	"bytes"
	"encoding/csv"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strings"

	"runtimelab/lab"
	"runtimelab/lab/metric"
)

// Recorded is a run as read back.
type Recorded struct {
	Dir    string
	Info   Info
	Rows   []metric.Row // of trials.csv, in the order they were written
	Doubts []string     // what of it could not be read, in words
}

// Read reads the folder of a run, finished or not. An unterminated last line of
// trials.csv is left out; columns that this version does not know are, too;
// both become doubts. Rows of another schema are an error.
func Read(dir string) (*Recorded, error) {
	r := &Recorded{Dir: dir}
	if err := r.readInfo(filepath.Join(dir, infoFile)); err != nil {
		return nil, err
	}
	path := filepath.Join(dir, trialsFile)
	text, err := os.ReadFile(path)
	if err != nil {
		return nil, fmt.Errorf("reading run %s: %w", r.Info.RunID, err)
	}
	if err := r.readTrials(text); err != nil {
		return nil, fmt.Errorf("reading %s: %w", path, err)
	}
	return r, nil
}

func (r *Recorded) readInfo(path string) error {
	text, err := os.ReadFile(path)
	if errors.Is(err, fs.ErrNotExist) {
		return &lab.Fault{Code: lab.ExitUsage, Err: fmt.Errorf("%s is not the folder of a run: it has no %s", filepath.Dir(path), infoFile),
			Hint: "give a folder under results/, or leave it out for the newest run"}
	}
	if err != nil {
		return err
	}
	if text, err = listedCores(text); err == nil {
		err = json.Unmarshal(text, &r.Info)
	}
	if err != nil {
		return fmt.Errorf("reading %s: %w", path, err)
	}
	return checkSchema(int64(r.Info.SchemaVersion))
}

func (r *Recorded) readTrials(text []byte) error {
	whole := bytes.LastIndexByte(text, '\n') + 1
	if whole < len(text) {
		r.doubt("the last line of %s is torn and was left out", trialsFile)
	}
	in := csv.NewReader(bytes.NewReader(text[:whole]))
	header, err := in.Read()
	if errors.Is(err, io.EOF) {
		r.doubt("%s has no header, so no rows", trialsFile)
		return nil
	}
	if err != nil {
		return err
	}
	r.noteUnknown(header)
	for {
		record, err := in.Read()
		if errors.Is(err, io.EOF) {
			return nil
		}
		if err != nil {
			return err // names the line
		}
		row, err := metric.ParseRow(header, record)
		if err == nil {
			version, _ := row.Int("schema_version")
			err = checkSchema(version)
		}
		if err != nil {
			line, _ := in.FieldPos(0)
			return fmt.Errorf("line %d: %w", line, err)
		}
		r.Rows = append(r.Rows, row)
	}
}

func (r *Recorded) noteUnknown(header []string) {
	var unknown []string
	for _, name := range header {
		if _, ok := metric.Find(name); !ok {
			unknown = append(unknown, name)
		}
	}
	if len(unknown) > 0 {
		r.doubt("columns of %s that this version does not know were left out: %s", trialsFile, strings.Join(unknown, ", "))
	}
}

func (r *Recorded) doubt(format string, args ...any) {
	r.Doubts = append(r.Doubts, fmt.Sprintf(format, args...))
}

func checkSchema(version int64) error {
	if version == metric.SchemaVersion {
		return nil
	}
	return &lab.Fault{Code: lab.ExitUsage, Err: fmt.Errorf("schema version %d, where this lab reads %d", version, metric.SchemaVersion),
		Hint: "read it with the version of the lab that wrote it: see \"versions\" in run.json"}
}

// LatestDir is the folder that results/latest points to.
func LatestDir(resultsDir string) (string, error) {
	name, err := os.Readlink(filepath.Join(resultsDir, latestLink))
	if err == nil {
		dir := filepath.Join(resultsDir, name)
		if _, err = os.Stat(dir); err == nil {
			return dir, nil
		}
	}
	if errors.Is(err, fs.ErrNotExist) {
		return "", &lab.Fault{Code: lab.ExitUsage, Err: fmt.Errorf("looking for the newest run in %s: there is none", resultsDir), Hint: "run: make lab"}
	}
	return "", fmt.Errorf("looking for the newest run in %s: %w", resultsDir, err)
}

// Resolve is the folder of a run given as people give it: a run id, the path of
// a folder, or "latest" or nothing for the newest run.
func Resolve(resultsDir, name string) (string, error) {
	if name == "" || name == latestLink {
		return LatestDir(resultsDir)
	}
	for _, dir := range []string{filepath.Join(resultsDir, name), name} {
		if _, err := os.Stat(filepath.Join(dir, infoFile)); err == nil {
			return dir, nil
		}
	}
	return "", &lab.Fault{Code: lab.ExitUsage, Err: fmt.Errorf("looking for run %q: neither in %s nor the path of one", name, resultsDir),
		Hint: hintRuns(resultsDir)}
}

// hintRuns lists the newest runs there are.
func hintRuns(resultsDir string) string {
	found, _ := filepath.Glob(filepath.Join(resultsDir, "*", infoFile))
	var ids []string
	for _, path := range found {
		if id := filepath.Base(filepath.Dir(path)); id != latestLink {
			ids = append(ids, id)
		}
	}
	if len(ids) == 0 {
		return "run: make lab"
	}
	slices.Sort(ids)
	return "newest runs: " + strings.Join(ids[max(0, len(ids)-3):], ", ")
}
