package verdict_test

import (
	"fmt"
	"reflect"
	"slices"
	"testing"

	"runtimelab/lab"
)

// A plan that did not record the claim of a hypothesis still has a verdict on it.
func TestTheClaimsAreThoseOfThePlanInItsOrder(t *testing.T) {
	mine, lost, later := hypothesis(lab.Higher), hypothesis(lab.Higher), hypothesis(lab.Higher)
	mine.Claim, lost.Claim, later.Claim = "mine", "lost", "lost"
	plan := planOf(lost, mine)
	plan.UntestedHypotheses = []lab.Hypothesis{later}
	plan.Claims = append(make([]lab.Claim, 0, 3),
		lab.Claim{ID: "other", Statement: "It is other."}, lab.Claim{ID: "mine", Statement: "It is mine."})
	plan.UntestableTopics = []lab.UntestableTopic{{Topic: "beauty", Reason: "it lies in the eye"}}
	r := judgeAll(plan, slices.Concat(trials(n, 1300, 1, nil), trials(p, 1000, 1, nil)))
	var got []string
	for _, c := range r.Claims {
		got = append(got,
			fmt.Sprintf("%s %q: %s, %d", c.ID, c.Statement, c.Finding, len(c.HypothesisVerdicts)))
	}
	want := []string{
		`other "It is other.": not evaluated, 0`, `mine "It is mine.": supported, 1`, `lost "": supported, 2`,
	}
	if !slices.Equal(got, want) {
		t.Errorf("got %q, want %q", got, want)
	}
	if plan.Claims[:3][2] != (lab.Claim{}) || !reflect.DeepEqual(r.UntestableTopics, plan.UntestableTopics) {
		t.Errorf("topics %+v, and the plan's claims %+v", r.UntestableTopics, plan.Claims)
	}
}
