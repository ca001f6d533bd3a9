package cli

import (
	"encoding/json"
	"os"
	"path/filepath"
	"testing"

	"runtimelab/lab/compare"
	"runtimelab/lab/record"
	"runtimelab/lab/report"
)

// FuzzRunFolder reads folders of runs with any content. Each must be refused, or can be
// reported, verified and compared with itself.
func FuzzRunFolder(f *testing.F) {
	folders, err := filepath.Glob("../compare/testdata/*")
	if err != nil || len(folders) == 0 {
		f.Fatalf("no folder as a seed: %v", err)
	}
	for _, dir := range folders {
		info, err := os.ReadFile(filepath.Join(dir, record.InfoFile))
		if err != nil {
			f.Fatal(err)
		}
		trials, err := os.ReadFile(filepath.Join(dir, record.TrialsFile))
		if err != nil {
			f.Fatal(err)
		}
		f.Add(info, trials)
	}
	dir := f.TempDir()
	f.Fuzz(func(t *testing.T, info, trials []byte) {
		for name, text := range map[string][]byte{record.InfoFile: info, record.TrialsFile: trials} {
			if err := os.WriteFile(filepath.Join(dir, name), text, 0o644); err != nil {
				t.Fatal(err)
			}
		}
		if _, err := record.Verify(dir); err != nil {
			return // refused
		}
		recorded, err := record.Read(dir)
		if err != nil {
			return
		}
		r := report.New(recorded.Info.Plan, recorded.Rows, recorded.MeasuredTrials())
		if r.Text() == "" || r.Markdown() == "" {
			t.Fatal("a run that can be read has no report")
		}
		if _, err := json.Marshal(r); err != nil {
			t.Fatalf("a run that can be read has no JSON: %v", err)
		}
		source := compare.FolderSource("again", dir, &recorded.Info)
		runs, err := compare.Read(t.Context(), []compare.Source{source, source}, compare.DefaultMetrics())
		if err != nil {
			return
		}
		if c := compare.Compare(runs[0], runs[1], 0.05); len(c.WorseLines()) > 0 {
			t.Fatalf("worse than itself:\n%s", c.Text())
		}
	})
}
