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
	"runtimelab/lab/fault"
	"runtimelab/lab/message"
	"runtimelab/lab/metric"
)

// RowReader reads a trials.csv row by row, in constant memory. Another program may have saved the
// file: RowReader converts every cell to the form in which the lab writes its value.
type RowReader struct {
	in         *delimited.Reader
	normalizer normalizer
	schema     string // schema version of the rows read so far; empty before the first
	version    int64  // schema as a number
}

// schemaColumn is the column with the schema version, which defines the meaning of the other
// columns.
const schemaColumn = "schema_version"

// Files of older labs lack kindColumn. Their phases have names that begin with the kind.
const (
	phaseColumn = "phase"
	kindColumn  = "phase_kind"
)

// generatorColumn is missing in files of schemas before metric.GeneratorSchema.
const generatorColumn = "generator"

// earlierGenerator is the cell of generatorColumn in rows of these schemas.
var earlierGenerator = []byte(lab.Vegeta)

// NewRowReader reads the header. A file without a header has no rows, which Doubts reports. A
// header that names a column twice is an error, because it is ambiguous.
func NewRowReader(r io.Reader) (*RowReader, error) {
	in, err := delimited.NewReader(r, 0, delimited.Columns{Known: isKnown, Optional: isOptional})
	if err != nil {
		return nil, asFault(err)
	}
	rows := &RowReader{in: in}
	if header := in.Header(); header != nil && !slices.Contains(header, schemaColumn) {
		suggestion := message.Suggest(schemaColumn, header)
		return nil, &fault.Error{
			Code: fault.ExitUsage,
			Err:  fmt.Errorf("line %d: no column %s: is it a trials.csv of this lab?", in.Line(), schemaColumn),
			Hint: fmt.Sprintf("its first column is %q; %s", header[0], suggestion),
		}
	}
	return rows, nil
}

// isKnown reports whether this version knows a column.
func isKnown(name string) bool {
	_, ok := metric.Find(name)
	return ok
}

// isOptional reports whether a row may end before a column. Some programs leave out empty cells at
// the end of a row, so it may if a valid row can have an empty cell there.
func isOptional(name string) bool {
	m, ok := metric.Find(name)
	return !ok || m.Rows != metric.EveryRow
}

// asFault converts a refusal with a hint into a fault of the user.
func asFault(err error) error {
	var refused *delimited.Refusal
	if !errors.As(err, &refused) || refused.Hint == "" {
		return err
	}
	return &fault.Error{Code: fault.ExitUsage, Err: err, Hint: refused.Hint}
}

// Header returns the names of the columns in the order of the file, or nil if it has no header. It
// leaves out row numbers and columns without a name, so an index in it may differ from the field's.
func (r *RowReader) Header() []string { return r.in.Header() }

// Require returns an error if the file lacks one of columns.
func (r *RowReader) Require(columns ...string) error {
	missing := r.Missing(columns...)
	if r.Header() == nil || len(missing) == 0 {
		return nil
	}
	noun := "column"
	if len(missing) > 1 {
		noun = "columns"
	}
	return &fault.Error{
		Code: fault.ExitUsage, Err: fmt.Errorf("no %s %s", noun, strings.Join(missing, ", ")),
		Hint: "without it rows cannot be identified: keep the column when you save the file",
	}
}

// Missing returns those of columns that the file lacks.
func (r *RowReader) Missing(columns ...string) []string {
	has := func(name string) bool { return slices.Contains(r.Header(), name) }
	return slices.DeleteFunc(slices.Clone(columns), has)
}

// Structure returns the columns that identify the trial and phase of a row, and its validity.
func Structure() []string {
	return []string{"scenario", "variant", "block", "attempt", "phase", "server_cpus", "validity"}
}

