package record

import (
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"hash"
	"io"
	"os"

	"golang.org/x/sys/unix"

	"runtimelab/lab"
)

// syncFile is the part of os.File that a journal needs.
type syncFile interface {
	io.WriteCloser
	Sync() error
	Truncate(size int64) error
}

// journal is a file that only grows, by whole records.
type journal struct {
	f    syncFile
	path string
	size int64     // of the records that are whole
	sum  hash.Hash // SHA-256 of them
}

func newJournal(f syncFile, path string) *journal {
	return &journal{f: f, path: path, sum: sha256.New()}
}

func createJournal(path string) (*journal, error) {
	f, err := os.OpenFile(path, os.O_WRONLY|os.O_CREATE|os.O_EXCL|os.O_APPEND, 0o644)
	if err != nil {
		return nil, fmt.Errorf("creating %s: %w", path, err)
	}
	return newJournal(f, path), nil
}

// reopenJournal opens a file that a run has left. What follows the content that
// its finished trials wrote is taken off, and counted in bytes.
func reopenJournal(path string, finished FileSum) (j *journal, off int64, err error) {
	// A stranger's folder may hold a link to any file, which would be cut.
	f, err := os.OpenFile(path, os.O_RDWR|os.O_APPEND|unix.O_NOFOLLOW, 0)
	if err != nil {
		return nil, 0, fmt.Errorf("opening %s: %w", path, err)
	}
	j = newJournal(f, path)
	defer func() {
		if err != nil {
			err = errors.Join(err, f.Close())
		}
	}()
	if j.size, err = io.CopyN(j.sum, f, finished.Bytes); err != nil && !errors.Is(err, io.EOF) {
		return nil, 0, fmt.Errorf("reading %s: %w", path, err)
	}
	if j.content() != finished {
		return nil, 0, &lab.Fault{
			Code: lab.ExitFailed, Err: fmt.Errorf("%s is not what its run wrote: it has been changed", path),
			Hint: "lab verify says what else is wrong with the folder; what was measured there cannot be added to",
		}
	}
	whole, err := f.Stat()
	if err == nil {
		err = f.Truncate(j.size)
	}
	if err == nil {
		err = f.Sync()
	}
	if err != nil {
		return nil, 0, fmt.Errorf("taking what did not end off %s: %w", path, err)
	}
	return j, whole.Size() - j.size, nil
}

// content is what the file holds in whole records.
func (j *journal) content() FileSum {
	return FileSum{Bytes: j.size, SHA256: hex.EncodeToString(j.sum.Sum(nil))}
}

// append writes a record and syncs it. A record that could be written only in
// part is taken back.
func (j *journal) append(record []byte) error {
	if _, err := j.f.Write(record); err != nil {
		return errors.Join(fmt.Errorf("writing to %s: %w", j.path, err), j.rollBack())
	}
	if err := j.f.Sync(); err != nil {
		return errors.Join(fmt.Errorf("syncing %s: %w", j.path, err), j.rollBack())
	}
	j.size += int64(len(record))
	_, _ = j.sum.Write(record) // a hash takes everything
	return nil
}

func (j *journal) rollBack() error {
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
