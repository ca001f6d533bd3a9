package record

import (
	"errors"
	"fmt"
	"io"
	"os"
)

// file is the part of os.File that a journal needs.
type file interface {
	io.WriteCloser
	Sync() error
	Truncate(size int64) error
}

// journal is a file that only grows, by whole records.
type journal struct {
	f    file
	path string
	size int64 // of the records that are whole
}

func createJournal(path string) (*journal, error) {
	f, err := os.OpenFile(path, os.O_WRONLY|os.O_CREATE|os.O_EXCL|os.O_APPEND, 0o644)
	if err != nil {
		return nil, fmt.Errorf("creating %s: %w", path, err)
	}
	return &journal{f: f, path: path}, nil
}

// append writes a record and syncs it. A record that could be written only in
// part is taken back.
func (j *journal) append(record []byte) error {
	if _, err := j.f.Write(record); err != nil {
		return errors.Join(fmt.Errorf("writing to %s: %w", j.path, err), j.takeBack())
	}
	if err := j.f.Sync(); err != nil {
		return errors.Join(fmt.Errorf("syncing %s: %w", j.path, err), j.takeBack())
	}
	j.size += int64(len(record))
	return nil
}

func (j *journal) takeBack() error {
	if err := j.f.Truncate(j.size); err != nil {
		return fmt.Errorf("taking a torn record back from %s: %w", j.path, err)
	}
	return nil
}

func (j *journal) close() error {
	if err := j.f.Close(); err != nil {
		return fmt.Errorf("closing %s: %w", j.path, err)
	}
	return nil
}
