package record

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"slices"
	"strconv"
	"strings"

	"runtimelab/lab"
	"runtimelab/lab/delimited"
	"runtimelab/lab/metric"
)

// RowReader reads a trials.csv row after row, in as much memory as one row takes: a
// table of millions is read as it passes. Other programs may have written the file
// anew: values are those of their column's type, however they are spelled.
type RowReader struct {
	in       *delimited.Reader
	spelling spelling
	schema   string // of the rows read so far; empty before the first
}

// schemaColumn says of each row what its columns mean.
const schemaColumn = "schema_version"

// NewRowReader reads the header. A file without one has no rows, which Doubts says; of
// one that names a column twice nobody can say which is meant, and it is an error.
func NewRowReader(r io.Reader) (*RowReader, error) {
	in, err := delimited.NewReader(r, 0, delimited.Columns{Known: known, Optional: optional})
	if err != nil {
		return nil, fault(err)
	}
	rows := &RowReader{in: in}
	if header := in.Header(); header != nil && !slices.Contains(header, schemaColumn) {
		near := lab.Suggest(schemaColumn, header)
		return nil, &lab.Fault{
			Code: lab.ExitUsage,
			Err:  fmt.Errorf("line %d: no column %s: is it a trials.csv of this lab?", in.Line(), schemaColumn),
			Hint: fmt.Sprintf("its first column is %q; %s", header[0], near),
		}
	}
	return rows, nil
}

func known(name string) bool {
	_, ok := metric.Find(name)
	return ok
}

// optional reports whether a row may end before a column: some programs leave out empty
// cells at the end of a row, and a valid row may have none there.
func optional(name string) bool {
	m, ok := metric.Find(name)
	return !ok || m.Rows != metric.EveryRow
}

// fault is an error of a file; where there is something to do about it, the user can.
func fault(err error) error {
	var refused *delimited.Refusal
	if !errors.As(err, &refused) || refused.Hint == "" {
		return err
	}
	return &lab.Fault{Code: lab.ExitUsage, Err: err, Hint: refused.Hint}
}

// Header is the names of the columns as the file has them.
func (r *RowReader) Header() []string { return r.in.Header() }

// Need refuses a file that lacks a column which its reader cannot do without.
func (r *RowReader) Need(columns ...string) error {
	missing := r.Missing(columns...)
	if r.Header() == nil || len(missing) == 0 {
		return nil
	}
	noun := "column"
	if len(missing) > 1 {
		noun = "columns"
	}
	return &lab.Fault{
		Code: lab.ExitUsage, Err: fmt.Errorf("no %s %s", noun, strings.Join(missing, ", ")),
		Hint: "rows cannot be told apart without it: keep the column when you save the file",
	}
}

// Missing returns the columns that the file lacks.
func (r *RowReader) Missing(columns ...string) []string {
	has := func(name string) bool { return slices.Contains(r.Header(), name) }
	return slices.DeleteFunc(slices.Clone(columns), has)
}

// Structure is the columns that say which trial a row is of, and what it is worth.
func Structure() []string {
	return []string{"scenario", "variant", "block", "attempt", "phase", "server_cpus", "validity"}
}

// Each hands over the rows with the cells of the columns that are asked for, in
// that order; nil where the file has no such column. Cells are each's until it
// returns, and spelled as the lab spells them. An unterminated last line is left out.
// A row of another schema is an error; that, and each's own, name the line.
func (r *RowReader) Each(columns []string, each func(cells [][]byte) error) error {
	if r.Header() == nil {
		return nil
	}
	asked := len(columns)
	schema := slices.Index(columns, schemaColumn)
	if schema < 0 {
		schema, columns = asked, append(slices.Clip(columns), schemaColumn)
	}
	columns = append(slices.Clip(columns), r.witnesses(columns)...)
	r.in.Want(columns)
	r.spelling = spellingOf(r.in, columns)
	for {
		cells, err := r.in.Read()
		if errors.Is(err, io.EOF) {
			return fault(r.spelling.end())
		}
		if err != nil {
			return fault(err)
		}
		if string(bytes.TrimPrefix(cells[schema], []byte("\ufeff"))) == schemaColumn {
			return fault(r.in.SecondHeader())
		}
		if err := r.spelling.spell(cells); err != nil {
			return fault(err)
		}
		if err = versioned(cells[schema]); err == nil {
			err = r.checkVersion(cells[schema])
		}
		if err == nil {
			err = each(cells[:asked])
		}
		if err != nil {
			return fmt.Errorf("line %d: %w", r.in.Line(), err)
		}
	}
}

// witnesses are the columns beside those that are asked for which show how the file
// writes numbers. Where the decimal mark may be a comma, every number may show it.
// Elsewhere a few do that have many decimals, of which the last is often 0.
func (r *RowReader) witnesses(asked []string) []string {
	return slices.DeleteFunc(slices.Clone(r.Header()), func(name string) bool {
		m, ok := metric.Find(name)
		number := ok && (m.Kind == metric.Integer || m.Kind == metric.Float)
		shows := r.in.MayUseDecimalComma() || name == "duration_s" || name == "error_ratio" ||
			name == "generator_cpu_ratio"
		return !number || !shows || slices.Contains(asked, name)
	})
}

// checkVersion checks the schema of a row: one that this lab reads, and the same in
// all rows.
func (r *RowReader) checkVersion(cell []byte) error {
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

// versioned refuses a row without a version of its schema.
func versioned(cell []byte) error {
	if len(cell) > 0 {
		return nil
	}
	return &lab.Fault{
		Code: lab.ExitUsage, Err: fmt.Errorf("the row has no %s", schemaColumn),
		Hint: "remove the row, or take the file as the lab wrote it",
	}
}

// Doubts are what of the file could not be read, in words, once all of it was.
func (r *RowReader) Doubts() []string {
	var doubts []string
	if r.in.Truncated() {
		doubts = append(doubts, fmt.Sprintf("the last line of %s is torn and was left out", TrialsFile))
	}
	if r.Header() == nil {
		return append(doubts, fmt.Sprintf("%s has no header, so no rows", TrialsFile))
	}
	unknown := slices.DeleteFunc(slices.Clone(r.Header()), known)
	if len(unknown) > 0 {
		doubts = append(doubts, fmt.Sprintf("columns of %s that this version does not know were left out: %s",
			TrialsFile, strings.Join(unknown, ", ")))
	}
	if r.in.HasUnnamedValues() {
		doubts = append(doubts, fmt.Sprintf("columns of %s that have values and no name were left out", TrialsFile))
	}
	return append(doubts, r.spelling.doubts()...)
}
