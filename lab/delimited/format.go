package delimited

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"slices"
	"strings"
)

// Refusal is why a file cannot be read without doubt.
type Refusal struct {
	Line int    // of the file
	What string // is wrong with it
	Hint string // what to do about it
}

func (r *Refusal) Error() string { return fmt.Sprintf("line %d: %s", r.Line, r.What) }

// format is how a file is written.
type format struct {
	delimiter byte
	declared  bool // by a first line, as Excel has it
}

// delimiters are those that a file may have, the lab's own first.
var delimiters = []byte{',', ';', '\t', '|'}

// declare reads the line "sep=;", by which Excel and LibreOffice know a delimiter.
func (f *format) declare(text []byte) bool {
	text = bytes.Trim(text, `"`)
	said, ok := bytes.CutPrefix(text, []byte("sep="))
	if f.declared || !ok || len(said) != 1 || !slices.Contains(delimiters, said[0]) {
		return false
	}
	f.delimiter, f.declared = said[0], true
	return true
}

// foreign are files that are no text which the lab reads, by how they begin.
var foreign = []struct{ begin, what, hint string }{
	{"\xff\xfe", utf16, saveAsUTF8},
	{"\xfe\xff", utf16, saveAsUTF8},
	{"PK\x03\x04", "a workbook or another archive, and no CSV", saveAsUTF8},
	{"\x1f\x8b", "compressed by gzip", "decompress it first"},
	{"\x28\xb5\x2f\xfd", "compressed by zstd", "decompress it first"},
	{"PAR1", "a Parquet file, and no CSV", "write it as CSV"},
}

const (
	utf16      = `text in UTF-16, as Excel's "Unicode Text" is`
	saveAsUTF8 = `save it as "CSV UTF-8"`
	byteMark   = "\xef\xbb\xbf" // of UTF-8
)

// begin looks at the first bytes: it takes a mark of UTF-8 off, and refuses what is
// no text that the lab reads.
func (r *Reader) begin() error {
	const enough = 64 << 10 // for a header
	head, err := r.in.Peek(enough)
	if err != nil && !errors.Is(err, io.EOF) {
		return err
	}
	for _, f := range foreign {
		if bytes.HasPrefix(head, []byte(f.begin)) {
			return &Refusal{r.ends + 1, "the file is " + f.what, f.hint}
		}
	}
	first, _, ended := bytes.Cut(head, []byte{'\n'})
	switch {
	case bytes.IndexByte(first, 0) >= 0:
		return &Refusal{
			r.ends + 1, "the header has bytes of zero: the file is " + utf16 + ", or no text",
			saveAsUTF8,
		}
	case !ended && bytes.IndexByte(first, '\r') >= 0:
		return &Refusal{
			r.ends + 1, `lines end with a carriage return alone, as in Excel's "CSV (Macintosh)"`,
			saveAsUTF8,
		}
	case bytes.HasPrefix(head, []byte(byteMark)):
		_, err := r.in.Discard(len(byteMark))
		return err
	}
	return nil
}

// withoutMark is a line as a file begins with it.
func withoutMark(text []byte) []byte { return bytes.TrimPrefix(text, []byte(byteMark)) }

// header cuts a line by the delimiter with which most of its names are known; nil where
// all of them are empty with one.
func (r *Reader) header(text []byte, quotes int) (names []string, err error) {
	choice := delimiters
	if r.format.declared {
		choice = []byte{r.format.delimiter}
	}
	most := -1
	for _, delimiter := range choice {
		if most >= 0 && bytes.IndexByte(text, delimiter) < 0 {
			continue
		}
		cut, fault := r.namesBy(delimiter, text, quotes)
		if fault == nil && strings.Join(cut, "") == "" {
			return nil, nil
		}
		known := 0
		for _, name := range cut {
			if r.columns.Known(name) {
				known++
			}
		}
		if known > most {
			names, err, most, r.format.delimiter = cut, fault, known, delimiter
		}
	}
	return names, err
}

func (r *Reader) namesBy(delimiter byte, text []byte, quotes int) (names []string, err error) {
	r.format.delimiter = delimiter
	if _, err = r.split(text, quotes); err != nil {
		return nil, err
	}
	for _, cell := range r.cells {
		names = append(names, string(cell))
	}
	return names, nil
}

// layout is where the columns of a file are.
type layout struct {
	text   string   // of the header
	names  []string // of all columns, empty where one has none
	header []string // those that are there
	index  int      // columns in front that number the rows
	slots  []int    // by column: the place of its cell, -1 where it is not wanted; nil: each in its own
	beyond bool     // a record has text after the last column
}

// layoutOf refuses a name that stands there twice, unless no name is known: then the line
// is no header.
func layoutOf(names []string, known func(string) bool) (l layout, err error) {
	l.names = names
	for l.index < len(names) && numbersRows(names[l.index]) {
		l.index++
	}
	if l.index == len(names) { // names of columns after all
		l.index = 0
	}
	seen := map[string]bool{}
	for _, name := range names[l.index:] {
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

// first is the name of the first column that has one.
func (l layout) first() string {
	if len(l.header) == 0 {
		return ""
	}
	return l.header[0]
}

// numbersRows reports whether a column in front is named as those are by which pandas
// and R number rows: not at all, or after a name was found missing.
func numbersRows(name string) bool {
	rest, pandas := strings.CutPrefix(name, "Unnamed: ")
	if !pandas {
		rest = strings.TrimPrefix(name, "...")
	}
	return name == "" || rest != name && strings.Trim(rest, "0123456789") == ""
}
