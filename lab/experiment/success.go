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
)

// wrongAnswers returns a user error that lists every request of a scenario that
// some variant does not answer with success, or answers differently when it is
// asked again; nil where there is none. It leaves out variants that are refused:
// the contract judges what they answer.
func (e *Experiment) wrongAnswers(ids []string, found []variantAnswers) error {
	var all []complaint
	for _, s := range e.Plan.Scenarios {
		var asked []asked
		for i, id := range ids {
			if e.refused[id] == "" && found[i].scenarios[s.Name] != nil {
				asked = append(asked, askedOf(id, found[i], s.Name))
			}
		}
		if len(asked) == 0 {
			continue
		}
		for i, r := range s.AllRequests() {
			if kind, text := e.complain(r, i, asked); kind != "" {
				all = merge(all, complaint{file: s.File, request: r, kind: kind, text: text})
			}
		}
	}
	if len(all) == 0 {
		return nil
	}
	slices.SortStableFunc(all, func(a, b complaint) int {
		return cmp.Or(cmp.Compare(a.file, b.file), cmp.Compare(a.request.At.Line, b.request.At.Line),
			cmp.Compare(a.request.At.Column, b.request.At.Column))
	})
	lines := make([]error, len(all))
	for i, c := range all {
		lines[i] = c
	}
	return &lab.Fault{
		Code: lab.ExitUsage, Err: errors.Join(lines...),
		Hint: `an answer is a success if its status is 2xx, or what the request names: get("/path", expect = 404); ` +
			"see scenarios/README.md",
	}
}

// complaint says what is wrong with the answers to a request.
type complaint struct {
	file    string
	request lab.Request
	kind    string // what it has in common with those of other requests
	text    string
	more    int // of the same kind, of requests that the same call in the script makes
}

// Error is the complaint in one line, with its place.
func (c complaint) Error() string {
	r := c.request
	text := fmt.Sprintf("%s: %s %s %s", r.At.In(c.file), r.Method, shownPath(r.Path), c.text)
	if c.more > 0 {
		text += fmt.Sprintf(" (the same of %d more requests that this call makes)", c.more)
	}
	return text
}

// merge adds a complaint, or counts it with the first of its place and kind: one
// call in a script may make thousands of requests.
func merge(all []complaint, c complaint) []complaint {
	i := slices.IndexFunc(all, func(had complaint) bool {
		samePlace := had.file == c.file && had.request.At == c.request.At
		if c.request.At == (lab.Place{}) {
			samePlace = samePlace && had.request.PathOnly() == c.request.PathOnly()
		}
		return samePlace && had.kind == c.kind
	})
	if i < 0 {
		return append(all, c)
	}
	all[i].more++
	return all
}

func shownPath(path string) string { return lab.Excerpt([]byte(path), 0) }

// asked holds what a variant answered to a scenario's requests.
type asked struct {
	variant       string
	first, second []lab.Answer
}

func askedOf(id string, x variantAnswers, scenario string) asked {
	return asked{variant: id, first: x.scenarios[scenario], second: x.again[scenario]}
}

// complain says what is wrong with the answers to the i-th request, if anything is:
// of which kind it is, and in all.
func (e *Experiment) complain(r lab.Request, i int, all []asked) (kind, text string) {
	var wrong, varies []asked
	for _, a := range all {
		switch {
		case !r.Accepts(a.first[i].Status):
			wrong = append(wrong, a)
		case differs(a.first[i], a.second[i]):
			varies = append(varies, a)
		}
	}
	switch {
	case len(wrong) > 0:
		return e.unsuccessful(r, i, wrong, all)
	case len(varies) > 0:
		return varying(i, varies)
	}
	return "", ""
}

// differs reports whether an answer is not the one that came before, by what is
// compared of every hit.
func differs(a, b lab.Answer) bool { return a.Status != b.Status || !bytes.Equal(a.Body, b.Body) }

// unsuccessful says how a request was answered by the variants that did not
// answer it with success, and by those that did.
func (e *Experiment) unsuccessful(r lab.Request, i int, wrong, all []asked) (kind, text string) {
	first := wrong[0].first[i]
	want := "2xx"
	if r.Expect != 0 {
		want = "the " + status(r.Expect) + " that it expects"
	}
	kind = fmt.Sprintf("is answered %s, want %s", byStatus(i, wrong, all), want)
	text = kind + "; the body is empty"
	if len(first.Body) > 0 {
		text = kind + "; the body begins " + lab.Excerpt(first.Body, 0)
	}
	if advice := e.advice(r, first); advice != "" {
		text += "; " + advice
	}
	return kind, text
}

// byStatus lists which variants answered with which status, the wrong ones first.
func byStatus(i int, wrong, all []asked) string {
	var codes []int
	names := make(map[int][]string)
	for _, a := range slices.Concat(wrong, all) {
		code := a.first[i].Status
		if !slices.Contains(codes, code) {
			codes = append(codes, code)
		}
		if !slices.Contains(names[code], a.variant) {
			names[code] = append(names[code], a.variant)
		}
	}
	parts := make([]string, len(codes))
	for n, code := range codes {
		parts[n] = status(code) + " by " + strings.Join(names[code], ", ")
	}
	return strings.Join(parts, " and ")
}

// status is a status with its name.
func status(code int) string {
	return strings.TrimSpace(fmt.Sprintf("%d %s", code, http.StatusText(code)))
}

// advice says what the script may have meant, by the answer that it got.
func (e *Experiment) advice(r lab.Request, got lab.Answer) string {
	switch {
	case got.Status == http.StatusSwitchingProtocols:
		return "the server leaves HTTP/1.1, which is all that the generator speaks"
	case got.Status >= 300 && got.Status <= 399 && got.Header["location"] != "":
		return fmt.Sprintf("redirects are not followed: ask for its Location, %q, or expect %d",
			lab.Excerpt([]byte(got.Header["location"]), 0), got.Status)
	case got.Status < 400 || got.Status > 499 && got.Status != http.StatusNotImplemented:
		return ""
	}
	return e.existing(r)
}

// existing says what is there in the place of what a request asked for, as far
// as the contract knows. Servers may have paths that it does not know.
func (e *Experiment) existing(r lab.Request) string {
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
		return fmt.Sprintf("%s %s is answered with success", r.Method, shownPath(example))
	case len(methods) > 0:
		return fmt.Sprintf("the path is there for %s", strings.Join(methods, " and "))
	case len(paths) == 0:
		return ""
	}
	near := lab.Nearest(r.PathOnly(), paths)
	if near == "" {
		return "the contract's paths are " + strings.Join(paths, ", ")
	}
	return fmt.Sprintf("did you mean %q?", near)
}

// varying says where the answers to a request differ when it is asked again.
func varying(i int, all []asked) (kind, text string) {
	names := make([]string, len(all))
	for n, a := range all {
		names[n] = a.variant
	}
	first, second := all[0].first[i], all[0].second[i]
	kind = "is answered differently when it is asked again by " + strings.Join(names, ", ")
	text = kind + ": "
	if first.Status != second.Status {
		text += fmt.Sprintf("%s, then %s", status(first.Status), status(second.Status))
	} else {
		at := lab.CommonPrefix(first.Body, second.Body)
		text += fmt.Sprintf("from byte %d on the body is %s, then %s",
			at, lab.Excerpt(first.Body, at), lab.Excerpt(second.Body, at))
	}
	return kind, text + "; every answer under load is compared with the first, byte for byte, and no expect " +
		"admits another one: ask for what does not change, or have the server leave out the time, the random " +
		"id or the counter"
}
