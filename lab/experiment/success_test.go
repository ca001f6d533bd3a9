package experiment

import (
	"fmt"
	"strconv"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"runtimelab/lab"
	"runtimelab/lab/fault"
)

// worldThatAnswers returns a world whose variants give the answers of byPath. A key with a
// variant, as in "rt/b /x", is for that variant only. Several answers are given in turn;
// the last one repeats.
func worldThatAnswers(byPath map[string][]lab.Answer) *world {
	w := newWorld()
	var mu sync.Mutex
	asked := make(map[string]int)
	w.reply = func(variant string, r lab.Request) *lab.Answer {
		mu.Lock()
		defer mu.Unlock()
		all := byPath[variant+" "+r.Path]
		if all == nil {
			all = byPath[r.Path]
		}
		if all == nil {
			return nil
		}
		key := variant + " " + r.Path
		asked[key]++
		return &all[min(asked[key], len(all))-1]
	}
	return w
}

func answer(status int, body string) lab.Answer {
	return lab.Answer{Status: status, Body: []byte(body)}
}

// newRequestExperiment returns an experiment on the variants with these requests.
func newRequestExperiment(w *world, variants []string, requests ...lab.Request) *Experiment {
	e := newExperiment(w, variants...)
	e.Plan.Scenarios[0].File, e.Plan.Scenarios[0].Requests = "scenarios/json.star", requests
	return e
}

// get returns a GET request at a line of the script.
func get(path string, line int) lab.Request {
	return lab.Request{Method: "GET", Path: path, At: lab.Place{Line: line, Column: 17}}
}

