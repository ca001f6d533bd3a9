package record

import (
	"bufio"
	"encoding/csv"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strconv"

	"runtimelab/lab/metric"
)

// maxLineBytes is the maximum length of a line of a run's files. The longest is a histogram.
const maxLineBytes = 4 << 20

// open opens a file of a run for reading what its ended trials have written; nil if the run has no
// such file. The caller must close it.
func (r *StoredRun) open(name string) (*endedLines, error) {
	f, err := os.Open(filepath.Join(r.Dir, name))
	if errors.Is(err, fs.ErrNotExist) {
		return nil, nil
	}
	if err != nil {
		return nil, err
	}
	var in io.Reader = f
	if ended, accounted := r.Info.Files[name]; accounted {
		in = io.LimitReader(f, ended.Bytes) // the rest belongs to a trial that has not ended
	}
	return &endedLines{file: f, in: bufio.NewReaderSize(in, maxLineBytes)}, nil
}

// endedLines reads the complete lines of a file. It leaves out a last line without an end, which a
// killed process may leave.
type endedLines struct {
	file *os.File
	in   *bufio.Reader
	line []byte                 // the rest of the current line
	keep func(line []byte) bool // false leaves a line out; nil keeps all
}

func (l *endedLines) Read(p []byte) (n int, err error) {
	for len(l.line) == 0 {
		line, err := l.in.ReadSlice('\n')
		if errors.Is(err, bufio.ErrBufferFull) {
			err = fmt.Errorf("a line is longer than %d MiB", maxLineBytes>>20)
		}
		if err != nil {
			return 0, err
		}
		if l.keep == nil || l.keep(line) {
			l.line = line
		}
	}
	n = copy(p, l.line)
	l.line = l.line[n:]
	return n, nil
}

func (l *endedLines) Close() error { return l.file.Close() }

// storedRecord is a row of a CSV file beside trials.csv.
type storedRecord struct {
	header []string
	cells  []string
	err    error // the first cell that has no number
}

// eachRecord calls each for every row of a CSV file. A missing file has no rows. Errors name the
// file and the line.
func (r *StoredRun) eachRecord(name string, each func(*storedRecord) error) error {
	in, err := r.open(name)
	if err != nil || in == nil {
		return err
	}
	defer in.Close()
	lines := csv.NewReader(in)
	lines.ReuseRecord = true
	first, err := lines.Read()
	if errors.Is(err, io.EOF) {
		return nil
	}
	row := storedRecord{header: slices.Clone(first)}
	for err == nil {
		if row.cells, err = lines.Read(); errors.Is(err, io.EOF) {
			return nil
		}
		if err == nil {
			err = errors.Join(each(&row), row.err)
		}
	}
	line, _ := lines.FieldPos(0)
	return fmt.Errorf("reading %s, line %d: %w", filepath.Join(r.Dir, name), line, err)
}

// text returns the cell of a column, or "" if the file lacks the column.
func (s *storedRecord) text(column string) string {
	if i := slices.Index(s.header, column); i >= 0 && i < len(s.cells) {
		return s.cells[i]
	}
	return ""
}

// integer returns the number of a column, or 0 if it is missing.
func (s *storedRecord) integer(column string) int64 {
	cell := s.text(column)
	if cell == "" {
		return 0
	}
	n, err := strconv.ParseInt(cell, 10, 64)
	if err != nil && s.err == nil {
		s.err = fmt.Errorf("column %s: %q is not an integer", column, cell)
	}
	return n
}

// number returns the number of a column, or nil if it is missing.
func (s *storedRecord) number(column string) *float64 {
	cell := s.text(column)
	if cell == "" {
		return nil
	}
	x, err := metric.ParseFloat(column, []byte(cell))
	if err != nil && s.err == nil {
		s.err = err
	}
	return &x
}
