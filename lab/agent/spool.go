package agent

import (
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
)

// spoolDir is where a cell has a file system in memory for its generator to
// write to: bulk output waits there until the attack is over.
const spoolDir = "/spool"

const spoolFile = "hits"

// openSpool makes an empty spool for an attack that keeps its hits; what is
// written is thrown away otherwise. Hits of the attack before go either way.
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
		return nil, fmt.Errorf("making a spool: %w", err)
	}
	return f, nil
}

type discardCloser struct{ io.Writer }

func (discardCloser) Close() error { return nil }

// readSpool reads a piece of the spool.
func (m Machine) readSpool(offset int64) (spoolChunk, error) {
	f, err := os.Open(filepath.Join(m.spool, spoolFile))
	if err != nil {
		return spoolChunk{}, fmt.Errorf("reading the spool: %w", err)
	}
	defer f.Close()
	p := make([]byte, spoolChunkSize)
	n, err := f.ReadAt(p, offset)
	if err != nil && !errors.Is(err, io.EOF) {
		return spoolChunk{}, fmt.Errorf("reading the spool: %w", err)
	}
	return spoolChunk{Offset: offset, Bytes: p[:n]}, nil
}
