package message_test

import (
	"strings"
	"testing"

	"runtimelab/lab/message"
)

func TestExcerptEscapesControlCharacters(t *testing.T) {
	long := []byte(strings.Repeat("a", 200))
	for name, c := range map[string]struct {
		content []byte
		at      int
		want    string
	}{
		"nothing":          {nil, 0, "(empty)"},
		"control":          {[]byte("a\x1b[2J\r\n\xff\\"), 0, `a\x1b[2J\x0d\x0a\xff\\`},
		"the beginning":    {long, 0, strings.Repeat("a", 60) + "…"},
		"the middle":       {long, 100, "…" + strings.Repeat("a", 100) + "…"},
		"beyond the end":   {[]byte("ab"), 9, "ab"},
		"far past the end": {[]byte("ab"), 900, "ab"},
		"the end":          {long, 200, "…" + strings.Repeat("a", 40)},
	} {
		if got := message.Excerpt(c.content, c.at); got != c.want {
			t.Errorf("%s: %q, want %q", name, got, c.want)
		}
	}
}
