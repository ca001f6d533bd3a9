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
	"runtimelab/lab/session"
	"runtimelab/lab/stat"
)

// BenchmarkCeiling compares the highest throughput of the lab's generator, with all its
// recording, of wrk, and of the vegeta command. They take turns in one cell. The null
// server is never the limit; the application must always be.
func BenchmarkCeiling(b *testing.B) {
	inBenchSession(b, func(ctx context.Context, s *session.Session) {
		t := buildTools(ctx, b, s)
		for _, subj := range []subject{responder(s, serve.Null()), application(ctx, b, s, "node")} {
			inCell(ctx, b, s, subj, func(c experiment.Cell) {
				mustAttack(ctx, b, c, attackOn(subj, 64, 0, 3*time.Second))
				const rounds = 7
				var labs, wrks, vegetas, labByWrk, labByVegeta []float64
				for range rounds {
					ours := throughput(mustAttack(ctx, b, c, attackOn(subj, 64, 0, 3*time.Second)))
					wrk := t.wrk(ctx, b, subj, 64, 3*time.Second)
					_, vegeta := t.vegeta(ctx, b, subj, 64, 0, 3*time.Second)
					labs, wrks, vegetas = append(labs, ours), append(wrks, wrk.rps), append(vegetas, vegeta)
					labByWrk, labByVegeta = append(labByWrk, ours/wrk.rps), append(labByVegeta, ours/vegeta)
				}
				fmt.Printf("ceiling on %s, 64 connections, medians of %d rounds (least to most): "+
					"lab %s req/s, wrk %s, vegeta %s; lab/wrk %s, lab/vegeta %s\n", subj.variant.ID(), rounds,
					spread("%.0f", labs), spread("%.0f", wrks), spread("%.0f", vegetas),
					spread("%.2f", labByWrk), spread("%.2f", labByVegeta))
				b.ReportMetric(stat.Median(labByWrk), subj.variant.Name+"-ours/wrk")
				b.ReportMetric(stat.Median(labByVegeta), subj.variant.Name+"-ours/vegeta")
			})
		}
	})
}

// spread returns the median of samples with the least and the most.
func spread(format string, samples []float64) string {
	return fmt.Sprintf(format+" ("+format+" to "+format+")",
		stat.Median(samples), slices.Min(samples), slices.Max(samples))
}

// BenchmarkHitCost compares the generator's CPU time for a hit with wrk's, at the throughput of a
// reference server of some 20 µs, which is the limit for both. They take turns.
func BenchmarkHitCost(b *testing.B) {
	inBenchSession(b, func(ctx context.Context, s *session.Session) {
		t := buildTools(ctx, b, s)
		subj := responder(s, serve.Reference("reference-20us", 15_000))
		inCell(ctx, b, s, subj, func(c experiment.Cell) {
			mustAttack(ctx, b, c, attackOn(subj, 64, 0, time.Second))
			const rounds = 7
			var labs, wrks, labRates, wrkRates, ratios []float64
			for range rounds {
				o, err := c.Attack(ctx, attackOn(subj, 64, 0, 3*time.Second))
				if err != nil {
					b.Fatal(err)
				}
				used := o.After.GeneratorCPU - o.Before.GeneratorCPU - o.IdlePolling
				ours := float64(used.Nanoseconds()) / 1000 / float64(o.Sent)
				wrk := t.wrk(ctx, b, subj, 64, 3*time.Second)
				labs, labRates = append(labs, ours), append(labRates, throughput(o.AttackResult))
				wrks, wrkRates = append(wrks, wrk.cpuPerHitUS), append(wrkRates, wrk.rps)
				ratios = append(ratios, ours/wrk.cpuPerHitUS)
			}
			fmt.Printf("CPU for a hit on %s, 64 connections, medians of %d rounds (least to most): "+
				"lab %s µs at %s req/s, wrk %s µs at %s; lab/wrk %s\n", subj.variant.ID(), rounds,
				spread("%.2f", labs), spread("%.0f", labRates), spread("%.2f", wrks), spread("%.0f", wrkRates),
				spread("%.2f", ratios))
			b.ReportMetric(stat.Median(ratios), "ours/wrk-CPU")
		})
	})
}

