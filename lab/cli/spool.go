package cli

import (
	"fmt"
	"io"
	"os"

	"runtimelab/lab/fault"
)

// maxSpoolBytes bounds the copy of an input that can be read only once: a trials.csv of
// some million rows.
const maxSpoolBytes = 4 << 30

// inputFiles opens the files that a comparison reads. It holds the ones that can be read
// only once, such as pipes, and have been read.
type inputFiles []os.FileInfo

// open returns a function that opens a file any number of times. An input that can be
// read only once is copied to a temporary file.
func (s *inputFiles) open(a *app, path string, info os.FileInfo) (func() (io.ReadCloser, error), error) {
	if info.Mode().IsRegular() {
		return func() (io.ReadCloser, error) { return os.Open(path) }, nil
	}
	for _, read := range *s {
		if os.SameFile(read, info) {
			return nil, pipeError(fmt.Errorf("%s is given twice, but can be read only once", path))
		}
	}
	*s = append(*s, info)
	f, err := interruptible(a.ctx, func() (*os.File, error) { return spool(path, maxSpoolBytes) })
	if err != nil {
		return nil, fmt.Errorf("reading %s: %w", path, err)
	}
	return func() (io.ReadCloser, error) {
		return io.NopCloser(io.NewSectionReader(f, 0, maxSpoolBytes)), nil
	}, nil
}

// pipeError returns err as a usage error, with the hint to use a file.
func pipeError(err error) error {
	return &fault.Error{Code: fault.ExitUsage, Err: err, Hint: "write it to a file, and name the file"}
}

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
			err = pipeError(fmt.Errorf("it has more than %d bytes, and can be read only once", limit))
		}
	}
	if err != nil {
		f.Close()
		return nil, err
	}
	return f, nil
}
