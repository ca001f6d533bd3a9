package cli

import (
	"bytes"
	"io"
	"math"
	"os"
	"strings"
	"testing"

	"golang.org/x/perf/benchfmt"
	"golang.org/x/perf/benchmath"
)

// exportedSample exports a run and returns the values of one benchmark and unit, as
// benchstat reads them.
func exportedSample(t *testing.T, run, name, unit string) *benchmath.Sample {
	t.Helper()
	f, err := os.Open("../compare/testdata/" + run + "/trials.csv")
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	var out bytes.Buffer
	if _, _, err := exportBenchfmt(t.Context(), &out, f); err != nil {
		t.Fatal(err)
	}
	var values []float64
	r := benchfmt.NewReader(&out, run)
	for r.Scan() {
		switch rec := r.Result().(type) {
		case *benchfmt.SyntaxError:
			t.Fatal(rec)
		case *benchfmt.Result:
			if rec.Name.String() != name {
				continue
			}
			value, ok := rec.Value(unit)
			if !ok || rec.Iters <= 0 || rec.GetConfig("host_id") != "h0000000001" ||
				rec.GetConfig("runtime_version") != "24.21.0" {
				t.Errorf("result %+v", rec)
			}
			values = append(values, value)
		}
	}
	if r.Err() != nil {
		t.Fatal(r.Err())
	}
	if better := r.Units().GetBetter(unit); better != 1 {
		t.Errorf("%s: better is %d", unit, better)
	}
	return benchmath.NewSample(values, &benchmath.DefaultThresholds)
}

// The last row of a run that was killed may be incomplete.
func TestExportReportsATornRow(t *testing.T) {
	whole, err := os.ReadFile("../compare/testdata/20261125T100000Z-00bb/trials.csv")
	if err != nil {
		t.Fatal(err)
	}
	_, doubts, err := exportBenchfmt(t.Context(), io.Discard, bytes.NewReader(whole[:len(whole)-9]))
	if err != nil || len(doubts) != 1 || !strings.Contains(doubts[0], "torn") {
		t.Errorf("doubts %q, %v", doubts, err)
	}
}

func TestBenchstatFindsTheRatioInAnExport(t *testing.T) {
	const name, unit = "Json/variant=node_single/phase=peak/cpus=1", "throughput_rps"
	old := exportedSample(t, "20261124T100000Z-00aa", name, unit)
	new := exportedSample(t, "20261125T100000Z-00bb", name, unit)
	if len(old.Values) != 6 || len(new.Values) != 6 {
		t.Fatalf("%d and %d values", len(old.Values), len(new.Values))
	}
	a, b := benchmath.AssumeNothing.Summary(old, 0.95), benchmath.AssumeNothing.Summary(new, 0.95)
	if ratio := b.Center / a.Center; math.Abs(ratio-0.88) > 0.01 { // the ratio that was put into the runs
		t.Errorf("ratio %v", ratio)
	}
	if p := benchmath.AssumeNothing.Compare(old, new); p.P > 0.01 {
		t.Errorf("p %v", p.P)
	}
}
