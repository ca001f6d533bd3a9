package cli

import (
	"bufio"
	"bytes"
	"compress/gzip"
	"encoding/csv"
	"encoding/json"
	"fmt"
	"io"
	"math"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/santhosh-tekuri/jsonschema/v6"

	"runtimelab/lab"
	"runtimelab/lab/gate"
	"runtimelab/lab/metric"
	"runtimelab/lab/record"
	"runtimelab/lab/report"
)

// Real runs are kept in testdata/replay, as commit fed8fe5 measured and wrote them: every
// kind of phase and every validity, a search, an upstream, one CPU and two, twins and
// reference servers. samples.jsonl.gz holds the samples, judged.jsonl what the gates of that
// commit said of each, and the other files what it wrote and printed. The same samples must give
// the same files, whatever the code looks like: cell by cell in every column of the old files.
func TestReplayOfRecordedSamplesGivesTheSameRun(t *testing.T) {
	seen := map[string]bool{} // kinds of phase and validities
	for _, recorded := range recordedRuns(t) {
		t.Run(filepath.Base(recorded), func(t *testing.T) {
			samples := readSamples(t, recorded)
			for _, s := range samples {
				seen[string(s.Phase.Kind)], seen[string(s.Gate.Validity)] = true, true
			}
			replayed := replay(t, recorded, samples)
			for _, name := range []string{"trials.csv", "timeline.csv", "capacity.csv", "verdicts.csv"} {
				compareCells(t, readRecorded(t, recorded, name), readIfExists(t, filepath.Join(replayed, name)), name)
			}
			if !bytes.Equal(readRecorded(t, recorded, "histograms.hlog"),
				readIfExists(t, filepath.Join(replayed, "histograms.hlog"))) {
				t.Error("histograms.hlog differs")
			}
			compareReports(t, recorded, replayed)
		})
	}
	for _, want := range []lab.PhaseKind{lab.Peak, lab.Ladder, lab.Steady, lab.Steps, lab.Ramp, lab.Capacity} {
		if !seen[string(want)] {
			t.Errorf("no sample of kind %s", want)
		}
	}
	for _, want := range []lab.Validity{lab.Valid, lab.Censored, lab.Disturbed, lab.Failed} {
		if !seen[string(want)] {
			t.Errorf("no %s sample", want)
		}
	}
}

// The gates judge the recorded samples as they did then.
func TestReplayOfRecordedSamplesIsJudgedTheSame(t *testing.T) {
	for _, recorded := range recordedRuns(t) {
		calibration := readRecordedInfo(t, recorded).Calibration
		judged := json.NewDecoder(bytes.NewReader(readRecorded(t, recorded, "judged.jsonl")))
		for i, s := range readSamples(t, recorded) {
			var want lab.GateResult
			if err := judged.Decode(&want); err != nil {
				t.Fatalf("%s, sample %d: %v", recorded, i, err)
			}
			if got := gate.Judge(s, calibration); got != want {
				t.Errorf("%s, sample %d (%s %s): judged %+v, want %+v",
					recorded, i, s.Trial.Scenario, s.Phase.ID(), got, want)
			}
		}
	}
}

// recordedRuns returns the folders of the recorded runs.
func recordedRuns(t *testing.T) (folders []string) {
	t.Helper()
	infos, err := filepath.Glob(filepath.Join("testdata", "replay", "*", "run.json*"))
	if err != nil || len(infos) == 0 {
		t.Fatalf("no recorded runs: %v", err)
	}
	for _, path := range infos {
		folders = append(folders, filepath.Dir(path))
	}
	return folders
}

