package contract

import (
	"encoding/json"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"runtimelab/lab"
)

// FuzzContract checks that any file gives either a contract or an error.
func FuzzContract(f *testing.F) {
	text, err := os.ReadFile(filepath.Join("..", "..", "runtimes", "contract.json"))
	if err != nil {
		f.Fatal(err)
	}
	f.Add(text)
	f.Add([]byte(`{"version": 1, "identity": {"path": "/identity", "fields": []}, "vectors": []}`))
	f.Fuzz(func(t *testing.T, text []byte) {
		if c, err := parse(text); (c == nil) == (err == nil) {
			t.Fatalf("neither a contract nor an error, or both: %v", err)
		}
	})
}

// FuzzIdentity checks that any answer of a server gives either an identity or
// differences, because servers are not trusted.
func FuzzIdentity(f *testing.F) {
	text, err := os.ReadFile(filepath.Join("..", "..", "runtimes", "contract.json"))
	if err != nil {
		f.Fatal(err)
	}
	c, err := parse(text)
	if err != nil {
		f.Fatal(err)
	}
	f.Add(http.StatusOK,
		[]byte(`{"runtime": "node", "version": "24", "process": {"pid": 1, "cpus_allowed": "1"}}`))
	f.Add(http.StatusOK, []byte(`{"process": {"process": {}}, "build": {"a.b": 1e999}}`))
	f.Add(http.StatusNotFound, []byte(`[`))
	f.Fuzz(func(t *testing.T, status int, body []byte) {
		id, wrong := c.CheckIdentity(lab.Answer{Status: status, Body: body},
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
