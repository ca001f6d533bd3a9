package experiment

import (
	"bytes"
	"cmp"
	"errors"
	"fmt"
	"net/http"
	"slices"
	"strings"

	"runtimelab/lab"
	"runtimelab/lab/fault"
	"runtimelab/lab/message"
)

// wrongAnswers returns a usage error that lists every request of a scenario that some
// variant does not answer with success, or answers differently the second time. It
// returns nil if there is none. Refused variants are left out: their answers break the
// contract anyway.
func (e *Experiment) wrongAnswers(ids []string, found []variantAnswers) error {
	var all []requestError
	for _, s := range e.Plan.Scenarios {
		var replies []variantReplies
		for i, id := range ids {
			if e.refused[id] == "" && found[i].scenarios[s.Name] != nil {
				replies = append(replies, newVariantReplies(id, found[i], s.Name))
			}
		}
		if len(replies) == 0 {
			continue
		}
		for i, r := range s.AllRequests() {
			if kind, text := e.checkReplies(r, i, replies); kind != "" {
				all = addRequestError(all, requestError{file: s.File, request: r, kind: kind, text: text})
			}
		}
	}
	if len(all) == 0 {
		return nil
	}
	slices.SortStableFunc(all, func(a, b requestError) int {
		return cmp.Or(cmp.Compare(a.file, b.file), cmp.Compare(a.request.At.Line, b.request.At.Line),
			cmp.Compare(a.request.At.Column, b.request.At.Column))
	})
	lines := make([]error, len(all))
	for i, c := range all {
		lines[i] = c
	}
	return &fault.Error{
		Code: fault.ExitUsage, Err: errors.Join(lines...),
		Hint: `an answer is a success if its status is 2xx, or what the request expects: ` +
			`get("/path", expect = 404), or expect = answer(...); see scenarios/README.md`,
	}
}

// requestError describes what is wrong with the answers to a request.
type requestError struct {
	file    string
	request lab.Request
	kind    string // equal for requests that fail in the same way
	text    string
	more    int // number of further requests of the same call in the script, with the same kind
}

// Error returns the place and the mistake in one line.
func (c requestError) Error() string {
	r := c.request
	text := fmt.Sprintf("%s: %s %s %s", r.At.In(c.file), r.Method, printablePath(r.Path), c.text)
	if c.more > 0 {
		text += fmt.Sprintf(" (and %s of this call)", message.Count(c.more, "more request", "more requests"))
	}
	return text
}

// addRequestError appends c, or counts it with the first of its place and kind: one call
// in a script may make thousands of requests.
func addRequestError(all []requestError, c requestError) []requestError {
	i := slices.IndexFunc(all, func(other requestError) bool {
		samePlace := other.file == c.file && other.request.At == c.request.At
		if c.request.At == (lab.Place{}) {
			samePlace = samePlace && other.request.PathOnly() == c.request.PathOnly()
		}
		return samePlace && other.kind == c.kind
	})
	if i < 0 {
		return append(all, c)
	}
	all[i].more++
	return all
}

func printablePath(path string) string { return message.Excerpt([]byte(path), 0) }

// variantReplies holds a variant's answers to a scenario's requests, which were sent twice.
type variantReplies struct {
	variant       string
	first, second []lab.Answer
}

func newVariantReplies(id string, x variantAnswers, scenario string) variantReplies {
	return variantReplies{variant: id, first: x.scenarios[scenario], second: x.repeated[scenario]}
}

// checkReplies returns what is wrong with the answers to the i-th request, or "". kind
// is the part of text that requests with the same mistake share.
func (e *Experiment) checkReplies(r lab.Request, i int, all []variantReplies) (kind, text string) {
	var wrong, varying []variantReplies
	for _, v := range all {
		switch {
		case !r.Accepts(v.first[i].Status):
			wrong = append(wrong, v)
		case r.HasExactBody() && answersDiffer(v.first[i], v.second[i]):
			varying = append(varying, v)
		}
	}
	if len(wrong) > 0 {
		return e.describeWrongStatus(r, i, wrong, all)
	}
	if r.Answer != nil {
		if kind, text = checkExpectation(r, i, all); kind != "" {
			return kind, text
		}
	}
	switch {
	case len(varying) > 0:
		return describeVarying(i, varying)
	case r.Answer != nil && r.Answer.Agree:
		return describeDisagreement(i, all)
	}
	return "", ""
}

// answersDiffer compares what is compared for every hit: status and body.
func answersDiffer(a, b lab.Answer) bool { return a.Status != b.Status || !bytes.Equal(a.Body, b.Body) }

