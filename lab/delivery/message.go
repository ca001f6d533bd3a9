package delivery

import (
	"fmt"
	"strconv"
	"strings"
)

// padding fills messages up. Its characters have one to four bytes in UTF-8.
const padding = "the quick brown fox, le café, 日本語, 🦊 "

// messageText returns the text of a room's message, whose id is its place among those of the room. Its
// size is a number of bytes.
func messageText(room string, id, size int) string {
	text := fmt.Sprintf("%s %d ", room, id)
	if missing := size - len(text); missing > 0 {
		fill := strings.Repeat(padding, missing/len(padding)+1)
		for missing > 0 && fill[missing]&0xc0 == 0x80 {
			missing-- // not within a character
		}
		text += fill[:missing]
	}
	return text + strings.Repeat(".", max(0, size-len(text)))
}

// messageID returns the id of a text that messageText made, or unknown.
func messageID(room, text string, size int) int {
	rest, ok := strings.CutPrefix(text, room+" ")
	digits, _, _ := strings.Cut(rest, " ")
	id, err := strconv.Atoi(digits)
	if !ok || err != nil || id < 0 || text != messageText(room, id, size) {
		return unknown
	}
	return id
}

// unknown is the id of a text that was not published to the room.
const unknown = -1
