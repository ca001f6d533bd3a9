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

// EscapeMarkdown returns text as one line of Markdown that shows it as it is: without markup, HTML,
// and names of people, who would be notified.
func EscapeMarkdown(text string) string {
	text = markdownEscaper.Replace(strings.TrimSpace(OneLine(text)))
	if strings.HasPrefix(text, ">") && !strings.HasPrefix(text, ">= ") { // a quotation, not a bound
		return `\` + text
	}
	return text
}

var markdownEscaper = strings.NewReplacer(`\`, `\\`, "|", `\|`, "*", `\*`, "_", `\_`, "~", `\~`, "#", `\#`,
	"&", "&amp;", "<", "&lt;", "[", `\[`, "`", "\\`", "@", "@\u200b")
