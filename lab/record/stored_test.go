package record_test

import (
	"fmt"
	"maps"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/HdrHistogram/hdrhistogram-go"

	"runtimelab/lab"
	"runtimelab/lab/metric"
	"runtimelab/lab/record"
)

// storedRun writes a trial of two phases and a search, and reads the run back.
func storedRun(t *testing.T) *record.StoredRun {
	t.Helper()
	_, run := create(t)
	peak, steady := sample(t, lab.Peak, 0), sample(t, lab.Steady, time.Minute)
	search := sample(t, lab.Capacity, 2*time.Minute)
	search.Search = &lab.Search{Steps: []lab.SearchStep{
		{Stage: lab.Exponential, OfferedRPS: 2000, SLOMet: true, Window: search.Measured},
		{Stage: lab.Binary, OfferedRPS: 3000.5, MissedObjectives: []string{"p99 9 ms"}, InstrumentLimit: "lag"},
	}}
	for _, s := range []*lab.Sample{&peak, &steady, &search} {
		s.Layout.Server = []int{1}
	}
	if err := run.AddTrial(peak, steady, search); err != nil {
		t.Fatal(err)
	}
	if err := run.End(record.Done, "", start.Add(time.Hour)); err != nil {
		t.Fatal(err)
	}
	return reread(t, run.Dir())
}

// cloneWith returns a copy of a row with another text.
func cloneWith(row metric.Row, column, text string) metric.Row {
	row = maps.Clone(row)
	row[column] = metric.Text(text)
	return row
}

func reread(t *testing.T, dir string) *record.StoredRun {
	t.Helper()
	stored, err := record.Read(dir)
	if err != nil {
		t.Fatal(err)
	}
	return stored
}

var storedTrial = lab.TrialID{Scenario: "json", Variant: "node/single", Cores: 1, Block: 1, Attempt: 1}

func TestSecondsAreReadBack(t *testing.T) {
	stored := storedRun(t)
	var seconds []record.Second
	err := stored.EachSecond(func(s record.Second) error { seconds = append(seconds, s); return nil })
	if err != nil {
		t.Fatal(err)
	}
	phases := map[string]int{}
	for _, s := range seconds {
		phases[s.Phase+" "+s.Mode]++
		if s.Trial != storedTrial {
			t.Errorf("%+v", s)
		}
	}
	want := sample(t, lab.Peak, 0).Measured.Attack.Buckets
	if phases["warmup closed"] != 1 || phases["peak closed"] != len(want) || phases["steady open"] != len(want) {
		t.Fatalf("%v", phases)
	}
	i := slices.IndexFunc(seconds, func(s record.Second) bool { return s.Phase == "peak" })
	for n, bucket := range want {
		got := seconds[i+n].Bucket
		if got.Second != bucket.Second || got.Sent != bucket.Sent || got.Succeeded != bucket.Succeeded ||
			got.Failed != bucket.Failed || (got.P50MS == nil) != (bucket.P50MS == nil) ||
			got.P50MS != nil && *got.P50MS != *bucket.P50MS {
			t.Errorf("second %d: %+v, want %+v", n, got, bucket)
		}
	}
}

func TestHistogramsAreReadBack(t *testing.T) {
	stored := storedRun(t)
	kinds := map[string]int64{}
	all := []string{"corrected", "raw", "send_lag", "first_byte", "failed"}
	skipped, err := stored.EachHistogram(all, func(h record.Histogram) error {
		if h.Trial != storedTrial {
			t.Errorf("%+v", h.Trial)
		}
		kinds[h.Phase+" "+h.Kind] = h.ValueAtPercentile(50)
		return nil
	})
	if err != nil || skipped > 0 {
		t.Fatal(skipped, err)
	}
	want, err := hdrhistogram.Decode(sample(t, lab.Peak, 0).Measured.Attack.Raw.HDR)
	if err != nil || kinds["peak raw"] != want.ValueAtPercentile(50) || kinds["steady corrected"] == 0 {
		t.Errorf("medians %v, want %v of peak raw (%v)", kinds, want.ValueAtPercentile(50), err)
	}

	_, err = stored.EachHistogram([]string{"raw"}, func(h record.Histogram) error {
		if h.Kind != "raw" {
			t.Errorf("a histogram of the kind %s", h.Kind)
		}
		kinds[h.Kind]++
		return nil
	})
	if err != nil || kinds["raw"] != 3 {
		t.Errorf("%d raw histograms, %v", kinds["raw"], err)
	}

	// Two variants may differ only in a character that tags replace. Their histograms belong to
	// neither.
	stored.Rows = append(stored.Rows, cloneWith(stored.Rows[0], "variant", "node-single"))
	skipped, err = stored.EachHistogram(all, func(h record.Histogram) error {
		if h.Phase == "peak" {
			t.Errorf("%s of an ambiguous phase", h.Kind)
		}
		return nil
	})
	if err != nil || skipped == 0 {
		t.Errorf("%d skipped, %v", skipped, err)
	}
}

