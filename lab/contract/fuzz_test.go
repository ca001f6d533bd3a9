package contract

import (
	"encoding/json"
	"net/http"
	"strings"
	"testing"

	"runtimelab/lab"
)

// FuzzIdentity checks that any answer of a server gives either an identity or
// differences, because servers are not trusted.
func FuzzIdentity(f *testing.F) {
	rule := load(f).Identity()
	f.Add(http.StatusOK,
		[]byte(`{"runtime": "node", "version": "24", "process": {"pid": 1, "cpus_allowed": "1"}}`))
	f.Add(http.StatusOK, []byte(`{"process": {"process": {}}, "build": {"a.b": 1e999}}`))
	f.Add(http.StatusNotFound, []byte(`[`))
	f.Fuzz(func(t *testing.T, status int, body []byte) {
		id, wrong := CheckIdentity(rule, lab.Answer{Status: status, Body: body},
			ExpectedIdentity{Runtime: "node", CPUs: []int{1}})
		if len(wrong) == 0 && (id.Runtime != "node" || status != http.StatusOK || !json.Valid(body)) {
			t.Fatalf("%d %q gives the identity %+v", status, body, id)
		}
		for _, w := range wrong {
			if strings.Contains(w, "\n") || !strings.HasPrefix(w, "it") {
				t.Errorf("%q is not a line that begins with it", w)
			}
		}
	})
}
