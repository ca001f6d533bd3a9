package cli

import (
	"fmt"
	"io"
	"strings"
	"unicode"
	"unicode/utf8"
)

// screened keeps what servers print, and what scripts and files of strangers say,
// from steering a terminal: see harmless.
type screened struct{ to io.Writer }

func (s screened) Write(p []byte) (int, error) {
	if _, err := io.WriteString(s.to, harmless(string(p))); err != nil {
		return 0, err
	}
	return len(p), nil
}

// behind is what a screen writes to, for who writes nothing of others' making.
func behind(w io.Writer) io.Writer {
	if s, ok := w.(screened); ok {
		return s.to
	}
	return w
}

// harmless is a text in which every character that could steer a terminal, or turn
// the direction of what follows, is written out: \x1b, \u202e. Lines end as they
// did, and a carriage return alone ends one too. What of these JSON may hold as it
// is, which begins with U+007F, is written as JSON would: it stays the same text.
func harmless(text string) string {
	if !strings.ContainsFunc(text, steers) && utf8.ValidString(text) {
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
		case r < ' ' && steers(r):
			fmt.Fprintf(&b, `\x%02x`, r)
		case steers(r):
			fmt.Fprintf(&b, `\u%04x`, r)
		default:
			b.WriteRune(r)
		}
	}
	return b.String()
}

func steers(r rune) bool {
	return unicode.IsControl(r) && r != '\n' && r != '\t' || unicode.Is(unicode.Bidi_Control, r)
}
