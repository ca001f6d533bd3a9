package plan_test

import (
	"encoding/json"
	"errors"
	"fmt"
	"reflect"
	"slices"
	"strings"
	"testing"
	"time"

	"pgregory.net/rapid"

	"runtimelab/lab"
	"runtimelab/lab/fault"
	"runtimelab/lab/plan"
)

func scenario(name string, variants ...string) lab.Scenario {
	return lab.Scenario{
		Cores:    []int{1},
		Name:     name,
		File:     "scenarios/" + name + ".star",
		Variants: variants,
		Phases:   []lab.Phase{{Kind: lab.WarmUp}, {Kind: lab.Peak}, {Kind: lab.Steady}},
	}
}

func threeScenarios() []lab.Scenario {
	return []lab.Scenario{
		scenario("echo", "node/single", "python/uvloop"),
		scenario("json", "node/single", "python/uvloop"),
		scenario("plaintext", "node/single", "python/uvloop"),
	}
}

func profile(t *testing.T, name string) lab.Profile {
	t.Helper()
	p, err := plan.ProfileByName(name)
	if err != nil {
		t.Fatal(err)
	}
	return p
}

func newPlan(t *testing.T, p lab.Profile, scenarios []lab.Scenario, seed uint64) lab.Plan {
	t.Helper()
	got, err := plan.New(plan.Options{
		Profile: p, Scenarios: scenarios, Seed: seed,
		Layout: lab.Layout{Generator: []int{0}, Server: []int{1}},
	})
	if err != nil {
		t.Fatal(err)
	}
	return got
}

// A plan without claims is recorded as such: only a plan of an earlier lab has no list.
func TestPlanHoldsTheClaimsOfAllScripts(t *testing.T) {
	claims := []lab.Claim{{ID: "b", Statement: "It is b."}, {ID: "a", Statement: "It is a.", Lacks: "needs c"}}
	topics := []lab.UntestableTopic{{Topic: "beauty", Reason: "it lies in the eye"}}
	p, err := plan.New(plan.Options{
		Profile: lab.Profile{Blocks: 1}, Scenarios: threeScenarios(), Claims: claims, UntestableTopics: topics,
	})
	if err != nil || !reflect.DeepEqual(p.Claims, claims) || !reflect.DeepEqual(p.UntestableTopics, topics) {
		t.Errorf("%v, claims %+v, topics %+v", err, p.Claims, p.UntestableTopics)
	}
	if p := newPlan(t, lab.Profile{Blocks: 1}, threeScenarios(), 1); p.Claims == nil {
		t.Error("a plan without claims looks like that of an earlier lab")
	}
}

// A plan that changed with the machine or the version of Go would not be the recorded run.
func TestPlanIsTheSameEverywhere(t *testing.T) {
	p := newPlan(t, lab.Profile{Blocks: 2}, threeScenarios(), 1)
	var got []string
	for _, trial := range p.Trials {
		got = append(got,
			fmt.Sprintf("%d.%d %s %s %016x", trial.Block, trial.Position, trial.Scenario, trial.Variant, trial.Seed))
	}
	want := strings.Split(strings.TrimSpace(golden), "\n")
	if !reflect.DeepEqual(got, want) {
		t.Errorf("got\n%s\nwant\n%s", strings.Join(got, "\n"), strings.Join(want, "\n"))
	}
}

const golden = `
1.1 echo node/single 4b702e688cc4481c
1.2 echo python/uvloop 235fff5a2f21c6e0
1.3 json python/uvloop 7412edca8c591b0c
1.4 json node/single 5af4ea8fa1672ab5
1.5 plaintext node/single a254f1c8fc95c9d1
1.6 plaintext python/uvloop 85a23c6b72010d94
2.1 plaintext node/single 095266296d87b950
2.2 plaintext python/uvloop 853b80d04ab2a7bc
2.3 json node/single f363fc676e80f13b
2.4 json python/uvloop b6c59eff686123e0
2.5 echo node/single 8472df048b20cb5c
2.6 echo python/uvloop 1c776098857d623b
`

