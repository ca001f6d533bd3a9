// Package calibrate owns what is known of the instrument on one machine: the
// generator's ceiling and how late it sends, how much quiet CPUs and equal
// trials vary, and how exactly known things are read. It measures that, stores
// it under what it is true of, and says when it has become too old.
//
// It declares what it needs of an instrument and knows neither engine nor
// agent.
package calibrate

import (
	"context"
	"errors"
	"fmt"
	"math"
	"slices"
	"time"

	"runtimelab/lab"
	"runtimelab/lab/gate"
	"runtimelab/lab/stat"
)

// Instrument is what is calibrated.
type Instrument interface {
	// Canary does the canary's work on each of the CPUs at once.
	Canary(ctx context.Context, cpus []int) ([]lab.Canary, error)
	// Open starts a responder in a fresh cell and waits for its first answer.
	Open(ctx context.Context, responder lab.Variant) (Bench, error)
}

// Bench is one responder in a cell with a generator.
type Bench interface {
	Attack(ctx context.Context, a lab.Attack) (lab.AttackResult, error)
	// ServiceTime is the median time that a reference server took for a
	// request since it was last asked, by its own monotonic clock.
	ServiceTime(ctx context.Context) (time.Duration, error)
	Close(ctx context.Context) error
}

// Responders are servers whose behaviour is known.
type Responders struct {
	Null             lab.Variant
	Waiting          lab.Variant // sleeps until a request comes, and after it
	Reference        func(name string, iterations int) lab.Variant
	Target           lab.Target // what all of them answer
	BaseURL          string
	CanaryIterations int // of the same work as a reference server's
}

// Calibration measures one machine.
type Calibration struct {
	Instrument Instrument
	Responders Responders
	Layout     lab.Layout
	Say        func(format string, args ...any) // what is being done, for people
}

// What is measured, and for how long. Together a full calibration takes about
// FullTakes and a brief one BriefTakes on two CPUs.
const (
	BriefTakes = 15 * time.Second
	FullTakes  = 2 * time.Minute

	canaries        = 40
	canaryGap       = 25 * time.Millisecond
	looseCanary     = 1.25 // of the median: a 99th percentile beyond it is no bound
	canaryRounds    = 3
	peakConnections = 64
	openConnections = 128 // at most, as scenarios have it for an open loop
	timeout         = 10 * time.Second
	warmUp          = time.Second
	shortAttack     = 2 * time.Second
	sleepRate       = 2000 // requests per second that leave a server time to sleep
	peaks           = 3
	lagAttack       = 3 * time.Second
	noiseTrials     = 6
	muchNoise       = 0.03 // the coefficient of variation of a machine that is not quiet
	readingAttack   = 5 * time.Second
	utilisation     = 0.2 // of a reference server whose service time is read: no queue
	ratioPairs      = 6
	ratioService    = 5 * time.Millisecond
	knownRatio      = 1.10
)

var (
	lagRates     = []float64{1000, 10_000, 20_000, 40_000} // as far as the ceiling allows
	lagShares    = []float64{0.50, 0.75}                   // of the ceiling
	serviceTimes = []time.Duration{time.Millisecond, 5 * time.Millisecond, 20 * time.Millisecond}
)

// Run measures: only what the gates judge by, where brief. The key and the
// moment are the caller's to add.
func (c *Calibration) Run(ctx context.Context, brief bool) (out lab.Calibration, err error) {
	out.Brief = brief
	steps := []func(context.Context, *lab.Calibration) error{c.canaries, c.ceiling, c.sleep}
	if !brief {
		steps = append(steps, c.lags, c.noise, c.readings, c.ratio)
	}
	for _, step := range steps {
		if err := step(ctx, &out); err != nil {
			return out, err
		}
	}
	return out, nil
}

// canaries learns how long the canary takes when nothing disturbs it. A
// machine that is not quiet gives a bound that nothing exceeds: it is tried
// again, and then said.
func (c *Calibration) canaries(ctx context.Context, out *lab.Calibration) error {
	c.Say("canaries: %d on every CPU", canaries)
	for round := 1; ; round++ {
		quiet, err := c.sing(ctx)
		if err != nil {
			return fmt.Errorf("calibrating canaries: %w", err)
		}
		out.Canaries = quiet
		loose := slices.IndexFunc(quiet, func(q lab.QuietCPU) bool {
			return float64(q.P99) > looseCanary*float64(q.Median)
		})
		if loose < 0 {
			return nil
		}
		if round == canaryRounds {
			q := quiet[loose]
			out.Doubts = append(out.Doubts, fmt.Sprintf(
				"CPU %d was not quiet: the canary's 99th percentile is %.0f%% over its median, so that disturbance below that goes unseen in a run's first trials",
				q.CPU, 100*(float64(q.P99)/float64(q.Median)-1)))
			return nil
		}
		c.Say("canaries: CPU %d is not quiet; trying again", quiet[loose].CPU)
	}
}

