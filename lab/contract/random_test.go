package contract

import (
	"bytes"
	"encoding/json"
	"io"
	"math"
	"reflect"
	"testing"
	"unicode/utf8"
)

func TestRandomIsSeeded(t *testing.T) {
	c := load(t)
	a, b := c.Random(1, 300), c.Random(1, 300)
	if !reflect.DeepEqual(a, b) {
		t.Error("the same seed gives other inputs")
	}
	if reflect.DeepEqual(a, c.Random(2, 300)) {
		t.Error("another seed gives the same inputs")
	}
	if !reflect.DeepEqual(a[:100], c.Random(1, 100)) {
		t.Error("fewer inputs are not the first of more")
	}
	for _, r := range a {
		if r.Method != "POST" || r.Path != "/echo" || r.Header["content-type"] != "application/json" {
			t.Fatalf("asks %v", r)
		}
	}
}

type order struct {
	ID       float64
	Customer string
	Express  bool
	Note     *string
	Items    []struct {
		SKU      string
		Quantity float64
		Cents    float64 `json:"unit_cents"`
	}
}

// isOrder applies the contract's rule in Go's terms. Lone surrogates, which
// encoding/json replaces, and repeated fields of another type, which it
// refuses, are beyond it.
func isOrder(body []byte) bool {
	var o order
	d := json.NewDecoder(bytes.NewReader(body))
	d.DisallowUnknownFields()
	if d.Decode(&o) != nil {
		return false
	}
	if _, err := d.Token(); err != io.EOF {
		return false
	}
	text := func(s string, low, high int) bool {
		n := utf8.RuneCountInString(s)
		return n >= low && n <= high
	}
	number := func(n, low, high float64) bool { return n == math.Trunc(n) && n >= low && n <= high }
	ok := number(o.ID, 0, 1<<53-1) && text(o.Customer, 1, 100) && (o.Note == nil || text(*o.Note, 0, 500)) &&
		len(o.Items) >= 1 && len(o.Items) <= 100
	for _, i := range o.Items {
		ok = ok && text(i.SKU, 1, 64) && number(i.Quantity, 1, 1000) && number(i.Cents, 0, 1e7)
	}
	return ok
}

func TestRandomInputsAreOrdersAndNot(t *testing.T) {
	c := load(t)
	const n = 2000
	share := func(valid float64) float64 {
		c.file.Random.ValidShare = valid
		orders := 0
		for _, r := range c.Random(3, n) {
			if isOrder(r.Body) {
				orders++
			}
		}
		return float64(orders) / n
	}
	// encoding/json refuses fields repeated with another type: a few per cent.
	if s := share(1); s < 0.85 {
		t.Errorf("valid_share 1 gives %v orders", s)
	}
	if s := share(0); s > 0.3 {
		t.Errorf("valid_share 0 gives %v orders", s)
	}
}

// Orders reach the ends of their ranges without being spoilt.
func TestRandomOrdersReachTheBounds(t *testing.T) {
	c := load(t)
	c.file.Random.ValidShare = 1
	var all []byte
	for _, r := range c.Random(5, 500) {
		all = append(append(all, r.Body...), '\n')
	}
	for _, bound := range []string{`"id":9007199254740991`, `"id":0`, `"quantity":1000,`, `"unit_cents":10000000`, `"unit_cents":0`} {
		if !bytes.Contains(all, []byte(bound)) {
			t.Errorf("no order has %s in it", bound)
		}
	}
}

// The inputs reach the corners that parsers differ in.
func TestRandomReachesTheCorners(t *testing.T) {
	var all []byte
	longest := 0
	for _, r := range load(t).Random(4, 2000) {
		all = append(append(all, r.Body...), '\n')
		longest = max(longest, len(r.Body))
	}
	for _, corner := range []string{
		"9007199254740991", "10000000", "NaN", `__proto__`, `\ud83d\u`, "\xed\xa0\x80", "\u2028", "\U0010ffff"[:3], "\xef\xbb\xbf{", ".0", "e0",
		`\u0000`, "1e400", "[[[[[[[[[[", "99999999999999999999",
	} {
		if !bytes.Contains(all, []byte(corner)) {
			t.Errorf("no input has %q in it", corner)
		}
	}
	if longest < 5000 {
		t.Errorf("the longest input has %d bytes", longest)
	}
}
