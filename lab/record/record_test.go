package record_test

import (
	"encoding/csv"
	"encoding/json"
	"errors"
	"os"
	"path/filepath"
	"reflect"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/HdrHistogram/hdrhistogram-go"

	"runtimelab/lab"
	"runtimelab/lab/fault"
	"runtimelab/lab/metric"
	"runtimelab/lab/record"
)

const runID = "20261123T231501Z-ab12"

var start = time.Date(2026, 11, 23, 23, 15, 1, 250e6, time.UTC)

func ptr[T any](v T) *T { return &v }

// info returns what a caller gives Create.
func info() record.Info {
	return record.Info{
		StartedAt: start,
		Host: record.Host{
			ID:       "h0123456789",
			Topology: lab.Topology{Kernel: "6.1", CPUs: []lab.CPU{{ID: 0}, {ID: 1}}},
		},
		Engine:   map[string]string{"version": "20.10"},
		Versions: map[string]string{"lab": "devel"},
		Plan: lab.Plan{
			Profile: lab.Profile{Name: "smoke", Blocks: 1}, Seed: 1<<63 + 1,
			RuntimeFacts: lab.RuntimeFacts{Peers: map[string]lab.Peers{}},
		},
	}
}

// create creates a run in a temporary folder.
func create(t *testing.T) (results string, run *record.Run) {
	t.Helper()
	results = filepath.Join(t.TempDir(), "results")
	run, err := record.Create(results, runID, info())
	if err != nil {
		t.Fatal(err)
	}
	return results, run
}

// latency returns a histogram of n values, 1 ms apart.
func latency(t *testing.T, n int64) *lab.Latency {
	t.Helper()
	h := hdrhistogram.New(1, int64(time.Minute), 3)
	for i := int64(1); i <= n; i++ {
		if err := h.RecordValue(i * int64(time.Millisecond)); err != nil {
			t.Fatal(err)
		}
	}
	encoded, err := h.Encode(hdrhistogram.V2CompressedEncodingCookieBase)
	if err != nil {
		t.Fatal(err)
	}
	return &lab.Latency{Count: n, MeanMS: 1, P50MS: ptr(1.5), MaxMS: float64(n), HDR: encoded}
}

// sample returns a valid sample of a phase that starts at start plus offset.
func sample(t *testing.T, kind lab.PhaseKind, offset time.Duration) lab.Sample {
	t.Helper()
	s := lab.Sample{
		RunID: runID, HostID: "h0123456789", StartedAt: start.Add(offset),
		Subject: lab.Subject{
			Trial:    lab.Trial{Scenario: "json", Variant: "node/single", Cores: 1, Block: 1, Position: 2, Attempt: 1},
			Scenario: lab.Scenario{Name: "json"},
			Variant:  lab.Variant{Runtime: "node", Name: "single"},
		},
		Phase: lab.Phase{Kind: kind, Connections: 64},
		WarmUp: &lab.AttackResult{
			StartedAt: start, Elapsed: time.Second, HitCounts: lab.HitCounts{Sent: 9}, WarmUpEnd: "steady",
			Buckets: []lab.Bucket{{Second: 0, Sent: 9, Succeeded: 9}},
		},
		Gate: lab.GateResult{Validity: lab.Valid},
	}
	attack := lab.AttackResult{
		StartedAt: start.Add(offset), Elapsed: 1500 * time.Millisecond,
		HitCounts: lab.HitCounts{Sent: 40, Succeeded: 39, Failed: 1},
		Latencies: lab.Latencies{Raw: latency(t, 40)},
		Buckets: []lab.Bucket{
			{Second: 0, Sent: 30, Succeeded: 28, Failed: 1, P50MS: ptr(0.25)},
			{Second: 1, Sent: 10, Succeeded: 11},
		},
	}
	if kind == lab.Steady {
		s.Phase.RateRPS = 20
		attack.Intended = 40
		attack.Corrected, attack.SendLag = latency(t, 50), latency(t, 3)
	}
	s.Measured = &lab.Window{Phase: s.Phase, Attack: attack}
	return s
}

// read returns the text of a file.
func read(t *testing.T, path ...string) string {
	t.Helper()
	text, err := os.ReadFile(filepath.Join(path...))
	if err != nil {
		t.Fatal(err)
	}
	return string(text)
}

