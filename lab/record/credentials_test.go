package record_test

import (
	"encoding/json"
	"strings"
	"testing"

	"runtimelab/lab"
	"runtimelab/lab/record"
)

// Results are shared, and headers may be credentials.
func TestResultsHoldNoCredentials(t *testing.T) {
	v := lab.Variant{Runtime: "shop", Name: "v2", Own: &lab.OwnServer{
		Port:    80,
		Headers: map[string]string{"Authorization": "Bearer one"},
		Ready:   &lab.Request{Path: "/health", Header: map[string]string{"X-Key": "secret two"}},
	}}
	before, err := json.Marshal(v)
	if err != nil {
		t.Fatal(err)
	}
	recorded := func() string {
		text, err := json.Marshal(record.WithoutCredentials(v))
		if err != nil {
			t.Fatal(err)
		}
		return string(text)
	}
	first := recorded()
	if strings.Contains(first, "one") || strings.Contains(first, "two") || !strings.Contains(first,
		`"X-Key":"sha256:`) {
		t.Errorf("recorded as %s", first)
	}
	if after, _ := json.Marshal(v); string(after) != string(before) {
		t.Errorf("the variant has become %s", after)
	}
	v.Own.Headers = map[string]string{"Authorization": "Bearer three"}
	if recorded() == first {
		t.Error("another header is recorded as the same")
	}
	plain := lab.Variant{Runtime: "node", Name: "single"}
	if got := record.WithoutCredentials(plain); got.Own != nil {
		t.Errorf("an application became %+v", got)
	}
}
