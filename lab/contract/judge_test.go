package contract

import (
	"fmt"
	"maps"
	"strings"
	"testing"

	"runtimelab/lab"
	"runtimelab/lab/workload"
)

// load returns the workloads that ship.
func load(t testing.TB) *workload.Set {
	t.Helper()
	set, mistakes, err := workload.Load("../..")
	if err != nil || len(mistakes) > 0 {
		t.Fatal(mistakes, err)
	}
	return set
}

func allVectors(t testing.TB) (all []workload.Vector) {
	t.Helper()
	for _, w := range load(t).All() {
		all = append(all, w.Vectors()...)
	}
	return all
}

func vectorNamed(t *testing.T, name string) workload.Vector {
	t.Helper()
	for _, v := range allVectors(t) {
		if v.Name == name {
			return v
		}
	}
	t.Fatalf("no vector %q", name)
	return workload.Vector{}
}

// expectedAnswer returns an answer that matches the vector.
func expectedAnswer(v workload.Vector) lab.Answer {
	a := v.Want
	a.Header = maps.Clone(v.Want.Header)
	for _, name := range v.RequiredHeaders {
		a.Header[name] = "whatever"
	}
	if v.WantJSON != nil {
		a.Body = v.WantJSON
	}
	return a
}

func TestCheckAnswerAcceptsTheExpectedAnswer(t *testing.T) {
	for _, v := range allVectors(t) {
		if found := CheckAnswer(v, expectedAnswer(v)); len(found) > 0 {
			t.Errorf("%v", found)
		}
	}
}

func TestCheckAnswerFindsDifferences(t *testing.T) {
	v := vectorNamed(t, "echo-typical")
	cases := map[string]struct {
		change func(*lab.Answer)
		says   []string
	}{
		"status": {func(a *lab.Answer) { a.Status = 201 }, []string{"status differs\n", "-200", "+201"}},
		"one byte": {
			func(a *lab.Answer) { a.Body = []byte(strings.Replace(string(a.Body), "2388", "2389", 1)) },
			[]string{"body differs at byte 127 (", `-…`, `:2388}`, `:2389}`},
		},
		"cut short": {
			func(a *lab.Answer) { a.Body = a.Body[:len(a.Body)-1] },
			[]string{"body differs at byte 259 (260 and 259 bytes)"},
		},
		"too long": {
			func(a *lab.Answer) { a.Body = append(append([]byte{}, a.Body...), '\n') },
			[]string{"body differs at byte 260 (260 and 261 bytes)", `}\x0a`},
		},
		"empty": {func(a *lab.Answer) { a.Body = nil }, []string{"body differs at byte 0", "+(empty)"}},
		"type": {
			func(a *lab.Answer) { a.Header["content-type"] = "application/json; charset=utf-8" },
			[]string{
				"header content-type differs", "-content-type: application/json\n",
				"+content-type: application/json; charset=utf-8",
			},
		},
		"length": {
			func(a *lab.Answer) { a.Header["content-length"] = "1" },
			[]string{"header content-length differs"},
		},
		"no length": {
			func(a *lab.Answer) { delete(a.Header, "content-length") },
			[]string{"+(no content-length)"},
		},
		"no date": {
			func(a *lab.Answer) { delete(a.Header, "date") },
			[]string{
				"the set of headers differs",
				"-content-length, content-type, date\n", "+content-length, content-type",
			},
		},
		"an extra header": {
			func(a *lab.Answer) { a.Header["x-powered-by"] = "Express" },
			[]string{"+content-length, content-type, date, x-powered-by"},
		},
		"keep-alive": {
			func(a *lab.Answer) { a.Header["connection"] = "keep-alive" },
			[]string{"+connection, content-length"},
		},
		"no answer": {
			func(a *lab.Answer) { *a = lab.Answer{Error: "connection reset"} },
			[]string{"no answer: connection reset"},
		},
	}
	for name, c := range cases {
		t.Run(name, func(t *testing.T) {
			got := expectedAnswer(v)
			c.change(&got)
			found := CheckAnswer(v, got)
			if len(found) == 0 {
				t.Fatal("nothing found")
			}
			text := formatDifferences(found)[0]
			for _, says := range append(c.says,
				"echo-typical: POST /echo, content-type: application/json, 224 bytes: {\"id\":4711") {
				if !strings.Contains(text, says) {
					t.Errorf("%q is not in\n%s", says, text)
				}
			}
		})
	}
}

