package calibrate

import (
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"time"

	"github.com/google/renameio/v2"

	"runtimelab/lab"
	"runtimelab/lab/fault"
)

// MaxAge is how long a calibration is valid. Firmware and neighbours of a virtual machine
// change without changing the key.
const MaxAge = 7 * 24 * time.Hour

// maxDoubtedAge is how long a calibration with doubts is valid: measuring again at once
// would hardly give a better one.
const maxDoubtedAge = time.Hour

// schemaVersion is the version of the stored file format. Files of version 1 have no send lags of a
// generator that waits, those of version 2 no check by another generator.
const schemaVersion = 3

// Store keeps calibrations in a folder, one file for each key.
type Store struct{ Dir string }

// UserStore returns the store in the user's cache folder, or a *fault.Error.
func UserStore() (Store, error) {
	cache, err := os.UserCacheDir()
	if err != nil {
		return Store{}, &fault.Error{
			Code: fault.ExitFailed, Err: fmt.Errorf("finding the cache folder for calibrations: %w", err),
			Hint: "set XDG_CACHE_HOME (or HOME) to a folder that you may write to",
		}
	}
	return Store{Dir: filepath.Join(cache, "runtime-lab", "calibration")}, nil
}

// stored is the content of a calibration's file.
type stored struct {
	Schema      int             `json:"schema"`
	Calibration lab.Calibration `json:"calibration"`
}

// Load returns a calibration of key that is valid at now. If there is none, why is the
// reason in words. A brief calibration is enough if brief is true.
func (s Store) Load(key lab.CalibrationKey, brief bool, now time.Time) (c lab.Calibration, why string) {
	text, err := os.ReadFile(s.path(key))
	if errors.Is(err, fs.ErrNotExist) {
		return c, "this machine is not calibrated yet"
	}
	if err != nil {
		return c, s.withHint(err).Error()
	}
	var found stored
	if err := json.Unmarshal(text, &found); err != nil {
		return c, fmt.Sprintf("the calibration in %s cannot be read: %v", s.path(key), err)
	}
	age := now.Sub(found.Calibration.MeasuredAt)
	switch {
	case found.Schema != schemaVersion || found.Calibration.Key != key:
		return c, fmt.Sprintf("the calibration in %s is from another version of the lab or another machine",
			s.path(key))
	case age > MaxAge || age < 0:
		return c, fmt.Sprintf("the calibration of %s is more than %d days old or dated in the future",
			found.Calibration.MeasuredAt.Format(time.DateOnly), int(MaxAge.Hours()/24))
	case len(found.Calibration.Doubts) > 0 && age > maxDoubtedAge:
		return c, "this machine was not quiet during its last calibration"
	case found.Calibration.Brief && !brief:
		return c, "this machine has only a brief calibration"
	}
	return found.Calibration, ""
}

// NewestFull returns the newest full calibration of a generator, of any other key; ok is false if there
// is none.
func (s Store) NewestFull(generator lab.Generator) (newest lab.Calibration, ok bool) {
	paths, _ := filepath.Glob(filepath.Join(s.Dir, "*.json")) // only a malformed pattern is an error
	for _, path := range paths {
		text, err := os.ReadFile(path)
		if err != nil {
			continue
		}
		var found stored
		err = json.Unmarshal(text, &found)
		if err != nil || found.Schema != schemaVersion || found.Calibration.Brief {
			continue
		}
		if c := found.Calibration; c.Key.Generator == generator && c.MeasuredAt.After(newest.MeasuredAt) {
			newest, ok = c, true
		}
	}
	return newest, ok
}

// Save stores a calibration under its key atomically: a reader sees the old one or the
// new one.
func (s Store) Save(c lab.Calibration) (err error) {
	path := s.path(c.Key)
	defer func() {
		if err != nil {
			err = fmt.Errorf("saving the calibration in %s: %w", path, s.withHint(err))
		}
	}()
	if err := os.MkdirAll(s.Dir, 0o755); err != nil {
		return err
	}
	text, err := json.MarshalIndent(stored{schemaVersion, c}, "", "  ")
	if err != nil {
		return err
	}
	return renameio.WriteFile(path, append(text, '\n'), 0o600, renameio.WithTempDir(s.Dir))
}

// withHint adds to an error what to do if the store belongs to another user.
func (s Store) withHint(err error) error {
	if hint := fault.Denied(err, filepath.Dir(s.Dir)); hint != "" {
		return fmt.Errorf("%w; %s", err, hint)
	}
	return err
}

// path returns the file of a key's calibration.
func (s Store) path(key lab.CalibrationKey) string {
	hash := sha256.New()
	for _, part := range []string{
		key.Host, key.CPUModel, key.Kernel, key.AgentSHA256, key.Layout,
		string(key.Generator),
	} {
		fmt.Fprintf(hash, "%d:%s", len(part), part)
	}
	return filepath.Join(s.Dir, hex.EncodeToString(hash.Sum(nil))[:16]+".json")
}
