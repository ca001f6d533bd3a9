package contract

import (
	"errors"
	"maps"
	"net/http"
	"os"
	"path/filepath"
	"reflect"
	"slices"
	"strings"
	"testing"

	"runtimelab/lab"
	"runtimelab/lab/fault"
)

const contractFile = "../../runtimes/contract.json"

func load(t *testing.T) *Contract {
	t.Helper()
	c, err := Load(contractFile)
	if err != nil {
		t.Fatal(err)
	}
	return c
}

func vectorNamed(t *testing.T, c *Contract, name string) Vector {
	t.Helper()
	for _, v := range c.Vectors() {
		if v.Name == name {
			return v
		}
	}
	t.Fatalf("no vector %q", name)
	return Vector{}
}

func TestEveryDocumentedAnswerHasAVector(t *testing.T) {
	c := load(t)
	for _, e := range c.file.Endpoints {
		methods, statuses := map[string]bool{}, map[int]bool{}
		for _, v := range e.Vectors {
			methods[v.Request.Method] = true
			statuses[v.Response.Status] = true
		}
		if e.Path == c.file.Identity.Path {
			// The answer of 200 has no fixed bytes; CheckIdentity checks it.
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
			if !statuses[a.Status] {
				t.Errorf("%s: no vector has the status %d", e.Path, a.Status)
			}
		}
	}
}

func TestVectorsAreResolved(t *testing.T) {
	c := load(t)
	if n := len(c.Vectors()); n < 100 {
		t.Errorf("%d vectors", n)
	}
	get := vectorNamed(t, c, "json")
	if got := get.Want.Header["content-length"]; got != "27" {
		t.Errorf("content-length of /json is %q", got)
	}
	if !slices.Equal(get.RequiredHeaders, []string{"date"}) {
		t.Errorf("required headers of /json: %v", get.RequiredHeaders)
	}
	head := vectorNamed(t, c, "json-head")
	if head.Want.Header["content-length"] != "27" || len(head.Want.Body) != 0 {
		t.Errorf("HEAD /json wants %v", head.Want)
	}
	full, over := vectorNamed(t, c, "echo-1-mib"), vectorNamed(t, c, "echo-1-mib-and-1")
	if len(full.Request.Body) != 1<<20 || len(over.Request.Body) != 1<<20+1 {
		t.Errorf("bodies at the limit have %d and %d bytes", len(full.Request.Body), len(over.Request.Body))
	}
	streamed := vectorNamed(t, c, "stream-1-mib")
	if body := streamed.Want.Body; len(body) != 1<<20 || body[250] != 250 || body[251] != 0 ||
		body[65535] != 65535%251 || body[65536] != 0 {
		t.Errorf("body_blocks became %d bytes", len(body))
	}
	_, given := streamed.Want.Header["content-length"]
	if given || slices.Contains(streamed.RequiredHeaders, "content-length") {
		t.Error("a chunked body must have a content-length")
	}
	bom := vectorNamed(t, c, "echo-bom")
	if !strings.HasPrefix(string(bom.Request.Body), "\xef\xbb\xbf{") {
		t.Errorf("body_base64 became %q", bom.Request.Body[:8])
	}
}

