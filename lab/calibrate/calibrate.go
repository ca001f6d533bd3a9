// Package calibrate measures the instrument on one machine: the generator's
// ceiling and send lag, canary baselines, the noise between trials, and the error
// against known values. It stores the result and says when it is out of date.
//
// It declares the interface that it needs of an instrument, and imports neither
// engine nor agent.
package calibrate

import (
	"cmp"
	"context"
	"fmt"
	"math"
	"slices"
	"time"

	"runtimelab/lab"
	"runtimelab/lab/account"
	"runtimelab/lab/gate"
	"runtimelab/lab/message"
	"runtimelab/lab/stat"
)

// Instrument runs canaries and opens responders; the lab's cells implement it.
type Instrument interface {
	// RunCanaries runs the canary's work on all of the CPUs at once.
	RunCanaries(ctx context.Context, cpus []int) ([]lab.Canary, error)
	// OpenResponder starts a responder in a fresh cell, for a generator that polls or waits in the kernel,
	// and waits for its first answer.
	OpenResponder(ctx context.Context, responder lab.Variant, generatorWaits bool) (ResponderCell, error)
}

// ResponderCell is an open cell with a responder and a generator.
type ResponderCell interface {
	Attack(ctx context.Context, a lab.Attack) (account.Observation, error)
	// CrossCheck runs an attack by a generator that shares no part with Attack's.
	CrossCheck(ctx context.Context, a lab.Attack) (lab.CrossReading, error)
	// MedianServiceTime returns the median service time of a reference server since
	// the last call, by the server's monotonic clock.
	MedianServiceTime(ctx context.Context) (time.Duration, error)
	Close(ctx context.Context) error
}

// Responders holds servers whose behaviour is known.
type Responders struct {
	Null             lab.Variant
	WaitingServer    lab.Variant // answers after a delay and uses no CPU meanwhile
	Reference        func(name string, iterations int) lab.Variant
	Target           lab.Target // request and answer of all responders
	BaseURL          string
	CanaryIterations int // a canary's iterations of the work that reference servers do
}

// Calibrator measures one machine.
type Calibrator struct {
	Instrument Instrument
	Generator  lab.Generator // of every attack
	Responders Responders
	Layout     lab.Layout
	Logf       func(format string, args ...any) // prints progress
}

// BriefDuration and FullDuration are about how long a calibration takes on two CPUs.
const (
	BriefDuration = 15 * time.Second
	FullDuration  = 200 * time.Second
)

// What each step measures, and for how long.
const (
	canaryCount       = 40
	canaryGap         = 25 * time.Millisecond
	maxCanaryP99Ratio = 1.25 // p99 over median; above it the machine is not quiet
	maxCanaryRounds   = 3
	peakConnections   = 64
	openConnections   = 128 // connection limit of open loops, as in scenarios
	requestTimeout    = 10 * time.Second
	warmUp            = time.Second
	shortAttack       = 2 * time.Second
	sleepRate         = 2000 // requests per second; low enough that the server sleeps in between
	peakAttacks       = 3
	lagAttack         = 3 * time.Second
	waitingAttacks    = 3 // for each rate; gates depend on their median, which one stall must not move
	noiseTrials       = 6
	maxTrialCV        = 0.03 // coefficient of variation; above it the machine is not quiet
	readingAttack     = 5 * time.Second
	utilisation       = 0.2 // of a reference server; low enough that no queue forms
	ratioPairs        = 6
	ratioService      = 5 * time.Millisecond
	knownRatio        = 1.10
)

var (
	lagRates     = []float64{1000, 10_000, 20_000, 40_000} // requests per second, if below the ceiling
	lagShares    = []float64{0.50, 0.75}                   // of the ceiling
	serviceTimes = []time.Duration{time.Millisecond, 5 * time.Millisecond, 20 * time.Millisecond}
)

