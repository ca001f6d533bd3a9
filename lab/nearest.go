package lab

import (
	"fmt"
	"strings"
)

// Nearest is the valid name that a misspelt one most likely stands for, or ""
// when none is near: the least number of characters inserted, dropped,
// replaced or swapped with a neighbour (optimal string alignment), case
// aside, and at most a third of the longer name. Of equals the first wins.
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

// Suggest is what to say after "unknown …": the nearest valid name, or all of
// them in the order given.
func Suggest(name string, valid []string) string {
	if near := Nearest(name, valid); near != "" {
		return fmt.Sprintf("did you mean %q?", near)
	}
	if len(valid) == 0 {
		return "there are none"
	}
	return "valid: " + strings.Join(valid, ", ")
}

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