func TestSearchStepsAreReadBack(t *testing.T) {
	var steps []record.SearchStep
	err := storedRun(t).EachSearchStep(func(s record.SearchStep) error { steps = append(steps, s); return nil })
	if err != nil || len(steps) != 2 {
		t.Fatal(steps, err)
	}
	if first := steps[0]; first.Trial != storedTrial || first.Stage != lab.Exponential || !first.SLOMet ||
		first.OfferedRPS != 2000 || first.Step != 1 || first.Phase != "capacity" {
		t.Errorf("%+v", first)
	}
	if second := steps[1]; second.SLOMet || second.OfferedRPS != 3000.5 || second.Missed != "p99 9 ms" ||
		second.Limit != "lag" || second.P99MS != nil {
		t.Errorf("%+v", second)
	}
}

// A killed process may leave an incomplete line, and a running trial lines that no row belongs to.
func TestStoredFilesEndWithTheEndedTrials(t *testing.T) {
	stored := storedRun(t)
	path := filepath.Join(stored.Dir, "timeline.csv")
	count := func() (n int) {
		if err := stored.EachSecond(func(record.Second) error { n++; return nil }); err != nil {
			t.Fatal(err)
		}
		return n
	}
	whole := count()
	text, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	lines := strings.SplitAfter(string(text), "\n")
	last := lines[len(lines)-2]
	if err := os.WriteFile(path, []byte(string(text)+last+"\"torn"), 0o644); err != nil {
		t.Fatal(err)
	}
	if n := count(); n != whole {
		t.Errorf("%d seconds with those of a trial that has not ended, want %d", n, whole)
	}
	stored.Info.Files = nil // an older lab, which kept no sums
	if n := count(); n != whole+1 {
		t.Errorf("%d seconds with one more line and a torn one, want %d", n, whole+1)
	}
	if err := os.Remove(path); err != nil {
		t.Fatal(err)
	}
	if n := count(); n != 0 {
		t.Errorf("%d seconds without the file", n)
	}
}

func TestStoredFilesFromElsewhereAreRefusedByLine(t *testing.T) {
	stored := storedRun(t)
	stored.Info.Files = nil
	path := filepath.Join(stored.Dir, "timeline.csv")
	row := "scenario,variant,block,started_at,phase,mode,second\njson,node/single,1," +
		stored.Rows[0].Text("started_at") + ",peak,closed,%s\n"
	for cell, want := range map[string]string{"x": `line 2: column second: "x"`, "1,2": "line 2: "} {
		if err := os.WriteFile(path, fmt.Appendf(nil, row, cell), 0o644); err != nil {
			t.Fatal(err)
		}
		err := stored.EachSecond(func(record.Second) error { return nil })
		if err == nil || !strings.Contains(err.Error(), want) || !strings.Contains(err.Error(), "timeline.csv") {
			t.Errorf("%q: %v, want %q", cell, err, want)
		}
	}
	if err := os.WriteFile(path, make([]byte, 5<<20), 0o644); err != nil {
		t.Fatal(err)
	}
	err := stored.EachSecond(func(record.Second) error { return nil })
	if err == nil || !strings.Contains(err.Error(), "longer than 4 MiB") {
		t.Errorf("a line of 5 MiB: %v", err)
	}
	hlog := filepath.Join(stored.Dir, "histograms.hlog")
	if err := os.WriteFile(hlog, []byte("Tag=a/raw,1,1,1,HISTnothing\n"), 0o644); err != nil {
		t.Fatal(err)
	}
	_, err = stored.EachHistogram([]string{"raw"}, func(record.Histogram) error { return nil })
	if err == nil || !strings.Contains(err.Error(), "histograms.hlog") {
		t.Errorf("no histogram: %v", err)
	}
}
