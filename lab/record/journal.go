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

	"runtimelab/lab/fault"
)

// syncFile is the part of os.File that a journal needs.
type syncFile interface {
	io.WriteCloser
	Sync() error
	Truncate(size int64) error
}

// journal is a file that grows by complete records only.
type journal struct {
	f    syncFile
	path string
	size int64     // bytes of the complete records
	sum  hash.Hash // SHA-256 of the complete records
}

// newJournal returns the journal of an empty file.
func newJournal(f syncFile, path string) *journal {
	return &journal{f: f, path: path, sum: sha256.New()}
}

// createJournal creates a file that must not exist yet.
func createJournal(path string) (*journal, error) {
	f, err := os.OpenFile(path, os.O_WRONLY|os.O_CREATE|os.O_EXCL|os.O_APPEND, 0o644)
	if err != nil {
		return nil, fmt.Errorf("creating %s: %w", path, err)
	}
	return newJournal(f, path), nil
}

// reopenJournal opens the file of an earlier session. It truncates the file to the content of the
// ended trials and returns the number of removed bytes.
func reopenJournal(path string, ended FileSum) (j *journal, removed int64, err error) {
	// Do not follow links: a folder from elsewhere could point to any file, which would be truncated.
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
	if j.size, err = io.CopyN(j.sum, f, ended.Bytes); err != nil && !errors.Is(err, io.EOF) {
		return nil, 0, fmt.Errorf("reading %s: %w", path, err)
	}
	if j.fileSum() != ended {
		return nil, 0, &fault.Error{
			Code: fault.ExitFailed, Err: fmt.Errorf("%s has been changed since its run wrote it", path),
			Hint: "restore the file to resume the run; lab verify lists everything that differs in the folder",
		}
	}
	stat, err := f.Stat()
	if err == nil {
		err = f.Truncate(j.size)
	}
	if err == nil {
		err = f.Sync()
	}
	if err != nil {
		return nil, 0, fmt.Errorf("removing an unfinished trial from %s: %w", path, err)
	}
	return j, stat.Size() - j.size, nil
}

// fileSum returns size and sum of the complete records.
func (j *journal) fileSum() FileSum {
	return FileSum{Bytes: j.size, SHA256: hex.EncodeToString(j.sum.Sum(nil))}
}

// append writes a record and syncs it. If that fails, append undoes it.
func (j *journal) append(record []byte) error {
	if _, err := j.f.Write(record); err != nil {
		return errors.Join(fmt.Errorf("writing to %s: %w", j.path, err), j.rollBack())
	}
	if err := j.f.Sync(); err != nil {
		return errors.Join(fmt.Errorf("syncing %s: %w", j.path, err), j.rollBack())
	}
	j.size += int64(len(record))
	_, _ = j.sum.Write(record) // writing to a hash never fails
	return nil
}

// rollBack removes a partial record.
func (j *journal) rollBack() error {
	if err := j.f.Truncate(j.size); err != nil {
		return fmt.Errorf("removing a partial record from %s: %w", j.path, err)
	}
	return nil
}

// close closes the file.
func (j *journal) close() error {
	if err := j.f.Close(); err != nil {
		return fmt.Errorf("closing %s: %w", j.path, err)
	}
	return nil
}
