package record

import (
	"bytes"
	"errors"
	"fmt"
	"math"
	"strconv"
	"strings"
	"time"

	"runtimelab/lab/delimited"
	"runtimelab/lab/message"
	"runtimelab/lab/metric"
)

// normalizer converts cells that another program may have written to the form in which the lab
// writes their values.
type normalizer struct {
	in        *delimited.Reader
	metrics   []metric.Metric // by column; the zero Metric for an unknown column
	forms     []metric.Form   // by column
	precision []precision     // by column
	scratch   []byte          // memory of the converted cells of a row

	noMark       cellRef // the first float without a decimal mark
	trailingZero cellRef // the first float with all decimals of its column, the last of them 0
	noZone       cellRef // the first time without a time zone
}

// cellRef is the text and the position of a cell. A zero line means that there is none.
type cellRef struct {
	line         int
	column, text string
}

// newNormalizer returns a normalizer for cells of columns.
func newNormalizer(in *delimited.Reader, columns []string) normalizer {
	n := normalizer{in: in}
	for _, name := range columns {
		m, _ := metric.Find(name)
		n.metrics, n.forms = append(n.metrics, m), append(n.forms, m.Form())
		n.precision = append(n.precision, precision{})
	}
	return n
}

// normalize converts the cells of a row in place.
func (n *normalizer) normalize(cells [][]byte) (err error) {
	n.scratch = n.scratch[:0]
	for i := range n.metrics {
		m := &n.metrics[i]
		cell := cells[i]
		if len(cell) == 0 || m.Name == "" {
			continue
		}
		if isMissing(cell) {
			cells[i] = cell[:0]
			continue
		}
		switch {
		case m.Kind == metric.Integer:
			cells[i], err = n.integer(m, cell)
		case m.Kind == metric.Float:
			cells[i], err = n.float(m, &n.precision[i], cell)
		case n.forms[i] == metric.Boolean:
			cells[i], err = n.boolean(m, cell)
		case n.forms[i] == metric.Moment:
			cells[i], err = n.timestamp(m, cell)
		}
		if err != nil {
			return err
		}
	}
	return nil
}

// refuse returns the error of a cell whose text is not a value of its column.
func (n *normalizer) refuse(m *metric.Metric, cell []byte, problem, hint string) error {
	what := fmt.Sprintf("column %s: %q %s", m.Name, cell, problem)
	return &delimited.Refusal{Line: n.in.Line(), What: what, Hint: hint}
}

// isMissing reports whether a cell is a program's notation for a missing value. The lab gives none
// of these names to anything.
func isMissing(cell []byte) bool {
	if len(cell) > 4 {
		return false
	}
	switch string(cell) {
	case "NA", "NaN", "N/A", "#N/A", "<NA>", "NULL":
		return true
	}
	return false
}

// digitsOnly reports whether a cell consists of decimal digits.
func digitsOnly(cell []byte) bool {
	for _, c := range cell {
		if c < '0' || c > '9' {
			return false
		}
	}
	return true
}

// maxExactInteger limits the integers that a float64 represents exactly.
const maxExactInteger = 1 << 53

// integer converts a cell of a column of integers.
func (n *normalizer) integer(m *metric.Metric, cell []byte) ([]byte, error) {
	if digitsOnly(cell) && (cell[0] != '0' || len(cell) == 1) {
		return cell, nil
	}
	plain, err := n.number(m, cell)
	if err != nil {
		return nil, err
	}
	if value, err := strconv.ParseInt(string(plain), 10, 64); err == nil {
		return n.keep(strconv.AppendInt(n.scratch, value, 10)), nil
	}
	f, err := strconv.ParseFloat(string(plain), 64)
	if err != nil || f != float64(int64(f)) || f > maxExactInteger || f < -maxExactInteger {
		hint := ""
		if bytes.ContainsAny(cell, ".,") {
			hint = "if its mark separates thousands, save the file without thousands separators"
		}
		return nil, n.refuse(m, cell, "is not an integer", hint)
	}
	return n.keep(strconv.AppendInt(n.scratch, int64(f), 10)), nil
}

