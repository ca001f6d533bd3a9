package page_test

import (
	"bytes"
	"encoding/csv"
	"fmt"
	"io"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"testing"

	"runtimelab/lab/compare"
	"runtimelab/lab/page"
)

// slowerComparison compares a recorded run with a copy of it in which one server is a quarter slower.
func slowerComparison(t testing.TB) compare.Comparison {
	t.Helper()
	old := unpacked(t, filepath.Join(replayed, "decided", "trials.csv"))
	rows, err := csv.NewReader(bytes.NewReader(old)).ReadAll()
	if err != nil {
		t.Fatal(err)
	}
	column := func(name string) int { return slices.Index(rows[0], name) }
	for _, row := range rows[1:] {
		row[column("run_id")] = "20261201T000000Z-0000"
		if row[column("scenario")] != "decided" || row[column("variant")] != "python/uvloop" {
			continue
		}
		if rps, err := strconv.ParseFloat(row[column("throughput_rps")], 64); err == nil {
			row[column("throughput_rps")] = fmt.Sprintf("%.3f", 0.6*rps)
		}
	}
	var changed bytes.Buffer
	if err := csv.NewWriter(&changed).WriteAll(rows); err != nil {
		t.Fatal(err)
	}
	var sources []compare.Source
	for label, text := range map[string][]byte{"old": old, "new": changed.Bytes()} {
		sources = append(sources, compare.Source{Label: label, Open: func() (io.ReadCloser, error) {
			return io.NopCloser(bytes.NewReader(text)), nil
		}})
	}
	// old first
	slices.SortFunc(sources, func(a, b compare.Source) int { return strings.Compare(b.Label, a.Label) })
	runs, err := compare.Read(t.Context(), sources, compare.DefaultMetrics())
	if err != nil {
		t.Fatal(err)
	}
	return compare.Compare(runs[0], runs[1], compare.DefaultThreshold)
}

func TestComparisonBeginsWithTheLineThatMatters(t *testing.T) {
	text, err := page.Comparisons([]compare.Comparison{slowerComparison(t)})
	if err != nil {
		t.Fatal(err)
	}
	_, body, _ := strings.Cut(string(text), "<section")
	want := "decided python/uvloop peak is worse: throughput_rps went from "
	if top := strings.Index(body, want); top < 0 || top > 400 {
		t.Errorf("%q is at %d of\n%.800s", want, top, body)
	}
	first, _, _ := strings.Cut(body[strings.Index(body, `class="claim-row line"`):], "</div>")
	if !strings.Contains(first, "<b>decided python/uvloop peak</b> throughput_rps") || !strings.Contains(first,
		"worse") {
		t.Errorf("the first line is %s", first)
	}
}
