package cli

import (
	"context"
	"encoding/json"
	"fmt"
	"math"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/moby/moby/client"
	"golang.org/x/sys/unix"

	"runtimelab/lab"
	"runtimelab/lab/calibrate"
	"runtimelab/lab/experiment"
	"runtimelab/lab/serve"
	"runtimelab/lab/stat"
)

// BenchmarkCeiling compares what the generators can do at the most: ours with
// all its recording, wrk, and the vegeta command, in turn, in one cell. Against
// the null server, the generator is the limit; against the application, the
// server must be.
func BenchmarkCeiling(b *testing.B) {
	onBench(b, func(ctx context.Context, s *session) {
		t := makeTools(ctx, b, s)
		for _, of := range []subject{s.responder(serve.Null()), application(ctx, b, s, "node")} {
			s.inCell(ctx, b, of, func(c *cell, _ experiment.Server) {
				mustAttack(ctx, b, c, attackOn(of, 64, 0, 3*time.Second))
				const rounds = 7
				var ours, wrk, vegeta, toWrk, toVegeta []float64
				for range rounds {
					mine := throughput(mustAttack(ctx, b, c, attackOn(of, 64, 0, 3*time.Second)))
					theirs := t.wrk(ctx, b, of, 64, 3*time.Second)
					_, plain := t.vegeta(ctx, b, of, 64, 0, 3*time.Second)
					ours, wrk, vegeta = append(ours, mine), append(wrk, theirs), append(vegeta, plain)
					toWrk, toVegeta = append(toWrk, mine/theirs), append(toVegeta, mine/plain)
				}
				fmt.Printf("ceiling on %s, 64 connections, medians of %d rounds: ours %.0f req/s, wrk %.0f, vegeta "+
					"%.0f\n",
					of.variant.ID(), rounds, stat.Median(ours), stat.Median(wrk), stat.Median(vegeta))
				b.ReportMetric(stat.Median(toWrk), of.variant.Name+"-ours/wrk")
				b.ReportMetric(stat.Median(toVegeta), of.variant.Name+"-ours/vegeta")
			})
		}
	})
}

// BenchmarkOpenLoop shows how well the schedule is kept against a server that
// is never the limit, by rate, and what the vegeta command sends at the same.
func BenchmarkOpenLoop(b *testing.B) {
	onBench(b, func(ctx context.Context, s *session) {
		t := makeTools(ctx, b, s)
		null := s.responder(serve.Null())
		s.inCell(ctx, b, null, func(c *cell, _ experiment.Server) {
			mustAttack(ctx, b, c, attackOn(null, 64, 0, time.Second))
			ceiling := throughput(mustAttack(ctx, b, c, attackOn(null, 64, 0, 3*time.Second)))
			const rounds = 5
			fmt.Printf("open loop on the null server, 128 connections, medians of %d rounds (and the worst); "+
				"ceiling %.0f req/s\n%10s %9s %16s %22s %14s %17s\n",
				rounds, ceiling, "offered", "arrivals", "sent", "send lag p99", "corrected p50", "vegeta command")
			for _, rate := range []float64{
				1000, 10_000, 20_000, 40_000, 0.5 * ceiling, 0.75 * ceiling,
				1.5 * ceiling,
			} {
				rate = math.Round(rate)
				for _, arrivals := range []lab.Arrivals{lab.Constant, lab.Poisson} {
					a := attackOn(null, 128, rate, 3*time.Second)
					a.Arrivals = arrivals
					var sent, lags, medians []float64
					for range rounds {
						r := mustAttack(ctx, b, c, a)
						sent = append(sent, float64(r.Sent)/float64(r.Intended))
						lags, medians = append(lags, *r.SendLag.P99MS), append(medians, *r.Corrected.P50MS)
					}
					beside := ""
					if arrivals == lab.Constant {
						sent, _ := t.vegeta(ctx, b, null, 128, rate, a.Duration)
						beside = fmt.Sprintf("%.4f sent", sent/(rate*a.Duration.Seconds()))
					}
					fmt.Printf("%10.0f %9s %7.4f (%.4f) %8.3f ms (%.3f) %11.3f ms %17s\n", rate, arrivals,
						stat.Median(sent), slices.Min(sent), stat.Median(lags), slices.Max(lags), stat.Median(medians), beside)
				}
			}
		})
	})
}

