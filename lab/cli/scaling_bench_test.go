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
	"runtimelab/lab/stat"
)

// virtualLaw is what virtual cores scale by.
var virtualLaw = stat.USL{Lambda: 100, Sigma: 0.05, Kappa: 0.002}

// unlikeBlocks is by how much the trials of virtual cores are slower or faster
// than their law, as the trials of real servers are: each number of cores has
// each of these once, so that they make an interval and no error.
var unlikeBlocks = []float64{-0.015, 0.009, -0.003, 0.003, -0.009, 0.015}

// BenchmarkScaling fits the law to servers whose coefficients are known, through
// real cells and the experiment's own loop, and fails where its intervals miss
// them.
func BenchmarkScaling(b *testing.B) {
	var rows []metric.Row
	onBench(b, func(ctx context.Context, s *session) { rows = s.virtualCores(ctx, b) })
	curves := scaling.Curves(rows)
	if len(curves) != 1 || curves[0].Fit == nil {
		b.Fatalf("curves %+v", curves)
	}
	for _, p := range curves[0].Points {
		fmt.Printf("virtual cores %2d: %.1f req/s, by the law %.1f\n", p.Cores, *p.Throughput.Value,
			virtualLaw.At(float64(p.Cores)))
	}
	fit := curves[0].Fit
	for _, of := range []struct {
		name  string
		found scaling.Estimate
		truth float64
		width float64 // an interval that is wider has found nothing
	}{
		{"lambda", fit.Lambda, virtualLaw.Lambda, 8},
		{"sigma", fit.Sigma, virtualLaw.Sigma, 0.02},
		{"kappa", fit.Kappa, virtualLaw.Kappa, 0.002},
		{"peak", fit.Peak, virtualLaw.Peak(), 12},
	} {
		if of.found.Low == nil || of.found.High == nil {
			b.Errorf("%s has no interval: %+v", of.name, of.found)
			continue
		}
		low, high := *of.found.Low, *of.found.High
		fmt.Printf("%s %.5f [%.5f, %.5f], in truth %.5f\n", of.name, *of.found.Value, low, high, of.truth)
		if of.truth < low || of.truth > high || high-low > of.width {
			b.Errorf("%s of %.5f is found in [%.5f, %.5f]", of.name, of.truth, low, high)
		}
		b.ReportMetric(*of.found.Value/of.truth, of.name+"-found/true")
	}
}

// virtualCores measures six blocks of 1 to 16 virtual cores, and tells each row
// as if these had been the server's CPUs.
func (s *session) virtualCores(ctx context.Context, b *testing.B) (rows []metric.Row) {
	e := &experiment.Experiment{
		ResponderTarget: serve.Target(), Cells: s.cells(), Observer: quiet{},
		// What a test machine does beside is not the subject here.
		Calibration: lab.Calibration{SleepCost: time.Second},
		Recorder: eachSample(func(sample lab.Sample) error {
			if sample.Gate.Validity != lab.Valid {
				b.Errorf("%s in block %d: %s: %s", sample.Trial.Variant, sample.Trial.Block, sample.Gate.Validity,
					sample.Gate.Reason)
			}
			var n int64
			if _, err := fmt.Sscanf(sample.Scenario.Name, "virtual-%d", &n); err != nil {
				return err
			}
			row := metric.RowOf(sample)
			row["scenario"], row["variant"], row["server_cpus"] = metric.Text("virtual"), metric.Text("lab/virtual"), metric.Int(n)
			rows = append(rows, row)
			return nil
		}),
	}
	e.Plan, e.Variants = virtualPlan(s.layout)
	e.Images = map[string]lab.Image{}
	for id := range e.Variants {
		e.Images[id] = s.agent
	}
	if err := e.Run(ctx); err != nil {
		b.Fatal(err)
	}
	return rows
}

// virtualPlan has a scenario for each number of virtual cores, with clients
// enough to keep them busy. Each trial has a service time of its own.
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
	for block := range unlikeBlocks {
		for position, i := range order.Perm(len(cores)) {
			service := math.Exp(unlikeBlocks[(block+i)%len(unlikeBlocks)]) / virtualLaw.Lambda
			v := serve.Virtual(cores[i], time.Duration(service*float64(time.Second)), virtualLaw.Sigma,
				virtualLaw.Kappa)
			v.Name += fmt.Sprintf("-%d", block+1)
			variants[v.ID()] = v
			p.Trials = append(p.Trials, lab.Trial{
				Scenario: p.Scenarios[i].Name, Variant: v.ID(), Cores: 1, Block: block + 1, Position: position +
					1, Attempt: 1,
			})
		}
	}
	return p, variants
}

// eachSample records by doing something with each sample.
type eachSample func(lab.Sample) error

func (do eachSample) RecordSamples(samples ...lab.Sample) error {
	for _, s := range samples {
		if err := do(s); err != nil {
			return err
		}
	}
	return nil
}

func (eachSample) RecordPlan(lab.Plan) error { return nil }

func (eachSample) RecordRefusals(map[string]string) error { return nil }

func (eachSample) RecordHits(lab.Sample, func(func([]lab.Hit) error) error) error { return nil }

// quiet observes and says nothing.
type quiet struct{}

func (quiet) ContractCheckStarted(int)                           {}
func (quiet) VariantRefused(string, []string)                    {}
func (quiet) TrialStarted(lab.Trial, int, int)                   {}
func (quiet) PilotStarted(lab.Pilot, int, int)                   {}
func (quiet) PilotEnded(lab.Pilot, int, int)                     {}
func (quiet) PhaseStarted(lab.Trial, lab.Phase, time.Duration)   {}
func (quiet) TrialEnded(lab.Trial, int, int, []lab.Sample, bool) {}