// float converts a cell of a column of floats. It does not round a number that has more decimals
// than the lab writes.
func (n *normalizer) float(m *metric.Metric, seen *precision, cell []byte) ([]byte, error) {
	point := bytes.IndexByte(cell, '.')
	full := point > 0 && len(cell)-point-1 == m.Decimals // as many decimals as the lab writes
	if full && digitsOnly(cell[:point]) && digitsOnly(cell[point+1:]) && !n.in.MayUseDecimalComma() {
		n.noteTrailingZero(m, cell)
		seen.full = true
		return cell, nil
	}
	plain, err := n.number(m, cell)
	if err != nil {
		return nil, err
	}
	f, err := strconv.ParseFloat(string(plain), 64)
	if err != nil {
		return nil, n.refuse(m, cell, "is not a number", "")
	}
	if full {
		n.noteTrailingZero(m, cell)
	}
	if n.noMark.line == 0 && f != 0 && digitsOnly(plain) {
		n.noMark = n.refTo(m, cell)
	}
	seen.add(m, plain, f)
	written := strconv.AppendFloat(n.scratch, f, 'f', max(m.Decimals, 1), 64)
	if same, err := strconv.ParseFloat(string(written[len(n.scratch):]), 64); err != nil || same != f {
		written = append(n.scratch, plain...)
	}
	return n.keep(written), nil
}

// noteTrailingZero notes a number with all decimals that ends with 0. Only the lab writes such
// zeros. In columns with few decimals another program may write the same text by chance, so they do
// not count.
func (n *normalizer) noteTrailingZero(m *metric.Metric, cell []byte) {
	if n.trailingZero.line == 0 && m.Decimals >= 6 && cell[len(cell)-1] == '0' {
		n.trailingZero = n.refTo(m, cell)
	}
}

// refTo returns a reference to a cell of the current row.
func (n *normalizer) refTo(m *metric.Metric, cell []byte) cellRef {
	return cellRef{n.in.Line(), m.Name, string(cell)}
}

// number converts a number in the file's notation to Go's. Its errors name the column.
func (n *normalizer) number(m *metric.Metric, cell []byte) ([]byte, error) {
	plain, err := n.in.Number(cell, m.Decimals)
	var refusal *delimited.Refusal
	if errors.As(err, &refusal) {
		refusal.What = fmt.Sprintf("column %s: %s", m.Name, refusal.What)
		if m.Name == schemaColumn {
			refusal.Hint = "is it a trials.csv of this lab? use the file as the lab wrote it"
		}
	}
	return plain, err
}

// keep extends scratch to written, which was appended to it, and returns the appended part.
func (n *normalizer) keep(written []byte) []byte {
	from := len(n.scratch)
	n.scratch = written
	return written[from:len(written):len(written)]
}

// boolean converts a cell of a column of booleans.
func (n *normalizer) boolean(m *metric.Metric, cell []byte) ([]byte, error) {
	switch {
	case string(cell) == "true", string(cell) == "false":
		return cell, nil
	case bytes.EqualFold(cell, []byte("true")):
		return n.keep(append(n.scratch, "true"...)), nil
	case bytes.EqualFold(cell, []byte("false")):
		return n.keep(append(n.scratch, "false"...)), nil
	}
	return nil, n.refuse(m, cell, "is neither true nor false", "write true or false")
}

// timeLayouts holds the unambiguous notations of a time. A time without a zone is in UTC, as the
// lab writes it.
var timeLayouts = []string{
	time.RFC3339Nano, "2006-01-02 15:04:05.999999999Z07", "2006-01-02 15:04:05.999999999Z07:00",
	"2006-01-02T15:04:05.999999999Z0700", "2006-01-02 15:04:05.999999999 MST",
	"2006-01-02T15:04:05.999999999", "2006-01-02 15:04:05.999999999",
	"2006/01/02 15:04:05.999999999", "2006-01-02 15:04", "2006/01/02 15:04",
}