// BenchmarkStall has a server stall for one second once in ten, and compares
// the corrected quantiles with those that follow from the schedule.
func BenchmarkStall(b *testing.B) {
	onBench(b, func(ctx context.Context, s *session) {
		stalling := s.responder(serve.Stalling(10*time.Second, time.Second))
		for _, workers := range []int{8, 128, 1024} {
			s.inCell(ctx, b, stalling, func(c *cell, _ experiment.Server) {
				a := attackOn(stalling, workers, 1000, 12*time.Second)
				a.Arrivals = lab.Constant
				r := mustAttack(ctx, b, c, a)
				answers, err := c.Send(ctx, []lab.Request{{Method: http.MethodGet, Path: serve.StallsPath}})
				if err != nil {
					b.Fatal(err)
				}
				var stalls []serve.Stall
				if err := json.Unmarshal(answers[0].Body, &stalls); err != nil {
					b.Fatal(err)
				}
				exact := exactLatencies(r, 1000, 12*time.Second, stalls)
				p99, p999 := stat.Quantile(exact, 0.99), stat.Quantile(exact, 0.999)
				fmt.Printf("stall of 1 s, %4d workers: corrected p99 %.1f ms (exactly %.1f), p99.9 %.1f ms (exactly "+
					"%.1f)\n",
					workers, *r.Corrected.P99MS, p99, *r.Corrected.P999MS, p999)
				b.ReportMetric(*r.Corrected.P99MS/p99, fmt.Sprintf("p99-read/exact-%d", workers))
				b.ReportMetric(*r.Corrected.P999MS/p999, fmt.Sprintf("p999-read/exact-%d", workers))
			})
		}
	})
}

// exactLatencies is what the hits of a constant schedule wait for a server
// that answers at once but for its stalls, in milliseconds.
func exactLatencies(r lab.AttackResult, rate float64, lasts time.Duration, stalls []serve.Stall) []float64 {
	var out []float64
	for k := 0; float64(k) < rate*lasts.Seconds(); k++ {
		due := r.StartedAt.Add(time.Duration(float64(k) / rate * float64(time.Second)))
		wait := 0.0
		for _, stall := range stalls {
			if !due.Before(stall.From) && due.Before(stall.To) {
				wait = float64(stall.To.Sub(due)) / float64(time.Millisecond)
			}
		}
		out = append(out, wait)
	}
	return out
}

// BenchmarkReadings calibrates: among others, what is read of reference
// servers beside their own clocks, and of a ratio that is known.
func BenchmarkReadings(b *testing.B) {
	onBench(b, func(ctx context.Context, s *session) {
		c, err := s.calibrate(ctx, false)
		if err != nil {
			b.Fatal(err)
		}
		if err := calibrate.WriteText(os.Stdout, c); err != nil {
			b.Fatal(err)
		}
		for _, r := range c.ServiceTimeChecks {
			b.ReportMetric(r.MeasuredP50MS/r.ServerP50MS, fmt.Sprintf("read/own-%.0fms", r.ServerP50MS))
		}
		b.ReportMetric(c.KnownRatio.Measured/c.KnownRatio.Expected, "read/true-ratio")
	})
}

// BenchmarkMemory attacks for LONG (a minute; the claim is made for 10m) at
// 10 000 requests per second and watches the generator's resident memory.
func BenchmarkMemory(b *testing.B) {
	lasts := time.Minute
	if long := os.Getenv("LONG"); long != "" {
		var err error
		if lasts, err = time.ParseDuration(long); err != nil {
			b.Fatalf("LONG=%s: %v", long, err)
		}
	}
	onBench(b, func(ctx context.Context, s *session) {
		null := s.responder(serve.Null())
		s.inCell(ctx, b, null, func(c *cell, _ experiment.Server) {
			inspected, err := s.engine.Client().ContainerInspect(ctx, tools{s}.generator(ctx, b),
				client.ContainerInspectOptions{})
			if err != nil {
				b.Fatal(err)
			}
			ended := make(chan struct{})
			go func() {
				defer close(ended)
				mustAttack(ctx, b, c, attackOn(null, 128, 10_000, lasts))
			}()
			var resident []float64
			for tick := time.NewTicker(lasts / 20); ; {
				select {
				case <-tick.C:
					resident = append(resident, residentMiB(b, inspected.Container.State.Pid))
					continue
				case <-ended:
				}
				tick.Stop()
				break
			}
			half := len(resident) / 2
			fmt.Printf("memory of the generator during %v at 10000 req/s, MiB: %.1f\n", lasts, resident)
			b.ReportMetric(slices.Max(resident), "MiB-most")
			b.ReportMetric(stat.Median(resident[half:])/stat.Median(resident[:half]), "second/first-half")
		})
	})
}

func residentMiB(b *testing.B, pid int) float64 {
	status, err := os.ReadFile(filepath.Join("/proc", strconv.Itoa(pid), "status"))
	if err != nil {
		b.Error(err)
		return math.NaN()
	}
	for line := range strings.Lines(string(status)) {
		if value, ok := strings.CutPrefix(line, "VmRSS:"); ok {
			kib, _ := strconv.ParseFloat(strings.Fields(value)[0], 64)
			return kib / 1024
		}
	}
	return math.NaN()
}

