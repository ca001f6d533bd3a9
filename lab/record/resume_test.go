package record_test

import (
	"crypto/sha256"
	"fmt"
	"os"
	"path/filepath"
	"runtime"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/renameio/v2"

	"runtimelab/lab"
	"runtimelab/lab/fault"
	"runtimelab/lab/metric"
	"runtimelab/lab/record"
)

// plannedInfo returns info with a plan of two blocks of one variant.
func plannedInfo() record.Info {
	i := info()
	i.Plan.Scenarios = []lab.Scenario{{
		Name:   "json",
		Phases: []lab.Phase{{Name: "peak", Kind: lab.Peak}, {Name: "steady", Kind: lab.Steady}},
	}}
	for block := 1; block <= 2; block++ {
		i.Plan.Trials = append(i.Plan.Trials,
			lab.Trial{Scenario: "json", Variant: "node/single", Cores: 1, Block: block, Position: 1, Attempt: 1})
	}
	i.MeasuredVariants = map[string]record.MeasuredVariant{
		"node/single": {Image: lab.Image{ContentSHA256: "c0"}},
	}
	return i
}

// trialSamples returns the samples of the planned trial in a block.
func trialSamples(t *testing.T, block int) (samples []lab.Sample) {
	t.Helper()
	for _, kind := range []lab.PhaseKind{lab.Peak, lab.Steady} {
		s := sample(t, kind, time.Duration(block)*time.Minute)
		s.Trial = plannedInfo().Plan.Trials[block-1]
		s.Layout.Server, s.Image.ContentSHA256 = []int{1}, "c0"
		samples = append(samples, s)
	}
	return samples
}

// runWithOneTrial creates a run of plannedInfo in which one trial has ended and whose hits are
// kept.
func runWithOneTrial(t *testing.T) (run *record.Run) {
	t.Helper()
	run, err := record.Create(filepath.Join(t.TempDir(), "results"), runID, plannedInfo())
	if err != nil {
		t.Fatal(err)
	}
	ended := trialSamples(t, 1)
	if _, err := run.AddHits(ended[0], func(func([]lab.Hit) error) error { return nil }); err != nil {
		t.Fatal(err)
	}
	if err := run.AddTrial(ended...); err != nil {
		t.Fatal(err)
	}
	return run
}

// copyAsKilled copies a run's folder, as a killed lab leaves it, and returns the copy. Only the
// original stays locked by this process.
func copyAsKilled(t *testing.T, run *record.Run) (dir string) {
	t.Helper()
	dir = filepath.Join(t.TempDir(), "results", runID)
	if err := os.CopyFS(dir, os.DirFS(run.Dir())); err != nil {
		t.Fatal(err)
	}
	return dir
}

// appendTo appends text to a file.
func appendTo(t *testing.T, text string, path ...string) {
	t.Helper()
	f, err := os.OpenFile(filepath.Join(path...), os.O_APPEND|os.O_WRONLY, 0)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := f.WriteString(text); err != nil {
		t.Fatal(err)
	}
	if err := f.Close(); err != nil {
		t.Fatal(err)
	}
}

// verify verifies a run's folder.
func verify(t *testing.T, dir string) record.Verification {
	t.Helper()
	v, err := record.Verify(dir)
	if err != nil {
		t.Fatal(err)
	}
	return v
}

