package cli

import (
	"fmt"
	"io"
	"strings"
	"unicode"
	"unicode/utf8"
)

// safeWriter keeps what servers print, and what scripts and files of strangers say,
// from steering a terminal: see harmless.
type safeWriter struct{ to io.Writer }

func (s safeWriter) Write(p []byte) (int, error) {
	if _, err := io.WriteString(s.to, escapeControls(string(p))); err != nil {
		return 0, err
	}
	return len(p), nil
}

// unwrapSafeWriter is what a screen writes to, for who writes nothing of others' making.
func unwrapSafeWriter(w io.Writer) io.Writer {
	if s, ok := w.(safeWriter); ok {
		return s.to
	}
	return w
}

// escapeControls is a text in which every character that could steer a terminal, or turn
// the direction of what follows, is written out: \x1b, \u202e. Lines end as they
// did, and a carriage return alone ends one too. What of these JSON may hold as it
// is, which begins with U+007F, is written as JSON would: it stays the same text.
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

func isUnsafe(r rune) bool {
	return unicode.IsControl(r) && r != '\n' && r != '\t' || unicode.Is(unicode.Bidi_Control, r)
}
