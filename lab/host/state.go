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

	"golang.org/x/sys/unix"
)

// startedEngine is what Up leaves for Down: what it started, and so may stop.
type startedEngine struct {
	At      time.Time `json:"at"`
	Process *process  `json:"process,omitempty"` // a dockerd
	Units   []string  `json:"units,omitempty"`   // or systemd's units that did not run before
}

// stateDir is the folder that remembers it: it outlives a shell, not a boot.
type stateDir string

const defaultState stateDir = "/run/runtime-lab/engine"

func (s stateDir) recordFile() string { return filepath.Join(string(s), "started.json") }
func (s stateDir) log() string        { return filepath.Join(string(s), "log") }

// read is nil where nothing was started.
func (s stateDir) read() (*startedEngine, error) {
	text, err := os.ReadFile(s.recordFile())
	if errors.Is(err, fs.ErrNotExist) {
		return nil, nil
	}
	if err != nil {
		return nil, fmt.Errorf("reading what the lab started: %w", err)
	}
	var what startedEngine
	if err := json.Unmarshal(text, &what); err != nil {
		return nil, fmt.Errorf("reading what the lab started, in %s: %w", s.recordFile(), err)
	}
	return &what, nil
}

// write replaces the record at once: half a record would be none.
func (s stateDir) write(what startedEngine) error {
	text, err := json.Marshal(what)
	if err != nil {
		return fmt.Errorf("noting what the lab started: %w", err)
	}
	next := s.recordFile() + ".new"
	if err := os.WriteFile(next, append(text, '\n'), 0o644); err != nil {
		return fmt.Errorf("noting what the lab started: %w", err)
	}
	if err := os.Rename(next, s.recordFile()); err != nil {
		return fmt.Errorf("noting what the lab started: %w", err)
	}
	return nil
}

func (s stateDir) remove() error {
	if err := errors.Join(removeIfExists(s.recordFile()), removeIfExists(s.log())); err != nil {
		return fmt.Errorf("forgetting what the lab started: %w", err)
	}
	return nil
}

func removeIfExists(file string) error {
	if err := os.Remove(file); err != nil && !errors.Is(err, fs.ErrNotExist) {
		return err
	}
	return nil
}

// lock keeps two from starting or stopping an engine at once; it ends with
// the process.
func (s stateDir) lock(ctx context.Context, log io.Writer) (unlock func(), err error) {
	if err := os.MkdirAll(string(s), 0o755); err != nil {
		return nil, fmt.Errorf("making a folder for the engine's state: %w", err)
	}
	file, err := os.OpenFile(filepath.Join(string(s), "lock"), os.O_RDWR|os.O_CREATE, 0o644)
	if err != nil {
		return nil, fmt.Errorf("opening the lock of the engine's state: %w", err)
	}
	for told := false; ; told = true {
		err := unix.Flock(int(file.Fd()), unix.LOCK_EX|unix.LOCK_NB)
		if err == nil {
			return func() { _ = file.Close() }, nil // which unlocks
		}
		if !errors.Is(err, unix.EWOULDBLOCK) && !errors.Is(err, unix.EINTR) {
			return nil, errors.Join(fmt.Errorf("locking %s: %w", file.Name(), err), file.Close())
		}
		if !told {
			fmt.Fprintln(log, "waiting for another make engine to end")
		}
		select {
		case <-ctx.Done():
			return nil, errors.Join(context.Cause(ctx), file.Close())
		case <-time.After(100 * time.Millisecond):
		}
	}
}
