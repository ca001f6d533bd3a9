package script_test

import (
	"reflect"
	"slices"
	"strings"
	"testing"

	"runtimelab/lab"
)

// A list of loads gives one phase for each, under a unique name.
func TestPhasesAndHypothesesAreReadAsWritten(t *testing.T) {
	library := load(t, checkout(t, map[string]string{"scenarios/x.star": `scenario(
    name = "x",
    about = "all kinds of load",
    requests = [get("/json"), get("/compute/integers?n=9", background = True)],
    cores = [4, 2],
    services = ["upstream"],
    phases = [
        warmup(),
        peak(connections = [8, 64]),
        peak(name = "two", requests = [get("/parallel")]),
        ladder(connections = [1, 1000], timeout = 5),
        steady(rate = 100, slo = [below("latency_p99_ms", 50), above("throughput_rps", 99.5)]),
        steady(rate = share(0.5)),
        steady(rate = share(1.2, own = True), deadline = 0.25),
        steps(rates = [100, 200.5]),
        ramp(start = 10, stop = 1000),
        capacity(
            start = 50, deadline = 0.5, connections = 16,
            slo = [below("latency_p99_ms", 20), above("goodput_rps", 10)],
        ),
    ],
    variants = ["node/*", "node/single~twin", "python/uvloop"],
    hypotheses = [
        hypothesis(
            claim = "arch-2", metric = "throughput_rps", margin = 0.2,
            numerator = arm("node/cluster", phase = "peak-two", cores = 2),
            denominator = arm("node/cluster", phase = "peak-64", cores = 4),
        ),
        hypothesis(
            claim = "scale-4", metric = "throughput_rps", phase = "peak-64",
            direction = "not-lower", profile = "full",
            numerator = arm("node/single", cores = 4, over = arm("node/single~twin", cores = 2)),
            denominator = arm(
                "python/uvloop", cores = 4, over = arm("python/uvloop", phase = "peak-8", cores = 2),
            ),
        ),
    ],
)
`}))
	if err := library.Err(); err != nil {
		t.Fatal(err)
	}
	s := library.Scenarios[0]
	if !slices.Equal(s.Cores, []int{2, 4}) || !slices.Equal(s.Variants,
		[]string{"node/single", "node/cluster", "node/single~twin", "python/uvloop"}) ||
		!slices.Equal(s.Services, []string{lab.UpstreamName}) ||
		s.Requests[0].Background || !s.Requests[1].Background {
		t.Errorf("cores, variants, upstream or background are not what was written: %+v", s)
	}
	open := lab.Phase{Connections: 128, Arrivals: lab.Poisson, TimeoutS: 10}
	openLoop := func(name string, kind lab.PhaseKind, more func(*lab.Phase)) lab.Phase {
		p := open
		p.Name, p.Kind = name, kind
		more(&p)
		return p
	}
	want := []lab.Phase{
		{Name: "warmup", Kind: lab.WarmUp, Connections: 64, TimeoutS: 10},
		{Name: "peak-8", Kind: lab.Peak, Connections: 8, TimeoutS: 10},
		{Name: "peak-64", Kind: lab.Peak, Connections: 64, TimeoutS: 10},
		{
			Name: "peak-two", Kind: lab.Peak, Connections: 64, TimeoutS: 10,
			Requests: []lab.Request{{Method: "GET", Path: "/parallel", At: lab.Place{Line: 10, Column: 40}}},
		},
		{Name: "ladder-1", Kind: lab.Ladder, Connections: 1, TimeoutS: 5},
		{Name: "ladder-1000", Kind: lab.Ladder, Connections: 1000, TimeoutS: 5},
		openLoop("steady-100", lab.Steady, func(p *lab.Phase) {
			p.RateRPS = 100
			p.Objectives = []lab.Objective{
				{Metric: "latency_p99_ms", Below: true, Limit: 50},
				{Metric: "throughput_rps", Limit: 99.5},
			}
		}),
		openLoop("steady-50%", lab.Steady, func(p *lab.Phase) { p.PeakShare = &lab.PeakShare{Fraction: 0.5} }),
		openLoop("steady-120%", lab.Steady,
			func(p *lab.Phase) { p.PeakShare, p.DeadlineS = &lab.PeakShare{Fraction: 1.2, OfOwnPeak: true}, 0.25 }),
		openLoop("steps-100", lab.Steps, func(p *lab.Phase) { p.RateRPS = 100 }),
		openLoop("steps-200.5", lab.Steps, func(p *lab.Phase) { p.RateRPS = 200.5 }),
		openLoop("ramp", lab.Ramp, func(p *lab.Phase) { p.RateRPS, p.ToRPS = 10, 1000 }),
		openLoop("capacity", lab.Capacity, func(p *lab.Phase) {
			p.RateRPS, p.Connections, p.DeadlineS = 50, 16, 0.5
			p.Objectives = []lab.Objective{
				{Metric: "latency_p99_ms", Below: true, Limit: 20},
				{Metric: "goodput_rps", Limit: 10},
			}
		}),
	}
	for i, p := range s.Phases {
		if i >= len(want) || !reflect.DeepEqual(p, want[i]) {
			t.Errorf("phase %d is\n%+v", i, p)
		}
	}
	if len(s.Phases) != len(want) {
		t.Errorf("%d phases instead of %d", len(s.Phases), len(want))
	}
	hypotheses := []lab.Hypothesis{
		{
			Scenario: "x", Profile: "quick", Claim: "arch-2",
			Metric: "throughput_rps", Direction: lab.Higher, Margin: 0.2,
			Numerator:   lab.Arm{Variant: "node/cluster", Phase: "peak-two", Cores: 2},
			Denominator: lab.Arm{Variant: "node/cluster", Phase: "peak-64", Cores: 4},
		},
		{
			Scenario: "x", Profile: "full", Claim: "scale-4",
			Metric: "throughput_rps", Direction: lab.NotLower, Margin: 0.05,
			Numerator: lab.Arm{
				Variant: "node/single", Phase: "peak-64", Cores: 4,
				Over: &lab.Arm{Variant: "node/single~twin", Phase: "peak-64", Cores: 2},
			},
			Denominator: lab.Arm{
				Variant: "python/uvloop", Phase: "peak-64", Cores: 4,
				Over: &lab.Arm{Variant: "python/uvloop", Phase: "peak-8", Cores: 2},
			},
		},
	}
	if !reflect.DeepEqual(s.Hypotheses, hypotheses) {
		t.Errorf("got\n%+v\nwant\n%+v", s.Hypotheses, hypotheses)
	}
}

