package record_test

import (
	"maps"
	"testing"

	"runtimelab/lab"
	"runtimelab/lab/record"
)

func TestRecorderWritesThePlanAndKeepsTheFirstRefusal(t *testing.T) {
	_, run := create(t)
	r := record.Recorder{Run: run}
	if err := r.RecordPlan(lab.Plan{Seed: 11}); err != nil {
		t.Fatal(err)
	}
	for _, why := range []map[string]string{
		{"node/single": "first"},
		{"node/single": "second", "node/cluster": "new"},
	} {
		if err := r.RecordRefusals(why); err != nil {
			t.Fatal(err)
		}
	}
	info, err := record.ReadInfo(run.Dir())
	if err != nil {
		t.Fatal(err)
	}
	want := map[string]string{"node/single": "first", "node/cluster": "new"}
	if info.Plan.Seed != 11 || !maps.Equal(info.Refused, want) {
		t.Errorf("seed %d and refusals %v, want 11 and %v", info.Plan.Seed, info.Refused, want)
	}
}