// measured is one phase on a fresh server, as a trial has it, judged.
func (s *session) measured(ctx context.Context, tb testing.TB, of subject, a lab.Attack,
	c lab.Calibration,
) (sample lab.Sample) {
	tb.Helper()
	s.inCell(ctx, tb, of, func(in *cell, server experiment.Server) {
		e := &experiment.Experiment{Cells: s.cells(), Calibration: c}
		warm := a
		warm.Kind, warm.Duration = lab.WarmUp, time.Second
		mustAttack(ctx, tb, in, warm)
		phase := lab.Phase{Kind: a.Kind, Connections: a.Connections}
		if len(a.Rate) > 0 {
			phase.RateRPS = a.Rate[0].FromRPS
		}
		var err error
		sample, err = e.MeasurePhase(ctx, lab.Sample{Layout: s.layout, Phase: phase, Variant: of.variant}, a, in,
			server, nil)
		if err != nil {
			tb.Fatal(err)
		}
	})
	return sample
}

// BenchmarkNeighbour counts how many trials are found to be disturbed by a
// neighbour that burns a share of the generator's or the server's CPU, in
// periods from 2 to 100 ms, and how many without one.
func BenchmarkNeighbour(b *testing.B) {
	trials := 20
	if text := os.Getenv("TRIALS"); text != "" {
		var err error
		if trials, err = strconv.Atoi(text); err != nil || trials < 1 {
			b.Fatalf("TRIALS=%s: no number of trials", text)
		}
	}
	onBench(b, func(ctx context.Context, s *session) {
		c, err := s.calibration(ctx, false)
		if err != nil {
			b.Fatal(err)
		}
		node := application(ctx, b, s, "node")
		disturbed := map[string]int{}
		for i := range trials {
			for _, n := range neighbours(s.layout) {
				stop := n.start(b,
					[]time.Duration{2 * time.Millisecond, 10 * time.Millisecond, 100 * time.Millisecond}[i%3])
				a := attackOn(node, 64, 0, 2*time.Second)
				if i%2 == 1 {
					a = attackOn(node, 64, 5000, 2*time.Second)
				}
				if s.measured(ctx, b, node, a, c).Gate.Validity == lab.Disturbed {
					disturbed[n.name]++
				}
				stop()
			}
		}
		for _, n := range neighbours(s.layout) {
			fmt.Printf("neighbour %-20s %2d of %d trials disturbed\n", n.name, disturbed[n.name], trials)
			b.ReportMetric(float64(disturbed[n.name])/float64(trials), "disturbed-"+n.name)
		}
	})
}

type neighbour struct {
	name  string
	cpu   int
	share float64
}

func neighbours(l lab.Layout) []neighbour {
	out := []neighbour{{name: "none"}}
	for _, share := range []float64{0.05, 0.10, 0.25} {
		out = append(out,
			neighbour{fmt.Sprintf("%.0f%%-generator", 100*share), l.Generator[0], share},
			neighbour{fmt.Sprintf("%.0f%%-server", 100*share), l.Server[0], share})
	}
	return out
}

// start burns in a process of its own, pinned to the neighbour's CPU.
func (n neighbour) start(b *testing.B, period time.Duration) (stop func()) {
	b.Helper()
	if n.share == 0 {
		return func() {}
	}
	burner := exec.Command("taskset", "-c", strconv.Itoa(n.cpu), os.Args[0])
	burner.Env = append(os.Environ(), fmt.Sprintf("%s=%g in %v", burnVariable, n.share, period))
	if err := burner.Start(); err != nil {
		b.Fatal(err)
	}
	return func() {
		_ = burner.Process.Kill() // it may not have begun yet
		_ = burner.Wait()
	}
}

// burnVariable tells this program that it is a neighbour: "0.1 in 10ms".
const burnVariable = "BURN"

// burn takes a share of the CPU that it runs on, in periods, until it is killed:
// by its own CPU time, since one that counted by the clock would burn less
// wherever it had to wait for the CPU.
func burn(how string) error {
	var share float64
	var text string
	if _, err := fmt.Sscanf(how, "%g in %s", &share, &text); err != nil {
		return fmt.Errorf("burning %q: %w", how, err)
	}
	period, err := time.ParseDuration(text)
	if err != nil {
		return fmt.Errorf("burning %q: %w", how, err)
	}
	runtime.LockOSThread()
	began := time.Now()
	for next := began; ; time.Sleep(time.Until(next)) {
		next = next.Add(period)
		for budget := time.Duration(share * float64(next.Sub(began))); ; serve.Work(10_000) {
			var used unix.Timespec
			if err := unix.ClockGettime(unix.CLOCK_THREAD_CPUTIME_ID, &used); err != nil {
				return fmt.Errorf("burning %q: %w", how, err)
			}
			if time.Duration(used.Nano()) >= budget {
				break
			}
		}
	}
}

// BenchmarkVerdicts shows what is said of a server that is faster than the
// generator, and of one that only waits.
func BenchmarkVerdicts(b *testing.B) {
	onBench(b, func(ctx context.Context, s *session) {
		c, err := s.calibration(ctx, false)
		if err != nil {
			b.Fatal(err)
		}
		for _, v := range []lab.Variant{serve.Null(), serve.Waiting(50 * time.Millisecond)} {
			of := s.responder(v)
			sample := s.measured(ctx, b, of, attackOn(of, 64, 0, 3*time.Second), c)
			fmt.Printf("%s: %s\n", v.ID(), sampleOutcome(sample))
		}
	})
}