func TestResumeFinishesAKilledRun(t *testing.T) {
	dir := copyAsKilled(t, runWithOneTrial(t))
	bracketed := filepath.Join(filepath.Dir(dir), "of [1]") // a folder that filepath.Glob would not match
	if err := os.Rename(dir, bracketed); err != nil {
		t.Fatal(err)
	}
	dir = bracketed
	before := read(t, dir, "trials.csv")
	// The second trial was killed after it had written a row and a part of another.
	row := strings.TrimSuffix(before[strings.LastIndex(strings.TrimSuffix(before, "\n"), "\n")+1:], "\n")
	appendTo(t, row+"\n"+row[:40], dir, "trials.csv")
	appendTo(t, "torn", dir, "timeline.csv")
	appendTo(t, "Tag=torn", dir, "histograms.hlog")
	pending, err := renameio.NewPendingFile(filepath.Join(dir, "run.json"), renameio.WithTempDir(dir))
	if err != nil {
		t.Fatal(err)
	}
	unfinishedInfo := filepath.Base(pending.Name()) // as a lab that was killed leaves it
	for _, name := range []string{"capacity.csv", "raw/json_b2.bin", "raw/.json_b3.bin123", unfinishedInfo} {
		if err := os.MkdirAll(filepath.Dir(filepath.Join(dir, name)), 0o755); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(filepath.Join(dir, name), []byte("begun"), 0o644); err != nil {
			t.Fatal(err)
		}
	}

	run, earlier, err := record.Resume(dir, plannedInfo().Plan, start.Add(time.Hour))
	if err != nil {
		t.Fatal(err)
	}
	if len(earlier.Rows) != 2 || read(t, dir, "trials.csv") != before {
		t.Errorf("%d rows remain of the ended trial, want 2:\n%s", len(earlier.Rows), read(t, dir, "trials.csv"))
	}
	doubts := strings.Join(earlier.Doubts, "\n")
	for _, name := range []string{
		"trials.csv", "timeline.csv", "histograms.hlog", "capacity.csv", "json_b2.bin", ".json_b3.bin123",
		unfinishedInfo,
	} {
		if !strings.Contains(doubts, name) {
			t.Errorf("no doubt reports what was removed from %s:\n%s", name, doubts)
		}
	}
	if ended := earlier.EndedTrials(); len(ended) != 1 {
		t.Errorf("ended trials %v, want one", ended)
	}
	if err := run.AddTrial(trialSamples(t, 2)...); err != nil {
		t.Fatal(err)
	}
	if err := run.End(record.Done, "", start.Add(2*time.Hour)); err != nil {
		t.Fatal(err)
	}
	v := verify(t, dir)
	if !v.Complete() || v.Rows != 4 || v.Trials != 2 || len(v.Missing) != 0 {
		t.Errorf("verified: %+v", v)
	}
	back, err := record.Read(dir)
	if err != nil {
		t.Fatal(err)
	}
	if len(back.Info.ResumedAt) != 1 || back.Info.State != record.Done || back.Info.EndedAt == nil {
		t.Errorf("run.json says %s, resumed at %v", back.Info.State, back.Info.ResumedAt)
	}
	if files, err := os.ReadDir(filepath.Dir(dir)); err != nil || len(files) != 1 {
		t.Errorf("results/ holds %v, %v; want only the run", files, err)
	}
}

func TestAnEndedRunCanBeResumedAtOnce(t *testing.T) {
	run := runWithOneTrial(t)
	if err := run.End(record.Interrupted, "Ctrl-C", start); err != nil {
		t.Fatal(err)
	}
	again, _, err := record.Resume(run.Dir(), plannedInfo().Plan, start.Add(time.Hour))
	if err != nil {
		t.Fatal(err)
	}
	if err := again.End(record.Interrupted, "Ctrl-C", start); err != nil {
		t.Error(err)
	}
}

func TestResumeRefuses(t *testing.T) {
	done := runWithOneTrial(t)
	if err := done.End(record.Done, "", start); err != nil {
		t.Fatal(err)
	}
	changed := copyAsKilled(t, runWithOneTrial(t))
	replaceIn(t, filepath.Join(changed, "trials.csv"), "json", "wait")
	shorter := copyAsKilled(t, runWithOneTrial(t))
	if err := os.Truncate(filepath.Join(shorter, "timeline.csv"), 10); err != nil {
		t.Fatal(err)
	}
	otherPlan := copyAsKilled(t, runWithOneTrial(t)) // another lab changed the plan while this one waited
	replaceIn(t, filepath.Join(otherPlan, "run.json"), `"block": 2`, `"block": 3`)
	withoutSums := copyAsKilled(t, runWithOneTrial(t))
	replaceIn(t, filepath.Join(withoutSums, "run.json"), `"files"`, `"other"`)
	otherColumns := copyAsKilled(t, runWithOneTrial(t)) // an older lab began it
	withoutColumn(t, otherColumns, "steal_ratio")
	active := runWithOneTrial(t)
	// Without this the garbage collector may close the run's lock while it is tested.
	defer runtime.KeepAlive(active)
	for name, c := range map[string]struct {
		dir  string
		code int
		want string
	}{
		"complete":      {done.Dir(), fault.ExitUsage, "is complete"},
		"active":        {active.Dir(), fault.ExitFailed, "another lab"},
		"changed":       {changed, fault.ExitFailed, "trials.csv has been changed since its run wrote it"},
		"shorter":       {shorter, fault.ExitFailed, "timeline.csv has been changed since its run wrote it"},
		"without sums":  {withoutSums, fault.ExitUsage, "without file sums"},
		"other plan":    {otherPlan, fault.ExitFailed, "another lab resumed it meanwhile"},
		"other columns": {otherColumns, fault.ExitUsage, "trials.csv has other columns than this lab writes"},
		"no run":        {t.TempDir(), fault.ExitUsage, "run.json"},
	} {
		t.Run(name, func(t *testing.T) {
			_, _, err := record.Resume(c.dir, plannedInfo().Plan, start)
			if err == nil || !strings.Contains(err.Error(), c.want) || fault.ExitCode(err) != c.code {
				t.Errorf("exit code %d, error %v; want %d, %q", fault.ExitCode(err), err, c.code, c.want)
			}
		})
	}
}

