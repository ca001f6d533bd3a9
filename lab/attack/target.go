package attack

import (
	"bytes"
	"fmt"
	"maps"
	"net/http"
	"slices"
	"strings"

	"runtimelab/lab"
	"runtimelab/lab/expect"
)

// target is a prepared request and the expected answer.
type target struct {
	wire     []byte // the request as sent
	bodySize int    // size of the request's body
	method   string

	judgedBy bodyRule
	body     []byte          // the expected body, if it is exact
	members  *expect.Matcher // of the expected body, if these are judged
	header   []headerField   // expected, beside others; by name
}

// bodyRule is what a body is judged by.
type bodyRule int

const (
	exactBody bodyRule = iota
	memberRule
	anyBody
)

// headerField is an expected header. Its name is in lower case.
type headerField struct{ name, value string }

// newTarget prepares a target for a server at host. lastOfConnection is that of wireForm.
func newTarget(host string, from lab.Target, lastOfConnection bool) (target, error) {
	wire, err := wireForm(host, from.Request, lastOfConnection)
	if err != nil {
		return target{}, err
	}
	t := target{
		wire: wire, bodySize: len(from.Request.Body), method: from.Request.Method, body: from.Body,
	}
	want := from.Request.Answer
	if want == nil {
		return t, nil
	}
	for _, name := range slices.Sorted(maps.Keys(want.Header)) {
		t.header = append(t.header, headerField{name, want.Header[name]})
	}
	switch {
	case from.Request.HasExactBody():
	case want.JSON == nil:
		t.judgedBy = anyBody
	default:
		t.judgedBy = memberRule
		if t.members, err = expect.NewMatcher(want.JSON); err != nil {
			return target{}, fmt.Errorf("preparing %s %s: %w", from.Request.Method, from.Request.Path, err)
		}
	}
	return t, nil
}

// expectsHead reports whether the head of an answer, which parseHead has parsed, has the expected
// headers.
func (t *target) expectsHead(head []byte) bool {
	for i := range t.header {
		if !t.header[i].isIn(head) {
			return false
		}
	}
	return true
}

// isIn reports whether a head has the header with this value. The values of a repeated header are
// joined by ", ".
func (f *headerField) isIn(head []byte) bool {
	_, rest := cutLine(head)
	remaining, found := f.value, false
	for len(rest) > 0 {
		var line []byte
		line, rest = cutLine(rest)
		name, value, ok := cutField(line)
		if !ok || !equalFoldASCII(name, f.name) {
			continue
		}
		same := true
		if found {
			remaining, same = strings.CutPrefix(remaining, ", ")
		}
		// The conversion in a comparison copies nothing.
		if !same || len(remaining) < len(value) || remaining[:len(value)] != string(value) {
			return false
		}
		remaining, found = remaining[len(value):], true
	}
	return found && remaining == ""
}

// expectsHeader is expectsHead for the header of an answer that net/http has parsed.
func (t *target) expectsHeader(header http.Header) bool {
	for _, f := range t.header {
		values := header[http.CanonicalHeaderKey(f.name)]
		if len(values) == 0 || strings.Join(values, ", ") != f.value {
			return false
		}
	}
	return true
}

// bodyComparison judges a body by a target, piece by piece.
type bodyComparison struct {
	target    *target
	remaining []byte  // of an exact body: the part that has not come yet
	kept      *[]byte // of a body that is judged by its members: what has come
	differs   bool
}

// compareBody returns the comparison of a body with the target's. kept is memory for what it needs of
// the body, and is used again for the next one, so that no hit allocates.
func compareBody(tg *target, kept *[]byte) bodyComparison {
	*kept = (*kept)[:0]
	return bodyComparison{target: tg, remaining: tg.body, kept: kept}
}

func (c *bodyComparison) add(piece []byte) {
	switch {
	case c.differs, c.target.judgedBy == anyBody:
	case c.target.judgedBy == memberRule:
		if c.differs = len(*c.kept)+len(piece) > expect.MaxJSONBody; !c.differs {
			*c.kept = append(*c.kept, piece...)
		}
	case !bytes.HasPrefix(c.remaining, piece):
		c.differs = true
	default:
		c.remaining = c.remaining[len(piece):]
	}
}

func (c *bodyComparison) Write(piece []byte) (int, error) {
	c.add(piece)
	return len(piece), nil
}

// matches reports whether the body that has come is the expected one.
func (c *bodyComparison) matches() bool {
	switch {
	case c.differs:
		return false
	case c.target.judgedBy == memberRule:
		return c.target.members.Matches(*c.kept)
	}
	return c.target.judgedBy == anyBody || len(c.remaining) == 0
}
