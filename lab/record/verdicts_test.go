package record_test

import (
	"encoding/csv"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"runtimelab/lab"
)

func TestWriteVerdictsWritesClaimsAndHypotheses(t *testing.T) {
	h := lab.Hypothesis{
		Scenario: "json", Claim: "speed-1", Metric: "throughput_rps", Direction: lab.Higher, Margin: 0.05,
		Numerator:   lab.Arm{Variant: "node/single", Phase: "peak"},
		Denominator: lab.Arm{Variant: "python/uvloop", Phase: "peak"},
	}
	var claims []lab.ClaimVerdict
	for _, c := range lab.Claims() {
		claims = append(claims, lab.ClaimVerdict{Claim: c, Finding: lab.NotEvaluated, Reason: c.MissingFeature})
	}
	claims[4].Finding, claims[4].Reason = lab.Supported, "1 configuration compared"
	claims[4].HypothesisVerdicts = []lab.Verdict{
		{ // an interval without an upper limit
			Hypothesis: h, Blocks: 6, Ratio: ptr(1.4321), Low: ptr(1.38), PHolm: ptr(1.5e-4), PEquivalence: ptr(1.0),
			Finding: lab.Supported,
		},
		{Hypothesis: h, Finding: lab.NotEvaluated, Reason: `not evaluated at quick; "full" tests it, at length`},
	}
	_, run := create(t)
	path := filepath.Join(run.Dir(), "verdicts.csv")
	if err := os.WriteFile(path, []byte("older"), 0o644); err != nil {
		t.Fatal(err)
	}
	if err := run.WriteVerdicts(claims); err != nil {
		t.Fatal(err)
	}
	text, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	const header = "claim,hypothesis,scenario,metric,numerator,denominator,n_blocks,ratio,ci95_low,ci95_high," +
		"margin,p_holm,p_equivalence,verdict,reason\n"
	if !strings.HasPrefix(string(text), header) {
		t.Errorf("header of\n%s", text)
	}
	rows, err := csv.NewReader(strings.NewReader(string(text))).ReadAll()
	if err != nil {
		t.Fatal(err)
	}
	if want := 1 + len(claims) + 2 + len(lab.UntestableTopics()); len(rows) != want {
		t.Fatalf("%d rows, want %d", len(rows), want)
	}
	for i, want := range map[int][]string{
		5: {"speed-1", "", "", "", "", "", "", "", "", "", "", "", "", "supported", "1 configuration compared"},
		6: {
			"speed-1", "throughput_rps higher", "json", "throughput_rps", "node/single peak", "python/uvloop peak",
			"6", "1.432100", "1.380000", "", "0.0500", "0.000150000", "1.000000000", "supported", "",
		},
		7: {
			"speed-1", "throughput_rps higher", "json", "throughput_rps", "node/single peak", "python/uvloop peak",
			"", "", "", "", "0.0500", "", "", "not evaluated", `not evaluated at quick; "full" tests it, at length`,
		},
		18: {
			"community", "", "", "", "", "", "", "", "", "", "", "", "", "not evaluated",
			lab.UntestableTopics()[0].Reason,
		},
	} {
		if !slices.Equal(rows[i], want) {
			t.Errorf("row %d: %q, want %q", i, rows[i], want)
		}
	}
	if files, _ := filepath.Glob(filepath.Join(run.Dir(), "*")); len(files) != 6 {
		t.Errorf("the folder holds %q, want 6 files", files)
	}
	if err := os.RemoveAll(run.Dir()); err != nil {
		t.Fatal(err)
	}
	if err := run.WriteVerdicts(claims); err == nil || !strings.Contains(err.Error(), "verdicts.csv") {
		t.Errorf("without the folder: %v", err)
	}
}