func TestCheckAnswerRefusesALengthOfAChunkedBody(t *testing.T) {
	v := vectorNamed(t, "stream-1-mib")
	got := expectedAnswer(v)
	got.Header["content-length"] = "1048576"
	found := formatDifferences(CheckAnswer(v, got))
	if len(found) != 1 || !strings.Contains(found[0], "the set of headers differs") ||
		!strings.Contains(found[0], "+content-length") {
		t.Errorf("%v", found)
	}
}

func TestALongPathIsShortened(t *testing.T) {
	v := vectorNamed(t, "compute-integers-5000-digits")
	got := expectedAnswer(v)
	got.Status = 414
	found := formatDifferences(CheckAnswer(v, got))
	if len(found) != 1 || !strings.Contains(found[0], "GET /compute/integers?n=1111") ||
		!strings.Contains(found[0], "1… (5020 bytes)\n") || len(found[0]) > 300 {
		t.Errorf("%v", found)
	}
}

func TestCheckAnswerIgnoresConnectionClose(t *testing.T) {
	v := vectorNamed(t, "json")
	got := expectedAnswer(v)
	got.Header["connection"] = "close"
	if found := CheckAnswer(v, got); len(found) > 0 {
		t.Errorf("%v", found)
	}
}

func TestCheckAnswerIgnoresOptionalHeaders(t *testing.T) {
	for name, want := range map[string]int{"server": 0, "x-server": 1} {
		v := vectorNamed(t, "json")
		got := expectedAnswer(v)
		got.Header[name] = "granian"
		if found := CheckAnswer(v, got); len(found) != want {
			t.Errorf("%s: %v", name, found)
		}
	}
	v := vectorNamed(t, "json")
	v.Want.Header = maps.Clone(v.Want.Header)
	v.Want.Header["server"] = "this one"
	got := expectedAnswer(v)
	got.Header["server"] = "another"
	if found := CheckAnswer(v, got); len(found) != 1 || found[0].What != "header server differs" {
		t.Errorf("an optional header that the vector names: %v", found)
	}
}

func TestDifferenceIsAUnifiedDiff(t *testing.T) {
	request := lab.Request{Method: "POST", Path: "/echo", Body: []byte("\"\u00e9\\")}
	a := lab.Answer{Status: 200, Body: []byte(strings.Repeat("a", 100) + "é" + strings.Repeat("b", 100))}
	b := lab.Answer{Status: 200, Body: []byte(strings.Repeat("a", 100) + "?" + strings.Repeat("b", 100))}
	found := CompareAnswers([]lab.Request{request}, nil, []lab.Answer{a}, []lab.Answer{b}, "node/single",
		"python/uvloop")
	want := `input 0: POST /echo, 4 bytes: "\xc3\xa9\\
  body differs at byte 100 (202 and 201 bytes)
  --- node/single
  +++ python/uvloop
  -…` + strings.Repeat("a", 40) + `\xc3\xa9` + strings.Repeat("b", 58) + `…
  +…` + strings.Repeat("a", 40) + `?` + strings.Repeat("b", 59) + `…`
	if len(found) != 1 || found[0].String() != want {
		t.Errorf("got\n%v\nwant\n%s", found, want)
	}
}

