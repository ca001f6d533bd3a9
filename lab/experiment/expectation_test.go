package experiment

import (
	"slices"
	"strings"
	"testing"

	"runtimelab/lab"
	"runtimelab/lab/fault"
)

// expecting returns a GET request at a line of the script, with an expectation.
func expecting(path string, line int, want lab.Expectation) lab.Request {
	r := get(path, line)
	r.Expect, r.Answer = 200, &want
	return r
}

func TestAnswersAreJudgedByTheExpectation(t *testing.T) {
	byMembers := lab.Expectation{JSON: []byte(`{"id":7}`)}
	agreed := lab.Expectation{Agree: true}
	first, later := answer(200, `{"id":7,"at":1}`), answer(200, `{"id":7,"at":2}`)
	wrong := answer(200, `{"id":8,"at":1}`)
	html := answer(200, "<p>")
	html.Header = map[string]string{"content-type": "text/html"}
	many := make([]lab.Request, 200)
	for i := range many {
		many[i] = expecting("/x", 9, byMembers)
	}
	const place = "scenarios/json.star:4:17: GET /x is answered "
	for name, c := range map[string]struct {
		byPath  map[string][]lab.Answer // like the argument of worldThatAnswers
		request lab.Request
		want    string // the error before its hint; empty where it is measured
	}{
		"other members change": {
			map[string][]lab.Answer{"/x": {first, later}}, expecting("/x", 4, byMembers), "",
		},
		"variants differ elsewhere": {
			map[string][]lab.Answer{"rt/a /x": {first}, "rt/b /x": {later}}, expecting("/x", 4, byMembers), "",
		},
		"a wrong member": {
			map[string][]lab.Answer{"rt/b /x": {wrong}, "rt/a /x": {first}},
			expecting("/x", 4, byMembers),
			place + `by rt/b with json["id"]: 8, want 7; the body begins {"id":8,"at":1}`,
		},
		"a wrong member the second time": {
			map[string][]lab.Answer{"/x": {first, wrong}},
			expecting("/x", 4, byMembers),
			place + `by rt/a, rt/b with json["id"]: 8, want 7; the body begins {"id":8,"at":1}`,
		},
		"another status the second time": {
			map[string][]lab.Answer{"/x": {first, answer(500, "down")}},
			expecting("/x", 4, byMembers),
			place + `by rt/a, rt/b with the status: 500, want 200; the body begins down`,
		},
		"another status": {
			map[string][]lab.Answer{"/x": {answer(500, "down")}},
			expecting("/x", 4, byMembers),
			place + `500 Internal Server Error by rt/a, rt/b, want the expected 200 OK; the body begins down`,
		},
		"a wrong body": {
			map[string][]lab.Answer{"/x": {first}},
			expecting("/x", 4, lab.Expectation{Body: []byte(`{"id":7}`), Agree: true}),
			place + `by rt/a, rt/b with the body from byte 7 on: {"id":7,"at":1}, want {"id":7}`,
		},
		"a wrong header": {
			map[string][]lab.Answer{"/x": {html}},
			expecting("/x", 4, lab.Expectation{Header: map[string]string{"content-type": "application/json"}}),
			place + `by rt/a, rt/b with the header content-type: text/html, want application/json; ` +
				`the body begins <p>`,
		},
		"all agree": {map[string][]lab.Answer{"/x": {first}}, expecting("/x", 4, agreed), ""},
		"variants do not agree": {
			map[string][]lab.Answer{"rt/a /x": {first}, "rt/b /x": {later}},
			expecting("/x", 4, agreed),
			place + `differently by rt/a and rt/b: from byte 13 on the body is {"id":7,"at":1}, and ` +
				`{"id":7,"at":2}; all variants must answer alike: name what they have in common with ` +
				`expect = answer(json = {...}), or say answer(agree = False)`,
		},
		"they need not": {
			map[string][]lab.Answer{"rt/a /x": {first, later}, "rt/b /x": {answer(200, "2")}},
			expecting("/x", 4, lab.Expectation{}), "",
		},
		"the second answer does not agree": {
			map[string][]lab.Answer{"/x": {first, later}},
			expecting("/x", 4, agreed),
			place + `differently the second time by rt/a, rt/b: from byte 13 on the body is {"id":7,"at":1}, then ` +
				`{"id":7,"at":2}; under load every answer must equal the first one byte for byte: request something ` +
				`that does not change, or say which members of the JSON do not: expect = answer(json = {...})`,
		},
	} {
		w := worldThatAnswers(c.byPath)
		err := newRequestExperiment(w, []string{"a", "b"}, c.request).Run(t.Context())
		if c.want == "" {
			if err != nil || len(w.attacks) == 0 || len(w.refused) > 0 {
				t.Errorf("%s: %v, %d attacks, refused %v", name, err, len(w.attacks), w.refused)
			}
			continue
		}
		if err == nil || fault.ExitCode(err) != fault.ExitUsage || len(w.attacks) > 0 {
			t.Errorf("%s: %v, %d attacks", name, err, len(w.attacks))
			continue
		}
		if got, _, _ := strings.Cut(err.Error(), "\n"); got != c.want {
			t.Errorf("%s: got\n%s\nwant\n%s", name, got, c.want)
		}
	}

	w := worldThatAnswers(map[string][]lab.Answer{"/x": {wrong}})
	err := newRequestExperiment(w, []string{"a"}, many...).Run(t.Context())
	if err == nil || !strings.Contains(err.Error(), "(and 199 more requests of this call)") {
		t.Errorf("200 requests of one call: %v", err)
	}
}

// Under load every answer must be the agreed one, or else what the script says.
func TestTargetsHaveABodyOnlyIfItIsExact(t *testing.T) {
	w := worldThatAnswers(map[string][]lab.Answer{
		"/agreed": {answer(200, "same")}, "/members": {answer(200, `{"id":7,"at":1}`)}, "/any": {answer(200, "x")},
	})
	e := newRequestExperiment(w, []string{"a"}, get("/json", 3),
		expecting("/agreed", 4, lab.Expectation{Agree: true}),
		expecting("/members", 5, lab.Expectation{JSON: []byte(`{"id":7}`)}),
		expecting("/any", 6, lab.Expectation{}))
	if err := e.Run(t.Context()); err != nil {
		t.Fatal(err)
	}
	var bodies []string
	for _, target := range w.attacks[0].Targets {
		bodies = append(bodies, string(target.Body))
		if target.Status != 200 {
			t.Errorf("%s: status %d", target.Request.Path, target.Status)
		}
	}
	if want := []string{"right", "same", "", ""}; !slices.Equal(bodies, want) {
		t.Errorf("bodies are %q, want %q", bodies, want)
	}
}
