package contract

import (
	"bytes"
	"fmt"
	"slices"
	"strings"

	"golang.org/x/net/html"

	"runtimelab/lab"
	"runtimelab/lab/message"
)

// isDocument reports whether an answer's body is HTML, which is compared as a document.
func isDocument(a lab.Answer) bool { return strings.HasPrefix(a.Header["content-type"], "text/html") }

// document compares two bodies as documents: the elements with their attributes in any order, and
// the text between them, in which any white space is one space. How a template escapes a character
// makes no difference, and a character that it does not escape does.
func (p answerPair) document() []Difference {
	a, b := documentParts(p.a.Body), documentParts(p.b.Body)
	at := 0
	for at < min(len(a), len(b)) && a[at] == b[at] {
		at++
	}
	if at == len(a) && at == len(b) {
		return nil
	}
	d := p.newDifference(fmt.Sprintf("the document differs at part %d (%d and %s)", at+1, len(a),
		message.Count(len(b), "part", "parts")))
	d.A, d.B = partAt(a, at), partAt(b, at)
	return []Difference{d}
}

// documentPart is one part of a document: the beginning of an element, a text, a comment or the
// doctype. Parts in order, with how deep they are nested, are all that there is of a document.
type documentPart struct {
	depth int
	text  string
}

// partAt returns a part of a document, for a message.
func partAt(parts []documentPart, at int) string {
	if at == len(parts) {
		return "(the end)"
	}
	return message.Excerpt([]byte(parts[at].text), 0)
}

// documentParts returns the parts of a document in order. The parser reads any bytes, as browsers do.
func documentParts(body []byte) (parts []documentPart) {
	root, err := html.Parse(bytes.NewReader(body))
	if err != nil { // of the reader only
		return []documentPart{{text: err.Error()}}
	}
	for part := range root.Descendants() {
		depth, asWritten := 0, false
		for above := range part.Ancestors() {
			depth++
			asWritten = asWritten || slices.Contains(spacedElements, above.Data)
		}
		text := part.Data
		switch part.Type {
		case html.ElementNode:
			text = openingTag(part.Data, part.Attr)
		case html.TextNode:
			if !asWritten {
				text = strings.Join(strings.FieldsFunc(text, isHTMLSpace), " ")
			}
		case html.CommentNode:
			text = "<!--" + text + "-->"
		case html.DoctypeNode:
			text = "<!DOCTYPE " + text + ">"
		}
		if text != "" {
			parts = append(parts, documentPart{depth, text})
		}
	}
	return parts
}

// spacedElements are those whose white space is part of what they say.
var spacedElements = []string{"pre", "textarea", "script", "style"}

// isHTMLSpace reports whether a character is white space of HTML. A no-break space is none.
func isHTMLSpace(r rune) bool { return strings.ContainsRune(" \t\n\f\r", r) }

// openingTag returns the tag that begins an element, with its attributes by name.
func openingTag(name string, attributes []html.Attribute) string {
	sorted := slices.SortedFunc(slices.Values(attributes), func(a, b html.Attribute) int {
		return strings.Compare(a.Key, b.Key)
	})
	tag := "<" + name
	for _, a := range sorted {
		tag += fmt.Sprintf(" %s=%q", a.Key, a.Val)
	}
	return tag + ">"
}
