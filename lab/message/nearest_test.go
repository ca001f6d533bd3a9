package message_test

import (
	"testing"

	"runtimelab/lab/message"
)

func TestSuggestNamesTheNearestOrAllValidNames(t *testing.T) {
	valid := []string{"body", "headers", "json", "path"}
	for _, c := range []struct{ name, want string }{
		{"bdy", `did you mean "body"?`},
		{"josn", `did you mean "json"?`}, // a swap counts as one change
		{"JSON", `did you mean "json"?`},
		{"header", `did you mean "headers"?`},
		{"pat", `did you mean "path"?`},
		{"x", "valid: body, headers, json, path"},
		{"", "valid: body, headers, json, path"},
		{"timeout", "valid: body, headers, json, path"},
	} {
		if got := message.Suggest(c.name, valid); got != c.want {
			t.Errorf("Suggest(%q) = %s, want %s", c.name, got, c.want)
		}
	}
	if got := message.Suggest("x", nil); got != "there are none" {
		t.Errorf("without valid names: %s", got)
	}
	if got := message.Nearest("ab", []string{"ax", "ay"}); got != "ax" {
		t.Errorf("on a tie: %q, want the first name", got)
	}
}
