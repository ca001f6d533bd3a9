package record

import (
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strings"

	"runtimelab/lab/fault"
	"runtimelab/lab/metric"
)

// StoredRun is a run read back from its folder.
type StoredRun struct {
	Dir    string
	Info   Info
	Rows   []metric.Row // the rows of trials.csv, in the order they were written
	Doubts []string     // messages about data that were ignored

	header []string // of trials.csv
}

// Read reads the folder of a run, ended or not. It ignores an incomplete last line of trials.csv
// and unknown columns, and reports both as doubts. It returns an error for rows of a schema that
// this version does not read.
func Read(dir string) (*StoredRun, error) {
	r := &StoredRun{Dir: dir}
	var err error
	if r.Info, err = ReadInfo(dir); err != nil {
		return nil, err
	}
	f, err := os.Open(filepath.Join(dir, TrialsFile))
	if err != nil {
		return nil, fmt.Errorf("reading run %s: %w", r.Info.RunID, err)
	}
	defer f.Close()
	if err := r.readTrials(f); err != nil {
		return nil, fmt.Errorf("reading %s: %w", f.Name(), err)
	}
	return r, nil
}

// ReadInfo reads the run.json of a run's folder. It returns an error if the folder has none, or if
// this lab does not read the schema version of the file.
func ReadInfo(dir string) (info Info, err error) {
	path := filepath.Join(dir, InfoFile)
	text, err := readLimited(path, maxInfoBytes)
	if errors.Is(err, fs.ErrNotExist) {
		return info, &fault.Error{
			Code: fault.ExitUsage,
			Err:  fmt.Errorf("%s is not the folder of a run: it has no %s", dir, InfoFile),
			Hint: "give a folder under results/, or no folder for the newest run",
		}
	}
	if err != nil {
		return info, err
	}
	var schema struct {
		Version int64 `json:"schema_version"`
	}
	if err = json.Unmarshal(text, &schema); err == nil {
		err = checkSchema(schema.Version) // first, because another schema may have other types
	}
	if err == nil {
		err = json.Unmarshal(text, &info)
	}
	if err != nil {
		return info, fmt.Errorf("reading %s: %w", path, err)
	}
	if info.Plan.Peers == nil {
		info.Plan.Peers = olderPeers
	}
	return info, nil
}

// maxInfoBytes is the maximum size of a run.json. A plan of 100 000 trials needs less.
const maxInfoBytes = 64 << 20

// readLimited reads a file of at most maxBytes. A file from elsewhere may have any size.
func readLimited(path string, maxBytes int64) ([]byte, error) {
	f, err := os.Open(path)
	if err != nil {
		return nil, err
	}
	defer f.Close()
	text, err := io.ReadAll(io.LimitReader(f, maxBytes+1))
	if err == nil && int64(len(text)) > maxBytes {
		err = fmt.Errorf("reading %s: it is larger than %d MiB", path, maxBytes>>20)
	}
	return text, err
}

// readTrials reads the rows of a trials.csv.
func (r *StoredRun) readTrials(in io.Reader) error {
	rows, err := NewRowReader(in)
	if err != nil {
		return err
	}
	r.header = rows.Header()
	err = rows.EachRow(nil, func(row metric.Row) error {
		r.Rows = append(r.Rows, row)
		return nil
	})
	if err == nil {
		err = rows.Require(Structure()...)
	}
	r.Doubts = append(r.Doubts, rows.Doubts()...)
	return err
}

// checkSchema returns an error if this lab does not read a schema version.
func checkSchema(version int64) error {
	if metric.Reads(version) {
		return nil
	}
	return &fault.Error{
		Code: fault.ExitUsage,
		Err: fmt.Errorf("schema version %d; this lab reads versions %d and %d",
			version, metric.OldestSchema, metric.SchemaVersion),
		Hint: "read it with the version of the lab that wrote it: see \"versions\" in run.json",
	}
}

// checkSameSchema returns an error if a row has another schema version than the first one. No lab
// writes such a file, and a column would have two meanings.
func checkSameSchema(first, version string) error {
	if first == version {
		return nil
	}
	return &fault.Error{
		Code: fault.ExitUsage, Err: fmt.Errorf("schema version %s after rows of version %s", version, first),
		Hint: "give each run in a separate file",
	}
}

// LatestDir returns the folder that resultsDir/latest points to.
func LatestDir(resultsDir string) (string, error) {
	name, err := os.Readlink(filepath.Join(resultsDir, latestLink))
	if err == nil {
		dir := filepath.Join(resultsDir, name)
		if _, err = os.Stat(dir); err == nil {
			return dir, nil
		}
	}
	if errors.Is(err, fs.ErrNotExist) {
		return "", &fault.Error{
			Code: fault.ExitUsage,
			Err:  fmt.Errorf("looking for the newest run in %s: there is none", resultsDir),
			Hint: "run: make lab",
		}
	}
	return "", &fault.Error{
		Code: fault.ExitUsage,
		Err:  fmt.Errorf("looking for the newest run in %s: %w", resultsDir, err),
		Hint: newestRunsHint(resultsDir),
	}
}

// ResolveRun returns the folder of the run that a user names: by its id, the path of its folder, or
// "latest" or "" for the newest run.
func ResolveRun(resultsDir, name string) (string, error) {
	if name == "" || name == latestLink {
		return LatestDir(resultsDir)
	}
	for _, dir := range []string{filepath.Join(resultsDir, name), name} {
		if _, err := os.Stat(filepath.Join(dir, InfoFile)); err == nil {
			return dir, nil
		}
	}
	return "", &fault.Error{
		Code: fault.ExitUsage,
		Err:  fmt.Errorf("looking for run %q: it is neither in %s nor the path of a run", name, resultsDir),
		Hint: newestRunsHint(resultsDir),
	}
}

// newestRunsHint returns a hint with the ids of the three newest runs.
func newestRunsHint(resultsDir string) string {
	found, _ := filepath.Glob(filepath.Join(resultsDir, "*", InfoFile))
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
