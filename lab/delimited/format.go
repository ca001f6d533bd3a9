package delimited

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"slices"
	"strings"
)

// Refusal is the error for a file whose content is ambiguous or not delimited text.
type Refusal struct {
	Line int    // line of the file, from 1
	What string // what is wrong
	Hint string // what the user can do
}

func (r *Refusal) Error() string { return fmt.Sprintf("line %d: %s", r.Line, r.What) }

// format is the format of a file.
type format struct {
	delimiter byte
	declared  bool // by a first line "sep=;"
}

// delimiters lists the delimiters that a file may have. The lab writes the first.
var delimiters = []byte{',', ';', '\t', '|'}

// readDeclaration reports whether text is a line "sep=;", which declares the delimiter
// in Excel and LibreOffice, and takes the delimiter from it.
func (f *format) readDeclaration(text []byte) bool {
	text = bytes.Trim(text, `"`)
	value, ok := bytes.CutPrefix(text, []byte("sep="))
	if f.declared || !ok || len(value) != 1 || !slices.Contains(delimiters, value[0]) {
		return false
	}
	f.delimiter, f.declared = value[0], true
	return true
}

// otherFormats lists files that are not delimited text in UTF-8, by their first bytes.
var otherFormats = []struct{ prefix, what, hint string }{
	{"\xff\xfe", utf16, saveAsUTF8},
	{"\xfe\xff", utf16, saveAsUTF8},
	{"PK\x03\x04", "a workbook or another archive, not CSV", saveAsUTF8},
	{"\x1f\x8b", "compressed by gzip", "decompress it first"},
	{"\x28\xb5\x2f\xfd", "compressed by zstd", "decompress it first"},
	{"PAR1", "a Parquet file, not CSV", "write it as CSV"},
}

const (
	utf16      = `text in UTF-16, as Excel's "Unicode Text"`
	saveAsUTF8 = `save it as "CSV UTF-8"`
	utf8BOM    = "\xef\xbb\xbf" // byte order mark
)

// checkStart checks the first bytes of the file. It skips a byte order mark, and refuses
// files that are not delimited text in UTF-8.
func (r *Reader) checkStart() error {
	const headerBytes = 64 << 10 // more than any header has
	head, err := r.in.Peek(headerBytes)
	if err != nil && !errors.Is(err, io.EOF) {
		return err
	}
	for _, f := range otherFormats {
		if bytes.HasPrefix(head, []byte(f.prefix)) {
			return &Refusal{r.linesRead + 1, "the file is " + f.what, f.hint}
		}
	}
	first, _, ended := bytes.Cut(head, []byte{'\n'})
	switch {
	case bytes.IndexByte(first, 0) >= 0:
		return &Refusal{
			r.linesRead + 1, "the header has zero bytes: the file is " + utf16 + ", or not text",
			saveAsUTF8,
		}
	case !ended && bytes.IndexByte(first, '\r') >= 0:
		return &Refusal{
			r.linesRead + 1, `lines end with a carriage return alone, as in Excel's "CSV (Macintosh)"`,
			saveAsUTF8,
		}
	case bytes.HasPrefix(head, []byte(utf8BOM)):
		_, err := r.in.Discard(len(utf8BOM))
		return err
	}
	return nil
}

// withoutBOM returns a line without a byte order mark.
func withoutBOM(text []byte) []byte { return bytes.TrimPrefix(text, []byte(utf8BOM)) }

// parseHeader splits a line by the delimiter that gives the most known names. It returns
// nil if all cells are empty with one of the delimiters.
func (r *Reader) parseHeader(text []byte, quotes int) (names []string, err error) {
	candidates := delimiters
	if r.format.declared {
		candidates = []byte{r.format.delimiter}
	}
	most := -1
	for _, delimiter := range candidates {
		if most >= 0 && bytes.IndexByte(text, delimiter) < 0 {
			continue
		}
		cells, splitErr := r.splitNames(delimiter, text, quotes)
		if splitErr == nil && strings.Join(cells, "") == "" {
			return nil, nil
		}
		known := 0
		for _, name := range cells {
			if r.columns.Known(name) {
				known++
			}
		}
		if known > most {
			names, err, most, r.format.delimiter = cells, splitErr, known, delimiter
		}
	}
	return names, err
}

// splitNames splits a line by a delimiter, and sets that delimiter.
func (r *Reader) splitNames(delimiter byte, text []byte, quotes int) (names []string, err error) {
	r.format.delimiter = delimiter
	if _, err = r.split(text, quotes); err != nil {
		return nil, err
	}
	for _, cell := range r.cells {
		names = append(names, string(cell))
	}
	return names, nil
}

// layout describes the columns of a file.
type layout struct {
	text       string   // the header line
	names      []string // names of all columns; empty for a column without a name
	header     []string // names without the empty ones
	rowNumbers int      // number of leading columns that number the rows
	// slots maps each column to its index in Reader.cells, -1 if it is not wanted; nil: all columns
	// are wanted.
	slots     []int
	extraText bool // the last record has text after the last column
}

// newLayout returns the layout for the names in a header. A repeated name is an error,
// unless no name is known: then the line is not a header.
func newLayout(names []string, known func(string) bool) (l layout, err error) {
	l.names = names
	for l.rowNumbers < len(names) && isRowNumberName(names[l.rowNumbers]) {
		l.rowNumbers++
	}
	if l.rowNumbers == len(names) { // all names look like that, so they are ordinary columns
		l.rowNumbers = 0
	}
	seen := map[string]bool{}
	for _, name := range names[l.rowNumbers:] {
		if name == "" {
			continue
		}
		if seen[name] && slices.ContainsFunc(names, known) {
			return l, fmt.Errorf("the header names column %q twice", name)
		}
		seen[name] = true
		l.header = append(l.header, name)
	}
	return l, nil
}

// firstName returns the name of the first column that has one.
func (l layout) firstName() string {
	if len(l.header) == 0 {
		return ""
	}
	return l.header[0]
}

// isRowNumberName reports whether a column has a name that pandas or R give to row
// numbers: no name, "Unnamed: 0" or "...1".
func isRowNumberName(name string) bool {
	rest, pandas := strings.CutPrefix(name, "Unnamed: ")
	if !pandas {
		rest = strings.TrimPrefix(name, "...")
	}
	return name == "" || rest != name && strings.Trim(rest, "0123456789") == ""
}
