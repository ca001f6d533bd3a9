package lab_test

import (
	"reflect"
	"regexp"
	"slices"
	"testing"

	"runtimelab/lab"
)

var (
	kindName = regexp.MustCompile(`^[a-z]+$`) // a phase's name is its kind, or its kind, "-" and a label
	pacings  = []lab.Pacing{lab.ClosedLoop, lab.ClosedUntilSteady, lab.ArrivingClients, lab.OpenLoop}
	rates    = []lab.LoadForm{lab.LoadRate, lab.LoadRates, lab.LoadStartStop, lab.LoadStart}
	loads    = append([]lab.LoadForm{lab.LoadConnections}, rates...)
)

func TestEveryKindOfPhaseHasAllTraits(t *testing.T) {
	seen := map[lab.PhaseKind]bool{}
	for _, k := range lab.PhaseKinds() {
		if !kindName.MatchString(string(k.Kind)) || seen[k.Kind] {
			t.Errorf("the name %q is not of the form %s, or is that of two kinds", k.Kind, kindName)
		}
		seen[k.Kind] = true
		open := k.Pacing == lab.OpenLoop
		for problem, is := range map[string]bool{
			"does not say what it is for":                  k.About == "",
			"has no pacing":                                !slices.Contains(pacings, k.Pacing),
			"has no form of load":                          !slices.Contains(loads, k.Load),
			"is an open loop without a rate":               open && !slices.Contains(rates, k.Load),
			"is a closed loop with a rate":                 !open && k.Load != lab.LoadConnections,
			"has no duration":                              k.Duration == nil && !k.FindsCapacity(),
			"is a search whose steps do not set its time":  k.Duration != nil && k.FindsCapacity(),
			"is a search without a first rate":             k.FindsCapacity() != (k.Load == lab.LoadStart),
			"is measured for no metric":                    !k.Discarded && k.Headline == "",
			"is not compared":                              !k.Discarded && len(k.Compared) == 0,
			"is discarded and compared":                    k.Discarded && (k.Headline != "" || len(k.Compared) > 0),
			"is not warmed up, or by a phase with results": !k.Discarded && !k.WarmedUpBy.Traits().Discarded,
			"finds a peak by a schedule":                   k.FindsPeak && open,
			"has a step that is a search":                  k.StepKind.Traits().FindsCapacity(),
			"has a step of no kind":                        k.FindsCapacity() && !k.StepKind.IsOpenLoop(),
			"waits without clients that stay":              k.Extra.Wait > 0 && k.Pacing != lab.ArrivingClients,
			"usually waits longer than it may":             k.Extra.UsualWait > k.Extra.Wait,
		} {
			if is {
				t.Errorf("%s %s", k.Kind, problem)
			}
		}
		if got := k.Kind.Traits(); got.Kind != k.Kind || k.Kind.IsOpenLoop() != open {
			t.Errorf("the traits of %s are those of %q", k.Kind, got.Kind)
		}
	}
}

func TestAnUnknownKindOfPhaseHasNoTraits(t *testing.T) {
	for _, kind := range []lab.PhaseKind{"", "soak", "peak-64"} {
		if got := kind.Traits(); !reflect.DeepEqual(got, lab.PhaseTraits{}) || kind.IsOpenLoop() {
			t.Errorf("%q has traits: %+v", kind, got)
		}
	}
}

// A scenario, a plan and a comparison of these kinds must not change when others are added.
func TestTraitsOfTheKindsThatRecordedRunsHave(t *testing.T) {
	type row struct {
		pacing                    lab.Pacing
		headline                  string
		discarded, peak, capacity bool
	}
	for kind, want := range map[lab.PhaseKind]row{
		lab.WarmUp:   {lab.ClosedUntilSteady, "", true, false, false},
		lab.Peak:     {lab.ClosedLoop, "throughput_rps", false, true, false},
		lab.Ladder:   {lab.ArrivingClients, "throughput_rps", false, false, false},
		lab.Steady:   {lab.OpenLoop, "latency_p50_ms", false, false, false},
		lab.Steps:    {lab.OpenLoop, "latency_p50_ms", false, false, false},
		lab.Ramp:     {lab.OpenLoop, "latency_p50_ms", false, false, false},
		lab.Capacity: {lab.OpenLoop, "capacity_rps", false, false, true},
	} {
		k := kind.Traits()
		if got := (row{k.Pacing, k.Headline, k.Discarded, k.FindsPeak, k.FindsCapacity()}); got != want {
			t.Errorf("%s: %+v, want %+v", kind, got, want)
		}
	}
}