// BenchmarkOpenLoop measures how well the generator keeps its schedule at several rates,
// against a server that is never the limit. It also shows what share of the requests the
// vegeta command sends at these rates.
func BenchmarkOpenLoop(b *testing.B) {
	inBenchSession(b, func(ctx context.Context, s *session.Session) {
		t := buildTools(ctx, b, s)
		null := responder(s, serve.Null())
		inCell(ctx, b, s, null, func(c experiment.Cell) {
			mustAttack(ctx, b, c, attackOn(null, 64, 0, time.Second))
			ceiling := throughput(mustAttack(ctx, b, c, attackOn(null, 64, 0, 3*time.Second)))
			const rounds = 5
			fmt.Printf("open loop on the null server, 128 connections, medians of %d rounds (and the worst); "+
				"ceiling %.0f req/s\n%10s %9s %16s %22s %14s %17s\n",
				rounds, ceiling, "offered", "arrivals", "sent", "send lag p99", "corrected p50", "vegeta command")
			rates := []float64{1000, 10_000, 20_000, 40_000, 0.5 * ceiling, 0.75 * ceiling, 1.5 * ceiling}
			for _, rate := range rates {
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
					vegeta := ""
					if arrivals == lab.Constant {
						sent, _ := t.vegeta(ctx, b, null, 128, rate, a.Duration)
						vegeta = fmt.Sprintf("%.4f sent", sent/(rate*a.Duration.Seconds()))
					}
					fmt.Printf("%10.0f %9s %7.4f (%.4f) %8.3f ms (%.3f) %11.3f ms %17s\n",
						rate, arrivals, stat.Median(sent), slices.Min(sent),
						stat.Median(lags), slices.Max(lags), stat.Median(medians), vegeta)
				}
			}
		})
	})
}

// BenchmarkWaiting measures how well each generator keeps its schedule when it polls, and when it waits
// in the kernel, as where it shares its CPU. The generators take turns in the same cell.
func BenchmarkWaiting(b *testing.B) {
	inBenchSession(b, func(ctx context.Context, s *session.Session) {
		null := responder(s, serve.Null())
		const rounds = 5
		fmt.Printf("open loop on the null server, 128 connections, Poisson, medians of %d rounds (and the "+
			"worst)\n%10s %9s %10s %16s %22s %14s\n",
			rounds, "offered", "mode", "generator", "sent", "send lag p99", "corrected p50")
		for _, rate := range []float64{1000, 10_000, 20_000, 40_000} {
			for mode, waits := range map[string]bool{"polling": false, "waiting": true} {
				var sent, lags, medians [2][]float64 // by generator
				inCellOf(ctx, b, s, null, waits, func(c experiment.Cell) {
					for round := range rounds + 1 {
						for i, g := range lab.Generators() {
							a := attackOn(null, 128, rate, 3*time.Second)
							a.Generator, a.Arrivals, a.SleepWhenIdle = g, lab.Poisson, waits
							r := mustAttack(ctx, b, c, a)
							if round == 0 {
								continue // a warm-up
							}
							sent[i] = append(sent[i], float64(r.Sent)/float64(r.Intended))
							lags[i] = append(lags[i], *r.SendLag.P99MS)
							medians[i] = append(medians[i], *r.Corrected.P50MS)
						}
					}
				})
				for i, g := range lab.Generators() {
					fmt.Printf("%10.0f %9s %10s %7.4f (%.4f) %8.3f ms (%.3f) %11.3f ms\n", rate, mode, g,
						stat.Median(sent[i]), slices.Min(sent[i]), stat.Median(lags[i]), slices.Max(lags[i]),
						stat.Median(medians[i]))
				}
			}
		}
	})
}

