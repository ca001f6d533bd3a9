package script

import (
	"cmp"
	"fmt"
	"slices"
	"strings"
)

// Fault is one mistake in a script and its place.
type Fault struct {
	File   string `json:"file"`           // relative to the checkout, or absolute: "scenarios/json.star"
	Line   int    `json:"line"`           // from 1; 0 if the fault concerns the whole file
	Column int    `json:"column"`         // from 1, in characters
	Call   string `json:"call,omitempty"` // the function called, such as "post"; empty outside of a call
	Text   string `json:"text"`           // what is wrong, and what was probably meant if that is known
}

// Error returns the fault in one line: "scenarios/x.star:3:9: post: unknown
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

// sortFaults sorts the faults of one file by their place.
func sortFaults(faults []Fault) {
	slices.SortStableFunc(faults, func(a, b Fault) int {
		return cmp.Or(cmp.Compare(a.Line, b.Line), cmp.Compare(a.Column, b.Column))
	})
}
