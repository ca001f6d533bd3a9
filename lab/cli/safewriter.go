package cli

import (
	"fmt"
	"io"
	"strings"
	"unicode"
	"unicode/utf8"
)

// safeWriter escapes terminal control characters: text from servers, scripts and files
// must not control the terminal. See escapeControls.
type safeWriter struct{ out io.Writer }

func (s safeWriter) Write(p []byte) (int, error) {
	if _, err := io.WriteString(s.out, escapeControls(string(p))); err != nil {
		return 0, err
	}
	return len(p), nil
}

// unwrapSafeWriter returns the writer inside a safeWriter, and any other writer as it is.
// The caller must escape text itself.
func unwrapSafeWriter(w io.Writer) io.Writer {
	if s, ok := w.(safeWriter); ok {
		return s.out
	}
	return w
}

// escapeControls escapes control characters and characters that change the direction of
// text, as \x1b and \u202e. CRLF and CR become LF. JSON keeps its meaning: it escapes
// characters below U+007F itself, and the escapes of the others are valid in JSON.
func escapeControls(text string) string {
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
