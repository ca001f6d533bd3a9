package workload

import (
	"errors"
	"fmt"
	"hash/fnv"
	"maps"
	"math/rand/v2"
	"strconv"
	"strings"

	"runtimelab/lab"
)

// inputRule describes the seeded inputs of a workload. The weights are in proportion to the
// number of inputs of each kind that is given.
type inputRule struct {
	About      string      `json:"about"`
	Count      int         `json:"count"`       // that a variant is sent
	ValidShare float64     `json:"valid_share"` // fraction of the inputs that are valid, 0 to 1
	Orders     *orderRule  `json:"orders"`
	Queries    *queryRule  `json:"queries"`
	Uploads    *uploadRule `json:"uploads"`
}

type orderRule struct {
	Weight  int     `json:"weight"`
	Request request `json:"request"`
	Bounds  bounds  `json:"bounds"`
}

// bounds are an order's largest values; lengths count code points.
type bounds struct {
	ID        int64 `json:"id_max"`
	Customer  int   `json:"customer_max"`
	Note      int   `json:"note_max"`
	SKU       int   `json:"sku_max"`
	Items     int   `json:"items_max"`
	Quantity  int64 `json:"quantity_max"`
	UnitCents int64 `json:"unit_cents_max"`
}

// maxInputs limits the inputs of a workload: every variant answers them before every run.
const maxInputs = 10_000

// kind is one kind of seeded inputs.
type kind struct {
	name    string
	weight  int
	check   func() error
	request func(g requestGenerator, valid bool) lab.Request
}

// kinds returns the kinds that the rule gives, in a fixed order.
func (r inputRule) kinds() (given []kind) {
	if o := r.Orders; o != nil {
		given = append(given, kind{"orders", o.Weight, o.check, o.request})
	}
	if q := r.Queries; q != nil {
		given = append(given, kind{"queries", q.Weight, q.check, q.request})
	}
	if u := r.Uploads; u != nil {
		given = append(given, kind{"uploads", u.Weight, u.check, u.request})
	}
	return given
}

func (r inputRule) check() error {
	switch kinds := r.kinds(); {
	case r.Count < 1 || r.Count > maxInputs:
		return fmt.Errorf("count is %d, want 1 to %d", r.Count, maxInputs)
	case r.ValidShare < 0 || r.ValidShare > 1:
		return fmt.Errorf("valid_share is %v, want 0 to 1", r.ValidShare)
	case len(kinds) == 0:
		return errors.New("there are neither orders nor queries nor uploads")
	default:
		for _, k := range kinds {
			if k.weight < 1 {
				return fmt.Errorf("%s: weight is %d, want at least 1", k.name, k.weight)
			}
			if err := k.check(); err != nil {
				return fmt.Errorf("%s: %w", k.name, err)
			}
		}
	}
	return nil
}

func (r orderRule) check() error {
	b := r.Bounds
	if min(b.ID, int64(b.Customer), int64(b.Note), int64(b.SKU), int64(b.Items), b.Quantity, b.UnitCents) < 1 {
		return errors.New("every bound must be at least 1")
	}
	return r.Request.check()
}

func (r request) check() error {
	switch {
	case r.Method == "" || r.Path == "":
		return errors.New("the request needs a method and a path")
	case r.body != body{}:
		return errors.New("the request has a body, but bodies are random")
	}
	return nil
}

// RandomRequests returns the seeded inputs, which depend on the seed and on this workload only:
// orders, queries and uploads, at and within their bounds, in unusual notation, or invalid. Their
// right answers are unknown; where two variants disagree, one of them is wrong.
func (w *Workload) RandomRequests(seed uint64) []lab.Request {
	if w.doc.Inputs == nil {
		return nil
	}
	return w.randomRequests(seed, w.doc.Inputs.Count)
}

func (w *Workload) randomRequests(seed uint64, n int) []lab.Request {
	name := fnv.New64a()
	name.Write([]byte(w.Name))
	g := requestGenerator{Rand: rand.New(rand.NewPCG(seed, name.Sum64()))}
	kinds := w.doc.Inputs.kinds()
	sum := 0
	for _, k := range kinds {
		sum += k.weight
	}
	requests := make([]lab.Request, n)
	for i := range requests {
		valid := g.chance(w.doc.Inputs.ValidShare)
		at := g.IntN(sum)
		for _, k := range kinds {
			if at -= k.weight; at < 0 {
				requests[i] = k.request(g, valid)
				break
			}
		}
	}
	return requests
}

