package cli

import (
	"context"
	"fmt"
	"math"
	"math/rand/v2"
	"net/http"
	"testing"
	"time"

	"runtimelab/lab"
	"runtimelab/lab/experiment"
	"runtimelab/lab/metric"
	"runtimelab/lab/scaling"
	"runtimelab/lab/serve"
	"runtimelab/lab/session"
	"runtimelab/lab/stat"
)

// virtualLaw is the scaling law of the servers with virtual cores.
var virtualLaw = stat.USL{Lambda: 100, Sigma: 0.05, Kappa: 0.002}

// blockNoise is the log of a factor on the service time, one for each block. Real trials
// vary too, and intervals need variation. Each number of cores has each factor once, so
// that they cause no bias.
var blockNoise = []float64{-0.015, 0.009, -0.003, 0.003, -0.009, 0.015}

// BenchmarkScaling measures servers with a known scaling law, in cells and with the loop
// of the experiment, and fits the law. It fails if an interval misses a true coefficient.
func BenchmarkScaling(b *testing.B) {
	var rows []metric.Row
	inBenchSession(b, func(ctx context.Context, s *session.Session) { rows = measureVirtualCores(ctx, b, s) })
	curves := scaling.Curves(rows)
	if len(curves) != 1 || curves[0].Fit == nil {
		b.Fatalf("curves %+v", curves)
	}
	for _, p := range curves[0].Points {
		fmt.Printf("virtual cores %2d: %.1f req/s, by the law %.1f\n", p.Cores, *p.Throughput.Value,
			virtualLaw.At(float64(p.Cores)))
	}
	fit := curves[0].Fit
	for _, c := range []struct {
		name     string
		estimate scaling.Estimate
		truth    float64
		maxWidth float64 // of a useful interval
	}{
		{"lambda", fit.Lambda, virtualLaw.Lambda, 8},
		{"sigma", fit.Sigma, virtualLaw.Sigma, 0.02},
		{"kappa", fit.Kappa, virtualLaw.Kappa, 0.002},
		{"peak", fit.Peak, virtualLaw.Peak(), 12},
	} {
		if c.estimate.Low == nil || c.estimate.High == nil {
			b.Errorf("%s has no interval: %+v", c.name, c.estimate)
			continue
		}
		low, high := *c.estimate.Low, *c.estimate.High
		fmt.Printf("%s %.5f [%.5f, %.5f], true value %.5f\n", c.name, *c.estimate.Value, low, high, c.truth)
		if c.truth < low || c.truth > high || high-low > c.maxWidth {
			b.Errorf("%s is %.5f, and its interval [%.5f, %.5f]", c.name, c.truth, low, high)
		}
		b.ReportMetric(*c.estimate.Value/c.truth, c.name+"-found/true")
	}
}

// measureVirtualCores measures six blocks with 1 to 16 virtual cores. Its rows have the
// number of virtual cores as the server's CPUs.
func measureVirtualCores(ctx context.Context, b *testing.B, s *session.Session) (rows []metric.Row) {
	e := &experiment.Experiment{
		ResponderTarget: serve.Target(), Cells: s.Cells(), Observer: noObserver{},
		// Tolerates other work on the test machine.
		Calibration: lab.Calibration{SleepCost: time.Second},
		Recorder: sampleRecorder(func(sample lab.Sample) error {
			if sample.Gate.Validity != lab.Valid {
				b.Errorf("%s in block %d: %s: %s",
					sample.Trial.Variant, sample.Trial.Block, sample.Gate.Validity, sample.Gate.Reason)
			}
			var n int64
			if _, err := fmt.Sscanf(sample.Scenario.Name, "virtual-%d", &n); err != nil {
				return err
			}
			row := metric.RowOf(sample)
			row["scenario"], row["variant"] = metric.Text("virtual"), metric.Text("lab/virtual")
			row["server_cpus"] = metric.Int(n)
			rows = append(rows, row)
			return nil
		}),
	}
	e.Plan, e.Variants = virtualPlan(s.Layout)
	e.Images = map[string]lab.Image{}
	for id := range e.Variants {
		e.Images[id] = s.Agent
	}
	if err := e.Run(ctx); err != nil {
		b.Fatal(err)
	}
	return rows
}

// virtualPlan returns a plan with a scenario for each number of virtual cores, with enough
// clients to keep them busy, and its variants by id. The variant of each trial has its own
// service time.
func virtualPlan(layout lab.Layout) (lab.Plan, map[string]lab.Variant) {
	cores := []int{1, 2, 4, 8, 16}
	p := lab.Plan{Profile: lab.Profile{PeakDuration: 1500 * time.Millisecond}, Layout: layout}
	for _, n := range cores {
		p.Scenarios = append(p.Scenarios, lab.Scenario{
			Name: fmt.Sprintf("virtual-%d", n), Requests: []lab.Request{{Method: http.MethodGet, Path: "/"}},
			Phases: []lab.Phase{{Name: string(lab.Peak), Kind: lab.Peak, Connections: 4 * n, TimeoutS: 10}},
		})
	}
	variants, order := map[string]lab.Variant{}, rand.New(rand.NewPCG(1, 1))
	for block := range blockNoise {
		for position, i := range order.Perm(len(cores)) {
			service := math.Exp(blockNoise[(block+i)%len(blockNoise)]) / virtualLaw.Lambda
			v := serve.Virtual(cores[i], time.Duration(service*float64(time.Second)),
				virtualLaw.Sigma, virtualLaw.Kappa)
			v.Name += fmt.Sprintf("-%d", block+1)
			variants[v.ID()] = v
			p.Trials = append(p.Trials, lab.Trial{
				Scenario: p.Scenarios[i].Name, Variant: v.ID(), Cores: 1,
				Block: block + 1, Position: position + 1, Attempt: 1,
			})
		}
	}
	return p, variants
}

// sampleRecorder is an experiment.Recorder that passes each sample to a function, and
// records nothing else.
type sampleRecorder func(lab.Sample) error

func (record sampleRecorder) RecordSamples(samples ...lab.Sample) error {
	for _, s := range samples {
		if err := record(s); err != nil {
			return err
		}
	}
	return nil
}

func (sampleRecorder) RecordPlan(lab.Plan) error { return nil }

func (sampleRecorder) RecordRefusals(map[string]string) error { return nil }

func (sampleRecorder) RecordHits(lab.Sample, func(func([]lab.Hit) error) error) error { return nil }

// noObserver is an experiment.Observer that does nothing.
type noObserver struct{}

func (noObserver) ContractCheckStarted(int)                           {}
func (noObserver) VariantRefused(string, []string)                    {}
func (noObserver) TrialStarted(lab.Trial, int, int)                   {}
func (noObserver) PilotStarted(lab.Pilot, int, int)                   {}
func (noObserver) PilotEnded(lab.Pilot, int, int)                     {}
func (noObserver) PhaseStarted(lab.Trial, lab.Phase, time.Duration)   {}
func (noObserver) TrialEnded(lab.Trial, int, int, []lab.Sample, bool) {}