// withoutColumn renames a column of trials.csv in a folder, as if another lab had written the file.
func withoutColumn(t *testing.T, dir, name string) {
	t.Helper()
	path := filepath.Join(dir, "trials.csv")
	sum := func() string {
		text, err := os.ReadFile(path)
		if err != nil {
			t.Fatal(err)
		}
		return fmt.Sprintf("%x", sha256.Sum256(text))
	}
	before := sum()
	replaceIn(t, path, name, strings.ToUpper(name))
	replaceIn(t, filepath.Join(dir, "run.json"), before, sum())
}

// replaceIn replaces the first occurrence of from in a file.
func replaceIn(t *testing.T, path, from, to string) {
	t.Helper()
	text, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	changed := strings.Replace(string(text), from, to, 1)
	if changed == string(text) {
		t.Fatalf("no %q in %s", from, path)
	}
	if err := os.WriteFile(path, []byte(changed), 0o644); err != nil {
		t.Fatal(err)
	}
}

func TestVerifyFindsEveryChange(t *testing.T) {
	complete := func(t *testing.T) string {
		run := runWithOneTrial(t)
		if err := run.AddTrial(trialSamples(t, 2)...); err != nil {
			t.Fatal(err)
		}
		if err := run.WriteVerdicts(nil, nil); err != nil {
			t.Fatal(err)
		}
		if err := run.End(record.Done, "", start); err != nil {
			t.Fatal(err)
		}
		return run.Dir()
	}
	if v := verify(t, complete(t)); !v.Complete() || v.Files != 5 {
		t.Fatalf("untouched: %+v", v)
	}
	for name, c := range map[string]struct {
		change func(t *testing.T, dir string)
		want   string
	}{
		"a value": {
			func(t *testing.T, dir string) { replaceIn(t, filepath.Join(dir, "trials.csv"), ",closed,", ",open,") },
			"trials.csv has been changed since the run wrote it",
		},
		"an additional row": {
			func(t *testing.T, dir string) { appendTo(t, "x\n", dir, "timeline.csv") },
			"timeline.csv has 2 bytes more",
		},
		"an additional byte": {
			func(t *testing.T, dir string) { appendTo(t, "x", dir, "timeline.csv") },
			"timeline.csv has 1 byte more",
		},
		"a missing file": {
			func(t *testing.T, dir string) { remove(t, dir, "histograms.hlog") },
			"histograms.hlog is missing",
		},
		"the verdicts": {
			func(t *testing.T, dir string) { replaceIn(t, filepath.Join(dir, "verdicts.csv"), "reason", "Reason") },
			"verdicts.csv has been changed",
		},
		"a path": {func(t *testing.T, dir string) {
			replaceIn(t, filepath.Join(dir, "run.json"), `"timeline.csv": {`, `"../timeline.csv": {`)
		}, "outside the folder"},
		"the plan": {func(t *testing.T, dir string) {
			replaceIn(t, filepath.Join(dir, "run.json"), `"block": 2`, `"block": 3`)
		}, "the plan has no trial"},
		"a row's number": {func(t *testing.T, dir string) {
			replaceIn(t, filepath.Join(dir, "trials.csv"), runID+",2,", runID+",7,")
		}, "row 2: its number is 7"},
		"a row twice": {func(t *testing.T, dir string) {
			text := strings.TrimSuffix(read(t, dir, "trials.csv"), "\n")
			last := text[strings.LastIndex(text, "\n")+1:]
			appendTo(t, strings.Replace(last, runID+",4,", runID+",5,", 1)+"\n", dir, "trials.csv")
		}, "row 5: an earlier row has the same trial and phase (steady)"},
		"the run": {func(t *testing.T, dir string) {
			replaceIn(t, filepath.Join(dir, "run.json"), `"run_id": "`+runID, `"run_id": "20261123T231501Z-cd34`)
		}, "it belongs to run " + runID},
		"the order": {func(t *testing.T, dir string) {
			replaceIn(t, filepath.Join(dir, "run.json"), `"position": 1`, `"position": 2`)
		}, "its position is 1, the plan says 2"},
		"the host": {
			func(t *testing.T, dir string) { replaceIn(t, filepath.Join(dir, "run.json"), "h0123456789", "h9") },
			"not on h9",
		},
		"the image": {
			func(t *testing.T, dir string) { replaceIn(t, filepath.Join(dir, "run.json"), `"c0"`, `"c1"`) },
			"its image is not the one that run.json names",
		},
	} {
		t.Run(name, func(t *testing.T) {
			dir := complete(t)
			c.change(t, dir)
			v := verify(t, dir)
			if v.Consistent() || !strings.Contains(strings.Join(v.Problems, "\n"), c.want) {
				t.Errorf("problems %q, want %q", v.Problems, c.want)
			}
		})
	}
}

