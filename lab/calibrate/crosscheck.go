package calibrate

import (
	"context"
	"errors"
	"fmt"
	"math"
	"slices"
	"time"

	"runtimelab/lab"
	"runtimelab/lab/stat"
)

// The other generator measures the same reference servers, in turns with the run's own, in a closed
// loop that keeps them busy. It takes about 50 s.
//
// In an open loop it would differ by what it costs to wake a generator that sleeps between answers. Here
// it cannot: while one answer waits to be read, the server works on the next request, which then has
// waited less.
const (
	crossRounds      = 5 // pairs of attacks on each server
	crossAttack      = time.Second
	crossConnections = 4
)

// The limits of a difference between two generators: whichever allows more.
const (
	maxCrossShare   = 0.01
	maxCrossLatency = 30 * time.Microsecond
)

// crossRound is what both generators measured of one server by turns: a latency in milliseconds, a
// throughput, or a ratio.
type crossRound struct{ measured, other float64 }

// crossRoundsOf holds the rounds of one server.
type crossRoundsOf struct{ latencies, throughputs []crossRound }

// errTooFewToCompare means that a server answered too few requests of a round to compare them.
var errTooFewToCompare = errors.New("too few requests succeeded for a median")

// CrossCheck compares the generator with another one on reference servers, which need the canary
// baselines of the calibration. If a server is too slow for that, it is a doubt.
func (c *Calibrator) CrossCheck(ctx context.Context, out *lab.Calibration) error {
	heavy := time.Duration(knownRatio * float64(ratioService))
	services := append(slices.Clone(serviceTimes), heavy)
	c.Logf("check by another generator: %d reference servers, %d rounds each", len(services), crossRounds)
	rounds := map[time.Duration]crossRoundsOf{}
	for _, service := range services {
		all, err := c.measureByBoth(ctx, *out, service)
		if errors.Is(err, errTooFewToCompare) {
			out.Doubts = append(out.Doubts, "no check by another generator: "+err.Error())
			return nil
		}
		if err != nil {
			return err
		}
		rounds[service] = all
	}
	for _, service := range serviceTimes {
		out.CrossChecks = append(out.CrossChecks, judgeLatencies(service, rounds[service].latencies),
			judgeThroughputs(service, rounds[service].throughputs))
	}
	out.CrossChecks = append(out.CrossChecks,
		judgeRatios(ratioService, rounds[ratioService].throughputs, rounds[heavy].throughputs))
	return nil
}

// measureByBoth measures a fresh reference server with both generators, by turns. The order
// alternates, so that slow drift cancels out.
func (c *Calibrator) measureByBoth(
	ctx context.Context, measured lab.Calibration, service time.Duration,
) (all crossRoundsOf, err error) {
	err = c.withResponder(ctx, c.referenceVariant(measured, service), func(b ResponderCell) error {
		if _, err := b.Attack(ctx, c.closedLoopAttack("warm-up", warmUp/2, crossConnections)); err != nil {
			return err
		}
		a := c.closedLoopAttack("check", crossAttack, crossConnections)
		for i := range crossRounds {
			var own lab.AttackResult
			var other lab.CrossReading
			turns := []func() error{
				func() error {
					o, err := b.Attack(ctx, a)
					own = o.AttackResult
					return err
				},
				func() (err error) { other, err = b.CrossCheck(ctx, a); return err },
			}
			if i%2 == 1 {
				slices.Reverse(turns)
			}
			for _, measure := range turns {
				if err := measure(); err != nil {
					return err
				}
			}
			if err := all.add(own, other); err != nil {
				return err
			}
		}
		return nil
	})
	return all, err
}

// add adds a round. It is an error if a request failed, which no reference server causes.
func (r *crossRoundsOf) add(own lab.AttackResult, other lab.CrossReading) error {
	switch {
	case own.Failed > 0:
		return fmt.Errorf("%d of %d requests failed: %v", own.Failed, own.Sent, own.Errors)
	case other.Failed > 0:
		return fmt.Errorf("%d of %d requests by %s failed: %s", other.Failed,
			other.Failed+other.Succeeded, lab.PlainVegeta, other.FirstError)
	case own.Raw == nil || own.Raw.P50MS == nil || other.MedianLatency <= 0:
		return errTooFewToCompare
	}
	r.latencies = append(r.latencies, crossRound{*own.Raw.P50MS, milliseconds(other.MedianLatency)})
	r.throughputs = append(r.throughputs, crossRound{throughput(own), other.ThroughputRPS})
	return nil
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
		ratios = append(ratios, math.Log(r.measured/r.other))
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
