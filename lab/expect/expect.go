// Package expect judges answers by what a script says of them with answer(...). Check
// explains what is wrong with an answer, before anything is timed; a Matcher judges every
// answer under load by its members.
package expect

import (
	"bytes"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"fmt"
	"maps"
	"slices"
	"strings"
	"unicode/utf8"

	"runtimelab/lab"
	"runtimelab/lab/message"
)

// Mismatch says how an answer differs from what the script expects. The zero Mismatch means
// that it does not.
type Mismatch struct {
	Part  string // what is wrong: `json["status"]`; alike for requests that fail in the same way
	Found string // what came: `"down"`
	Want  string // what was expected: `"ok"`
}

// Check returns the first mismatch between an answer and the request's Expectation and
// status. The request must have an Expectation.
func Check(r lab.Request, got lab.Answer) Mismatch {
	if !r.Accepts(got.Status) {
		return Mismatch{"the status", fmt.Sprint(got.Status), fmt.Sprint(r.Expect)}
	}
	want := r.Answer
	for _, name := range slices.Sorted(maps.Keys(want.Header)) {
		value, present := got.Header[name]
		switch {
		case !present:
			return Mismatch{"the header " + name, "missing", message.Excerpt([]byte(want.Header[name]), 0)}
		case value != want.Header[name]:
			at := message.CommonPrefix([]byte(value), []byte(want.Header[name]))
			return Mismatch{
				"the header " + name, message.Excerpt([]byte(value), at),
				message.Excerpt([]byte(want.Header[name]), at),
			}
		}
	}
	switch {
	case want.Body != nil:
		return checkBody(want.Body, got.Body)
	case want.SHA256 != "":
		return checkSum(want.SHA256, got.Body)
	case want.JSON != nil:
		return CheckJSON(want.JSON, got.Body)
	}
	return Mismatch{}
}

func checkBody(want, got []byte) Mismatch {
	if bytes.Equal(want, got) {
		return Mismatch{}
	}
	at := message.CommonPrefix(want, got)
	return Mismatch{
		fmt.Sprintf("the body from byte %d on", at), message.Excerpt(got, at), message.Excerpt(want, at),
	}
}

func checkSum(want string, body []byte) Mismatch {
	sum := sha256.Sum256(body)
	if got := hex.EncodeToString(sum[:]); got != want {
		return Mismatch{"the SHA-256 of the body", got, want}
	}
	return Mismatch{}
}

// CheckJSON returns the first mismatch between a body and JSON that it must contain. It finds the same
// bodies wrong as a Matcher.
func CheckJSON(want, body []byte) Mismatch {
	expected, err := decodeJSON(want)
	if err != nil {
		return Mismatch{"the expectation", "not JSON", err.Error()}
	}
	if len(body) > MaxJSONBody {
		return Mismatch{"the body", fmt.Sprintf("%d bytes long", len(body)), fmt.Sprintf("at most %d", MaxJSONBody)}
	}
	got, err := decodeJSON(body)
	if err != nil {
		return Mismatch{"the body", "not JSON", message.Excerpt(want, 0)}
	}
	return compareJSON("json", expected, got)
}

func decodeJSON(text []byte) (v any, err error) {
	if !utf8.Valid(text) {
		return nil, fmt.Errorf("not valid UTF-8")
	}
	if !json.Valid(text) {
		return nil, fmt.Errorf("not one JSON value")
	}
	decoder := json.NewDecoder(bytes.NewReader(text))
	decoder.UseNumber()
	err = decoder.Decode(&v)
	return v, err
}

// compareJSON returns the first mismatch of a decoded value with the wanted one, which lies
// at path.
func compareJSON(path string, want, got any) Mismatch {
	different := Mismatch{path, shortJSON(got), shortJSON(want)}
	switch want := want.(type) {
	case map[string]any:
		object, ok := got.(map[string]any)
		if !ok {
			return different
		}
		for _, name := range slices.Sorted(maps.Keys(want)) {
			at := fmt.Sprintf("%s[%q]", path, name)
			value, present := object[name]
			if !present {
				return Mismatch{at, "missing", shortJSON(want[name])}
			}
			if m := compareJSON(at, want[name], value); m != (Mismatch{}) {
				return m
			}
		}
		return Mismatch{}
	case []any:
		list, ok := got.([]any)
		if !ok {
			return different
		}
		if len(list) != len(want) {
			return Mismatch{
				path, "a list of " + message.Count(len(list), "element", "elements"),
				message.Count(len(want), "element", "elements"),
			}
		}
		for i := range want {
			if m := compareJSON(fmt.Sprintf("%s[%d]", path, i), want[i], list[i]); m != (Mismatch{}) {
				return m
			}
		}
		return Mismatch{}
	case json.Number:
		number, ok := got.(json.Number)
		if ok && equalNumbers(want, number) {
			return Mismatch{}
		}
	default:
		if want == got {
			return Mismatch{}
		}
	}
	return different
}

func equalNumbers(a, b json.Number) bool {
	if a == b {
		return true
	}
	x, err := a.Float64()
	if err != nil {
		return false
	}
	y, err := b.Float64()
	return err == nil && x == y
}

// shortJSON returns a value as JSON, shortened for a message.
func shortJSON(v any) string {
	var text strings.Builder
	encoder := json.NewEncoder(&text)
	encoder.SetEscapeHTML(false)
	if err := encoder.Encode(v); err != nil {
		return "a value that cannot be shown: " + err.Error()
	}
	return message.Excerpt([]byte(strings.TrimSuffix(text.String(), "\n")), 0)
}

// Describe returns in words which answer to a request is a success.
func Describe(r lab.Request) string {
	if r.Answer == nil {
		status := "a status of 2xx"
		if r.Expect != 0 {
			status = fmt.Sprintf("status %d", r.Expect)
		}
		return status + " and the same body each time, alike by all variants"
	}
	words := []string{fmt.Sprintf("status %d", r.Expect)}
	for _, name := range slices.Sorted(maps.Keys(r.Answer.Header)) {
		words = append(words, fmt.Sprintf("header %s: %s", name, message.Excerpt([]byte(r.Answer.Header[name]), 0)))
	}
	switch {
	case r.Answer.Body != nil:
		words = append(words, "body "+message.Excerpt(r.Answer.Body, 0))
	case r.Answer.SHA256 != "":
		words = append(words, "a body with SHA-256 "+r.Answer.SHA256)
	case r.Answer.JSON != nil:
		words = append(words, "JSON with "+message.Excerpt(r.Answer.JSON, 0))
	}
	switch determined := r.Answer.Body != nil || r.Answer.SHA256 != ""; {
	case determined:
	case r.Answer.Agree:
		words = append(words, "the same body each time, alike by all variants")
	case r.Answer.JSON == nil:
		words = append(words, "any body")
	}
	return strings.Join(words, ", ")
}