func TestCompareAnswersFindsDifferences(t *testing.T) {
	answer := func(status int, contentType, body string, headers ...string) lab.Answer {
		a := lab.Answer{
			Status: status, Header: map[string]string{"content-type": contentType}, Body: []byte(body),
		}
		for _, name := range headers {
			a.Header[name] = "x"
		}
		return a
	}
	base := answer(200, "t", "b", "date")
	cases := map[string]struct {
		a, b  []lab.Answer
		finds string // empty: nothing
	}{
		"equal":  {[]lab.Answer{base}, []lab.Answer{answer(200, "t", "b", "date")}, ""},
		"status": {[]lab.Answer{base}, []lab.Answer{answer(400, "t", "b", "date")}, "status differs"},
		"type": {
			[]lab.Answer{base},
			[]lab.Answer{answer(200, "u", "b", "date")},
			"header content-type differs",
		},
		"body": {
			[]lab.Answer{base},
			[]lab.Answer{answer(200, "t", "c", "date")},
			"body differs at byte 0 (1 and 1 byte)",
		},
		"an optional header of one": {
			[]lab.Answer{base}, []lab.Answer{answer(200, "t", "b", "date", "server")}, "",
		},
		"an optional header of the other": {
			[]lab.Answer{answer(200, "t", "b", "date", "server")}, []lab.Answer{base}, "",
		},
		"headers":     {[]lab.Answer{base}, []lab.Answer{answer(200, "t", "b")}, "the set of headers differs"},
		"no second":   {[]lab.Answer{base}, []lab.Answer{{Error: "reset"}}, "no answer"},
		"neither":     {[]lab.Answer{{Error: "reset"}}, []lab.Answer{{Error: "reset"}}, "no answer"},
		"one too few": {[]lab.Answer{base}, nil, "1 and 0 answers to 1 request"},
		"no first":    {[]lab.Answer{{Error: "reset"}}, []lab.Answer{base}, "no answer"},
	}
	for name, c := range cases {
		t.Run(name, func(t *testing.T) {
			found := CompareAnswers(
				[]lab.Request{{Method: "GET", Path: "/"}}, []string{"server"}, c.a, c.b, "a", "b")
			switch {
			case c.finds == "" && len(found) > 0:
				t.Errorf("found %v", found)
			case c.finds != "" && (len(found) != 1 || found[0].What != c.finds):
				t.Errorf("found %v, want %q", found, c.finds)
			}
		})
	}
}

func TestSuitePutsWhatAVariantOffers(t *testing.T) {
	suite := NewSuite(load(t), 7, ExpectedIdentity{})
	for _, c := range []struct {
		offers []string
		want   string
	}{
		{nil, "[]"},
		{[]string{"wait"}, "[application wait]"},
		{[]string{"orders", "application", "hello"}, "[application hello orders]"},
	} {
		if got := fmt.Sprint(suite.Workloads(lab.Variant{Offers: c.offers})); got != c.want {
			t.Errorf("%v are put as %s, want %s", c.offers, got, c.want)
		}
	}
	for _, r := range suite.Requests("hello") {
		if path := r.PathOnly(); path != "/json" && path != "/plaintext" {
			t.Errorf("hello asks %s", r.Path)
		}
	}
}

func TestSuiteChecksAnswersAndIdentity(t *testing.T) {
	set := load(t)
	suite := NewSuite(set, 7, ExpectedIdentity{MemoryLimit: 512 << 20, Nofile: 1024})
	vectors := set.ByName("orders").Vectors()
	requests := suite.Requests("orders")
	if len(requests) != len(vectors)+200 {
		t.Fatalf("%d requests for %d vectors", len(requests), len(vectors))
	}
	answers := make([]lab.Answer, len(requests))
	for i := range answers {
		answers[i] = lab.Answer{Status: 400}
		if i < len(vectors) {
			answers[i] = expectedAnswer(vectors[i])
		}
	}
	if found := suite.CheckAnswers("orders", answers); len(found) > 0 {
		t.Errorf("expected answers: %v", found)
	}
	plain := []lab.Answer{{Status: 200}}
	named := []lab.Answer{{Status: 200, Header: map[string]string{"server": "x"}}}
	if found := suite.CompareAnswers(requests[:1], "a", "b", plain, named); len(found) > 0 {
		t.Errorf("variants that differ in an optional header: %v", found)
	}
	answers[1].Status = 500
	answers[len(vectors)+3].Error = "reset"
	found := suite.CheckAnswers("orders", answers)
	if len(found) != 2 || !strings.HasPrefix(found[0], vectors[1].Name+": ") ||
		!strings.HasPrefix(found[1], "random input 3 of orders: ") {
		t.Errorf("found %q", found)
	}
	if found := suite.CheckAnswers("orders", answers[1:]); len(found) != 1 {
		t.Errorf("a missing answer: %q", found)
	}
	// CheckIdentity must check the limits of all servers and the variant's own values.
	_, found = suite.CheckIdentity(answerOf(t, validIdentity()),
		lab.Variant{Runtime: "python-twin", Application: "python", Model: "cluster"}, []int{1})
	all := strings.Join(found, "\n")
	for _, field := range []string{
		"runtime", "model", "process.nofile_soft", "process.nofile_hard", "process.cpus_allowed",
	} {
		if !strings.Contains(all, "it says "+field+" ") {
			t.Errorf("%s is not in\n%s", field, all)
		}
	}
	if len(found) != 5 {
		t.Errorf("found %q", found)
	}
}
