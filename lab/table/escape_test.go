package table_test

import (
	"strings"
	"testing"

	"runtimelab/lab/table"
)

const hostile = "a\x1b[31mred\nfirst\r\nsecond\ttab\u202eevil\u2028third\x00 \xff @team <b>x</b> ~~y~~ " +
	"![i](u) # h & > q `c` |"

func TestTextOfStrangersStaysInItsCell(t *testing.T) {
	text := table.Text{Columns: []table.Column{{}, {Right: true}}}
	text.Row(hostile, hostile, hostile)
	rows := text.String() + table.Wrap(60, "", "  ", hostile) + "\n"
	for _, line := range strings.Split(strings.TrimSpace(rows), "\n")[1:] {
		if !strings.HasPrefix(line, "a\\x1b[31mred first second tab") && !strings.HasPrefix(line, "  ") {
			t.Errorf("a line of its own: %q", line)
		}
	}
	for _, bad := range []string{"\x1b", "\r", "\t", "\u202e", "\u2028", "\x00", "\xff"} {
		if strings.Contains(rows, bad) {
			t.Errorf("%q is in\n%s", bad, rows)
		}
	}
}

func TestMarkdownOfStrangersIsText(t *testing.T) {
	got := table.EscapeMarkdown(hostile)
	want := "a\\\\x1b\\[31mred first second tab\\\\u202eevil third\\\\x00 \\\\xff @\u200bteam " +
		"&lt;b>x&lt;/b> \\~\\~y\\~\\~ !\\[i](u) \\# h &amp; > q \\`c\\` \\|"
	if got != want {
		t.Errorf("got  %q\nwant %q", got, want)
	}
	if got := table.EscapeMarkdown("\n> quoted"); got != `\> quoted` {
		t.Errorf("a quotation: %q", got)
	}
}

func TestEscapeControls(t *testing.T) {
	for text, want := range map[string]string{
		"plain, with µs and\ta tab\n": "plain, with µs and\ta tab\n",
		"\x1b[2J\x1b]0;title\x07":     `\x1b[2J\x1b]0;title\x07`,
		"\u009b31m":                   `\u009b31m`, // CSI as one character
		"\x9b31m":                     `\x9b31m`,   // CSI as one byte
		"a\r\nb\rc":                   "a\nb\nc",
		"user\u202etxt.exe":           `user\u202etxt.exe`,
		"\uFFFD stays, \xff does not": "\uFFFD stays, \\xff does not",
		"\x7f\x00":                    `\u007f\x00`,
	} {
		if got := table.EscapeControls(text); got != want {
			t.Errorf("%q becomes %q, want %q", text, got, want)
		}
	}
}
