package table

import (
	"fmt"
	"strings"
	"unicode"
	"unicode/utf8"
)

// EscapeControls escapes control characters and characters that change the direction of text, as
// \x1b and \u202e: text from servers, scripts and files must not control a terminal. CRLF and CR become
// LF. JSON keeps its meaning: it escapes characters below U+007F itself, and the escapes of the others
// are valid in JSON.
func EscapeControls(text string) string {
	if !strings.ContainsFunc(text, isUnsafe) && utf8.ValidString(text) {
		return text
	}
	text = strings.ReplaceAll(text, "\r\n", "\n")
	var b strings.Builder
	for i, r := range text {
		switch {
		case r == '\r':
			b.WriteByte('\n')
		case r == utf8.RuneError && text[i] != "\uFFFD"[0]:
			fmt.Fprintf(&b, `\x%02x`, text[i])
		case r < ' ' && isUnsafe(r):
			fmt.Fprintf(&b, `\x%02x`, r)
		case isUnsafe(r):
			fmt.Fprintf(&b, `\u%04x`, r)
		default:
			b.WriteRune(r)
		}
	}
	return b.String()
}

// isUnsafe reports whether a character must be escaped; line ends and tabs stay.
func isUnsafe(r rune) bool {
	return unicode.IsControl(r) && r != '\n' && r != '\t' || unicode.Is(unicode.Bidi_Control, r)
}

// OneLine returns text that cannot begin a line of its own: with its controls escaped, and with
// spaces for line ends, tabs and other separators of lines.
func OneLine(text string) string {
	return strings.Map(func(r rune) rune {
		if r == '\n' || r == '\t' || r == '\u2028' || r == '\u2029' {
			return ' '
		}
		return r
	}, EscapeControls(text))
}
