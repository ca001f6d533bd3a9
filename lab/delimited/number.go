package delimited

import (
	"bytes"
	"fmt"
)

// numberFormat is the number format of a file, as far as its numbers show it. A file whose
// delimiter is not a comma may have a decimal comma. A point then separates thousands.
type numberFormat struct {
	mark    byte   // the decimal mark; 0: no number has had one
	decided bool   // the mark of one number cannot be a thousands separator
	line    int    // line of the first number with a mark
	text    string // that number
}

// Number returns the cell of a number with a point as its decimal mark. decimals is the
// number of decimals that the lab writes in the column. A number that is ambiguous or has
// lost digits is a Refusal. The result is valid until the next call.
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
	if exponent >= 0 && hasLostDigits(cell[:exponent], cell[exponent:], decimals) {
		return nil, &Refusal{
			r.line,
			fmt.Sprintf("%s has lost digits: a spreadsheet wrote the displayed number, not the stored one", cell),
			"give the column a number format with all its decimals, and save the file again",
		}
	}
	if points+commas == 0 || commas == 0 && points == 1 && !r.MayUseDecimalComma() {
		return cell, nil
	}
	if err := r.checkMark(cell, points, commas, exponent); err != nil {
		return nil, err
	}
	if commas == 0 {
		return cell, nil
	}
	r.number = append(r.number[:0], cell...)
	r.number[bytes.IndexByte(cell, ',')] = '.'
	return r.number, nil
}

// checkMark compares a number's decimal mark with that of the numbers before.
func (r *Reader) checkMark(cell []byte, points, commas, exponent int) error {
	n := &r.numbers
	const hint = "save the file without thousands separators; with decimal commas, delimit it by semicolons"
	if points+commas > 1 {
		return &Refusal{r.line, fmt.Sprintf("%s has thousands separators", cell), hint}
	}
	mark := byte('.')
	if commas == 1 {
		mark = ','
	}
	if !r.MayUseDecimalComma() {
		return &Refusal{r.line, fmt.Sprintf("the comma in %s may separate thousands or decimals", cell), hint}
	}
	if n.mark == 0 {
		n.mark, n.line, n.text = mark, r.line, string(cell)
	}
	if n.mark != mark {
		what := fmt.Sprintf("%s has another decimal mark than %s in line %d, or thousands separators",
			cell, n.text, n.line)
		return &Refusal{r.line, what, hint}
	}
	if exponent < 0 {
		exponent = len(cell)
	}
	integer, fraction, _ := bytes.Cut(bytes.TrimLeft(cell[:exponent], "+-"), []byte{mark})
	if len(fraction) != 3 || len(integer) == 0 || len(integer) > 3 || integer[0] == '0' ||
		exponent < len(cell) {
		n.decided = true
	}
	return nil
}

// checkDecided refuses a file if the mark in every number may be a decimal mark or a
// thousands separator.
func (n *numberFormat) checkDecided() error {
	if n.mark == 0 || n.decided {
		return nil
	}
	return &Refusal{
		n.line,
		fmt.Sprintf("the mark in %s may separate thousands or decimals, and no other number decides which", n.text),
		"save the file with all decimals, or delimit it by commas and use decimal points",
	}
}

// hasLostDigits reports whether a number with an exponent lacks digits. Programs that write
// all digits use a small e. Spreadsheets use a large E and write the displayed number: the
// digits of the cell's format, unless the number is tiny.
func hasLostDigits(mantissa, exponent []byte, decimals int) bool {
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
	const tiny = -4 // spreadsheets use an exponent by default up to this power
	return power > tiny && digits-power < decimals
}
