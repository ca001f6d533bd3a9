package record

import (
	"bufio"
	"bytes"
	"encoding/csv"
	"errors"
	"fmt"
	"io"
	"slices"
	"strconv"
	"strings"

	"runtimelab/lab/metric"
)

// Rows reads a trials.csv row after row, in as much memory as one row takes: a
// table of millions is read as it passes. It takes what encoding/csv takes, and
// leaves to it the records that the lab seldom writes, those with a quote inside
// a field; the others it only cuts into cells.
type Rows struct {
	in     *bufio.Reader
	header []string
	line   int    // of the file, where the record that was read last begins
	ends   int    // lines read
	record []byte // of a record that does not fit into the buffer, or has several lines
	slots  []int  // by column: the place of its cell, -1 where it is not wanted; nil: each in its own
	cells  [][]byte
	torn   bool
	schema string // of the rows read so far; empty before the first
}

// mostRecord is the bytes that a record may have: what is longer is a quote that
// nothing closes.
const mostRecord = 1 << 20

// schemaColumn says of each row what its columns mean.
const schemaColumn = "schema_version"

// NewRows reads the header. A file without one has no rows, which Doubts says; of
// one that names a column twice nobody can say which is meant, and it is an error.
func NewRows(r io.Reader) (*Rows, error) {
	rows := &Rows{in: bufio.NewReaderSize(r, 256<<10)}
	cells, err := rows.read()
	if errors.Is(err, io.EOF) {
		return rows, nil
	}
	named := map[string]bool{}
	for _, cell := range cells {
		name := string(cell)
		if named[name] {
			return nil, fmt.Errorf("line %d: the header names column %q twice", rows.line, name)
		}
		named[name] = true
		rows.header = append(rows.header, name)
	}
	return rows, err
}

// Header is the names of the columns as the file has them.
func (r *Rows) Header() []string { return r.header }

// Each hands over the rows with the cells of the columns that are asked for, in
// that order; nil where the file has no such column. Cells are each's until it
// returns. An unterminated last line is left out. A row of another schema is an
// error; that, and each's own, name the line.
func (r *Rows) Each(columns []string, each func(cells [][]byte) error) error {
	if r.header == nil {
		return nil
	}
	asked := len(columns)
	schema := slices.Index(columns, schemaColumn)
	if schema < 0 {
		schema, columns = asked, append(slices.Clip(columns), schemaColumn)
	}
	r.want(columns)
	for {
		cells, err := r.read()
		if errors.Is(err, io.EOF) {
			return nil
		}
		if err != nil {
			return err
		}
		if err = r.checkVersion(cells[schema]); err == nil {
			err = each(cells[:asked])
		}
		if err != nil {
			return fmt.Errorf("line %d: %w", r.line, err)
		}
	}
}

// checkVersion checks the schema of a row: one that this lab reads, and the same in
// all rows.
func (r *Rows) checkVersion(cell []byte) error {
	if r.schema != "" && string(cell) == r.schema {
		return nil
	}
	version, _ := strconv.ParseInt(string(cell), 10, 64) // what is no number is version 0
	if err := checkSchema(version); err != nil {
		return err
	}
	if r.schema == "" {
		r.schema = string(cell)
	}
	return checkSame(r.schema, string(cell))
}

// Doubts are what of the file could not be read, in words, once all of it was.
func (r *Rows) Doubts() []string {
	var doubts []string
	if r.torn {
		doubts = append(doubts, fmt.Sprintf("the last line of %s is torn and was left out", TrialsFile))
	}
	if r.header == nil {
		return append(doubts, fmt.Sprintf("%s has no header, so no rows", TrialsFile))
	}
	var unknown []string
	for _, name := range r.header {
		if _, ok := metric.Find(name); !ok {
			unknown = append(unknown, name)
		}
	}
	if len(unknown) > 0 {
		doubts = append(doubts, fmt.Sprintf("columns of %s that this version does not know were left out: %s", TrialsFile, strings.Join(unknown, ", ")))
	}
	return doubts
}

// want gives each column a place of its own in cells.
func (r *Rows) want(columns []string) {
	r.slots = make([]int, len(r.header))
	for i, name := range r.header {
		r.slots[i] = slices.Index(columns, name)
	}
	r.cells = make([][]byte, len(columns))
}

