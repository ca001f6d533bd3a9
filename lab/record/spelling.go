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
	"runtimelab/lab/metric"
)

// spelling turns cells into what the lab would have written for their values.
type spelling struct {
	in      *delimited.Reader
	metrics []metric.Metric // by column; the zero Metric of one that is unknown
	forms   []metric.Form
	coarse  []coarseness // by column
	scratch []byte
	bare    mention // the first float without a decimal mark
	padded  mention // the first float with all its decimals, the last of them 0
	noZone  mention // the first moment without a time zone
}

// mention is a cell and where it stands.
type mention struct {
	line         int
	column, text string
}

func spellingOf(in *delimited.Reader, columns []string) spelling {
	s := spelling{in: in}
	for _, name := range columns {
		m, _ := metric.Find(name)
		s.metrics, s.forms = append(s.metrics, m), append(s.forms, m.Form())
		s.coarse = append(s.coarse, coarseness{})
	}
	return s
}

// spell spells the cells of a row, in place.
func (s *spelling) spell(cells [][]byte) (err error) {
	s.scratch = s.scratch[:0]
	for i := range s.metrics {
		m := &s.metrics[i]
		cell := cells[i]
		if len(cell) == 0 || m.Name == "" {
			continue
		}
		if missing(cell) {
			cells[i] = cell[:0]
			continue
		}
		switch {
		case m.Kind == metric.Integer:
			cells[i], err = s.integer(m, cell)
		case m.Kind == metric.Float:
			cells[i], err = s.float(m, &s.coarse[i], cell)
		case s.forms[i] == metric.Boolean:
			cells[i], err = s.boolean(m, cell)
		case s.forms[i] == metric.Moment:
			cells[i], err = s.moment(m, cell)
		}
		if err != nil {
			return err
		}
	}
	return nil
}

// refuse is what is said of a cell that is no value of its column.
func (s *spelling) refuse(m *metric.Metric, cell []byte, what, hint string) error {
	what = fmt.Sprintf("column %s: %q %s", m.Name, cell, what)
	return &delimited.Refusal{Line: s.in.Line(), What: what, Hint: hint}
}

// missing reports whether a cell is how a program writes that there is no value. None
// is a name that the lab gives.
func missing(cell []byte) bool {
	if len(cell) > 4 {
		return false
	}
	switch string(cell) {
	case "NA", "NaN", "N/A", "#N/A", "<NA>", "NULL":
		return true
	}
	return false
}

func digitsOnly(cell []byte) bool {
	for _, c := range cell {
		if c < '0' || c > '9' {
			return false
		}
	}
	return true
}

// mostExact is the integers that a float has all of.
const mostExact = 1 << 53

func (s *spelling) integer(m *metric.Metric, cell []byte) ([]byte, error) {
	if digitsOnly(cell) && (cell[0] != '0' || len(cell) == 1) {
		return cell, nil
	}
	plain, err := s.number(m, cell)
	if err != nil {
		return nil, err
	}
	if n, err := strconv.ParseInt(string(plain), 10, 64); err == nil {
		return s.keep(strconv.AppendInt(s.scratch, n, 10)), nil
	}
	f, err := strconv.ParseFloat(string(plain), 64)
	if err != nil || f != float64(int64(f)) || f > mostExact || f < -mostExact {
		hint := ""
		if bytes.ContainsAny(cell, ".,") {
			hint = "if its mark separates thousands, save the file without such marks"
		}
		return nil, s.refuse(m, cell, "is not an integer", hint)
	}
	return s.keep(strconv.AppendInt(s.scratch, int64(f), 10)), nil
}

// float keeps a number with more decimals than the lab writes as it is.
func (s *spelling) float(m *metric.Metric, coarse *coarseness, cell []byte) ([]byte, error) {
	point := bytes.IndexByte(cell, '.')
	full := point > 0 && len(cell)-point-1 == m.Decimals // all the decimals that the lab writes
	if full && digitsOnly(cell[:point]) && digitsOnly(cell[point+1:]) && !s.in.MayUseDecimalComma() {
		s.pad(m, cell)
		coarse.fine = true
		return cell, nil
	}
	plain, err := s.number(m, cell)
	if err != nil {
		return nil, err
	}
	f, err := strconv.ParseFloat(string(plain), 64)
	if err != nil {
		return nil, s.refuse(m, cell, "is not a number", "")
	}
	if full {
		s.pad(m, cell)
	}
	if s.bare.line == 0 && f != 0 && digitsOnly(plain) {
		s.bare = s.mention(m, cell)
	}
	coarse.note(m, plain, f)
	written := strconv.AppendFloat(s.scratch, f, 'f', max(m.Decimals, 1), 64)
	if same, err := strconv.ParseFloat(string(written[len(s.scratch):]), 64); err != nil || same != f {
		written = append(s.scratch, plain...)
	}
	return s.keep(written), nil
}

// pad notes that a number ends with zeros, which no program writes of itself: few
// decimals may end with one by chance of their form.
func (s *spelling) pad(m *metric.Metric, cell []byte) {
	if s.padded.line == 0 && m.Decimals >= 6 && cell[len(cell)-1] == '0' {
		s.padded = s.mention(m, cell)
	}
}

