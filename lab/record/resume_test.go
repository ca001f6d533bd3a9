package record_test

import (
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"runtimelab/lab"
	"runtimelab/lab/metric"
	"runtimelab/lab/record"
)

// planned is info with a plan of two blocks of one variant.
func planned() record.Info {
	i := info()
	i.Plan.Scenarios = []lab.Scenario{{
		Name:   "json",
		Phases: []lab.Phase{{Name: "peak", Kind: lab.Peak}, {Name: "steady", Kind: lab.Steady}},
	}}
	for block := 1; block <= 2; block++ {
		i.Plan.Trials = append(i.Plan.Trials,
			lab.Trial{Scenario: "json", Variant: "node/single", Cores: 1, Block: block, Position: 1, Attempt: 1})
	}
	i.MeasuredVariants = map[string]record.MeasuredVariant{"node/single": {Image: lab.Image{ContentSHA256: "c0"}}}
	return i
}

// trialOf is the samples of a planned trial.
func trialOf(t *testing.T, block int) (both []lab.Sample) {
	t.Helper()
	for _, kind := range []lab.PhaseKind{lab.Peak, lab.Steady} {
		s := sample(t, kind, time.Duration(block)*time.Minute)
		s.Trial = planned().Plan.Trials[block-1]
		s.Layout.Server, s.Image.ContentSHA256 = []int{1}, "c0"
		both = append(both, s)
	}
	return both
}

// begun is a run of which one trial has ended, and whose hits are kept.
func begun(t *testing.T) (run *record.Run) {
	t.Helper()
	run, err := record.Create(filepath.Join(t.TempDir(), "results"), runID, planned())
	if err != nil {
		t.Fatal(err)
	}
	ended := trialOf(t, 1)
	if _, err := run.AddHits(ended[0], func(func([]lab.Hit) error) error { return nil }); err != nil {
		t.Fatal(err)
	}
	if err := run.AddTrial(ended...); err != nil {
		t.Fatal(err)
	}
	return run
}

// killed is the folder of a run that ended without a word, as a copy: the lock of
// the one that is open in this process stays with that.
func killed(t *testing.T, run *record.Run) (dir string) {
	t.Helper()
	dir = filepath.Join(t.TempDir(), "results", runID)
	if err := os.CopyFS(dir, os.DirFS(run.Dir())); err != nil {
		t.Fatal(err)
	}
	return dir
}

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

func verification(t *testing.T, dir string) record.Verification {
	t.Helper()
	v, err := record.Verify(dir)
	if err != nil {
		t.Fatal(err)
	}
	return v
}

func TestResumeFinishesAKilledRun(t *testing.T) {
	dir := killed(t, begun(t))
	bracketed := filepath.Join(filepath.Dir(dir), "of [1]") // what a pattern would not match
	if err := os.Rename(dir, bracketed); err != nil {
		t.Fatal(err)
	}
	dir = bracketed
	whole := read(t, dir, "trials.csv")
	// What a second trial had written when it was killed: rows, and a torn line.
	row := strings.TrimSuffix(whole[strings.LastIndex(strings.TrimSuffix(whole, "\n"), "\n")+1:], "\n")
	appendTo(t, row+"\n"+row[:40], dir, "trials.csv")
	appendTo(t, "torn", dir, "timeline.csv")
	appendTo(t, "Tag=torn", dir, "histograms.hlog")
	for _, name := range []string{
		"capacity.csv", "raw/json_b2.bin", "raw/json_b3.bin.part",
		"run.json.new-123",
	} {
		if err := os.MkdirAll(filepath.Dir(filepath.Join(dir, name)), 0o755); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(filepath.Join(dir, name), []byte("begun"), 0o644); err != nil {
			t.Fatal(err)
		}
	}

	run, earlier, err := record.Resume(dir, planned().Plan, start.Add(time.Hour))
	if err != nil {
		t.Fatal(err)
	}
	if len(earlier.Rows) != 2 || read(t, dir, "trials.csv") != whole {
		t.Errorf("%d rows are left of the trial that had ended:\n%s", len(earlier.Rows), read(t, dir, "trials.csv"))
	}
	said := strings.Join(earlier.Doubts, "\n")
	for _, name := range []string{
		"trials.csv", "timeline.csv", "histograms.hlog", "capacity.csv", "json_b2.bin",
		"json_b3.bin.part", "run.json.new-123",
	} {
		if !strings.Contains(said, name) {
			t.Errorf("nothing is said of what was taken off %s:\n%s", name, said)
		}
	}
	if ended := earlier.EndedTrials(); len(ended) != 1 {
		t.Errorf("ended: %v", ended)
	}
	if err := run.AddTrial(trialOf(t, 2)...); err != nil {
		t.Fatal(err)
	}
	if err := run.End(record.Done, "", start.Add(2*time.Hour)); err != nil {
		t.Fatal(err)
	}
	v := verification(t, dir)
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
	if beside, err := os.ReadDir(filepath.Dir(dir)); err != nil || len(beside) != 1 {
		t.Errorf("beside the run: %v, %v", beside, err)
	}
}

