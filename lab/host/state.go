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
	next := s.recordFile() + ".new"
	if err := os.WriteFile(next, append(text, '\n'), 0o644); err != nil {
		return fmt.Errorf("recording which engine the lab started: %w", err)
	}
	if err := os.Rename(next, s.recordFile()); err != nil {
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

// lock allows one process at a time to start or stop an engine. It also ends with the process.
func (s stateDir) lock(ctx context.Context, log io.Writer) (unlock func(), err error) {
	if err := os.MkdirAll(string(s), 0o755); err != nil {
		return nil, fmt.Errorf("creating a folder for the engine's state: %w", err)
	}
	file, err := os.OpenFile(filepath.Join(string(s), "lock"), os.O_RDWR|os.O_CREATE, 0o644)
	if err != nil {
		return nil, fmt.Errorf("opening the lock of the engine's state: %w", err)
	}
	for waiting := false; ; waiting = true {
		err := unix.Flock(int(file.Fd()), unix.LOCK_EX|unix.LOCK_NB)
		if err == nil {
			return func() { _ = file.Close() }, nil // closing unlocks
		}
		if !errors.Is(err, unix.EWOULDBLOCK) && !errors.Is(err, unix.EINTR) {
			return nil, errors.Join(fmt.Errorf("locking %s: %w", file.Name(), err), file.Close())
		}
		if !waiting {
			fmt.Fprintln(log, "waiting for another make engine to end")
		}
		select {
		case <-ctx.Done():
			return nil, errors.Join(context.Cause(ctx), file.Close())
		case <-time.After(100 * time.Millisecond):
		}
	}
}
