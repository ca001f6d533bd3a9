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
)

// answers is a world in which paths are answered as said, by every variant; a
// variant before the path, as in "rt/b /x", means that one alone. Several answers
// are given in turn, the last of them from then on.
func answers(told map[string][]lab.Answer) *world {
	w := newWorld()
	var mu sync.Mutex
	asked := make(map[string]int)
	w.reply = func(variant string, r lab.Request) *lab.Answer {
		mu.Lock()
		defer mu.Unlock()
		all := told[variant+" "+r.Path]
		if all == nil {
			all = told[r.Path]
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

// requesting is an experiment on the variants whose scenario asks for these.
func requesting(w *world, variants []string, requests ...lab.Request) *Experiment {
	e := experimentOn(w, variants...)
	e.Plan.Scenarios[0].File, e.Plan.Scenarios[0].Requests = "scenarios/json.star", requests
	return e
}

func getting(path string, line int) lab.Request {
	return lab.Request{Method: "GET", Path: path, At: lab.Place{Line: line, Column: 17}}
}

func TestAnAnswerThatIsAnErrorIsTheUsersToMend(t *testing.T) {
	notFound, moved := answer(404, "{\"error\":\"\x1bnot found\"}"), answer(301, "")
	moved.Header = map[string]string{"location": "/json/"}
	expecting := func(r lab.Request, status int) lab.Request {
		r.Expect = status
		return r
	}
	many := make([]lab.Request, 200)
	for i := range many {
		many[i] = getting(fmt.Sprintf("/jsn?page=%d", i), 9)
	}
	everyPage := map[string][]lab.Answer{}
	for _, r := range many {
		everyPage[r.Path] = []lab.Answer{answer(404, r.Path)}
	}
	post := getting("/json", 4)
	post.Method = "POST"
	for name, c := range map[string]struct {
		told     map[string][]lab.Answer
		requests []lab.Request
		want     []string // lines of the error, before its hint; none where it succeeds
	}{
		"a path that is not there": {
			map[string][]lab.Answer{"/jsn": {notFound}},
			[]lab.Request{getting("/jsn", 4)},
			[]string{`scenarios/json.star:4:17: GET /jsn is answered 404 Not Found by rt/a, rt/b, want 2xx; ` +
				`the body begins {"error":"\x1bnot found"}; did you mean "/json"?`},
		},
		"all at once, in the order of the file": {
			map[string][]lab.Answer{"/x": {answer(500, "")}, "/jsn": {notFound}},
			[]lab.Request{getting("/x", 7), getting("/json", 5), getting("/jsn", 4)},
			[]string{
				`scenarios/json.star:4:17: GET /jsn is answered 404 Not Found by rt/a, rt/b, want 2xx; ` +
					`the body begins {"error":"\x1bnot found"}; did you mean "/json"?`,
				`scenarios/json.star:7:17: GET /x is answered 500 Internal Server Error by rt/a, rt/b, want 2xx; the body is empty`,
			},
		},
		"of one variant": {
			map[string][]lab.Answer{"rt/b /x": {answer(503, "busy")}},
			[]lab.Request{getting("/x", 4)},
			[]string{`scenarios/json.star:4:17: GET /x is answered 503 Service Unavailable by rt/b and 200 OK by rt/a, want 2xx; ` +
				`the body begins busy`},
		},
		"of one call that makes many requests": {
			everyPage, many,
			[]string{`scenarios/json.star:9:17: GET /jsn?page=0 is answered 404 Not Found by rt/a, rt/b, want 2xx; ` +
				`the body begins /jsn?page=0; did you mean "/json"? (the same of 199 more requests that this call makes)`},
		},
		"a path that is near to none": {
			map[string][]lab.Answer{"/something": {notFound}},
			[]lab.Request{getting("/something", 4)},
			[]string{`scenarios/json.star:4:17: GET /something is answered 404 Not Found by rt/a, rt/b, want 2xx; ` +
				`the body begins {"error":"\x1bnot found"}; the contract's paths are /json`},
		},
		"another method": {
			map[string][]lab.Answer{"/json": {answer(405, "")}},
			[]lab.Request{post},
			[]string{`scenarios/json.star:4:17: POST /json is answered 405 Method Not Allowed by rt/a, rt/b, want 2xx; ` +
				`the body is empty; the path is there for GET`},
		},
		"another query": {
			map[string][]lab.Answer{"/json?n=x": {answer(400, "n?")}},
			[]lab.Request{getting("/json?n=x", 4)},
			[]string{`scenarios/json.star:4:17: GET /json?n=x is answered 400 Bad Request by rt/a, rt/b, want 2xx; ` +
				`the body begins n?; GET /json is answered with success`},
		},
		"a redirect": {
			map[string][]lab.Answer{"/json": {moved}},
			[]lab.Request{getting("/json", 4)},
			[]string{`scenarios/json.star:4:17: GET /json is answered 301 Moved Permanently by rt/a, rt/b, want 2xx; ` +
				`the body is empty; redirects are not followed: ask for its Location, "/json/", or expect 301`},
		},
		"another protocol, which nobody can expect": {
			map[string][]lab.Answer{"/json": {answer(101, "")}},
			[]lab.Request{getting("/json", 4)},
			[]string{`scenarios/json.star:4:17: GET /json is answered 101 Switching Protocols by rt/a, rt/b, want 2xx; ` +
				`the body is empty; the server leaves HTTP/1.1, which is all that the generator speaks`},
		},
		"not modified": {
			map[string][]lab.Answer{"/json": {answer(304, "")}},
			[]lab.Request{getting("/json", 4)},
			[]string{`scenarios/json.star:4:17: GET /json is answered 304 Not Modified by rt/a, rt/b, want 2xx; the body is empty`},
		},
		"not what is expected": {
			map[string][]lab.Answer{"rt/a /x": {answer(304, "")}},
			[]lab.Request{expecting(getting("/x", 4), 304)},
			[]string{`scenarios/json.star:4:17: GET /x is answered 200 OK by rt/b and 304 Not Modified by rt/a, ` +
				`want the 304 Not Modified that it expects; the body begins right`},
		},
		"what is expected": {
			map[string][]lab.Answer{"/x": {answer(304, "")}, "/jsn": {notFound}},
			[]lab.Request{
				expecting(getting("/x", 4), 304), expecting(getting("/jsn", 4), 404),
				expecting(getting("/json", 4), 200),
			},
			nil,
		},
		"created, and without a body": {
			map[string][]lab.Answer{"/x": {answer(201, "made")}, "/jsn": {answer(204, "")}},
			[]lab.Request{getting("/x", 4), getting("/jsn", 4)},
			nil,
		},
		"other bytes each time": {
			map[string][]lab.Answer{"/x": {answer(200, `{"now":1712000000}`), answer(200, `{"now":1712000001}`)}},
			[]lab.Request{getting("/x", 4)},
			[]string{`scenarios/json.star:4:17: GET /x is answered differently when it is asked again by rt/a, rt/b: ` +
				`from byte 16 on the body is {"now":1712000000}, then {"now":1712000001}; every answer under load is compared with ` +
				`the first, byte for byte, and no expect admits another one: ask for what does not change, or have the server ` +
				`leave out the time, the random id or the counter`},
		},
		"another status each time": {
			map[string][]lab.Answer{"/x": {answer(201, "made"), answer(409, "there")}},
			[]lab.Request{getting("/x", 4)},
			[]string{`scenarios/json.star:4:17: GET /x is answered differently when it is asked again by rt/a, rt/b: ` +
				`201 Created, then 409 Conflict; every answer under load is compared with the first, byte for byte, and no expect ` +
				`admits another one: ask for what does not change, or have the server leave out the time, the random id or the counter`},
		},
	} {
		t.Run(name, func(t *testing.T) {
			w := answers(c.told)
			err := requesting(w, []string{"a", "b"}, c.requests...).Run(t.Context())
			if len(c.want) == 0 {
				if err != nil || len(w.attacks) == 0 {
					t.Errorf("%v, %d attacks", err, len(w.attacks))
				}
				return
			}
			if err == nil {
				t.Fatal("it is measured")
			}
			if code := lab.ExitCode(err); code != lab.ExitUsage {
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

// A phase's own requests, and those in the background, are answered too.
func TestRequestsOfAPhaseAndInTheBackgroundMustSucceed(t *testing.T) {
	w := answers(map[string][]lab.Answer{"/own": {answer(404, "")}, "/beside": {answer(500, "")}})
	beside := getting("/beside", 5)
	beside.Background = true
	e := requesting(w, []string{"a"}, getting("/json", 4), beside)
	e.Plan.Scenarios[0].Phases[1].Requests = []lab.Request{getting("/own", 6)}
	err := e.Run(t.Context())
	if err == nil || !strings.Contains(err.Error(), ":5:17: GET /beside is") || !strings.Contains(err.Error(),
		":6:17: GET /own is") {
		t.Errorf("%v", err)
	}
}

// What a variant that breaks the contract answers is no mistake of the script's.
func TestTheAnswersOfARefusedVariantAreItsOwn(t *testing.T) {
	w := answers(map[string][]lab.Answer{"rt/b /json": {answer(500, "")}})
	w.answer["rt/b"] = "wrong"
	w.judge = func(body string) []string {
		if body == "wrong" {
			return []string{"wrong"}
		}
		return nil
	}
	if err := requesting(w, []string{"a", "b"}, getting("/json", 4)).Run(t.Context()); err != nil {
		t.Fatal(err)
	}
	if len(w.refused) != 1 || len(w.attacks) == 0 {
		t.Errorf("refused %v, %d attacks", w.refused, len(w.attacks))
	}
}

// A run that an earlier lab recorded knows no places, and each of its requests is
// told by itself.
func TestARequestWithoutAPlaceIsToldByItsFile(t *testing.T) {
	w := answers(map[string][]lab.Answer{"/x": {answer(404, "")}, "/y": {answer(404, "")}})
	err := requesting(w, []string{"a"}, lab.Request{Method: "GET", Path: "/x"},
		lab.Request{Method: "GET", Path: "/y"}).Run(t.Context())
	for _, path := range []string{"/x", "/y"} {
		if err == nil || !strings.Contains(err.Error(), "scenarios/json.star: GET "+path+" is answered 404") {
			t.Errorf("%v", err)
		}
	}
}

// Who examines first sees the mistakes then, and Run does not examine once more.
func TestExaminingComesOnceAndFirst(t *testing.T) {
	w := answers(map[string][]lab.Answer{"/jsn": {answer(404, "")}})
	e := requesting(w, []string{"a"}, getting("/jsn", 4))
	for range 2 {
		if refused, err := e.CheckContract(t.Context()); err == nil || refused == nil {
			t.Errorf("%v, %v", refused, err)
		}
	}
	if err := e.Run(t.Context()); err == nil {
		t.Error("it is measured")
	}
	e = requesting(newWorld(), []string{"a"}, getting("/json", 4))
	w = e.Cells.(*world)
	if _, err := e.CheckContract(t.Context()); err != nil {
		t.Fatal(err)
	}
	opened := w.asked.Load()
	if err := e.Run(t.Context()); err != nil {
		t.Fatal(err)
	}
	if got := w.asked.Load() - opened; opened != 1 || got != 2 {
		t.Errorf("%d cells to examine one variant, %d for its two trials", opened, got)
	}
}

// A clock of whole seconds says the same twice within one: the second asking waits
// for the next.
func TestASecondAskingComesInAnotherSecond(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWorld()
		w.reply = func(string, lab.Request) *lab.Answer {
			told := answer(200, strconv.FormatInt(time.Now().Unix(), 10))
			return &told
		}
		e := requesting(w, []string{"a"}, getting("/clock", 4))
		e.Between = 1100 * time.Millisecond
		if _, err := e.CheckContract(t.Context()); err == nil || !strings.Contains(err.Error(),
			"is answered differently") {
			t.Errorf("%v", err)
		}
	})
}

// A variant that gives no answer when it is asked again is not measured.
func TestNoAnswerTheSecondTimeIsTheVariantsFault(t *testing.T) {
	w := answers(map[string][]lab.Answer{"rt/b /x": {answer(200, ""), {Error: "connection reset"}}})
	if err := requesting(w, []string{"a", "b"}, getting("/x", 4)).Run(t.Context()); err != nil {
		t.Fatal(err)
	}
	why := strings.Join(w.refused["rt/b"], "; ")
	if len(w.refused) != 1 ||
		why != "scenario json: scenarios/json.star:4:17: GET /x got no answer: connection reset" {
		t.Errorf("refused %v", w.refused)
	}
}