func TestARunIsReadableFromItsStart(t *testing.T) {
	results, run := create(t)
	if got, want := run.Dir(), filepath.Join(results, runID); got != want {
		t.Errorf("folder %s, want %s", got, want)
	}
	if got := read(t, run.Dir(), "trials.csv"); got != strings.Join(metric.Header(), ",")+"\n" {
		t.Errorf("trials.csv begins with %q", got)
	}
	back, err := record.Read(run.Dir())
	if err != nil {
		t.Fatal(err)
	}
	if len(back.Rows) != 0 || len(back.Doubts) != 0 || back.Info.State != record.Running ||
		back.Info.EndedAt != nil {
		t.Errorf("read %+v", back)
	}
}

func TestRowsCanBeReadWhileTheRunIsOpen(t *testing.T) {
	_, run := create(t)
	peak, steady := sample(t, lab.Peak, 2*time.Second), sample(t, lab.Steady, 4*time.Second)
	failed := lab.Sample{
		RunID: runID, Subject: lab.Subject{Variant: peak.Variant},
		Gate: lab.GateResult{Validity: lab.Failed, Reason: "exited with 1\nError: \"x\", y"},
	}
	if err := run.AddTrial(peak, steady); err != nil {
		t.Fatal(err)
	}
	if err := run.AddTrial(failed); err != nil {
		t.Fatal(err)
	}
	back, err := record.Read(run.Dir()) // the run stays open, as after kill -9
	if err != nil {
		t.Fatal(err)
	}
	peak.Row, steady.Row, failed.Row = 1, 2, 3
	want := []metric.Row{metric.RowOf(peak), metric.RowOf(steady), metric.RowOf(failed)}
	if len(back.Rows) != len(want) {
		t.Fatalf("%d rows, want %d", len(back.Rows), len(want))
	}
	for i := range want {
		if got := back.Rows[i].CSVRecord(); !slices.Equal(got, want[i].CSVRecord()) {
			t.Errorf("row %d\n got %q\nwant %q", i, got, want[i].CSVRecord())
		}
	}
	if got := strings.Count(read(t, run.Dir(), "trials.csv"), "\n"); got != 4 {
		t.Errorf("%d lines, want a header and three rows", got)
	}
}

func TestATornLastLineIsIgnoredAndReported(t *testing.T) {
	_, run := create(t)
	if err := run.AddTrial(sample(t, lab.Peak, 0), sample(t, lab.Steady, time.Second)); err != nil {
		t.Fatal(err)
	}
	path := filepath.Join(run.Dir(), "trials.csv")
	text := read(t, path)
	second := strings.LastIndex(text[:len(text)-1], "\n") + 1
	header := strings.Index(text, "\n") + 1
	for _, tt := range []struct{ length, rows, doubts int }{
		{len(text), 2, 0},
		{len(text) - 1, 1, 1}, // without the last line end
		{second + 1, 1, 1},
		{second, 1, 0},
		{header - 1, 0, 2},
		{0, 0, 1},
	} {
		if err := os.WriteFile(path, []byte(text[:tt.length]), 0o644); err != nil {
			t.Fatal(err)
		}
		back, err := record.Read(run.Dir())
		if err != nil {
			t.Errorf("first %d bytes: %v", tt.length, err)
			continue
		}
		if len(back.Rows) != tt.rows || len(back.Doubts) != tt.doubts {
			t.Errorf("first %d bytes: %d rows, doubts %q; want %d rows and %d doubts",
				tt.length, len(back.Rows), back.Doubts, tt.rows, tt.doubts)
		}
	}
}

