package expect

import (
	"encoding/json"
	"fmt"
	"slices"
	"strings"
	"testing"

	"pgregory.net/rapid"
)

func newMatcher(t testing.TB, want string) *Matcher {
	t.Helper()
	m, err := NewMatcher([]byte(want))
	if err != nil {
		t.Fatal(err)
	}
	return m
}

// Bodies that a Matcher must take or refuse; Check must agree, which explains them.
var matched = map[string][]struct {
	body string
	same bool
}{
	`{"id":7,"status":"ok"}`: {
		{`{"id":7,"status":"ok"}`, true},
		{` { "at" : "12:30:01", "status" : "ok" , "id" : 7 } ` + "\n", true},
		{`{"id":7.0,"status":"o\u006b"}`, true},
		{`{"id":70e-1,"status":"ok","more":{"a":[1,{"b":null}],"c":true}}`, true},
		{`{"id":"7","status":"ok"}`, false},
		{`{"id":8,"status":"ok"}`, false},
		{`{"id":7}`, false},
		{`{"id":7,"status":"ok "}`, false},
		{`{"id":7,"Status":"ok"}`, false},
		{`{"id":8,"status":"ok","id":7}`, true}, // the last one counts
		{`{"id":7,"status":"ok","id":8}`, false},
		{`[{"id":7,"status":"ok"}]`, false},
		{`{"id":7,"status":"ok"}}`, false},
		{`{"id":7,"status":"ok"`, false},
		{`{"id":7,"status":"ok",}`, false},
		{`{"id":7,"status":"ok","x":tru}`, false},
		{`{"id":7,"status":"ok","x":01}`, false},
		{`{"id":7,"status":"ok","x":"` + "\n" + `"}`, false},
		{`{"id":7,"status":"ok","x":"\u12g4"}`, false},
		{`{"id":7,"status":"ok","x":"` + "\xff" + `"}`, false},
		{``, false},
	},
	`{"items":[{"sku":"nut"},{"sku":"bolt"}],"none":null,"paid":false}`: {
		{`{"paid":false,"none":null,"items":[{"sku":"nut","n":1},{"n":2,"sku":"bolt"}]}`, true},
		{`{"paid":false,"none":null,"items":[{"sku":"bolt"},{"sku":"nut"}]}`, false},
		{`{"paid":false,"none":null,"items":[{"sku":"nut"},{"sku":"bolt"},{}]}`, false},
		{`{"paid":false,"none":null,"items":[{"sku":"nut"}]}`, false},
		{`{"paid":false,"none":0,"items":[{"sku":"nut"},{"sku":"bolt"}]}`, false},
		{`{"paid":null,"none":null,"items":[{"sku":"nut"},{"sku":"bolt"}]}`, false},
		{`{"paid":false,"items":[{"sku":"nut"},{"sku":"bolt"}]}`, false},
	},
	`"Ä\"\\/ \ud83d\ude00"`: {
		{`"Ä\"\\\/ ` + "\U0001f600" + `"`, true},
		{`"\u00c4\u0022\u005C/ \uD83D\uDE00"`, true},
		{`"Ä\"\\/ \ud83d"`, false},
	},
	`12.5`: {{`12.5`, true}, {`1.25e1`, true}, {`12.50001`, false}, {`-12.5`, false}, {`1e999`, false}},
	`-0`:   {{`0`, true}, {`-0.0`, true}, {`-`, false}},
	`[]`:   {{`[ ]`, true}, {`[1]`, false}, {`{}`, false}},
	`{}`:   {{`{"a":1}`, true}, {`[]`, false}},
	`true`: {{`true`, true}, {`false`, false}, {`"true"`, false}, {`true false`, false}},
}

func TestMatcherComparesTheMembersThatAreNamed(t *testing.T) {
	for want, bodies := range matched {
		m := newMatcher(t, want)
		for _, c := range bodies {
			if got := m.Matches([]byte(c.body)); got != c.same {
				t.Errorf("%s matches %s: %v, want %v", want, c.body, got, c.same)
			}
			if got := CheckJSON([]byte(want), []byte(c.body)); (got == Mismatch{}) != c.same {
				t.Errorf("CheckJSON(%s, %s) is %+v, want a mismatch: %v", want, c.body, got, !c.same)
			}
		}
	}
}

