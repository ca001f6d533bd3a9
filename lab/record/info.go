package record

import (
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"time"

	"github.com/google/renameio/v2"

	"runtimelab/lab"
)

// State is the state of a run.
type State string

// States of a run.
const (
	Running     State = "running" // a killed run keeps this state
	Done        State = "done"
	Interrupted State = "interrupted"
	Failed      State = "failed"
)

// Info is the content of run.json: what the rows of a run have in common.
type Info struct {
	SchemaVersion int               `json:"schema_version"`
	RunID         string            `json:"run_id"`
	State         State             `json:"state"`
	Reason        string            `json:"reason,omitempty"` // why the run was interrupted or failed
	StartedAt     time.Time         `json:"started_at"`
	EndedAt       *time.Time        `json:"ended_at"` // null while the run is active
	Profile       string            `json:"profile"`
	Seed          uint64            `json:"seed"`
	Host          Host              `json:"host"`
	Engine        map[string]string `json:"engine"`   // for example "version", "api_version", "cgroup_version"
	Versions      map[string]string `json:"versions"` // of the lab and its parts: "lab", "go", "vegeta"
	Notes         []string          `json:"notes,omitempty"`
	ResumedAt     []time.Time       `json:"resumed_at,omitempty"` // when the run was resumed
	RawHits       bool              `json:"raw,omitempty"`        // whether raw/ keeps every hit
	Plan          lab.Plan          `json:"plan"`
	Calibration   lab.Calibration   `json:"calibration"` // the instrument's limits that the gates use

	// RuntimeFolders holds the folders of --runtimes, relative to the checkout or absolute.
	RuntimeFolders []string `json:"runtime_folders,omitempty"`

	// MeasuredVariants holds the measured variants with their images, by variant id.
	MeasuredVariants map[string]MeasuredVariant `json:"entrants"`
	// Services holds the services of folders that trials have, with their images, by name.
	Services map[string]lab.Service `json:"services,omitempty"`
	// Refused holds the reasons why variants are not measured, by variant id.
	Refused map[string]string `json:"refused,omitempty"`
	// Files holds the sums of what ended trials have written, by name within the folder.
	Files map[string]FileSum `json:"files"`
	// BetweenRuns is the variance between runs of this host, or nil if it is not known.
	BetweenRuns *RunVariance `json:"between_runs,omitempty"`
}

// MeasuredVariant is a variant of a run with its image.
type MeasuredVariant struct {
	Variant lab.Variant `json:"variant"`
	Image   lab.Image   `json:"image"`
}

// FileSum is the size and the sum of a file.
type FileSum struct {
	Bytes  int64  `json:"bytes"`
	SHA256 string `json:"sha256"` // in hexadecimal
}

// RunVariance is the variance between runs of a host: of the log of a reference server's mean
// throughput, beyond the variance within runs.
type RunVariance struct {
	Runs        int     `json:"runs"` // number of runs in the estimate
	VarianceLog float64 `json:"variance_log"`
}

// writeInfo replaces run.json in one step: a reader sees the old file or the new one.
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

// tempPrefix begins the names of files that renameio has not yet renamed to their final names.
const tempPrefix = "."

// replaceFile writes a file in one step and syncs it, and then the folder with its name, which
// renameio does not do.
func replaceFile(path string, content []byte) error {
	dir := filepath.Dir(path)
	err := renameio.WriteFile(path, content, 0o644, renameio.WithTempDir(dir),
		renameio.WithStaticPermissions(0o644))
	if err != nil {
		return err
	}
	return syncDir(dir)
}

// ignoreMissing drops errors of removing or closing a file that is already gone.
func ignoreMissing(err error) error {
	if errors.Is(err, fs.ErrNotExist) || errors.Is(err, fs.ErrClosed) {
		return nil
	}
	return err
}

// syncDir syncs a folder, so that the names of its files survive a crash.
func syncDir(dir string) error {
	d, err := os.Open(dir)
	if err != nil {
		return err
	}
	return errors.Join(d.Sync(), d.Close())
}