// BenchmarkStall lets a server stall for one second in every ten, and compares the
// corrected quantiles with those that follow from the schedule.
func BenchmarkStall(b *testing.B) {
	inBenchSession(b, func(ctx context.Context, s *session.Session) {
		stalling := responder(s, serve.Stalling(10*time.Second, time.Second))
		for _, workers := range []int{8, 128, 1024} {
			inCell(ctx, b, s, stalling, func(c experiment.Cell) {
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
				fmt.Printf("stall of 1 s, %4d workers: corrected p99 %.1f ms (exact %.1f), "+
					"p99.9 %.1f ms (exact %.1f)\n", workers, *r.Corrected.P99MS, p99, *r.Corrected.P999MS, p999)
				b.ReportMetric(*r.Corrected.P99MS/p99, fmt.Sprintf("p99-read/exact-%d", workers))
				b.ReportMetric(*r.Corrected.P999MS/p999, fmt.Sprintf("p999-read/exact-%d", workers))
			})
		}
	})
}

// exactLatencies returns the latencies, in milliseconds, of a constant schedule on a
// server that answers at once except during its stalls.
func exactLatencies(
	r lab.AttackResult, rate float64, duration time.Duration, stalls []serve.Stall,
) []float64 {
	var out []float64
	for k := 0; float64(k) < rate*duration.Seconds(); k++ {
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

// BenchmarkReadings calibrates. It reports measured service times of reference servers by
// those of their own clocks, and a measured ratio by its true value.
func BenchmarkReadings(b *testing.B) {
	inBenchSession(b, func(ctx context.Context, s *session.Session) {
		c, err := s.Calibrate(ctx, lab.DefaultGenerator, false)
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

// BenchmarkMemory measures the generator's resident memory during an attack at 20 000
// requests per second. The attack lasts LONG, a minute by default; METHOD.md has 10m.
func BenchmarkMemory(b *testing.B) {
	duration := time.Minute
	if long := os.Getenv("LONG"); long != "" {
		var err error
		if duration, err = time.ParseDuration(long); err != nil {
			b.Fatalf("LONG=%s: %v", long, err)
		}
	}
	inBenchSession(b, func(ctx context.Context, s *session.Session) {
		null := responder(s, serve.Null())
		inCell(ctx, b, s, null, func(c experiment.Cell) {
			docker := openEngine(b)
			inspected, err := docker.ContainerInspect(ctx, generatorOf(ctx, b, docker, s),
				client.ContainerInspectOptions{})
			if err != nil {
				b.Fatal(err)
			}
			ended := make(chan struct{})
			go func() {
				defer close(ended)
				mustAttack(ctx, b, c, attackOn(null, 128, 20_000, duration))
			}()
			var resident []float64
			for tick := time.NewTicker(duration / 20); ; {
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
			fmt.Printf("memory of the generator during %v at 20000 req/s, MiB: %.1f\n", duration, resident)
			b.ReportMetric(slices.Max(resident), "MiB-most")
			b.ReportMetric(stat.Median(resident[half:])/stat.Median(resident[:half]), "second/first-half")
		})
	})
}

// residentMiB returns the resident memory of a process in MiB; NaN if it cannot be read.
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

// measurePhase measures an attack as a phase on a fresh server, with its validity. A
// warm-up of one second precedes it.
func measurePhase(
	ctx context.Context, tb testing.TB, s *session.Session, subj subject, a lab.Attack, c lab.Calibration,
	beside ...lab.Service,
) (sample lab.Sample) {
	tb.Helper()
	inCell(ctx, tb, s, subj, func(in experiment.Cell) {
		e := &experiment.Experiment{Cells: s.Cells(), Calibration: c}
		warm := a
		warm.Kind, warm.Duration = lab.WarmUp, time.Second
		mustAttack(ctx, tb, in, warm)
		phase := lab.Phase{Kind: a.Kind, Connections: a.Connections}
		if len(a.Rate) > 0 {
			phase.RateRPS = a.Rate[0].FromRPS
		}
		template := lab.Sample{Subject: lab.Subject{Layout: s.Layout, Variant: subj.variant}, Phase: phase}
		var err error
		if sample, err = e.MeasurePhase(ctx, template, a, in); err != nil {
			tb.Fatal(err)
		}
	}, beside...)
	return sample
}

// BenchmarkNeighbour counts the trials that are disturbed when another process uses a
// share of the generator's or the server's CPU, in periods from 2 to 100 ms, and without
// such a process.
func BenchmarkNeighbour(b *testing.B) {
	trials := 20
	if text := os.Getenv("TRIALS"); text != "" {
		var err error
		if trials, err = strconv.Atoi(text); err != nil || trials < 1 {
			b.Fatalf("TRIALS=%s: want a number above 0", text)
		}
	}
	periods := []time.Duration{2 * time.Millisecond, 10 * time.Millisecond, 100 * time.Millisecond}
	inBenchSession(b, func(ctx context.Context, s *session.Session) {
		c, err := s.Calibration(ctx, lab.DefaultGenerator, false)
		if err != nil {
			b.Fatal(err)
		}
		node := application(ctx, b, s, "node")
		disturbed := map[string]int{}
		for i := range trials {
			for _, n := range neighbours(s.Layout) {
				stop := n.start(b, periods[i%3])
				a := attackOn(node, 64, 0, 2*time.Second)
				if i%2 == 1 {
					a = attackOn(node, 64, 5000, 2*time.Second)
				}
				if measurePhase(ctx, b, s, node, a, c).Gate.Validity == lab.Disturbed {
					disturbed[n.name]++
				}
				stop()
			}
		}
		for _, n := range neighbours(s.Layout) {
			fmt.Printf("neighbour %-20s %2d of %d trials disturbed\n", n.name, disturbed[n.name], trials)
			b.ReportMetric(float64(disturbed[n.name])/float64(trials), "disturbed-"+n.name)
		}
	})
}

// neighbour is a process that uses a share of a CPU; a share of 0 is no process.
type neighbour struct {
	name  string
	cpu   int
	share float64
}

// neighbours returns no neighbour, and neighbours of the generator and the server.
func neighbours(l lab.Layout) []neighbour {
	out := []neighbour{{name: "none"}}
	for _, share := range []float64{0.05, 0.10, 0.25} {
		out = append(out,
			neighbour{fmt.Sprintf("%.0f%%-generator", 100*share), l.Generator[0], share},
			neighbour{fmt.Sprintf("%.0f%%-server", 100*share), l.Server[0], share})
	}
	return out
}

// start starts a neighbour as a process pinned to its CPU.
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
		_ = burner.Process.Kill() // an error means that it has ended, which the benchmark tolerates
		_ = burner.Wait()
	}
}

// burnVariable makes this test binary a neighbour with a share and a period: "0.1 in 10ms".
const burnVariable = "BURN"

// burn uses a share of its CPU in each period, until it is killed. It counts its CPU time:
// by the clock it would use less when it has to wait for the CPU.
func burn(load string) error {
	var share float64
	var text string
	if _, err := fmt.Sscanf(load, "%g in %s", &share, &text); err != nil {
		return fmt.Errorf("burning %q: %w", load, err)
	}
	period, err := time.ParseDuration(text)
	if err != nil {
		return fmt.Errorf("burning %q: %w", load, err)
	}
	runtime.LockOSThread()
	began := time.Now()
	for next := began; ; time.Sleep(time.Until(next)) {
		next = next.Add(period)
		for budget := time.Duration(share * float64(next.Sub(began))); ; serve.Work(10_000) {
			var used unix.Timespec
			if err := unix.ClockGettime(unix.CLOCK_THREAD_CPUTIME_ID, &used); err != nil {
				return fmt.Errorf("burning %q: %w", load, err)
			}
			if time.Duration(used.Nano()) >= budget {
				break
			}
		}
	}
}

// BenchmarkVerdicts prints the validity of a server that is faster than the generator, and
// of one that only waits.
func BenchmarkVerdicts(b *testing.B) {
	inBenchSession(b, func(ctx context.Context, s *session.Session) {
		c, err := s.Calibration(ctx, lab.DefaultGenerator, false)
		if err != nil {
			b.Fatal(err)
		}
		for _, v := range []lab.Variant{serve.Null(), serve.Waiting(50 * time.Millisecond)} {
			subj := responder(s, v)
			sample := measurePhase(ctx, b, s, subj, attackOn(subj, 64, 0, 3*time.Second), c)
			fmt.Printf("%s: %s\n", v.ID(), sampleOutcome(sample))
		}
	})
}
