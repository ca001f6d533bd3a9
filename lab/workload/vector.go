package workload

import (
	"encoding/json"
	"errors"
	"fmt"
	"maps"
	"slices"
	"strconv"
	"strings"

	"runtimelab/lab"
)

// Vector is one request and the answer that it must get.
type Vector struct {
	Name    string // unique: "echo-typical"
	About   string // one line that describes it
	Request lab.Request
	// Want holds the exact status, body and values of headers. It includes content-length, unless the
	// body is chunked, or may differ in length: a document of HTML, or a body with WantJSON.
	Want lab.Answer
	// WantJSON is contained in the body, as in lab.Expectation.JSON; nil: the body is Want's.
	WantJSON []byte
	// RequiredHeaders lists headers that must be present with any value, and OptionalHeaders those
	// that may be. Headers other than these and those of Want are not allowed.
	RequiredHeaders, OptionalHeaders []string
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
	// JSON is contained in a body that has members which a vector cannot know, in the place of a body.
	JSON json.RawMessage `json:"json,omitempty"`
	body
}

// documentType begins the content-type of a body that is compared as a document.
const documentType = "text/html"

// resolve checks a vector of the file and returns it with all bodies and headers. rule is the one for
// the headers of every answer. paths are those of the workload: a vector may check what the endpoint
// has done to another one.
func (v vector) resolve(e endpoint, rule headerRule, paths []string) (Vector, error) {
	if v.Name == "" || v.About == "" {
		return Vector{}, fmt.Errorf("the vector needs name and about")
	}
	path, _, _ := strings.Cut(v.Request.Path, "?")
	isAsked := func(p string) bool { return MatchesPath(p, path) }
	if e.Path != anyOtherPath && !slices.ContainsFunc(paths, isAsked) {
		return Vector{}, fmt.Errorf("the request is for %s instead of the endpoint's %s or another one's of the "+
			"workload", v.Request.Path, e.Path)
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
	case v.Response.JSON != nil && v.Response.body != body{}:
		return Vector{}, errors.New("response: only one of json and a body may be given")
	case !hasLength && !v.Response.Chunked && v.Response.JSON == nil &&
		!strings.HasPrefix(headers["content-type"], documentType):
		headers["content-length"] = strconv.Itoa(len(responseBody))
	}
	if headers["content-type"] == "" {
		return Vector{}, fmt.Errorf("the response has no content-type")
	}
	var required []string
	for _, name := range rule.Always {
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
		WantJSON:        v.Response.JSON,
		RequiredHeaders: required,
		OptionalHeaders: rule.optionalNames(),
	}, nil
}
