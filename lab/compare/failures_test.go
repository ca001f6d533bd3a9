package compare_test

import (
	"encoding/csv"
	"encoding/json"
	"slices"
	"strings"
	"testing"

	"runtimelab/lab/compare"
	"runtimelab/lab/metric"
)

func TestASideThatFailsIsNeverBetterOrEquivalent(t *testing.T) {
	const B, W, E, U = compare.Better, compare.Worse, compare.Equivalent, compare.Undecided
	newMeans := [3]float64{120, 100, 80} // the mean of OLD is 100
	for name, c := range map[string]struct {
		metric   string
		old, new string // share of requests that failed
		want     [3]compare.Mark
		bound    metric.Bound
	}{
		"none fails":        {"throughput_rps", "0", "0", [3]compare.Mark{B, E, W}, ""},
		"one in a thousand": {"throughput_rps", "0.001", "0.001", [3]compare.Mark{B, E, W}, ""},
		"NEW fails":         {"throughput_rps", "0", "0.032", [3]compare.Mark{U, U, W}, metric.AtMost},
		"OLD fails":         {"throughput_rps", "0.032", "0", [3]compare.Mark{B, U, U}, metric.AtLeast},
		"both fail":         {"throughput_rps", "0.032", "0.032", [3]compare.Mark{U, U, U}, metric.Open},
		"NEW fails, CPU":    {"cpu_us_per_request", "0", "0.032", [3]compare.Mark{W, U, U}, metric.AtLeast},
		"OLD fails, CPU":    {"cpu_us_per_request", "0.032", "0", [3]compare.Mark{U, U, B}, metric.AtMost},
		"NEW fails, memory": {"memory_peak_mib", "0", "0.032", [3]compare.Mark{W, U, U}, metric.AtLeast},
		"NEW fails, start":  {"cold_start_ms", "0", "0.032", [3]compare.Mark{W, U, U}, metric.AtLeast},
	} {
		for i, mean := range newMeans {
			got := compared(t, trials(c.metric, around(100), "error_ratio", c.old),
				trials(c.metric, around(mean), "error_ratio", c.new).with("run_id", "new"))
			l := line(t, got, c.metric)
			if l.Mark != c.want[i] || l.Bound != c.bound {
				t.Errorf("%s, %v against 100: %s %s, want %s %s", name, mean, l.Bound, l.Mark, c.bound, c.want[i])
			}
			for form, text := range map[string]string{"text": got.Text(), "Markdown": got.Markdown()} {
				if found := strings.Contains(text, "3.2 %"); found != (c.bound != "") {
					t.Errorf("%s: the %s has the share of failures: %v\n%s", name, form, found, text)
				}
			}
		}
	}
}

// error_ratio itself may be better, although both sides fail.
func TestErrorRatiosAreComparedThemselves(t *testing.T) {
	for new, want := range map[string]compare.Mark{
		"0.5": compare.Worse, "0.05": compare.Better, "0.1": compare.Equivalent,
	} {
		c := compared(t, trials("throughput_rps", around(100), "error_ratio", "0.1"),
			trials("throughput_rps", around(100), "error_ratio", new).with("run_id", "new"))
		if l := line(t, c, "error_ratio"); l.Mark != want {
			t.Errorf("0.1 against %s: %s, want %s", new, l.Mark, want)
		}
	}
}

// A trial that was repeated, or is not valid, does not count.
func TestFailuresOfTheWorstUsableTrialDecide(t *testing.T) {
	for name, c := range map[string]struct {
		change func(table) table
		want   compare.Mark
	}{
		"a valid trial": {func(rows table) table {
			rows[3]["error_ratio"] = "0.01"
			return rows
		}, compare.Undecided},
		"a failed trial": {func(rows table) table {
			return append(rows, trial(7, "throughput_rps", 1, "error_ratio", "1", "validity", "failed"))
		}, compare.Better},
		"a repeated trial": {func(rows table) table {
			first := trial(6, "throughput_rps", 1, "error_ratio", "1", "validity", "disturbed")
			rows[5]["attempt"] = "2"
			return slices.Insert(rows, 5, first)
		}, compare.Better},
		"a valid trial with a disturbed repeat": {func(rows table) table {
			rows[5]["error_ratio"] = "0.01"
			return append(rows, trial(6, "throughput_rps", 1, "validity", "disturbed", "attempt", 2))
		}, compare.Undecided},
	} {
		rows := c.change(trials("throughput_rps", around(120), "error_ratio", "0"))
		got := compared(t, trials("throughput_rps", around(100), "error_ratio", "0"), rows.with("run_id", "new"))
		if l := line(t, got, "throughput_rps"); l.Mark != c.want {
			t.Errorf("%s: %s, want %s", name, l.Mark, c.want)
		}
	}
}