// describeWrongStatus says which variants answered the i-th request with which status.
// wrong holds those that did not answer with success.
func (e *Experiment) describeWrongStatus(r lab.Request, i int, wrong, all []variantReplies) (
	kind, text string,
) {
	first := wrong[0].first[i]
	want := "2xx"
	if r.Expect != 0 {
		want = "the expected " + statusText(r.Expect)
	}
	kind = fmt.Sprintf("is answered %s, want %s", groupByStatus(i, wrong, all), want)
	text = kind + "; the body is empty"
	if len(first.Body) > 0 {
		text = kind + "; the body begins " + message.Excerpt(first.Body, 0)
	}
	if advice := e.advice(e.Variants[wrong[0].variant], r, first); advice != "" {
		text += "; " + advice
	}
	return kind, text
}

// groupByStatus lists which variants answered with which status, wrong ones first.
func groupByStatus(i int, wrong, all []variantReplies) string {
	var codes []int
	names := make(map[int][]string)
	for _, v := range slices.Concat(wrong, all) {
		code := v.first[i].Status
		if !slices.Contains(codes, code) {
			codes = append(codes, code)
		}
		if !slices.Contains(names[code], v.variant) {
			names[code] = append(names[code], v.variant)
		}
	}
	parts := make([]string, len(codes))
	for n, code := range codes {
		parts[n] = statusText(code) + " by " + strings.Join(names[code], ", ")
	}
	return strings.Join(parts, " and ")
}

// statusText returns a status with its name, for example "404 Not Found".
func statusText(code int) string {
	return strings.TrimSpace(fmt.Sprintf("%d %s", code, http.StatusText(code)))
}

// advice returns what the script may have meant with a request to a variant, or "".
func (e *Experiment) advice(v lab.Variant, r lab.Request, got lab.Answer) string {
	switch {
	case v.Own != nil && (got.Status == http.StatusUnauthorized || got.Status == http.StatusForbidden):
		return `the headers of variant() are sent with every request: headers = {"Authorization": "…"}`
	case got.Status == http.StatusSwitchingProtocols:
		return "the server switches protocols, but the generator supports only HTTP/1.1"
	case got.Status >= 300 && got.Status <= 399 && got.Header["location"] != "":
		return fmt.Sprintf("redirects are not followed: request its Location, %q, or expect %d",
			message.Excerpt([]byte(got.Header["location"]), 0), got.Status)
	case v.Own != nil, got.Status < 400 || got.Status > 499 && got.Status != http.StatusNotImplemented:
		return ""
	}
	return e.suggestKnown(r)
}

// suggestKnown returns what the contract has closest to a request, or "". Servers may have
// paths that the contract does not know.
func (e *Experiment) suggestKnown(r lab.Request) string {
	var paths, methods []string
	example := ""
	for _, known := range e.Checker.Succeeding() {
		path := known.PathOnly()
		if !slices.Contains(paths, path) {
			paths = append(paths, path)
		}
		if path == r.PathOnly() {
			methods = append(methods, known.Method)
			if known.Method == r.Method {
				example = known.Path
			}
		}
	}
	switch {
	case example != "":
		return fmt.Sprintf("%s %s succeeds", r.Method, printablePath(example))
	case len(methods) > 0:
		return fmt.Sprintf("the contract has this path for %s", strings.Join(methods, " and "))
	case len(paths) == 0:
		return ""
	}
	near := message.Nearest(r.PathOnly(), paths)
	if near == "" {
		return "the contract's paths are " + strings.Join(paths, ", ")
	}
	return fmt.Sprintf("did you mean %q?", near)
}

// describeVarying says how the second answers to the i-th request differ from the first.
func describeVarying(i int, varying []variantReplies) (kind, text string) {
	names := make([]string, len(varying))
	for n, v := range varying {
		names[n] = v.variant
	}
	first, second := varying[0].first[i], varying[0].second[i]
	kind = "is answered differently the second time by " + strings.Join(names, ", ")
	text = kind + ": "
	if first.Status != second.Status {
		text += fmt.Sprintf("%s, then %s", statusText(first.Status), statusText(second.Status))
	} else {
		at := message.CommonPrefix(first.Body, second.Body)
		text += fmt.Sprintf("from byte %d on the body is %s, then %s",
			at, message.Excerpt(first.Body, at), message.Excerpt(second.Body, at))
	}
	return kind, text + "; under load every answer must equal the first one byte for byte: request something " +
		"that does not change, or say which members of the JSON do not: expect = answer(json = {...})"
}
