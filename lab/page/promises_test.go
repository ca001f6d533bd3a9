package page_test

import (
	"strings"
	"testing"

	"runtimelab/lab"
	"runtimelab/lab/metric"
	"runtimelab/lab/report"
)

// A page of promises has their sentences, and no axis of ratios.
func TestPagesHavePromises(t *testing.T) {
	promise := lab.Promise{
		Scenario: "json", Profile: "quick", Claim: "use-1", Variant: "node/single", Cores: 1,
		Phases: []string{"steady-1", "steady-2"}, Limits: []lab.Limit{{Metric: "latency_p99_ms", Value: 100}},
	}
	longer := promise
	longer.Profile = "full"
	plan := lab.Plan{
		Profile:       lab.Profile{Name: "quick", Blocks: 6},
		PlannedClaims: lab.PlannedClaims{Claims: []lab.Claim{{ID: "use-1", Statement: "Node suits it."}}},
		PlannedPromises: lab.PlannedPromises{
			Promises: []lab.Promise{promise}, UntestedPromises: []lab.Promise{longer},
		},
	}
	var rows []metric.Row
	for block := int64(1); block <= 6; block++ {
		for i, phase := range promise.Phases {
			rows = append(rows, metric.Row{
				"run_id": metric.Text("20261123T231501Z-ab12"), "host_id": metric.Text("h0123456789"),
				"scenario": metric.Text("json"), "variant": metric.Text("node/single"), "phase": metric.Text(phase),
				"phase_kind": metric.Text("steady"), "mode": metric.Text("open"), "server_cpus": metric.Int(1),
				"block": metric.Int(block), "attempt": metric.Int(1), "validity": metric.Text("valid"),
				"latency_p99_ms": metric.Number(20 + 300*float64(i)),
			})
		}
	}
	text := pageOf(t, report.New(plan, rows, 0))
	for _, want := range []string{
		`<span class="result">node/single kept up to steady-1</span>`,
		`<p>json: the promise of node/single, latency_p99_ms &lt;= 100: kept up to steady-1</p>`,
		`</span> supported</span> steady-1: 6 of 6 trials kept it: at least 60 % of trials do (95 %)</p>`,
		`</span> refuted</span> steady-2: 0 of 6 trials kept it`,
		`1 not compared: not evaluated at quick; full tests it`,
	} {
		if !strings.Contains(text, want) {
			t.Errorf("the page has no %q", want)
		}
	}
	for _, unwanted := range []string{"axis of ratios", "Ratio of two servers", "0 ratios"} {
		if strings.Contains(text, unwanted) {
			t.Errorf("the page has %q, and no ratio", unwanted)
		}
	}
}
