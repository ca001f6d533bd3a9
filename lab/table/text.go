// Package table renders rows of cells as aligned text or as Markdown, and wraps paragraphs beside
// them. Text of strangers in them can neither begin a line nor control a terminal.
package table

import (
	"strings"
	"unicode/utf8"
)

// gap separates columns of text.
const gap = "  "

// Column describes a column of a table.
type Column struct {
	Right    bool // aligns cells to the right instead of the left
	MinWidth int  // characters of text that the column has at least
}

// Text is a table in plain text: rows of aligned cells, and lines between them.
type Text struct {
	Indent string // precedes every row
	// MaxWidth is the number of characters that a row may have; 0 for any. A last cell on the left is
	// wrapped to it; otherwise the first column shrinks.
	MaxWidth int
	Columns  []Column // further columns are aligned left

	lines []line
}

// line is a row of cells, or text that does not affect the columns if cells is nil.
type line struct {
	cells []string
	text  string
}

// Row adds a row. A last cell that is aligned left may be of any length: the column does not grow
// for it. Cells become lines without control characters.
func (t *Text) Row(cells ...string) {
	escaped := make([]string, len(cells))
	for i, cell := range cells {
		escaped[i] = OneLine(cell)
	}
	t.lines = append(t.lines, line{cells: escaped})
}

// Line adds text that is no row, such as a heading, as it is.
func (t *Text) Line(text string) { t.lines = append(t.lines, line{text: text}) }

// String returns the rows and lines. A row does not end in spaces.
func (t *Text) String() string {
	var b strings.Builder
	widths := t.widths()
	for _, l := range t.lines {
		if l.cells == nil {
			b.WriteString(l.text + "\n")
			continue
		}
		row := t.Indent
		for i, cell := range l.cells {
			if i > 0 {
				row += gap
			}
			switch {
			case t.isAligned(l.cells, i):
				row += t.align(i, cell, widths[i])
			case t.MaxWidth > 0:
				row = Wrap(t.MaxWidth, row, t.Indent+gap+gap, cell)
			default:
				row += cell
			}
		}
		b.WriteString(strings.TrimRight(row, " ") + "\n")
	}
	return b.String()
}

// isAligned reports whether a row's cell i is padded to its column's width: a last cell on the left
// is not.
func (t *Text) isAligned(cells []string, i int) bool {
	return i < len(cells)-1 || t.column(i).Right
}

// align shortens or pads a cell to the width of its column.
func (t *Text) align(column int, cell string, width int) string {
	cell = Shorten(cell, width) // only the first column may be narrower than its cells
	pad := strings.Repeat(" ", max(0, width-utf8.RuneCountInString(cell)))
	if t.column(column).Right {
		return pad + cell
	}
	return cell + pad
}

// widths returns the width of each column.
func (t *Text) widths() (widths []int) {
	for _, l := range t.lines {
		for i, cell := range l.cells {
			if i == len(widths) {
				widths = append(widths, t.column(i).MinWidth)
			}
			if t.isAligned(l.cells, i) {
				widths[i] = max(widths[i], utf8.RuneCountInString(cell))
			}
		}
	}
	if t.MaxWidth > 0 && len(widths) > 0 {
		total := utf8.RuneCountInString(t.Indent) + len(gap)*(len(widths)-1)
		for _, w := range widths {
			total += w
		}
		widths[0] = max(1, widths[0]-max(0, total-t.MaxWidth))
	}
	return widths
}

// column returns the description of a column.
func (t *Text) column(i int) Column {
	if i < len(t.Columns) {
		return t.Columns[i]
	}
	return Column{}
}

// Shorten replaces the middle of text by "…" if it has more than maxLength characters.
func Shorten(text string, maxLength int) string {
	runes := []rune(text)
	if len(runes) <= maxLength {
		return text
	}
	head := maxLength / 2
	return string(runes[:head]) + "…" + string(runes[len(runes)-(maxLength-head-1):])
}
