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
	kept := lab.Promise{
		Scenario: "json", Claim: "use-4", Variant: "python/uvloop", Cores: 1, Phases: []string{
			"steady-1",
			"steady-2",
		},
		Limits: []lab.Limit{{Metric: "latency_p99_ms", Value: 100}, {Metric: "error_ratio"}},
	}
	broken := kept
	broken.Broken, broken.HighestKeptBy = true, "node/single"
	claims := []lab.ClaimVerdict{
		{
			Claim:   lab.Claim{ID: "arch-1", Collection: "the article", Lacks: "no scenario tests it"},
			Finding: lab.NotEvaluated,
		},
		{
			Claim:   lab.Claim{ID: "speed-1", Collection: "your own"},
			Finding: lab.Supported,
			HypothesisVerdicts: []lab.Verdict{
				{ // an interval without an upper limit
					Hypothesis: h, Blocks: 6, Ratio: ptr(1.4321), Low: ptr(1.38), PHolm: ptr(1.5e-4), PEquivalence: ptr(1.0),
					Finding: lab.Supported,
				},
				{Hypothesis: h, Finding: lab.NotEvaluated, Reasons: []lab.Reason{{
					Kind: lab.TestedByLongerProfile, Subject: "quick", Names: []string{`"full", at length,`},
				}}},
			},
		},
		{Claim: lab.Claim{ID: "scale-2", Lacks: "needs replicas"}, Finding: lab.NotEvaluated},
		{
			Claim: lab.Claim{ID: "use-4"}, Finding: lab.Supported,
			PromiseVerdicts: []lab.PromiseVerdict{
				{
					Promise: broken, Finding: lab.Supported,
					Judged: []lab.PromiseJudgement{{
						Phase: "steady-2", Finding: lab.Supported, KeptShareLow: ptr(0.0525),
						Trials: []lab.PromiseTrial{{Block: 1, Result: lab.Kept}, {Block: 2, Result: lab.Missed}},
						Reasons: []lab.Reason{{Kind: lab.PromiseMissed, Count: 1, Total: 2, Parts: []lab.Part{
							{Metric: "error_ratio", Value: 0.5, Block: 2, Count: 1},
						}}},
					}},
				},
				{Promise: kept, Finding: lab.NotEvaluated, Reasons: []lab.Reason{{Kind: lab.NotInThisRun}}},
			},
		},
	}
	topics := []lab.UntestableTopic{
		{Topic: "community", Reason: "the help that people give", Collection: "the article"},
		{Topic: "popularity", Reason: "only a survey shows it"},
	}
	_, run := create(t)
	path := filepath.Join(run.Dir(), "verdicts.csv")
	if err := os.WriteFile(path, []byte("older"), 0o644); err != nil {
		t.Fatal(err)
	}
	if err := run.WriteVerdicts(claims, topics); err != nil {
		t.Fatal(err)
	}
	text, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	const header = "claim,hypothesis,scenario,metric,numerator,denominator,n_blocks,ratio,ci95_low,ci95_high," +
		"margin,p_holm,p_equivalence,verdict,reason,collection,n_kept,kept95_low\n"
	if !strings.HasPrefix(string(text), header) {
		t.Errorf("header of\n%s", text)
	}
	rows, err := csv.NewReader(strings.NewReader(string(text))).ReadAll()
	if err != nil {
		t.Fatal(err)
	}
	if want := 1 + len(claims) + 4 + len(topics); len(rows) != want {
		t.Fatalf("%d rows, want %d", len(rows), want)
	}
	for i, want := range map[int][]string{
		1: {
			"arch-1", "", "", "", "", "", "", "", "", "", "", "", "", "not evaluated",
			"no scenario tests it", "the article", "", "",
		},
		2: {
			"speed-1", "", "", "", "", "", "", "", "", "", "", "", "", "supported",
			"1 configuration compared; not compared: json: throughput_rps of node/single peak over " +
				`python/uvloop peak is higher (not evaluated at quick; "full", at length, tests it)`,
			"your own", "", "",
		},
		3: {
			"speed-1", "throughput_rps higher", "json", "throughput_rps", "node/single peak", "python/uvloop peak",
			"6", "1.432100", "1.380000", "", "0.0500", "0.000150000", "1.000000000", "supported", "",
			"your own", "", "",
		},
		4: {
			"speed-1", "throughput_rps higher", "json", "throughput_rps", "node/single peak", "python/uvloop peak",
			"", "", "", "", "0.0500", "", "", "not evaluated", `not evaluated at quick; "full", at length, tests it`,
			"your own", "", "",
		},
		5: {
			"scale-2", "", "", "", "", "", "", "", "", "", "", "", "", "not evaluated", "needs replicas", "", "",
			"",
		},
		6: {
			"use-4", "", "", "", "", "", "", "", "", "", "", "", "", "supported",
			"1 configuration tested; not tested: json: python/uvloop keeps latency_p99_ms <= 100 and error_ratio <= " +
				"0 " +
				"at steady-1, steady-2 (not part of this run)", "", "", "",
		},
		7: {
			"use-4", "promise broken", "json", "latency_p99_ms <= 100 and error_ratio <= 0", "python/uvloop steady-2",
			"node/single", "2", "", "", "", "", "", "", "supported",
			"1 of 2 trials missed it: error_ratio was 0.5, limit 0, in block 2", "", "1", "0.052500",
		},
		8: {
			"use-4", "promise kept", "json", "latency_p99_ms <= 100 and error_ratio <= 0",
			"python/uvloop steady-1, steady-2", "", "", "", "", "", "", "", "", "not evaluated",
			"not part of this run", "", "", "",
		},
		9: {
			"community", "", "", "", "", "", "", "", "", "", "", "", "", "not evaluated",
			"the help that people give", "the article", "", "",
		},
		10: {
			"popularity", "", "", "", "", "", "", "", "", "", "", "", "", "not evaluated",
			"only a survey shows it", "", "", "",
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
	if err := run.WriteVerdicts(claims, topics); err == nil || !strings.Contains(err.Error(), "verdicts.csv") {
		t.Errorf("without the folder: %v", err)
	}
}
