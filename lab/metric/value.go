package metric

import (
	"fmt"
	"math"
	"strconv"
	"strings"
	"unicode"
)

// Kind is the type of a column. It does not depend on the column's values.
type Kind string

const (
	String  Kind = "string"
	Integer Kind = "integer"
	Float   Kind = "float"
)

// Form restricts the texts in a string column.
type Form string

const (
	AnyText Form = ""
	Boolean Form = "boolean" // true or false
	Moment  Form = "moment"  // as FormatTimestamp writes it
)

// forms lists the string columns that other programs may read as another type.
var forms = map[string]Form{"started_at": Moment, "keep_alive": Boolean}

// Form returns the restriction of the column's texts.
func (m Metric) Form() Form { return forms[m.Name] }

// Value is one cell. The zero Value is a missing one.
type Value struct {
	kind    Kind
	text    string
	integer int64
	float   float64
}

// Text returns a string value on one line, so that each row of a CSV file is one line.
// It joins lines by " | " and replaces other control characters by spaces. An empty text
// becomes a missing value, because a CSV file cannot tell the two apart.
func Text(s string) Value {
	lines := strings.FieldsFunc(s, func(r rune) bool { return r == '\n' || r == '\r' })
	kept := lines[:0]
	for _, line := range lines {
		line = strings.TrimSpace(strings.Map(func(r rune) rune {
			if unicode.IsControl(r) {
				return ' '
			}
			return r
		}, line))
		if line != "" {
			kept = append(kept, line)
		}
	}
	if len(kept) == 0 {
		return Value{}
	}
	return Value{kind: String, text: strings.Join(kept, " | ")}
}

// Int returns an integer value.
func Int(n int64) Value { return Value{kind: Integer, integer: n} }

// Number returns a float value; NaN and infinities become missing.
func Number(f float64) Value {
	if math.IsNaN(f) || math.IsInf(f, 0) {
		return Value{}
	}
	return Value{kind: Float, float: f}
}

// Missing reports whether there is no value.
func (v Value) Missing() bool { return v.kind == "" }

// Text returns the value of a string column, or "" if it is missing.
func (v Value) Text() string { return v.text }

// Float returns the value of a float or integer column, or false if it is missing.
func (v Value) Float() (float64, bool) {
	switch v.kind {
	case Float:
		return v.float, true
	case Integer:
		return float64(v.integer), true
	}
	return 0, false
}

// Int returns the value of an integer column, or false if it is missing.
func (v Value) Int() (int64, bool) { return v.integer, v.kind == Integer }

// Format returns a value as the column's text. Floats have a fixed number of decimals,
// and at least one, so that type inference does not take them for integers. The decimal
// mark is a point; there are no exponents and no thousands separators.
func (m Metric) Format(v Value) string {
	switch v.kind {
	case String:
		return v.text
	case Integer:
		return strconv.FormatInt(v.integer, 10)
	case Float:
		return strconv.FormatFloat(v.float, 'f', max(m.Decimals, 1), 64)
	}
	return ""
}

// Parse reads a value that Format wrote.
func (m Metric) Parse(cell []byte) (Value, error) {
	if len(cell) == 0 {
		return Value{}, nil
	}
	switch m.Kind {
	case Integer:
		n, err := ParseInteger(m.Name, cell)
		if err != nil {
			return Value{}, err
		}
		return Int(n), nil
	case Float:
		f, err := ParseFloat(m.Name, cell)
		if err != nil {
			return Value{}, err
		}
		return Number(f), nil
	}
	return Text(string(cell)), nil
}

// ParseInteger reads a cell of a column of integers.
func ParseInteger(column string, cell []byte) (int64, error) {
	n, err := strconv.ParseInt(string(cell), 10, 64)
	if err != nil {
		return 0, fmt.Errorf("column %s: %q is not an integer", column, cell)
	}
	return n, nil
}

// ParseFloat reads a cell of a column of numbers.
func ParseFloat(column string, cell []byte) (float64, error) {
	f, err := strconv.ParseFloat(string(cell), 64)
	if err != nil || math.IsNaN(f) || math.IsInf(f, 0) {
		return 0, fmt.Errorf("column %s: %q is not a number", column, cell)
	}
	return f, nil
}
