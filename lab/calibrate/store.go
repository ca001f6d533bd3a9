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

	"runtimelab/lab"
)

// MaxAge is how long a calibration holds: kernels, neighbours and firmware
// change, though the key does not say so.
const MaxAge = 7 * 24 * time.Hour

// maxDoubtedAge is how long one holds that was measured while the machine was not
// quiet: a run soon after has no better one to hope for.
const maxDoubtedAge = time.Hour

// schemaVersion is the version of the stored form.
const schemaVersion = 1

// Store keeps calibrations in a folder, one file for each key.
type Store struct{ Dir string }

// UserStore is the store in the user's cache.
func UserStore() (Store, error) {
	cache, err := os.UserCacheDir()
	if err != nil {
		return Store{}, &lab.Fault{
			Code: lab.ExitFailed, Err: fmt.Errorf("finding where to keep calibrations: %w", err),
			Hint: "set XDG_CACHE_HOME (or HOME) to a folder that you may write to",
		}
	}
	return Store{Dir: filepath.Join(cache, "runtime-lab", "calibration")}, nil
}

type stored struct {
	Schema      int             `json:"schema"`
	Calibration lab.Calibration `json:"calibration"`
}

// Load returns the calibration of a key that is fit for use at a moment, and
// otherwise why there is none, in words. Where brief, a brief one is fit.
func (s Store) Load(key lab.CalibrationKey, brief bool, now time.Time) (c lab.Calibration, why string) {
	text, err := os.ReadFile(s.path(key))
	if errors.Is(err, fs.ErrNotExist) {
		return c, "this machine is not calibrated yet"
	}
	if err != nil {
		return c, s.mend(err).Error()
	}
	var found stored
	if err := json.Unmarshal(text, &found); err != nil {
		return c, fmt.Sprintf("the calibration in %s cannot be read: %v", s.path(key), err)
	}
	age := now.Sub(found.Calibration.MeasuredAt)
	switch {
	case found.Schema != schemaVersion || found.Calibration.Key != key:
		return c, fmt.Sprintf("the calibration in %s is not of this lab and machine", s.path(key))
	case age > MaxAge || age < 0:
		return c, fmt.Sprintf("the calibration of %s is older than %d days, or of the future",
			found.Calibration.MeasuredAt.Format(time.DateOnly), int(MaxAge.Hours()/24))
	case len(found.Calibration.Doubts) > 0 && age > maxDoubtedAge:
		return c, "the last calibration found this machine disturbed"
	case found.Calibration.Brief && !brief:
		return c, "this machine is calibrated in brief only"
	}
	return found.Calibration, ""
}

// NewestFull is the newest whole calibration of any key; false where there is none.
func (s Store) NewestFull() (newest lab.Calibration, ok bool) {
	paths, _ := filepath.Glob(filepath.Join(s.Dir, "*.json")) // only a malformed pattern is an error
	for _, path := range paths {
		var found stored
		text, err := os.ReadFile(path)
		if err != nil || json.Unmarshal(text,
			&found) != nil || found.Schema != schemaVersion || found.Calibration.Brief {
			continue // it is somebody else's, or of no use here
		}
		if c := found.Calibration; c.MeasuredAt.After(newest.MeasuredAt) {
			newest, ok = c, true
		}
	}
	return newest, ok
}

// Save keeps a calibration under its key, in one step: a reader sees the old
// one or the new one.
func (s Store) Save(c lab.Calibration) (err error) {
	path := s.path(c.Key)
	defer func() {
		if err != nil {
			err = fmt.Errorf("keeping the calibration in %s: %w", path, s.mend(err))
		}
	}()
	if err := os.MkdirAll(s.Dir, 0o755); err != nil {
		return err
	}
	text, err := json.MarshalIndent(stored{schemaVersion, c}, "", "  ")
	if err != nil {
		return err
	}
	f, err := os.CreateTemp(s.Dir, ".new-*")
	if err != nil {
		return err
	}
	_, err = f.Write(append(text, '\n'))
	if err = errors.Join(err, f.Close()); err == nil {
		err = os.Rename(f.Name(), path)
	}
	if err != nil {
		return errors.Join(err, os.Remove(f.Name()))
	}
	return nil
}

// mend adds to an error what to do about a store that is another user's.
func (s Store) mend(err error) error {
	if hint := lab.Denied(err, filepath.Dir(s.Dir)); hint != "" {
		return fmt.Errorf("%w; %s", err, hint)
	}
	return err
}

func (s Store) path(key lab.CalibrationKey) string {
	hash := sha256.New()
	for _, part := range []string{key.Host, key.CPUModel, key.Kernel, key.AgentSHA256, key.Layout} {
		fmt.Fprintf(hash, "%d:%s", len(part), part)
	}
	return filepath.Join(s.Dir, hex.EncodeToString(hash.Sum(nil))[:16]+".json")
}