func TestEveryBlockRunsEveryCellOnceInSeededOrder(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		var scenarios []lab.Scenario
		pairs := 0
		for i := range rapid.IntRange(1, 4).Draw(t, "scenarios") {
			s := scenario(fmt.Sprintf("s%d", i))
			for j := range rapid.IntRange(1, 4).Draw(t, "variants") {
				s.Variants = append(s.Variants, fmt.Sprintf("r/v%d", j))
			}
			scenarios = append(scenarios, s)
			pairs += len(s.Variants)
		}
		blocks := rapid.IntRange(lab.MinBlocks, 8).Draw(t, "blocks")
		pairs += 3 // a twin and two reference servers
		seed := rapid.Uint64().Draw(t, "seed")
		p, err := plan.New(plan.Options{Profile: lab.Profile{Blocks: blocks}, Scenarios: scenarios, Seed: seed})
		if err != nil {
			t.Fatal(err)
		}
		again, _ := plan.New(plan.Options{Profile: lab.Profile{Blocks: blocks}, Scenarios: scenarios, Seed: seed})
		if !reflect.DeepEqual(p, again) {
			t.Fatal("the same inputs gave two plans")
		}
		longer, _ := plan.New(plan.Options{
			Profile: lab.Profile{Blocks: blocks + 1}, Scenarios: scenarios, Seed: seed,
		})
		if !reflect.DeepEqual(p.Trials, longer.Trials[:len(p.Trials)]) {
			t.Fatal("a longer plan does not begin with the shorter one")
		}
		if len(p.Trials) != pairs*blocks {
			t.Fatalf("%d trials of %d pairs in %d blocks", len(p.Trials), pairs, blocks)
		}
		seeds := map[uint64]bool{}
		for block := range blocks {
			once := map[string]bool{}
			for i, trial := range p.Trials[block*pairs : (block+1)*pairs] {
				if trial.Block != block+1 || trial.Position != i+1 {
					t.Fatalf("trial %+v stands at block %d, position %d", trial, block+1, i+1)
				}
				once[trial.Scenario+" "+trial.Variant] = true
				seeds[trial.Seed] = true
			}
			if len(once) != pairs {
				t.Fatalf("block %d has %d of %d pairs", block+1, len(once), pairs)
			}
		}
		if len(seeds) != len(p.Trials) {
			t.Fatalf("%d seeds for %d trials", len(seeds), len(p.Trials))
		}
	})
}

func TestDifferentSeedsGiveDifferentOrders(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		a := rapid.Uint64().Draw(t, "a")
		b := rapid.Uint64().Filter(func(b uint64) bool { return b != a }).Draw(t, "b")
		p := lab.Profile{Blocks: 10} // (6!)^10 orders: two equal ones are no accident
		first, _ := plan.New(plan.Options{Profile: p, Scenarios: threeScenarios(), Seed: a})
		second, _ := plan.New(plan.Options{Profile: p, Scenarios: threeScenarios(), Seed: b})
		if order(first) == order(second) {
			t.Fatalf("seeds %d and %d give one order", a, b)
		}
	})
}

func order(p lab.Plan) string {
	var b strings.Builder
	for _, t := range p.Trials {
		fmt.Fprintln(&b, t.Scenario, t.Variant)
	}
	return b.String()
}