func TestAnAnswerWithoutSuccessIsAUsageErrorWithAdvice(t *testing.T) {
	notFound, moved := answer(404, "{\"error\":\"\x1bnot found\"}"), answer(301, "")
	moved.Header = map[string]string{"location": "/json/"}
	withStatus := func(r lab.Request, status int) lab.Request {
		r.Expect = status
		return r
	}
	many := make([]lab.Request, 200)
	for i := range many {
		many[i] = get(fmt.Sprintf("/jsn?page=%d", i), 9)
	}
	everyPage := map[string][]lab.Answer{}
	for _, r := range many {
		everyPage[r.Path] = []lab.Answer{answer(404, r.Path)}
	}
	post := get("/json", 4)
	post.Method = "POST"
	const advice = "under load every answer must equal the first one byte for byte: request something that " +
		"does not change, or say which members of the JSON do not: expect = answer(json = {...})"
	for name, c := range map[string]struct {
		byPath   map[string][]lab.Answer // like the argument of worldThatAnswers
		requests []lab.Request
		want     []string // lines of the error, before its hint; none where it succeeds
	}{
		"a path that is not there": {
			map[string][]lab.Answer{"/jsn": {notFound}},
			[]lab.Request{get("/jsn", 4)},
			[]string{`scenarios/json.star:4:17: GET /jsn is answered 404 Not Found by rt/a, rt/b, want 2xx; ` +
				`the body begins {"error":"\x1bnot found"}; did you mean "/json"?`},
		},
		"several requests, in the order of the file": {
			map[string][]lab.Answer{"/x": {answer(500, "")}, "/jsn": {notFound}},
			[]lab.Request{get("/x", 7), get("/json", 5), get("/jsn", 4)},
			[]string{
				`scenarios/json.star:4:17: GET /jsn is answered 404 Not Found by rt/a, rt/b, want 2xx; ` +
					`the body begins {"error":"\x1bnot found"}; did you mean "/json"?`,
				`scenarios/json.star:7:17: GET /x is answered 500 Internal Server Error by rt/a, rt/b, ` +
					`want 2xx; the body is empty`,
			},
		},
		"an error of one variant": {
			map[string][]lab.Answer{"rt/b /x": {answer(503, "busy")}},
			[]lab.Request{get("/x", 4)},
			[]string{`scenarios/json.star:4:17: GET /x is answered 503 Service Unavailable by rt/b ` +
				`and 200 OK by rt/a, want 2xx; the body begins busy`},
		},
		"one call with many requests": {
			everyPage, many,
			[]string{`scenarios/json.star:9:17: GET /jsn?page=0 is answered 404 Not Found by rt/a, rt/b, want 2xx; ` +
				`the body begins /jsn?page=0; did you mean "/json"? (and 199 more requests of this call)`},
		},
		"a path that is like no other": {
			map[string][]lab.Answer{"/something": {notFound}},
			[]lab.Request{get("/something", 4)},
			[]string{`scenarios/json.star:4:17: GET /something is answered 404 Not Found by rt/a, rt/b, want 2xx; ` +
				`the body begins {"error":"\x1bnot found"}; the contract's paths are /json`},
		},
		"another method": {
			map[string][]lab.Answer{"/json": {answer(405, "")}},
			[]lab.Request{post},
			[]string{`scenarios/json.star:4:17: POST /json is answered 405 Method Not Allowed by rt/a, rt/b, ` +
				`want 2xx; the body is empty; the contract has this path for GET`},
		},
		"another query": {
			map[string][]lab.Answer{"/json?n=x": {answer(400, "n?")}},
			[]lab.Request{get("/json?n=x", 4)},
			[]string{`scenarios/json.star:4:17: GET /json?n=x is answered 400 Bad Request by rt/a, rt/b, want 2xx; ` +
				`the body begins n?; GET /json succeeds`},
		},
		"a redirect": {
			map[string][]lab.Answer{"/json": {moved}},
			[]lab.Request{get("/json", 4)},
			[]string{`scenarios/json.star:4:17: GET /json is answered 301 Moved Permanently by rt/a, rt/b, ` +
				`want 2xx; the body is empty; redirects are not followed: request its Location, "/json/", or expect 301`},
		},
		"another protocol, which expect cannot allow": {
			map[string][]lab.Answer{"/json": {answer(101, "")}},
			[]lab.Request{get("/json", 4)},
			[]string{`scenarios/json.star:4:17: GET /json is answered 101 Switching Protocols by rt/a, rt/b, ` +
				`want 2xx; the body is empty; the server switches protocols, but the generator supports only HTTP/1.1`},
		},
		"not modified": {
			map[string][]lab.Answer{"/json": {answer(304, "")}},
			[]lab.Request{get("/json", 4)},
			[]string{`scenarios/json.star:4:17: GET /json is answered 304 Not Modified by rt/a, rt/b, ` +
				`want 2xx; the body is empty`},
		},
		"not what is expected": {
			map[string][]lab.Answer{"rt/a /x": {answer(304, "")}},
			[]lab.Request{withStatus(get("/x", 4), 304)},
			[]string{`scenarios/json.star:4:17: GET /x is answered 200 OK by rt/b and 304 Not Modified by rt/a, ` +
				`want the expected 304 Not Modified; the body begins right`},
		},
		"what is expected": {
			map[string][]lab.Answer{"/x": {answer(304, "")}, "/jsn": {notFound}},
			[]lab.Request{
				withStatus(get("/x", 4), 304), withStatus(get("/jsn", 4), 404),
				withStatus(get("/json", 4), 200),
			},
			nil,
		},
		"created, and without a body": {
			map[string][]lab.Answer{"/x": {answer(201, "made")}, "/jsn": {answer(204, "")}},
			[]lab.Request{get("/x", 4), get("/jsn", 4)},
			nil,
		},
		"other bytes each time": {
			map[string][]lab.Answer{"/x": {answer(200, `{"now":1712000000}`), answer(200, `{"now":1712000001}`)}},
			[]lab.Request{get("/x", 4)},
			[]string{`scenarios/json.star:4:17: GET /x is answered differently the second time by rt/a, rt/b: ` +
				`from byte 16 on the body is {"now":1712000000}, then {"now":1712000001}; ` + advice},
		},
		"another status each time": {
			map[string][]lab.Answer{"/x": {answer(201, "made"), answer(409, "there")}},
			[]lab.Request{get("/x", 4)},
			[]string{`scenarios/json.star:4:17: GET /x is answered differently the second time by rt/a, rt/b: ` +
				`201 Created, then 409 Conflict; ` + advice},
		},
	} {
		t.Run(name, func(t *testing.T) {
			w := worldThatAnswers(c.byPath)
			err := newRequestExperiment(w, []string{"a", "b"}, c.requests...).Run(t.Context())
			if len(c.want) == 0 {
				if err != nil || len(w.attacks) == 0 {
					t.Errorf("%v, %d attacks", err, len(w.attacks))
				}
				return
			}
			if err == nil {
				t.Fatal("it was measured")
			}
			if code := fault.ExitCode(err); code != fault.ExitUsage {
				t.Errorf("exit code %d", code)
			}
			lines := strings.Split(err.Error(), "\n")
			if got, want := strings.Join(lines[:len(lines)-1], "\n"), strings.Join(c.want, "\n"); got != want {
				t.Errorf("got\n%s\nwant\n%s", got, want)
			}
			if !strings.Contains(lines[len(lines)-1], "expect = 404") {
				t.Errorf("the hint is %q", lines[len(lines)-1])
			}
			if len(w.attacks) > 0 || len(w.recorded) > 0 || len(w.refused) > 0 {
				t.Errorf("%d attacks, %d rows, refused %v", len(w.attacks), len(w.recorded), w.refused)
			}
			w.checkNothingOpen(t)
		})
	}
}

