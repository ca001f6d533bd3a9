package compare_test

import (
	"bytes"
	"context"
	"encoding/csv"
	"io"
	"math"
	"slices"
	"strings"
	"testing"

	"runtimelab/lab/compare"
	"runtimelab/lab/fault"
	"runtimelab/lab/record"
)

// without returns the source of a table without some columns.
func (t table) without(label string, dropped ...string) compare.Source {
	records, _ := csv.NewReader(bytes.NewReader(t.csv())).ReadAll() // csv wrote it
	var text bytes.Buffer
	w := csv.NewWriter(&text)
	for _, cells := range records {
		var kept []string
		for i, name := range records[0] {
			if !slices.Contains(dropped, name) {
				kept = append(kept, cells[i])
			}
		}
		_ = w.Write(kept) // writing to a buffer cannot fail
	}
	w.Flush()
	return compare.Source{Label: label, Open: func() (io.ReadCloser, error) {
		return io.NopCloser(bytes.NewReader(text.Bytes())), nil
	}}
}

func readSources(t *testing.T, sources ...compare.Source) []*compare.Run {
	t.Helper()
	runs, err := compare.Read(context.Background(), sources, compare.DefaultMetrics())
	if err != nil {
		t.Fatal(err)
	}
	return runs
}

// withReferences returns a run with results and trials of the light reference server.
func withReferences(id string, result, reference float64) table {
	return slices.Concat(trials("throughput_rps", around(result)), references(reference)).with("run_id", id)
}

// The error names the column and the option that ignores it; the report says that it was ignored.
func TestAMissingColumnIsADifference(t *testing.T) {
	old, new := withReferences("old", 100, 50), withReferences("new", 100, 50)
	for column, doubt := range map[string]string{
		"run_id":          "compared as a different run",
		"host_id":         "may be of different hosts",
		"scenario_sha256": "the scripts may differ",
		"parameters":      "different parameters",
		"content_sha256":  "the images may differ",
		"offered_rps":     "the offered loads may differ",
		"connections":     "the offered loads may differ",
		"keep_alive":      "the offered loads may differ",
		"deadline_ms":     "the offered loads may differ",
		"generator":       "the loads may be by different generators",
		"throughput_rps":  "the reference servers cannot be compared",
	} {
		for name, sources := range map[string][]compare.Source{
			"new":  {old.source("A"), new.without("B", column)},
			"both": {old.without("A", column), new.without("B", column)},
		} {
			runs := readSources(t, sources...)
			err := compare.CheckComparable(runs[0], runs[1:], []compare.DifferenceKind{compare.Reference})
			if err == nil || fault.ExitCode(err) != fault.ExitUsage ||
				!strings.Contains(err.Error(), "identity: B has no column "+column) ||
				!strings.Contains(err.Error(), "--ignore identity") {
				t.Errorf("%s lacks %s: error %v", name, column, err)
			}
			ignored := []compare.DifferenceKind{compare.Identity, compare.Reference}
			if err := compare.CheckComparable(runs[0], runs[1:], ignored); err != nil {
				t.Errorf("%s lacks %s: not ignored: %v", name, column, err)
			}
			c := compare.Compare(runs[0], runs[1], 0.05)
			doubts := strings.Join(words(c.Doubts), "\n")
			if !strings.Contains(doubts, "B has no column "+column+": ") ||
				!strings.Contains(doubts, doubt) {
				t.Errorf("%s lacks %s: doubts %q", name, column, doubts)
			}
			if column != "throughput_rps" &&
				!strings.Contains(string(compare.CSV([]compare.Comparison{c})), "identity: B has no column "+column) {
				t.Errorf("%s lacks %s: the CSV does not name it", name, column)
			}
		}
	}
}

// The variance between runs is added, although the files may be of the same run.
func TestFilesWithoutARunIDAreDifferentRuns(t *testing.T) {
	runs := readSources(t, withReferences("old", 100, 50).without("A", "run_id"),
		withReferences("new", 94.7, 51.4).without("B", "run_id"))
	c := compare.Compare(runs[0], runs[1], 0.05)
	d := math.Log(51.4 / 50)
	if math.Abs(c.BetweenRuns.VarianceLog-d*d/2) > 1e-12 || c.Lines[0].Mark == compare.Worse {
		t.Errorf("between runs %+v, and the line is %s", c.BetweenRuns, c.Lines[0].Mark)
	}
	if text := c.Text(); strings.Contains(text, "the same run") ||
		!strings.Contains(text, "run unknown on host h1") {
		t.Errorf("%s", text)
	}
	if b := c.Lines[0].BetweenRuns.Source; b != compare.FromReferences {
		t.Errorf("the line's variance comes from %s", b)
	}
}