// Run measures everything, or only what the gates need if brief is true. The caller
// sets Key and MeasuredAt.
func (c *Calibrator) Run(ctx context.Context, brief bool) (out lab.Calibration, err error) {
	out.Brief = brief
	steps := []func(context.Context, *lab.Calibration) error{
		c.calibrateCanaries, c.calibrateCeiling, c.calibrateSleepCost,
	}
	if !brief {
		steps = append(steps, c.calibrateSendLags, c.calibrateNoise, c.checkServiceTimes, c.checkKnownRatio,
			c.CrossCheck)
	}
	for _, step := range steps {
		if err := step(ctx, &out); err != nil {
			return out, err
		}
	}
	return out, nil
}

// calibrateCanaries measures canary baselines. On a noisy machine it tries again, up to
// maxCanaryRounds, and then records a doubt: the baseline would hide disturbances.
func (c *Calibrator) calibrateCanaries(ctx context.Context, out *lab.Calibration) error {
	c.Logf("canaries: %d on every CPU", canaryCount)
	for round := 1; ; round++ {
		baselines, err := c.sampleCanaries(ctx)
		if err != nil {
			return fmt.Errorf("calibrating canaries: %w", err)
		}
		out.CanaryBaselines = baselines
		noisy := slices.IndexFunc(baselines, func(q lab.CanaryBaseline) bool {
			return float64(q.P99) > maxCanaryP99Ratio*float64(q.Median)
		})
		if noisy < 0 {
			return nil
		}
		if round == maxCanaryRounds {
			q := baselines[noisy]
			out.Doubts = append(out.Doubts, fmt.Sprintf(
				"CPU %d was not quiet: the canary's 99th percentile is %.0f%% above its median; the first trials "+
					"of a run will not detect smaller disturbances",
				q.CPU, 100*(float64(q.P99)/float64(q.Median)-1)))
			return nil
		}
		c.Logf("canaries: CPU %d is not quiet; trying again", baselines[noisy].CPU)
	}
}

// sampleCanaries runs canaryCount canaries on each CPU of the layout.
func (c *Calibrator) sampleCanaries(ctx context.Context) ([]lab.CanaryBaseline, error) {
	cpus := slices.Concat(c.Layout.Generator, c.Layout.Server)
	times := make(map[int][]float64) // by CPU, in nanoseconds
	for range canaryCount {
		canaries, err := c.Instrument.RunCanaries(ctx, cpus)
		if err != nil {
			return nil, err
		}
		for _, s := range canaries {
			times[s.CPU] = append(times[s.CPU], float64(s.WallTime))
		}
		select {
		case <-ctx.Done():
			return nil, context.Cause(ctx)
		case <-time.After(canaryGap):
		}
	}
	baselines := make([]lab.CanaryBaseline, len(cpus))
	for i, cpu := range cpus {
		baselines[i] = lab.CanaryBaseline{
			CPU:    cpu,
			N:      len(times[cpu]),
			Median: time.Duration(stat.Median(times[cpu])),
			P99:    time.Duration(stat.Quantile(times[cpu], 0.99)),
		}
	}
	return baselines, nil
}

// calibrateCeiling measures the generator's maximum throughput against a null server,
// and whether the kernel accounts interrupts separately.
func (c *Calibrator) calibrateCeiling(ctx context.Context, out *lab.Calibration) error {
	c.Logf("ceiling: %d attacks of %v on a null server", peakAttacks, shortAttack)
	return c.withResponder(ctx, c.Responders.Null, func(b ResponderCell) error {
		if _, err := b.Attack(ctx, c.closedLoopAttack("warm-up", warmUp, peakConnections)); err != nil {
			return err
		}
		var rates, cpuPerHit []float64
		var windows []lab.Window
		for range peakAttacks {
			r, err := b.Attack(ctx, c.closedLoopAttack("ceiling", shortAttack, peakConnections))
			if err != nil {
				return err
			}
			if r.Failed > 0 {
				return fmt.Errorf("%d of %d requests to the null server failed: %v", r.Failed, r.Sent, r.Errors)
			}
			rates = append(rates, throughput(r.AttackResult))
			windows = append(windows, c.window(r, c.Responders.Null.ID(), false))
			cpuPerHit = append(cpuPerHit, float64(generatorCPUPerHit(windows[len(windows)-1])))
		}
		out.CPUPerHit = time.Duration(stat.Median(cpuPerHit))
		out.CeilingRPS, out.SeparateIRQTime = stat.Median(rates), gate.DetectSeparateIRQTime(windows...)
		return nil
	})
}

