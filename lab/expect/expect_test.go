package expect

import (
	"crypto/sha256"
	"encoding/hex"
	"strings"
	"testing"

	"runtimelab/lab"
)

func sum(text string) string {
	s := sha256.Sum256([]byte(text))
	return hex.EncodeToString(s[:])
}

func TestCheckSaysWhatCameAndWhatWasExpected(t *testing.T) {
	jsonOf := func(text string) lab.Expectation { return lab.Expectation{JSON: []byte(text)} }
	html := map[string]string{"content-type": "text/html"}
	for name, c := range map[string]struct {
		want lab.Expectation
		got  lab.Answer
		is   Mismatch
	}{
		"right":        {jsonOf(`{"id":7}`), lab.Answer{Status: 200, Body: []byte(`{"id":7,"at":12}`)}, Mismatch{}},
		"any body":     {lab.Expectation{}, lab.Answer{Status: 200, Body: []byte("x")}, Mismatch{}},
		"empty body":   {lab.Expectation{Body: []byte{}}, lab.Answer{Status: 200}, Mismatch{}},
		"another code": {lab.Expectation{}, lab.Answer{Status: 500}, Mismatch{"the status", "500", "200"}},
		"a body": {
			lab.Expectation{Body: []byte("hello")},
			lab.Answer{Status: 200, Body: []byte("help!")},
			Mismatch{"the body from byte 3 on", "help!", "hello"},
		},
		"no body at all": {
			lab.Expectation{Body: []byte("hello")},
			lab.Answer{Status: 200},
			Mismatch{"the body from byte 0 on", "(empty)", "hello"},
		},
		"a body that should be empty": {
			lab.Expectation{Body: []byte{}},
			lab.Answer{Status: 200, Body: []byte("x")},
			Mismatch{"the body from byte 0 on", "x", "(empty)"},
		},
		"a hash": {
			lab.Expectation{SHA256: sum("hello")},
			lab.Answer{Status: 200, Body: []byte("help!")},
			Mismatch{"the SHA-256 of the body", sum("help!"), sum("hello")},
		},
		"the right hash": {
			lab.Expectation{SHA256: sum("hello")}, lab.Answer{Status: 200, Body: []byte("hello")}, Mismatch{},
		},
		"a header": {
			lab.Expectation{Header: map[string]string{"content-type": "application/json"}},
			lab.Answer{Status: 200, Header: html},
			Mismatch{"the header content-type", "text/html", "application/json"},
		},
		"a missing header": {
			lab.Expectation{Header: map[string]string{"x-version": "2"}},
			lab.Answer{Status: 200, Header: html},
			Mismatch{"the header x-version", "missing", "2"},
		},
		"a member": {
			jsonOf(`{"a":{"b":[1,{"c":"ok"}]}}`),
			lab.Answer{Status: 200, Body: []byte(`{"a":{"b":[1,{"c":"<down>"}]}}`)},
			Mismatch{`json["a"]["b"][1]["c"]`, `"<down>"`, `"ok"`},
		},
		"a missing member": {
			jsonOf(`{"id":7}`), lab.Answer{Status: 200, Body: []byte(`{}`)}, Mismatch{`json["id"]`, "missing", "7"},
		},
		"a shorter list": {
			jsonOf(`[1,2]`),
			lab.Answer{Status: 200, Body: []byte(`[1]`)},
			Mismatch{"json", "a list of 1 element", "2 elements"},
		},
		"not JSON": {
			jsonOf(`{"id":7}`),
			lab.Answer{Status: 200, Body: []byte("<html>")},
			Mismatch{"the body", "not JSON", `{"id":7}`},
		},
		"too large": {
			jsonOf(`{"id":7}`),
			lab.Answer{Status: 200, Body: make([]byte, MaxJSONBody+1)},
			Mismatch{"the body", "16777217 bytes long", "at most 16777216"},
		},
	} {
		r := lab.Request{Method: "GET", Path: "/", Expect: 200, Answer: &c.want}
		if got := Check(r, c.got); got != c.is {
			t.Errorf("%s: %+v, want %+v", name, got, c.is)
		}
	}
}

func TestDescribe(t *testing.T) {
	for want, r := range map[string]lab.Request{
		"a status of 2xx and the same body each time, alike by all variants": {},
		"status 404 and the same body each time, alike by all variants":      {Expect: 404},
		`status 200, header x: 1, JSON with {"id":7}`: {Expect: 200, Answer: &lab.Expectation{
			JSON: []byte(`{"id":7}`), Header: map[string]string{"x": "1"},
		}},
		"status 200, any body":     {Expect: 200, Answer: &lab.Expectation{}},
		"status 200, body (empty)": {Expect: 200, Answer: &lab.Expectation{Body: []byte{}, Agree: true}},
		"status 200, a body with SHA-256 " + strings.Repeat("a", 64): {
			Expect: 200, Answer: &lab.Expectation{SHA256: strings.Repeat("a", 64), Agree: true},
		},
		"status 201, the same body each time, alike by all variants": {
			Expect: 201, Answer: &lab.Expectation{Agree: true},
		},
	} {
		if got := Describe(r); got != want {
			t.Errorf("%+v: %q, want %q", r, got, want)
		}
	}
}