func TestReadIgnoresUnknownColumnsAndRefusesOtherSchemas(t *testing.T) {
	structure := strings.Join(record.Structure(), ",")
	tests := []struct {
		name, trials, doubt, err string
		code                     int
	}{
		{
			name: "an unknown column", doubt: "invented",
			trials: "schema_version,invented,throughput_rps," + structure +
				"\n4,x,2.5,json,node/single,1,1,peak,1,valid\n",
		},
		{
			name: "an unknown column in rows of the current schema", doubt: "invented",
			trials: "schema_version,invented,throughput_rps," + structure +
				"\n5,x,2.5,json,node/single,1,1,peak,1,valid\n",
		},
		{
			name: "another schema", trials: "schema_version,requests\n4,5\n1,5\n", err: "line 3: schema version 1",
			code: fault.ExitUsage,
		},
		{
			name: "no schema", trials: "requests\n5\n",
			err: "line 1: no column schema_version: is it a trials.csv of this lab?", code: fault.ExitUsage,
		},
		{
			name: "no version", trials: "schema_version,requests\n,5\n", err: "line 2: the row has no schema_version",
			code: fault.ExitUsage,
		},
		{
			name: "an invalid version", trials: "schema_version,requests\nx,5\n",
			err: `line 2: column schema_version: "x" is not a number`, code: fault.ExitUsage,
		},
		{
			name: "no block", err: "trials.csv: no column block", code: fault.ExitUsage,
			trials: "schema_version,scenario,variant,attempt,phase,server_cpus,validity\n" +
				"4,json,node/single,1,peak,1,valid\n",
		},
		{
			name: "wrong type", trials: "schema_version,requests\n4,many\n", err: "line 2: column requests",
			code: fault.ExitFailed,
		},
		{name: "a missing cell", trials: "schema_version,requests\n4\n", err: "line 2", code: fault.ExitFailed},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			_, run := create(t)
			if err := os.WriteFile(filepath.Join(run.Dir(), "trials.csv"), []byte(tt.trials), 0o644); err != nil {
				t.Fatal(err)
			}
			back, err := record.Read(run.Dir())
			if tt.err != "" {
				if err == nil || !strings.Contains(err.Error(), tt.err) || fault.ExitCode(err) != tt.code {
					t.Errorf("error %v, code %d; want %q, code %d", err, fault.ExitCode(err), tt.err, tt.code)
				}
				return
			}
			if err != nil {
				t.Fatal(err)
			}
			if len(back.Doubts) != 1 || !strings.Contains(back.Doubts[0], tt.doubt) {
				t.Errorf("doubts %q", back.Doubts)
			}
			if f, ok := back.Rows[0].Float("throughput_rps"); f != 2.5 || !ok {
				t.Errorf("a known column was lost: %v", back.Rows[0])
			}
		})
	}
}

func TestARunOfAnotherSchemaIsRefusedWhateverItsTypes(t *testing.T) {
	_, run := create(t)
	const text = `{"schema_version": 2, "plan": {"scenarios": [{"cores": 1}]}}`
	if err := os.WriteFile(filepath.Join(run.Dir(), "run.json"), []byte(text), 0o644); err != nil {
		t.Fatal(err)
	}
	_, err := record.ReadInfo(run.Dir())
	if err == nil || !strings.Contains(err.Error(), "run.json: schema version 2") ||
		fault.ExitCode(err) != fault.ExitUsage {
		t.Errorf("error %v, code %d", err, fault.ExitCode(err))
	}
}

func TestARunOfAnEarlierSchemaHasTheGeneratorVegeta(t *testing.T) {
	_, run := create(t)
	path := filepath.Join(run.Dir(), "run.json")
	for _, tt := range []struct {
		version string
		want    lab.Generator
	}{{"6", ""}, {"5", lab.Vegeta}, {"4", lab.Vegeta}} { // that of schema 6 is as create recorded it
		if tt.version != "6" {
			replaceIn(t, path, `"schema_version": 6`, `"schema_version": `+tt.version)
		}
		back, err := record.ReadInfo(run.Dir())
		if err != nil || back.Plan.Generator != tt.want || back.Calibration.Key.Generator != tt.want {
			t.Errorf("schema %s: generators %q and %q, %v; want %q", tt.version, back.Plan.Generator,
				back.Calibration.Key.Generator, err, tt.want)
		}
		if tt.version != "6" {
			replaceIn(t, path, `"schema_version": `+tt.version, `"schema_version": 6`)
		}
	}
}