// remove removes a file.
func remove(t *testing.T, path ...string) {
	t.Helper()
	if err := os.Remove(filepath.Join(path...)); err != nil {
		t.Fatal(err)
	}
}

func TestVerifyAcceptsAnUnfinishedRun(t *testing.T) {
	run := runWithOneTrial(t)
	appendTo(t, "half a line", run.Dir(), "timeline.csv")
	appendTo(t, "torn", run.Dir(), "trials.csv")
	v := verify(t, run.Dir())
	if !v.Consistent() || v.Complete() || v.Trials != 1 || v.Planned != 2 {
		t.Errorf("verified: %+v", v)
	}
	missing := strings.Join(v.Missing, "\n")
	if !strings.Contains(missing, "1 of 2 trials") || !strings.Contains(missing, "timeline.csv: 11 bytes") {
		t.Errorf("missing: %q", v.Missing)
	}
	// The trials of a refused variant are not missing.
	if err := run.Update(func(i *record.Info) {
		i.Refused = map[string]string{"node/single": "it breaks the contract"}
	}); err != nil {
		t.Fatal(err)
	}
	if v := verify(t, run.Dir()); v.Trials != 2 {
		t.Errorf("with a refused variant: %+v", v)
	}
}

func TestRowNumbersContinueOverTrials(t *testing.T) {
	run := runWithOneTrial(t)
	if err := run.AddTrial(trialSamples(t, 2)...); err != nil {
		t.Fatal(err)
	}
	back, err := record.Read(run.Dir())
	if err != nil {
		t.Fatal(err)
	}
	var numbers []int64
	for _, row := range back.Rows {
		n, _ := row.Int("row")
		numbers = append(numbers, n)
	}
	if !slices.Equal(numbers, []int64{1, 2, 3, 4}) {
		t.Errorf("rows %v, want 1 to 4", numbers)
	}
}

func TestCheckDiskSpace(t *testing.T) {
	dir := filepath.Join(t.TempDir(), "results")
	if err := record.CheckDiskSpace(dir, 1); err != nil {
		t.Error(err)
	}
	if files, _ := filepath.Glob(filepath.Join(dir, ".*")); len(files) > 0 {
		t.Errorf("temporary files remain: %q", files)
	}
	err := record.CheckDiskSpace(dir, 1<<62)
	if err == nil || !strings.Contains(err.Error(), "free, and a run may need") {
		t.Errorf("more bytes than any disk has: %v", err)
	}
	file := filepath.Join(t.TempDir(), "file")
	if err := os.WriteFile(file, nil, 0o644); err != nil {
		t.Fatal(err)
	}
	err = record.CheckDiskSpace(filepath.Join(file, "results"), 1)
	if fault.ExitCode(err) != fault.ExitFailed || !strings.Contains(err.Error(), "nothing can be recorded") {
		t.Errorf("a folder inside of a file: %v", err)
	}
}

