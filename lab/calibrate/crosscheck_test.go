package calibrate

import (
	"context"
	"math"
	"math/rand/v2"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"runtimelab/lab"
	"runtimelab/lab/account"
)

// noisyInstrument adds noise to what both generators measure, and errors to what the lab's does.
type noisyInstrument struct {
	*fakeInstrument
	draws *rand.Rand
	noise float64 // standard deviation of a reading, as a share
	// What the recorder of the lab's generator does to its figures.
	latencyFactor, throughputFactor float64
}

func (i *noisyInstrument) OpenResponder(
	ctx context.Context, v lab.Variant, generatorWaits bool,
) (ResponderCell, error) {
	b, err := i.fakeInstrument.OpenResponder(ctx, v, generatorWaits)
	return noisyResponder{b, i}, err
}

type noisyResponder struct {
	ResponderCell
	*noisyInstrument
}

func (b noisyResponder) Close(ctx context.Context) error { return b.ResponderCell.Close(ctx) }

// reading returns what a generator measures without an error of its recorder.
func (b noisyResponder) reading(ctx context.Context, a lab.Attack) (account.Observation, error) {
	o, err := b.ResponderCell.Attack(ctx, a)
	noise := 1 + b.noise*b.draws.NormFloat64()
	if o.Raw != nil {
		*o.Raw.P50MS *= noise
	}
	o.Elapsed = time.Duration(float64(o.Elapsed) * noise)
	return o, err
}

func (b noisyResponder) Attack(ctx context.Context, a lab.Attack) (account.Observation, error) {
	o, err := b.reading(ctx, a)
	if o.Raw != nil {
		*o.Raw.P50MS *= b.latencyFactor
	}
	o.Elapsed = time.Duration(float64(o.Elapsed) / b.throughputFactor)
	return o, err
}

func (b noisyResponder) CrossCheck(ctx context.Context, a lab.Attack) (lab.CrossReading, error) {
	o, err := b.reading(ctx, a)
	r := lab.CrossReading{Succeeded: o.Succeeded, ThroughputRPS: throughput(o.AttackResult)}
	if o.Raw != nil {
		r.MedianLatency = time.Duration(*o.Raw.P50MS * float64(time.Millisecond))
	}
	return r, err
}

// failures returns how many of n cross-checks fail, and how many calibrations fail each check.
func failures(t *testing.T, n int, i noisyInstrument) (calibrations int, checks map[string]int) {
	checks = map[string]int{}
	for seed := range n {
		i.fakeInstrument, i.draws = newFakeInstrument(), rand.New(rand.NewPCG(uint64(seed), 0))
		c := newCalibrator(i.fakeInstrument)
		c.Instrument = &i
		var out lab.Calibration
		synctest.Test(t, func(t *testing.T) {
			if err := c.calibrateCanaries(t.Context(), &out); err != nil {
				t.Fatal(err)
			}
			if err := c.CrossCheck(t.Context(), &out); err != nil {
				t.Fatal(err)
			}
		})
		failed := false
		for _, check := range out.CrossChecks {
			if !check.Passed {
				failed = true
				checks[string(check.Quantity)]++
			}
		}
		if failed {
			calibrations++
		}
	}
	return calibrations, checks
}

// The difference of two readings of one server varied by 0.35 % from round to round, each of them half
// as long as the check's (AMD EPYC under KVM, two CPUs, 2026-11-30).
const simulatedNoise = 0.0025

func TestACrossCheckPassesARecorderThatIsRight(t *testing.T) {
	const n = 200
	failed, checks := failures(t, n, noisyInstrument{
		noise: simulatedNoise, latencyFactor: 1, throughputFactor: 1,
	})
	if failed > 0 {
		t.Errorf("%d of %d calibrations failed: %v", failed, n, checks)
	}
}

func TestACrossCheckCatchesARecorderThatIsWrongByTwoPercent(t *testing.T) {
	const n = 200
	for _, wrong := range []struct {
		quantity            lab.CrossQuantity
		latency, throughput float64
		least               int // calibrations of n
	}{
		{lab.LatencyCheck, 1.02, 1, n * 95 / 100},
		{lab.LatencyCheck, 0.98, 1, n * 95 / 100},
		{lab.ThroughputCheck, 1, 1.02, n * 95 / 100},
		{lab.ThroughputCheck, 1, 0.98, n * 95 / 100},
	} {
		failed, checks := failures(t, n, noisyInstrument{
			noise: simulatedNoise, latencyFactor: wrong.latency, throughputFactor: wrong.throughput,
		})
		t.Logf("latency x%v, throughput x%v: %d of %d calibrations failed: %v", wrong.latency, wrong.throughput,
			failed, n, checks)
		if failed < wrong.least || checks[string(wrong.quantity)] < wrong.least {
			t.Errorf("latency x%v, throughput x%v: caught in %d of %d calibrations, want %d: %v", wrong.latency,
				wrong.throughput, failed, n, wrong.least, checks)
		}
	}
}

// A wrong clock makes every throughput wrong by the same factor, which no ratio shows. A server of a
// millisecond is allowed 30 µs.
func TestCrossChecksHaveTheirLimits(t *testing.T) {
	c, err := runCalibration(t, newFakeInstrument(), false)
	if err != nil {
		t.Fatal(err)
	}
	want := []struct {
		quantity lab.CrossQuantity
		service  float64
		limit    float64
	}{
		{lab.LatencyCheck, 1, 0.030 / 1.1},
		{lab.ThroughputCheck, 1, 0.01},
		{lab.LatencyCheck, 5, 0.01},
		{lab.ThroughputCheck, 5, 0.01},
		{lab.LatencyCheck, 20, 0.01},
		{lab.ThroughputCheck, 20, 0.01},
		{lab.RatioCheckBy, 5, 0.01},
	}
	if len(c.CrossChecks) != len(want) {
		t.Fatalf("checks %+v", c.CrossChecks)
	}
	for i, w := range want {
		got := c.CrossChecks[i]
		if got.Quantity != w.quantity || got.ServiceMS != w.service || math.Abs(got.Limit-w.limit) > 1e-6 ||
			!got.Passed || got.Rounds != crossRounds {
			t.Errorf("check %d: %+v, want %+v", i, got, w)
		}
	}
	if ratio := c.CrossChecks[6]; math.Abs(ratio.Measured-1.1) > 1e-4 || math.Abs(ratio.Other-1.1) > 1e-4 {
		t.Errorf("ratio %+v", ratio)
	}
}

func TestACrossCheckOfFailedRequestsIsAnError(t *testing.T) {
	r := newFakeInstrument()
	r.otherFails = true
	if _, err := runCalibration(t, r, false); err == nil || !strings.Contains(err.Error(),
		"by net/http failed: EOF") {
		t.Errorf("error %v", err)
	}
}

func TestAServerTooSlowForACrossCheckIsADoubt(t *testing.T) {
	r := newFakeInstrument()
	r.tooFew = true
	c, err := runCalibration(t, r, false)
	if err != nil || len(c.CrossChecks) > 0 || len(c.Doubts) != 1 ||
		!strings.Contains(c.Doubts[0], "no check by another generator") {
		t.Errorf("checks %+v, doubts %q, error %v", c.CrossChecks, c.Doubts, err)
	}
}
