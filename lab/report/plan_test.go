package report_test

import (
	_ "embed"
	"encoding/json"
	"strings"
	"testing"

	"runtimelab/lab"
)

// claimsOfPlan is the part of a run.json's plan that holds the claims of the run.
//
//go:embed testdata/plan.json
var claimsOfPlan []byte

// withClaims returns a plan with the claims that ship, as a run.json holds them.
func withClaims(p lab.Plan) lab.Plan {
	if err := json.Unmarshal(claimsOfPlan, &p); err != nil {
		panic(err)
	}
	return p
}

// A run of an earlier lab recorded no claims, and a plan may have claims without a hypothesis.
func TestClaimsAreThoseOfThePlan(t *testing.T) {
	plan, rows := fullRun()
	plan.Hypotheses, plan.UntestedHypotheses = plan.Hypotheses[:1], nil
	for name, c := range map[string]struct {
		claims         []lab.Claim
		topics         []lab.UntestableTopic
		text, markdown string
		notEvaluated   bool // whether the report has that part
	}{
		"not recorded": {
			nil, nil, "Claims: 1 of 1 decided. Intervals: 95 %, by Holm's procedure over 1 hypothesis\n" +
				"  speed-1  supported\n      json peak: ", "- speed-1 **supported**\n  - json peak: ", false,
		},
		"its own": {
			[]lab.Claim{{ID: "mine", Statement: "Mine is best."}, {ID: "speed-1", Statement: "It is faster."}},
			nil,
			"Not evaluated\n  mine: no scenario has a hypothesis about it\n",
			"- speed-1 **supported**: It is faster.\n", true,
		},
		"topics": {
			nil,
			[]lab.UntestableTopic{{Topic: "beauty", Reason: "it lies in the eye"}},
			"Not evaluated\n  no load can test: beauty (it lies in the eye)\n", "", true,
		},
	} {
		plan.Claims, plan.UntestableTopics = c.claims, c.topics
		r := reportOf(plan, rows)
		if text := r.FullText(); !strings.Contains(text, c.text) ||
			strings.Contains(text, "Not evaluated") != c.notEvaluated {
			t.Errorf("%s: %q is not in\n%s", name, c.text, text)
		}
		if text := r.Markdown(); !strings.Contains(text, c.markdown) {
			t.Errorf("%s: %q is not in\n%s", name, c.markdown, text)
		}
	}
}