func TestNoCellStartsAFormula(t *testing.T) {
	for cell, want := range map[string]string{
		"": "", "plain": "plain", "-12.5": "-12.5", "+3": "+3", "1=1": "1=1",
		"=HYPERLINK(\"http://192.0.2.1\")": "'=HYPERLINK(\"http://192.0.2.1\")",
		"@SUM(A1)":                         "'@SUM(A1)",
		"-2+3":                             "'-2+3",
		"+cmd|' /C calc'!A0":               "'+cmd|' /C calc'!A0",
		"\t=1":                             "'\t=1",
	} {
		if got := record.EscapeFormula(cell); got != want {
			t.Errorf("%q becomes %q, want %q", cell, got, want)
		}
	}
	run := runWithOneTrial(t)
	s := trialSamples(t, 2)[0]
	s.Identity.RuntimeVersion = "=1+1" // the server chooses this value
	if err := run.AddTrial(s); err != nil {
		t.Fatal(err)
	}
	text := read(t, run.Dir(), "trials.csv")
	if strings.Contains(text, ",=1+1") || !strings.Contains(text, ",'=1+1,") {
		t.Errorf("the file holds a formula:\n%s", text)
	}
}

// A link in a folder from elsewhere may point to any file.
func TestResumeFollowsNoLink(t *testing.T) {
	outside := filepath.Join(t.TempDir(), "outside")
	if err := os.MkdirAll(outside, 0o755); err != nil {
		t.Fatal(err)
	}
	victim := filepath.Join(outside, "victim")
	if err := os.WriteFile(victim, []byte("precious"), 0o644); err != nil {
		t.Fatal(err)
	}
	for name, to := range map[string]string{"timeline.csv": victim, "raw": outside} {
		dir := copyAsKilled(t, runWithOneTrial(t))
		if err := os.RemoveAll(filepath.Join(dir, name)); err != nil {
			t.Fatal(err)
		}
		if err := os.Symlink(to, filepath.Join(dir, name)); err != nil {
			t.Fatal(err)
		}
		text := read(t, dir, "run.json")
		if at := strings.Index(text, `"timeline.csv": {`); name == "timeline.csv" {
			end := at + strings.Index(text[at:], "}")
			const emptySum = "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855"
			text = text[:at] + `"timeline.csv": {"bytes": 0, "sha256": "` + emptySum + `"` + text[end:]
			if err := os.WriteFile(filepath.Join(dir, "run.json"), []byte(text), 0o644); err != nil {
				t.Fatal(err)
			}
		}
		if _, _, err := record.Resume(dir, plannedInfo().Plan, start); err == nil {
			t.Errorf("Resume follows the link %s", name)
		}
		if got := read(t, victim); got != "precious" {
			t.Errorf("through %s the file outside was changed to %q", name, got)
		}
	}
}

// A planned trial counts once, whatever its result and however many attempts it has. The trials of
// a refused variant count too.
func TestMeasuredTrials(t *testing.T) {
	r := record.StoredRun{Info: record.Info{Refused: map[string]string{"node/broken": "it breaks the contract"}}}
	for block := 1; block <= 4; block++ {
		for _, variant := range []string{"node/single", "node/broken", lab.TwinOf("node/broken")} {
			r.Info.Plan.Trials = append(r.Info.Plan.Trials,
				lab.Trial{Scenario: "json", Variant: variant, Cores: 1, Block: block, Attempt: 1})
		}
	}
	// The first trial has two attempts.
	for i, v := range []lab.Validity{lab.Disturbed, lab.Disturbed, lab.Failed} {
		r.Rows = append(r.Rows, metric.Row{
			"scenario": metric.Text("json"), "variant": metric.Text("node/single"), "server_cpus": metric.Int(1),
			"block": metric.Int(int64(1 + i/2)), "attempt": metric.Int(int64(1 + i%2)),
			"validity": metric.Text(string(v)),
		})
	}
	if n := r.MeasuredTrials(); n != 2+8 {
		t.Errorf("%d of 12 trials, want 10: blocks 1 and 2, and all of the refused variant", n)
	}
}
