package contract

import (
	"bytes"
	"fmt"
	"maps"
	"slices"
	"strings"

	"runtimelab/lab"
	"runtimelab/lab/expect"
	"runtimelab/lab/message"
	"runtimelab/lab/workload"
)

// Difference describes one way in which an answer is wrong.
type Difference struct {
	Vector       string // the vector's name, or "random input 17"
	Request      string // method, path, headers and the beginning of the body
	What         string // what differs, with the byte offset for a body
	NameA, NameB string // of the two sides: the contract and "answer", or two variants
	A, B         string // the two sides, escaped and shortened around the difference
}

// String returns the difference as a unified diff of one line with a heading.
func (d Difference) String() string {
	var text strings.Builder
	text.WriteString(d.Vector)
	if d.Request != "" {
		fmt.Fprintf(&text, ": %s", d.Request)
	}
	fmt.Fprintf(&text, "\n  %s", d.What)
	if d.A != "" || d.B != "" {
		fmt.Fprintf(&text, "\n  --- %s\n  +++ %s\n  -%s\n  +%s", d.NameA, d.NameB, d.A, d.B)
	}
	return text.String()
}

// CheckAnswer returns the differences between an answer and what the vector wants.
func CheckAnswer(v workload.Vector, got lab.Answer) []Difference {
	p := answerPair{
		vector: v.Name, request: v.Request,
		aName: "contract", bName: "answer",
		a: v.Want, b: got,
	}
	if got.Error != "" {
		return []Difference{p.newDifference("no answer: " + got.Error)}
	}
	found := p.status()
	found = append(found, p.headers(slices.Sorted(maps.Keys(v.Want.Header)))...)
	found = append(found, p.headerSet(v.RequiredHeaders, v.OptionalHeaders)...)
	if v.WantJSON != nil {
		return append(found, p.containedJSON(v.WantJSON)...)
	}
	return append(found, p.body()...)
}

// CompareAnswers returns the differences between the answers of two variants: in
// status, body, content-type and the names of headers that are not optional. a[i] and b[i]
// answer requests[i]; a missing answer is a difference.
func CompareAnswers(
	requests []lab.Request, optionalHeaders []string, a, b []lab.Answer, nameA, nameB string,
) []Difference {
	var found []Difference
	for i, r := range requests {
		p := answerPair{vector: fmt.Sprintf("input %d", i), request: r, aName: nameA, bName: nameB}
		if i >= len(a) || i >= len(b) {
			found = append(found,
				p.newDifference(fmt.Sprintf("%d and %s to %s", len(a), message.Count(len(b), "answer", "answers"),
					message.Count(len(requests), "request", "requests"))))
			break
		}
		p.a, p.b = a[i], b[i]
		found = append(found, p.compare(optionalHeaders)...)
	}
	return found
}

func (p answerPair) compare(optionalHeaders []string) []Difference {
	if p.a.Error != "" || p.b.Error != "" {
		d := p.newDifference("no answer")
		d.A, d.B = describeAnswer(p.a), describeAnswer(p.b)
		return []Difference{d}
	}
	found := p.status()
	found = append(found, p.headers([]string{"content-type"})...)
	found = append(found, p.headerSet(nil, optionalHeaders)...)
	return append(found, p.body()...)
}

func describeAnswer(a lab.Answer) string {
	if a.Error != "" {
		return a.Error
	}
	return fmt.Sprintf("status %d", a.Status)
}

// answerPair holds two answers to one request; a is the expected one.
type answerPair struct {
	vector       string
	request      lab.Request
	aName, bName string
	a, b         lab.Answer
}

func (p answerPair) newDifference(what string) Difference {
	return Difference{
		Vector: p.vector, Request: requestLine(p.request), What: what, NameA: p.aName, NameB: p.bName,
	}
}

func (p answerPair) status() []Difference {
	if p.a.Status == p.b.Status {
		return nil
	}
	d := p.newDifference("status differs")
	d.A, d.B = fmt.Sprint(p.a.Status), fmt.Sprint(p.b.Status)
	return []Difference{d}
}

func (p answerPair) headers(names []string) []Difference {
	var found []Difference
	for _, name := range names {
		want, wanted := p.a.Header[name]
		got, present := p.b.Header[name]
		if want == got && wanted == present {
			continue
		}
		d := p.newDifference("header " + name + " differs")
		d.A, d.B = headerLine(name, want, wanted), headerLine(name, got, present)
		found = append(found, d)
	}
	return found
}

func headerLine(name, value string, present bool) string {
	if !present {
		return "(no " + name + ")"
	}
	return name + ": " + message.Escape([]byte(value))
}

// headerSet compares the names of headers, of which a also has those in required.
// It ignores the optional ones, and "connection: close", which the transport sets.
func (p answerPair) headerSet(required, optional []string) []Difference {
	want := append(headerNames(p.a, optional), required...)
	slices.Sort(want)
	got := headerNames(p.b, optional)
	if slices.Equal(want, got) {
		return nil
	}
	d := p.newDifference("the set of headers differs")
	d.A, d.B = strings.Join(want, ", "), strings.Join(got, ", ")
	return []Difference{d}
}

// headerNames returns the names of an answer's headers that headerSet compares, sorted.
func headerNames(a lab.Answer, optional []string) []string {
	names := make([]string, 0, len(a.Header))
	for name, value := range a.Header {
		if name == "connection" && strings.EqualFold(value, "close") || slices.Contains(optional, name) {
			continue
		}
		names = append(names, name)
	}
	slices.Sort(names)
	return names
}

// containedJSON compares the body of b with JSON that it must contain.
func (p answerPair) containedJSON(want []byte) []Difference {
	m := expect.CheckJSON(want, p.b.Body)
	if m == (expect.Mismatch{}) {
		return nil
	}
	d := p.newDifference(m.Part + " differs")
	d.A, d.B = m.Want, m.Found
	return []Difference{d}
}

func (p answerPair) body() []Difference {
	a, b := p.a.Body, p.b.Body
	switch {
	case bytes.Equal(a, b):
		return nil
	case isDocument(p.a) && isDocument(p.b):
		return p.document()
	}
	at := message.CommonPrefix(a, b)
	d := p.newDifference(fmt.Sprintf("body differs at byte %d (%d and %s)", at, len(a),
		message.Count(len(b), "byte", "bytes")))
	d.A, d.B = message.Excerpt(a, at), message.Excerpt(b, at)
	return []Difference{d}
}

// shownRequest is the number of bytes of a path, a body or a value that messages show.
const shownRequest = 100

func requestLine(r lab.Request) string {
	line := r.Method + " " + shortenPath(r.Path)
	for _, name := range slices.Sorted(maps.Keys(r.Header)) {
		line += fmt.Sprintf(", %s: %s", name, message.Escape([]byte(r.Header[name])))
	}
	if len(r.Body) == 0 {
		return line
	}
	shown := message.Escape(r.Body[:min(len(r.Body), shownRequest)])
	if len(r.Body) > shownRequest {
		shown += "…"
	}
	return fmt.Sprintf("%s, %s: %s", line, message.Count(len(r.Body), "byte", "bytes"), shown)
}

// shortenPath returns a path of at most shownRequest bytes, because some have
// thousands of digits.
func shortenPath(path string) string {
	if len(path) <= shownRequest {
		return path
	}
	return fmt.Sprintf("%s… (%d bytes)", path[:shownRequest], len(path))
}