// each calls each for every row with the cells of columns, in that order; a cell is nil if the file
// lacks its column, except that the kind of a phase then comes from its name, and the generator of an
// earlier schema is lab.Vegeta. Cells have the form in which the lab writes them, and are valid until
// each returns. A file with rows must have the
// required columns. each ignores an incomplete last line. A row of another schema version is an
// error. Errors, also those of the callback, name the line.
func (r *RowReader) each(columns, required []string, each func(cells [][]byte) error) error {
	if r.Header() == nil {
		return nil
	}
	requested := len(columns)
	schema := slices.Index(columns, schemaColumn)
	if schema < 0 {
		schema, columns = requested, append(slices.Clip(columns), schemaColumn)
	}
	kind, phase := slices.Index(columns, kindColumn), slices.Index(columns, phaseColumn)
	kindFromName := kind >= 0 && len(r.Missing(kindColumn)) > 0
	if kindFromName && phase < 0 {
		phase, columns = len(columns), append(slices.Clip(columns), phaseColumn)
	}
	generator := slices.Index(columns, generatorColumn)
	lacksGenerator := generator >= 0 && len(r.Missing(generatorColumn)) > 0
	columns = append(slices.Clip(columns), r.formatColumns(columns)...)
	r.in.Want(columns)
	r.normalizer = newNormalizer(r.in, columns)
	for {
		cells, err := r.in.Read()
		if errors.Is(err, io.EOF) {
			return asFault(r.normalizer.checkDecimalMarks())
		}
		if err != nil {
			return asFault(err)
		}
		if string(bytes.TrimPrefix(cells[schema], []byte("\ufeff"))) == schemaColumn {
			return asFault(r.in.SecondHeader())
		}
		if err := r.normalizer.normalize(cells); err != nil {
			return asFault(err)
		}
		if kindFromName {
			cells[kind], _, _ = bytes.Cut(cells[phase], []byte{'-'})
		}
		err = r.checkVersion(cells[schema])
		if lacksGenerator && r.version < metric.GeneratorSchema {
			cells[generator] = earlierGenerator
		}
		if err == nil && required != nil { // another schema may have other columns
			err, required = r.Require(required...), nil
		}
		if err == nil {
			err = each(cells[:requested])
		}
		if err != nil {
			return fmt.Errorf("line %d: %w", r.in.Line(), err)
		}
	}
}

// formatColumns returns the columns, other than requested, that show how the file writes numbers.
// If the decimal mark may be a comma, these are all columns of numbers. Otherwise a few suffice:
// those whose numbers have many decimals and often end with 0.
func (r *RowReader) formatColumns(requested []string) []string {
	return slices.DeleteFunc(slices.Clone(r.Header()), func(name string) bool {
		m, ok := metric.Find(name)
		isNumber := ok && (m.Kind == metric.Integer || m.Kind == metric.Float)
		shows := r.in.MayUseDecimalComma() || name == "duration_s" || name == "error_ratio" ||
			name == "generator_cpu_ratio"
		return !isNumber || !shows || slices.Contains(requested, name)
	})
}

// checkVersion checks the schema version of a row: this lab must read it, and all rows must have
// the same.
func (r *RowReader) checkVersion(cell []byte) error {
	if len(cell) == 0 {
		return missingValue(schemaColumn)
	}
	if r.schema != "" && string(cell) == r.schema {
		return nil
	}
	version, _ := strconv.ParseInt(string(cell), 10, 64) // not a number: version 0, which checkSchema refuses
	if err := checkSchema(version); err != nil {
		return err
	}
	if r.schema == "" {
		r.schema, r.version = string(cell), version
	}
	return checkSameSchema(r.schema, string(cell))
}

// SchemaVersion returns the schema version of the rows, or 0 before the first.
func (r *RowReader) SchemaVersion() int64 { return r.version }

// Doubts returns messages about data that were ignored or may be wrong. Call it after the rows were read.
func (r *RowReader) Doubts() []string {
	var doubts []string
	if r.in.Truncated() {
		doubts = append(doubts, fmt.Sprintf("the last line of %s is torn and was ignored", TrialsFile))
	}
	if r.Header() == nil {
		return append(doubts, fmt.Sprintf("%s has no header and therefore no rows", TrialsFile))
	}
	unknown := slices.DeleteFunc(slices.Clone(r.Header()), isKnown)
	if len(unknown) > 0 {
		doubts = append(doubts, fmt.Sprintf("%s has columns that this version does not know; they were ignored: %s",
			TrialsFile, strings.Join(unknown, ", ")))
	}
	if r.in.HasUnnamedValues() {
		doubts = append(doubts, fmt.Sprintf("%s has columns without a name; they were ignored", TrialsFile))
	}
	return append(doubts, r.normalizer.doubts()...)
}
