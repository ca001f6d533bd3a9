package page_test

import (
	"compress/gzip"
	"encoding/json"
	"fmt"
	"io"
	"math"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"runtimelab/lab"
	"runtimelab/lab/metric"
	"runtimelab/lab/record"
	"runtimelab/lab/report"
)

// replayed is the folder of recorded runs.
const replayed = "../cli/testdata/replay"

// recordedRun copies a recorded run into a folder of its own and reads it.
func recordedRun(t testing.TB, name string) *record.StoredRun {
	t.Helper()
	dir := filepath.Join(t.TempDir(), name)
	if err := os.Mkdir(dir, 0o755); err != nil {
		t.Fatal(err)
	}
	entries, err := os.ReadDir(filepath.Join(replayed, name))
	if err != nil {
		t.Fatal(err)
	}
	for _, e := range entries {
		if strings.HasPrefix(e.Name(), "samples") || strings.HasPrefix(e.Name(), "judged") {
			continue
		}
		content := unpacked(t, filepath.Join(replayed, name, e.Name()))
		if err := os.WriteFile(filepath.Join(dir, strings.TrimSuffix(e.Name(), ".gz")), content,
			0o644); err != nil {
			t.Fatal(err)
		}
	}
	run, err := record.Read(dir)
	if err != nil {
		t.Fatal(err)
	}
	var claims lab.Plan
	if err := json.Unmarshal(unpacked(t, filepath.Join(replayed, "claims.json")), &claims); err != nil {
		t.Fatal(err)
	}
	run.Info.Plan.Claims, run.Info.Plan.UntestableTopics = claims.Claims, claims.UntestableTopics
	return run
}

// unpacked returns the content of a file, which may be compressed.
func unpacked(t testing.TB, path string) []byte {
	t.Helper()
	f, err := os.Open(path)
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	var in io.Reader = f
	if strings.HasSuffix(path, ".gz") {
		if in, err = gzip.NewReader(f); err != nil {
			t.Fatal(err)
		}
	}
	content, err := io.ReadAll(in)
	if err != nil {
		t.Fatal(err)
	}
	return content
}

// reportOf returns the report of a run.
func reportOf(t testing.TB, run *record.StoredRun) report.Report {
	t.Helper()
	return report.Read(run)
}

// stateReports returns reports of runs whose figures must not be used as they are.
func stateReports(t testing.TB) map[string]report.Report {
	t.Helper()
	noControls := recordedRun(t, "decided")
	noControls.Info.Plan.Controls = nil

	failedControls := recordedRun(t, "decided")
	for _, r := range failedControls.Rows {
		if rps, ok := r.Float("throughput_rps"); ok && lab.OriginalOf(r.Text("variant")) != r.Text("variant") {
			r["throughput_rps"] = metric.Number(rps * 0.7)
		}
	}

	interrupted := recordedRun(t, "decided")
	interrupted.Info.State, interrupted.Info.Reason = record.Interrupted, "interrupted by the user"
	interrupted.Rows = interrupted.Rows[:len(interrupted.Rows)/2]

	nothingValid := recordedRun(t, "decided")
	for _, r := range nothingValid.Rows {
		r["validity"], r["validity_reason"] = metric.Text(string(lab.Disturbed)), metric.Text("other work")
	}

	single := recordedRun(t, "crash")
	single.Rows = single.Rows[:1]
	single.Info.Plan.Trials = single.Info.Plan.Trials[:1]

	reports := map[string]report.Report{}
	for name, run := range map[string]*record.StoredRun{
		"no controls": noControls, "failed controls": failedControls, "interrupted": interrupted,
		"nothing valid": nothingValid, "single trial": single,
	} {
		reports[name] = reportOf(t, run)
	}
	return reports
}

// hostileText is what a stranger's log, name, label or path may be.
const hostileText = `</title></style></svg><script>window.pwned=1</script>` +
	`<img src=x onerror="window.pwned=2">` +
	"'\"&\x00\x1b[31m\u202e{{.}}"

