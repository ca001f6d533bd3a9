package script_test

import (
	"reflect"
	"slices"
	"strings"
	"testing"

	"runtimelab/lab"
)

// scenarioOf returns a scenario with one hypothesis, of a claim.
func scenarioOf(name, claim string) string {
	return `scenario(
    name = "` + name + `", about = "a claim, tested", requests = [get("/json")], phases = [peak()],
    hypotheses = [
        hypothesis(
            claim = "` + claim + `", metric = "throughput_rps",
            numerator = "node/single", denominator = "python/uvloop",
        ),
    ],
)
`
}

// A script may define the claim of another script that is evaluated before it.
func TestAnyScriptDefinesClaims(t *testing.T) {
	library := load(t, checkout(t, map[string]string{
		"scenarios/claims.star": `collection("the article")
claim("late", "It is late.")
untestable("beauty", "it lies in the eye")
claim("far", "It is far.", lacks = "needs a longer cable")
`,
		"scenarios/a.star": scenarioOf("a", "own"),
		"scenarios/b.star": `untestable("taste", "there is no arguing about it")` + "\n",
		"scenarios/z.star": `claim("own", statement = "Mine is faster.")` + "\n" + scenarioOf("z", "late"),
	}))
	if err := library.Err(); err != nil {
		t.Fatal(err)
	}
	if want := []lab.Claim{
		{ID: "late", Statement: "It is late.", Collection: "the article"},
		{ID: "far", Statement: "It is far.", Lacks: "needs a longer cable", Collection: "the article"},
		{ID: "own", Statement: "Mine is faster.", Collection: "your own"},
	}; !reflect.DeepEqual(library.Claims, want) {
		t.Errorf("claims are %+v, want %+v", library.Claims, want)
	}
	if want := []lab.UntestableTopic{
		{Topic: "beauty", Reason: "it lies in the eye", Collection: "the article"},
		{Topic: "taste", Reason: "there is no arguing about it", Collection: "your own"},
	}; !reflect.DeepEqual(library.UntestableTopics, want) {
		t.Errorf("topics are %+v, want %+v", library.UntestableTopics, want)
	}
	if got := scenarioNames(library.Scenarios); !slices.Equal(got, []string{"a", "z"}) {
		t.Errorf("scenarios are %v", got)
	}
	if got := library.Scenarios[0].Hypotheses[0].Claim; got != "own" {
		t.Errorf("a's hypothesis is of claim %q", got)
	}
}

// claims.star defines its claims first, although other files come before it by name.
func TestAClaimIsDefinedOnce(t *testing.T) {
	library := load(t, checkout(t, map[string]string{
		"scenarios/claims.star": "claim(\"first\", \"It is.\")\nuntestable(\"beauty\", \"it lies in the eye\")\n",
		"scenarios/a.star":      "claim(\"first\", \"It is too.\")\n" + scenarioWith(`"x"`, `"a"`),
		"scenarios/b.star":      "claim(\"beauty\", \"It counts.\")\n",
		"scenarios/c.star":      "untestable(\"first\", \"nobody knows\")\n" + scenarioOf("c", "first"),
		"scenarios/d.star":      "\n  \nclaim(\"good\", \"It is.\")\n",
	}))
	const want = `scenarios/a.star:1:1: claim: "first" is already defined in scenarios/claims.star:1:1
scenarios/b.star:1:1: claim: "beauty" is already defined in scenarios/claims.star:2:1
scenarios/c.star:1:1: untestable: "first" is already defined in scenarios/claims.star:1:1`
	if got := messages(library); got != want {
		t.Errorf("got\n%s\nwant\n%s", got, want)
	}
	claims := []lab.Claim{
		{ID: "first", Statement: "It is.", Collection: "your own"},
		{ID: "good", Statement: "It is.", Collection: "your own"},
	}
	if !reflect.DeepEqual(library.Claims, claims) {
		t.Errorf("claims are %+v, want %+v", library.Claims, claims)
	}
}

