package compare

import (
	"slices"
	"strings"
)

// distinctValues is the values that rows have where all should have the same.
type distinctValues struct{ values []string }

// maxDistinct bounds what is kept of rows that each have a value of their own.
const maxDistinct = 8

// add takes in the cells of a row, empty ones aside: a trial that failed early
// has no more.
func (s *distinctValues) add(cells ...[]byte) {
	if len(cells[0]) == 0 {
		return
	}
	for _, v := range s.values {
		if equalJoined(v, cells) {
			return
		}
	}
	if len(s.values) < maxDistinct {
		s.values = append(s.values, joinCells(cells))
	}
}

// equalJoined reports whether a value is these cells joined, without joining them.
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

// first is the values of the first cells alone.
func (s *distinctValues) first() *distinctValues {
	var firsts distinctValues
	for _, v := range s.values {
		word, _, _ := strings.Cut(v, " ")
		firsts.add([]byte(word))
	}
	return &firsts
}

func (s *distinctValues) String() string {
	if s == nil {
		return ""
	}
	return strings.Join(slices.Sorted(slices.Values(s.values)), " or ")
}