func (c *Calibration) sing(ctx context.Context) ([]lab.QuietCPU, error) {
	cpus := slices.Concat(c.Layout.Generator, c.Layout.Server)
	took := make(map[int][]float64)
	for range canaries {
		sung, err := c.Instrument.Canary(ctx, cpus)
		if err != nil {
			return nil, err
		}
		for _, s := range sung {
			took[s.CPU] = append(took[s.CPU], float64(s.Took))
		}
		select {
		case <-ctx.Done():
			return nil, context.Cause(ctx)
		case <-time.After(canaryGap):
		}
	}
	quiet := make([]lab.QuietCPU, len(cpus))
	for i, cpu := range cpus {
		quiet[i] = lab.QuietCPU{
			CPU: cpu, N: len(took[cpu]),
			Median: time.Duration(stat.Median(took[cpu])), P99: time.Duration(stat.Quantile(took[cpu], 0.99)),
		}
	}
	return quiet, nil
}

// ceiling learns what the generator can do at the most, and how the kernel
// accounts for interrupts.
func (c *Calibration) ceiling(ctx context.Context, out *lab.Calibration) error {
	c.Say("ceiling: %d attacks of %v on a null server", peaks, shortAttack)
	return c.on(ctx, c.Responders.Null, func(b Bench) error {
		if _, err := b.Attack(ctx, c.closed("warm-up", warmUp, peakConnections)); err != nil {
			return err
		}
		var rates []float64
		var samples []lab.Sample
		for range peaks {
			r, err := b.Attack(ctx, c.closed("ceiling", shortAttack, peakConnections))
			if err != nil {
				return err
			}
			if r.Failed > 0 {
				return fmt.Errorf("%d of %d requests to the null server failed: %v", r.Failed, r.Sent, r.Errors)
			}
			rates = append(rates, throughput(r))
			samples = append(samples, lab.Sample{Attack: &r, Layout: c.Layout})
		}
		out.CeilingRPS, out.InterruptsApart = stat.Median(rates), gate.InterruptsApart(samples...)
		return nil
	})
}

// sleep learns what it costs that a server's CPU falls asleep and wakes.
func (c *Calibration) sleep(ctx context.Context, out *lab.Calibration) error {
	c.Say("sleep: %v of a server that waits", shortAttack)
	return c.on(ctx, c.Responders.Waiting, func(b Bench) error {
		r, err := b.Attack(ctx, c.open("sleep", sleepRate, shortAttack, lab.Poisson))
		out.SleepCost = gate.SleepCost(lab.Sample{Attack: &r, Layout: c.Layout, InterruptsApart: out.InterruptsApart})
		return err
	})
}

// lags learns how late the generator sends, by rate.
func (c *Calibration) lags(ctx context.Context, out *lab.Calibration) error {
	var rates []float64
	for _, rate := range lagRates {
		if rate <= slices.Max(lagShares)*out.CeilingRPS {
			rates = append(rates, rate)
		}
	}
	for _, share := range lagShares {
		rates = append(rates, math.Round(share*out.CeilingRPS))
	}
	slices.Sort(rates)
	c.Say("send lag: %d rates for %v each", len(rates), lagAttack)
	return c.on(ctx, c.Responders.Null, func(b Bench) error {
		for _, rate := range rates {
			r, err := b.Attack(ctx, c.open("send lag", rate, lagAttack, lab.Poisson))
			if err != nil {
				return err
			}
			if r.SendLag == nil || r.SendLag.P99MS == nil || r.Corrected.P50MS == nil {
				return fmt.Errorf("only %d of %d requests were sent at %.0f per second: too few for a 99th percentile", r.Sent, r.Intended, rate)
			}
			out.Lags = append(out.Lags, lab.LagFloor{
				RateRPS: rate, SentRatio: float64(r.Sent) / float64(r.Intended),
				LagP99MS: *r.SendLag.P99MS, CorrectedP50: *r.Corrected.P50MS,
			})
		}
		return nil
	})
}

// noise learns how much the peak of one server varies between trials.
func (c *Calibration) noise(ctx context.Context, out *lab.Calibration) error {
	c.Say("noise: %d trials of one reference server", noiseTrials)
	var rates []float64
	for range noiseTrials {
		rate, err := c.peakOf(ctx, c.reference(*out, time.Millisecond))
		if err != nil {
			return err
		}
		rates = append(rates, rate)
	}
	if out.TrialCV = stat.CV(rates); out.TrialCV > muchNoise {
		out.Doubts = append(out.Doubts, fmt.Sprintf(
			"the peaks of one reference server varied by %.0f%%, where a quiet machine's vary by less than %.0f%%", 100*out.TrialCV, 100*muchNoise))
	}
	return nil
}

