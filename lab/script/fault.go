package script

import (
	"fmt"
	"strings"
)

// Fault is one mistake in a script and where it stands.
type Fault struct {
	File   string `json:"file"`           // as shown to people: "scenarios/json.star"
	Line   int    `json:"line"`           // from 1; 0 when the fault is the file's, not a line's
	Column int    `json:"column"`         // from 1, in characters
	Call   string `json:"call,omitempty"` // the offending call: "post"; empty outside of one
	Text   string `json:"text"`           // what is wrong and, where it is known, what is meant
}

// Error is the fault in one line: "scenarios/x.star:3:9: post: unknown
// argument "bdy"; did you mean "body"?".
func (f Fault) Error() string {
	var b strings.Builder
	b.WriteString(f.File)
	if f.Line > 0 {
		fmt.Fprintf(&b, ":%d:%d", f.Line, f.Column)
	}
	b.WriteString(": ")
	if f.Call != "" {
		b.WriteString(f.Call + ": ")
	}
	b.WriteString(f.Text)
	return b.String()
}