// replay writes samples as a run of the recorded plan and returns its folder.
func replay(t *testing.T, recorded string, samples []lab.Sample) string {
	t.Helper()
	info := readRecordedInfo(t, recorded)
	run, err := record.Create(t.TempDir(), info.RunID, info)
	if err != nil {
		t.Fatal(err)
	}
	for len(samples) > 0 {
		n := slices.IndexFunc(samples, func(s lab.Sample) bool { return s.Trial.ID() != samples[0].Trial.ID() })
		if n < 0 {
			n = len(samples)
		}
		if err := run.AddTrial(samples[:n]...); err != nil {
			t.Fatal(err)
		}
		samples = samples[n:]
	}
	replayed, err := record.Read(run.Dir())
	if err != nil {
		t.Fatal(err)
	}
	r := report.New(replayed.Info.Plan, replayed.Rows, replayed.MeasuredTrials())
	if err := run.WriteVerdicts(r.Claims, replayed.Info.Plan.UntestableTopics); err != nil {
		t.Fatal(err)
	}
	if err := run.End(record.Done, "", time.Now()); err != nil {
		t.Fatal(err)
	}
	return run.Dir()
}

// reworded has the words of the report that have changed since.
var reworded = strings.NewReplacer("over 1 connections", "over 1 connection")

// compareReports compares the text of the report with the recorded one.
func compareReports(t *testing.T, recorded, replayed string) {
	t.Helper()
	run, err := record.Read(replayed)
	if err != nil {
		t.Fatal(err)
	}
	got := report.New(run.Info.Plan, run.Rows, run.MeasuredTrials()).FullText()
	if want := reworded.Replace(string(readRecorded(t, recorded, "report.txt"))); got != want {
		t.Errorf("the report differs\n--- got\n%s\n--- want\n%s", got, want)
	}
}

// The model has the figures of trials.csv: the same percentiles, and the requests of each second.
func TestReplayedRunsHaveAModelOfAllTheirFiles(t *testing.T) {
	for _, recorded := range recordedRuns(t) {
		run, err := record.Read(replay(t, recorded, readSamples(t, recorded)))
		if err != nil {
			t.Fatal(err)
		}
		r := report.Read(run)
		followsSchema(t, r)
		percentiles, sent, steps := 0, map[lab.TrialID]int64{}, 0
		for _, d := range r.Latencies {
			row := rowOf(t, run, d.TrialID, d.Phase)
			column := "latency_raw_%s_ms"
			if d.FromIntendedSend {
				column = "latency_%s_ms"
			}
			for _, q := range d.Quantiles {
				name := map[float64]string{0.5: "p50", 0.9: "p90", 0.99: "p99", 0.999: "p999"}[q.Share]
				want, known := row.Float(fmt.Sprintf(column, name))
				if known && math.Abs(q.MS-want) > 1e-6 {
					t.Errorf("%v %s: quantile %v is %v ms, want %v", d.TrialID, d.Phase, q.Share, q.MS, want)
				}
				if known {
					percentiles++
				}
			}
		}
		for _, attack := range r.Timeline {
			if attack.Phase == "warmup" {
				continue
			}
			for _, s := range attack.Seconds {
				sent[attack.TrialID] += s.Sent
			}
		}
		for _, row := range run.Rows {
			requests, _ := row.Int("requests")
			sent[row.TrialID()] -= requests
		}
		for id, difference := range sent {
			if difference != 0 {
				t.Errorf("%s, %v: %+d requests in the timeline", recorded, id, difference)
			}
		}
		for _, l := range r.Loads {
			if l.SLOMet != nil {
				steps++
			}
		}
		if hasSearch := filepath.Base(recorded) == "search"; percentiles == 0 || (steps > 0) != hasSearch ||
			len(r.Run.Variants) == 0 || r.Run.State != "done" {
			t.Errorf("%s: %d percentiles, %d steps, %+v", recorded, percentiles, steps, r.Run)
		}
	}
}

// followsSchema checks the JSON of a report against its schema.
func followsSchema(t *testing.T, r report.Report) {
	t.Helper()
	schema, err := jsonschema.NewCompiler().Compile(filepath.Join("..", "report", "schema.json"))
	if err != nil {
		t.Fatal(err)
	}
	var out bytes.Buffer
	if err := (&app{Streams: Streams{Out: &out}}).printJSON(r); err != nil {
		t.Fatal(err)
	}
	value, err := jsonschema.UnmarshalJSON(&out)
	if err != nil {
		t.Fatal(err)
	}
	if err := schema.Validate(value); err != nil {
		t.Errorf("run %s: %v", r.RunID, err)
	}
}

