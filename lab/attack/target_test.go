package attack

import (
	"fmt"
	"net/http"
	"slices"
	"strings"
	"testing"

	"runtimelab/lab"
)

// The forms in which an answer may come: parsed here, in pieces, and by net/http.
var answerForms = map[string]func(header, body string) string{
	"content length": func(header, body string) string {
		return fmt.Sprintf("HTTP/1.1 200 OK\r\n%sContent-Length: %d\r\n\r\n%s", header, len(body), body)
	},
	"chunks": func(header, body string) string {
		half := len(body) / 2
		return fmt.Sprintf("HTTP/1.1 200 OK\r\n%sTransfer-Encoding: chunked\r\n\r\n"+
			"%x\r\n%s\r\n%x\r\n%s\r\n0\r\n\r\n", header, half, body[:half], len(body)-half, body[half:])
	},
}

func TestTransportJudgesByTheExpectation(t *testing.T) {
	withEachGenerator(t, testTransportJudgesByTheExpectation)
}

func testTransportJudgesByTheExpectation(t *testing.T, g lab.Generator) {
	id7 := lab.Expectation{JSON: []byte(`{"id":7}`)}
	version := func(value string) lab.Expectation {
		return lab.Expectation{Header: map[string]string{"x-version": value}}
	}
	agreed := lab.Expectation{JSON: []byte(`{"id":7}`), Agree: true}
	long := `{"text":"` + strings.Repeat("a", 3*bufferSize) + `","id":7}`
	for name, c := range map[string]struct {
		want              lab.Expectation
		header, body      string // of the answer
		bodyDiffers, head bool
	}{
		"a member":                      {want: id7, body: `{"at":"12:00:01","id":7}`},
		"another member":                {want: id7, body: `{"at":"12:00:01","id":8}`, bodyDiffers: true},
		"not JSON":                      {want: id7, body: `<p>{"id":7}</p>`, bodyDiffers: true},
		"longer than a buffer":          {want: id7, body: long},
		"cut off":                       {want: id7, body: long[:len(long)-1], bodyDiffers: true},
		"all agree":                     {want: agreed, body: `{"id":7}`},
		"a right member, others differ": {want: agreed, body: `{"id":7,"at":1}`, bodyDiffers: true},
		"any body":                      {want: lab.Expectation{}, body: "whatever comes"},
		"a header":                      {want: version("2"), header: "x-VERSION:  2 \r\n", body: "ab"},
		"another value":                 {want: version("2"), header: "X-Version: 3\r\n", body: "ab", head: true},
		"a longer value":                {want: version("2"), header: "X-Version: 2.1\r\n", body: "ab", head: true},
		"a shorter value":               {want: version("2.1"), header: "X-Version: 2\r\n", body: "ab", head: true},
		"no such header":                {want: version("2"), header: "X-Versions: 2\r\n", body: "ab", head: true},
		"a repeated header": {
			want: version("1, 2"), header: "X-Version: 1\r\nY: 1\r\nx-version: 2\r\n", body: "ab",
		},
		"a header too often": {
			want: version("2"), header: "X-Version: 2\r\nX-Version: 2\r\n", body: "ab", head: true,
		},
		"a header that is long": {
			want: version(strings.Repeat("v", 100)), header: "X-Version: " + strings.Repeat("v", 100) + "\r\n",
			body: "ab",
		},
		"a header and a member": {
			want: lab.Expectation{JSON: id7.JSON, Header: version("2").Header},
			body: `{"id":8}`, bodyDiffers: true, head: true,
		},
	} {
		for form, write := range answerForms {
			url, _ := scripted(t, write(c.header, c.body))
			tr := hitterOn(t, g, url, `{"id":7}`, func(a *lab.Attack) { a.Targets[0].Request.Answer = &c.want })
			r, err := hit(t, tr)
			if err != nil || r.bodyDiffers != c.bodyDiffers || r.headerDiffers != c.head ||
				r.bytesIn != int64(len(c.body)) {
				t.Errorf("%s, %s: %+v, error %v", name, form, r, err)
			}
		}
	}
}

// A connection keeps the body that it judges: what an earlier answer left must not count.
func TestEachBodyIsJudgedOnItsOwn(t *testing.T) { withEachGenerator(t, testEachBodyIsJudgedOnItsOwn) }

func testEachBodyIsJudgedOnItsOwn(t *testing.T, g lab.Generator) {
	write := answerForms["content length"]
	url, _ := scripted(t, write("", `{"id":7,"more":"than the next"}`), write("", `{"id":8}`),
		write("", `{"id":7}`))
	tr := hitterOn(t, g, url, "", func(a *lab.Attack) {
		a.Targets[0].Request.Answer = &lab.Expectation{JSON: []byte(`{"id":7}`)}
	})
	for i, differs := range []bool{false, true, false} {
		if r, err := hit(t, tr); err != nil || r.bodyDiffers != differs {
			t.Errorf("answer %d: %+v, error %v", i, r, err)
		}
	}
}