// Each of the four scenarios, one of them for the reference servers, should be first in a
// quarter of the blocks, and each cell first of its scenario as often as the others. With
// 9000 blocks no count's standard deviation exceeds 48; the limits are five of them.
func TestShuffleIsFair(t *testing.T) {
	p := newPlan(t, lab.Profile{Blocks: 9000}, threeScenarios(), 7)
	firstScenario, firstCell, cells := map[string]int{}, map[string]int{}, map[string]map[string]bool{}
	last := lab.Trial{}
	for _, trial := range p.Trials {
		if trial.Position == 1 {
			firstScenario[trial.Scenario]++
		}
		if trial.Block != last.Block || trial.Scenario != last.Scenario {
			firstCell[trial.Scenario+" "+trial.Variant]++
		}
		if cells[trial.Scenario] == nil {
			cells[trial.Scenario] = map[string]bool{}
		}
		cells[trial.Scenario][trial.Variant] = true
		last = trial
	}
	fair := func(what string, n, of int) {
		if want := 9000 / of; n < want-240 || n > want+240 {
			t.Errorf("%s comes first in %d of 9000 blocks, want about %d", what, n, want)
		}
	}
	for name, variants := range cells {
		fair(name, firstScenario[name], len(cells))
		for v := range variants {
			fair(name+" "+v, firstCell[name+" "+v], len(variants))
		}
	}
	if len(cells) != 4 || len(firstCell) != 9 {
		t.Errorf("%d scenarios with %d cells, want 4 with 9", len(cells), len(firstCell))
	}
}

// Cells that are compared must run close together in time.
func TestABlockRunsOneScenarioAfterAnother(t *testing.T) {
	p := newPlan(t, lab.Profile{Blocks: 20}, threeScenarios(), 3)
	seen := map[string]bool{}
	last := ""
	for _, trial := range p.Trials {
		place := fmt.Sprint(trial.Block, trial.Scenario)
		if place != last && seen[place] {
			t.Fatalf("block %d comes back to %s at position %d", trial.Block, trial.Scenario, trial.Position)
		}
		seen[place], last = true, place
	}
}

// Scenarios have the profile from which on they run by default. A plan must not drop
// one that a user named.
func TestPlanRecordsPeers(t *testing.T) {
	peers := map[string]lab.Peers{"a": {Runtimes: []string{"b"}, Reason: "is slow"}}
	p, err := plan.New(plan.Options{
		Profile: lab.Profile{Blocks: 1}, Scenarios: threeScenarios(), Seed: 1, Peers: peers,
	})
	if err != nil || !reflect.DeepEqual(p.Peers, peers) {
		t.Errorf("peers %v, %v; want %v", p.Peers, err, peers)
	}
	for text, recorded := range map[string]map[string]lab.Peers{`"peers":{}`: {}, "": nil} {
		encoded, err := json.Marshal(lab.Plan{RuntimeFacts: lab.RuntimeFacts{Peers: recorded}})
		if err != nil || strings.Contains(string(encoded), `"peers"`) != (recorded != nil) ||
			!strings.Contains(string(encoded), text) {
			t.Errorf("peers %v are recorded as %s, %v", recorded, encoded, err)
		}
	}
}

func TestPlanKeepsAllScenariosGiven(t *testing.T) {
	scenarios := threeScenarios()
	scenarios[0].Profile, scenarios[1].Profile, scenarios[2].Profile = "smoke", "standard", "quick"
	for name, want := range map[string]int{"smoke": 1, "quick": 2, "standard": 3, "full": 3} {
		if got := plan.DefaultScenarios(name, scenarios); len(got) != want {
			t.Errorf("%s runs %d scenarios by default, want %d", name, len(got), want)
		}
	}
	if p := newPlan(t, profile(t, "smoke"), scenarios, 1); len(p.Scenarios) != 3 || len(p.Trials) != 6 {
		t.Errorf("%d scenarios and %d trials of 3 scenarios on 2 variants", len(p.Scenarios), len(p.Trials))
	}
}

func TestProfilesAreThoseOfProfileNames(t *testing.T) {
	var names []string
	for _, p := range plan.Profiles() {
		names = append(names, p.Name)
	}
	if !slices.Equal(names, lab.ProfileNames()) {
		t.Errorf("profiles %v, want those of lab.ProfileNames, %v", names, lab.ProfileNames())
	}
}

