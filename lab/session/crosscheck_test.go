package session

import (
	"context"
	"testing"
	"time"

	"runtimelab/lab"
	"runtimelab/lab/account"
	"runtimelab/lab/calibrate"
	"runtimelab/lab/engine"
	"runtimelab/lab/engine/docker"
)

// wrongInstrument is an instrument whose recorder is wrong by a factor: in latencies, and in the time
// that an attack took.
type wrongInstrument struct {
	calibrate.Instrument
	factor float64
}

func (i wrongInstrument) OpenResponder(
	ctx context.Context, v lab.Variant, generatorWaits bool,
) (calibrate.ResponderCell, error) {
	b, err := i.Instrument.OpenResponder(ctx, v, generatorWaits)
	return wrongRecorder{b, i.factor}, err
}

type wrongRecorder struct {
	calibrate.ResponderCell
	factor float64
}

func (r wrongRecorder) Attack(ctx context.Context, a lab.Attack) (account.Observation, error) {
	o, err := r.ResponderCell.Attack(ctx, a)
	if o.Raw != nil && o.Raw.P50MS != nil {
		*o.Raw.P50MS *= r.factor
	}
	if a.Kind.Traits().Pacing == lab.ClosedLoop {
		o.Elapsed = time.Duration(float64(o.Elapsed) * r.factor)
	}
	return o, err
}

// crossChecks returns the checks by another generator of an instrument that is wrong by a factor.
func crossChecks(t *testing.T, factor float64) []lab.CrossCheck {
	t.Helper()
	if testing.Short() {
		t.Skip("this test needs an engine")
	}
	connect := func(ctx context.Context) (engine.Engine, error) {
		e, err := docker.Open(ctx)
		if err != nil {
			return nil, err
		}
		return e, nil
	}
	var out lab.Calibration
	err := Run(t.Context(), Options{Connect: connect, Log: t.Output(), Version: "test"}, func(s *Session) error {
		c := s.Calibrator(lab.DefaultGenerator)
		canaries, err := c.Instrument.RunCanaries(t.Context(), s.Layout.Server)
		if err != nil {
			return err
		}
		for _, canary := range canaries {
			out.CanaryBaselines = append(out.CanaryBaselines,
				lab.CanaryBaseline{CPU: canary.CPU, N: 1, Median: canary.WallTime, P99: canary.WallTime})
		}
		c.Instrument = wrongInstrument{c.Instrument, factor}
		return c.CrossCheck(t.Context(), &out)
	})
	for _, check := range out.CrossChecks {
		t.Logf("%+v", check)
	}
	if err != nil {
		t.Fatal(err)
	}
	return out.CrossChecks
}

func TestIntegrationACrossCheckPassesTheGenerator(t *testing.T) {
	for _, check := range crossChecks(t, 1) {
		if !check.Passed {
			t.Errorf("%s of %v ms: %+v", check.Quantity, check.ServiceMS, check)
		}
	}
}

func TestIntegrationACrossCheckCatchesARecorderThatIsWrongByTwoPercent(t *testing.T) {
	failed := map[lab.CrossQuantity]int{}
	for _, check := range crossChecks(t, 1.02) {
		if !check.Passed {
			failed[check.Quantity]++
		}
	}
	// A wrong clock makes both servers of a ratio wrong by the same factor, which no ratio shows.
	if failed[lab.LatencyCheck] == 0 {
		t.Errorf("failed checks: %v", failed)
	}
}