func (s *spelling) mention(m *metric.Metric, cell []byte) mention {
	return mention{s.in.Line(), m.Name, string(cell)}
}

func (s *spelling) number(m *metric.Metric, cell []byte) ([]byte, error) {
	plain, err := s.in.Number(cell, m.Decimals)
	var refusal *delimited.Refusal
	if errors.As(err, &refusal) {
		refusal.What = fmt.Sprintf("column %s: %s", m.Name, refusal.What)
		if m.Name == schemaColumn {
			refusal.Hint = "is it a trials.csv of this lab? take the file as the lab wrote it"
		}
	}
	return plain, err
}

// keep returns what was appended to the scratch, which grows by it.
func (s *spelling) keep(written []byte) []byte {
	from := len(s.scratch)
	s.scratch = written
	return written[from:len(written):len(written)]
}

func (s *spelling) boolean(m *metric.Metric, cell []byte) ([]byte, error) {
	switch {
	case string(cell) == "true", string(cell) == "false":
		return cell, nil
	case bytes.EqualFold(cell, []byte("true")):
		return s.keep(append(s.scratch, "true"...)), nil
	case bytes.EqualFold(cell, []byte("false")):
		return s.keep(append(s.scratch, "false"...)), nil
	}
	return nil, s.refuse(m, cell, "is neither true nor false", "write it in one of these words")
}

// moments are the spellings of a moment that can be read in one way only. Those without
// a zone keep the clock that the lab wrote, which is UTC.
var moments = []string{
	time.RFC3339Nano, "2006-01-02 15:04:05.999999999Z07", "2006-01-02 15:04:05.999999999Z07:00",
	"2006-01-02T15:04:05.999999999Z0700", "2006-01-02 15:04:05.999999999 MST",
	"2006-01-02T15:04:05.999999999", "2006-01-02 15:04:05.999999999",
	"2006/01/02 15:04:05.999999999", "2006-01-02 15:04", "2006/01/02 15:04",
}

// zoned is how many of moments name their zone.
const zoned = 5

func (s *spelling) moment(m *metric.Metric, cell []byte) ([]byte, error) {
	for i, form := range moments {
		at, err := time.Parse(form, string(cell))
		if err != nil || i == zoned-1 && !strings.HasSuffix(string(cell), " UTC") {
			continue // of other zones Go knows the name, and not the clock
		}
		if i >= zoned && s.noZone.line == 0 {
			s.noZone = s.mention(m, cell)
		}
		return s.keep(append(s.scratch, metric.FormatTimestamp(at)...)), nil
	}
	return nil, s.refuse(m, cell, "may be read as several moments, or as none",
		"write it as the lab does: 2006-01-02T15:04:05.000Z")
}

// end refuses a file that has numbers as the lab wrote them beside others that have lost
// their decimal mark: a program with a decimal comma takes the point in 998.815 for a
// separator of thousands, and that in 0.990000 for none.
func (s *spelling) end() error {
	if s.bare.line == 0 || s.padded.line == 0 {
		return nil
	}
	return &delimited.Refusal{
		Line: s.bare.line,
		What: fmt.Sprintf("column %s: %s has no decimals, where %s of line %d has all that the lab writes: "+
			"did a program take the point for a separator of thousands?",
			s.bare.column, s.bare.text, s.padded.text, s.padded.line),
		Hint: "open the file as the lab wrote it with decimal points (English), and save it again",
	}
}

func (s *spelling) doubts() (all []string) {
	if s.noZone.line > 0 {
		all = append(all, fmt.Sprintf("%s has no time zone from line %d on, and was read as UTC",
			s.noZone.column, s.noZone.line))
	}
	for i, c := range s.coarse {
		if c.rounded() {
			m := s.metrics[i]
			all = append(all, fmt.Sprintf("%s has at most %d decimals, where the lab writes %d: "+
				"a program may have rounded it", m.Name, c.most, m.Decimals))
		}
	}
	return all
}

// coarseness is what the numbers of a column show of rounding: a spreadsheet saves as
// many decimals as its cells show.
type coarseness struct {
	fine   bool // a number has all its decimals, or enough of them
	values int
	last   [2]float64 // that differ
	most   int        // decimals
}

const (
	fewestRounded = 6     // values of which it is no chance that all have few decimals
	roughUnit     = 0.005 // of the last decimal, out of the value
)

// note takes in a number that is not spelled as the lab does. Ratios may have few decimals
// by nature: they are counts over counts.
func (c *coarseness) note(m *metric.Metric, plain []byte, f float64) {
	if c.fine || f == 0 || m.Unit == "ratio" {
		return
	}
	decimals := 0
	if point := bytes.IndexByte(plain, '.'); point >= 0 {
		decimals = len(plain) - point - 1
	}
	fine := math.Pow10(-decimals) < roughUnit*math.Abs(f)
	if fine || decimals >= m.Decimals || bytes.ContainsAny(plain, "eE") {
		c.fine = true
		return
	}
	c.most = max(c.most, decimals)
	if f != c.last[0] && f != c.last[1] {
		c.values++
		c.last[0], c.last[1] = f, c.last[0]
	}
}

// rounded reports whether all of many different numbers have few decimals.
func (c *coarseness) rounded() bool { return !c.fine && c.values >= fewestRounded }
