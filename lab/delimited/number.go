package delimited

import (
	"bytes"
	"fmt"
)

// numbers is what the numbers of a file have shown of how it writes them. A file with
// another delimiter than a comma may have a decimal comma, and then a point separates
// thousands.
type numbers struct {
	mark   byte   // the decimal mark; 0: none was seen
	proved bool   // a number was seen that the mark cannot group in thousands
	line   int    // of the first number with a mark
	text   string // which it is
}

// Number returns the cell of a number with a point as its decimal mark. Decimals are
// those that the column is written with. A number that can be read in two ways, or that
// has lost digits, is a Refusal. What is returned is the caller's until the next call.
func (r *Reader) Number(cell []byte, decimals int) ([]byte, error) {
	points, commas, exponent := 0, 0, -1
	for i, c := range cell {
		switch {
		case c == '.':
			points++
		case c == ',':
			commas++
		case c == 'e' || c == 'E':
			exponent = i
		case c < '0' && c != '+' && c != '-' || c > '9':
			return nil, &Refusal{r.line, fmt.Sprintf("%q is not a number", cell), ""}
		}
	}
	if exponent >= 0 && lost(cell[:exponent], cell[exponent:], decimals) {
		return nil, &Refusal{
			r.line,
			fmt.Sprintf("%s has lost digits: it is what a spreadsheet shows, not what it holds", cell),
			"give the column the format of a number with all its decimals, and save it again",
		}
	}
	if points+commas == 0 || commas == 0 && points == 1 && !r.Foreign() {
		return cell, nil
	}
	if err := r.see(cell, points, commas, exponent); err != nil {
		return nil, err
	}
	if commas == 0 {
		return cell, nil
	}
	r.number = append(r.number[:0], cell...)
	r.number[bytes.IndexByte(cell, ',')] = '.'
	return r.number, nil
}

// see holds a number's mark to that of the numbers before.
func (r *Reader) see(cell []byte, points, commas, exponent int) error {
	n := &r.numbers
	const hint = "save it without separators of thousands; with decimal commas, delimited by semicolons"
	if points+commas > 1 {
		return &Refusal{r.line, fmt.Sprintf("%s has separators of thousands", cell), hint}
	}
	mark := byte('.')
	if commas == 1 {
		mark = ','
	}
	if !r.Foreign() {
		return &Refusal{r.line, fmt.Sprintf("the comma in %s may separate thousands or decimals", cell), hint}
	}
	if n.mark == 0 {
		n.mark, n.line, n.text = mark, r.line, string(cell)
	}
	if n.mark != mark {
		what := fmt.Sprintf("%s has another decimal mark than %s in line %d, or separators of thousands",
			cell, n.text, n.line)
		return &Refusal{r.line, what, hint}
	}
	if exponent < 0 {
		exponent = len(cell)
	}
	before, after, _ := bytes.Cut(bytes.TrimLeft(cell[:exponent], "+-"), []byte{mark})
	if len(after) != 3 || len(before) == 0 || len(before) > 3 || before[0] == '0' || exponent < len(cell) {
		n.proved = true
	}
	return nil
}

// undecided refuses a file of which every number may have a decimal mark or a separator
// of thousands.
func (n *numbers) undecided() error {
	if n.mark == 0 || n.proved {
		return nil
	}
	return &Refusal{
		n.line,
		fmt.Sprintf("the mark in %s may separate thousands or decimals, and no other number tells", n.text),
		"save it with all decimals, or delimited by commas with decimal points",
	}
}

// lost reports whether an exponent hides digits. Programs that write all digits of a
// number have a small e. Spreadsheets have a large one, and write what they show: of
// numbers that are not tiny, as many digits as the cell's format has.
func lost(mantissa, exponent []byte, decimals int) bool {
	if exponent[0] != 'E' || len(bytes.Trim(mantissa, "+-0.,")) == 0 {
		return false
	}
	power := 0
	for _, c := range exponent[1:] {
		if c >= '0' && c <= '9' && power < 1000 {
			power = 10*power + int(c-'0')
		}
	}
	if len(exponent) > 1 && exponent[1] == '-' {
		power = -power
	}
	digits := 0
	if at := bytes.IndexAny(mantissa, ".,"); at >= 0 {
		digits = len(mantissa) - at - 1
	}
	const tiny = -4 // what a spreadsheet shows with an exponent unasked
	return power > tiny && digits-power < decimals
}
