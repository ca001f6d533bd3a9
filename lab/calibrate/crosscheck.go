package calibrate

import (
	"context"
	"errors"
	"fmt"
	"math"
	"time"

	"runtimelab/lab"
	"runtimelab/lab/stat"
)

// The other generator measures the same reference servers, in turns with the run's own. It takes
// about 50 s.
const (
	crossRounds      = 5 // pairs of attacks on each server
	crossOpenLoop    = time.Second
	crossClosedLoop  = 500 * time.Millisecond
	crossConnections = 4
	crossUtilisation = 0.5 // constant arrivals form no queue below 1
	// maxCrossRate is the highest rate in requests per second that the other generator is trusted with.
	maxCrossRate = 10_000
)

// The limits of a difference between two generators: whichever allows more.
const (
	maxCrossShare   = 0.01
	maxCrossLatency = 30 * time.Microsecond
)

// crossRound is what both generators measured of one server by turns: a latency in milliseconds, or a
// throughput.
type crossRound struct{ measured, other float64 }

// logRatio returns the log of the ratio of both.
func (r crossRound) logRatio() float64 { return math.Log(r.measured / r.other) }

// CrossCheck compares the generator with another one on reference servers, which need the canary
// baselines of the calibration.
func (c *Calibrator) CrossCheck(ctx context.Context, out *lab.Calibration) error {
	c.Logf("check by another generator: %d reference servers, %d rounds each", len(serviceTimes)+1, crossRounds)
	var light, heavy []crossRound
	heavyService := time.Duration(knownRatio * float64(ratioService))
	for _, service := range append([]time.Duration{heavyService}, serviceTimes...) {
		err := c.withResponder(ctx, c.referenceVariant(*out, service), func(b ResponderCell) (err error) {
			if _, err := b.Attack(ctx, c.closedLoopAttack("warm-up", warmUp/2, crossConnections)); err != nil {
				return err
			}
			if service == heavyService || service == ratioService {
				closed := c.closedLoopAttack("check", crossClosedLoop, crossConnections)
				rounds, err := crossRoundsOf(ctx, b, closed, readThroughputs)
				if err != nil {
					return err
				}
				if service == heavyService {
					heavy = rounds
					return nil
				}
				light = rounds
			}
			rate := min(crossUtilisation/service.Seconds(), maxCrossRate)
			open := c.openLoopAttack("check", rate, crossOpenLoop, lab.Constant)
			open.Connections = crossConnections
			rounds, err := crossRoundsOf(ctx, b, open, readLatencies)
			if err != nil {
				return err
			}
			out.CrossChecks = append(out.CrossChecks, judgeLatencies(service, rounds))
			return nil
		})
		if err != nil {
			return err
		}
	}
	out.CrossChecks = append(out.CrossChecks,
		judgeThroughputs(ratioService, light), judgeRatios(ratioService, light, heavy))
	return nil
}

// crossRoundsOf runs an attack by both generators, by turns. The order alternates, so that slow drift
// cancels out.
func crossRoundsOf(ctx context.Context, b ResponderCell, a lab.Attack,
	read func(lab.AttackResult, lab.CrossReading) (crossRound, error),
) (rounds []crossRound, err error) {
	for i := range crossRounds {
		var own lab.AttackResult
		var other lab.CrossReading
		measure := []func() error{
			func() error {
				o, err := b.Attack(ctx, a)
				own = o.AttackResult
				return err
			},
			func() (err error) { other, err = b.CrossCheck(ctx, a); return err },
		}
		if i%2 == 1 {
			measure[0], measure[1] = measure[1], measure[0]
		}
		for _, run := range measure {
			if err := run(); err != nil {
				return nil, err
			}
		}
		switch {
		case own.Failed > 0:
			return nil, fmt.Errorf("%d of %d requests failed: %v", own.Failed, own.Sent, own.Errors)
		case other.Failed > 0:
			return nil, fmt.Errorf("%d of %d requests by %s failed: %s", other.Failed,
				other.Failed+other.Succeeded, lab.PlainVegeta, other.FirstError)
		}
		round, err := read(own, other)
		if err != nil {
			return nil, err
		}
		rounds = append(rounds, round)
	}
	return rounds, nil
}

// readLatencies returns the median latencies from the actual send: the other generator has no schedule
// to correct them by.
func readLatencies(own lab.AttackResult, other lab.CrossReading) (r crossRound, err error) {
	if own.Raw == nil || own.Raw.P50MS == nil || other.MedianLatency <= 0 {
		return r, errors.New("too few requests were sent for a median")
	}
	return crossRound{*own.Raw.P50MS, milliseconds(other.MedianLatency)}, nil
}

// readThroughputs returns the throughput that each generator measured.
func readThroughputs(own lab.AttackResult, other lab.CrossReading) (r crossRound, err error) {
	r = crossRound{throughput(own), other.ThroughputRPS}
	if r.measured <= 0 || r.other <= 0 {
		return r, errors.New("no request succeeded")
	}
	return r, nil
}

// judgeLatencies compares latencies of a server with a service time.
func judgeLatencies(service time.Duration, rounds []crossRound) lab.CrossCheck {
	check := judgeRounds(lab.LatencyCheck, service, rounds)
	return withLimit(check, max(maxCrossShare, milliseconds(maxCrossLatency)/check.Other))
}

// judgeThroughputs compares the throughput of a server with a service time.
func judgeThroughputs(service time.Duration, rounds []crossRound) lab.CrossCheck {
	return withLimit(judgeRounds(lab.ThroughputCheck, service, rounds), maxCrossShare)
}

// judgeRatios compares the ratio of the throughput of two servers. Each generator measured both, but
// not at the same time: what slows the machine between the two slows both generators.
func judgeRatios(service time.Duration, light, heavy []crossRound) lab.CrossCheck {
	var ratios []crossRound
	for i := range light {
		ratios = append(ratios,
			crossRound{light[i].measured / heavy[i].measured, light[i].other / heavy[i].other})
	}
	return withLimit(judgeRounds(lab.RatioCheckBy, service, ratios), maxCrossShare)
}

// judgeRounds returns the difference of what both generators measured, with its 95 % interval.
func judgeRounds(quantity lab.CrossQuantity, service time.Duration, rounds []crossRound) lab.CrossCheck {
	var measured, other, ratios []float64
	for _, r := range rounds {
		measured, other = append(measured, math.Log(r.measured)), append(other, math.Log(r.other))
		ratios = append(ratios, r.logRatio())
	}
	effect := stat.PairedEffect(ratios)
	low, high := effect.Interval(lab.Alpha)
	return lab.CrossCheck{
		By: lab.PlainVegeta, Quantity: quantity, ServiceMS: milliseconds(service), Rounds: len(rounds),
		Measured: math.Exp(stat.MomentsOf(measured...).Mean), Other: math.Exp(stat.MomentsOf(other...).Mean),
		Difference: lab.Deviation{
			Value: math.Expm1(effect.Mean), Low: math.Expm1(low), High: math.Expm1(high),
		},
	}
}

// withLimit returns a check that fails if its whole interval lies beyond a limit: if it shows an error,
// and not if it is too wide to exclude one.
func withLimit(check lab.CrossCheck, limit float64) lab.CrossCheck {
	check.Limit = limit
	check.Passed = check.Difference.Low <= limit && check.Difference.High >= -limit
	return check
}
