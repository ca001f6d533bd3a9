package compare

import (
	"slices"
	"strings"
)

// distinctValues collects the different values of one or more columns. In most runs all
// rows have the same.
type distinctValues struct{ values []string }

// maxDistinct is the number of values kept, in case every row has another one.
const maxDistinct = 8

// add adds the cells of a row as one value. A row whose first cell is empty is skipped: a
// trial that failed early has no values.
func (d *distinctValues) add(cells ...[]byte) {
	if len(cells[0]) == 0 {
		return
	}
	for _, v := range d.values {
		if equalJoined(v, cells) {
			return
		}
	}
	if len(d.values) < maxDistinct {
		d.values = append(d.values, joinCells(cells))
	}
}

// equalJoined reports whether value equals joinCells(cells), without allocating memory.
func equalJoined(value string, cells [][]byte) bool {
	for i, c := range cells {
		if len(c) == 0 {
			continue
		}
		if i > 0 {
			if value == "" || value[0] != ' ' {
				return false
			}
			value = value[1:]
		}
		if len(value) < len(c) || value[:len(c)] != string(c) {
			return false
		}
		value = value[len(c):]
	}
	return value == ""
}

func joinCells(cells [][]byte) string {
	var words []string
	for _, c := range cells {
		if len(c) > 0 {
			words = append(words, string(c))
		}
	}
	return strings.Join(words, " ")
}

// firstWords returns the distinct first cells of the values.
func (d *distinctValues) firstWords() *distinctValues {
	var firsts distinctValues
	for _, v := range d.values {
		word, _, _ := strings.Cut(v, " ")
		firsts.add([]byte(word))
	}
	return &firsts
}

func (d *distinctValues) String() string {
	if d == nil {
		return ""
	}
	return strings.Join(slices.Sorted(slices.Values(d.values)), " or ")
}
