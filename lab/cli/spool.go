package cli

import (
	"fmt"
	"io"
	"os"

	"runtimelab/lab"
)

// mostSpooled bounds, in bytes, what is kept of input that can be read once only: a
// trials.csv of some million rows.
const mostSpooled = 4 << 30

// streams are inputs that can be read once only, such as pipes, and were.
type streams []os.FileInfo

// open returns how a file's rows are read, as often as a comparison needs. Input that can
// be read once only is copied to a temporary file without a name.
func (s *streams) open(a *app, path string, info os.FileInfo) (func() (io.ReadCloser, error), error) {
	if info.Mode().IsRegular() {
		return func() (io.ReadCloser, error) { return os.Open(path) }, nil
	}
	for _, read := range *s {
		if os.SameFile(read, info) {
			return nil, onceOnly(fmt.Errorf("%s is given twice, and can be read once only", path))
		}
	}
	*s = append(*s, info)
	f, err := interruptible(a.ctx, func() (*os.File, error) { return spool(path, mostSpooled) })
	if err != nil {
		return nil, fmt.Errorf("reading %s: %w", path, err)
	}
	return func() (io.ReadCloser, error) {
		return io.NopCloser(io.NewSectionReader(f, 0, mostSpooled)), nil
	}, nil
}

func onceOnly(err error) error {
	return &lab.Fault{Code: lab.ExitUsage, Err: err, Hint: "write it to a file, and give that"}
}

// spool copies up to so many bytes. The file goes when the program ends.
func spool(path string, most int64) (*os.File, error) {
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
		if n, err = io.Copy(f, io.LimitReader(in, most+1)); n > most {
			err = onceOnly(fmt.Errorf("it has more than %d bytes, and can be read once only", most))
		}
	}
	if err != nil {
		f.Close()
		return nil, err
	}
	return f, nil
}
