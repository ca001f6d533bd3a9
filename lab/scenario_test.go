package lab_test

import (
	"encoding/json"
	"slices"
	"testing"

	"runtimelab/lab"
)

func TestAcceptsTakes2xxUnlessTheRequestExpectsAStatus(t *testing.T) {
	for status, want := range map[int]bool{
		101: false, 199: false, 200: true, 204: true, 299: true, 300: false,
		304: false, 404: false, 500: false,
	} {
		if got := (lab.Request{}).Accepts(status); got != want {
			t.Errorf("%d: %v", status, got)
		}
		if got := (lab.Request{Expect: 404}).Accepts(status); got != (status == 404) {
			t.Errorf("404 is expected, %d: %v", status, got)
		}
	}
}

func TestScenariosOfEarlierLabsAreRead(t *testing.T) {
	for text, services := range map[string][]string{
		`{"name": "x", "upstream": true}`:                          {lab.UpstreamName},
		`{"name": "x", "upstream": false}`:                         nil,
		`{"name": "x"}`:                                            nil,
		`{"name": "x", "services": ["postgres"], "cores": [1, 2]}`: {"postgres"},
	} {
		var s lab.Scenario
		if err := json.Unmarshal([]byte(text), &s); err != nil || s.Name != "x" ||
			!slices.Equal(s.Services, services) {
			t.Errorf("%s: %+v, error %v", text, s, err)
		}
	}
}