func TestARunWithFailuresIsEquivalentToItself(t *testing.T) {
	rows := trials("throughput_rps", around(100), "error_ratio", "0.5")
	for _, l := range compared(t, rows, rows).Lines {
		if l.Mark != compare.Equivalent {
			t.Errorf("%s: %s", l.Metric, l.Mark)
		}
	}
}

func TestEveryFormShowsFailures(t *testing.T) {
	c := compared(t, trials("throughput_rps", around(100), "error_ratio", "0"),
		trials("throughput_rps", around(120), "error_ratio", "0.032").with("run_id", "new"))
	text, err := json.Marshal(c)
	if err != nil {
		t.Fatal(err)
	}
	for _, part := range []string{`"failed":0.032`, `"failing":"new"`} {
		if !strings.Contains(string(text), part) {
			t.Errorf("JSON has no %s: %s", part, text)
		}
	}
	rows, err := csv.NewReader(strings.NewReader(string(compare.CSV([]compare.Comparison{c})))).ReadAll()
	if err != nil {
		t.Fatal(err)
	}
	old, new := slices.Index(rows[0], "old_failed"), slices.Index(rows[0], "new_failed")
	if old < 0 || new < 0 || rows[1][old] != "0" || rows[1][new] != "0.032" {
		t.Errorf("CSV: %q", rows[:2])
	}
	if text := c.Text(); !strings.Contains(text, "json node/single peak (failed: OLD 0 %, NEW 3.2 %)") {
		t.Errorf("text:\n%s", text)
	}
	if text := c.Markdown(); !strings.Contains(text, "| 0 %, 3.2 % |") {
		t.Errorf("Markdown:\n%s", text)
	}
}

// Latencies of schema 4 include failed requests, those of schema 5 do not. If none failed that is
// a note, else a doubt.
func TestLatenciesOfTwoSchemasAreANoteOrADoubt(t *testing.T) {
	for name, c := range map[string]struct {
		old, new    string // schema
		failed      string // in OLD
		note, doubt string
	}{
		"none failed": {
			"4", "5", "0",
			"latencies of A (schema 4) include failed requests, those of B (schema 5) do not. " +
				"No request failed in A, so they are comparable", "",
		},
		"some failed": {
			"4", "5", "0.0005", "",
			"latencies of A (schema 4) include failed requests, those of B (schema 5) do not: " +
				"they are of different requests in json node/single peak (0.05 % failed)",
		},
		"the new run is older": {
			"5", "4", "0",
			"latencies of B (schema 4) include failed requests, those of A (schema 5) do not. " +
				"No request failed in B, so they are comparable", "",
		},
		"both of 4": {"4", "4", "0.0005", "", ""},
		"both of 5": {"5", "5", "0.0005", "", ""},
	} {
		got := compared(t,
			trials("throughput_rps", around(100), "error_ratio", c.failed, "schema_version", c.old),
			trials("throughput_rps", around(100), "error_ratio", "0", "run_id", "new", "schema_version", c.new))
		if all := strings.Join(words(got.Notes), "\n"); all != c.note {
			t.Errorf("%s: notes %q, want %q", name, all, c.note)
		}
		doubts := words(got.Doubts)
		found := strings.Contains(strings.Join(doubts, "\n"), "schema")
		if found != (c.doubt != "") || c.doubt != "" && !slices.Contains(doubts, c.doubt) {
			t.Errorf("%s: doubts %q, want %q", name, doubts, c.doubt)
		}
		for form, text := range map[string]string{"text": got.Text(), "Markdown": got.Markdown()} {
			if found := strings.Contains(text, "schema 4"); found != (c.note+c.doubt != "") {
				t.Errorf("%s: the %s names the schema: %v", name, form, found)
			}
		}
	}
}
