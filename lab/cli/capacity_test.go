package cli

import (
	"context"
	"io"
	"strings"
	"testing"
	"time"

	"runtimelab/lab"
	"runtimelab/lab/experiment"
	"runtimelab/lab/metric"
	"runtimelab/lab/serve"
	"runtimelab/lab/session"
)

// A server with one thread can serve at most 1/service time. The capacity within an SLO
// is lower; queueing theory gives it only without the other costs of a request.
func TestIntegrationCapacityIsBelowOneByServiceTime(t *testing.T) {
	inTestSession(t, func(ctx context.Context, s *session.Session) {
		reference := responder(s, serve.Reference("search", 1_000_000)) // a millisecond or two
		phase := lab.Phase{
			Name: "capacity", Kind: lab.Capacity, RateRPS: 250, Connections: 128, Arrivals: lab.Poisson, TimeoutS: 10,
			Objectives: []lab.Objective{{Metric: "latency_p90_ms", Below: true, Limit: 25}},
		}
		a := attackOn(reference, phase.Connections, phase.RateRPS, time.Second)
		inCell(ctx, t, s, reference, func(in experiment.Cell) {
			e := &experiment.Experiment{
				Plan:  lab.Plan{Profile: lab.Profile{SteadyDuration: 8 * time.Second}},
				Cells: s.Cells(), Observer: newProgress(io.Discard, lab.Plan{}, nil, nil),
			}
			var sample lab.Sample
			var service time.Duration
			for attempt := range 4 { // other processes of the machine may disturb it
				if _, err := experiment.ReadServiceTimes(ctx, in); err != nil { // discards earlier service times
					t.Fatal(err)
				}
				template := lab.Sample{Phase: phase, Subject: lab.Subject{
					Layout: s.Layout, Variant: reference.variant, Trial: lab.Trial{Seed: uint64(attempt)},
				}}
				var err error
				if sample, err = e.MeasurePhase(ctx, template, a, in); err != nil {
					t.Fatal(err)
				}
				times, err := experiment.ReadServiceTimes(ctx, in)
				if err != nil {
					t.Fatal(err)
				}
				service = times.Median
				t.Logf("service %v; %s", service, sampleOutcome(sample))
				if sample.Gate.Validity != lab.Disturbed {
					break
				}
			}
			rps, ok := metric.CapacityRPS(sample)
			if !ok || rps <= 0 || rps >= 1/service.Seconds() {
				t.Errorf("capacity %v of a server that needs %v for a request", rps, service)
			}
			text := sampleOutcome(sample)
			if !strings.HasPrefix(text, "capacity ") || !strings.Contains(text, "/s, in ") {
				t.Errorf("it prints as %q", text)
			}
			last := sample.Search.Steps[len(sample.Search.Steps)-1]
			if last.Stage != lab.Confirmation || !last.SLOMet || last.OfferedRPS != rps ||
				sample.Phase.RateRPS != rps {
				t.Errorf("the search ended with %+v", last)
			}
		})
	})
}

func TestCapacityIsPrintedWithItsStepsAndBounds(t *testing.T) {
	steps := []lab.SearchStep{
		{Stage: lab.Exponential, OfferedRPS: 4000, SLOMet: true},
		{Stage: lab.Confirmation, OfferedRPS: 4000, MissedObjectives: []string{"latency_p99_ms below 10 (11.5)"}},
	}
	confirmed := append(steps[:1:1], lab.SearchStep{Stage: lab.Confirmation, OfferedRPS: 4000, SLOMet: true})
	for _, c := range []struct {
		steps []lab.SearchStep
		gate  lab.GateResult
		want  string
	}{
		{steps, lab.GateResult{Validity: lab.Valid}, "capacity none: at 4000/s latency_p99_ms below 10 (11.5)"},
		{confirmed, lab.GateResult{Validity: lab.Valid}, "capacity 4000/s, in 2 steps"},
		{confirmed[1:], lab.GateResult{Validity: lab.Valid}, "capacity 4000/s, in 1 step"},
		{
			confirmed,
			lab.GateResult{Validity: lab.Censored, Reason: "generator: busy"},
			"capacity >= 4000/s, in 2 steps (censored: generator: busy)",
		},
	} {
		s := lab.Sample{Phase: lab.Phase{Kind: lab.Capacity}, Search: &lab.Search{Steps: c.steps}, Gate: c.gate}
		if got := sampleOutcome(s); got != c.want {
			t.Errorf("printed %q, want %q", got, c.want)
		}
	}
}
