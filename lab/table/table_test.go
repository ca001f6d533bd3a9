package table_test

import (
	"strings"
	"testing"
	"unicode/utf8"

	"runtimelab/lab/table"
)

func TestTextAlignsItsColumns(t *testing.T) {
	text := table.Text{Indent: "  ", Columns: []table.Column{{}, {Right: true}, {MinWidth: 4}}}
	text.Row("variant", "µs", "", "about")
	text.Line("a line between rows does not widen a column")
	text.Row("n/single", "1234", "ab", "A text of any length, which nothing follows.")
	text.Row("x", "5")
	text.Row("", "")
	want := `
  variant     µs        about
a line between rows does not widen a column
  n/single  1234  ab    A text of any length, which nothing follows.
  x            5

`
	if got := "\n" + text.String(); got != want {
		t.Errorf("got%s\nwant%s", got, want)
	}
}

func TestALastColumnOnTheRightIsAligned(t *testing.T) {
	text := table.Text{Columns: []table.Column{{}, {Right: true}}}
	text.Row("a", "1")
	text.Row("b", "23")
	if got, want := text.String(), "a   1\nb  23\n"; got != want {
		t.Errorf("%q, want %q", got, want)
	}
}

func TestTheFirstColumnShrinksToTheWidth(t *testing.T) {
	text := table.Text{Indent: "  ", MaxWidth: 12, Columns: []table.Column{{}, {Right: true}}}
	text.Row("abcdefghij", "123")
	text.Row("abc", "4")
	if got, want := text.String(), "  ab…ij  123\n  abc      4\n"; got != want {
		t.Errorf("%q, want %q", got, want)
	}
	narrow := table.Text{MaxWidth: 3, Columns: []table.Column{{}, {Right: true}}}
	narrow.Row("abcdefghij", "123456")
	if got, want := narrow.String(), "…  123456\n"; got != want {
		t.Errorf("no room at all: %q, want %q", got, want)
	}
}

func TestALastCellOnTheLeftWraps(t *testing.T) {
	text := table.Text{Indent: "  ", MaxWidth: 25}
	text.Row("speed-1", "no", "one two three four")
	text.Row("a", "supported", "x")
	want := "  speed-1  no         one\n      two three four\n  a        supported  x\n"
	if got := text.String(); got != want {
		t.Errorf("got\n%s\nwant\n%s", got, want)
	}
}

func TestMarkdownEscapesItsCells(t *testing.T) {
	got := table.Markdown([]table.Column{{}, {Right: true}}, []string{"a_b", "n"},
		[][]string{{"x|y", "~1"}, {"<b>", ""}}, table.EscapeMarkdown)
	want := "| a\\_b | n |\n|---|---:|\n| x\\|y | \\~1 |\n| &lt;b> |  |\n"
	if got != want {
		t.Errorf("got\n%s\nwant\n%s", got, want)
	}
}

func TestWrapKeepsTheWidth(t *testing.T) {
	for _, tt := range []struct{ first, text, want string }{
		{"", "a short line", "a short line"},
		{"", "exactly 12 c and more", "exactly 12 c\n  and more"},
		{"- ", "", "-"},
		{"    ", "indented and wrapped", "    indented\n  and\n  wrapped"},
		{"label  ", "text", "label  text"},
		{"", "a abcdefghijklmnop b", "a\n  abcdefghij\n  klmnop b"},
		{"", "µµµµµ µµµµµµ", "µµµµµ µµµµµµ"},
	} {
		got := table.Wrap(12, tt.first, "  ", tt.text)
		if got != tt.want {
			t.Errorf("%q: got\n%s\nwant\n%s", tt.text, got, tt.want)
		}
		for line := range strings.Lines(got) {
			if n := utf8.RuneCountInString(strings.TrimSuffix(line, "\n")); n > 12 {
				t.Errorf("%d characters: %q", n, line)
			}
		}
	}
}

func TestShortenKeepsBothEnds(t *testing.T) {
	for text, want := range map[string]string{
		"": "", "abcde": "abcde", "abcdef": "ab…ef", "µµµµµx": "µµ…µx",
	} {
		if got := table.Shorten(text, 5); got != want {
			t.Errorf("%q: %q, want %q", text, got, want)
		}
	}
}
