// Package delimited reads CSV and other delimited text that spreadsheets and other programs
// may have rewritten. It handles encodings, delimiters, decimal marks, columns of row
// numbers and empty rows. It reads what has only one meaning, and returns a Refusal with
// the line for anything else. It knows no columns: record and stat pass the names that
// they expect.
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

// Columns describes the columns that a caller expects.
type Columns struct {
	Known    func(name string) bool // the delimiter is the one that gives the most known names
	Optional func(name string) bool // rows may end before this column
}

// Reader reads a table row by row and keeps one row in memory. It accepts the same input
// as encoding/csv. It uses encoding/csv for records with a quote inside a field, which are
// rare, and splits other records itself.
type Reader struct {
	in      *bufio.Reader
	columns Columns
	format  format
	layout  layout
	line    int // at which the last record begins
	// linesRead is the number of lines read so far.
	linesRead int
	record    []byte // a record that does not fit into the buffer, or has several lines
	cells     [][]byte
	hasText   bool // a cell of the last record has text
	unnamed   bool // a cell in a column without a name has text
	truncated bool // the last line had no end
	numbers   numberFormat
	number    []byte // result of Number
}

// maxRecordBytes is the largest size of a record. A longer one has a quote that is not
// closed.
const maxRecordBytes = 1 << 20

