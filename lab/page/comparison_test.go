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

// slowerComparison compares a recorded run with a copy of it in which one server serves a share of its
// requests, for as much CPU time.
func slowerComparison(t testing.TB, share float64) compare.Comparison {
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
		for name, factor := range map[string]float64{
			"throughput_rps": share, "goodput_rps": share, "cpu_us_per_request": 1 / share,
		} {
			if x, err := strconv.ParseFloat(row[column(name)], 64); err == nil {
				row[column(name)] = fmt.Sprintf("%.3f", x*factor)
			}
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

// topOf returns what the page of a comparison shows first.
func topOf(t *testing.T, c compare.Comparison) (top, rest string) {
	t.Helper()
	text, err := page.Comparisons([]compare.Comparison{c})
	if err != nil {
		t.Fatal(err)
	}
	_, body, _ := strings.Cut(string(text), `<div class="top `)
	top, rest, found := strings.Cut(body, "</div>\n<p class=\"lead\"")
	if !found {
		t.Fatalf("the page has no top:\n%.2000s", text)
	}
	return top, rest
}

func TestComparisonBeginsWithTheLineThatMatters(t *testing.T) {
	top, rest := topOf(t, slowerComparison(t, 0.8))
	for _, want := range []string{
		`bad">`, "python/uvloop is slower", "20 % fewer requests served per second", "Between 3",
		"0.80× [0.", "decided python/uvloop peak",
		"The interval excludes no change, and the estimate is beyond the 5 % that do not matter.",
	} {
		if !strings.Contains(top, want) {
			t.Errorf("the top has no %q:\n%s", want, top)
		}
	}
	first, _, _ := strings.Cut(rest[strings.Index(rest, `class="claim-row line"`):], "</div>")
	if !strings.Contains(first, "<b>decided python/uvloop peak</b> requests served per second") ||
		!strings.Contains(first, "worse") {
		t.Errorf("the first line is %s", first)
	}
	if top, _ := topOf(t, slowerComparison(t, 1.25)); !strings.Contains(top, `good">`) ||
		!strings.Contains(top, "python/uvloop is faster") || !strings.Contains(top, "25 % more requests served") {
		t.Errorf("a faster server: %s", top)
	}
}

func TestComparisonSaysThatNothingMatters(t *testing.T) {
	c := slowerComparison(t, 1)
	if top, _ := topOf(t, c); !strings.Contains(top, "No change was shown") ||
		!strings.Contains(top, "no evidence that nothing has changed") || strings.Contains(top, "%</p>") {
		t.Errorf("with undecided lines: %s", top)
	}
	for i := range c.Lines {
		c.Lines[i].Mark = compare.Equivalent
	}
	if top, _ := topOf(t, c); !strings.Contains(top, "Nothing has changed") {
		t.Errorf("with equivalent lines: %s", top)
	}
	c.Lines = nil
	if top, _ := topOf(t, c); !strings.Contains(top, "no line in common") {
		t.Errorf("without lines: %s", top)
	}
}
