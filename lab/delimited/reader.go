// Package delimited owns the reading of delimited text, CSV for the most part, that
// other programs may have written anew: its encoding, its delimiter, its decimal mark,
// columns of row numbers, and rows without a value. What can be read in one way only is
// read; anything else is a Refusal with its line. The package knows no column: record
// and stat say which names they expect.
package delimited

import (
	"bufio"
	"bytes"
	"encoding/csv"
	"errors"
	"fmt"
	"io"
	"slices"
	"strings"
)

// Columns says what a table may hold.
type Columns struct {
	Known    func(name string) bool // decides which delimiter the header is read with
	Optional func(name string) bool // rows may end before it
}

// Reader reads a table row after row, in as much memory as one row takes. It takes
// what encoding/csv takes, and leaves to it the records with a quote inside a field,
// which programs seldom write; the others it only cuts into cells.
type Reader struct {
	in      *bufio.Reader
	columns Columns
	format  format
	layout  layout
	line    int    // of the file, where the record that was read last begins
	ends    int    // lines read
	record  []byte // of a record that does not fit into the buffer, or has several lines
	cells   [][]byte
	filled  bool // a cell of the record has text
	unnamed bool // a cell without a name for its column has text
	torn    bool
	numbers numbers
	number  []byte // the last one, with a point
}

// mostRecord is the bytes that a record may have: what is longer is a quote that
// nothing closes.
const mostRecord = 1 << 20

// NewReader reads the header. A file without one has no rows: its Header is nil. Before
// is the lines of the file that the caller has read. A header that names a column twice
// is an error, for nobody can say which is meant.
func NewReader(in io.Reader, before int, columns Columns) (*Reader, error) {
	r := &Reader{in: bufio.NewReaderSize(in, 256<<10), columns: columns, ends: before}
	r.format.delimiter = ','
	if err := r.begin(); err != nil {
		return nil, err
	}
	for {
		text, quotes, err := r.next()
		if errors.Is(err, io.EOF) {
			return r, nil
		}
		if err != nil {
			return nil, err
		}
		if r.format.declare(text) {
			continue
		}
		names, err := r.header(text, quotes)
		if err != nil {
			return nil, err
		}
		if names == nil { // a row without a value
			continue
		}
		r.layout, err = layoutOf(names, r.columns.Known)
		if err != nil {
			return nil, fmt.Errorf("line %d: %w", r.line, err)
		}
		r.layout.text = string(text)
		return r, nil
	}
}

// Header returns the names of the columns that have one, in the order of the file.
func (r *Reader) Header() []string { return r.layout.header }

// Line returns the line of the file at which the last record begins.
func (r *Reader) Line() int { return r.line }

// Torn reports whether the last line had no end, and was left out.
func (r *Reader) Torn() bool { return r.torn }

// Unnamed reports whether columns without a name were left out that have values.
// Those in front are row numbers, and not counted.
func (r *Reader) Unnamed() bool { return r.unnamed }

// Foreign reports whether the file's numbers may have another decimal mark than a point.
func (r *Reader) Foreign() bool { return r.format.delimiter != ',' }

// Want says which columns Read returns, in that order.
func (r *Reader) Want(columns []string) {
	r.layout.slots = make([]int, len(r.layout.names))
	for i, name := range r.layout.names {
		r.layout.slots[i] = -1
		if name != "" && i >= r.layout.index {
			r.layout.slots[i] = slices.Index(columns, name)
		}
	}
	r.cells = make([][]byte, len(columns))
}

// none is the cell of a column that a row ends before: empty, and not nil.
var none = []byte{}

// Read returns the cells of the next row that has a value, io.EOF after the last. A cell
// is nil where the file has no such column. Cells are the caller's until the next call.
func (r *Reader) Read() ([][]byte, error) {
	for {
		text, quotes, err := r.next()
		if errors.Is(err, io.EOF) {
			if refusal := r.numbers.undecided(); refusal != nil {
				return nil, refusal
			}
		}
		if err != nil {
			return nil, err
		}
		fields, err := r.split(text, quotes)
		if err != nil {
			if r.names(text) {
				return nil, r.Joined()
			}
			return nil, err
		}
		if !r.filled {
			continue
		}
		if string(withoutMark(text)) == r.layout.text {
			return nil, r.Joined()
		}
		if err := r.complete(text, fields); err != nil {
			return nil, err
		}
		return r.cells, nil
	}
}