func TestDurationsOfAPlan(t *testing.T) {
	quick := profile(t, "quick")
	quick.Blocks = 5 // too few for controls
	p := newPlan(t, quick, threeScenarios(), 1)
	trial := quick.PeakDuration + quick.SteadyDuration + plan.TrialOverhead
	if got, want := plan.ExpectedDuration(p), 30*(trial+plan.ExpectedWarmUp); got != want {
		t.Errorf("30 trials usually take %v, want %v", got, want)
	}
	ended := map[lab.TrialID]bool{}
	for i, one := range p.Trials[:10] {
		ended[one.ID()] = i == 0 // whether it was disturbed does not matter
	}
	attacks := trial - plan.TrialOverhead + plan.ExpectedWarmUp
	if got, want := plan.ExpectedAttackDuration(p, ended), 20*attacks; got != want {
		t.Errorf("the attacks of 20 trials usually take %v, want %v", got, want)
	}
	if got, want := plan.WorstDuration(p), (30+6)*(trial+quick.WarmUpMax+quick.PeakDuration/2); got != want ||
		p.MaxRepeats != 6 {
		t.Errorf("30 trials and a fifth of them again take %v at worst, want %v (%d repeats)", got, want,
			p.MaxRepeats)
	}
	quick.TimeLimit = 30*(trial+plan.ExpectedWarmUp) + 2*(trial+plan.ExpectedWarmUp) + time.Second
	if p = newPlan(t, quick, threeScenarios(), 1); p.MaxRepeats != 2 {
		t.Errorf("%d repeats in the time for two", p.MaxRepeats)
	}
	uneven := threeScenarios()
	uneven[0].Phases = uneven[0].Phases[:2]
	p = newPlan(t, quick, uneven, 1)
	for _, one := range p.Trials {
		want := trial + plan.ExpectedWarmUp
		if one.Scenario == "echo" {
			want -= quick.SteadyDuration
		}
		if got := plan.ExpectedTrialDuration(p, one); got != want {
			t.Errorf("a trial of %s takes %v, want %v", one.Scenario, got, want)
		}
	}
}

// A test of lab plan checks the duration of the shipped scenarios.
func TestProfilesHaveTheirBlocksAndLimits(t *testing.T) {
	for name, want := range map[string]struct {
		blocks int
		limit  time.Duration
	}{
		"smoke":    {1, 90 * time.Second},
		"quick":    {7, 15 * time.Minute},
		"standard": {10, time.Hour},
		"full":     {20, 0},
	} {
		p := profile(t, name)
		if p.Blocks != want.blocks || p.About == "" || p.TimeLimit > want.limit ||
			(p.TimeLimit == 0) != (want.limit == 0) {
			t.Errorf("%+v: want %d blocks, a line about it and at most %v", p, want.blocks, want.limit)
		}
		if p.Blocks > 1 && p.Blocks < lab.MinBlocks {
			t.Errorf("%s has %d blocks, too few to compare anything", name, p.Blocks)
		}
	}
	if got := len(plan.Profiles()); got != 4 {
		t.Errorf("%d profiles", got)
	}
}

func TestAnUnknownProfileIsAUsageErrorWithAHint(t *testing.T) {
	for name, want := range map[string]string{
		"quik":  "unknown profile \"quik\"\n  did you mean \"quick\"?",
		"hours": "unknown profile \"hours\"\n  valid: smoke, quick, standard, full",
	} {
		_, err := plan.ProfileByName(name)
		if fault.ExitCode(err) != fault.ExitUsage || err.Error() != want {
			t.Errorf("exit %d: %v", fault.ExitCode(err), err)
		}
	}
}