// An older lab knew by name which runtimes are compared with their twin only, and kept the required
// state of the lock in a field of its own.
func TestARunOfAnOlderLabHasItsPeersAndRequiredIdentities(t *testing.T) {
	_, run := create(t)
	path := filepath.Join(run.Dir(), "run.json")
	back, err := record.ReadInfo(run.Dir())
	if err != nil || len(back.Plan.Peers) != 0 {
		t.Errorf("peers %v, %v; want those that the plan records: none", back.Plan.Peers, err)
	}
	replaceIn(t, path, `"peers": {}`, `"repeats": 0`)
	replaceIn(t, path, `"entrants": null`, `"entrants": {
    "python-freethreaded/threads": {"variant": {"Name": "threads", "GIL": false}},
    "python/uvloop": {"variant": {"Name": "uvloop", "GIL": null}}
  }`)
	if back, err = record.ReadInfo(run.Dir()); err != nil {
		t.Fatal(err)
	}
	free, twin := back.Plan.Peers["python-freethreaded"], back.Plan.Peers["python-gil-twin"]
	if len(back.Plan.Peers) != 2 || !slices.Equal(free.Runtimes, []string{"python-gil-twin"}) ||
		!slices.Equal(twin.Runtimes, []string{"python-freethreaded"}) ||
		free.Reason != "is built from source with its own flags" || twin.Reason != free.Reason {
		t.Errorf("peers %v", back.Plan.Peers)
	}
	required := back.MeasuredVariants["python-freethreaded/threads"].Variant.Identity
	if !reflect.DeepEqual(required, map[string]any{"gil": false}) {
		t.Errorf("required identity %v, want the lock off", required)
	}
	if required := back.MeasuredVariants["python/uvloop"].Variant.Identity; required != nil {
		t.Errorf("required identity %v, want none", required)
	}
}

// A run of schema 4 cannot be resumed, because its latencies are of other requests than those of
// new rows.
func TestARunOfThePreviousSchemaIsReadButNotResumed(t *testing.T) {
	_, run := create(t)
	if err := run.AddTrial(sample(t, lab.Peak, 0)); err != nil {
		t.Fatal(err)
	}
	if err := run.End(record.Interrupted, "Ctrl-C", start); err != nil {
		t.Fatal(err)
	}
	replaceIn(t, filepath.Join(run.Dir(), "run.json"), `"schema_version": 6`, `"schema_version": 5`)
	replaceIn(t, filepath.Join(run.Dir(), "trials.csv"), "\n6,", "\n5,")
	back, err := record.Read(run.Dir())
	if err != nil {
		t.Fatal(err)
	}
	version, _ := back.Rows[0].Int("schema_version")
	if len(back.Rows) != 1 || version != 5 || len(back.Doubts) != 0 {
		t.Errorf("%d rows, the first of schema %d; doubts %q", len(back.Rows), version, back.Doubts)
	}
	err = record.CheckResumable(back.Info)
	if err == nil || fault.ExitCode(err) != fault.ExitUsage || !strings.Contains(err.Error(),
		"schema version 5") {
		t.Errorf("error %v, code %d", err, fault.ExitCode(err))
	}
}

func TestTimelineHasABucketPerSecond(t *testing.T) {
	_, run := create(t)
	peak, steady := sample(t, lab.Peak, 2*time.Second), sample(t, lab.Steady, 4*time.Second)
	again := sample(t, lab.Peak, 60*time.Second) // another trial with another warm-up
	again.WarmUp.StartedAt = start.Add(50 * time.Second)
	crashed := sample(t, lab.Peak, 90*time.Second)
	crashed.WarmUp, crashed.Measured = nil, nil
	for _, s := range []lab.Sample{peak, steady, again, crashed} {
		if err := run.AddTrial(s); err != nil {
			t.Fatal(err)
		}
	}
	want := "run_id,scenario,variant,block,started_at,phase,mode,second," +
		"sent,succeeded,failed,latency_p50_ms,latency_p99_ms" + `
ID,json,node/single,1,2026-11-23T23:15:03.250Z,warmup,closed,0,9,9,0,,
ID,json,node/single,1,2026-11-23T23:15:03.250Z,peak,closed,0,30,28,1,0.250000,
ID,json,node/single,1,2026-11-23T23:15:03.250Z,peak,closed,1,10,11,0,,
ID,json,node/single,1,2026-11-23T23:15:05.250Z,steady,open,0,30,28,1,0.250000,
ID,json,node/single,1,2026-11-23T23:15:05.250Z,steady,open,1,10,11,0,,
ID,json,node/single,1,2026-11-23T23:16:01.250Z,warmup,closed,0,9,9,0,,
ID,json,node/single,1,2026-11-23T23:16:01.250Z,peak,closed,0,30,28,1,0.250000,
ID,json,node/single,1,2026-11-23T23:16:01.250Z,peak,closed,1,10,11,0,,
`
	if got := read(t, run.Dir(), "timeline.csv"); got != strings.ReplaceAll(want, "ID", runID) {
		t.Errorf("got\n%s\nwant\n%s", got, want)
	}
}

