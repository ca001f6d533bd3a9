package contract

import (
	"bytes"
	"encoding/base64"
	"fmt"
	"maps"
	"slices"
	"strconv"
	"strings"

	"runtimelab/lab"
)

// Contract is the content of runtimes/contract.json.
type Contract struct {
	file    contractDoc
	vectors []Vector
}

// Vector is one request and the answer that it must get.
type Vector struct {
	Name    string // unique: "echo-typical"
	About   string // one line for people
	Request lab.Request
	// Want is the exact status and body, and the headers that have one right
	// value; content-length is among them where the body does not come in chunks.
	Want lab.Answer
	// RequiredHeaders names the headers that must be there with any value. No others
	// than these and those of Want may be.
	RequiredHeaders []string
}

// Vectors are all of the contract, in the order of the file. They are meant to
// be sent in that order: some ask whether what came before left its mark.
func (c *Contract) Vectors() []Vector { return slices.Clone(c.vectors) }

// Succeeding returns one request for each path and method that the contract
// answers with 2xx, in the order of the file: the first of them without a query
// where there is one, and else the first.
func (c *Contract) Succeeding() []lab.Request {
	var all []lab.Request
	for _, v := range c.vectors {
		if !v.Request.Accepts(v.Want.Status) {
			continue
		}
		path, _, asks := strings.Cut(v.Request.Path, "?")
		i := slices.IndexFunc(all, func(r lab.Request) bool {
			return r.Method == v.Request.Method && r.PathOnly() == path
		})
		switch {
		case i < 0:
			all = append(all, v.Request)
		case !asks && strings.Contains(all[i].Path, "?"):
			all[i] = v.Request
		}
	}
	return all
}

// The contract file as it is written.
type contractDoc struct {
	Version int      `json:"version"`
	About   string   `json:"about"`
	Rules   []string `json:"rules"`
	Headers struct {
		Always []string `json:"always"` // names, in lower case
	} `json:"headers"`
	Endpoints []endpoint   `json:"endpoints"`
	Identity  identityRule `json:"identity"`
	Random    randomRule   `json:"random"`
}

// endpoint is a path, or "*" for all that are not listed.
type endpoint struct {
	Path    string      `json:"path"`
	Methods []string    `json:"methods"`
	About   string      `json:"about"`
	Answers []answerDoc `json:"answers"`
	Vectors []vector    `json:"vectors"`
}

// answerDoc is for people.
type answerDoc struct {
	Status      int    `json:"status"`
	ContentType string `json:"content_type"`
	Body        string `json:"body"`
	When        string `json:"when"`
}

type vector struct {
	Name     string   `json:"name"`
	About    string   `json:"about"`
	Request  request  `json:"request"`
	Response response `json:"response"`
}

type request struct {
	Method  string            `json:"method"`
	Path    string            `json:"path"`
	Headers map[string]string `json:"headers,omitempty"`
	body
}

type response struct {
	Status  int               `json:"status"`
	Headers map[string]string `json:"headers"`
	// Chunked is whether the body comes in chunks. An HTTP client undoes the
	// chunks and hides their header: what it shows is that there is no
	// content-length.
	Chunked bool `json:"chunked,omitempty"`
	body
}

// body is spelt in at most one of four ways; none is an empty one.
type body struct {
	Text   *string `json:"body,omitempty"`
	Base64 *string `json:"body_base64,omitempty"`
	Repeat *repeat `json:"body_repeat,omitempty"`
	Blocks *blocks `json:"body_blocks,omitempty"`
}

// repeat is prefix, unit count times, suffix.
type repeat struct {
	Prefix string `json:"prefix,omitempty"`
	Unit   string `json:"unit"`
	Count  int    `json:"count"`
	Suffix string `json:"suffix,omitempty"`
}

// blocks is count blocks of size bytes; byte i of each is i % modulus.
type blocks struct {
	Count   int `json:"count"`
	Size    int `json:"size"`
	Modulus int `json:"modulus"`
}

// maxRepeated bounds a body that is not written out, so that a slip of the pen
// in the file is an error and not the end of the memory.
const maxRepeated = 64 << 20