func TestRequestsOfAPhaseAndBackgroundRequestsMustSucceed(t *testing.T) {
	w := worldThatAnswers(map[string][]lab.Answer{"/own": {answer(404, "")}, "/background": {answer(500, "")}})
	background := get("/background", 5)
	background.Background = true
	e := newRequestExperiment(w, []string{"a"}, get("/json", 4), background)
	e.Plan.Scenarios[0].Phases[1].Requests = []lab.Request{get("/own", 6)}
	err := e.Run(t.Context())
	if err == nil || !strings.Contains(err.Error(), ":5:17: GET /background is") ||
		!strings.Contains(err.Error(), ":6:17: GET /own is") {
		t.Errorf("%v", err)
	}
}

func TestTheAnswersOfARefusedVariantAreNoMistakeOfTheScript(t *testing.T) {
	w := worldThatAnswers(map[string][]lab.Answer{"rt/b /json": {answer(500, "")}})
	w.answer["rt/b"] = "wrong"
	w.judge = func(body string) []string {
		if body == "wrong" {
			return []string{"wrong"}
		}
		return nil
	}
	if err := newRequestExperiment(w, []string{"a", "b"}, get("/json", 4)).Run(t.Context()); err != nil {
		t.Fatal(err)
	}
	if len(w.refused) != 1 || len(w.attacks) == 0 {
		t.Errorf("refused %v, %d attacks", w.refused, len(w.attacks))
	}
}

// Requests of a run that an earlier version recorded have no places.
func TestARequestWithoutAPlaceIsReportedByFile(t *testing.T) {
	w := worldThatAnswers(map[string][]lab.Answer{"/x": {answer(404, "")}, "/y": {answer(404, "")}})
	err := newRequestExperiment(w, []string{"a"}, lab.Request{Method: "GET", Path: "/x"},
		lab.Request{Method: "GET", Path: "/y"}).Run(t.Context())
	for _, path := range []string{"/x", "/y"} {
		if err == nil || !strings.Contains(err.Error(), "scenarios/json.star: GET "+path+" is answered 404") {
			t.Errorf("%v", err)
		}
	}
}

func TestRunDoesNotRepeatTheContractCheck(t *testing.T) {
	w := worldThatAnswers(map[string][]lab.Answer{"/jsn": {answer(404, "")}})
	e := newRequestExperiment(w, []string{"a"}, get("/jsn", 4))
	for range 2 {
		if refused, err := e.CheckContract(t.Context()); err == nil || refused == nil {
			t.Errorf("%v, %v", refused, err)
		}
	}
	if err := e.Run(t.Context()); err == nil {
		t.Error("it was measured")
	}
	e = newRequestExperiment(newWorld(), []string{"a"}, get("/json", 4))
	w = e.Cells.(*world)
	if _, err := e.CheckContract(t.Context()); err != nil {
		t.Fatal(err)
	}
	opened := w.openedCells.Load()
	if err := e.Run(t.Context()); err != nil {
		t.Fatal(err)
	}
	if got := w.openedCells.Load() - opened; opened != 1 || got != 2 {
		t.Errorf("%d cells to check one variant, %d for its two trials", opened, got)
	}
}

// An answer with the time in seconds is the same twice within a second.
func TestTheSecondCheckOfScenariosIsInAnotherSecond(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWorld()
		w.reply = func(string, lab.Request) *lab.Answer {
			now := answer(200, strconv.FormatInt(time.Now().Unix(), 10))
			return &now
		}
		e := newRequestExperiment(w, []string{"a"}, get("/clock", 4))
		e.RecheckDelay = 1100 * time.Millisecond
		_, err := e.CheckContract(t.Context())
		if err == nil || !strings.Contains(err.Error(), "is answered differently") {
			t.Errorf("%v", err)
		}
	})
}

func TestAVariantWithoutAnAnswerTheSecondTimeIsRefused(t *testing.T) {
	w := worldThatAnswers(map[string][]lab.Answer{"rt/b /x": {answer(200, ""), {Error: "connection reset"}}})
	if err := newRequestExperiment(w, []string{"a", "b"}, get("/x", 4)).Run(t.Context()); err != nil {
		t.Fatal(err)
	}
	why := strings.Join(w.refused["rt/b"], "; ")
	if len(w.refused) != 1 ||
		why != "scenario json: scenarios/json.star:4:17: GET /x got no answer: connection reset" {
		t.Errorf("refused %v", w.refused)
	}
}
