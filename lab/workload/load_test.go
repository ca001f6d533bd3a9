package workload

import (
	"fmt"
	"maps"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
)

// minimal is the text of two valid workloads, by file; the test cases replace parts of it.
var minimal = map[string]string{
	"application": `{
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
    {"field": "workers", "type": "integer", "about": "x", "at_least": 1}]}
}
`,
	"work": `{
  "version": 1,
  "about": "y",
  "needs": ["upstream"],
  "endpoints": [
    {"path": "/q", "methods": ["GET"], "about": "x", "answers": [], "vectors": [
      {"name": "q", "about": "x",
       "request": {"method": "GET", "path": "/q?n=1"},
       "response": {"status": 200, "headers": {"content-type": "text/plain"}, "body": "1"}}
    ]}
  ],
  "inputs": {"about": "x", "count": 10, "valid_share": 0.5,
    "orders": {"weight": 5, "request": {"method": "POST", "path": "/echo"},
      "bounds": {"id_max": 9, "customer_max": 9, "note_max": 9, "sku_max": 9,
        "items_max": 9, "quantity_max": 9, "unit_cents_max": 9}},
    "queries": {"weight": 4, "endpoints": [
      {"path": "/q", "methods": ["GET"], "parameters": [{"name": "n", "low": 1, "at_most": 5, "high": 9}]}]},
    "uploads": {"weight": 1, "request": {"method": "POST", "path": "/u"}, "size_max": 9}}
}
`,
}