func (b body) bytes() ([]byte, error) {
	spelt := 0
	for _, given := range []bool{b.Text != nil, b.Base64 != nil, b.Repeat != nil, b.Blocks != nil} {
		if given {
			spelt++
		}
	}
	if spelt > 1 {
		return nil, fmt.Errorf("only one of body, body_base64, body_repeat and body_blocks may be given")
	}
	switch {
	case b.Text != nil:
		return []byte(*b.Text), nil
	case b.Base64 != nil:
		decoded, err := base64.StdEncoding.DecodeString(*b.Base64)
		if err != nil {
			return nil, fmt.Errorf("decoding body_base64: %w", err)
		}
		return decoded, nil
	case b.Repeat != nil:
		return b.Repeat.bytes()
	case b.Blocks != nil:
		return b.Blocks.bytes()
	}
	return nil, nil
}

func (r repeat) bytes() ([]byte, error) {
	if r.Unit == "" || r.Count < 1 || r.Count > maxRepeated/len(r.Unit) {
		return nil, fmt.Errorf("body_repeat needs a unit, and a count from 1 to %d bytes in all", maxRepeated)
	}
	return slices.Concat([]byte(r.Prefix), bytes.Repeat([]byte(r.Unit), r.Count), []byte(r.Suffix)), nil
}

func (p blocks) bytes() ([]byte, error) {
	if p.Modulus < 1 || p.Modulus > 256 || p.Size < 1 || p.Count < 1 || p.Count > maxRepeated/p.Size {
		return nil,
			fmt.Errorf("body_blocks needs a modulus from 1 to 256, and a size and a count from 1 to %d bytes in all",
				maxRepeated)
	}
	block := make([]byte, p.Size)
	for i := range block {
		block[i] = byte(i % p.Modulus)
	}
	return bytes.Repeat(block, p.Count), nil
}

// resolve turns a vector of the file into one to send, or says what is wrong
// with it.
func (v vector) resolve(e endpoint, always []string) (Vector, error) {
	if v.Name == "" || v.About == "" {
		return Vector{}, fmt.Errorf("needs a name and a line about it")
	}
	path, _, _ := strings.Cut(v.Request.Path, "?")
	if e.Path != "*" && path != e.Path {
		return Vector{}, fmt.Errorf("asks for %s instead of the endpoint's %s", v.Request.Path, e.Path)
	}
	if !strings.HasPrefix(path, "/") || v.Request.Method == "" {
		return Vector{}, fmt.Errorf("needs a method and a path that begins with /")
	}
	if v.Response.Status < 200 || v.Response.Status > 599 {
		return Vector{}, fmt.Errorf("status %d is none of a final answer", v.Response.Status)
	}
	for name := range v.Response.Headers {
		if name != strings.ToLower(name) {
			return Vector{}, fmt.Errorf("response header %q is not in lower case", name)
		}
	}
	asked, err := v.Request.bytes()
	if err != nil {
		return Vector{}, fmt.Errorf("request: %w", err)
	}
	answered, err := v.Response.bytes()
	if err != nil {
		return Vector{}, fmt.Errorf("response: %w", err)
	}
	named := maps.Clone(v.Response.Headers)
	if named == nil {
		named = map[string]string{}
	}
	_, measured := named["content-length"]
	switch {
	case measured && v.Response.Chunked:
		return Vector{}, fmt.Errorf("wants a content-length of a response in chunks")
	case !measured && !v.Response.Chunked:
		named["content-length"] = strconv.Itoa(len(answered))
	}
	if named["content-type"] == "" {
		return Vector{}, fmt.Errorf("names no content-type of the response")
	}
	var present []string
	for _, name := range always {
		if _, given := named[name]; !given && (name != "content-length" || !v.Response.Chunked) {
			present = append(present, name)
		}
	}
	return Vector{
		Name:  v.Name,
		About: v.About,
		Request: lab.Request{
			Method: v.Request.Method, Path: v.Request.Path, Header: v.Request.Headers,
			Body: asked,
		},
		Want:            lab.Answer{Status: v.Response.Status, Header: named, Body: answered},
		RequiredHeaders: present,
	}, nil
}
