package record_test

import (
	"encoding/csv"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"runtimelab/lab"
	"runtimelab/lab/record"
)

func TestVerdicts(t *testing.T) {
	h := lab.Hypothesis{
		Scenario: "json", Claim: "speed-1", Metric: "throughput_rps", Direction: lab.Higher, Margin: 0.05,
		Numerator: lab.Arm{Variant: "node/single", Phase: "peak"}, Denominator: lab.Arm{Variant: "python/uvloop", Phase: "peak"},
	}
	var claims []lab.ClaimVerdict
	for _, c := range lab.Claims() {
		claims = append(claims, lab.ClaimVerdict{Claim: c, Finding: lab.NotEvaluated, Reason: c.Missing})
	}
	claims[4].Finding, claims[4].Reason = lab.Supported, "1 configuration compared"
	claims[4].Parts = []lab.Verdict{
		{Hypothesis: h, Blocks: 6, Ratio: ptr(1.4321), Low: ptr(1.38), PHolm: ptr(1.5e-4), PEquivalence: ptr(1.0), Finding: lab.Supported}, // open above
		{Hypothesis: h, Finding: lab.NotEvaluated, Reason: `not evaluated at quick; "full" tests it, at length`},
	}
	dir := t.TempDir()
	path := filepath.Join(dir, "verdicts.csv")
	if err := os.WriteFile(path, []byte("older"), 0o644); err != nil {
		t.Fatal(err)
	}
	if err := record.WriteVerdicts(dir, claims); err != nil {
		t.Fatal(err)
	}
	text, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	if !strings.HasPrefix(string(text), "claim,hypothesis,scenario,metric,numerator,denominator,n_blocks,ratio,ci95_low,ci95_high,margin,p_holm,p_equivalence,verdict,reason\n") {
		t.Errorf("header of\n%s", text)
	}
	rows, err := csv.NewReader(strings.NewReader(string(text))).ReadAll()
	if err != nil {
		t.Fatal(err)
	}
	if want := 1 + len(claims) + 2 + len(lab.Untestables()); len(rows) != want {
		t.Fatalf("%d rows, want %d", len(rows), want)
	}
	for i, want := range map[int][]string{
		5: {"speed-1", "", "", "", "", "", "", "", "", "", "", "", "", "supported", "1 configuration compared"},
		6: {"speed-1", "throughput_rps higher", "json", "throughput_rps", "node/single peak", "python/uvloop peak", "6",
			"1.432100", "1.380000", "", "0.0500", "0.000150000", "1.000000000", "supported", ""},
		7: {"speed-1", "throughput_rps higher", "json", "throughput_rps", "node/single peak", "python/uvloop peak", "",
			"", "", "", "0.0500", "", "", "not evaluated", `not evaluated at quick; "full" tests it, at length`},
		18: {"community", "", "", "", "", "", "", "", "", "", "", "", "", "not evaluated", lab.Untestables()[0].Why},
	} {
		if !slices.Equal(rows[i], want) {
			t.Errorf("row %d: %q, want %q", i, rows[i], want)
		}
	}
	if left, _ := filepath.Glob(filepath.Join(dir, "*")); len(left) != 1 {
		t.Errorf("left behind: %q", left)
	}
	if err := record.WriteVerdicts(filepath.Join(dir, "nosuch"), claims); err == nil || !strings.Contains(err.Error(), "verdicts.csv") {
		t.Errorf("into no folder: %v", err)
	}
}

// A scenario once gave its servers one number of CPUs.
func TestReadsRunsOfOneNumberOfCPUs(t *testing.T) {
	_, run := create(t)
	path := filepath.Join(run.Dir(), "run.json")
	for text, want := range map[string][]int{
		`{"schema_version": 3, "seed": 18446744073709551615, "plan": {"scenarios": [{"name": "a", "cores": 2}]}}`:      {2},
		`{"schema_version": 3, "seed": 18446744073709551615, "plan": {"scenarios": [{"name": "a", "cores": [1, 2]}]}}`: {1, 2},
		`{"schema_version": 3, "seed": 18446744073709551615, "plan": {"scenarios": [{"name": "a"}]}}`:                  nil,
	} {
		if err := os.WriteFile(path, []byte(text), 0o644); err != nil {
			t.Fatal(err)
		}
		got, err := record.Read(run.Dir())
		if err != nil {
			t.Fatalf("%s: %v", text, err)
		}
		if s := got.Info.Plan.Scenarios[0]; !slices.Equal(s.Cores, want) || s.Name != "a" || got.Info.Seed != 1<<64-1 {
			t.Errorf("%s: %+v of seed %d", text, s, got.Info.Seed)
		}
	}
	if err := os.WriteFile(path, []byte(`{"plan": 1}`), 0o644); err != nil {
		t.Fatal(err)
	}
	if _, err := record.Read(run.Dir()); err == nil || !strings.Contains(err.Error(), path) {
		t.Errorf("a plan that is a number: %v", err)
	}
}