// Other runs of a host do not show how much an unknown machine varies.
func TestFilesWithoutAHostIDHaveNoHistory(t *testing.T) {
	old, new := trials("throughput_rps", around(100)), trials("throughput_rps", around(100), "run_id", "new")
	history := []compare.Source{
		otherRun("r1", 98).source("r1"), otherRun("r2", 100).source("r2"), otherRun("r3", 103).source("r3"),
	}
	for name, pair := range map[string][]compare.Source{
		"the new run": {old.source("A"), new.without("B", "host_id")},
		"the old run": {old.without("A", "host_id"), new.source("B")},
		"both":        {old.without("A", "host_id"), new.without("B", "host_id")},
		"one row": {
			old.source("A"),
			slices.Concat(new, table{trial(7, "run_id", "new", "host_id", "")}).source("B"),
		},
	} {
		runs := readSources(t, slices.Concat(pair, history)...)
		for _, r := range runs {
			r.Info = completeRun()
		}
		c := compare.Compare(runs[0], runs[1], 0.05, runs[2:]...)
		if b := c.Lines[0].BetweenRuns; b.Source != compare.FromReferences {
			t.Errorf("%s: %+v", name, b)
		}
	}
}

// Cells that must not be empty, and hashes that no row has, are reported like missing columns.
func TestMissingValuesAreDifferences(t *testing.T) {
	old, new := trials("throughput_rps", around(100)), trials("throughput_rps", around(100), "run_id", "new")
	empty := func(t table, column string) table { return t.with(column, "") }
	for want, files := range map[string][2]table{
		"identity: B has no run_id in 2 of 6 rows":  {old, slices.Concat(new[:4], empty(new[4:], "run_id"))},
		"identity: B has no host_id in 6 of 6 rows": {old, empty(new, "host_id")},
		"identity: node/single has no content_sha256 in either run": {
			empty(old, "content_sha256"), empty(new, "content_sha256"),
		},
		"identity: json has no scenario_sha256 in either run": {
			empty(old, "scenario_sha256"), empty(new, "scenario_sha256"),
		},
		"image: node/single content_sha256: c1 against none":           {old, empty(new, "content_sha256")},
		"script: json scenario_sha256 and parameters: s1 against none": {old, empty(new, "scenario_sha256")},
	} {
		runs := readSources(t, files[0].source("A"), files[1].source("B"))
		if err := compare.CheckComparable(runs[0], runs[1:], nil); !failsWith(err, want) {
			t.Errorf("error %v, want %q", err, want)
		}
	}
	runs := readSources(t, old.without("A", "parameters"),
		new.with("scenario_sha256", "s2").without("B", "parameters"))
	err := compare.CheckComparable(runs[0], runs[1:], []compare.DifferenceKind{compare.Identity})
	if !failsWith(err, "s1 against s2") {
		t.Errorf("scripts that differ, without parameters: error %v", err)
	}
}

// These columns say which trial a row is of, so --ignore cannot replace them.
func TestRowsThatDoNotNameTheirTrialAreRefused(t *testing.T) {
	rows := trials("throughput_rps", around(100))
	for _, column := range record.Structure() {
		sources := []compare.Source{rows.without("A", column)}
		_, err := compare.Read(context.Background(), sources, compare.DefaultMetrics())
		if !failsWith(err, "line 2: no column "+column) || fault.ExitCode(err) != fault.ExitUsage {
			t.Errorf("without %s: error %v", column, err)
		}
	}
	for want, row := range map[string]map[string]string{
		"line 3: the row has no scenario":                 trial(2, "scenario", ""),
		"line 3: the row has no variant":                  trial(2, "variant", ""),
		"line 3: the row has no block":                    trial(2, "block", ""),
		"line 3: the row has no validity":                 trial(2, "validity", ""),
		`line 3: column validity: "Valide" is unknown`:    trial(2, "validity", "Valide"),
		"line 3: rows of several runs: another after old": trial(2, "run_id", "another"),
	} {
		sources := []compare.Source{table{rows[0], row}.source("A")}
		_, err := compare.Read(context.Background(), sources, compare.DefaultMetrics())
		if !failsWith(err, want) || fault.ExitCode(err) != fault.ExitUsage {
			t.Errorf("error %v, want %q", err, want)
		}
	}
}

func TestAMissingMetricIsADoubt(t *testing.T) {
	rows := trials("throughput_rps", around(100), "cpu_us_per_request", 5)
	runs := readSources(t, rows.source("A"),
		rows.with("run_id", "new").without("B", "cpu_us_per_request", "memory_peak_mib"))
	c := compare.Compare(runs[0], runs[1], 0.05)
	const want = "B: not compared, because the file has no column cpu_us_per_request, memory_peak_mib"
	if !slices.Contains(words(c.Doubts), want) {
		t.Errorf("doubts %q, want %q", words(c.Doubts), want)
	}
}
