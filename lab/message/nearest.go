package message

import (
	"fmt"
	"strings"
)

// Nearest returns the valid name closest to name, or "" if the distance to all of
// them is more than a third of the longer name. The distance is the optimal string
// alignment distance, ignoring case. On a tie the first name wins.
func Nearest(name string, valid []string) string {
	best, nearest := -1, ""
	for _, v := range valid {
		d := editDistance(strings.ToLower(name), strings.ToLower(v))
		if 3*d <= max(len(name), len(v), 3) && (best < 0 || d < best) {
			best, nearest = d, v
		}
	}
	return nearest
}

// Suggest returns the hint for an unknown name: the nearest valid name, or the list
// of all valid names in the order given.
func Suggest(name string, valid []string) string {
	if near := Nearest(name, valid); near != "" {
		return fmt.Sprintf("did you mean %q?", near)
	}
	if len(valid) == 0 {
		return "there are none"
	}
	return "valid: " + strings.Join(valid, ", ")
}

// editDistance returns the number of bytes to insert, delete, replace or swap with a
// neighbour that turns a into b.
func editDistance(a, b string) int {
	rows := make([][]int, len(a)+1)
	for i := range rows {
		rows[i] = make([]int, len(b)+1)
		rows[i][0] = i
	}
	for j := range rows[0] {
		rows[0][j] = j
	}
	for i := 1; i <= len(a); i++ {
		for j := 1; j <= len(b); j++ {
			replaced := rows[i-1][j-1]
			if a[i-1] != b[j-1] {
				replaced++
			}
			rows[i][j] = min(rows[i-1][j]+1, rows[i][j-1]+1, replaced)
			if i > 1 && j > 1 && a[i-1] == b[j-2] && a[i-2] == b[j-1] {
				rows[i][j] = min(rows[i][j], rows[i-2][j-2]+1)
			}
		}
	}
	return rows[len(a)][len(b)]
}