// NewReader returns a Reader that has read the header. If the file has none, it has no
// rows, and Header returns nil. linesBefore is the number of lines that the caller has
// read from the file. A header that names a column twice is an error.
func NewReader(in io.Reader, linesBefore int, columns Columns) (*Reader, error) {
	r := &Reader{in: bufio.NewReaderSize(in, 256<<10), columns: columns, linesRead: linesBefore}
	r.format.delimiter = ','
	if err := r.checkStart(); err != nil {
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
		if r.format.readDeclaration(text) {
			continue
		}
		names, err := r.parseHeader(text, quotes)
		if err != nil {
			return nil, err
		}
		if names == nil { // an empty row
			continue
		}
		r.layout, err = newLayout(names, r.columns.Known)
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

// Truncated reports whether the last line had no end. Read leaves such a line out.
func (r *Reader) Truncated() bool { return r.truncated }

// HasUnnamedValues reports whether Read left out values in columns without a name. It
// ignores leading columns without a name, which are row numbers.
func (r *Reader) HasUnnamedValues() bool { return r.unnamed }

// MayUseDecimalComma reports whether the file's numbers may have a decimal comma.
func (r *Reader) MayUseDecimalComma() bool { return r.format.delimiter != ',' }

// Want sets the columns that Read returns, and their order.
func (r *Reader) Want(columns []string) {
	r.layout.slots = make([]int, len(r.layout.names))
	for i, name := range r.layout.names {
		r.layout.slots[i] = -1
		if name != "" && i >= r.layout.rowNumbers {
			r.layout.slots[i] = slices.Index(columns, name)
		}
	}
	r.cells = make([][]byte, len(columns))
}

// emptyCell is the cell of a column after the end of a short row: empty, and not nil.
var emptyCell = []byte{}

// Read returns the cells of the next row that is not empty, or io.EOF after the last. A cell
// is nil if the file does not have the column. Cells are valid until the next call.
func (r *Reader) Read() ([][]byte, error) {
	for {
		text, quotes, err := r.next()
		if errors.Is(err, io.EOF) {
			if refusal := r.numbers.checkDecided(); refusal != nil {
				return nil, refusal
			}
		}
		if err != nil {
			return nil, err
		}
		fields, err := r.split(text, quotes)
		if err != nil {
			if r.containsFirstName(text) {
				return nil, r.SecondHeader()
			}
			return nil, err
		}
		if !r.hasText {
			continue
		}
		if string(withoutBOM(text)) == r.layout.text {
			return nil, r.SecondHeader()
		}
		if err := r.fillShortRow(text, fields); err != nil {
			return nil, err
		}
		return r.cells, nil
	}
}

// fillShortRow adds empty cells to a row that ends early. It returns an error if a column
// that is not optional is missing, or if the row has text after the last column.
func (r *Reader) fillShortRow(text []byte, fields int) error {
	names := r.layout.names
	if fields > len(names) && !r.layout.extraText || fields == len(names) {
		return nil
	}
	wrong := fmt.Errorf("line %d: %w: %d, where the header has %d",
		r.line, csv.ErrFieldCount, fields, len(names))
	if r.containsFirstName(text) {
		return r.SecondHeader()
	}
	if fields > len(names) {
		return wrong
	}
	for i := fields; i < len(names); i++ {
		if i >= r.layout.rowNumbers && names[i] != "" && !r.columns.Optional(names[i]) {
			return wrong
		}
		if slot := r.layout.slots[i]; slot >= 0 {
			r.cells[slot] = emptyCell
		}
	}
	return nil
}

// containsFirstName reports whether an invalid record contains the name of the first
// column. It is then the header of another file, which begins in the middle of a line or
// has other columns.
func (r *Reader) containsFirstName(text []byte) bool {
	first := r.layout.firstName()
	return r.columns.Known(first) && bytes.Contains(text, []byte(first))
}

// SecondHeader returns the Refusal for a file in which the header of another file follows,
// at the last record.
func (r *Reader) SecondHeader() error {
	return &Refusal{r.line, "a second header: the file is two files in one", "give each as a file of its own"}
}

// next returns the text of the next record without the end of its line, and the number of
// its quotes. A record with an odd number of quotes continues on the next line. next skips
// empty lines.
func (r *Reader) next() (text []byte, quotes int, err error) {
	for {
		if text, quotes, err = r.nextLine(); err != nil || len(text) > 0 {
			return text, quotes, err
		}
	}
}

// nextLine returns the next record as next does, or an empty line.
func (r *Reader) nextLine() (text []byte, quotes int, err error) {
	r.line = r.linesRead + 1
	r.record = r.record[:0]
	for {
		part, err := r.in.ReadSlice('\n')
		quotes += bytes.Count(part, []byte{'"'})
		whole := err == nil && quotes%2 == 0
		if whole {
			r.linesRead++
			if len(r.record) == 0 {
				return trimEnd(part), quotes, nil
			}
		}
		r.record = append(r.record, part...)
		switch {
		case whole:
			return trimEnd(r.record), quotes, nil
		case errors.Is(err, io.EOF):
			return r.endOfFile(quotes)
		case err != nil && !errors.Is(err, bufio.ErrBufferFull):
			return nil, 0, err
		case len(r.record) > maxRecordBytes:
			return nil, 0, fmt.Errorf("line %d: a record of more than %d bytes: is a quote not closed?",
				r.line, maxRecordBytes)
		}
		if err == nil {
			r.linesRead++
		}
	}
}

// endOfFile returns what follows the last complete record. That is io.EOF, also after a
// truncated line, or the lines after a quote that is not closed. encoding/csv then returns
// the error for these lines.
func (r *Reader) endOfFile(quotes int) ([]byte, int, error) {
	if quotes%2 != 0 && bytes.IndexByte(r.record, '\n') >= 0 {
		return r.record, quotes, nil
	}
	r.truncated = len(r.record) > 0
	r.record = r.record[:0]
	return nil, 0, io.EOF
}

func trimEnd(line []byte) []byte {
	line = bytes.TrimSuffix(line, []byte{'\n'})
	return bytes.TrimSuffix(line, []byte{'\r'})
}

// split stores the cells of a record, and returns the number of its fields.
func (r *Reader) split(text []byte, quotes int) (fields int, err error) {
	r.hasText, r.layout.extraText = false, false
	fields, plain := r.splitPlain(text, quotes)
	if plain {
		return fields, nil
	}
	r.hasText, r.layout.extraText = false, false
	return r.parse(text)
}

// splitPlain stores the cells of a record whose fields have no quotes, except for one pair
// around a field. It returns false for any other record.
func (r *Reader) splitPlain(text []byte, quotes int) (fields int, plain bool) {
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
		r.store(fields, cell)
	}
	return fields, quotes == 0
}

// parse stores the cells of a record as encoding/csv reads it.
func (r *Reader) parse(text []byte) (fields int, err error) {
	// The added end of line keeps a carriage return at the end of text in the last cell.
	in := csv.NewReader(io.MultiReader(bytes.NewReader(text), strings.NewReader("\r\n")))
	in.FieldsPerRecord = -1
	in.Comma = rune(r.format.delimiter)
	record, err := in.Read()
	var parseErr *csv.ParseError
	if errors.As(err, &parseErr) {
		err = parseErr.Err // without the line, which counts from this record
	}
	if err != nil {
		return 0, fmt.Errorf("line %d: %w", r.line, err)
	}
	if r.layout.slots == nil {
		r.cells = r.cells[:0]
	}
	for i, field := range record {
		r.store(i, []byte(field))
	}
	return len(record), nil
}

// store puts a cell into the slot of its column, if the caller wants it; without slots it appends
// every cell. It also records whether the record has text, and text outside the named columns.
func (r *Reader) store(column int, cell []byte) {
	if len(cell) > 0 {
		r.hasText = true
	}
	switch {
	case r.layout.slots == nil:
		r.cells = append(r.cells, cell)
	case column >= len(r.layout.slots):
		r.layout.extraText = r.layout.extraText || len(cell) > 0
	case r.layout.slots[column] >= 0:
		r.cells[r.layout.slots[column]] = cell
	case len(cell) > 0 && column >= r.layout.rowNumbers && r.layout.names[column] == "":
		r.unnamed = true
	}
}
