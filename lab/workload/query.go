package workload

import (
	"errors"
	"fmt"
	"maps"
	"net/http"
	"strconv"
	"strings"

	"runtimelab/lab"
)

// queryRule describes the endpoints that take whole numbers in the query.
type queryRule struct {
	Weight    int             `json:"weight"`
	Endpoints []queryEndpoint `json:"endpoints"`
}

type queryEndpoint struct {
	Path       string      `json:"path"`
	Methods    []string    `json:"methods"` // the first is used most
	Parameters []parameter `json:"parameters"`
}

// parameter is a whole number from Low to High. Requests use at most AtMost, because larger numbers
// would take long, and at least AtLeast, because the answers to smaller ones depend on what else the
// server was asked.
type parameter struct {
	Name    string `json:"name"`
	Low     int64  `json:"low"`
	AtLeast int64  `json:"at_least"` // below Low: Low
	AtMost  int64  `json:"at_most"`
	High    int64  `json:"high"`
}

// smallest returns the smallest number that requests use.
func (p parameter) smallest() int64 { return max(p.Low, p.AtLeast) }

// uploadRule describes the endpoint that takes any bytes.
type uploadRule struct {
	Weight  int     `json:"weight"`
	Request request `json:"request"`
	SizeMax int     `json:"size_max"` // bytes
}

func (r queryRule) check() error {
	if len(r.Endpoints) == 0 {
		return errors.New("endpoints is empty")
	}
	for _, e := range r.Endpoints {
		if e.Path == "" || len(e.Methods) == 0 || len(e.Parameters) == 0 {
			return fmt.Errorf("endpoint %q needs a path, methods and parameters", e.Path)
		}
		for _, p := range e.Parameters {
			if p.Name == "" || p.Low < 0 || p.smallest() > p.AtMost || p.AtMost > p.High {
				return fmt.Errorf("endpoint %s: parameter %q needs a name, 0 <= low <= at_most <= high, and "+
					"at_least <= at_most", e.Path, p.Name)
			}
		}
	}
	return nil
}

func (r uploadRule) check() error {
	if r.SizeMax < 1 {
		return errors.New("size_max must be at least 1")
	}
	return r.Request.check()
}

func (r *queryRule) request(g requestGenerator, valid bool) lab.Request {
	e := r.Endpoints[g.IntN(len(r.Endpoints))]
	made := lab.Request{Method: e.Methods[0], Path: e.Path}
	if g.chance(0.2) {
		made.Method = g.pick(e.Methods...)
	}
	wrong := -1
	if !valid {
		wrong = g.IntN(len(e.Parameters))
	}
	var members []string
	for i, p := range e.Parameters {
		if i == wrong {
			members = append(members, g.wrongParameter(p)...)
		} else {
			members = append(members, g.queryMember(p.Name, g.validNumber(p)))
		}
	}
	for g.chance(0.2) {
		members = append(members, g.unknownParameter(e.Parameters[0].Name))
	}
	g.Shuffle(len(members), func(i, j int) { members[i], members[j] = members[j], members[i] })
	if len(members) > 0 {
		made.Path += "?" + strings.Join(members, g.pick("&", "&", "&", "&&"))
	}
	if made.Method != http.MethodGet && made.Method != http.MethodHead && g.chance(0.3) {
		made.Header, made.Body = map[string]string{"content-type": "application/json"}, []byte("{}")
	}
	return made
}

// validNumber returns a number that requests use, often at or near an end.
func (g requestGenerator) validNumber(p parameter) string {
	low := p.smallest()
	n := low + g.Int64N(p.AtMost-low+1)
	switch g.IntN(8) {
	case 0:
		n = low
	case 1:
		n = p.AtMost
	case 2:
		n = low + g.Int64N(min(10, p.AtMost-low+1))
	}
	return strconv.FormatInt(n, 10)
}

// queryMember returns "name=value", sometimes with needless percent-encoding.
func (g requestGenerator) queryMember(name, value string) string {
	return g.percentEncode(name, 0.02) + "=" + g.percentEncode(value, 0.05)
}