func TestAWrongAnswerIsAnErrorWithItsReason(t *testing.T) {
	withEachGenerator(t, testAWrongAnswerIsAnErrorWithItsReason)
}

func testAWrongAnswerIsAnErrorWithItsReason(t *testing.T, g lab.Generator) {
	url := startServer(t, func(w http.ResponseWriter, r *http.Request) {
		w.Header().Set("X-Version", r.URL.Query().Get("version"))
		fmt.Fprintf(w, `{"id":%s}`, r.URL.Query().Get("id"))
	})
	a := attackBy(g, url, lab.Peak)
	want := &lab.Expectation{JSON: []byte(`{"id":7}`), Header: map[string]string{"x-version": "2"}}
	a.Targets = nil
	for _, path := range []string{"/?id=7&version=2", "/?id=8&version=2", "/?id=7&version=3"} {
		a.Targets = append(a.Targets, lab.Target{
			Request: lab.Request{Method: "GET", Path: path, Expect: 200, Answer: want}, Status: 200,
		})
	}
	got, err := Run(t.Context(), a, nil, nil)
	if err != nil {
		t.Fatal(err)
	}
	for _, reason := range []string{
		"GET /?id=8&version=2: the body is not what the script expects",
		"GET /?id=7&version=3: the header is not what the script expects",
	} {
		if got.Errors[reason] == 0 {
			t.Errorf("no %q in %v", reason, got.Errors)
		}
	}
	if len(got.Errors) != 2 || got.Succeeded == 0 || got.Succeeded+got.Failed != got.Sent {
		t.Errorf("%d of %d succeeded, %d failed: %v", got.Succeeded, got.Sent, got.Failed, got.Errors)
	}
}

// BenchmarkBodyComparison measures what judging an answer costs; scenarios/README.md shows the
// figures. The expected members are the first ones and the last one, as of an order of a shop.
func BenchmarkBodyComparison(b *testing.B) {
	const item = `{"sku":"part-17","quantity":3,"unit_cents":250,"note":null}`
	for _, items := range []int{1, 15, 270} {
		body := fmt.Appendf(nil, `{"id":7,"at":"12:00:00Z","status":"ok","items":[%s],"total_cents":750}`,
			strings.TrimSuffix(strings.Repeat(item+",", items), ","))
		for name, want := range map[string]*lab.Expectation{
			"exact": nil, "members": {JSON: []byte(`{"id":7,"status":"ok","total_cents":750}`)},
		} {
			tg, err := newTarget("h", lab.Target{
				Request: lab.Request{Method: "GET", Path: "/", Expect: 200, Answer: want}, Status: 200, Body: body,
			}, false)
			if err != nil {
				b.Fatal(err)
			}
			b.Run(fmt.Sprintf("%s-%d", name, len(body)), func(b *testing.B) {
				var kept []byte
				received := slices.Clone(body) // a comparison of a slice with itself costs nothing
				b.ReportAllocs()
				for b.Loop() {
					comparison := compareBody(&tg, &kept)
					comparison.add(received)
					if !comparison.matches() {
						b.Fatal("the body differs")
					}
				}
			})
		}
	}
}

// A head that is known from the answer to another target is judged anew.
func TestAKnownHeadIsJudgedForEachTarget(t *testing.T) {
	var targets []target
	for _, version := range []string{"2", "3"} {
		tg, err := newTarget("h", lab.Target{Status: 200, Request: lab.Request{
			Method: "GET", Path: "/", Expect: 200,
			Answer: &lab.Expectation{Header: map[string]string{"x-version": version}},
		}}, false)
		if err != nil {
			t.Fatal(err)
		}
		targets = append(targets, tg)
	}
	for _, heads := range []int{1, 2} {
		r := answerReader{heads: make([]knownHead, heads)}
		for i := range 6 {
			r.begin(targets, i%2)
			version := 2 + i/4 // the server's
			answer := fmt.Appendf(nil, "HTTP/1.1 200 OK\r\nX-Version: %d\r\nContent-Length: 0\r\n\r\n", version)
			want := version != 2+i%2
			if complete, err := r.feed(answer); !complete || err != nil || r.headerDiffers != want {
				t.Errorf("%d heads, answer %d: complete %v, error %v, differs %v, want %v",
					heads, i, complete, err, r.headerDiffers, want)
			}
		}
	}
}
