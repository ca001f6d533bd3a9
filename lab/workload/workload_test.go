package workload

import (
	"net/http"
	"reflect"
	"slices"
	"strings"
	"testing"

	"runtimelab/lab"
)

const repository = "../.."

// load returns the workloads of a checkout without mistakes.
func load(t testing.TB, root string) *Set {
	t.Helper()
	set, mistakes, err := Load(root)
	if err != nil || len(mistakes) > 0 {
		t.Fatal(mistakes, err)
	}
	return set
}

func vectorNamed(t *testing.T, name string) Vector {
	t.Helper()
	for _, w := range load(t, repository).All() {
		for _, v := range w.Vectors() {
			if v.Name == name {
				return v
			}
		}
	}
	t.Fatalf("no vector %q", name)
	return Vector{}
}

func TestShippedWorkloads(t *testing.T) {
	set := load(t, repository)
	var names []string
	for _, w := range set.All() {
		names = append(names, w.Name)
		if len(w.doc.May) == 0 || len(w.doc.MayNot) == 0 {
			t.Errorf("%s does not say what an implementation may and may not do", w.Name)
		}
		if got, want := slices.Contains(w.Needs(), "upstream"), w.Name == "wait"; got != want {
			t.Errorf("%s needs an upstream: %v", w.Name, got)
		}
	}
	want := "application callbacks chat compute hello orders parallel shop stream wait"
	if got := strings.Join(names, " "); got != want {
		t.Errorf("workloads %s, want %s", got, want)
	}
	if got := set.ByName("hello").Paths(); !slices.Equal(got, []string{"/plaintext", "/json"}) {
		t.Errorf("paths of hello: %v", got)
	}
	if got := set.ByName(Application).Paths(); !slices.Equal(got, []string{"/healthz", "/identity"}) {
		t.Errorf("paths of %s: %v", Application, got)
	}
}

func TestEveryDocumentedAnswerHasAVector(t *testing.T) {
	set := load(t, repository)
	var endpoints []endpoint
	for _, w := range set.All() {
		endpoints = append(endpoints, w.doc.Endpoints...)
	}
	for _, e := range endpoints {
		methods, statuses := map[string]bool{}, map[int]bool{}
		for _, v := range e.Vectors {
			methods[v.Request.Method] = true
			statuses[v.Response.Status] = true
		}
		if e.Path == set.Identity().Path {
			// The answer of 200 has no fixed bytes; contract.CheckIdentity checks it.
			methods["GET"], methods["HEAD"], statuses[200] = true, true, true
		}
		for _, method := range e.Methods {
			if !methods[method] {
				t.Errorf("%s %s: no vector", method, e.Path)
			}
		}
		for _, a := range e.Answers {
			if a.Status == http.StatusBadGateway {
				continue // no request can make a working upstream fail
			}
			if endless := a.Status == http.StatusSwitchingProtocols || a.ContentType == "text/event-stream"; endless {
				continue // no vector has an answer without an end: subscribers check it
			}
			if !statuses[a.Status] {
				t.Errorf("%s: no vector has the status %d", e.Path, a.Status)
			}
		}
	}
}

func TestPathsOfRoomsMatchTheirEndpoint(t *testing.T) {
	for _, c := range []struct {
		endpoint, path string
		want           bool
	}{
		{"/json", "/json", true},
		{"/json", "/json/", false},
		{"/json", "/jso", false},
		{"/rooms/{room}/events", "/rooms/a-1/events", true},
		{"/rooms/{room}/events", "/rooms/a-1/messages", false},
		{"/rooms/{room}/events", "/rooms//events", false},
		{"/rooms/{room}/events", "/rooms/a/b/events", false},
		{"/rooms/{room}", "/rooms/a", true},
		{"/rooms/{room}", "/rooms/a/", false},
	} {
		if got := MatchesPath(c.endpoint, c.path); got != c.want {
			t.Errorf("%s and %s: %v", c.endpoint, c.path, got)
		}
	}
}

func TestOnlyWorkloadsWithSubscribersHaveASubscription(t *testing.T) {
	for _, w := range load(t, repository).All() {
		rule := w.Subscription()
		if (rule != nil) != strings.Contains(strings.Join(w.Paths(), " "), "/events") {
			t.Errorf("%s: %+v", w.Name, rule)
		}
		if rule != nil && (rule.Messages < 10_000 || rule.MaxHeldBytes < rule.MinHeldBytes) {
			t.Errorf("%s: %+v", w.Name, rule)
		}
	}
}

