package experiment

import (
	"maps"
	"reflect"
	"slices"
	"strings"
	"sync"
	"testing"

	"runtimelab/lab"
)

// own returns a server of the user's own on port 3000, which gets a token with every request.
func own(ready *lab.Request) *lab.OwnServer {
	return &lab.OwnServer{Port: 3000, Ready: ready, Headers: map[string]string{"Authorization": "Bearer x"}}
}

// A server of the user's own is asked only what the scenarios ask, each time with its headers. It
// has no identity; its backlog is that of its socket.
func TestAServerOfOnesOwnNeedNotKnowTheContract(t *testing.T) {
	w := newWorld()
	w.listeners = []lab.Listener{
		{Address: "::", Port: 3000, Backlog: 7},
		{Address: "0.0.0.0", Port: 3000, Backlog: 511, UID: 65532},
		{Address: "127.0.0.1", Port: 9000, Backlog: 9},
	}
	var mu sync.Mutex
	asked := map[string]int{} // by path
	w.reply = func(variant string, r lab.Request) *lab.Answer {
		mu.Lock()
		defer mu.Unlock()
		if variant != "rt/own" {
			return nil
		}
		asked[r.Path]++
		if r.Header["Authorization"] != "Bearer x" {
			t.Errorf("%s %s is asked with the headers %v", r.Method, r.Path, r.Header)
		}
		return nil
	}
	w.judge = func(string) []string { return nil }
	e := newExperiment(w, "app", "own")
	e.Variants["rt/own"] = lab.Variant{Runtime: "rt", Name: "own", Own: own(nil)}
	if err := e.Run(t.Context()); err != nil {
		t.Fatal(err)
	}
	if len(w.refused) > 0 {
		t.Errorf("refused: %v", w.refused)
	}
	if got := slices.Collect(maps.Keys(asked)); !reflect.DeepEqual(got, []string{"/json"}) {
		t.Errorf("asked %v, want only what the scenario asks", asked)
	}
	if _, err := e.CheckIdentities(t.Context()); err != nil || asked["/identity"] > 0 {
		t.Errorf("asked %v, error %v: it need not know /identity", asked, err)
	}
	for _, a := range w.attacks {
		isOwn := strings.Contains(a.Name, "rt/own")
		if isOwn && (a.BaseURL != "http://127.0.0.1:3000" || a.SideRequest != nil ||
			a.Targets[0].Request.Header["Authorization"] != "Bearer x") {
			t.Errorf("attack %+v", a)
		}
		if !isOwn && (a.BaseURL != "http://127.0.0.1:8080" || a.Targets[0].Request.Header != nil) {
			t.Errorf("attack %+v on an application of the lab", a)
		}
	}
	var ports []int
	for _, r := range w.requests {
		ports = append(ports, r.Services[len(r.Services)-1].Port)
	}
	if !slices.Contains(ports, 3000) || !slices.Contains(ports, lab.ServerPort) {
		t.Errorf("cells for servers on %v", ports)
	}
	for _, s := range w.recorded {
		if s.Variant.Name == "own" && (s.Identity.Backlog != 511 || s.ColdStart == nil) {
			t.Errorf("backlog %d, cold start %v", s.Identity.Backlog, s.ColdStart)
		}
	}
}

// A USER that is another name of root shows only in the sockets of a started server.
func TestAServerOfOnesOwnThatRunsAsRootIsRefused(t *testing.T) {
	for name, c := range map[string]struct {
		listener lab.Listener
		want     string // the reason; empty: none
	}{
		"root": {
			lab.Listener{Address: "0.0.0.0", Port: 3000},
			"contract: its socket 0.0.0.0:3000 belongs to user 0, and the lab runs no server as root; name a user " +
				`without privileges by its ids: variant(user = "65532:65532")`,
		},
		"another user":                 {lab.Listener{Address: "0.0.0.0", Port: 3000, UID: 7}, ""},
		"root, where nothing is asked": {lab.Listener{Address: "0.0.0.0", Port: 9000}, ""},
	} {
		w := newWorld()
		w.listeners = []lab.Listener{c.listener}
		e := newExperiment(w, "own")
		e.Variants["rt/own"] = lab.Variant{Runtime: "rt", Name: "own", Own: own(nil)}
		refused, err := e.CheckContract(t.Context())
		if err != nil || refused["rt/own"] != c.want {
			t.Errorf("%s: refused because %q, error %v; want %q", name, refused["rt/own"], err, c.want)
		}
	}
}