// complete gives a row that ends early the empty cells that it lacks.
func (r *Reader) complete(text []byte, fields int) error {
	names := r.layout.names
	if fields > len(names) && !r.layout.beyond || fields == len(names) {
		return nil
	}
	wrong := fmt.Errorf("line %d: %w: %d, where the header has %d",
		r.line, csv.ErrFieldCount, fields, len(names))
	if r.names(text) {
		return r.Joined()
	}
	if fields > len(names) {
		return wrong
	}
	for i := fields; i < len(names); i++ {
		if i >= r.layout.index && names[i] != "" && !r.columns.Optional(names[i]) {
			return wrong
		}
		if slot := r.layout.slots[i]; slot >= 0 {
			r.cells[slot] = none
		}
	}
	return nil
}

// names reports whether a record that is wrong holds the name of the first column: the
// header of another file, which began in the middle of a line or has other columns.
func (r *Reader) names(text []byte) bool {
	first := r.layout.first()
	return r.columns.Known(first) && bytes.Contains(text, []byte(first))
}

// Joined is the refusal of a file at whose last record another one begins.
func (r *Reader) Joined() error {
	return &Refusal{r.line, "a second header: the file is two files in one", "give each as a file of its own"}
}

// next is the text of the next record without its line's end, and the quotes in
// it. A record whose quotes are not even goes on in the next line. Empty lines are none.
func (r *Reader) next() (text []byte, quotes int, err error) {
	for {
		if text, quotes, err = r.nextLine(); err != nil || len(text) > 0 {
			return text, quotes, err
		}
	}
}

func (r *Reader) nextLine() (text []byte, quotes int, err error) {
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
			return nil, 0, fmt.Errorf("line %d: a record of more than %d bytes: is a quote not closed?",
				r.line, mostRecord)
		}
		if err == nil {
			r.ends++
		}
	}
}

// last is what follows the last record that is whole: nothing, a line that was
// torn while it was written, or lines after a quote that nothing closes, which
// encoding/csv has the words for.
func (r *Reader) last(quotes int) ([]byte, int, error) {
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

// split keeps the cells of a record, and counts its fields.
func (r *Reader) split(text []byte, quotes int) (fields int, err error) {
	r.filled, r.layout.beyond = false, false
	fields, plain := r.cut(text, quotes)
	if plain {
		return fields, nil
	}
	r.filled, r.layout.beyond = false, false
	return r.parse(text)
}

// cut finds the cells of a record whose fields are all free of quotes, or inside
// a pair of them: false for any other.
func (r *Reader) cut(text []byte, quotes int) (fields int, plain bool) {
	delimiter := r.format.delimiter
	if r.layout.slots == nil {
		r.cells = r.cells[:0]
	}
	for rest, more := text, true; more; fields++ {
		cell := rest
		if quotes > 0 && len(rest) > 0 && rest[0] == '"' {
			end := 1 + bytes.IndexByte(rest[1:], '"')
			after := rest[end+1:]
			if end == 0 || len(after) > 0 && after[0] != delimiter {
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
		} else if at := bytes.IndexByte(rest, delimiter); at >= 0 {
			cell, rest = rest[:at], rest[at+1:]
		} else {
			more = false
		}
		r.keep(fields, cell)
	}
	return fields, quotes == 0
}

// parse reads a record as encoding/csv does.
func (r *Reader) parse(text []byte) (fields int, err error) {
	// With an end of line, before which a carriage return is part of the last cell.
	in := csv.NewReader(io.MultiReader(bytes.NewReader(text), strings.NewReader("\r\n")))
	in.FieldsPerRecord = -1
	in.Comma = rune(r.format.delimiter)
	record, err := in.Read()
	var wrong *csv.ParseError
	if errors.As(err, &wrong) {
		err = wrong.Err // the line that it names is that of this record
	}
	if err != nil {
		return 0, fmt.Errorf("line %d: %w", r.line, err)
	}
	if r.layout.slots == nil {
		r.cells = r.cells[:0]
	}
	for i, field := range record {
		r.keep(i, []byte(field))
	}
	return len(record), nil
}

// keep puts the cell of a column into its place.
func (r *Reader) keep(column int, cell []byte) {
	if len(cell) > 0 {
		r.filled = true
	}
	switch {
	case r.layout.slots == nil:
		r.cells = append(r.cells, cell)
	case column >= len(r.layout.slots):
		r.layout.beyond = r.layout.beyond || len(cell) > 0
	case r.layout.slots[column] >= 0:
		r.cells[r.layout.slots[column]] = cell
	case len(cell) > 0 && column >= r.layout.index && r.layout.names[column] == "":
		r.unnamed = true
	}
}