// zonedLayouts is the number of timeLayouts with a time zone. They are the first ones.
const zonedLayouts = 5

// timestamp converts a cell of a column of times.
func (n *normalizer) timestamp(m *metric.Metric, cell []byte) ([]byte, error) {
	for i, layout := range timeLayouts {
		at, err := time.Parse(layout, string(cell))
		if err != nil || i == zonedLayouts-1 && !strings.HasSuffix(string(cell), " UTC") {
			continue // Go parses the names of other zones, but does not know their offsets
		}
		if i >= zonedLayouts && n.noZone.line == 0 {
			n.noZone = n.refTo(m, cell)
		}
		return n.keep(append(n.scratch, metric.FormatTimestamp(at)...)), nil
	}
	return nil, n.refuse(m, cell, "is not an unambiguous time",
		"write it as the lab does: 2006-01-02T15:04:05.000Z")
}

// checkDecimalMarks returns an error if some numbers are as the lab wrote them and others have lost
// their decimal mark. A program with a decimal comma reads the point in 998.815 as a thousands
// separator, but leaves 0.990000 as it is.
func (n *normalizer) checkDecimalMarks() error {
	if n.noMark.line == 0 || n.trailingZero.line == 0 {
		return nil
	}
	return &delimited.Refusal{
		Line: n.noMark.line,
		What: fmt.Sprintf("column %s: %s has no decimals, but %s in line %d has all that the lab writes: "+
			"did a program read the decimal point as a thousands separator?",
			n.noMark.column, n.noMark.text, n.trailingZero.text, n.trailingZero.line),
		Hint: "open the file as the lab wrote it with decimal points (English), and save it again",
	}
}

// doubts returns messages about values that may be wrong.
func (n *normalizer) doubts() (all []string) {
	if n.noZone.line > 0 {
		all = append(all, fmt.Sprintf("%s has no time zone from line %d on, and was read as UTC",
			n.noZone.column, n.noZone.line))
	}
	for i, p := range n.precision {
		if p.isRounded() {
			m := n.metrics[i]
			all = append(all, fmt.Sprintf("%s has at most %s, but the lab writes %d: "+
				"a program may have rounded it", m.Name, message.Count(p.maxDecimals, "decimal", "decimals"), m.Decimals))
		}
	}
	return all
}

// precision collects whether the numbers of a column look rounded. A spreadsheet saves only as many
// decimals as its cells show.
type precision struct {
	full        bool       // a number has all its decimals, or enough of them for its size
	values      int        // number of different values
	last        [2]float64 // the last two different values
	maxDecimals int
}

const (
	// minRoundedValues is the number of different values that have few decimals hardly by chance.
	minRoundedValues = 6
	// maxRelativeUnit is the unit of the last decimal, relative to the value, below which rounding
	// does not matter.
	maxRelativeUnit = 0.005
)

// add notes a number that is not written as the lab does. It ignores ratios: as quotients of counts
// they may have few decimals without rounding.
func (p *precision) add(m *metric.Metric, plain []byte, f float64) {
	if p.full || f == 0 || m.Unit == "ratio" {
		return
	}
	decimals := 0
	if point := bytes.IndexByte(plain, '.'); point >= 0 {
		decimals = len(plain) - point - 1
	}
	enough := math.Pow10(-decimals) < maxRelativeUnit*math.Abs(f)
	if enough || decimals >= m.Decimals || bytes.ContainsAny(plain, "eE") {
		p.full = true
		return
	}
	p.maxDecimals = max(p.maxDecimals, decimals)
	if f != p.last[0] && f != p.last[1] {
		p.values++
		p.last[0], p.last[1] = f, p.last[0]
	}
}

// isRounded reports whether many different numbers all have few decimals.
func (p *precision) isRounded() bool { return !p.full && p.values >= minRoundedValues }