// calibrateSleepCost measures the CPU time lost when a server's CPU goes idle and wakes up.
func (c *Calibrator) calibrateSleepCost(ctx context.Context, out *lab.Calibration) error {
	c.Logf("sleep: an attack of %v on a server that waits", shortAttack)
	return c.withResponder(ctx, c.Responders.WaitingServer, func(b ResponderCell) error {
		r, err := b.Attack(ctx, c.openLoopAttack("sleep", sleepRate, shortAttack, lab.Poisson))
		if err != nil {
			return err
		}
		out.SleepCost = gate.EstimateSleepCost(c.window(r, c.Responders.WaitingServer.ID(), out.SeparateIRQTime))
		return nil
	})
}

// calibrateSendLags measures how late the generator sends, at several rates: when it polls, and when it
// waits in the kernel because it shares its CPU.
func (c *Calibrator) calibrateSendLags(ctx context.Context, out *lab.Calibration) error {
	var rates, waitingRates []float64
	for _, rate := range lagRates {
		if rate <= slices.Max(lagShares)*out.CeilingRPS {
			rates = append(rates, rate)
		}
	}
	waitingRates = slices.Clone(rates) // a generator that shares its CPU is far from its ceiling
	for _, share := range lagShares {
		rates = append(rates, math.Round(share*out.CeilingRPS))
	}
	slices.Sort(rates)
	c.Logf("send lag: %d rates polling, %v each, and %d waiting, %d times %v each",
		len(rates), lagAttack, len(waitingRates), waitingAttacks, shortAttack)
	err := c.withResponder(ctx, c.Responders.Null, func(b ResponderCell) error {
		for _, rate := range rates {
			lag, err := c.measureSendLag(ctx, b, rate, lagAttack, false)
			if err != nil {
				return err
			}
			out.SendLags = append(out.SendLags, lag)
		}
		return nil
	})
	if err != nil {
		return err
	}
	return c.inFreshCell(ctx, c.Responders.Null, true, func(b ResponderCell) error {
		for _, rate := range waitingRates {
			var lags []lab.SendLagBaseline
			for range waitingAttacks {
				lag, err := c.measureSendLag(ctx, b, rate, shortAttack, true)
				if err != nil {
					return err
				}
				lags = append(lags, lag)
			}
			slices.SortFunc(lags, func(a, b lab.SendLagBaseline) int { return cmp.Compare(a.LagP99MS, b.LagP99MS) })
			out.WaitingSendLags = append(out.WaitingSendLags, lags[len(lags)/2])
		}
		return nil
	})
}

// measureSendLag measures how late the generator sends at a rate when it polls, or waits.
func (c *Calibrator) measureSendLag(
	ctx context.Context, b ResponderCell, rate float64, lasts time.Duration, waits bool,
) (lag lab.SendLagBaseline, err error) {
	a := c.openLoopAttack("send lag", rate, lasts, lab.Poisson)
	a.SleepWhenIdle = waits
	r, err := b.Attack(ctx, a)
	if err != nil {
		return lag, err
	}
	if r.SendLag == nil || r.SendLag.P99MS == nil || r.Corrected.P50MS == nil {
		return lag, fmt.Errorf("only %d of %d requests were sent at %.0f per second: too few for a 99th percentile",
			r.Sent, r.Intended, rate)
	}
	return lab.SendLagBaseline{
		RateRPS: rate, SentRatio: float64(r.Sent) / float64(r.Intended),
		LagP99MS: *r.SendLag.P99MS, CorrectedP50MS: *r.Corrected.P50MS,
	}, nil
}