func TestTheLibraryReadsTheHistograms(t *testing.T) {
	_, run := create(t)
	peak, steady := sample(t, lab.Peak, 2*time.Second), sample(t, lab.Steady, 4*time.Second)
	peak.Measured.Attack.Failures = latency(t, 7)
	steady.Scenario.Name = "large, slow" // its comma and space would end a tag
	early := sample(t, lab.Peak, -time.Hour)
	if err := run.AddTrial(peak, steady, early); err != nil {
		t.Fatal(err)
	}
	f, err := os.Open(filepath.Join(run.Dir(), "histograms.hlog"))
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	log := hdrhistogram.NewHistogramLogReader(f)
	base := start.Truncate(time.Second)
	for _, want := range []struct {
		tag   string
		count int64
		from  time.Time
	}{
		{"json/node-single/c1/b1/a1/peak/raw", 40, peak.StartedAt},
		{"json/node-single/c1/b1/a1/peak/failed", 7, peak.StartedAt},
		{"large--slow/node-single/c1/b1/a1/steady/corrected", 50, steady.StartedAt},
		{"large--slow/node-single/c1/b1/a1/steady/raw", 40, steady.StartedAt},
		{"large--slow/node-single/c1/b1/a1/steady/send_lag", 3, steady.StartedAt},
		{"json/node-single/c1/b1/a1/peak/raw", 40, base},
	} {
		h, err := log.NextIntervalHistogram()
		if err != nil || h == nil {
			t.Fatalf("%s: %v, %v", want.tag, h, err)
		}
		highest := want.count * int64(time.Millisecond)
		if h.Tag() != want.tag || h.TotalCount() != want.count || !h.ValuesAreEquivalent(h.Max(), highest) {
			t.Errorf("got %s with %d values to %d ns, want %s with %d to %d",
				h.Tag(), h.TotalCount(), h.Max(), want.tag, want.count, highest)
		}
		// The library truncates to milliseconds, so a time may be 1 ms too early.
		from, to := want.from.UnixMilli(), want.from.UnixMilli()+1500
		if d := from - h.StartTimeMs(); d < 0 || d > 1 {
			t.Errorf("%s starts at %d, want %d", want.tag, h.StartTimeMs(), from)
		}
		if d := to - h.EndTimeMs(); d < 0 || d > 1 {
			t.Errorf("%s ends at %d, want %d", want.tag, h.EndTimeMs(), to)
		}
	}
	if h, err := log.NextIntervalHistogram(); h != nil || err != nil {
		t.Errorf("after the last histogram: %v, %v", h, err)
	}
	text := read(t, run.Dir(), "histograms.hlog")
	if !strings.HasPrefix(text, "#[Histogram log format version 1.3]\n#[StartTime: ") ||
		strings.Count(text, "BaseTime") != 1 {
		t.Errorf("header: %.200s", text)
	}
	if !strings.Contains(text, "Tag=json/node-single/c1/b1/a1/peak/raw,2.250000,1.500000,4") {
		t.Errorf("no interval 2.25 s after the base time:\n%s", text)
	}
}

func TestABadHistogramDoesNotLoseTheRow(t *testing.T) {
	_, run := create(t)
	s := sample(t, lab.Steady, 0)
	s.Measured.Attack.Corrected.HDR = []byte("not base64 !")
	err := run.AddTrial(s)
	if err == nil || !strings.Contains(err.Error(), "histograms.hlog") ||
		!strings.Contains(err.Error(), "steady/corrected") {
		t.Errorf("error %v, want one that names the file and the histogram", err)
	}
	back, err := record.Read(run.Dir())
	if err != nil || len(back.Rows) != 1 {
		t.Errorf("rows %v, %v", back, err)
	}
	if text := read(t, run.Dir(), "histograms.hlog"); !strings.Contains(text, "steady/raw") {
		t.Error("the other histograms were lost")
	}
}

