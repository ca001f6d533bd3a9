package message

import (
	"fmt"
	"strings"
)

// shownBefore and shownAfter are the bytes that Excerpt shows before and after a place.
const (
	shownBefore = 40
	shownAfter  = 60
)

// Excerpt returns the escaped text around an offset in content, with an ellipsis
// for what it omits.
func Excerpt(content []byte, at int) string {
	at = min(at, len(content))
	from, to := max(0, at-shownBefore), min(len(content), at+shownAfter)
	text := Escape(content[from:to])
	if from > 0 {
		text = "…" + text
	}
	if to < len(content) {
		text += "…"
	}
	if text == "" {
		return "(empty)"
	}
	return text
}

// Escape returns content as printable ASCII: other bytes become \xNN, and a
// backslash becomes two.
func Escape(content []byte) string {
	var text strings.Builder
	for _, c := range content {
		switch {
		case c == '\\':
			text.WriteString(`\\`)
		case c >= ' ' && c <= '~':
			text.WriteByte(c)
		default:
			fmt.Fprintf(&text, `\x%02x`, c)
		}
	}
	return text.String()
}

// CommonPrefix returns the length of the longest common prefix of a and b in bytes.
func CommonPrefix(a, b []byte) int {
	n := min(len(a), len(b))
	for i := range n {
		if a[i] != b[i] {
			return i
		}
	}
	return n
}
