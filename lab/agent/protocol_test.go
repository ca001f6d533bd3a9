package agent

import (
	"bytes"
	"reflect"
	"testing"

	"pgregory.net/rapid"

	"runtimelab/lab"
)

func TestPackedRequestsUnpackUnchanged(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		var requests []lab.Request
		for range rapid.IntRange(0, 4).Draw(t, "requests") {
			r := lab.Request{
				Method: "POST", Path: rapid.String().Draw(t, "path"), Header: map[string]string{"a": "b"},
				Background: rapid.Bool().Draw(t, "background"),
			}
			for range rapid.IntRange(0, 5).Draw(t, "parts") {
				unit := rapid.SliceOfN(rapid.Byte(), 1, 3).Draw(t, "unit")
				r.Body = append(r.Body, bytes.Repeat(unit, rapid.IntRange(1, 3*byteRunSize).Draw(t, "times"))...)
			}
			requests = append(requests, r)
		}
		text, err := packRequests(requests)
		if err != nil {
			t.Fatal(err)
		}
		back, err := unpackRequests(text)
		if err != nil {
			t.Fatal(err)
		}
		if len(back) != len(requests) || len(requests) > 0 && !reflect.DeepEqual(back, requests) {
			t.Fatalf("%d requests changed when packed", len(requests))
		}
	})
}

func TestABodyOfOneLetterPacksSmall(t *testing.T) {
	body := append([]byte(`{"note":"`), bytes.Repeat([]byte("a"), 16<<20)...)
	text, err := packRequests([]lab.Request{{Body: append(body, `"}`...)}})
	if err != nil || len(text) > 8*byteRunSize {
		t.Errorf("16 MiB of one letter packed into %d bytes, error %v", len(text), err)
	}
}

func TestPackedAnswersUnpackUnchanged(t *testing.T) {
	answers := []lab.Answer{
		{
			Status: 200, Header: map[string]string{"content-type": "text/plain"},
			Body: bytes.Repeat([]byte("Hello, World!"), 100_000),
		},
		{Error: "no answer"},
	}
	text, err := packAnswers(answers)
	if err != nil || len(text.Answers) > 100_000 {
		t.Errorf("%d bytes, error %v", len(text.Answers), err)
	}
	if back, err := text.unpack(); err != nil || !reflect.DeepEqual(back, answers) {
		t.Errorf("answers changed when packed, error %v", err)
	}
	if _, err := (packedAnswers{text.Answers[:50]}).unpack(); err == nil {
		t.Error("truncated answers were unpacked without an error")
	}
}