func TestHypothesesUseTheDefaultsOfTheirScenario(t *testing.T) {
	library := load(t, checkout(t, map[string]string{"scenarios/x.star": `scenario(
    name = "x",
    about = "one hypothesis",
    profile = "standard",
    cores = 2,
    requests = [get("/json")],
    phases = [warmup(), steady(rate = 100)],
    hypotheses = [
        hypothesis(
            claim = "speed-1", metric = "latency_p99_ms", direction = "lower",
            numerator = "node/single", denominator = arm("python/uvloop"),
        ),
    ],
)
`}))
	if err := library.Err(); err != nil {
		t.Fatal(err)
	}
	want := []lab.Hypothesis{{
		Scenario: "x", Profile: "standard", Claim: "speed-1",
		Metric: "latency_p99_ms", Direction: lab.Lower, Margin: 0.05,
		Numerator:   lab.Arm{Variant: "node/single", Phase: "steady", Cores: 2},
		Denominator: lab.Arm{Variant: "python/uvloop", Phase: "steady", Cores: 2},
	}}
	if got := library.Scenarios[0].Hypotheses; !reflect.DeepEqual(got, want) {
		t.Errorf("got\n%+v\nwant\n%+v", got, want)
	}
}

// Every kind of phase has a function, which names the phase by its load if there are several.
func TestEveryKindOfPhaseHasAFunction(t *testing.T) {
	for _, kind := range lab.PhaseKinds() {
		arguments, labels := map[lab.LoadForm]string{
			lab.LoadConnections: "connections = 7", lab.LoadRate: "rate = 30", lab.LoadRates: "rates = [30, 40]",
			lab.LoadStartStop: "start = 5, stop = 25", lab.LoadStart: `start = 5, slo = [below("error_ratio", 1)]`,
		}, map[lab.LoadForm]string{
			lab.LoadConnections: "7", lab.LoadRate: "30", lab.LoadStartStop: "5-25", lab.LoadStart: "5",
		}
		call := string(kind.Kind) + "(" + arguments[kind.Load] + ")"
		phases := []string{call}
		want := []string{string(kind.Kind)}
		switch {
		case kind.Discarded:
			phases, want = append(phases, "steady(rate = 1)"), append(want, "steady")
		case kind.Load == lab.LoadRates:
			want = []string{string(kind.Kind) + "-30", string(kind.Kind) + "-40"}
		default:
			phases = append(phases, strings.TrimSuffix(call, ")")+`, name = "other")`)
			want = []string{string(kind.Kind) + "-" + labels[kind.Load], string(kind.Kind) + "-other"}
		}
		library := load(t, checkout(t, map[string]string{
			"scenarios/x.star": scenarioWith(`warmup(), peak(), steady(rate = 100)`, strings.Join(phases, ", ")),
		}))
		if err := library.Err(); err != nil {
			t.Errorf("%s: %v", call, err)
			continue
		}
		made := library.Scenarios[0].Phases
		for i, name := range want {
			if made[i].Name != name {
				t.Errorf("%s makes %s, want %s", call, made[i].Name, name)
			}
		}
		if made[0].Kind != kind.Kind || (made[0].Arrivals != "") != (kind.Pacing == lab.OpenLoop) {
			t.Errorf("%s makes a phase of kind %s with arrivals %q", call, made[0].Kind, made[0].Arrivals)
		}
	}
}
