package host

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"time"

	"github.com/gofrs/flock"
	"github.com/google/renameio/v2"
)

// startedEngine records what Up started, and so what Down may stop.
type startedEngine struct {
	At      time.Time `json:"at"`
	Process *process  `json:"process,omitempty"` // a dockerd
	Units   []string  `json:"units,omitempty"`   // or the systemd units that did not run before
}

// stateDir is the folder that records what Up started. It lives until the next boot.
type stateDir string

const defaultState stateDir = "/run/runtime-lab/engine"

func (s stateDir) recordFile() string { return filepath.Join(string(s), "started.json") }
func (s stateDir) log() string        { return filepath.Join(string(s), "log") }

// read returns nil if Up has started nothing.
func (s stateDir) read() (*startedEngine, error) {
	text, err := os.ReadFile(s.recordFile())
	if errors.Is(err, fs.ErrNotExist) {
		return nil, nil
	}
	if err != nil {
		return nil, fmt.Errorf("reading which engine the lab started: %w", err)
	}
	var started startedEngine
	if err := json.Unmarshal(text, &started); err != nil {
		return nil, fmt.Errorf("reading which engine the lab started, from %s: %w", s.recordFile(), err)
	}
	return &started, nil
}

// write replaces the record in one step, so that a crash leaves no partial record.
func (s stateDir) write(started startedEngine) error {
	text, err := json.Marshal(started)
	if err != nil {
		return fmt.Errorf("recording which engine the lab started: %w", err)
	}
	err = renameio.WriteFile(s.recordFile(), append(text, '\n'), 0o644, renameio.WithTempDir(string(s)))
	if err != nil {
		return fmt.Errorf("recording which engine the lab started: %w", err)
	}
	return nil
}

func (s stateDir) remove() error {
	if err := errors.Join(removeIfExists(s.recordFile()), removeIfExists(s.log())); err != nil {
		return fmt.Errorf("deleting the record of the engine: %w", err)
	}
	return nil
}

func removeIfExists(file string) error {
	if err := os.Remove(file); err != nil && !errors.Is(err, fs.ErrNotExist) {
		return err
	}
	return nil
}

// lock allows one process at a time to start or stop an engine.
func (s stateDir) lock(ctx context.Context, log io.Writer) (unlock func(), err error) {
	if err := os.MkdirAll(string(s), 0o755); err != nil {
		return nil, fmt.Errorf("creating a folder for the engine's state: %w", err)
	}
	path := filepath.Join(string(s), "lock")
	lock := flock.New(path, flock.SetFlag(os.O_RDWR|os.O_CREATE), flock.SetPermissions(0o644))
	held, err := lock.TryLock()
	if err == nil && !held {
		fmt.Fprintln(log, "waiting for another make engine to end")
		if _, err = lock.TryLockContext(ctx, 100*time.Millisecond); err != nil && ctx.Err() != nil {
			return nil, context.Cause(ctx)
		}
	}
	if err != nil {
		return nil, fmt.Errorf("locking %s: %w", path, err)
	}
	return func() { _ = lock.Close() }, nil // the lock also ends with the process
}
