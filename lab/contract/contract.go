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
	About   string // one line that describes it
	Request lab.Request
	// Want holds the exact status, body and values of headers. It includes
	// content-length, unless the body is chunked.
	Want lab.Answer
	// RequiredHeaders lists headers that must be present with any value. Headers
	// other than these and those of Want are not allowed.
	RequiredHeaders []string
}

// Vectors returns all vectors in the order of the file. Send them in that order:
// some check the effect of earlier ones.
func (c *Contract) Vectors() []Vector { return slices.Clone(c.vectors) }

// Succeeding returns one request for each path and method that the contract
// answers with 2xx, in the order of the file: the first one without a query if
// there is any, and otherwise the first one.
func (c *Contract) Succeeding() []lab.Request {
	var all []lab.Request
	for _, v := range c.vectors {
		if !v.Request.Accepts(v.Want.Status) {
			continue
		}
		path, _, hasQuery := strings.Cut(v.Request.Path, "?")
		i := slices.IndexFunc(all, func(r lab.Request) bool {
			return r.Method == v.Request.Method && r.PathOnly() == path
		})
		switch {
		case i < 0:
			all = append(all, v.Request)
		case !hasQuery && strings.Contains(all[i].Path, "?"):
			all[i] = v.Request
		}
	}
	return all
}

// contractDoc is the JSON of a contract file.
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

// endpoint describes a path, or all paths that are not listed if Path is "*".
type endpoint struct {
	Path    string      `json:"path"`
	Methods []string    `json:"methods"`
	About   string      `json:"about"`
	Answers []answerDoc `json:"answers"`
	Vectors []vector    `json:"vectors"`
}

// answerDoc documents one answer of an endpoint. The check does not use it.
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
	// Chunked says that the body has the chunked transfer coding. HTTP clients
	// remove it with its header, so all that shows is a missing content-length.
	Chunked bool `json:"chunked,omitempty"`
	body
}

// body is written in at most one of four ways. It is empty if none is given.
type body struct {
	Text   *string `json:"body,omitempty"`
	Base64 *string `json:"body_base64,omitempty"`
	Repeat *repeat `json:"body_repeat,omitempty"`
	Blocks *blocks `json:"body_blocks,omitempty"`
}

// repeat is a body of a prefix, count times the unit, and a suffix.
type repeat struct {
	Prefix string `json:"prefix,omitempty"`
	Unit   string `json:"unit"`
	Count  int    `json:"count"`
	Suffix string `json:"suffix,omitempty"`
}

// blocks is a body of count blocks of size bytes; byte i of each is i % modulus.
type blocks struct {
	Count   int `json:"count"`
	Size    int `json:"size"`
	Modulus int `json:"modulus"`
}

// maxRepeated limits a repeated body in bytes, so that a typo in the file is an
// error and does not exhaust the memory.
const maxRepeated = 64 << 20

func (b body) bytes() ([]byte, error) {
	count := 0
	for _, given := range []bool{b.Text != nil, b.Base64 != nil, b.Repeat != nil, b.Blocks != nil} {
		if given {
			count++
		}
	}
	if count > 1 {
		return nil, fmt.Errorf("only one of body, body_base64, body_repeat and body_blocks may be given")
	}
	switch {
	case b.Text != nil:
		return []byte(*b.Text), nil
	case b.Base64 != nil:
		decoded, err := base64.StdEncoding.DecodeString(*b.Base64)
		if err != nil {
			return nil, fmt.Errorf("decode body_base64: %w", err)
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

func (b blocks) bytes() ([]byte, error) {
	if b.Modulus < 1 || b.Modulus > 256 || b.Size < 1 || b.Count < 1 || b.Count > maxRepeated/b.Size {
		return nil, fmt.Errorf("body_blocks needs a modulus from 1 to 256, "+
			"and a size and a count from 1 to %d bytes in all", maxRepeated)
	}
	block := make([]byte, b.Size)
	for i := range block {
		block[i] = byte(i % b.Modulus)
	}
	return bytes.Repeat(block, b.Count), nil
}

// resolve checks a vector of the file and returns it with all bodies and headers.
// always lists the headers that every answer must have.
func (v vector) resolve(e endpoint, always []string) (Vector, error) {
	if v.Name == "" || v.About == "" {
		return Vector{}, fmt.Errorf("the vector needs name and about")
	}
	path, _, _ := strings.Cut(v.Request.Path, "?")
	if e.Path != "*" && path != e.Path {
		return Vector{}, fmt.Errorf("the request is for %s instead of the endpoint's %s", v.Request.Path, e.Path)
	}
	if !strings.HasPrefix(path, "/") || v.Request.Method == "" {
		return Vector{}, fmt.Errorf("the request needs a method and a path that begins with /")
	}
	if v.Response.Status < 200 || v.Response.Status > 599 {
		return Vector{}, fmt.Errorf("status %d is not a final status, want 200 to 599", v.Response.Status)
	}
	for name := range v.Response.Headers {
		if name != strings.ToLower(name) {
			return Vector{}, fmt.Errorf("response header %q is not in lower case", name)
		}
	}
	requestBody, err := v.Request.bytes()
	if err != nil {
		return Vector{}, fmt.Errorf("request: %w", err)
	}
	responseBody, err := v.Response.bytes()
	if err != nil {
		return Vector{}, fmt.Errorf("response: %w", err)
	}
	headers := maps.Clone(v.Response.Headers)
	if headers == nil {
		headers = map[string]string{}
	}
	_, hasLength := headers["content-length"]
	switch {
	case hasLength && v.Response.Chunked:
		return Vector{}, fmt.Errorf("a chunked response cannot have a content-length")
	case !hasLength && !v.Response.Chunked:
		headers["content-length"] = strconv.Itoa(len(responseBody))
	}
	if headers["content-type"] == "" {
		return Vector{}, fmt.Errorf("the response has no content-type")
	}
	var required []string
	for _, name := range always {
		if _, given := headers[name]; !given && (name != "content-length" || !v.Response.Chunked) {
			required = append(required, name)
		}
	}
	return Vector{
		Name:  v.Name,
		About: v.About,
		Request: lab.Request{
			Method: v.Request.Method, Path: v.Request.Path, Header: v.Request.Headers, Body: requestBody,
		},
		Want:            lab.Answer{Status: v.Response.Status, Header: headers, Body: responseBody},
		RequiredHeaders: required,
	}, nil
}
