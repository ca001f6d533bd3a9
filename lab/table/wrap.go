package table

import (
	"strings"
	"unicode/utf8"
)

// Wrap returns a paragraph as lines of at most width characters. The first line begins with first,
// the others with indent, and the last has no line end. A word that is longer than a line is split.
// Control characters are escaped.
func Wrap(width int, first, indent, text string) string {
	var b strings.Builder
	line := strings.TrimSuffix(first, " ")
	if strings.TrimSpace(first) == "" {
		line = first
	}
	for _, word := range strings.Fields(OneLine(text)) {
		for empty := strings.TrimSpace(line) == ""; ; empty = true {
			space := " "
			if empty {
				space = ""
			}
			room := width - utf8.RuneCountInString(line) - len(space)
			if utf8.RuneCountInString(word) <= room {
				line += space + word
				break
			}
			if empty { // a word longer than a line
				runes := []rune(word)
				line, word = line+string(runes[:room]), string(runes[room:])
			}
			b.WriteString(strings.TrimRight(line, " ") + "\n")
			line = indent
		}
	}
	return b.String() + line
}
