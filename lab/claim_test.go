package lab_test

import (
	"testing"

	"runtimelab/lab"
)

func TestACollectionIsNamedOnlyBesideAnother(t *testing.T) {
	speed := lab.Claim{ID: "speed-1", Collection: "the article"}
	scale := lab.Claim{ID: "scale-1", Collection: "the article"}
	mine := lab.Claim{ID: "mine", Collection: "your own"}
	groups := lab.GroupClaims([]lab.Claim{speed, mine, scale})
	if len(groups) != 2 || groups[0].Heading("Claims") != "Claims of the article" || !groups[0].Has("scale-1") ||
		groups[0].Has("mine") || groups[1].Heading("Claims") != "Claims of your own" || !groups[1].Has("mine") {
		t.Errorf("%+v", groups)
	}
	groups = lab.GroupClaims([]lab.Claim{speed, scale})
	if len(groups) != 1 || groups[0].Heading("Claims") != "Claims" || len(groups[0].Claims) != 2 {
		t.Errorf("claims of one collection: %+v", groups)
	}
}