func TestMistakesOfSubscribersAreReported(t *testing.T) {
	good := subscriptionRule{SubscriptionRule: lab.SubscriptionRule{
		Publish: "/r/{room}", Events: "/r/{room}", Socket: "/r/{room}", Messages: 10,
		MessageBytes: 64, MaxMessageBytes: 64, MinHeldBytes: 1024, MaxHeldBytes: 1024,
	}}
	w := &Workload{doc: document{Endpoints: []endpoint{{Path: "/r/{room}"}, {Path: "/r"}}}}
	if err := good.check(w); err != nil {
		t.Fatal(err)
	}
	for want, change := range map[string]func(*subscriptionRule){
		`path "/r" has no {room}`:     func(r *subscriptionRule) { r.Events = "/r" },
		`no endpoint "/x/{room}"`:     func(r *subscriptionRule) { r.Socket = "/x/{room}" },
		"messages is 0":               func(r *subscriptionRule) { r.Messages = 0 },
		"message_bytes must be":       func(r *subscriptionRule) { r.MessageBytes = 63 },
		"held_min_bytes must be":      func(r *subscriptionRule) { r.MaxHeldBytes = 1000 },
		"held_min_bytes must be at":   func(r *subscriptionRule) { r.MinHeldBytes = 1000 },
		"message_bytes must be at le": func(r *subscriptionRule) { r.MaxMessageBytes = 63 },
	} {
		r := good
		change(&r)
		if err := r.check(w); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%v instead of %s", err, want)
		}
	}
}

func TestVectorsAreResolved(t *testing.T) {
	count := 0
	for _, w := range load(t, repository).All() {
		count += len(w.Vectors())
	}
	if count < 300 {
		t.Errorf("%d vectors", count)
	}
	get := vectorNamed(t, "json")
	if got := get.Want.Header["content-length"]; got != "27" {
		t.Errorf("content-length of /json is %q", got)
	}
	if !slices.Equal(get.RequiredHeaders, []string{"date"}) || !slices.Equal(get.OptionalHeaders,
		[]string{"server"}) {
		t.Errorf("required headers of /json: %v, optional: %v", get.RequiredHeaders, get.OptionalHeaders)
	}
	head := vectorNamed(t, "json-head")
	if head.Want.Header["content-length"] != "27" || len(head.Want.Body) != 0 {
		t.Errorf("HEAD /json wants %v", head.Want)
	}
	full, over := vectorNamed(t, "echo-1-mib"), vectorNamed(t, "echo-1-mib-and-1")
	if len(full.Request.Body) != 1<<20 || len(over.Request.Body) != 1<<20+1 {
		t.Errorf("bodies at the limit have %d and %d bytes", len(full.Request.Body), len(over.Request.Body))
	}
	streamed := vectorNamed(t, "stream-1-mib")
	if body := streamed.Want.Body; len(body) != 1<<20 || body[250] != 250 || body[251] != 0 ||
		body[65535] != 65535%251 || body[65536] != 0 {
		t.Errorf("body_blocks became %d bytes", len(body))
	}
	_, given := streamed.Want.Header["content-length"]
	if given || slices.Contains(streamed.RequiredHeaders, "content-length") {
		t.Error("a chunked body must have a content-length")
	}
	bom := vectorNamed(t, "echo-bom")
	if !strings.HasPrefix(string(bom.Request.Body), "\xef\xbb\xbf{") {
		t.Errorf("body_base64 became %q", bom.Request.Body[:8])
	}
}

func TestIdentityFieldsAreThoseOfLabIdentity(t *testing.T) {
	var listed []string
	for _, f := range load(t, repository).Identity().Fields {
		listed = append(listed, f.Field)
	}
	want := append(jsonNames("", reflect.TypeFor[lab.Identity]()),
		jsonNames("process.", reflect.TypeFor[lab.ProcessLimits]())...)
	slices.Sort(listed)
	slices.Sort(want)
	if !slices.Equal(listed, want) {
		t.Errorf("contract lists\n%v\nlab.Identity has\n%v", listed, want)
	}
}

func jsonNames(prefix string, structType reflect.Type) []string {
	var names []string
	for i := range structType.NumField() {
		names = append(names, prefix+structType.Field(i).Tag.Get("json"))
	}
	return names
}

func allVectors(t *testing.T) (all []Vector) {
	t.Helper()
	for _, w := range load(t, repository).All() {
		all = append(all, w.Vectors()...)
	}
	return all
}

// The largest bodies have tens of megabytes, which the lab keeps while it measures.
func TestLargeBodiesShareMemory(t *testing.T) {
	shared, all := map[*byte]int{}, 0
	for _, v := range allVectors(t) {
		if body := v.Request.Body; len(body) > 0 {
			all += len(body)
			shared[&body[0]] = max(shared[&body[0]], len(body))
		}
	}
	once := 0
	for _, n := range shared {
		once += n
	}
	if once > all/2 {
		t.Errorf("%d MiB of bodies take %d", all>>20, once>>20)
	}
}

func TestSucceedingHasNoErrorsAndNoNeedlessQueries(t *testing.T) {
	counts := map[string]int{}
	for _, r := range load(t, repository).Succeeding() {
		counts[r.Method+" "+r.Path]++
	}
	for _, want := range []string{
		"GET /json", "HEAD /json", "POST /echo", "GET /compute/integers?n=1", "GET /wait?ms=0",
	} {
		if counts[want] != 1 {
			t.Errorf("%s appears %d times in %v", want, counts[want], counts)
		}
	}
	for _, wrong := range []string{
		"GET /nowhere", "GET /JSON", "POST /json", "GET /json?a=1&b=%2F", "GET /wait",
	} {
		if counts[wrong] != 0 {
			t.Errorf("%s appears", wrong)
		}
	}
}