func TestRunJSONHoldsTheRun(t *testing.T) {
	_, run := create(t)
	for range 2 { // every session of a resumed run adds the same note
		if err := run.AddNote("python/single is not measured"); err != nil {
			t.Fatal(err)
		}
	}
	end := start.Add(time.Minute)
	if err := run.End(record.Interrupted, "Ctrl-C", end); err != nil {
		t.Fatal(err)
	}
	if err := run.End(record.Done, "", end.Add(time.Hour)); err != nil {
		t.Fatal(err)
	}
	back, err := record.Read(run.Dir())
	if err != nil {
		t.Fatal(err)
	}
	want := info()
	want.SchemaVersion, want.RunID = metric.SchemaVersion, runID
	want.State, want.Reason, want.EndedAt = record.Interrupted, "Ctrl-C", &end
	want.Profile, want.Seed, want.Notes = "smoke", 1<<63+1, []string{"python/single is not measured"}
	if want.Files = back.Info.Files; len(want.Files) != 3 {
		t.Errorf("run.json lists %v, want three files", want.Files)
	}
	if !reflect.DeepEqual(back.Info, want) {
		t.Errorf("got  %+v\nwant %+v", back.Info, want)
	}
	var keys map[string]json.RawMessage
	if err := json.Unmarshal([]byte(read(t, run.Dir(), "run.json")), &keys); err != nil {
		t.Fatal(err)
	}
	for _, key := range []string{
		"host", "engine", "versions", "seed", "plan", "profile", "state", "started_at", "ended_at",
	} {
		if _, ok := keys[key]; !ok {
			t.Errorf("run.json has no %s", key)
		}
	}
	if err := run.AddTrial(sample(t, lab.Peak, 0)); err == nil {
		t.Error("AddTrial accepts a row after the end")
	}
	names, _ := filepath.Glob(filepath.Join(run.Dir(), "*"))
	if len(names) != 5 { // with the lock file
		t.Errorf("the folder holds %q, want 5 files", names)
	}
}

func TestRunJSONIsReplacedInOneStep(t *testing.T) {
	_, run := create(t)
	var writer sync.WaitGroup
	stop := make(chan struct{})
	writer.Go(func() {
		for n := 0; ; n++ {
			select {
			case <-stop:
				return
			default:
				// The length alternates, so that a write in place would be visible.
				if err := run.Update(func(i *record.Info) { i.Reason = strings.Repeat("x", n%2*100_000) }); err != nil {
					t.Error(err)
					return
				}
			}
		}
	})
	for range 200 {
		if _, err := record.Read(run.Dir()); err != nil {
			t.Error(err)
			break
		}
	}
	close(stop)
	writer.Wait()
}

func TestCreateRefusesAnExistingFolderAndAMissingStart(t *testing.T) {
	results, _ := create(t)
	if _, err := record.Create(results, runID, info()); !errors.Is(err, os.ErrExist) {
		t.Errorf("an existing folder: %v", err)
	}
	if _, err := record.Create(results, "20261123T231501Z-ffff", record.Info{}); err == nil {
		t.Error("Create accepts a run without a start")
	}
}

func TestReadRefusesAFolderWithoutARun(t *testing.T) {
	if _, err := record.Read(t.TempDir()); fault.ExitCode(err) != fault.ExitUsage {
		t.Errorf("a folder without a run.json: %v", err)
	}
}

func TestNewIDsSortByStartAndDiffer(t *testing.T) {
	at := time.Date(2026, 11, 24, 0, 15, 1, 0, time.FixedZone("", 3600))
	form := regexp.MustCompile(`^20261123T231501Z-[0-9a-f]{4}$`)
	seen := map[string]bool{}
	for range 20 {
		id := record.NewID(at)
		if !form.MatchString(id) {
			t.Errorf("got %s", id)
		}
		seen[id] = true
	}
	if len(seen) < 2 {
		t.Error("all ids of one second are equal")
	}
	if record.NewID(at) >= record.NewID(at.Add(time.Second)) {
		t.Error("ids do not sort by start")
	}
}

func TestHostIDIsShortAndNoNumber(t *testing.T) {
	id := record.HostID("model", "kernel")
	if id != record.HostID("model", "kernel") || len(id) != 11 {
		t.Errorf("got %s", id)
	}
	for _, other := range [][]string{
		{"modelkernel"},
		{"kernel", "model"},
		{"mode", "lkernel"},
		{"model", "kernel", ""},
	} {
		if record.HostID(other...) == id {
			t.Errorf("%q has the id of another host", other)
		}
	}
	for i := range 1000 { // without the prefix, 1 in 110 hashes would read as a number
		if id := record.HostID(strconv.Itoa(i)); !strings.HasPrefix(id, "h") {
			t.Errorf("%s does not begin with h, and may read as a number", id)
		}
	}
}

