package record

import (
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"

	"runtimelab/lab"
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
	if schema.Version < metric.GeneratorSchema {
		info.Plan.Generator, info.Calibration.Key.Generator = lab.Vegeta, lab.Vegeta
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
		Err: fmt.Errorf("schema version %d; this lab reads versions %d to %d",
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
