package contract

import (
	"bytes"
	"fmt"
	"maps"
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

// partAt returns a part of a document, for a message.
func partAt(parts []string, at int) string {
	if at == len(parts) {
		return "(the end)"
	}
	return message.Excerpt([]byte(parts[at]), 0)
}

// documentParts returns the parts of a document in order: the beginning and the end of each element,
// texts, comments and the doctype. The parser reads any bytes, as browsers do.
func documentParts(body []byte) (parts []string) {
	root, err := html.Parse(bytes.NewReader(body))
	if err != nil { // of the reader only
		return []string{err.Error()}
	}
	var add func(n *html.Node, asWritten bool)
	add = func(n *html.Node, asWritten bool) {
		switch n.Type {
		case html.ElementNode:
			parts = append(parts, openingTag(n))
			asWritten = asWritten || slices.Contains(spacedElements, n.Data)
		case html.TextNode:
			text := n.Data
			if !asWritten {
				text = strings.Join(strings.FieldsFunc(text, isHTMLSpace), " ")
			}
			if text != "" {
				parts = append(parts, text)
			}
		case html.CommentNode:
			parts = append(parts, "<!--"+n.Data+"-->")
		case html.DoctypeNode:
			parts = append(parts, "<!DOCTYPE "+n.Data+">")
		}
		for child := n.FirstChild; child != nil; child = child.NextSibling {
			add(child, asWritten)
		}
		if n.Type == html.ElementNode {
			parts = append(parts, "</"+n.Data+">")
		}
	}
	add(root, false)
	return parts
}

// spacedElements are those whose white space is part of what they say.
var spacedElements = []string{"pre", "textarea", "script", "style"}

// isHTMLSpace reports whether a character is white space of HTML. A no-break space is none.
func isHTMLSpace(r rune) bool { return strings.ContainsRune(" \t\n\f\r", r) }

func openingTag(n *html.Node) string {
	attributes := map[string]string{}
	for _, a := range n.Attr {
		attributes[a.Key] = a.Val
	}
	tag := "<" + n.Data
	for _, name := range slices.Sorted(maps.Keys(attributes)) {
		tag += fmt.Sprintf(" %s=%q", name, attributes[name])
	}
	return tag + ">"
}
