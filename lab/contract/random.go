package contract

import (
	"errors"
	"fmt"
	"maps"
	"math/rand/v2"
	"slices"
	"strconv"
	"strings"

	"runtimelab/lab"
)

// randomRule says how many of what inputs there are: weights are shares of
// their sum.
type randomRule struct {
	About      string     `json:"about"`
	ValidShare float64    `json:"valid_share"` // part of the inputs with nothing wrong, 0 to 1
	Orders     orderRule  `json:"orders"`
	Queries    queryRule  `json:"queries"`
	Uploads    uploadRule `json:"uploads"`
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

func (r randomRule) check() error {
	weights := []int{r.Orders.Weight, r.Queries.Weight, r.Uploads.Weight}
	if slices.Min(weights) < 0 || slices.Max(weights) < 1 {
		return errors.New("random: weights are not negative, and one is at least 1")
	}
	if r.ValidShare < 0 || r.ValidShare > 1 {
		return fmt.Errorf("random: valid_share is from 0 to 1, and not %v", r.ValidShare)
	}
	if err := r.Orders.check(); err != nil {
		return fmt.Errorf("random: orders: %w", err)
	}
	if err := r.Queries.check(); err != nil {
		return fmt.Errorf("random: queries: %w", err)
	}
	if err := r.Uploads.check(); err != nil {
		return fmt.Errorf("random: uploads: %w", err)
	}
	return nil
}

func (r orderRule) check() error {
	b := r.Bounds
	if min(b.ID, int64(b.Customer), int64(b.Note), int64(b.SKU), int64(b.Items), b.Quantity, b.UnitCents) < 1 {
		return errors.New("every bound is at least 1")
	}
	return r.Request.check()
}

func (r request) check() error {
	switch {
	case r.Method == "" || r.Path == "":
		return errors.New("the request needs a method and a path")
	case r.body != body{}:
		return errors.New("the request's body is random")
	}
	return nil
}

// RandomRequests is n inputs, the same for the same seed: orders, queries and uploads
// at and within their bounds, spelt in unusual ways, and such with something
// wrong. What they should be answered is not known; Compare finds where two
// variants do not agree.
func (c *Contract) RandomRequests(seed uint64, n int) []lab.Request {
	rule := c.file.Random
	w := requestGenerator{Rand: rand.New(rand.NewPCG(seed, 0)), bounds: rule.Orders.Bounds}
	requests := make([]lab.Request, n)
	for i := range requests {
		requests[i] = w.randomRequest(rule)
	}
	return requests
}

func (w requestGenerator) randomRequest(rule randomRule) lab.Request {
	valid := w.chance(rule.ValidShare)
	pick := w.IntN(rule.Orders.Weight + rule.Queries.Weight + rule.Uploads.Weight)
	if pick -= rule.Orders.Weight; pick < 0 {
		return w.orderRequest(rule.Orders, valid)
	}
	if pick -= rule.Queries.Weight; pick < 0 {
		return w.queryRequest(rule.Queries, valid)
	}
	return w.uploadRequest(rule.Uploads)
}

func (w requestGenerator) orderRequest(rule orderRule, valid bool) lab.Request {
	text := w.orderJSON(rule.Bounds)
	if !valid {
		text = w.corrupt(text)
	}
	return lab.Request{
		Method: rule.Request.Method,
		Path:   rule.Request.Path,
		Header: maps.Clone(rule.Request.Headers),
		Body:   []byte(text),
	}
}

// requestGenerator writes random requests.
type requestGenerator struct {
	*rand.Rand
	bounds bounds // of an order
}

func (w requestGenerator) chance(p float64) bool { return w.Float64() < p }

func (w requestGenerator) pick(texts ...string) string { return texts[w.IntN(len(texts))] }

func (w requestGenerator) orderJSON(b bounds) string {
	count := 1 + w.IntN(min(4, b.Items))
	if w.chance(0.05) {
		count = b.Items - w.IntN(2)*w.IntN(b.Items)
	}
	items := make([]string, max(1, count))
	for i := range items {
		items[i] = w.object(
			"sku", w.text(1, b.SKU),
			"quantity", w.integer(1, b.Quantity),
			"unit_cents", w.integer(0, b.UnitCents),
		)
	}
	note := "null"
	if w.chance(0.6) {
		note = w.text(0, b.Note)
	}
	return w.whitespace() + w.object(
		"id", w.integer(0, b.ID),
		"customer", w.text(1, b.Customer),
		"express", w.pick("true", "false"),
		"note", note,
		"items", "["+strings.Join(items, w.whitespace()+","+w.whitespace())+"]",
	) + w.whitespace()
}

// object writes names and values, given in turn, in any order.
func (w requestGenerator) object(pairs ...string) string {
	members := make([]string, 0, len(pairs)/2+1)
	for _, i := range w.Perm(len(pairs) / 2) {
		name, value := pairs[2*i], pairs[2*i+1]
		if w.chance(0.01) {
			members = append(members, `"`+name+`":`+w.pick("null", "[]", `"x"`, "0", "1e400"))
		}
		if w.chance(0.02) {
			name = fmt.Sprintf(`\u%04x`, name[0]) + name[1:]
		}
		members = append(members, `"`+name+`"`+w.whitespace()+":"+w.whitespace()+value)
	}
	return "{" + w.whitespace() + strings.Join(members, w.whitespace()+","+w.whitespace()) + w.whitespace() + "}"
}

// whitespace is white space of JSON, mostly none.
func (w requestGenerator) whitespace() string {
	if w.chance(0.9) {
		return ""
	}
	return w.pick(" ", "\n", "\t", "\r\n", "   ")
}

// integer is often at an end of its range, and sometimes spelt as a fraction
// or with an exponent.
func (w requestGenerator) integer(low, high int64) string {
	n := low + w.Int64N(high-low+1)
	switch w.IntN(8) {
	case 0:
		n = low
	case 1:
		n = high
	case 2:
		n = low + w.Int64N(min(10, high-low+1))
	}
	digits := strconv.FormatInt(n, 10)
	if w.chance(0.95) {
		return digits
	}
	return w.pick(digits+".0", digits+"e0", digits+"E+00", digits+"00e-2", digits+".0000000000000000000001",
		digits+"000.0E-3")
}

// text is a JSON string of low to high code points, mostly short.
func (w requestGenerator) text(low, high int) string {
	length := low + w.IntN(min(high, 20)-low+1)
	if w.chance(0.05) {
		length = high
	}
	var text strings.Builder
	text.WriteByte('"')
	plain := w.chance(0.5)
	for range length {
		text.WriteString(w.character(plain))
	}
	text.WriteByte('"')
	return text.String()
}

// alphabets are ranges of code points, ends included, none with surrogates.
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
	{
		0x10ff00,
		0x10ffff,
	},
}

