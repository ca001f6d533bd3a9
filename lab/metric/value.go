package metric

import (
	"fmt"
	"math"
	"strconv"
	"strings"
	"unicode"
)

// Kind is the type of a column. It never depends on the values in it.
type Kind string

const (
	String  Kind = "string"
	Integer Kind = "integer"
	Float   Kind = "float"
)

// Form is which texts a string column may hold.
type Form string

const (
	AnyText Form = ""
	Boolean Form = "boolean" // true or false
	Moment  Form = "moment"  // as Timestamp writes it
)

// forms are those of the string columns that other programs take for a type of theirs.
var forms = map[string]Form{"started_at": Moment, "keep_alive": Boolean}

// Form returns which texts the column may hold.
func (m Metric) Form() Form { return forms[m.Name] }

// Value is one cell. The zero Value is a missing one.
type Value struct {
	kind    Kind
	text    string
	integer int64
	float   float64
}

// Text is a string value on one line, so that a row of a CSV file is a line of
// it: lines are joined by " | ", other control characters become spaces. An
// empty text is a missing value, since a CSV file cannot tell the two apart.
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

// Int is an integer value.
func Int(n int64) Value { return Value{kind: Integer, integer: n} }

// Number is a float value; NaN and infinities are missing ones.
func Number(f float64) Value {
	if math.IsNaN(f) || math.IsInf(f, 0) {
		return Value{}
	}
	return Value{kind: Float, float: f}
}

// Missing reports whether there is no value.
func (v Value) Missing() bool { return v.kind == "" }

// Text is the value of a string column, empty when missing.
func (v Value) Text() string { return v.text }

// Float is the value of a float or integer column, false when missing.
func (v Value) Float() (float64, bool) {
	switch v.kind {
	case Float:
		return v.float, true
	case Integer:
		return float64(v.integer), true
	}
	return 0, false
}

// Int is the value of an integer column, false when missing.
func (v Value) Int() (int64, bool) { return v.integer, v.kind == Integer }

// Format writes a value as the column's text: floats with a fixed number of
// decimals and at least one, so that type inference cannot take them for
// integers; '.' is the decimal point; no exponent, no separators.
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
func (m Metric) Parse(cell string) (Value, error) {
	if cell == "" {
		return Value{}, nil
	}
	switch m.Kind {
	case Integer:
		n, err := strconv.ParseInt(cell, 10, 64)
		if err != nil {
			return Value{}, fmt.Errorf("column %s: %q is not an integer", m.Name, cell)
		}
		return Int(n), nil
	case Float:
		f, err := strconv.ParseFloat(cell, 64)
		if err != nil || math.IsNaN(f) || math.IsInf(f, 0) {
			return Value{}, fmt.Errorf("column %s: %q is not a number", m.Name, cell)
		}
		return Number(f), nil
	}
	return Text(cell), nil
}