// readings compares what the generator reads with what the server knows.
func (c *Calibration) readings(ctx context.Context, out *lab.Calibration) error {
	c.Say("service times: %d reference servers", len(serviceTimes))
	for _, service := range serviceTimes {
		err := c.on(ctx, c.reference(*out, service), func(b Bench) error {
			rate := utilisation / service.Seconds()
			if _, err := b.Attack(ctx, c.open("warm-up", rate, warmUp, lab.Constant)); err != nil {
				return err
			}
			if _, err := b.ServiceTime(ctx); err != nil { // and forget
				return err
			}
			r, err := b.Attack(ctx, c.open("service time", rate, readingAttack, lab.Constant))
			if err != nil {
				return err
			}
			own, err := b.ServiceTime(ctx)
			if err != nil {
				return err
			}
			if r.Corrected == nil || r.Corrected.P50MS == nil {
				return fmt.Errorf("only %d requests were sent: too few for a median", r.Sent)
			}
			out.Readings = append(out.Readings, lab.ServiceReading{OwnP50MS: milliseconds(own), ReadP50MS: *r.Corrected.P50MS})
			return nil
		})
		if err != nil {
			return err
		}
	}
	return nil
}

// ratio reads a ratio of work that is known. The two of a pair follow each
// other, in an order that alternates, so that slow drift falls out.
func (c *Calibration) ratio(ctx context.Context, out *lab.Calibration) error {
	c.Say("known ratio of %.2f: %d pairs of trials", knownRatio, ratioPairs)
	less := c.reference(*out, ratioService)
	more := c.reference(*out, time.Duration(knownRatio*float64(ratioService)))
	var ratios []float64
	for pair := range ratioPairs {
		order := []lab.Variant{less, more}
		if pair%2 == 1 {
			slices.Reverse(order)
		}
		var rates []float64
		for _, v := range order {
			rate, err := c.peakOf(ctx, v)
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
	out.Ratio = lab.RatioReading{N: len(ratios), True: knownRatio, Read: stat.Median(ratios)}
	return nil
}

// reference is the server whose work takes so long, by what the canaries took
// on the server's CPU.
func (c *Calibration) reference(known lab.Calibration, service time.Duration) lab.Variant {
	perIteration := 1.0 // nanoseconds
	for _, q := range known.Canaries {
		if slices.Contains(c.Layout.Server, q.CPU) {
			perIteration = float64(q.Median) / float64(c.Responders.CanaryIterations)
		}
	}
	return c.Responders.Reference(fmt.Sprintf("reference-%v", service), int(math.Round(float64(service)/perIteration)))
}

// peakOf is one trial: throughput of a fresh server on a few connections.
func (c *Calibration) peakOf(ctx context.Context, v lab.Variant) (rate float64, err error) {
	err = c.on(ctx, v, func(b Bench) error {
		if _, err := b.Attack(ctx, c.closed("warm-up", warmUp/2, 4)); err != nil {
			return err
		}
		r, err := b.Attack(ctx, c.closed("peak", shortAttack, 4))
		rate = throughput(r)
		return err
	})
	return rate, err
}

// on does something with a responder in a fresh cell.
func (c *Calibration) on(ctx context.Context, v lab.Variant, do func(Bench) error) error {
	b, err := c.Instrument.Open(ctx, v)
	if err != nil {
		return fmt.Errorf("calibrating against %s: %w", v.ID(), err)
	}
	err = do(b)
	if err != nil {
		err = fmt.Errorf("calibrating against %s: %w", v.ID(), err)
	}
	return errors.Join(err, b.Close(ctx))
}

func (c *Calibration) closed(name string, lasts time.Duration, connections int) lab.Attack {
	return lab.Attack{
		Name: "calibrate " + name, BaseURL: c.Responders.BaseURL, Kind: lab.Peak, Targets: []lab.Target{c.Responders.Target},
		Connections: connections, Duration: lasts, Timeout: timeout,
	}
}

func (c *Calibration) open(name string, rate float64, lasts time.Duration, arrivals lab.Arrivals) lab.Attack {
	a := c.closed(name, lasts, openConnections)
	a.Kind, a.Arrivals, a.Seed = lab.Steady, arrivals, 1
	a.Rate = []lab.Stage{{FromRPS: rate, ToRPS: rate, Lasts: lasts}}
	return a
}

func throughput(r lab.AttackResult) float64 {
	if r.Elapsed <= 0 {
		return 0
	}
	return float64(r.Succeeded) / r.Elapsed.Seconds()
}

func milliseconds(d time.Duration) float64 { return float64(d) / float64(time.Millisecond) }