// A run that is over is nobody's: it can be gone on with at once.
func TestTheLockGoesWithTheRun(t *testing.T) {
	run := begun(t)
	if err := run.End(record.Interrupted, "Ctrl-C", start); err != nil {
		t.Fatal(err)
	}
	again, _, err := record.Resume(run.Dir(), planned().Plan, start.Add(time.Hour))
	if err != nil {
		t.Fatal(err)
	}
	if err := again.End(record.Interrupted, "Ctrl-C", start); err != nil {
		t.Error(err)
	}
}

func TestResumeRefuses(t *testing.T) {
	done := begun(t)
	if err := done.End(record.Done, "", start); err != nil {
		t.Fatal(err)
	}
	changed := killed(t, begun(t))
	edit(t, filepath.Join(changed, "trials.csv"), "json", "wait")
	shorter := killed(t, begun(t))
	if err := os.Truncate(filepath.Join(shorter, "timeline.csv"), 10); err != nil {
		t.Fatal(err)
	}
	frozen := killed(t, begun(t)) // while this lab waited
	edit(t, filepath.Join(frozen, "run.json"), `"block": 2`, `"block": 3`)
	unaccounted := killed(t, begun(t))
	edit(t, filepath.Join(unaccounted, "run.json"), `"files"`, `"other"`)
	for name, c := range map[string]struct {
		dir  string
		code int
		want string
	}{
		"complete":             {done.Dir(), lab.ExitUsage, "is complete"},
		"being written":        {begun(t).Dir(), lab.ExitFailed, "another lab"},
		"changed":              {changed, lab.ExitFailed, "trials.csv is not what its run wrote"},
		"shorter than it was":  {shorter, lab.ExitFailed, "timeline.csv is not what its run wrote"},
		"without its accounts": {unaccounted, lab.ExitUsage, "did not keep account"},
		"of another plan":      {frozen, lab.ExitFailed, "another lab went on with it meanwhile"},
		"no run":               {t.TempDir(), lab.ExitUsage, "run.json"},
	} {
		t.Run(name, func(t *testing.T) {
			_, _, err := record.Resume(c.dir, planned().Plan, start)
			if err == nil || !strings.Contains(err.Error(), c.want) || lab.ExitCode(err) != c.code {
				t.Errorf("got exit code %d, %v; want %d, %s", lab.ExitCode(err), err, c.code, c.want)
			}
		})
	}
}

