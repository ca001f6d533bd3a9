package delivery

import (
	"errors"
	"io"
	"strings"
	"testing"
)

func TestEventsAreReadAsTheStandardSays(t *testing.T) {
	for stream, want := range map[string]string{
		"id: 1\ndata: a b\n\n":                        "1=a b",
		"data:a\r\nid:7\r\n\r\n":                      "7=a",
		": comment\n\nid: 2\n: another\ndata:  x\n\n": "2= x",
		"retry: 10\nid: 3\ndata: x\n\nid: 4\ndata: x": "3=x", // the last is not complete
		"id: 5\ndata: a\ndata: b\n\n":                 "malformed",
		"id: 5\n\n":                                   "malformed",
		"data: a\n\n":                                 "malformed",
		"id: x\ndata: a\n\n":                          "malformed",
		"event: message\nid: 5\ndata: a\n\n":          "malformed",
		"id: 5\ndata: a: b\n\nid: 6\ndata: c\n\n":     "5=a: b 6=c",
	} {
		var got []string
		for events := newEventReader(strings.NewReader(stream)); ; {
			number, text, err := events.next()
			if errors.Is(err, errMalformed) {
				got = append(got, "malformed")
			}
			if err != nil {
				break
			}
			got = append(got, string(rune('0'+number))+"="+text)
		}
		if strings.Join(got, " ") != want {
			t.Errorf("%q gives %q, want %q", stream, got, want)
		}
	}
}

func TestAStreamBeginsWithAComment(t *testing.T) {
	if err := newEventReader(strings.NewReader(":\n\n")).awaitComment(); err != nil {
		t.Error(err)
	}
	if err := newEventReader(strings.NewReader("id: 1\n")).awaitComment(); err == nil {
		t.Error("an event is taken for a comment")
	}
	if err := newEventReader(strings.NewReader("")).awaitComment(); !errors.Is(err, io.EOF) {
		t.Errorf("the end gives %v", err)
	}
}

func TestMessagesHaveTheirSizeAndTellTheirID(t *testing.T) {
	for size := 64; size < 400; size++ {
		text := messageText("room-1", size, size)
		if len(text) != size || !strings.HasPrefix(text, "room-1 ") || strings.ToValidUTF8(text, "?") != text {
			t.Fatalf("%d bytes: %q", len(text), text)
		}
		if got := messageID("room-1", text, size); got != size {
			t.Fatalf("%q has the id %d", text, got)
		}
	}
	good := messageText("room-1", 7, 100)
	for _, wrong := range []string{"", "x", good[:99], good + "x", strings.Replace(good, "quick", "quack", 1)} {
		if got := messageID("room-1", wrong, 100); got != unknown {
			t.Errorf("%q has the id %d", wrong, got)
		}
	}
	if messageID("room-2", good, 100) != unknown {
		t.Error("a message of another room is known")
	}
}

func TestFramesHaveANumberAndAText(t *testing.T) {
	if n, text, err := splitFrame("12 a b"); n != 12 || text != "a b" || err != nil {
		t.Error(n, text, err)
	}
	for _, wrong := range []string{"", "12", "x a", " a"} {
		if _, _, err := splitFrame(wrong); !errors.Is(err, errMalformed) {
			t.Errorf("%q gives %v", wrong, err)
		}
	}
}
