package agent

import (
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
)

// spoolDir is a file system in the cell's memory. Kept hits wait there until the attack is over.
const spoolDir = "/spool"

const spoolFile = "hits"

// openSpool returns a writer for the hits of an attack: an empty spool if they are kept, or one
// that discards them. It deletes the hits of the attack before.
func (m Machine) openSpool(keep bool) (io.WriteCloser, error) {
	path := filepath.Join(m.spool, spoolFile)
	if !keep {
		if err := os.Remove(path); err != nil && !errors.Is(err, os.ErrNotExist) {
			return nil, fmt.Errorf("clearing the spool: %w", err)
		}
		return discardCloser{io.Discard}, nil
	}
	f, err := os.Create(path)
	if err != nil {
		return nil, fmt.Errorf("creating the spool: %w", err)
	}
	return f, nil
}

type discardCloser struct{ io.Writer }

func (discardCloser) Close() error { return nil }

// ReadSpool returns the chunk of the spool at offset. The chunk is empty at the end.
func (m Machine) ReadSpool(offset int64) ([]byte, error) {
	f, err := os.Open(filepath.Join(m.spool, spoolFile))
	if err != nil {
		return nil, fmt.Errorf("reading the spool: %w", err)
	}
	defer f.Close()
	p := make([]byte, spoolChunkSize)
	n, err := f.ReadAt(p, offset)
	if err != nil && !errors.Is(err, io.EOF) {
		return nil, fmt.Errorf("reading the spool: %w", err)
	}
	return p[:n], nil
}