// calibrateNoise measures how much the peak of one server varies between trials.
func (c *Calibrator) calibrateNoise(ctx context.Context, out *lab.Calibration) error {
	c.Logf("noise: %d trials of one reference server", noiseTrials)
	var rates []float64
	for range noiseTrials {
		rate, err := c.measurePeak(ctx, c.referenceVariant(*out, time.Millisecond))
		if err != nil {
			return err
		}
		rates = append(rates, rate)
	}
	if out.TrialCV = stat.CV(rates); out.TrialCV > maxTrialCV {
		out.Doubts = append(out.Doubts, fmt.Sprintf(
			"the peaks of one reference server varied by %.0f%% between trials; on a quiet machine they vary by "+
				"less than %.0f%%", 100*out.TrialCV, 100*maxTrialCV))
	}
	return nil
}

// checkServiceTimes compares latencies that the generator measures with the service times
// that reference servers measure.
func (c *Calibrator) checkServiceTimes(ctx context.Context, out *lab.Calibration) error {
	c.Logf("service times: %d reference servers", len(serviceTimes))
	for _, service := range serviceTimes {
		err := c.withResponder(ctx, c.referenceVariant(*out, service), func(b ResponderCell) error {
			rate := utilisation / service.Seconds()
			if _, err := b.Attack(ctx, c.openLoopAttack("warm-up", rate, warmUp, lab.Constant)); err != nil {
				return err
			}
			if _, err := b.MedianServiceTime(ctx); err != nil { // resets the server's clock
				return err
			}
			r, err := b.Attack(ctx, c.openLoopAttack("service time", rate, readingAttack, lab.Constant))
			if err != nil {
				return err
			}
			serverMedian, err := b.MedianServiceTime(ctx)
			if err != nil {
				return err
			}
			if r.Corrected == nil || r.Corrected.P50MS == nil {
				return fmt.Errorf("only %s sent: too few for a median",
					message.Count(int(r.Sent), "request was", "requests were"))
			}
			out.ServiceTimeChecks = append(out.ServiceTimeChecks,
				lab.ServiceTimeCheck{ServerP50MS: milliseconds(serverMedian), MeasuredP50MS: *r.Corrected.P50MS})
			return nil
		})
		if err != nil {
			return err
		}
	}
	return nil
}

// checkKnownRatio measures the throughput ratio of two reference servers whose ratio is
// known. The order within a pair alternates, so that slow drift cancels out.
func (c *Calibrator) checkKnownRatio(ctx context.Context, out *lab.Calibration) error {
	c.Logf("known ratio of %.2f: %d pairs of trials", knownRatio, ratioPairs)
	light := c.referenceVariant(*out, ratioService)
	heavy := c.referenceVariant(*out, time.Duration(knownRatio*float64(ratioService)))
	var ratios []float64
	for pair := range ratioPairs {
		order := []lab.Variant{light, heavy}
		if pair%2 == 1 {
			slices.Reverse(order)
		}
		var rates []float64
		for _, v := range order {
			rate, err := c.measurePeak(ctx, v)
			if err != nil {
				return err
			}
			rates = append(rates, rate)
		}
		if pair%2 == 1 {
			slices.Reverse(rates)
		}
		ratios = append(ratios, rates[0]/rates[1])
	}
	out.KnownRatio = lab.RatioCheck{N: len(ratios), Expected: knownRatio, Measured: stat.Median(ratios)}
	return nil
}

// referenceVariant returns a reference server with the given service time. It derives
// the number of iterations from the canary's time on the server's CPU.
func (c *Calibrator) referenceVariant(measured lab.Calibration, service time.Duration) lab.Variant {
	perIteration := 1.0 // nanoseconds
	for _, q := range measured.CanaryBaselines {
		if slices.Contains(c.Layout.Server, q.CPU) {
			perIteration = float64(q.Median) / float64(c.Responders.CanaryIterations)
		}
	}
	return c.Responders.Reference(fmt.Sprintf("reference-%v", service),
		int(math.Round(float64(service)/perIteration)))
}

func milliseconds(d time.Duration) float64 { return float64(d) / float64(time.Millisecond) }
