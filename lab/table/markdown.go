package table

import "strings"

// Markdown returns a table with a heading in Markdown. escape escapes the cells.
func Markdown(columns []Column, heading []string, rows [][]string, escape func(string) string) string {
	var b strings.Builder
	writeRow := func(cells []string) {
		b.WriteByte('|')
		for _, cell := range cells {
			b.WriteString(" " + escape(cell) + " |")
		}
		b.WriteByte('\n')
	}
	writeRow(heading)
	b.WriteByte('|')
	for _, c := range columns {
		if c.Right {
			b.WriteString("---:|")
		} else {
			b.WriteString("---|")
		}
	}
	b.WriteByte('\n')
	for _, row := range rows {
		writeRow(row)
	}
	return b.String()
}

// EscapeMarkdown escapes characters that Markdown would interpret. It leaves "~" as it is, which ids
// of variants contain.
func EscapeMarkdown(text string) string { return markdownEscaper.Replace(text) }

var markdownEscaper = strings.NewReplacer(`\`, `\\`, "|", `\|`, "*", `\*`, "_", `\_`, "<", "&lt;", "[", `\[`,
	"`", "\\`")
