package wording_test

import (
	"go/ast"
	"go/parser"
	"go/token"
	"path/filepath"
	"strconv"
	"testing"

	"runtimelab/lab"
	"runtimelab/lab/wording"
)

// kinds returns every kind of reason that lab/reason.go defines.
func kinds(t *testing.T) (all []lab.ReasonKind) {
	t.Helper()
	file, err := parser.ParseFile(token.NewFileSet(), filepath.Join("..", "reason.go"), nil, 0)
	if err != nil {
		t.Fatal(err)
	}
	ast.Inspect(file, func(n ast.Node) bool {
		spec, ok := n.(*ast.ValueSpec)
		if !ok {
			return true
		}
		if name, typed := spec.Type.(*ast.Ident); typed && name.Name == "ReasonKind" {
			text, err := strconv.Unquote(spec.Values[0].(*ast.BasicLit).Value)
			if err != nil {
				t.Fatal(err)
			}
			all = append(all, lab.ReasonKind(text))
		}
		return true
	})
	return all
}

func TestEveryReasonHasWords(t *testing.T) {
	all := kinds(t)
	if len(all) < 25 {
		t.Fatalf("found %d kinds: %q", len(all), all)
	}
	for _, kind := range all {
		r := lab.Reason{Kind: kind, Subject: "s", Names: []string{"n"}, Text: "t", Parts: []lab.Part{{Name: "p"}}}
		if text := wording.Reason(r); text == string(kind) || text == "" {
			t.Errorf("%s has no words", kind)
		}
	}
}

func TestBriefReasonsAreShort(t *testing.T) {
	for want, r := range map[string]lab.Reason{
		"5 of 7 blocks valid, 6 needed": {Kind: lab.TooFewBlocks, Count: 5, Total: 7, Needed: 6},
		"needs about 17 blocks":         {Kind: lab.MoreBlocksNeeded, Needed: 17},
		"up to 3.2 % of requests failed": {
			Kind: lab.RequestsFailed, Parts: []lab.Part{{Value: 0.02}, {Value: 0.032}},
		},
		"1 to 2 cores only":               {Kind: lab.CPUScope, Count: 1, Total: 2},
		"":                                {Kind: lab.ControlFailed, Names: []string{"A/A"}},
		"the tests disagree":              {Kind: lab.PermutationDisagrees, Subject: "supported", Value: 0.04},
		"the blocks vary too much":        {Kind: lab.BlocksVary, Needed: 200},
		"not comparable":                  {Kind: lab.PeersOnly, Subject: "a", Names: []string{"b"}},
		"this lab has no metric speed_ms": {Kind: lab.UnknownMetric, Subject: "speed_ms"},
	} {
		if got := wording.Brief([]lab.Reason{r}); got != want {
			t.Errorf("%s: %q, want %q", r.Kind, got, want)
		}
	}
}

func TestADoubtNamesOnePlaceAndCountsTheOthers(t *testing.T) {
	r := lab.Reason{Kind: lab.Drift, Count: 9, Total: 20, Limit: 0.1}
	for _, name := range []string{"a", "b", "c", "d", "e"} {
		r.Parts = append(r.Parts, lab.Part{Name: name, Count: 2})
	}
	const begin = "throughput changed by more than 10 % from the first half to the second " +
		"in 9 of 20 closed phases: "
	if got, want := wording.Doubt(r), begin+"a (2), 4 more"; got != want {
		t.Errorf("%q, want %q", got, want)
	}
	if got, want := wording.Reason(r), begin+"a (2), b (2), c (2), d (2), 1 more"; got != want {
		t.Errorf("%q, want %q", got, want)
	}
}
