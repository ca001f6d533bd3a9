package archive_test

import (
	"math"
	"os"
	"path/filepath"
	"slices"
	"testing"
	"time"

	"runtimelab/lab"
	"runtimelab/lab/archive"
	"runtimelab/lab/metric"
	"runtimelab/lab/record"
)

// createRun creates a run that started some hours after a fixed time, on a host.
func createRun(t *testing.T, results string, hours int, host string) (id string) {
	t.Helper()
	at := time.Date(2026, 11, 1, hours, 0, 0, 0, time.UTC)
	id = at.Format("20060102T150405Z-") + "0000"
	run, err := record.Create(results, id, record.Info{StartedAt: at, Host: record.Host{ID: host}})
	if err != nil {
		t.Fatal(err)
	}
	if err := run.End(record.Done, "", at); err != nil {
		t.Fatal(err)
	}
	return id
}

// breakRun removes the trials.csv of a run.
func breakRun(t *testing.T, results, id string) {
	t.Helper()
	if err := os.Remove(filepath.Join(results, id, record.TrialsFile)); err != nil {
		t.Fatal(err)
	}
}

func idsOf(runs []*record.StoredRun) (ids []string) {
	for _, r := range runs {
		ids = append(ids, r.Info.RunID)
	}
	return ids
}

// Runs that cannot be read do not count among the newest.
func TestNewestRunsAreReadableAndBounded(t *testing.T) {
	results := t.TempDir()
	var newest []string
	for i := range archive.MaxRuns + 3 {
		id := createRun(t, results, i, "h0")
		switch {
		case i == 10:
			breakRun(t, results, id)
		case i >= 2:
			newest = append(newest, id)
		}
	}
	if err := os.WriteFile(filepath.Join(results, "notes.txt"), nil, 0o644); err != nil {
		t.Fatal(err)
	}
	slices.Reverse(newest)
	if got := idsOf(archive.NewestRuns(results)); !slices.Equal(got, newest) {
		t.Errorf("runs %q, want %q", got, newest)
	}
	if got := archive.NewestRuns(filepath.Join(results, "missing")); got != nil {
		t.Errorf("runs of a missing folder: %q", idsOf(got))
	}
}

func TestRunsOfHostLeaveOtherHostsOut(t *testing.T) {
	results := t.TempDir()
	first := createRun(t, results, 0, "h0")
	createRun(t, results, 1, "h1")
	last := createRun(t, results, 2, "h0")
	got := idsOf(archive.RunsOfHost(results, record.Host{ID: "h0"}))
	if want := []string{last, first}; !slices.Equal(got, want) {
		t.Errorf("runs %q, want %q", got, want)
	}
}

func TestFindReturnsUsableRunsOfAllFoldersByStart(t *testing.T) {
	results, elsewhere := t.TempDir(), t.TempDir()
	first, third := createRun(t, results, 1, "h0"), createRun(t, results, 3, "h0")
	second := createRun(t, elsewhere, 2, "h0")
	createRun(t, results, 4, "h1") // not usable
	breakRun(t, results, createRun(t, results, 5, "h0"))
	folders := []string{results, filepath.Join(results, "missing"), elsewhere}
	var got []string
	for _, entry := range archive.Find(folders, func(i *record.Info) bool { return i.Host.ID == "h0" }) {
		got = append(got, entry.Info.RunID)
		trials, err := os.Stat(filepath.Join(entry.Dir, record.TrialsFile))
		if err != nil || trials.Size() != entry.Bytes || entry.Bytes == 0 {
			t.Errorf("entry %s of %d bytes: %v", entry.Dir, entry.Bytes, err)
		}
	}
	if want := []string{third, second, first}; !slices.Equal(got, want) {
		t.Errorf("runs %q, want %q", got, want)
	}
}

// runWithBlocks returns a run of a number of blocks, in which the ratio of two variants
// alternates between 1 and a factor.
func runWithBlocks(id string, blocks int, factor float64) *record.StoredRun {
	r := &record.StoredRun{Info: record.Info{RunID: id}}
	for b := 1; b <= blocks; b++ {
		for _, variant := range []string{"node/single", "python/uvloop"} {
			rps := 1000.0
			if variant == "node/single" && b%2 == 0 {
				rps *= factor
			}
			r.Rows = append(r.Rows, metric.Row{
				"scenario": metric.Text("json"), "variant": metric.Text(variant), "phase": metric.Text("peak"),
				"block": metric.Int(int64(b)), "attempt": metric.Int(1), "server_cpus": metric.Int(1),
				"validity":       metric.Text(string(lab.Valid)),
				"throughput_rps": metric.Number(rps),
			})
		}
	}
	return r
}

func TestNoiseIsThatOfTheFirstRunWithEnoughBlocks(t *testing.T) {
	h := lab.Hypothesis{
		Scenario: "json", Metric: "throughput_rps",
		Numerator:   lab.Arm{Variant: "node/single", Phase: "peak"},
		Denominator: lab.Arm{Variant: "python/uvloop", Phase: "peak"},
	}
	few := runWithBlocks("few", lab.MinBlocks-1, 1.5)
	noise, found := archive.NoiseOf(h, []*record.StoredRun{
		few, runWithBlocks("newer", lab.MinBlocks, 1.1), runWithBlocks("older", 2*lab.MinBlocks, 1.2),
	})
	// Half of the logs are 0 and half are log 1.1.
	n := float64(lab.MinBlocks)
	want := archive.Noise{RunID: "newer", SD: math.Log(1.1) / 2 * math.Sqrt(n/(n-1)), Blocks: lab.MinBlocks}
	if !found || noise.RunID != want.RunID || noise.Blocks != want.Blocks || math.Abs(noise.SD-want.SD) > 1e-12 {
		t.Errorf("noise %+v, found %v, want %+v", noise, found, want)
	}
	if noise, found := archive.NoiseOf(h, []*record.StoredRun{few}); found {
		t.Errorf("noise of too few blocks: %+v", noise)
	}
}
