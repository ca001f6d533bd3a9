package contract

import (
	"strings"
	"testing"

	"runtimelab/lab"
)

// page answers with an HTML body.
func page(body string) lab.Answer {
	return lab.Answer{
		Status: 200, Header: map[string]string{"content-type": "text/html; charset=utf-8"},
		Body: []byte(body),
	}
}

const listPage = `<!DOCTYPE html><html><body class="a" title="x &amp; &quot;y&quot;"><ul>` +
	`<li>a &lt;b&gt; c</li><li>für</li></ul><pre>a  b</pre></body></html>`

func compareDocuments(a, b string) []Difference {
	return CompareAnswers([]lab.Request{{Method: "GET", Path: "/page"}}, nil, []lab.Answer{page(a)},
		[]lab.Answer{page(b)}, "one", "other")
}

func TestDocumentsAreAlikeHoweverTheyAreWritten(t *testing.T) {
	for name, r := range map[string]*strings.Replacer{
		"white space between elements": strings.NewReplacer("<li>", "\n  <li>", "</ul>", "\n</ul> "),
		"white space in a text":        strings.NewReplacer("a &lt;b", "\n a  &lt;b"),
		"another escape":               strings.NewReplacer("&lt;", "&#60;", "&quot;", "&#x22;", "&amp;", "&#38;"),
		"the order of attributes":      strings.NewReplacer(`class="a" `, "", `&quot;">`, `&quot;" class="a">`),
		"end tags that may be missing": strings.NewReplacer("</li>", "", "</body></html>", ""),
	} {
		if other := r.Replace(listPage); other == listPage {
			t.Errorf("%s: nothing is replaced", name)
		} else if found := compareDocuments(listPage, other); len(found) > 0 {
			t.Errorf("%s: %v", name, found)
		}
	}
}

func TestDocumentsDiffer(t *testing.T) {
	for name, c := range map[string]struct {
		replace *strings.Replacer
		want    string
	}{
		"a text that is not escaped":    {strings.NewReplacer("&lt;b&gt;", "<b>"), "-a <b> c"},
		"escaped twice":                 {strings.NewReplacer("&lt;", "&amp;lt;"), "+a &lt;b> c"},
		"an attribute that is not":      {strings.NewReplacer("&quot;", `"`), "+<body class="},
		"a missing element":             {strings.NewReplacer("<li>für</li>", ""), "+<pre>"},
		"another text":                  {strings.NewReplacer("für", "fur"), "+fur"},
		"a no-break space":              {strings.NewReplacer(" c<", "&nbsp;c<"), "differs at part"},
		"white space that is preserved": {strings.NewReplacer("a  b", "a b"), "+a b"},
		"a comment":                     {strings.NewReplacer("<ul>", "<!--x--><ul>"), "+<!--x-->"},
		"no doctype":                    {strings.NewReplacer("<!DOCTYPE html>", ""), "-<!DOCTYPE html>"},
		"a shorter document":            {strings.NewReplacer("<pre>a  b</pre>", ""), "differs at part"},
	} {
		found := compareDocuments(listPage, c.replace.Replace(listPage))
		if len(found) != 1 || !strings.Contains(found[0].String(), c.want) {
			t.Errorf("%s: %v, want %q", name, found, c.want)
		}
	}
}

// A body that is no document is compared byte for byte, also with one that is.
func TestOnlyDocumentsAreComparedAsDocuments(t *testing.T) {
	text := page(" <p>")
	text.Header = map[string]string{"content-type": "text/plain"}
	found := CompareAnswers([]lab.Request{{}}, nil, []lab.Answer{page("<p>")}, []lab.Answer{text}, "a", "b")
	if len(found) != 2 || !strings.Contains(found[1].What, "body differs at byte 0") {
		t.Errorf("%v", found)
	}
}

// The shop's checks find what its pages and orders may get wrong.
func TestTheShopsVectorsFindWrongAnswers(t *testing.T) {
	for vector, replace := range map[string][2]string{
		"shop-page-escaped":                  {"&lt;zinc&gt;", "<zinc>"},
		"shop-product-after":                 {`"stock":`, `"stock":1`},
		"shop-order":                         {`"quantity": 2`, `"quantity": 3`},
		"shop-order-out-of-stock":            {"99915", "99916"},
		"shop-category":                      {`{"id":`, `{"id":1`},
		"shop-product-after-refusal":         {`"stock":1`, `"stock":2`},
		"shop-order-ten-lines":               {`"lines": [{`, `"lines": [{},{`},
		"shop-product-after-two":             {"99010", "99011"},
		"shop-order-last":                    {`"customer": 12`, `"customer": 13`},
		"shop-order-no-product-among-others": {"no such product", "no such customer"},
	} {
		v := vectorNamed(t, vector)
		got := expectedAnswer(v)
		got.Body = []byte(strings.ReplaceAll(string(got.Body), replace[0], replace[1]))
		if found := CheckAnswer(v, got); len(found) == 0 {
			t.Errorf("%s: %q in place of %q is not found", vector, replace[1], replace[0])
		}
	}
	order := vectorNamed(t, "shop-order")
	got := expectedAnswer(order)
	got.Body = []byte(strings.Replace(string(got.Body), "{", `{"order":3001,`, 1))
	if found := CheckAnswer(order, got); len(found) > 0 {
		t.Errorf("a number that the vector does not know: %v", found)
	}
}