func (r *orderRule) request(g requestGenerator, valid bool) lab.Request {
	g.bounds = r.Bounds
	text := g.orderJSON(r.Bounds)
	if !valid {
		text = g.corrupt(text)
	}
	return lab.Request{
		Method: r.Request.Method,
		Path:   r.Request.Path,
		Header: maps.Clone(r.Request.Headers),
		Body:   []byte(text),
	}
}

// requestGenerator writes random requests.
type requestGenerator struct {
	*rand.Rand
	bounds bounds // of an order
}

func (g requestGenerator) chance(p float64) bool { return g.Float64() < p }

func (g requestGenerator) pick(texts ...string) string { return texts[g.IntN(len(texts))] }

func (g requestGenerator) orderJSON(b bounds) string {
	count := 1 + g.IntN(min(4, b.Items))
	if g.chance(0.05) {
		count = b.Items - g.IntN(2)*g.IntN(b.Items)
	}
	items := make([]string, max(1, count))
	for i := range items {
		items[i] = g.object(
			"sku", g.text(1, b.SKU),
			"quantity", g.integer(1, b.Quantity),
			"unit_cents", g.integer(0, b.UnitCents),
		)
	}
	note := "null"
	if g.chance(0.6) {
		note = g.text(0, b.Note)
	}
	return g.whitespace() + g.object(
		"id", g.integer(0, b.ID),
		"customer", g.text(1, b.Customer),
		"express", g.pick("true", "false"),
		"note", note,
		"items", "["+strings.Join(items, g.whitespace()+","+g.whitespace())+"]",
	) + g.whitespace()
}

// object returns a JSON object of names and values, given in turn, in random order.
func (g requestGenerator) object(pairs ...string) string {
	members := make([]string, 0, len(pairs)/2+1)
	for _, i := range g.Perm(len(pairs) / 2) {
		name, value := pairs[2*i], pairs[2*i+1]
		if g.chance(0.01) {
			members = append(members, `"`+name+`":`+g.pick("null", "[]", `"x"`, "0", "1e400"))
		}
		if g.chance(0.02) {
			name = fmt.Sprintf(`\u%04x`, name[0]) + name[1:]
		}
		members = append(members, `"`+name+`"`+g.whitespace()+":"+g.whitespace()+value)
	}
	return "{" + g.whitespace() + strings.Join(members, g.whitespace()+","+g.whitespace()) + g.whitespace() + "}"
}

// whitespace returns white space of JSON, mostly none.
func (g requestGenerator) whitespace() string {
	if g.chance(0.9) {
		return ""
	}
	return g.pick(" ", "\n", "\t", "\r\n", "   ")
}

// integer returns a whole number, often at an end of its range, and sometimes
// written with a fraction or an exponent.
func (g requestGenerator) integer(low, high int64) string {
	n := low + g.Int64N(high-low+1)
	switch g.IntN(8) {
	case 0:
		n = low
	case 1:
		n = high
	case 2:
		n = low + g.Int64N(min(10, high-low+1))
	}
	digits := strconv.FormatInt(n, 10)
	if g.chance(0.95) {
		return digits
	}
	return g.pick(digits+".0", digits+"e0", digits+"E+00", digits+"00e-2", digits+".0000000000000000000001",
		digits+"000.0E-3")
}

// text returns a JSON string of low to high code points, mostly short.
func (g requestGenerator) text(low, high int) string {
	length := low + g.IntN(min(high, 20)-low+1)
	if g.chance(0.05) {
		length = high
	}
	var text strings.Builder
	text.WriteByte('"')
	plain := g.chance(0.5)
	for range length {
		text.WriteString(g.character(plain))
	}
	text.WriteByte('"')
	return text.String()
}

// alphabets lists ranges of code points, ends included, without surrogates.
var alphabets = [][2]rune{
	{0x00, 0x1f},
	{0x20, 0x7f},
	{0x80, 0xff},
	{0x300, 0x36f},
	{0x400, 0x4ff},
	{0x2000, 0x206f},
	{0x4e00, 0x9fff},
	{0xd700, 0xd7ff},
	{0xe000, 0xe0ff},
	{0xfff0, 0xffff},
	{0x1f600, 0x1f64f},
	{0x10ff00, 0x10ffff},
}

