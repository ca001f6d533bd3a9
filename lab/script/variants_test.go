package script

import (
	"slices"
	"strings"
	"testing"

	"runtimelab/lab"
)

func TestVariantsAreSelectedByFiltersAndPatterns(t *testing.T) {
	var pool variantPool
	pool.add([]lab.Variant{
		{Runtime: "node", Name: "single", Model: "single"},
		{Runtime: "node", Name: "cluster", Model: "cluster"},
	})
	pool.add([]lab.Variant{{Runtime: "python", Name: "uvloop", Model: "single"}})
	broken := pool
	broken.broken = []string{"ruby"}
	for _, c := range []struct {
		name, variants string
		pool           variantPool
		want           []string
		fault          string
	}{
		{"by runtime", `where(runtime = "node")`, pool, []string{"node/single", "node/cluster"}, ""},
		{"by model", `where(model = "single")`, pool, []string{"node/single", "python/uvloop"}, ""},
		{"by both", `where(runtime = "node", model = "cluster")`, pool, []string{"node/cluster"}, ""},
		{
			"in a list, each once", `["python/*", where(model = "single")]`, pool,
			[]string{"python/uvloop", "node/single"},
			"",
		},
		{
			"a twin by its name", `["python/*", "node/single~twin"]`, pool,
			[]string{"python/uvloop", "node/single~twin"},
			"",
		},
		{"no twin by a pattern", `["node/single*"]`, pool, []string{"node/single"}, ""},
		{
			"a twin in a broken runtime", `["node/single", "ruby/puma~twin"]`, broken,
			[]string{"node/single"},
			"",
		},
		{
			"unknown runtime", `where(runtime = "nod")`, pool, nil,
			`1:104: where: unknown runtime "nod"; did you mean "node"?`,
		},
		{
			"unknown model", `where(model = "singel")`, pool, nil,
			`1:102: where: unknown model "singel"; did you mean "single"?`,
		},
		{
			"no match for both", `where(runtime = "python", model = "cluster")`, pool, nil,
			`1:88: scenario: no variant of python has the model "cluster"`,
		},
		{"no arguments", `where()`, pool, nil, `1:88: where: missing argument "runtime" or "model"`},
		{
			"misspelt", `where(modl = "single")`, pool, nil,
			`1:94: where: unknown argument "modl"; did you mean "model"?`,
		},
		{
			"of a broken runtime", `["node/single", where(runtime = "ruby")]`, broken,
			[]string{"node/single"},
			"",
		},
		{
			"a model that a broken runtime may have", `["node/single", where(model = "forking")]`, broken,
			[]string{"node/single"},
			"",
		},
		{"a number", `[1]`, pool, nil, `1:89: scenario: variants holds a whole number, want strings or where(…)`},
	} {
		text := `scenario(name = "x", about = "a", requests = [get("/")], phases = [peak()], variants = ` +
			c.variants + ")\n"
		result, err := evaluateScenario(t.Context(), defaultLimits, "x", "scenarios/x.star", []byte(text),
			c.pool, nil)
		if err != nil {
			t.Fatal(err)
		}
		var messages []string
		for _, f := range result.Faults {
			messages = append(messages, strings.TrimPrefix(f.Error(), "scenarios/x.star:"))
		}
		if got := strings.Join(messages, "\n"); got != c.fault {
			t.Errorf("%s: got %q, want %q", c.name, got, c.fault)
		}
		if c.fault == "" && !slices.Equal(result.Scenario.Variants, c.want) {
			t.Errorf("%s: chose %v, want %v", c.name, result.Scenario.Variants, c.want)
		}
	}
}
