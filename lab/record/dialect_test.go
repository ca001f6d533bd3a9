package record_test

import (
	"slices"
	"strconv"
	"strings"
	"testing"

	"pgregory.net/rapid"

	"runtimelab/lab/metric"
)

// dialect is a form in which a program may write a table.
type dialect struct {
	Delimiter    string
	DecimalComma bool
	ByteMark     bool // UTF-8 byte order mark
	LineEnd      string
	Quotes       bool // around every cell
	RowNumbers   bool // in the first column
	Missing      string
	Boolean      func(string) string
	Number       byte // format of strconv.FormatFloat; 0: as the lab writes numbers
	EmptyRows    int  // at the end
}

// drawDialect draws a dialect.
func drawDialect(t *rapid.T) dialect {
	cases := []func(string) string{strings.ToUpper, strings.ToLower, capital}
	d := dialect{
		Delimiter:  rapid.SampledFrom([]string{",", ";", "\t", "|"}).Draw(t, "delimiter"),
		ByteMark:   rapid.Bool().Draw(t, "mark"),
		LineEnd:    rapid.SampledFrom([]string{"\n", "\r\n"}).Draw(t, "end"),
		Quotes:     rapid.Bool().Draw(t, "quotes"),
		RowNumbers: rapid.Bool().Draw(t, "index"),
		Missing:    rapid.SampledFrom([]string{"", "NA", "NaN", "NULL"}).Draw(t, "missing"),
		Boolean:    rapid.SampledFrom(cases).Draw(t, "boolean"),
		Number:     rapid.SampledFrom([]byte{0, 'f', 'e', 'g'}).Draw(t, "number"),
		EmptyRows:  rapid.IntRange(0, 3).Draw(t, "tail"),
	}
	d.DecimalComma = d.Delimiter != "," && rapid.Bool().Draw(t, "comma")
	return d
}

// capital makes the first letter of s a capital.
func capital(s string) string { return strings.ToUpper(s[:1]) + s[1:] }

// line returns a line with cells, quoted where they need it.
func (d dialect) line(rowNumber string, cells []string) string {
	if d.RowNumbers {
		cells = append([]string{rowNumber}, cells...)
	}
	var out []string
	for _, c := range cells {
		if d.Quotes || strings.ContainsAny(c, d.Delimiter+"\"\r\n") {
			c = `"` + strings.ReplaceAll(c, `"`, `""`) + `"`
		}
		out = append(out, c)
	}
	return strings.Join(out, d.Delimiter) + d.LineEnd
}

// format returns the text of a cell's value in the dialect.
func (d dialect) format(name, cell string) string {
	m, _ := metric.Find(name)
	switch {
	case cell == "":
		return d.Missing
	case m.Form() == metric.Boolean:
		return d.Boolean(cell)
	case m.Kind == metric.Float && d.Number != 0:
		f, _ := strconv.ParseFloat(cell, 64) // drawCell returns only valid numbers
		cell = strconv.FormatFloat(f, d.Number, -1, 64)
	case m.Kind == metric.Integer && d.Number != 0:
		cell += ".0"
	}
	if d.DecimalComma && (m.Kind == metric.Float || m.Kind == metric.Integer) {
		cell = strings.ReplaceAll(cell, ".", ",")
	}
	return cell
}

func TestEveryDialectIsReadAsTheLabWroteIt(t *testing.T) {
	names := []string{
		"schema_version", "started_at", "variant", "requests", "throughput_rps", "error_ratio",
		"latency_p50_ms", "keep_alive", "validity_reason",
	}
	rapid.Check(t, func(t *rapid.T) {
		d := drawDialect(t)
		var want [][]string
		text := d.line("", names)
		for i := range rapid.IntRange(1, 8).Draw(t, "rows") {
			var cells, formatted []string
			for _, name := range names {
				cell := drawCell(t, name, i)
				cells, formatted = append(cells, cell), append(formatted, d.format(name, cell))
			}
			want = append(want, cells)
			text += d.line(strconv.Itoa(i), formatted)
		}
		for range d.EmptyRows {
			text += strings.Repeat(d.Delimiter, len(names)-1) + d.LineEnd
		}
		if d.ByteMark {
			text = "\ufeff" + text
		}
		got, _, err := readRows(strings.NewReader(text), names...)
		if err != nil || !slices.EqualFunc(got, want, slices.Equal) {
			t.Fatalf("%q\nread as %q\nwant    %q, error %v", text, got, want, err)
		}
	})
}

// drawCell draws a cell as the lab writes it. The first error ratio is fixed, because it shows the
// decimal mark.
func drawCell(t *rapid.T, name string, row int) string {
	m, _ := metric.Find(name)
	missing := func() bool { return rapid.IntRange(0, 4).Draw(t, name+" is missing") == 0 }
	switch name {
	case "schema_version":
		return strconv.Itoa(metric.SchemaVersion)
	case "started_at":
		return "2026-11-25T10:02:10.500Z"
	case "variant":
		return rapid.SampledFrom([]string{"node/single", "python/uvloop"}).Draw(t, name)
	case "keep_alive":
		return rapid.SampledFrom([]string{"", "true", "false"}).Draw(t, name)
	case "validity_reason":
		return rapid.SampledFrom([]string{"", `exited with 1: "x", y`, "a;b|c\td", "'=1+1"}).Draw(t, name)
	case "requests":
		if missing() {
			return ""
		}
		return strconv.Itoa(rapid.IntRange(0, 3_000_000).Draw(t, name))
	case "error_ratio":
		if row == 0 {
			return m.Format(metric.Number(0.0625))
		}
	}
	if missing() {
		return ""
	}
	return m.Format(metric.Number(rapid.Float64Range(0, 200_000).Draw(t, name)))
}