func edit(t *testing.T, path, from, to string) {
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

// Whatever is changed in a folder is found.
func TestVerifyFindsWhatIsWrong(t *testing.T) {
	complete := func(t *testing.T) string {
		run := begun(t)
		if err := run.AddTrial(trialOf(t, 2)...); err != nil {
			t.Fatal(err)
		}
		if err := run.WriteVerdicts(nil); err != nil {
			t.Fatal(err)
		}
		if err := run.End(record.Done, "", start); err != nil {
			t.Fatal(err)
		}
		return run.Dir()
	}
	if v := verification(t, complete(t)); !v.Complete() || v.Files != 5 {
		t.Fatalf("untouched: %+v", v)
	}
	for name, c := range map[string]struct {
		change func(t *testing.T, dir string)
		want   string
	}{
		"a figure": {func(t *testing.T,
			dir string,
		) {
			edit(t, filepath.Join(dir, "trials.csv"), ",closed,",
				",open,")
		}, "trials.csv is not what the run wrote"},
		"a row more": {
			func(t *testing.T, dir string) { appendTo(t, "x\n", dir, "timeline.csv") },
			"timeline.csv has 2 bytes more",
		},
		"a file": {
			func(t *testing.T, dir string) { remove(t, dir, "histograms.hlog") },
			"histograms.hlog is gone",
		},
		"the verdicts": {func(t *testing.T,
			dir string,
		) {
			edit(t, filepath.Join(dir, "verdicts.csv"), "reason", "Reason")
		}, "verdicts.csv is not"},
		"a path": {func(t *testing.T, dir string) {
			edit(t, filepath.Join(dir, "run.json"), `"timeline.csv": {`, `"../timeline.csv": {`)
		}, "outside the folder"},
		"the plan": {func(t *testing.T, dir string) {
			edit(t, filepath.Join(dir, "run.json"), `"block": 2`, `"block": 3`)
		}, "the plan has no trial"},
		"a row's number": {func(t *testing.T, dir string) {
			edit(t, filepath.Join(dir, "trials.csv"), runID+",2,", runID+",7,")
		}, "row 2: its number is 7"},
		"a row twice": {func(t *testing.T, dir string) {
			text := strings.TrimSuffix(read(t, dir, "trials.csv"), "\n")
			appendTo(t, strings.Replace(text[strings.LastIndex(text, "\n")+1:], runID+",4,", runID+",5,", 1)+"\n", dir,
				"trials.csv")
		}, "row 5: steady of that trial has a row already"},
		"the run": {func(t *testing.T, dir string) {
			edit(t, filepath.Join(dir, "run.json"), `"run_id": "`+runID, `"run_id": "20261123T231501Z-cd34`)
		}, "is of run " + runID},
		"an order": {func(t *testing.T, dir string) {
			edit(t, filepath.Join(dir, "run.json"), `"position": 1`, `"position": 2`)
		}, "its position is 1, planned is 2"},
		"the host": {func(t *testing.T,
			dir string,
		) {
			edit(t, filepath.Join(dir, "run.json"), "h0123456789", "h9")
		}, "not on h9"},
		"the image": {
			func(t *testing.T, dir string) { edit(t, filepath.Join(dir, "run.json"), `"c0"`, `"c1"`) },
			"its image is not the run's",
		},
	} {
		t.Run(name, func(t *testing.T) {
			dir := complete(t)
			c.change(t, dir)
			v := verification(t, dir)
			if v.Consistent() || !strings.Contains(strings.Join(v.Problems, "\n"), c.want) {
				t.Errorf("found %q, want %s", v.Problems, c.want)
			}
		})
	}
}

func remove(t *testing.T, path ...string) {
	t.Helper()
	if err := os.Remove(filepath.Join(path...)); err != nil {
		t.Fatal(err)
	}
}

func TestVerifyOfARunThatIsNotComplete(t *testing.T) {
	run := begun(t)
	appendTo(t, "half a line", run.Dir(), "timeline.csv")
	appendTo(t, "torn", run.Dir(), "trials.csv")
	v := verification(t, run.Dir())
	if !v.Consistent() || v.Complete() || v.Trials != 1 || v.Planned != 2 {
		t.Errorf("verified: %+v", v)
	}
	said := strings.Join(v.Missing, "\n")
	if !strings.Contains(said, "1 of 2 trials") || !strings.Contains(said, "timeline.csv: 11 bytes") {
		t.Errorf("missing: %q", v.Missing)
	}
	// A variant that is refused has no trials to miss.
	if err := run.Update(func(i *record.Info) {
		i.Refused = map[string]string{"node/single": "it breaks the " +
			"contract"}
	}); err != nil {
		t.Fatal(err)
	}
	if v := verification(t, run.Dir()); v.Trials != 2 {
		t.Errorf("with its variant refused: %+v", v)
	}
}

func TestRowsAreNumberedOverTrials(t *testing.T) {
	run := begun(t)
	if err := run.AddTrial(trialOf(t, 2)...); err != nil {
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
		t.Errorf("numbered %v", numbers)
	}
}

func TestCheckDiskSpace(t *testing.T) {
	dir := filepath.Join(t.TempDir(), "results")
	if err := record.CheckDiskSpace(dir, 1); err != nil {
		t.Error(err)
	}
	if left, _ := filepath.Glob(filepath.Join(dir, ".*")); len(left) > 0 {
		t.Errorf("left behind: %q", left)
	}
	if err := record.CheckDiskSpace(dir, 1<<62); err == nil || !strings.Contains(err.Error(),
		"left, and a run may need") {
		t.Errorf("more than any disk has: %v", err)
	}
	file := filepath.Join(t.TempDir(), "file")
	if err := os.WriteFile(file, nil, 0o644); err != nil {
		t.Fatal(err)
	}
	if err := record.CheckDiskSpace(filepath.Join(file, "results"),
		1); lab.ExitCode(err) != lab.ExitFailed || !strings.Contains(err.Error(), "nothing can be recorded") {
		t.Errorf("beneath a file: %v", err)
	}
}

func TestNoCellIsAFormula(t *testing.T) {
	for cell, want := range map[string]string{
		"": "", "plain": "plain", "-12.5": "-12.5", "+3": "+3", "1=1": "1=1",
		"=HYPERLINK(\"http://192.0.2.1\")": "'=HYPERLINK(\"http://192.0.2.1\")",
		"@SUM(A1)":                         "'@SUM(A1)", "-2+3": "'-2+3", "+cmd|' /C calc'!A0": "'+cmd|' /C " +
			"calc'!A0", "\t=1": "'\t=1",
	} {
		if got := record.EscapeFormula(cell); got != want {
			t.Errorf("%q becomes %q, want %q", cell, got, want)
		}
	}
	run := begun(t)
	s := trialOf(t, 2)[0]
	s.Identity.RuntimeVersion = "=1+1" // which a server chooses
	if err := run.AddTrial(s); err != nil {
		t.Fatal(err)
	}
	if text := read(t, run.Dir(), "trials.csv"); strings.Contains(text, ",=1+1") || !strings.Contains(text,
		",'=1+1,") {
		t.Errorf("a formula is in the file:\n%s", text)
	}
}

// A link in a stranger's folder leads to a file that is not the run's.
func TestAResumedRunFollowsNoLink(t *testing.T) {
	outside := filepath.Join(t.TempDir(), "outside")
	if err := os.MkdirAll(outside, 0o755); err != nil {
		t.Fatal(err)
	}
	victim := filepath.Join(outside, "victim")
	if err := os.WriteFile(victim, []byte("precious"), 0o644); err != nil {
		t.Fatal(err)
	}
	for name, to := range map[string]string{"timeline.csv": victim, "raw": outside} {
		dir := killed(t, begun(t))
		if err := os.RemoveAll(filepath.Join(dir, name)); err != nil {
			t.Fatal(err)
		}
		if err := os.Symlink(to, filepath.Join(dir, name)); err != nil {
			t.Fatal(err)
		}
		text := read(t, dir, "run.json")
		if at := strings.Index(text, `"timeline.csv": {`); name == "timeline.csv" {
			end := at + strings.Index(text[at:], "}")
			text = text[:at] +
				`"timeline.csv": {"bytes": 0, "sha256": "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855"` + text[end:]
			if err := os.WriteFile(filepath.Join(dir, "run.json"), []byte(text), 0o644); err != nil {
				t.Fatal(err)
			}
		}
		if _, _, err := record.Resume(dir, planned().Plan, start); err == nil {
			t.Errorf("%s is a link and was followed", name)
		}
		if got := read(t, victim); got != "precious" {
			t.Errorf("through %s the file outside became %q", name, got)
		}
	}
}

// A planned trial is measured once, whatever came of it, and however often it was
// tried; of a variant that is refused there is nothing to measure.
func TestMeasuredTrials(t *testing.T) {
	r := record.StoredRun{Info: record.Info{Refused: map[string]string{"node/broken": "it breaks the contract"}}}
	for block := 1; block <= 4; block++ {
		for _, variant := range []string{"node/single", "node/broken", lab.TwinOf("node/broken")} {
			r.Info.Plan.Trials = append(r.Info.Plan.Trials,
				lab.Trial{Scenario: "json", Variant: variant, Cores: 1, Block: block, Attempt: 1})
		}
	}
	for i, v := range []lab.Validity{lab.Disturbed, lab.Disturbed, lab.Failed} { // the first was repeated
		r.Rows = append(r.Rows, metric.Row{
			"scenario": metric.Text("json"), "variant": metric.Text("node/single"), "server_cpus": metric.Int(1),
			"block": metric.Int(int64(1 + i/2)), "attempt": metric.Int(int64(1 +
				i%2)), "validity": metric.Text(string(v)),
		})
	}
	if n := r.MeasuredTrials(); n != 2+8 {
		t.Errorf("%d of 12, want 10: blocks 1 and 2, and all that is refused", n)
	}
}