func TestAServerIsReadyWhenItAnswersTheRightRequest(t *testing.T) {
	health := lab.Request{Method: "GET", Path: "/health", Header: map[string]string{"Authorization": "none"}}
	post, get := lab.Request{Method: "POST", Path: "/orders"}, lab.Request{Method: "GET", Path: "/orders/7"}
	token := map[string]string{"Authorization": "Bearer x"}
	e := newExperiment(newWorld(), "app")
	for name, c := range map[string]struct {
		variant  lab.Variant
		requests []lab.Request
		want     lab.Target
	}{
		"an application": {
			lab.Variant{},
			[]lab.Request{get},
			lab.Target{Request: lab.Request{Method: "GET", Path: "/identity"}, Status: 200},
		},
		"what its script says": {lab.Variant{Own: own(&health)}, []lab.Request{get}, lab.Target{Request: health}},
		"the first GET": {
			lab.Variant{Own: own(nil)},
			[]lab.Request{post, get},
			lab.Target{Request: lab.Request{Method: "GET", Path: "/orders/7", Header: token}},
		},
		"the first request": {
			lab.Variant{Own: own(nil)},
			[]lab.Request{post},
			lab.Target{Request: lab.Request{Method: "POST", Path: "/orders", Header: token}},
		},
		"any answer": {
			lab.Variant{Own: own(nil)},
			nil,
			lab.Target{Request: lab.Request{Method: "GET", Path: "/", Header: token}, Status: lab.AnyStatus},
		},
	} {
		if got := e.readyTarget(c.variant, lab.Scenario{Requests: c.requests}); !reflect.DeepEqual(got, c.want) {
			t.Errorf("%s: %+v, want %+v", name, got, c.want)
		}
	}
}

func TestWhatListensWhereIsSaid(t *testing.T) {
	cell := &fakeCell{}
	beside := lab.Service{Role: lab.RoleUpstream, Port: lab.UpstreamPort}
	cell.services = []*fakeService{{cell: cell, spec: beside}}
	upstream := lab.Listener{Address: "127.0.0.1", Port: lab.UpstreamPort}
	for _, c := range []struct {
		listeners []lab.Listener
		own       *lab.OwnServer
		want      string
	}{
		{
			[]lab.Listener{upstream},
			own(nil),
			"nothing in the cell listens on any port, and the lab asks 127.0.0.1:3000",
		},
		{
			[]lab.Listener{upstream, {Address: "0.0.0.0", Port: 80, UID: 7}, {Address: "::1", Port: 90}},
			own(nil),
			"nothing listens on 127.0.0.1:3000, but on 0.0.0.0:80 (user 7), [::1]:90 (user 0): set port in variant()",
		},
		{
			[]lab.Listener{{Address: "0.0.0.0", Port: 80, UID: 7}},
			nil,
			"nothing listens on 127.0.0.1:8080, but on 0.0.0.0:80 (user 7): an application listens on PORT",
		},
		{
			[]lab.Listener{{Address: "::1", Port: 3000, UID: 7}},
			own(nil),
			"it listens on [::1]:3000 (user 7), and the lab asks 127.0.0.1:3000: make it listen on 0.0.0.0 or " +
				"127.0.0.1",
		},
		{[]lab.Listener{{Address: "::", Port: 3000, UID: 7}}, own(nil), "it listens on [::]:3000 (user 7)"},
	} {
		if got := describeListeners(withoutBeside(c.listeners, cell), lab.Variant{Own: c.own}); got != c.want {
			t.Errorf("%s\nwant %s", got, c.want)
		}
	}
}

// A request's own header replaces the variant's, however it is spelt.
func TestHeadersOfARequestComeFirst(t *testing.T) {
	r := lab.Request{Header: map[string]string{"authorization": "none", "X-A": "1"}}
	got := withHeaders(lab.Variant{Own: own(nil)}, r)
	if want := map[string]string{"Authorization": "none", "X-A": "1"}; !reflect.DeepEqual(got.Header, want) {
		t.Errorf("%v, want %v", got.Header, want)
	}
	if len(r.Header) != 2 || r.Header["authorization"] != "none" {
		t.Errorf("the script's request has changed: %v", r.Header)
	}
}

// The contract's paths are no advice for a server that does not keep it; what it may need is a token.
func TestAdviceFitsTheServer(t *testing.T) {
	for status, want := range map[int]string{
		401: "headers of variant() are sent with every request", 404: "",
	} {
		w := newWorld()
		w.reply = func(string, lab.Request) *lab.Answer { return &lab.Answer{Status: status} }
		e := newExperiment(w, "own")
		e.Variants["rt/own"] = lab.Variant{Runtime: "rt", Name: "own", Own: own(nil)}
		_, err := e.CheckContract(t.Context())
		if err == nil || !strings.Contains(err.Error(), want) || strings.Contains(err.Error(), "succeeds") {
			t.Errorf("status %d: %v, want %q", status, err, want)
		}
	}
}