// A reader with type inference must find one type for all cells of a column.
func TestFilesLoadWithTypeInference(t *testing.T) {
	_, run := create(t)
	crashed := sample(t, lab.Peak, time.Second)
	crashed.Measured = nil
	if err := run.AddTrial(sample(t, lab.Peak, 0), sample(t, lab.Steady, time.Second), crashed); err != nil {
		t.Fatal(err)
	}
	for _, name := range []string{"trials.csv", "timeline.csv"} {
		records, err := csv.NewReader(strings.NewReader(read(t, run.Dir(), name))).ReadAll()
		if err != nil {
			t.Fatal(err)
		}
		for column, title := range records[0] {
			var found metric.Kind
			for _, r := range records[1:] {
				kind := infer(r[column])
				if kind == "" {
					continue
				}
				if found != "" && kind != found {
					t.Errorf("%s: %s is %s and %s", name, title, found, kind)
				}
				found = kind
			}
			if m, ok := metric.Find(title); ok && found != "" && m.Kind != found {
				t.Errorf("%s: %s reads as %s, lab/metric says %s", name, title, found, m.Kind)
			}
		}
	}
}

// infer returns the type that a reader infers from a cell.
func infer(cell string) metric.Kind {
	if cell == "" {
		return ""
	}
	if _, err := strconv.ParseInt(cell, 10, 64); err == nil {
		return metric.Integer
	}
	if _, err := strconv.ParseFloat(cell, 64); err == nil {
		return metric.Float
	}
	return metric.String
}

func TestCapacityCSVHoldsTheStepsOfASearch(t *testing.T) {
	_, run := create(t)
	if err := run.AddTrial(sample(t, lab.Steady, time.Second)); err != nil {
		t.Fatal(err)
	}
	path := filepath.Join(run.Dir(), "capacity.csv")
	if _, err := os.Stat(path); !errors.Is(err, os.ErrNotExist) {
		t.Errorf("a run without a search has a capacity.csv: %v", err)
	}
	s := sample(t, lab.Steady, 2*time.Second)
	s.Phase.Kind, s.Phase.Name = lab.Capacity, "capacity-slow"
	s.Trial.Attempt, s.Layout.Server = 2, []int{0, 1}
	s.Measured.Attack.Corrected.P99MS = ptr(3.5)
	missed := lab.Window{Phase: s.Phase, Attack: lab.AttackResult{
		Elapsed: time.Second, HitCounts: lab.HitCounts{Sent: 30, Succeeded: 30},
		Latencies: lab.Latencies{Corrected: &lab.Latency{Count: 30, P50MS: ptr(9.0)}},
	}}
	s.Search = &lab.Search{Steps: []lab.SearchStep{
		{Stage: lab.Exponential, OfferedRPS: 20, SLOMet: true, Window: s.Measured},
		{
			Stage: lab.Exponential, OfferedRPS: 40, MissedObjectives: []string{"a, b", "c"},
			InstrumentLimit: "generator: busy", Window: &missed,
		},
		{Stage: lab.Confirmation, OfferedRPS: 20, SLOMet: true, Window: s.Measured},
	}}
	s.Phase.RateRPS = 20
	if err := run.AddTrial(s, s); err != nil {
		t.Fatal(err)
	}
	id := runID + ",json,node/single,2,1,2,capacity-slow,"
	steps := id + "1,exponential,20.000,true,,,40,1.500000,,3.500000,26.000\n" +
		id + "2,exponential,40.000,false,\"a, b, c\",generator: busy,30,9.000000,,,30.000\n" +
		id + "3,confirmation,20.000,true,,,40,1.500000,,3.500000,26.000\n"
	want := "run_id,scenario,variant,server_cpus,block,attempt,phase,step,stage,offered_rps,met,missed,limit," +
		"requests,latency_p50_ms,latency_p90_ms,latency_p99_ms,throughput_rps\n" + steps + steps
	if got := read(t, path); got != want {
		t.Errorf("capacity.csv is\n%s, want\n%s", got, want)
	}
	if err := run.End(record.Done, "", start); err != nil {
		t.Fatal(err)
	}
}
