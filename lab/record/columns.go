package record

import (
	"fmt"
	"math"
	"slices"

	"runtimelab/lab/fault"
	"runtimelab/lab/metric"
)

// Columns binds columns of a trials.csv to the variables that take their values, row by row. A
// number needs a column that has numbers by the table of metrics; any column has a text.
type Columns struct {
	bound          []boundColumn
	required       []string // columns that a file with rows must have
	requiredValues []string // columns in which each row must have a value
}

// boundColumn is a column and its variable: one of text, integer and number.
type boundColumn struct {
	name    string
	text    *[]byte
	integer *int64
	number  *Number
	filled  bool // each row must have a value
}

// Number is a cell of a column of numbers. It is parsed by Float only, because a comparison
// needs few of the numbers of a row.
type Number struct {
	column string
	cell   []byte
}

// Float returns the number, or NaN if it is missing.
func (n Number) Float() (float64, error) {
	if len(n.cell) == 0 {
		return math.NaN(), nil
	}
	return metric.ParseFloat(n.column, n.cell)
}

// Text binds a column to a variable for its text. A missing text is empty. The text is valid until
// the next row.
func (c *Columns) Text(name string, to *[]byte) {
	c.bound = append(c.bound, boundColumn{name: name, text: to})
}

// Integer binds a column of integers. A missing one is 0.
func (c *Columns) Integer(name string, to *int64) {
	c.bound = append(c.bound, boundColumn{name: name, integer: to})
}

// Number binds a column of numbers, integers included. The number is valid until the next row.
func (c *Columns) Number(name string, to *Number) {
	to.column = name
	c.bound = append(c.bound, boundColumn{name: name, number: to})
}

// Require makes it an error if a file with rows lacks one of the columns.
func (c *Columns) Require(names ...string) { c.required = append(c.required, names...) }

// RequireValues makes it an error if a row has no value in one of the columns.
func (c *Columns) RequireValues(names ...string) {
	c.requiredValues = append(c.requiredValues, names...)
}

// prepare checks the types of the variables and returns the names of the columns.
func (c *Columns) prepare() (names []string, err error) {
	for i := range c.bound {
		b := &c.bound[i]
		m, known := metric.Find(b.name)
		fits := b.text != nil || m.Kind == metric.Integer || b.number != nil && m.Kind == metric.Float
		if !known || !fits || slices.Contains(names, b.name) {
			return nil, fmt.Errorf("column %s cannot be bound: it is unknown, bound twice or of kind %q",
				b.name, m.Kind)
		}
		b.filled = slices.Contains(c.requiredValues, b.name)
		names = append(names, b.name)
	}
	return names, nil
}

// store stores the cells of a row, which are in the order of the bound columns, in the variables.
func (c *Columns) store(cells [][]byte) (err error) {
	for i := range c.bound {
		b, cell := &c.bound[i], cells[i]
		if b.filled && len(cell) == 0 {
			return missingValue(b.name)
		}
		switch {
		case b.text != nil:
			*b.text = cell
		case b.number != nil:
			b.number.cell = cell
		case len(cell) == 0:
			*b.integer = 0
		default:
			*b.integer, err = metric.ParseInteger(b.name, cell)
		}
		if err != nil {
			return err
		}
	}
	return nil
}

// missingValue returns the error of a row without a value in a column that each row needs.
func missingValue(column string) error {
	return &fault.Error{
		Code: fault.ExitUsage, Err: fmt.Errorf("the row has no %s", column),
		Hint: "remove the row, or use the file as the lab wrote it",
	}
}

// EachBound calls each for every row, after it has stored the row's values in the variables of
// columns. A missing column has no values. Errors name the line.
func (r *RowReader) EachBound(columns *Columns, each func() error) error {
	names, err := columns.prepare()
	if err != nil {
		return err
	}
	return r.each(names, columns.required, func(cells [][]byte) error {
		if err := columns.store(cells); err != nil {
			return err
		}
		return each()
	})
}

// EachRow calls each for every row with the values of all known columns, of phase_kind and of
// generator. A file with rows that lacks one of the required columns is an error. Errors name the line.
func (r *RowReader) EachRow(required []string, each func(metric.Row) error) error {
	columns := append(slices.Clone(r.Header()), r.Missing(kindColumn, generatorColumn)...)
	return r.each(columns, required, func(cells [][]byte) error {
		row, err := metric.ParseRow(columns, cells)
		if err != nil {
			return err
		}
		return each(row)
	})
}