func TestIdentityFieldsAreThoseOfLabIdentity(t *testing.T) {
	var listed []string
	for _, f := range load(t).file.Identity.Fields {
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

// minimalContract is valid; the test cases replace parts of it.
const minimalContract = `{
  "version": 1,
  "about": "x",
  "rules": [],
  "headers": {"always": ["content-type", "content-length", "date"]},
  "endpoints": [
    {"path": "/identity", "methods": ["GET"], "about": "x", "answers": [], "vectors": [
      {"name": "a", "about": "x",
       "request": {"method": "PUT", "path": "/identity?x=1", "body": "b"},
       "response": {"status": 405, "headers": {"content-type": "text/plain"}, "body": "no"}}
    ]}
  ],
  "identity": {"path": "/identity", "about": "x", "fields": [
    {"field": "workers", "type": "integer", "about": "x", "at_least": 1}]},
  "random": {"about": "x",
    "orders": {"weight": 5, "request": {"method": "POST", "path": "/echo"},
      "bounds": {"id_max": 9, "customer_max": 9, "note_max": 9, "sku_max": 9,
        "items_max": 9, "quantity_max": 9, "unit_cents_max": 9}},
    "queries": {"weight": 4, "endpoints": [
      {"path": "/q", "methods": ["GET"], "parameters": [{"name": "n", "low": 1, "at_most": 5, "high": 9}]}]},
    "uploads": {"weight": 1, "request": {"method": "POST", "path": "/u"}, "size_max": 9},
    "valid_share": 0.5}
}
`

func TestLoadRefusesInvalidContracts(t *testing.T) {
	if _, err := parse([]byte(minimalContract)); err != nil {
		t.Fatalf("minimalContract is invalid: %v", err)
	}
	twice := `"vectors": [{"name": "a", "about": "y",
		"request": {"method": "GET", "path": "/identity"},
		"response": {"status": 200, "headers": {"content-type": "x"}}},`
	cases := map[string]struct{ old, new, says string }{
		"an unknown field":       {`"rules"`, `"rulez"`, `unknown field "rulez"`},
		"an unknown field, deep": {`"body": "b"`, `"boddy": "b"`, `unknown field "boddy"`},
		"invalid JSON":           {`"rules": [],`, `"rules": [,`, "line 4"},
		"a wrong type":           {`"status": 405`, `"status": "405"`, "line 10"},
		"content after the end": {
			"\"valid_share\": 0.5}\n}", "\"valid_share\": 0.5}\n} {}",
			"line 23: unexpected content",
		},
		"another version": {`"version": 1`, `"version": 2`, "version 2"},
		"two bodies":      {`"body": "b"`, `"body": "b", "body_base64": "Yg=="`, "only one of"},
		"bad base64":      {`"body": "b"`, `"body_base64": "%"`, "body_base64"},
		"an empty unit":   {`"body": "b"`, `"body_repeat": {"unit": "", "count": 3}`, "body_repeat"},
		"a repeated body that is too large": {
			`"body": "b"`, `"body_repeat": {"unit": "ab", "count": 99999999}`,
			"body_repeat",
		},
		"a modulus above 256": {
			`"body": "b"`, `"body_blocks": {"modulus": 257, "size": 9, "count": 3}`,
			"body_blocks",
		},
		"blocks that are too large": {
			`"body": "b"`, `"body_blocks": {"modulus": 251, "size": 65536, "count": 1025}`,
			"body_blocks",
		},
		"no blocks": {
			`"body": "b"`, `"body_blocks": {"modulus": 251, "size": 65536, "count": 0}`,
			"body_blocks",
		},
		"a content-length of a chunked response": {
			`{"content-type": "text/plain"}`,
			`{"content-type": "text/plain", "content-length": "2"}, "chunked": true`,
			"a chunked response cannot",
		},
		"another endpoint's path":    {`/identity?x=1`, `/other`, "instead of the endpoint's"},
		"a status that is not final": {`405`, `100`, "status 100"},
		"a response without a type": {
			`"headers": {"content-type": "text/plain"}`, `"headers": {}`,
			"the response has no content-type",
		},
		"a header in capitals": {
			`{"content-type": "text/plain"}`, `{"Content-Type": "text/plain"}`,
			"lower case",
		},
		"a vector without a name": {`"name": "a"`, `"name": ""`, "needs name and about"},
		"two vectors of one name": {`"vectors": [`, twice, `two vectors are named "a"`},
		"an endpoint without vectors": {
			`"endpoints": [`,
			`"endpoints": [{"path": "/x", "methods": [], "about": "", "answers": [], "vectors": []},`,
			"/x has no vectors",
		},
		"an identity at an unknown path": {
			`"identity": {"path": "/identity"`, `"identity": {"path": "/id"`,
			`no endpoint "/id"`,
		},
		"an unknown type":        {`"type": "integer"`, `"type": "int"`, `unknown type "int"`},
		"a rule of another type": {`"at_least": 1`, `"equals": "1"`, "needs a value of type integer"},
		"a bound of 0":           {`"sku_max": 9`, `"sku_max": 0`, "at least 1"},
		"no endpoints of queries": {
			`{"path": "/q", "methods": ["GET"], "parameters": [{"name": "n", "low": 1, "at_most": 5, "high": 9}]}`,
			``, "endpoints is empty",
		},
		"an endpoint without methods": {
			`"methods": ["GET"], "parameters"`, `"methods": [], "parameters"`,
			`"/q" needs`,
		},
		"at_most above high":        {`"at_most": 5`, `"at_most": 10`, "low <= at_most <= high"},
		"a negative number":         {`"low": 1`, `"low": -1`, "0 <= low"},
		"uploads of size 0":         {`"size_max": 9`, `"size_max": 0`, "size_max must be at least 1"},
		"an upload without a path":  {`"path": "/u"`, `"path": ""`, "uploads: the request needs"},
		"a body of a random upload": {`"path": "/u"`, `"path": "/u", "body": "x"`, "bodies are random"},
		"a negative weight":         {`"weight": 4`, `"weight": -4`, "weights"},
		"a share above 1":           {`"valid_share": 0.5`, `"valid_share": 50`, "valid_share"},
	}
	for name, c := range cases {
		t.Run(name, func(t *testing.T) {
			changed := strings.Replace(minimalContract, c.old, c.new, 1)
			if changed == minimalContract {
				t.Fatalf("%q is not in minimalContract", c.old)
			}
			path := filepath.Join(t.TempDir(), "contract.json")
			if err := os.WriteFile(path, []byte(changed), 0o600); err != nil {
				t.Fatal(err)
			}
			_, err := Load(path)
			if err == nil || !strings.Contains(err.Error(), c.says) || !strings.Contains(err.Error(), path) {
				t.Errorf("got %v, want something with %q and the file's path", err, c.says)
			}
			var userErr *fault.Error
			if !errors.As(err, &userErr) || userErr.Code != fault.ExitUsage {
				t.Errorf("%v is not a usage fault", err)
			}
		})
	}
}

func TestLoadFailsWithoutAFile(t *testing.T) {
	_, err := Load(filepath.Join(t.TempDir(), "none.json"))
	if fault.ExitCode(err) != fault.ExitUsage || !errors.Is(err, os.ErrNotExist) {
		t.Errorf("got %v", err)
	}
}

// expectedAnswer returns an answer that matches the vector.
func expectedAnswer(v Vector) lab.Answer {
	a := v.Want
	a.Header = maps.Clone(v.Want.Header)
	for _, name := range v.RequiredHeaders {
		a.Header[name] = "whatever"
	}
	return a
}

// The largest bodies have tens of megabytes, which the lab keeps while it measures.
func TestLargeBodiesShareMemory(t *testing.T) {
	shared, all := map[*byte]int{}, 0
	for _, v := range load(t).vectors {
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
	for _, r := range load(t).Succeeding() {
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
