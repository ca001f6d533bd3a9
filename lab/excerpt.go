package lab

import (
	"fmt"
	"strings"
)

// Bytes that Excerpt shows before and after its place.
const (
	shownBefore = 40
	shownAfter  = 60
)

// Excerpt returns what stands around a place in content, escaped, with an
// ellipsis where something is left out.
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

// Escape shows bytes unmistakably: printable ASCII as it is, all else as \xNN,
// and the backslash doubled.
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

// CommonPrefix returns how many bytes a and b have in common at their beginning.
func CommonPrefix(a, b []byte) int {
	n := min(len(a), len(b))
	for i := range n {
		if a[i] != b[i] {
			return i
		}
	}
	return n
}