func TestUnknownClaims(t *testing.T) {
	for name, c := range map[string]struct {
		files map[string]string
		want  string
	}{
		"in two files": {
			map[string]string{
				"scenarios/a.star": scenarioOf("a", "scale-5"),
				"scenarios/b.star": scenarioOf("b", "mine"),
			},
			`scenarios/a.star:5:21: hypothesis: unknown claim "scale-5"; did you mean "scale-4"?
scenarios/b.star:5:21: hypothesis: unknown claim "mine"; valid: arch-2, scale-4, speed-1`,
		},
		"in a loop, each place once": {
			map[string]string{
				"scenarios/a.star": strings.Replace(scenarioOf("a", "mine"), "),\n    ],", ") for _ in range(3)],", 1),
			},
			`scenarios/a.star:5:21: hypothesis: unknown claim "mine"; valid: arch-2, scale-4, speed-1`,
		},
		"without any claims": {
			map[string]string{
				"scenarios/claims.star": scenarioWith(`"x"`, `"claims"`),
				"scenarios/a.star":      scenarioOf("a", "speed-1"),
			},
			`scenarios/a.star:5:21: hypothesis: unknown claim "speed-1"; there are none`,
		},
		"a topic is not a claim": {
			map[string]string{
				"scenarios/a.star": "untestable(\"beauty\", \"it lies in the eye\")\n" + scenarioOf("a", "beauty"),
			},
			`scenarios/a.star:6:21: hypothesis: unknown claim "beauty"; valid: arch-2, scale-4, speed-1`,
		},
		"a mistake beside the claim does not hide it": {
			map[string]string{
				"scenarios/b.star": "claim(\"mine\", 3)\n" + scenarioWith(`"x"`, `"b"`),
				"scenarios/a.star": scenarioOf("a", "mine"),
				"scenarios/c.star": scenarioOf("c", "minr"),
			},
			`scenarios/b.star:1:15: claim: statement is a whole number, want a string
scenarios/c.star:5:21: hypothesis: unknown claim "minr"; did you mean "mine"?`,
		},
		"a file that does not run may define it": {
			map[string]string{"scenarios/b.star": "claim(", "scenarios/a.star": scenarioOf("a", "mine")},
			`scenarios/b.star:1:7: got end of file, want ')'`,
		},
		"a file that stops may define it": {
			map[string]string{
				"scenarios/b.star": "x = [1][2]\nclaim(\"mine\", \"It is.\")\n",
				"scenarios/a.star": scenarioOf("a", "mine"),
			},
			`scenarios/b.star:1:8: list index 2 out of range [-1:0]`,
		},
		"a file that stops and calls no claim cannot define it": {
			map[string]string{
				"scenarios/b.star": "x = [1][2]\n" + scenarioOf("b", "speed-1"),
				"scenarios/a.star": scenarioOf("a", "mine"),
			},
			`scenarios/a.star:5:21: hypothesis: unknown claim "mine"; valid: arch-2, scale-4, speed-1
scenarios/b.star:1:8: list index 2 out of range [-1:0]`,
		},
		"a file that cannot be read may define it": {
			map[string]string{"scenarios/b.star/README.md": "a folder", "scenarios/a.star": scenarioOf("a", "mine")},
			`scenarios/b.star: read the script: not a regular file (d---------)`,
		},
		"a file that ends the evaluator may define it": {
			map[string]string{
				"scenarios/b.star": "x = [0] * 300000000\nclaim(\"mine\", \"It is.\")\n",
				"scenarios/a.star": scenarioOf("a", "mine"),
			},
			`scenarios/b.star:1:1: the script used more than 256 MiB of memory; make it do less work`,
		},
		"a call without an id may define it": {
			map[string]string{
				"scenarios/b.star": "claim(di = \"mine\", statement = \"It is.\")\n",
				"scenarios/a.star": scenarioOf("a", "mine"),
			},
			`scenarios/b.star:1:7: claim: unknown argument "di"; did you mean "id"?`,
		},
	} {
		t.Run(name, func(t *testing.T) {
			if got := messages(load(t, checkout(t, c.files))); got != c.want {
				t.Errorf("got\n%s\nwant\n%s", got, c.want)
			}
		})
	}
}

// A checkout needs claims only for hypotheses.
func TestAScenarioWithoutHypothesesNeedsNoClaims(t *testing.T) {
	library := load(t, checkout(t, map[string]string{
		"scenarios/claims.star": scenarioWith(`"x"`, `"claims"`), "scenarios/x.star": scenarioWith(),
	}))
	if err := library.Err(); err != nil || len(library.Claims) > 0 || len(library.Scenarios) != 2 {
		t.Errorf("%v, claims %v, %d scenarios", err, library.Claims, len(library.Scenarios))
	}
}
