package workload

import (
	"bytes"
	"encoding/json"
	"io"
	"maps"
	"math"
	"reflect"
	"strings"
	"testing"
	"unicode/utf8"
)

func TestRandomRequestsDependOnlyOnTheSeed(t *testing.T) {
	w := load(t, repository).ByName("stream")
	a, b := w.randomRequests(1, 300), w.randomRequests(1, 300)
	if !reflect.DeepEqual(a, b) {
		t.Error("the same seed gives different inputs")
	}
	if reflect.DeepEqual(a, w.randomRequests(2, 300)) {
		t.Error("another seed gives the same inputs")
	}
	if !reflect.DeepEqual(a[:100], w.randomRequests(1, 100)) {
		t.Error("fewer inputs are not the first of more")
	}
}

// Another workload, or one that is added, changes no input of this one.
func TestInputsOfAWorkloadDoNotDependOnOthers(t *testing.T) {
	alone := checkout(t, minimal)
	texts := maps.Clone(minimal)
	texts["another"] = strings.NewReplacer(`"/q`, `"/another`, `"name": "q"`,
		`"name": "another"`).Replace(texts["work"])
	set := load(t, checkout(t, texts))
	if a, b := load(t,
		alone).ByName("work").RandomRequests(3), set.ByName("work").RandomRequests(3); len(a) != 10 ||
		!reflect.DeepEqual(a, b) {
		t.Errorf("%d inputs, and %d beside another workload", len(a), len(b))
	}
	work, another := set.ByName("work").RandomRequests(3), set.ByName("another").RandomRequests(3)
	for i := range another {
		another[i].Path = strings.Replace(another[i].Path, "/another", "/q", 1)
	}
	if reflect.DeepEqual(work, another) {
		t.Errorf("two workloads have the same inputs: %+v", work)
	}
}

func TestRandomRequestsAreInProportionToTheWeights(t *testing.T) {
	w := load(t, checkout(t, minimal)).ByName("work")
	w.doc.Inputs.Orders.Weight, w.doc.Inputs.Queries.Weight, w.doc.Inputs.Uploads.Weight = 2, 1, 1
	var orders, queries, uploads int
	for _, r := range w.randomRequests(1, 400) {
		switch path := r.PathOnly(); path {
		case "/echo":
			orders++
		case "/u":
			uploads++
		default:
			queries++
		}
	}
	if orders < 150 || orders > 250 || queries < 60 || queries > 140 || uploads < 60 || uploads > 140 {
		t.Errorf("%d orders, %d queries, %d uploads", orders, queries, uploads)
	}
}

func orders(t *testing.T) *Workload { return load(t, repository).ByName("orders") }

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

// isOrder reports whether body is an order by the contract's rule. It is wrong
// about lone surrogates, which encoding/json replaces, and about repeated fields of
// another type, which encoding/json refuses.
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
		len(o.Items) >= 1 && len(o.Items) <= 1000
	for _, i := range o.Items {
		ok = ok && text(i.SKU, 1, 64) && number(i.Quantity, 1, 1000) && number(i.Cents, 0, 1e7)
	}
	return ok
}

func TestRandomOrdersFollowTheValidShare(t *testing.T) {
	w := orders(t)
	const n = 2000
	share := func(valid float64) float64 {
		w.doc.Inputs.ValidShare = valid
		orders := 0
		for _, r := range w.randomRequests(3, n) {
			if isOrder(r.Body) {
				orders++
			}
		}
		return float64(orders) / n
	}
	// A few per cent of the valid orders repeat a field with another type.
	if s := share(1); s < 0.85 {
		t.Errorf("valid_share 1 gives %v orders", s)
	}
	if s := share(0); s > 0.3 {
		t.Errorf("valid_share 0 gives %v orders", s)
	}
}

// Valid orders must reach the ends of their ranges.
func TestRandomOrdersReachTheBounds(t *testing.T) {
	w := orders(t)
	w.doc.Inputs.ValidShare = 1
	var all []byte
	for _, r := range w.randomRequests(5, 500) {
		all = append(append(all, r.Body...), '\n')
	}
	for _, bound := range []string{
		`"id":9007199254740991`, `"id":0`, `"quantity":1000,`,
		`"unit_cents":10000000`, `"unit_cents":0`,
	} {
		if !bytes.Contains(all, []byte(bound)) {
			t.Errorf("no order has %s in it", bound)
		}
	}
}

// The inputs must include what parsers are known to disagree about.
func TestRandomOrdersCoverEdgeCases(t *testing.T) {
	var all []byte
	longest := 0
	for _, r := range orders(t).randomRequests(4, 2000) {
		all = append(append(all, r.Body...), '\n')
		longest = max(longest, len(r.Body))
	}
	for _, corner := range []string{
		"9007199254740991", "10000000", "NaN", `__proto__`, `\ud83d\u`, "\xed\xa0\x80", "\u2028",
		"\U0010ffff"[:3], "\xef\xbb\xbf{", ".0", "e0", `\u0000`, "1e400", "[[[[[[[[[[", "99999999999999999999",
	} {
		if !bytes.Contains(all, []byte(corner)) {
			t.Errorf("no input has %q in it", corner)
		}
	}
	if longest < 5000 {
		t.Errorf("the longest input has %d bytes", longest)
	}
}

// The queries must reach the ends of the parameters' ranges, and include what parsers
// of numbers and queries are known to disagree about.
func TestRandomQueriesCoverEdgeCases(t *testing.T) {
	var all strings.Builder
	methods := map[string]bool{}
	for _, w := range load(t, repository).All() {
		if w.doc.Inputs == nil || w.doc.Inputs.Queries == nil {
			continue
		}
		for _, r := range w.randomRequests(8, 2000) {
			all.WriteString(r.Method + " " + r.Path + "\n")
			methods[r.Method] = true
		}
	}
	for _, corner := range []string{
		"n=1\n", "n=0\n", "n=1000001\n", "n=5000\n", "workers=64&n=", "n=20&workers=", "ms=-1\n", "mib=65\n",
		"GET /wait\n", "n\n", "n=\n", "n=+", "n=%2", "=%20", "%0a\n", "%00\n", "0x", "%d9%a0", "%d9%a3\n",
		"1e400", "18446744073709551617", "n=" + strings.Repeat("9", 30), "%6e=", "&&",
		"__proto__", "N=1", "n%5B%5D=1",
	} {
		if !strings.Contains(strings.ToLower(all.String()), strings.ToLower(corner)) {
			t.Errorf("no input has %q in it", corner)
		}
	}
	for _, method := range []string{"GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS"} {
		if !methods[method] {
			t.Errorf("no request has the method %s", method)
		}
	}
}

func TestRandomUploadsCoverEdgeCases(t *testing.T) {
	w := load(t, repository).ByName("stream")
	w.doc.Inputs.Queries = nil
	var chunked, typeless, empty, large int
	for _, r := range w.randomRequests(9, 500) {
		if r.Method != "POST" || !strings.HasPrefix(r.Path, "/stream") || len(r.Body) > 262144 {
			t.Fatalf("unexpected request: %s %s with %d bytes", r.Method, r.Path, len(r.Body))
		}
		if r.Header["transfer-encoding"] == "chunked" {
			chunked++
		}
		if r.Header["content-type"] == "" {
			typeless++
		}
		if len(r.Body) < 10 {
			empty++
		}
		if len(r.Body) > 200000 {
			large++
		}
	}
	if min(chunked, typeless, empty, large) == 0 {
		t.Errorf("%d chunked, %d without a type, %d nearly empty, %d large", chunked, typeless, empty, large)
	}
}