// checkout writes workloads into a new folder and returns it.
func checkout(t *testing.T, workloads map[string]string) string {
	t.Helper()
	root := t.TempDir()
	for name, text := range workloads {
		path := filepath.Join(root, Dir, name, File)
		if err := os.MkdirAll(filepath.Dir(path), 0o755); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	return root
}

func TestLoadReportsMistakesWithTheirPlace(t *testing.T) {
	set := load(t, checkout(t, minimal))
	if len(set.All()) != 2 || len(set.Broken) > 0 {
		t.Fatalf("minimal has %v, broken %v", set.All(), set.Broken)
	}
	twice := `"vectors": [{"name": "a", "about": "y",
		"request": {"method": "GET", "path": "/identity"},
		"response": {"status": 200, "headers": {"content-type": "x"}}},`
	cases := map[string]struct{ old, new, says string }{
		"an unknown field":       {`"rules"`, `"rulez"`, `unknown field "rulez"`},
		"an unknown field, deep": {`"body": "b"`, `"boddy": "b"`, `unknown field "boddy"`},
		"invalid JSON":           {`"rules": [],`, `"rules": [,`, "invalid character"},
		"a wrong type":           {`"status": 405`, `"status": "405"`, "cannot unmarshal string"},
		"content after the end": {
			"\"size_max\": 9}}\n}", "\"size_max\": 9}}\n} {}",
			"unexpected content",
		},
		"another version":    {`"version": 1`, `"version": 2`, "version 2"},
		"two bodies":         {`"body": "b"`, `"body": "b", "body_base64": "Yg=="`, "only one of"},
		"a body beside JSON": {`"body": "1"`, `"body": "1", "json": {}`, "only one of json and a body"},
		"bad base64":         {`"body": "b"`, `"body_base64": "%"`, "body_base64"},
		"an empty unit":      {`"body": "b"`, `"body_repeat": {"unit": "", "count": 3}`, "body_repeat"},
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
		"at_least above at_most":    {`"at_most": 5`, `"at_least": 6, "at_most": 5`, "at_least <= at_most"},
		"a negative number":         {`"low": 1`, `"low": -1`, "0 <= low"},
		"uploads of size 0":         {`"size_max": 9`, `"size_max": 0`, "size_max must be at least 1"},
		"an upload without a path":  {`"path": "/u"`, `"path": ""`, "uploads: the request needs"},
		"a body of a random upload": {`"path": "/u"`, `"path": "/u", "body": "x"`, "bodies are random"},
		"a negative weight":         {`"weight": 4`, `"weight": -4`, "queries: weight is -4"},
		"a share above 1":           {`"valid_share": 0.5`, `"valid_share": 50`, "valid_share"},
		"a share below 0":           {`"valid_share": 0.5`, `"valid_share": -1`, "valid_share"},
		"no inputs":                 {`"count": 10`, `"count": 0`, "count is 0, want 1 to 10000"},
		"no kind of inputs": {
			minimal["work"][strings.Index(minimal["work"], `,
    "orders"`):strings.LastIndex(minimal["work"], "}\n}")],
			``, "neither orders nor queries nor uploads",
		},
		"an unknown service": {
			`["upstream"]`, `["upstram"]`, `unknown service "upstram"; did you mean "upstream"?`,
		},
		"no line that describes it": {`"about": "y"`, `"about": ""`, "about must be one line"},
		"an endpoint of another workload": {
			`{"path": "/q", "methods": ["GET"], "about"`, `{"path": "/identity", "methods": ["GET"], "about"`,
			"instead of the endpoint's",
		},
		"a vector of another workload": {
			`"name": "q"`, `"name": "a"`,
			`two vectors are named "a"; the first is one of application`,
		},
		"all other paths": {
			`{"path": "/q", "methods": ["GET"], "about"`,
			`{"path": "*", "methods": ["GET"], "about"`, "which only application has",
		},
		"headers of a workload": {
			`"needs"`, `"headers": {"always": []}, "needs"`,
			"which only application has",
		},
		"an identity of a workload": {
			`"needs"`, `"identity": {"path": "/q"}, "needs"`,
			"which only application has",
		},
		"an optional header in capitals": {
			`"date"]`, `"date"], "optional": [{"name": "Server", "reason": "x"}]`,
			`"Server" is not a name in lower case`,
		},
		"an optional header without a reason": {
			`"date"]`, `"date"], "optional": [{"name": "server"}]`, `header "server" needs a reason`,
		},
		"an optional header that always comes": {
			`"date"]`, `"date"], "optional": [{"name": "date", "reason": "x"}]`, "and always lists it",
		},
		"an optional header twice": {
			`"date"]`, `"date"], "optional": [{"name": "a", "reason": "x"}, {"name": "a", "reason": "x"}]`,
			`header "a" is optional twice`,
		},
		"no headers": {
			`  "headers": {"always": ["content-type", "content-length", "date"]},`, ``,
			"headers or identity is missing",
		},
	}
	places := map[string]string{ // line and column
		"a body of a random upload":              "12:3",
		"a bound of 0":                           "12:3",
		"a body beside JSON":                     "7:8",
		"a content-length of a chunked response": "8:8",
		"a header in capitals":                   "8:8",
		"a modulus above 256":                    "8:8",
		"a negative number":                      "12:3",
		"a negative weight":                      "12:3",
		"a repeated body that is too large":      "8:8",
		"a response without a type":              "8:8",
		"a rule of another type":                 "13:3",
		"a share above 1":                        "12:3",
		"a share below 0":                        "12:3",
		"a status that is not final":             "8:8",
		"a vector of another workload":           "7:8",
		"a vector without a name":                "8:8",
		"a wrong type":                           "10:35",
		"all other paths":                        "6:6",
		"an empty unit":                          "8:8",
		"an endpoint of another workload":        "7:8",
		"an endpoint without methods":            "12:3",
		"an endpoint without vectors":            "6:18",
		"an identity at an unknown path":         "13:3",
		"an identity of a workload":              "4:3",
		"an unknown field":                       "4:3",
		"an unknown field, deep":                 "9:62",
		"an unknown service":                     "4:13",
		"an unknown type":                        "13:3",
		"an upload without a path":               "12:3",
		"an optional header in capitals":         "5:91",
		"an optional header that always comes":   "5:83",
		"an optional header twice":               "5:83",
		"an optional header without a reason":    "5:83",
		"another endpoint's path":                "8:8",
		"another version":                        "2:3",
		"at_least above at_most":                 "12:3",
		"at_most above high":                     "12:3",
		"bad base64":                             "8:8",
		"blocks that are too large":              "8:8",
		"content after the end":                  "19:3",
		"headers of a workload":                  "4:3",
		"invalid JSON":                           "4:13",
		"no blocks":                              "8:8",
		"no endpoints of queries":                "12:3",
		"no headers":                             "0:0",
		"no inputs":                              "12:3",
		"no kind of inputs":                      "12:3",
		"no line that describes it":              "3:3",
		"two bodies":                             "8:8",
		"two vectors of one name":                "7:89",
		"uploads of size 0":                      "12:3",
	}
	for name, c := range cases {
		t.Run(name, func(t *testing.T) {
			texts, changed := maps.Clone(minimal), ""
			for _, workload := range []string{"application", "work"} {
				if text := strings.Replace(texts[workload], c.old, c.new, 1); text != texts[workload] {
					texts[workload], changed = text, workload
					break
				}
			}
			if changed == "" {
				t.Fatalf("%q is in no workload", c.old)
			}
			set, mistakes, err := Load(checkout(t, texts))
			if err != nil || len(mistakes) == 0 {
				t.Fatalf("no mistake, and error %v", err)
			}
			m := mistakes[0]
			if m.File != Dir+"/"+changed+"/"+File || !strings.Contains(m.Text, c.says) {
				t.Errorf("%s: %q, want something with %q in %s", m.File, m.Text, c.says, changed)
			}
			if got := fmt.Sprintf("%d:%d", m.Line, m.Column); got != places[name] {
				t.Errorf("at %s, want %s: %s", got, places[name], m.Text)
			}
			if set.ByName(changed) != nil || !slices.Equal(set.Broken, []string{changed}) {
				t.Errorf("broken %v, want %s", set.Broken, changed)
			}
		})
	}
}

func TestTwoWorkloadsCannotHaveOnePath(t *testing.T) {
	texts := maps.Clone(minimal)
	texts["zoo"] = strings.Replace(texts["work"], `"name": "q"`, `"name": "z"`, 1)
	set, mistakes, err := Load(checkout(t, texts))
	if err != nil || len(mistakes) != 1 || mistakes[0].File != "scenarios/workloads/zoo/workload.json" ||
		mistakes[0].Line != 6 || mistakes[0].Text != "endpoint /q is already one of work" {
		t.Errorf("mistakes %+v, error %v", mistakes, err)
	}
	if set.ByName("work") == nil {
		t.Error("the first workload of the path is lost")
	}
}

// A workload cannot have a path that every application must refuse.
func TestAPathThatNothingHasIsNoEndpoint(t *testing.T) {
	texts := maps.Clone(minimal)
	texts["application"] = strings.Replace(texts["application"], `"endpoints": [`, `"endpoints": [
    {"path": "*", "methods": [], "about": "x", "answers": [], "vectors": [
      {"name": "nowhere", "about": "x", "request": {"method": "GET", "path": "/nowhere?a=1"},
       "response": {"status": 404, "headers": {"content-type": "text/plain"}}}]},`, 1)
	load(t, checkout(t, texts))
	texts["work"] = strings.ReplaceAll(texts["work"], `"/q`, `"/nowhere`)
	_, mistakes, err := Load(checkout(t, texts))
	if err != nil || len(mistakes) != 1 || mistakes[0].Line != 6 ||
		!strings.Contains(mistakes[0].Text, "vector nowhere of application") {
		t.Errorf("mistakes %+v, error %v", mistakes, err)
	}
}

func TestFoldersWithoutAWorkloadAreReported(t *testing.T) {
	root := checkout(t, minimal)
	for _, dir := range []string{"empty", ".hidden"} {
		if err := os.Mkdir(filepath.Join(root, Dir, dir), 0o755); err != nil {
			t.Fatal(err)
		}
	}
	if err := os.WriteFile(filepath.Join(root, Dir, "README.md"), nil, 0o600); err != nil {
		t.Fatal(err)
	}
	set, mistakes, err := Load(root)
	if err != nil || len(mistakes) != 1 || len(set.All()) != 2 {
		t.Fatalf("mistakes %+v, error %v", mistakes, err)
	}
	if m := mistakes[0]; m.File != "scenarios/workloads/empty/workload.json" ||
		!strings.Contains(m.Text, "has no workload.json") {
		t.Errorf("%+v", m)
	}
	_, mistakes, err = Load(checkout(t, map[string]string{"work": minimal["work"]}))
	if err != nil || len(mistakes) != 1 || !strings.Contains(mistakes[0].File, "application") {
		t.Errorf("without %s: mistakes %+v, error %v", Application, mistakes, err)
	}
	set, mistakes, err = Load(t.TempDir())
	if err != nil || len(mistakes) > 0 || len(set.All()) > 0 {
		t.Errorf("no folder: %v, mistakes %+v, error %v", set.All(), mistakes, err)
	}
}