// character returns one code point for a JSON string, raw or escaped.
func (g requestGenerator) character(plain bool) string {
	if plain {
		return string(rune('a' + g.IntN(26)))
	}
	a := alphabets[g.IntN(len(alphabets))]
	r := a[0] + g.Int32N(a[1]-a[0]+1)
	if short := strings.IndexRune("\"\\/\b\f\n\r\t", r); short >= 0 && g.chance(0.5) {
		return `\` + string(`"\/bfnrt`[short])
	}
	if r < 0x20 || r == '"' || r == '\\' || g.chance(0.3) {
		return escaped(r, g.chance(0.5))
	}
	return string(r)
}

func escaped(r rune, capital bool) string {
	form := `\u%04x`
	if capital {
		form = `\u%04X`
	}
	if r <= 0xffff {
		return fmt.Sprintf(form, r)
	}
	r -= 0x10000
	return fmt.Sprintf(form+form, 0xd800+r>>10, 0xdc00+r&0x3ff)
}

// corrupt makes one change to an order, which usually makes it invalid.
func (g requestGenerator) corrupt(text string) string {
	at := g.IntN(len(text))
	switch g.IntN(8) {
	case 0: // cut short
		return text[:at]
	case 1: // one byte becomes any other
		return text[:at] + string([]byte{byte(g.IntN(256))}) + text[at+1:]
	case 2: // text is inserted
		return text[:at] + g.hostileText() + text[at:]
	case 3: // bytes are removed
		return text[:at] + text[min(len(text), at+1+g.IntN(8)):]
	case 4: // the largest values are a little too large
		larger := g.bounds
		larger.ID += 2
		larger.Customer++
		larger.Note++
		larger.SKU++
		larger.Items++
		larger.Quantity++
		larger.UnitCents++
		return g.orderJSON(larger)
	case 5: // a value is replaced
		return g.replaceValue(text)
	case 6: // an unknown field
		name := g.pick("x", "__proto__", "constructor", "length", "toString", "")
		return strings.Replace(text, "{", `{"`+name+`":`+g.hostileText()+",", 1+g.IntN(2))
	default: // text before or after
		return g.pick("\xef\xbb\xbf", "", "\u00a0", "\x00", g.hostileText()) + text +
			g.pick("", "x", "\x00", "}", g.hostileText())
	}
}

// replaceValue replaces the text between a random colon and the next comma or brace.
func (g requestGenerator) replaceValue(text string) string {
	colons := strings.Count(text, ":")
	if colons == 0 {
		return g.hostileText()
	}
	from := 0
	for range 1 + g.IntN(colons) {
		from += strings.IndexByte(text[from:], ':') + 1
	}
	length := strings.IndexAny(text[from:], ",}")
	if length < 0 {
		length = 0
	}
	return text[:from] + g.hostileText() + text[from+length:]
}

// hostileText returns text that parsers are known to disagree about.
func (g requestGenerator) hostileText() string {
	return g.pick(
		"null", "true", "false", "0", "-0", "-0.0", "1.5", "-1", "1e400", "-1e400", "1e-400", "5e-324",
		"9007199254740991", "9007199254740992", "9007199254740993", "18446744073709551616",
		"0.1e1", "1e", "1.", ".5", "+1", "01", "0x1", "1_000",
		"NaN", "Infinity", "-Infinity", "nan", "undefined", "True", "None", "''",
		`"\ud800"`, `"\udc00\ud800"`, `"\ud83d\ud83d\ude00"`, `\ud800`, `\u0000`, `\u00`, `\x41`, `"\`, `\`, `"`,
		"\x80", "\xc0\xaf", "\xed\xa0\x80", "\xf4\x90\x80\x80", "\xe2\x82", "\xff", "\u2028", "\u00a0",
		"\ufeff", "\x00", "\x1f", "\x7f",
		"{}", "[]", "[[]]", "{", "}", "[", "]", ",", ":", "//", "/**/", `"id":1,`, `"__proto__":{},`,
		strings.Repeat("[", 100), strings.Repeat("9", 400), strings.Repeat(`{"a":`, 50),
	)
}