// percentEncode encodes the characters that a query cannot hold, and each other
// character with the probability needless.
func (g requestGenerator) percentEncode(text string, needless float64) string {
	var out strings.Builder
	for _, c := range []byte(text) {
		switch {
		case !strings.ContainsRune("+-._", rune(c)) && !isAlphanumeric(c), g.chance(needless):
			fmt.Fprintf(&out, g.pick("%%%02x", "%%%02X"), c)
		default:
			out.WriteByte(c)
		}
	}
	return out.String()
}

func isAlphanumeric(c byte) bool {
	return '0' <= c && c <= '9' || 'a' <= c && c <= 'z' || 'A' <= c && c <= 'Z'
}

// unknownParameter returns a parameter that no endpoint knows. Some resemble name.
func (g requestGenerator) unknownParameter(name string) string {
	return g.pick(
		"x=1", "x", "x=", "=", "=1", "x=%ff", "x=%00", "%=%", "x=%zz", "x=1=2", "x=a;b",
		"__proto__=1", "constructor=1", "length=1", "toString",
		strings.ToUpper(name)+"=1", name+"%20=1", "%20"+name+"=1", name+"%00=1", name+"%5B%5D=1",
		name+"%5B0%5D=1", name+".x=1", "%25"+name+"=1",
	)
}

// wrongParameter returns what to send in place of a valid parameter: nothing, a
// number out of range, or text that is not a whole number as the contract defines it.
func (g requestGenerator) wrongParameter(p parameter) []string {
	digits := g.validNumber(p)
	switch g.IntN(6) {
	case 0:
		return nil
	case 1:
		return []string{g.percentEncode(p.Name, 0.02)}
	case 2:
		return []string{g.queryMember(p.Name, strconv.FormatInt(p.High+1+g.Int64N(10), 10))}
	case 3:
		return []string{g.queryMember(p.Name, strconv.FormatInt(p.Low-1, 10))}
	}
	at := g.IntN(len(digits) + 1)
	return []string{g.queryMember(p.Name, g.pick(
		"", "-1", "-0", "00", "+"+digits, "-"+digits, "0"+digits, digits+".0", digits+".", "."+digits,
		digits+"e0", digits+"E0", digits+"n", digits+"L",
		"0x"+digits, "0b1", "0o7", "1_0", digits+",0", digits+"="+digits, digits+";", digits+"%",
		" "+digits, digits+" ", "\t"+digits, digits+"\n", "\r\n"+digits, digits+"\x00", "\x00"+digits,
		"\u00a0"+digits, digits+"\u2028", "\ufeff"+digits, digits+"\u200b",
		"\u0663", "\uff13", "\u00b2", "\u2460", "\u0967\u0968", "\U0001d7d9",
		digits[:at]+"\u0660"+digits[at:], digits+"\xff", "\xed\xa0\x80",
		"NaN", "Infinity", "null", "true", "[]", "1/1", "1e400",
		"9007199254740993", "18446744073709551617", "4294967297", "340282366920938463463374607431768211457",
		strings.Repeat("9", 400), strings.Repeat("1", 5000), strings.Repeat("0", 5000)+"1",
	))}
}

func (r *uploadRule) request(g requestGenerator, _ bool) lab.Request {
	size := g.IntN(min(r.SizeMax, 1000) + 1)
	if g.chance(0.2) {
		size = g.IntN(r.SizeMax + 1)
	}
	made := lab.Request{
		Method: r.Request.Method, Path: r.Request.Path, Header: map[string]string{},
		Body: make([]byte, size),
	}
	maps.Copy(made.Header, r.Request.Headers)
	for i := range made.Body {
		made.Body[i] = byte(g.Uint32())
	}
	if g.chance(0.8) {
		made.Header["content-type"] = g.pick(
			"application/octet-stream", "text/plain; charset=utf-16", "application/json", "application/xml",
			"application/x-www-form-urlencoded", "multipart/form-data", "multipart/form-data; boundary=x",
			"image/png", "*/*", "x",
		)
	}
	if g.chance(0.3) {
		made.Header["transfer-encoding"] = "chunked"
	}
	if g.chance(0.2) {
		made.Path += "?" + g.unknownParameter("mib")
	}
	return made
}
