package expect

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"strconv"
	"strings"
	"unicode/utf8"
)

// MaxJSONBody is the largest body, in bytes, that is judged by its members. A larger one
// is wrong: each connection keeps the body that it reads.
const MaxJSONBody = 16 << 20

// maxMembers is the most members that one expected dict may have: a word of bits holds
// which of them have come.
const maxMembers = 64

// Matcher reports whether a body contains expected JSON. It reads a body once, allocates
// nothing, and may be used concurrently.
type Matcher struct{ root expected }

// expected is one value that is expected.
type expected struct {
	kind    kind
	text    string // of a string, without escapes; of true, false and null; of a number, as written
	number  float64
	members []member   // of an object
	list    []expected // of an array
}

type member struct {
	name  string
	value expected
}

type kind int

const (
	literalValue kind = iota // true, false and null
	numberValue
	stringValue
	arrayValue
	objectValue
)

// NewMatcher returns the matcher of expected JSON.
func NewMatcher(want []byte) (*Matcher, error) {
	decoder := json.NewDecoder(bytes.NewReader(want))
	decoder.UseNumber()
	root, err := readValue(decoder)
	if err != nil {
		return nil, err
	}
	if _, err := decoder.Token(); !errors.Is(err, io.EOF) {
		return nil, errors.New("the expected JSON has more than one value")
	}
	return &Matcher{root}, nil
}

func readValue(from *json.Decoder) (expected, error) {
	token, err := from.Token()
	if err != nil {
		return expected{}, fmt.Errorf("read the expected JSON: %w", err)
	}
	switch v := token.(type) {
	case nil:
		return expected{text: "null"}, nil
	case bool:
		return expected{text: strconv.FormatBool(v)}, nil
	case string:
		return expected{kind: stringValue, text: v}, nil
	case json.Number:
		x, err := v.Float64()
		return expected{kind: numberValue, text: v.String(), number: x}, err
	}
	if token == json.Delim('[') {
		return readArray(from)
	}
	return readObject(from)
}

func readArray(from *json.Decoder) (expected, error) {
	n := expected{kind: arrayValue}
	for from.More() {
		element, err := readValue(from)
		if err != nil {
			return expected{}, err
		}
		n.list = append(n.list, element)
	}
	_, err := from.Token()
	return n, err
}

func readObject(from *json.Decoder) (expected, error) {
	n := expected{kind: objectValue}
	for from.More() {
		name, err := from.Token()
		if err != nil {
			return expected{}, fmt.Errorf("read the expected JSON: %w", err)
		}
		value, err := readValue(from)
		if err != nil {
			return expected{}, err
		}
		n.members = append(n.members, member{name.(string), value}) // a decoder returns no other keys
	}
	if len(n.members) > maxMembers {
		return expected{}, fmt.Errorf("an expected dict has %d members, at most %d are allowed; "+
			"name those that tell a right answer from a wrong one", len(n.members), maxMembers)
	}
	_, err := from.Token()
	return n, err
}

// Matches reports whether body is JSON that contains what is expected.
func (m *Matcher) Matches(body []byte) bool {
	if len(body) > MaxJSONBody || !utf8.Valid(body) {
		return false
	}
	s := scanner{data: body}
	s.skipSpace()
	same := s.value(&m.root, 0)
	s.skipSpace()
	return same && !s.invalid && s.at == len(s.data)
}

// equalsText reports whether the content of a JSON string, which is valid, is text.
func equalsText(content []byte, escaped bool, text string) bool {
	if !escaped {
		return string(content) == text
	}
	for len(content) > 0 {
		if content[0] != '\\' {
			if text == "" || text[0] != content[0] {
				return false
			}
			content, text = content[1:], text[1:]
			continue
		}
		r, size := unescape(content)
		var encoded [utf8.UTFMax]byte
		piece := encoded[:utf8.EncodeRune(encoded[:], r)]
		if !strings.HasPrefix(text, string(piece)) {
			return false
		}
		content, text = content[size:], text[len(piece):]
	}
	return text == ""
}

// equalsNumber reports whether a number, which is valid, has the expected value.
func (n *expected) equalsNumber(digits []byte) bool {
	if string(digits) == n.text {
		return true
	}
	x, err := strconv.ParseFloat(string(digits), 64)
	return err == nil && x == n.number
}