func TestNewRefusesInvalidOptions(t *testing.T) {
	for name, c := range map[string]struct {
		profile   lab.Profile
		scenarios []lab.Scenario
		code      int
		says      string
	}{
		"no scenario": {lab.Profile{Blocks: 1}, nil, fault.ExitUsage, "no scenario"},
		"no variant": {
			lab.Profile{Blocks: 1},
			[]lab.Scenario{scenario("a")},
			fault.ExitUsage,
			`"a" has no variant`,
		},
		"no block": {lab.Profile{Name: "p"}, threeScenarios(), fault.ExitFailed, `"p": 0 blocks`},
		"scenario twice": {
			lab.Profile{Blocks: 1},
			append(threeScenarios(), threeScenarios()...),
			fault.ExitFailed,
			`"echo" is listed twice`,
		},
		"variant twice": {
			lab.Profile{Blocks: 1},
			[]lab.Scenario{scenario("a", "n/s", "n/s")},
			fault.ExitFailed,
			`"n/s" twice`,
		},
	} {
		t.Run(name, func(t *testing.T) {
			_, err := plan.New(plan.Options{Profile: c.profile, Scenarios: c.scenarios, Seed: 1})
			if err == nil || !strings.Contains(err.Error(), c.says) {
				t.Fatalf("%v does not say %q", err, c.says)
			}
			var userErr *fault.Error
			if fault.ExitCode(err) != c.code || errors.As(err, &userErr) != (c.code == fault.ExitUsage) {
				t.Errorf("exit %d, want %d", fault.ExitCode(err), c.code)
			}
		})
	}
}

func TestEveryKindOfPhaseHasADurationInEveryProfile(t *testing.T) {
	for _, p := range plan.Profiles() {
		for _, kind := range lab.PhaseKinds() {
			if lasts := plan.PhaseDuration(p, kind.Kind); lasts <= 0 {
				t.Errorf("%s lasts %v in the profile %s", kind.Kind, lasts, p.Name)
			}
		}
	}
	if lasts := plan.PhaseDuration(profile(t, "quick"), "soak"); lasts != 0 {
		t.Errorf("a phase of no kind lasts %v", lasts)
	}
}

// Usual and worst durations decide how many trials a run may repeat.
func TestDurationsOfTheKindsOfPhase(t *testing.T) {
	p := profile(t, "quick")
	for _, tt := range []struct {
		phase                 lab.Phase
		planned, usual, worst time.Duration
	}{
		{lab.Phase{Kind: lab.WarmUp, Connections: 64}, p.WarmUpMax, plan.ExpectedWarmUp, p.WarmUpMax},
		{lab.Phase{Kind: lab.Peak, Connections: 64}, p.PeakDuration, p.PeakDuration, p.PeakDuration * 3 / 2},
		{lab.Phase{Kind: lab.Ladder, Connections: 2}, p.PeakDuration, p.PeakDuration * 3 / 2, 2 * p.PeakDuration},
		{lab.Phase{Kind: lab.Ladder, Connections: 1}, p.PeakDuration, p.PeakDuration, 2 * p.PeakDuration},
		{lab.Phase{Kind: lab.Steady, Connections: 9}, p.SteadyDuration, p.SteadyDuration, p.SteadyDuration},
		{lab.Phase{Kind: lab.Ramp, Connections: 9}, p.SteadyDuration, p.SteadyDuration, p.SteadyDuration},
		{
			lab.Phase{Kind: lab.Steps, Connections: 9},
			p.SteadyDuration / 2, p.SteadyDuration / 2, p.SteadyDuration / 2,
		},
		{lab.Phase{Kind: lab.Capacity, Connections: 9}, 24 * time.Second, 24 * time.Second, 24 * time.Second},
	} {
		s := lab.Scenario{Name: "x", Phases: []lab.Phase{tt.phase}}
		one := lab.Plan{Profile: p, Scenarios: []lab.Scenario{s}}
		usual := plan.ExpectedTrialDuration(one, lab.Trial{Scenario: "x"}) - plan.TrialOverhead
		worst := plan.WorstScenarioDuration(p, s) - plan.TrialOverhead
		planned := plan.PhaseDuration(p, tt.phase.Kind)
		if planned != tt.planned || usual != tt.usual || worst != tt.worst {
			t.Errorf("%s on %d connections: %v, usually %v, at worst %v; want %v, %v and %v", tt.phase.Kind,
				tt.phase.Connections, planned, usual, worst, tt.planned, tt.usual, tt.worst)
		}
	}
}