// read returns the cells of the next record, io.EOF after the last.
func (r *Rows) read() ([][]byte, error) {
	for {
		text, quotes, err := r.next()
		if err != nil {
			return nil, err
		}
		if len(text) == 0 { // encoding/csv has no records of nothing
			continue
		}
		fields, plain := r.cut(text, quotes)
		if !plain {
			if fields, err = r.parse(text); err != nil {
				return nil, err
			}
		}
		if r.header != nil && fields != len(r.header) {
			return nil, fmt.Errorf("line %d: %w: %d, where the header has %d", r.line, csv.ErrFieldCount, fields, len(r.header))
		}
		return r.cells, nil
	}
}

// next is the text of the next record without its line's end, and the quotes in
// it. A record whose quotes are not even goes on in the next line.
func (r *Rows) next() (text []byte, quotes int, err error) {
	r.line = r.ends + 1
	r.record = r.record[:0]
	for {
		part, err := r.in.ReadSlice('\n')
		quotes += bytes.Count(part, []byte{'"'})
		whole := err == nil && quotes%2 == 0
		if whole {
			r.ends++
			if len(r.record) == 0 {
				return trimEnd(part), quotes, nil
			}
		}
		r.record = append(r.record, part...)
		switch {
		case whole:
			return trimEnd(r.record), quotes, nil
		case errors.Is(err, io.EOF):
			return r.last(quotes)
		case err != nil && !errors.Is(err, bufio.ErrBufferFull):
			return nil, 0, err
		case len(r.record) > mostRecord:
			return nil, 0, fmt.Errorf("line %d: a record of more than %d bytes: is a quote not closed?", r.line, mostRecord)
		}
		if err == nil {
			r.ends++
		}
	}
}

// last is what follows the last record that is whole: nothing, a line that was
// torn while it was written, or lines after a quote that nothing closes, which
// encoding/csv has the words for.
func (r *Rows) last(quotes int) ([]byte, int, error) {
	if quotes%2 != 0 && bytes.IndexByte(r.record, '\n') >= 0 {
		return r.record, quotes, nil
	}
	r.torn = len(r.record) > 0
	r.record = r.record[:0]
	return nil, 0, io.EOF
}

func trimEnd(line []byte) []byte {
	line = bytes.TrimSuffix(line, []byte{'\n'})
	return bytes.TrimSuffix(line, []byte{'\r'})
}

// cut finds the cells of a record whose fields are all free of quotes, or inside
// a pair of them: false for any other.
func (r *Rows) cut(text []byte, quotes int) (fields int, plain bool) {
	if r.slots == nil {
		r.cells = r.cells[:0]
	}
	for rest, more := text, true; more; fields++ {
		cell := rest
		if quotes > 0 && len(rest) > 0 && rest[0] == '"' {
			end := 1 + bytes.IndexByte(rest[1:], '"')
			after := rest[end+1:]
			if end == 0 || len(after) > 0 && after[0] != ',' {
				return 0, false
			}
			quotes -= 2
			cell, rest, more = rest[1:end], after, len(after) > 0
			if bytes.IndexByte(cell, '\n') >= 0 {
				return 0, false
			}
			if more {
				rest = rest[1:]
			}
		} else if comma := bytes.IndexByte(rest, ','); comma >= 0 {
			cell, rest = rest[:comma], rest[comma+1:]
		} else {
			more = false
		}
		r.keep(fields, cell)
	}
	return fields, quotes == 0
}

// parse reads a record as encoding/csv does.
func (r *Rows) parse(text []byte) (fields int, err error) {
	// With an end of line, before which a carriage return is part of the last cell.
	in := csv.NewReader(io.MultiReader(bytes.NewReader(text), strings.NewReader("\r\n")))
	in.FieldsPerRecord = -1
	record, err := in.Read()
	var wrong *csv.ParseError
	if errors.As(err, &wrong) {
		err = wrong.Err // the line that it names is that of this record
	}
	if err != nil {
		return 0, fmt.Errorf("line %d: %w", r.line, err)
	}
	if r.slots == nil {
		r.cells = r.cells[:0]
	}
	for i, field := range record {
		r.keep(i, []byte(field))
	}
	return len(record), nil
}

// keep puts the cell of a column into its place.
func (r *Rows) keep(column int, cell []byte) {
	if r.slots == nil {
		r.cells = append(r.cells, cell)
	} else if column < len(r.slots) && r.slots[column] >= 0 {
		r.cells[r.slots[column]] = cell
	}
}