// drawJSON draws a value of few different parts, so that two of them often agree.
func drawJSON(depth int) *rapid.Generator[any] {
	return rapid.Custom(func(t *rapid.T) any {
		most := 5
		if depth == 0 {
			most = 3
		}
		switch rapid.IntRange(0, most).Draw(t, "kind") {
		case 0:
			return rapid.SampledFrom([]any{nil, true, false}).Draw(t, "literal")
		case 1:
			return rapid.SampledFrom([]any{0, 1, -7, 12.5, 1e300}).Draw(t, "number")
		case 2, 3:
			return rapid.SampledFrom([]string{"", "ok", "Ä\n", "\U0001f600\"\\"}).Draw(t, "text")
		case 4:
			return rapid.SliceOfN(drawJSON(depth-1), 0, 3).Draw(t, "list")
		default:
			keys := rapid.SampledFrom([]string{"a", "b", "Ä", "\\"})
			return rapid.MapOfN(keys, drawJSON(depth-1), 0, 3).Draw(t, "object")
		}
	})
}

// Under load a Matcher judges; before it, checkJSON does, which reads with encoding/json.
func TestMatcherAndCheckAgree(t *testing.T) {
	matches := 0
	rapid.Check(t, func(t *rapid.T) {
		want, err := json.Marshal(drawJSON(2).Draw(t, "want"))
		if err != nil {
			t.Fatal(err)
		}
		body := slices.Clone(want)
		if rapid.Bool().Draw(t, "other") {
			if body, err = json.Marshal(drawJSON(3).Draw(t, "body")); err != nil {
				t.Fatal(err)
			}
		}
		if rapid.Bool().Draw(t, "damaged") && len(body) > 0 {
			body[rapid.IntRange(0, len(body)-1).Draw(t, "at")] = rapid.Byte().Draw(t, "byte")
		}
		checkAgreement(t, want, body)
		matches++
	})
	if matches == 0 {
		t.Error("nothing was compared")
	}
}

// checkAgreement reports if a Matcher and checkJSON disagree about a body.
func checkAgreement(t interface{ Fatalf(string, ...any) }, want, body []byte) {
	m, err := NewMatcher(want)
	if err != nil {
		t.Fatalf("NewMatcher(%s): %v", want, err)
	}
	explained := CheckJSON(want, body)
	if fast := m.Matches(body); fast != (explained == Mismatch{}) {
		t.Fatalf("want %s, body %q: Matches is %v, checkJSON %+v", want, body, fast, explained)
	}
}

// FuzzMatcher checks that a Matcher reads any body as encoding/json does.
func FuzzMatcher(f *testing.F) {
	for want, bodies := range matched {
		for _, c := range bodies {
			f.Add(want, c.body)
		}
	}
	f.Fuzz(func(t *testing.T, want, body string) {
		// The keys of an expectation come from a dict: each once.
		var v any
		if json.Unmarshal([]byte(want), &v) != nil {
			t.Skip()
		}
		distinct, err := json.Marshal(v)
		if err != nil || strings.Contains(want, "\\u") {
			t.Skip()
		}
		if _, err := NewMatcher(distinct); err != nil {
			t.Skip() // too many members
		}
		checkAgreement(t, distinct, []byte(body))
	})
}

func TestTooManyExpectedMembersAreRefused(t *testing.T) {
	members := func(n int) string {
		var all []string
		for i := range n {
			all = append(all, fmt.Sprintf(`"m%d":%d`, i, i))
		}
		return "{" + strings.Join(all, ",") + "}"
	}
	if m := newMatcher(t, members(maxMembers)); !m.Matches([]byte(members(maxMembers))) ||
		m.Matches([]byte(members(maxMembers-1))) {
		t.Errorf("%d members are not compared", maxMembers)
	}
	if _, err := NewMatcher([]byte(members(maxMembers + 1))); err == nil {
		t.Errorf("%d members are allowed", maxMembers+1)
	}
	deep := strings.Repeat("[", maxDepth+2) + strings.Repeat("]", maxDepth+2)
	if newMatcher(t, `[[]]`).Matches([]byte(deep)) {
		t.Error("a body of any depth is read")
	}
}

func TestMatchesAllocatesNothing(t *testing.T) {
	m := newMatcher(t, `{"id":7,"status":"ök"}`)
	body := []byte(`{"id":7.00000000000000000000000000000000000,"status":"\u00f6k"}`)
	if n := testing.AllocsPerRun(100, func() {
		if !m.Matches(body) {
			t.Error("the body does not match")
		}
	}); n > 1 { // a number of more than 32 digits is copied
		t.Errorf("Matches allocates %v times", n)
	}
	m, body = newMatcher(t, `{"b":{"c":[1,"x"]},"d":-7}`), []byte(`{"a":1.5e3,"b":{"c":[1,"\u0078"]},"d":-7.0}`)
	if n := testing.AllocsPerRun(100, func() {
		if !m.Matches(body) {
			t.Error("the nested body does not match")
		}
	}); n > 0 {
		t.Errorf("Matches allocates %v times for a nested body", n)
	}
}