// hostileReport returns a recorded run in which every text that a stranger chooses is hostile.
func hostileReport(t testing.TB) report.Report {
	t.Helper()
	run := recordedRun(t, "decided")
	for _, r := range run.Rows {
		for _, name := range []string{"runtime_version", "base_origin", "run_id", "host_id"} {
			r[name] = metric.Text(hostileText)
		}
		r["scenario"] = metric.Text(r.Text("scenario") + hostileText)
		r["variant"] = metric.Text(r.Text("variant") + hostileText)
		if r.Text("validity_reason") != "" {
			r["validity_reason"] = metric.Text("it last printed: " + hostileText)
		}
	}
	p := &run.Info.Plan
	for i := range p.Hypotheses {
		h := &p.Hypotheses[i]
		h.Scenario += hostileText
		h.Numerator.Variant += hostileText
		h.Denominator.Variant += hostileText
	}
	for i := range p.Claims {
		p.Claims[i].Statement = hostileText
		p.Claims[i].Lacks = hostileText
	}
	for i := range p.Controls {
		p.Controls[i].Name += hostileText
	}
	p.UntestableTopics = []lab.UntestableTopic{{Topic: hostileText, Reason: hostileText}}
	run.Info.RunID, run.Info.Host.ID = hostileText, hostileText
	r := reportOf(t, run)
	r.Run = &report.Run{
		State: "failed", Reason: hostileText, Choices: report.Choices{Profile: hostileText},
		Notes:  []string{hostileText},
		Engine: map[string]string{hostileText: hostileText}, Versions: map[string]string{"lab": hostileText},
		Services: []report.Service{{Name: hostileText, Role: lab.Role(hostileText), BaseOrigin: hostileText}},
		Variants: []report.Variant{{ID: hostileText, Version: hostileText, BaseOrigin: hostileText}},
		Refused:  map[string]string{"x": hostileText},
	}
	for i := range r.Latencies {
		r.Latencies[i].Variant, r.Latencies[i].Phase = hostileText, hostileText
	}
	return r
}

// largeReport returns a report of many cells in many blocks, with every kind of chart.
func largeReport(cells, blocks int) report.Report {
	r := report.Report{RunID: "20261130T000000Z-0000", HostID: "h0123456789"}
	r.Blocks, r.Trials, r.Valid = blocks, cells*blocks, cells*blocks
	r.Measured, r.Planned = r.Trials, r.Trials
	figure := func(cell int, scale float64) *report.Figure {
		f := &report.Figure{N: blocks, Median: scale, Lowest: 0.9 * scale, Highest: 1.1 * scale}
		low, high := 0.97*scale, 1.03*scale
		f.Mean, f.Low, f.High = &f.Median, &low, &high
		for b := range blocks {
			f.Trials = append(f.Trials, report.TrialValue{
				Block: b + 1, Attempt: 1, Value: scale * (1 + 0.05*math.Sin(float64(cell*blocks+b))),
			})
		}
		return f
	}
	for cell := range cells {
		scenario := fmt.Sprintf("scenario-%d", cell/5)
		variant := fmt.Sprintf("runtime%d/variant%d", cell%5/2, cell%5)
		if cell%5 == 0 {
			r.Figures = append(r.Figures, report.Section{
				Scenario: scenario, ClosedPhase: "peak", Connections: 64, OpenPhase: "steady", RatesRPS: []float64{500},
			})
		}
		s := &r.Figures[len(r.Figures)-1]
		s.Lines = append(s.Lines, report.Line{
			Variant: variant, Valid: blocks, Trials: blocks, Served: figure(cell, 40000), P50MS: figure(cell, 0.2),
			P99MS: figure(cell, 2), CPUUS: figure(cell, 25), MemoryMiB: figure(cell, 60), ColdStartMS: figure(cell,
				150),
		})
		for b := range blocks {
			id := lab.TrialID{Scenario: scenario, Variant: variant, Cores: 1, Block: b + 1, Attempt: 1}
			r.Attempts = append(r.Attempts, report.Attempt{
				TrialID: id, Validity: lab.Valid, Phases: []report.PhaseValidity{
					{Phase: "peak", Kind: lab.Peak, Validity: lab.Valid},
					{Phase: "steady", Kind: lab.Steady, Validity: lab.Valid},
				},
			})
			d := report.Distribution{TrialID: id, Phase: "steady", FromIntendedSend: true, Validity: lab.Valid}
			for q := 0.0; q < 4; q += 0.15 {
				d.Quantiles = append(d.Quantiles, report.Quantile{
					Share: 1 - math.Pow(10, -q), MS: 0.1 * math.Exp(q+0.1*math.Sin(float64(b))),
				})
			}
			r.Latencies = append(r.Latencies, d)
			timeline := report.Timeline{TrialID: id, Phase: "peak", Mode: "closed"}
			for second := range 10 {
				timeline.Seconds = append(timeline.Seconds, report.Second{
					Second: second, Succeeded: int64(40000 + 1000*math.Sin(float64(second*b))),
				})
			}
			r.Timeline = append(r.Timeline, timeline)
		}
	}
	return r
}
