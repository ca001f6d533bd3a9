package record

import (
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"time"

	"runtimelab/lab"
)

// State is how far a run has come.
type State string

const (
	Running     State = "running" // also what a killed run is left as
	Done        State = "done"
	Interrupted State = "interrupted"
	Failed      State = "failed"
)

// Info is run.json: what the rows of a run have in common.
type Info struct {
	SchemaVersion int               `json:"schema_version"`
	RunID         string            `json:"run_id"`
	State         State             `json:"state"`
	Reason        string            `json:"reason,omitempty"` // why it was interrupted or failed
	StartedAt     time.Time         `json:"started_at"`
	EndedAt       *time.Time        `json:"ended_at"` // null while it runs
	Profile       string            `json:"profile"`
	Seed          uint64            `json:"seed"`
	Host          Host              `json:"host"`
	Engine        map[string]string `json:"engine"`   // "version", "api_version", "cgroup_version" ...
	Versions      map[string]string `json:"versions"` // of the lab and its parts: "lab", "go", "vegeta"
	Notes         []string          `json:"notes,omitempty"`
	ResumedAt     []time.Time       `json:"resumed_at,omitempty"` // when it was gone on with
	RawHits       bool              `json:"raw,omitempty"`        // every hit is kept
	Plan          lab.Plan          `json:"plan"`
	Calibration   lab.Calibration   `json:"calibration"` // of the instrument, as the gates judged by it

	MeasuredVariants map[string]MeasuredVariant `json:"entrants"` // who takes part, by variant id
	// variants that are not measured, and why
	Refused map[string]string `json:"refused,omitempty"`
	// what finished trials have written, by the name within the folder
	Files map[string]FileSum `json:"files"`

	BetweenRuns *RunVariance `json:"between_runs,omitempty"` // of this host; missing where nothing is known
}

// MeasuredVariant is who takes part in a run.
type MeasuredVariant struct {
	Variant lab.Variant `json:"variant"`
	Image   lab.Image   `json:"image"`
}

// FileSum is what a file holds.
type FileSum struct {
	Bytes  int64  `json:"bytes"`
	SHA256 string `json:"sha256"` // in hexadecimal
}

// RunVariance is how much a host's runs differ where they should not: the variance of
// the log of a reference server's mean throughput between runs, beyond what the
// trials within them explain.
type RunVariance struct {
	Runs        int     `json:"runs"` // that it was found from
	VarianceLog float64 `json:"variance_log"`
}

// writeInfo replaces run.json in one step: a reader sees the old one or the
// new one.
func writeInfo(dir string, info Info) error {
	text, err := json.MarshalIndent(info, "", "  ")
	if err != nil {
		return fmt.Errorf("encoding run.json: %w", err)
	}
	path := filepath.Join(dir, InfoFile)
	if err := replaceFile(path, append(text, '\n')); err != nil {
		return fmt.Errorf("writing %s: %w", path, err)
	}
	return nil
}

// tempInfix is in the names of files that take another's place once they are whole.
const tempInfix = ".new-"

func replaceFile(path string, content []byte) (err error) {
	f, err := os.CreateTemp(filepath.Dir(path), filepath.Base(path)+tempInfix+"*")
	if err != nil {
		return err
	}
	defer func() {
		if err != nil {
			err = errors.Join(err, ignoreMissing(f.Close()), ignoreMissing(os.Remove(f.Name())))
		}
	}()
	if _, err := f.Write(content); err != nil {
		return err
	}
	if err := f.Chmod(0o644); err != nil {
		return err
	}
	if err := f.Sync(); err != nil {
		return err
	}
	if err := f.Close(); err != nil {
		return err
	}
	if err := os.Rename(f.Name(), path); err != nil {
		return err
	}
	return syncDir(filepath.Dir(path))
}

// ignoreMissing drops the errors of cleaning up what is already gone.
func ignoreMissing(err error) error {
	if errors.Is(err, fs.ErrNotExist) || errors.Is(err, fs.ErrClosed) {
		return nil
	}
	return err
}

// syncDir makes the names in a folder durable.
func syncDir(dir string) error {
	d, err := os.Open(dir)
	if err != nil {
		return err
	}
	return errors.Join(d.Sync(), d.Close())
}