// rowOf returns the row of a phase.
func rowOf(t *testing.T, run *record.StoredRun, id lab.TrialID, phase string) metric.Row {
	t.Helper()
	i := slices.IndexFunc(run.Rows,
		func(r metric.Row) bool { return r.TrialID() == id && r.Text("phase") == phase })
	if i < 0 {
		t.Fatalf("no row of %v %s", id, phase)
	}
	return run.Rows[i]
}

// compareCells compares two CSV files in every column of the recorded one.
func compareCells(t *testing.T, recorded, replayed []byte, name string) {
	t.Helper()
	want, got := readTable(t, recorded), readTable(t, replayed)
	if len(want) != len(got) {
		t.Errorf("%s has %d lines, want %d", name, len(got), len(want))
		return
	}
	for column := range slices.Values(headerOf(want)) {
		i, j := slices.Index(want[0], column), slices.Index(got[0], column)
		if j < 0 {
			t.Errorf("%s has no column %s", name, column)
			continue
		}
		for n := range want {
			if column == "schema_version" && n > 0 { // columns of version 5 mean the same in version 6
				if want[n][i] != "5" || got[n][j] != "6" {
					t.Errorf("%s line %d has schema version %s, recorded as %s", name, n+1, got[n][j], want[n][i])
				}
				continue
			}
			if want[n][i] != got[n][j] {
				t.Errorf("%s line %d, %s is %q, want %q", name, n+1, column, got[n][j], want[n][i])
			}
		}
	}
}

func headerOf(table [][]string) []string {
	if len(table) == 0 {
		return nil
	}
	return table[0]
}

func readTable(t *testing.T, content []byte) [][]string {
	t.Helper()
	table, err := csv.NewReader(bytes.NewReader(content)).ReadAll()
	if err != nil {
		t.Fatal(err)
	}
	return table
}

// readSamples reads the samples of a recorded run.
func readSamples(t *testing.T, recorded string) (samples []lab.Sample) {
	t.Helper()
	lines := bufio.NewReader(bytes.NewReader(readRecorded(t, recorded, "samples.jsonl")))
	for decoder := json.NewDecoder(lines); ; {
		var s recordedSample
		if err := decoder.Decode(&s); err == io.EOF {
			return samples
		} else if err != nil {
			t.Fatal(err)
		}
		samples = append(samples, s.sample())
	}
}

func readRecordedInfo(t *testing.T, recorded string) (info record.Info) {
	t.Helper()
	if err := json.Unmarshal(readRecorded(t, recorded, "run.json"), &info); err != nil {
		t.Fatal(err)
	}
	info.Files = nil // the sums of files that the replay writes anew
	// Runs of that commit did not record the claims, which were in its code.
	claims := readRecorded(t, filepath.Dir(recorded), "claims.json")
	if err := json.Unmarshal(claims, &info.Plan); err != nil {
		t.Fatal(err)
	}
	return info
}

// readRecorded returns a file of a recorded run, which may be compressed; nil if the run has
// none.
func readRecorded(t *testing.T, recorded, name string) []byte {
	t.Helper()
	f, err := os.Open(filepath.Join(recorded, name+".gz"))
	if err != nil {
		return readIfExists(t, filepath.Join(recorded, name))
	}
	defer f.Close()
	content, err := gzip.NewReader(f)
	if err != nil {
		t.Fatal(err)
	}
	text, err := io.ReadAll(content)
	if err != nil {
		t.Fatal(err)
	}
	return text
}

func readIfExists(t *testing.T, path string) []byte {
	t.Helper()
	text, err := os.ReadFile(path)
	if err != nil && !os.IsNotExist(err) {
		t.Fatal(err)
	}
	return text
}
