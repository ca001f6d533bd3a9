package compare

import (
	"context"
	"fmt"
	"io"
	"os"
	"path/filepath"

	"runtimelab/lab/record"
)

// FolderSource returns the source that reads the run of a folder; info is its run.json.
func FolderSource(label, dir string, info *record.Info) Source {
	return Source{Label: label, Info: info, Open: func() (io.ReadCloser, error) {
		return os.Open(filepath.Join(dir, record.TrialsFile))
	}}
}

// maxSpoolBytes bounds the copy of an input that can be read only once: a trials.csv of
// some million rows.
const maxSpoolBytes = 4 << 30

// Inputs opens the files that a comparison reads. It holds the ones that can be read only
// once, such as pipes, and have been read.
type Inputs []os.FileInfo

// Open returns a function that opens a file any number of times. It copies an input that
// can be read only once to a temporary file. It returns at once, with the cause, when ctx
// is cancelled.
func (s *Inputs) Open(
	ctx context.Context, path string, info os.FileInfo,
) (func() (io.ReadCloser, error), error) {
	if info.Mode().IsRegular() {
		return func() (io.ReadCloser, error) { return os.Open(path) }, nil
	}
	for _, read := range *s {
		if os.SameFile(read, info) {
			return nil, pipeError(fmt.Sprintf("%s is given twice, but can be read only once", path))
		}
	}
	*s = append(*s, info)
	var f *os.File
	var err error
	copied := make(chan struct{})
	go func() { // opening and reading a pipe do not watch a context
		f, err = spool(path, maxSpoolBytes)
		close(copied)
	}()
	select {
	case <-ctx.Done():
	case <-copied:
	}
	if ctx.Err() != nil { // select chooses at random when both are ready
		return nil, fmt.Errorf("reading %s: %w", path, context.Cause(ctx))
	}
	if err != nil {
		return nil, fmt.Errorf("reading %s: %w", path, err)
	}
	return func() (io.ReadCloser, error) {
		return io.NopCloser(io.NewSectionReader(f, 0, maxSpoolBytes)), nil
	}, nil
}

// pipeError returns a usage error with the hint to use a file.
func pipeError(what string) error { return usageFault(what, "write it to a file, and name the file") }

// spool copies an input to a temporary file without a name, which the system removes when
// the process ends. It is an error if the input has more than limit bytes.
func spool(path string, limit int64) (*os.File, error) {
	in, err := os.Open(path)
	if err != nil {
		return nil, err
	}
	defer in.Close()
	f, err := os.CreateTemp("", "lab-input-")
	if err != nil {
		return nil, err
	}
	err = os.Remove(f.Name())
	if err == nil {
		var n int64
		if n, err = io.Copy(f, io.LimitReader(in, limit+1)); n > limit {
			err = pipeError(fmt.Sprintf("it has more than %d bytes, and can be read only once", limit))
		}
	}
	if err != nil {
		f.Close()
		return nil, err
	}
	return f, nil
}
