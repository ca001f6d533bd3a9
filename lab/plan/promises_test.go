package plan_test

import (
	"reflect"
	"slices"
	"testing"

	"runtimelab/lab"
	"runtimelab/lab/plan"
)

// Promises select cells as hypotheses do: the phases of their variant, and of the one whose highest load
// they are asked at.
func TestPromisesSelectTheCells(t *testing.T) {
	s := scenario("json", "node/single", "node/cluster", "python/uvloop")
	s.Cores, s.Profile = []int{1}, "quick"
	promise := lab.Promise{
		Scenario: "json", Profile: "quick", Claim: "use-1", Variant: "node/single", Cores: 1,
		Phases: []string{"steady"}, Limits: []lab.Limit{{Metric: "latency_p99_ms", Value: 100}},
	}
	highest, longer, elsewhere := promise, promise, promise
	highest.Variant, highest.HighestKeptBy = "python/uvloop", "node/single"
	longer.Profile, longer.Variant = "full", "node/cluster"
	elsewhere.Scenario = "echo"
	s.Promises = []lab.Promise{promise, highest, longer}
	other := scenario("echo", "node/single")
	other.Promises = []lab.Promise{elsewhere}

	options := plan.Options{
		Profile: profile(t, "quick"), Scenarios: []lab.Scenario{s}, OtherScenarios: []lab.Scenario{other},
	}
	p, err := plan.New(options)
	if err != nil {
		t.Fatal(err)
	}
	want := append([]string{
		"json node/single 1 steady", "json node/single~twin 1 steady", "json python/uvloop 1 steady",
	}, references...)
	if got := firstBlock(p); !slices.Equal(got, want) {
		t.Errorf("block 1 has %q, want %q", got, want)
	}
	planned := lab.PlannedPromises{
		Promises: []lab.Promise{promise, highest}, UntestedPromises: []lab.Promise{longer, elsewhere},
	}
	if !reflect.DeepEqual(p.PlannedPromises, planned) {
		t.Errorf("got %+v", p.PlannedPromises)
	}

	s.Promises = []lab.Promise{highest, longer}
	options.Scenarios, options.OtherScenarios = []lab.Scenario{s}, nil
	if p, err = plan.New(options); err != nil || !slices.Equal(firstBlock(p), want) {
		t.Errorf("without the promise of the other variant: %v, %q", err, firstBlock(p))
	}
	options.Profile = profile(t, "smoke")
	if p, err = plan.New(options); err != nil || len(p.Promises) > 0 || len(p.UntestedPromises) != 2 {
		t.Errorf("smoke tests promises: %v, %+v", err, p.PlannedPromises)
	}
}