// character is one code point inside a JSON string, raw or escaped.
func (w requestGenerator) character(plain bool) string {
	if plain {
		return string(rune('a' + w.IntN(26)))
	}
	a := alphabets[w.IntN(len(alphabets))]
	r := a[0] + w.Int32N(a[1]-a[0]+1)
	if short := strings.IndexRune("\"\\/\b\f\n\r\t", r); short >= 0 && w.chance(0.5) {
		return `\` + string(`"\/bfnrt`[short])
	}
	if r < 0x20 || r == '"' || r == '\\' || w.chance(0.3) {
		return escaped(r, w.chance(0.5))
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

// corrupt does one thing to an order that makes it, mostly, none.
func (w requestGenerator) corrupt(text string) string {
	at := w.IntN(len(text))
	switch w.IntN(8) {
	case 0: // cut short
		return text[:at]
	case 1: // one byte becomes any other
		return text[:at] + string([]byte{byte(w.IntN(256))}) + text[at+1:]
	case 2: // something is put in
		return text[:at] + w.hostileText() + text[at:]
	case 3: // something goes
		return text[:at] + text[min(len(text), at+1+w.IntN(8)):]
	case 4: // the largest values are a little too large
		larger := w.bounds
		larger.ID, larger.Customer, larger.Note, larger.SKU = larger.ID+2, larger.Customer+1, larger.Note+1, larger.SKU+1
		larger.Items, larger.Quantity, larger.UnitCents = larger.Items+1, larger.Quantity+1, larger.UnitCents+1
		return w.orderJSON(larger)
	case 5: // a value becomes another
		return w.replaceValue(text)
	case 6: // an unknown field
		return strings.Replace(text, "{", `{"`+w.pick("x", "__proto__", "constructor", "length", "toString",
			"")+`":`+w.hostileText()+",", 1+w.IntN(2))
	default: // something before or after
		return w.pick("\xef\xbb\xbf", "", "\u00a0", "\x00", w.hostileText()) + text + w.pick("", "x", "\x00", "}",
			w.hostileText())
	}
}

// replaceValue puts something else in the place of what follows a colon.
func (w requestGenerator) replaceValue(text string) string {
	colons := strings.Count(text, ":")
	if colons == 0 {
		return w.hostileText()
	}
	from := 0
	for range 1 + w.IntN(colons) {
		from += strings.IndexByte(text[from:], ':') + 1
	}
	length := strings.IndexAny(text[from:], ",}")
	if length < 0 {
		length = 0
	}
	return text[:from] + w.hostileText() + text[from+length:]
}

// hostileText is a piece of text that parsers are known to disagree about.
func (w requestGenerator) hostileText() string {
	return w.pick(
		"null", "true", "false", "0", "-0", "-0.0", "1.5", "-1", "1e400", "-1e400", "1e-400", "5e-324",
		"9007199254740991", "9007199254740992", "9007199254740993", "18446744073709551616", "0.1e1", "1e", "1.", ".5", "+1", "01", "0x1", "1_000",
		"NaN", "Infinity", "-Infinity", "nan", "undefined", "True", "None", "''",
		`"\ud800"`, `"\udc00\ud800"`, `"\ud83d\ud83d\ude00"`, `\ud800`, `\u0000`, `\u00`, `\x41`, `"\`, `\`, `"`,
		"\x80", "\xc0\xaf", "\xed\xa0\x80", "\xf4\x90\x80\x80", "\xe2\x82", "\xff", "\u2028", "\u00a0", "\ufeff", "\x00", "\x1f", "\x7f",
		"{}", "[]", "[[]]", "{", "}", "[", "]", ",", ":", "//", "/**/", `"id":1,`, `"__proto__":{},`,
		strings.Repeat("[", 100), strings.Repeat("9", 400), strings.Repeat(`{"a":`, 50),
	)
}
